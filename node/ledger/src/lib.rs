//! mayfly-ledger
