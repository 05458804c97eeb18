//! Crash points: named places where a test lets the process die, as kill -9 would.
//!
//! Whoever makes something durable calls [`fail_point`] before, between and after the steps. The calls are compiled in
//! with the feature `fail-points` only, which test crates turn on; without it every function here is empty and inlined
//! away. With it, the process dies at the point that `MAYFLY_FAIL_AT` names: `name`, or `name:3` for the third time.
//!
//! Invariants: every point stands in [`POINTS`], and in the sources exactly once (a test of the whole system checks it).
//!
//! ```
//! mayfly_fail::fail_point("log-synced"); // nothing, unless MAYFLY_FAIL_AT=log-synced
//! ```

mod names;
mod point;

pub use names::{POINTS, Point, Reach};
pub use point::{fail_point, limit, torn};
