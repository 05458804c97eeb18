//! What a node does while its database is killed, stands still, takes no connections or cannot write.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use mayfly_ledger::Ledger;

use crate::node::until;
use crate::stand::Stand;

async fn says_database_is_gone(stand: &Stand) {
    until("the loss of the database", async || {
        let (_, body) = stand.world.ready(&stand.node).await;
        (body["reasons"]["database"] == "it does not answer").then_some(())
    })
    .await;
}

/// The process that serves the node's database now.
fn postmaster(stand: &Stand) -> u32 {
    let path = stand.world.dir.path().join("node/postgres/data/postmaster.pid");
    std::fs::read_to_string(path).unwrap().lines().next().unwrap().trim().parse().unwrap()
}

fn signal(name: &str, pid: u32) {
    assert!(Command::new("kill").args([name, &pid.to_string()]).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_database_is_started_again_and_answers_go_on() {
    let mut stand = Stand::start().await;
    for how in ["-KILL", "-INT"] {
        let before = postmaster(&stand);
        signal(how, before);
        // Nobody who sends waits for the database.
        stand.send().await;
        stand.is_well().await;
        assert_ne!(postmaster(&stand), before);
    }
    stand.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_stands_still_is_named_and_holds_up_no_answer() {
    let mut stand = Stand::start().await;
    let everything = processes_of(postmaster(&stand));
    everything.iter().for_each(|pid| signal("-STOP", *pid));
    stand.send().await;
    says_database_is_gone(&stand).await;
    stand.send().await;
    everything.iter().for_each(|pid| signal("-CONT", *pid));
    stand.is_well().await;
    stand.ends().await;
}

/// A process and its children.
fn processes_of(pid: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    std::iter::once(pid).chain(children.split_whitespace().map(|pid| pid.parse().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_without_connections_is_named_and_waited_for() {
    let mut stand = Stand::start().await;
    let url = stand.node.database_url().to_owned();
    let ours: Vec<u32> = processes_of(postmaster(&stand)).into_iter().filter(|pid| serves(*pid, "mayfly")).collect();
    assert!(!ours.is_empty());
    // Somebody takes what is free, then what the node held, which may be quicker to take that back.
    let mut taken = Vec::new();
    take_all(&url, &mut taken).await;
    let (first, all) = (taken.len(), taken.len() + ours.len());
    let served = |stand: &Stand| processes_of(postmaster(stand)).into_iter().filter(|pid| serves(*pid, "mayfly"));
    let others: Vec<u32> = served(&stand).filter(|pid| !ours.contains(pid)).collect();
    until("every connection", async || {
        taken.truncate(first);
        for pid in served(&stand).filter(|pid| !others.contains(pid)) {
            let _gone_already = Command::new("kill").args(["-TERM", &pid.to_string()]).status();
        }
        take_all(&url, &mut taken).await;
        (taken.len() == all).then_some(())
    })
    .await;
    stand.send().await;
    says_database_is_gone(&stand).await;
    stand.send().await;
    drop(taken);
    stand.is_well().await;
    stand.ends().await;
}

/// Whether a process of the server serves a connection to this database.
fn serves(pid: u32, database: &str) -> bool {
    let title = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    title.starts_with(&format!("postgres: postgres {database} "))
}

/// Takes connections until there are no more.
async fn take_all(url: &str, taken: &mut Vec<Ledger>) {
    let full = loop {
        match tokio::time::timeout(Duration::from_secs(2), Ledger::look(url)).await {
            Ok(Ok(connection)) => taken.push(connection),
            Ok(Err(error)) => break error.to_string(),
            // It asks again and again for ten seconds.
            Err(_) => return,
        }
    };
    assert!(full.contains("too many clients") || full.contains("remaining connection slots"), "{full}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cannot_write_loses_nothing() {
    let mut stand = Stand::start().await;
    // No process of the server may make a file longer from here on, as on a full disk: the server gives up at its
    // next record and cannot start, until the node starts one that may.
    let first = postmaster(&stand);
    for pid in processes_of(first) {
        // As the user that the server runs as: limits of others are not for everybody, not even for root.
        let Ok(process) = std::fs::metadata(format!("/proc/{pid}")) else { continue };
        let mut prlimit = Command::new("prlimit");
        prlimit.args(["--pid", &pid.to_string(), "--fsize=0:0"]).uid(process.uid()).gid(process.gid());
        let limit = prlimit.status().unwrap();
        // A child may have ended meanwhile.
        assert!(limit.success() || pid != first);
    }
    for _ in 0..3 {
        stand.send().await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    stand.is_well().await;
    assert_ne!(postmaster(&stand), first, "it went on writing");
    stand.ends().await;
}
