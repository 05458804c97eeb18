//! Creates rollups; one on each L1.
#![allow(missing_docs)]

bind!(RollupFactory, "artifacts/RollupFactory.json");
