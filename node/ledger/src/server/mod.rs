//! A private PostgreSQL for a node that was given no database: local binaries, a Unix socket, no port.
//!
//! The server's directory holds `data` (the cluster), `server.json` (which process runs it, for the next start) and
//! `postgres.log`. PostgreSQL refuses to run as root, so as root it runs as the user `postgres` (or `MAYFLY_PG_USER`),
//! who then owns the directory.

mod account;
mod binaries;
mod cluster;
mod error;
mod process;

pub use cluster::{Server, ServerOptions};
pub use error::ServerError;
