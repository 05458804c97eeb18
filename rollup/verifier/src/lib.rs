//! mayfly-verifier
