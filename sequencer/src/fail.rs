//! Places where a test lets the process die.

/// Ends the process at once, as kill -9 would, if `MAYFLY_FAIL_AT` names this point: `name`, or `name:3` for the
/// third time. Only there in builds with debug assertions, which tests are and what is shipped is not; without the
/// variable it does nothing there either.
#[cfg(debug_assertions)]
pub(crate) fn fail_point(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    static AT: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);
    let at = AT.get_or_init(|| {
        let text = std::env::var("MAYFLY_FAIL_AT").ok()?;
        let (name, count) = text.split_once(':').unwrap_or((&text, "1"));
        Some((name.to_owned(), count.parse().unwrap_or(1)))
    });
    if let Some((wanted, count)) = at
        && wanted == name
        && PASSED.fetch_add(1, Ordering::SeqCst) + 1 >= *count
    {
        std::process::abort();
    }
}

/// Nothing: this is no build for tests.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub(crate) fn fail_point(_name: &str) {}
