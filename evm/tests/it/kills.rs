//! Processes that end while they write.

use crate::{common::*, reverting::try_random_block};
use mayfly_evm::{Chain, EvmError};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};
use tempfile::TempDir;

#[test]
fn a_disk_that_takes_no_more_stops_the_chain_and_keeps_what_was_answered() {
    let dir = TempDir::new().unwrap();
    drop(Chain::create(Some(dir.path()), spec(), &with_contracts()).unwrap());
    // Writing beyond the limit fails like a full disk does.
    let child = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 400; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["kills::child_builds_blocks_until_killed", "--exact", "--nocapture"])
        .env(CHILD_DIR, dir.path())
        .output()
        .unwrap();
    let out = String::from_utf8(child.stdout).unwrap();
    let stopped = out.lines().find(|line| line.starts_with("stopped"));
    assert!(stopped.is_some_and(|line| line.contains("File too large")), "{out}");
    let mut promised: Vec<(u64, &str)> = Vec::new();
    for line in out.lines() {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["durable", number, hash] => promised.push((number.parse().unwrap(), hash)),
            ["reverting", to] => promised.retain(|(number, _)| *number <= to.parse().unwrap()),
            _ => {}
        }
    }
    assert!(promised.len() > 10);
    let mut chain = Chain::open(dir.path(), spec()).unwrap();
    for (number, hash) in promised {
        assert_eq!(chain.reader().block_by_number(number).unwrap().unwrap().hash.to_string(), hash);
    }
    add_block(&mut chain, &[]);
    chain.flush().unwrap();
}

const CHILD_DIR: &str = "MAYFLY_TEST_CHILD_DIR";

/// Not a test by itself: what `no_kill_loses_an_answered_block` kills.
#[test]
fn child_builds_blocks_until_killed() {
    let Some(dir) = std::env::var_os(CHILD_DIR) else { return };
    let mut chain = Chain::open_or_create(Path::new(&dir), spec(), &with_contracts()).unwrap();
    chain.on_durable(Box::new(|block| println!("durable {} {}", block.number(), block.hash)));
    let mut rng = StdRng::seed_from_u64(chain.head().number());
    let mut step = || -> Result<(), EvmError> {
        let whats: Vec<u64> = (0..rng.random_range(0..5)).map(|_| rng.random_range(0..100_000)).collect();
        try_random_block(&mut chain, &whats)?;
        if rng.random_range(0..20) == 0 && chain.head().number() > 3 {
            let to = chain.head().number() - rng.random_range(0..3);
            // Nothing above is promised from here on.
            chain.flush()?;
            println!("reverting {to}");
            chain.revert_to(to)?;
        }
        Ok(())
    };
    loop {
        if let Err(err) = step() {
            println!("stopped {err}");
            return;
        }
    }
}

#[test]
fn no_kill_loses_an_answered_block() {
    let dir = TempDir::new().unwrap();
    let mut rng = StdRng::seed_from_u64(3);
    for _ in 0..4 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["kills::child_builds_blocks_until_killed", "--exact", "--nocapture"])
            .env(CHILD_DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let wanted = rng.random_range(1..60);
        let mut answered: Vec<(u64, String)> = Vec::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let take = |line: String, answered: &mut Vec<(u64, String)>| {
            let words: Vec<_> = line.split(' ').collect();
            match words[..] {
                ["durable", number, hash] => answered.push((number.parse().unwrap(), hash.to_string())),
                ["reverting", to] => answered.retain(|(number, _)| *number <= to.parse().unwrap()),
                _ => {}
            }
        };
        let mut count = 0;
        while count < wanted {
            let line = lines.next().expect("the child goes on until it is killed");
            count += usize::from(line.starts_with("durable"));
            take(line, &mut answered);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // Whole lines only: the last may be torn.
        let rest: Vec<_> = lines.collect();
        let whole = |line: &String| line.len() > 70 || line.starts_with("reverting ");
        rest.into_iter().filter(whole).for_each(|line| take(line, &mut answered));
        let chain = Chain::open(dir.path(), spec()).unwrap();
        assert!(!answered.is_empty());
        for (number, hash) in answered {
            let block = chain.reader().block_by_number(number).unwrap().unwrap();
            assert_eq!(block.hash.to_string(), hash);
        }
    }
}
