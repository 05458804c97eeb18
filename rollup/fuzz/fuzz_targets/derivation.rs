//! `cargo +nightly fuzz run derivation` in `rollup/`.
#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::fuzz_derivation(data));
