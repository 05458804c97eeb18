//! Who runs PostgreSQL: ourselves, or as root the user `postgres`.

use crate::server::ServerError;
use nix::unistd::{Gid, Uid, User, chown};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// The account that PostgreSQL runs under.
#[derive(Clone, Debug)]
pub(super) struct Account {
    name: String,
    uid: Uid,
    gid: Gid,
    /// Whether it is another one than ours.
    switch: bool,
}

impl Account {
    pub(super) fn choose() -> Result<Self, ServerError> {
        let me = Uid::effective();
        if !me.is_root() {
            return Ok(Self { name: me.to_string(), uid: me, gid: Gid::effective(), switch: false });
        }
        let name = std::env::var("MAYFLY_PG_USER").unwrap_or_else(|_| "postgres".to_owned());
        match User::from_name(&name) {
            Ok(Some(user)) if !user.uid.is_root() => Ok(Self { name, uid: user.uid, gid: user.gid, switch: true }),
            _ => Err(ServerError::NoUser(name)),
        }
    }

    /// A command that runs under this account.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if self.switch {
            command.uid(self.uid.as_raw()).gid(self.gid.as_raw());
        }
        command
    }

    /// Makes a directory of ours that only this account may enter.
    pub(super) fn own_dir(&self, dir: &Path) -> Result<(), ServerError> {
        fs::create_dir_all(dir).map_err(ServerError::io("create", dir))?;
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).map_err(ServerError::io("change mode of", dir))?;
        self.own(dir)
    }

    /// Hands a file or directory over.
    pub(super) fn own(&self, path: &Path) -> Result<(), ServerError> {
        if !self.switch {
            return Ok(());
        }
        chown(path, Some(self.uid), Some(self.gid))
            .map_err(|errno| ServerError::io("change owner of", path)(errno.into()))
    }

    /// Refuses a directory that this account cannot get to.
    pub(super) fn check_path(&self, dir: &Path) -> Result<(), ServerError> {
        if !self.switch {
            return Ok(());
        }
        for parent in dir.ancestors().skip(1) {
            let meta = fs::metadata(parent).map_err(ServerError::io("read", parent))?;
            let bit = match (meta.uid() == self.uid.as_raw(), meta.gid() == self.gid.as_raw()) {
                (true, _) => 0o100,
                (false, true) => 0o010,
                (false, false) => 0o001,
            };
            if meta.mode() & bit == 0 {
                return Err(ServerError::NotTraversable { user: self.name.clone(), path: parent.to_owned() });
            }
        }
        Ok(())
    }
}
