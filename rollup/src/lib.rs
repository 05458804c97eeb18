//! mayfly-rollup
