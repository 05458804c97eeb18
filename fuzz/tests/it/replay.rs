//! Each target over its corpus, then over mutations of it.

use super::mutate::mutate;
use super::seeds::seeds;
use super::workload::rng;
use mayfly_fuzz::{TARGETS, corpus, find};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::{env, fs};

/// Most files of a target, and bytes of all together.
const MAX_FILES: usize = 300;
const MAX_CORPUS_BYTES: usize = 2 << 20;

fn rounds(default: u64) -> u64 {
    env::var("MAYFLY_FUZZ_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(default)
}

fn files(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let dir = corpus(name);
    if env::var_os("MAYFLY_WRITE_CORPUS").is_some() {
        fs::create_dir_all(&dir).unwrap();
        seeds(name).iter().for_each(|(file, bytes)| fs::write(dir.join(file), bytes).unwrap());
    }
    let mut files: Vec<PathBuf> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no corpus in {}", dir.display());
    files.into_iter().map(|file| (file.clone(), fs::read(&file).unwrap())).collect()
}

fn run(name: &str, default_rounds: u64) {
    let target = find(name).unwrap();
    let files = files(name);
    for (file, data) in &files {
        let run = std::panic::catch_unwind(|| (target.run)(data));
        assert!(run.is_ok(), "{} is a finding", file.display());
    }
    let corpus: Vec<Vec<u8>> = files.into_iter().map(|(_, data)| data).collect();
    let mut rng = rng(0xf0_22);
    for _ in 0..rounds(default_rounds) {
        (target.run)(&mutate(&mut rng, &corpus));
    }
}

#[test]
fn no_bytes_break_the_codec() {
    run("batch", 3_000);
}

#[test]
fn no_bytes_stop_derivation() {
    run("derivation", 60);
}

#[test]
fn no_answer_of_l1_is_believed_unproven() {
    run("l1", 300);
}

#[test]
fn no_damage_to_the_log_is_served() {
    run("log", 40);
}

#[test]
fn no_body_breaks_the_rpc() {
    run("rpc", 500);
}

#[test]
fn corpora_are_small_and_of_targets() {
    let dirs: BTreeSet<String> =
        fs::read_dir(corpus(".")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(dirs, TARGETS.iter().map(|target| target.name.to_owned()).collect());
    let mut bytes = 0;
    for name in dirs {
        let sizes = fs::read_dir(corpus(&name)).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len() as usize);
        let sizes: Vec<usize> = sizes.collect();
        assert!(sizes.len() <= MAX_FILES, "{name} has {} files", sizes.len());
        bytes += sizes.iter().sum::<usize>();
    }
    assert!(bytes <= MAX_CORPUS_BYTES, "{bytes} bytes of corpora");
}
