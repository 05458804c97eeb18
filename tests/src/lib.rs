//! mayfly-e2e
