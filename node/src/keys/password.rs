//! Where a keystore's password comes from.

use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::NodeError;

/// The longest password file that is read.
const MAX_PASSWORD_BYTES: u64 = 4096;

/// A file, the environment, or the terminal: tried in this order.
#[derive(Clone, Debug, Default)]
pub struct PasswordSource {
    /// A file whose first line is the password.
    pub file: Option<PathBuf>,
    /// The environment variable to read when there is no file.
    pub env: &'static str,
}

impl PasswordSource {
    /// The password that protects existing keys.
    #[must_use]
    pub fn current(file: Option<PathBuf>) -> PasswordSource {
        PasswordSource { file, env: "MAYFLY_PASSWORD" }
    }

    /// The password that `keys rotate` sets.
    #[must_use]
    pub fn new_password(file: Option<PathBuf>) -> PasswordSource {
        PasswordSource { file, env: "MAYFLY_NEW_PASSWORD" }
    }

    /// Reads the password; asks at the terminal (`twice` for one that is being set)
    /// only if neither file nor environment has it.
    ///
    /// # Errors
    /// If it is empty, unreadable, or there is nobody to ask.
    pub fn read(&self, prompt: &str, twice: bool) -> Result<Zeroizing<String>, NodeError> {
        let password = if let Some(path) = &self.file {
            let size = std::fs::metadata(path).map_err(NodeError::file(path))?.len();
            if size > MAX_PASSWORD_BYTES {
                return Err(NodeError::key(path.display().to_string(), format!("password file of {size} bytes")));
            }
            let text = Zeroizing::new(std::fs::read_to_string(path).map_err(NodeError::file(path))?);
            Zeroizing::new(text.lines().next().unwrap_or_default().to_owned())
        } else if let Ok(value) = std::env::var(self.env) {
            Zeroizing::new(value)
        } else {
            self.ask(prompt, twice)?
        };
        if password.is_empty() {
            return Err(NodeError::key("password", "is empty"));
        }
        Ok(password)
    }

    fn ask(&self, prompt: &str, twice: bool) -> Result<Zeroizing<String>, NodeError> {
        let nobody = |e: std::io::Error| {
            NodeError::key("password", format!("nobody to ask ({e}); set {} or give a password file", self.env))
        };
        let first = Zeroizing::new(rpassword::prompt_password(format!("{prompt}: ")).map_err(nobody)?);
        if twice {
            let second = Zeroizing::new(rpassword::prompt_password(format!("{prompt} again: ")).map_err(nobody)?);
            if *first != *second {
                return Err(NodeError::key("password", "the two entries differ"));
            }
        }
        Ok(first)
    }
}
