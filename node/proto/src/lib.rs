//! mayfly-proto
