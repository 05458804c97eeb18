//! The node's configuration: one TOML file, every key optional, unknown keys refused.

mod data_dir;
mod file;

pub use data_dir::{DATA_DIR_ENV, default_data_dir};
pub use file::{AdminConfig, DatabaseConfig, KeysConfig, L1Config, LimitsConfig, NodeConfig};
