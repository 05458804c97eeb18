//! Keys: where they come from and how they are kept. A key is an encrypted keystore
//! file, an environment variable, or, on the development chain only, one of anvil's
//! well-known accounts. Nothing here prints a secret.

mod dev;
mod password;
mod source;
mod store;

pub(crate) use dev::dev_secret;
pub use dev::{DEV_ACCOUNTS, dev_key};
pub use password::PasswordSource;
pub use source::KeySource;
pub use store::{KeyInfo, KeyStore};
pub(crate) use store::{exposed_file, exposed_files};
