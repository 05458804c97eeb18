//! Dying on command.

#[cfg(feature = "fail-points")]
mod armed {
    use crate::POINTS;
    use std::io::Write;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Names the point, and after a colon which time it is passed.
    const AT: &str = "MAYFLY_FAIL_AT";
    /// Set, it makes [`crate::limit`] answer the small limit.
    const SMALL: &str = "MAYFLY_FAIL_SMALL";

    fn at() -> Option<&'static (String, u64)> {
        static AT_POINT: OnceLock<Option<(String, u64)>> = OnceLock::new();
        let read = || {
            let text = std::env::var(AT).ok().filter(|text| !text.is_empty())?;
            let (name, count) = text.split_once(':').unwrap_or((&text, "1"));
            let known = POINTS.iter().any(|point| point.name == name);
            match count.parse() {
                Ok(count) if known => Some((name.to_owned(), count)),
                _ => end(&format!("{AT}={text} names no crash point")),
            }
        };
        AT_POINT.get_or_init(read).as_ref()
    }

    pub(super) fn is_due(name: &str) -> bool {
        static PASSED: AtomicU64 = AtomicU64::new(0);
        let Some((wanted, count)) = at() else { return false };
        wanted == name && PASSED.fetch_add(1, Ordering::SeqCst) + 1 >= *count
    }

    pub(super) fn end(why: &str) -> ! {
        // Nobody is left to tell if stderr is gone.
        let _ = writeln!(std::io::stderr(), "{why}");
        std::process::abort()
    }

    pub(super) fn is_small() -> bool {
        static IS_SMALL: OnceLock<bool> = OnceLock::new();
        *IS_SMALL.get_or_init(|| std::env::var_os(SMALL).is_some())
    }
}

/// Ends the process at once if `MAYFLY_FAIL_AT` names this point; says so on stderr.
#[cfg(feature = "fail-points")]
pub fn fail_point(name: &str) {
    if armed::is_due(name) {
        armed::end(&format!("died at {name}"));
    }
}

/// Nothing: this build has no crash points.
#[cfg(not(feature = "fail-points"))]
#[inline(always)]
pub const fn fail_point(_name: &str) {}

/// A write of `bytes` that ends in its middle: if this point is due, `write` gets the first half, and the process ends.
#[cfg(feature = "fail-points")]
pub fn torn(name: &str, bytes: &[u8], write: impl FnOnce(&[u8])) {
    if armed::is_due(name) {
        write(&bytes[..bytes.len() / 2]);
        armed::end(&format!("died at {name}"));
    }
}

/// Nothing: this build has no crash points.
#[cfg(not(feature = "fail-points"))]
#[inline(always)]
pub fn torn(_name: &str, _bytes: &[u8], _write: impl FnOnce(&[u8])) {}

/// `usual`; or `small`, where a test has set `MAYFLY_FAIL_SMALL` so that what a limit brings about comes often.
#[cfg(feature = "fail-points")]
pub fn limit(usual: u64, small: u64) -> u64 {
    if armed::is_small() { small } else { usual }
}

/// `usual`: this build has no crash points.
#[cfg(not(feature = "fail-points"))]
#[inline(always)]
pub const fn limit(usual: u64, _small: u64) -> u64 {
    usual
}
