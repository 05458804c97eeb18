//! mayfly-node
