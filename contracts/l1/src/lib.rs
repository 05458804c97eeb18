//! mayfly-l1
