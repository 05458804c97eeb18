//! libFuzzer around the target that `MAYFLY_FUZZ_TARGET` names; run by `scripts/fuzz.sh`.
#![no_main]

use mayfly_fuzz::{Target, find};
use std::sync::OnceLock;

static TARGET: OnceLock<&'static Target> = OnceLock::new();

fn named() -> &'static Target {
    let name = std::env::var("MAYFLY_FUZZ_TARGET").unwrap_or_default();
    find(&name).expect("MAYFLY_FUZZ_TARGET names a target")
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.get_or_init(named).run)(data));
