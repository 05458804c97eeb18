//! mayfly-evm
