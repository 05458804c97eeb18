//! Places where a test lets the process die.

/// Ends the process at once, as kill -9 would, if `MAYFLY_FAIL_AT` names this point. Only there with the
/// feature `failpoints`; otherwise it is nothing.
#[cfg(feature = "failpoints")]
pub(crate) fn fail_point(name: &str) {
    if std::env::var("MAYFLY_FAIL_AT").is_ok_and(|at| at == name) {
        std::process::abort();
    }
}

/// Nothing: the feature `failpoints` is off.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) fn fail_point(_name: &str) {}
