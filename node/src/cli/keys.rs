//! `mayfly keys`.

use std::{io::Read, path::Path};

use eyre::WrapErr;
use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    args::{KeysArgs, KeysCommand},
    output,
    output::Report,
};
use crate::keys::{KeyInfo, KeyStore, PasswordSource};

/// The longest secret that is read from stdin.
const MAX_SECRET_BYTES: u64 = 256;

impl Report for KeyInfo {
    fn text(&self) -> String {
        format!("{}  {}  {}", self.name, self.address, self.path.display())
    }
}

#[derive(Serialize)]
struct KeyList {
    keys: Vec<KeyInfo>,
}

impl Report for KeyList {
    fn text(&self) -> String {
        self.keys.iter().map(Report::text).collect::<Vec<_>>().join("\n")
    }
}

/// Runs a `keys` command.
pub(crate) fn run(args: KeysArgs, data_dir: &Path, json: bool) -> eyre::Result<()> {
    let store = KeyStore::new(args.keys_dir.unwrap_or_else(|| data_dir.join("keys")));
    let password = PasswordSource::current(args.password_file);
    let info = match args.command {
        KeysCommand::New { name } => store.create(&name, &password.read("password", true)?)?,
        KeysCommand::Import { name, env } => {
            let secret = read_secret(env.as_deref())?;
            store.import(&name, &secret, &password.read("password", true)?)?
        }
        KeysCommand::Rotate { name, new_password_file } => {
            let old = password.read("old password", false)?;
            let new = PasswordSource::new_password(new_password_file).read("new password", true)?;
            store.rotate(&name, &old, &new)?
        }
        KeysCommand::List => {
            return output::print(&KeyList { keys: store.list()? }, json);
        }
    };
    output::print(&info, json)
}

fn read_secret(env: Option<&str>) -> eyre::Result<Zeroizing<String>> {
    if let Some(variable) = env {
        return Ok(Zeroizing::new(
            std::env::var(variable).wrap_err_with(|| format!("environment variable {variable}"))?,
        ));
    }
    let mut secret = Zeroizing::new(String::new());
    std::io::stdin().take(MAX_SECRET_BYTES).read_to_string(&mut secret).wrap_err("reading the secret from stdin")?;
    Ok(secret)
}
