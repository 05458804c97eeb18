//! mayfly-contracts
