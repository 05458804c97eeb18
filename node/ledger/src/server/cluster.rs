//! Making, starting and stopping a private server.

use crate::server::account::Account;
use crate::server::process::Record;
use crate::server::{ServerError, binaries};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection, Row};
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// `sun_path` without its final zero.
const MAX_SOCKET_PATH: usize = 107;
const SOCKET_FILE: &str = "/.s.PGSQL.5432";
/// Part of the socket's name; nothing listens on it.
const PORT: u16 = 5432;
const START_TIMEOUT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(25);
/// Of a log, in an error message.
const MAX_LOG_TAIL: usize = 2_000;

/// How to run a private server.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// False: a power cut may corrupt the data. For tests and dev only.
    pub fsync: bool,
    /// Connections it takes.
    pub max_connections: u16,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self { fsync: true, max_connections: 64 }
    }
}

/// A running private server. Dropping it stops it; [`Server::stop`] also says whether that worked.
#[derive(Debug)]
pub struct Server {
    options: ServerOptions,
    dir: PathBuf,
    socket_dir: PathBuf,
    record: Record,
    child: Child,
}

impl Server {
    /// Starts the server of a directory, making it at first use. An orphan that an earlier process of ours left behind in
    /// the same directory is stopped before.
    pub async fn start(dir: &Path, options: &ServerOptions) -> Result<Self, ServerError> {
        let (dir, options) = (dir.to_owned(), options.clone());
        let task = tokio::task::spawn_blocking(move || Self::launch(&dir, &options));
        let mut server =
            task.await.map_err(|error| ServerError::Failed { program: "launcher", output: error.to_string() })??;
        server.wait_ready().await?;
        Ok(server)
    }

    /// The URL of a database of this server.
    pub fn url(&self, database: &str) -> String {
        let host = alloy_primitives::hex::encode(self.socket_dir.as_os_str().as_encoded_bytes());
        let escaped: String =
            host.as_bytes().chunks(2).map(|pair| format!("%{}", String::from_utf8_lossy(pair))).collect();
        format!("postgres://postgres@localhost:{PORT}/{database}?host={escaped}")
    }

    /// Makes a database if it is not there; returns its URL. Names: lower case letters, digits and `_`.
    pub async fn create_database(&self, name: &str) -> Result<String, ServerError> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if name.is_empty() || name.len() > 60 || !name.chars().all(plain) {
            return Err(ServerError::DatabaseName(name.to_owned()));
        }
        let mut connection = PgConnection::connect_with(&self.options("postgres")).await?;
        let exists: bool = sqlx::query("SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)")
            .bind(name)
            .fetch_one(&mut connection)
            .await?
            .get(0);
        if !exists {
            // The name was checked above; names cannot be parameters.
            sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await?;
        }
        connection.close().await?;
        Ok(self.url(name))
    }

    /// Process id of the server.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The server's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Starts the server again if its process is gone: under the same URL, with the same data. Says whether it was gone.
    /// A failure is worth another try: what a killed server leaves behind takes a moment to end.
    pub async fn revive(&mut self) -> Result<bool, ServerError> {
        if matches!(self.child.try_wait(), Ok(None)) {
            return Ok(false);
        }
        let (bin, account) = (binaries::find()?, Account::choose()?);
        self.child = spawn(&bin, &account, &self.dir, &self.socket_dir, &self.options)?;
        let pid = i32::try_from(self.child.id()).expect("process ids are positive i32");
        let outside = self.record.socket_dir.clone();
        self.record = Record::of(pid, outside)
            .ok_or_else(|| ServerError::Failed { program: "postgres", output: log_tail(&self.dir) })?;
        self.record.write(&self.dir.join("server.json"))?;
        self.wait_ready().await?;
        Ok(true)
    }

    /// Stops the server and waits until it is gone.
    pub async fn stop(mut self) -> Result<(), ServerError> {
        let task = tokio::task::spawn_blocking(move || self.halt());
        task.await.map_err(|error| ServerError::Failed { program: "launcher", output: error.to_string() })?
    }

    fn launch(dir: &Path, options: &ServerOptions) -> Result<Self, ServerError> {
        let bin = binaries::find()?;
        let account = Account::choose()?;
        fs::create_dir_all(dir).map_err(ServerError::io("create", dir))?;
        let dir = dir.canonicalize().map_err(ServerError::io("resolve", dir))?;
        account.check_path(&dir)?;
        account.own_dir(&dir)?;
        let record_path = dir.join("server.json");
        if let Some(orphan) = Record::read(&record_path) {
            orphan.stop()?;
            remove_socket_dir(&dir, orphan.socket_dir.as_deref());
        }
        let data = dir.join("data");
        refuse_foreign(&data)?;
        make_cluster(&bin, &account, &data)?;
        let socket_dir = socket_dir(&dir, &account)?;
        let child = spawn(&bin, &account, &dir, &socket_dir, options)?;
        let pid = i32::try_from(child.id()).expect("process ids are positive i32");
        let outside = (socket_dir != dir).then(|| socket_dir.clone());
        let gone = || ServerError::Failed { program: "postgres", output: log_tail(&dir) };
        let record = Record::of(pid, outside).ok_or_else(gone)?;
        let server = Self { options: options.clone(), record, dir, socket_dir, child };
        server.record.write(&record_path)?;
        Ok(server)
    }

    async fn wait_ready(&mut self) -> Result<(), ServerError> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            match PgConnection::connect_with(&self.options("postgres")).await {
                Ok(connection) => return Ok(connection.close().await?),
                Err(_) if Instant::now() < deadline => {}
                Err(_) => {
                    let output = log_tail(&self.dir);
                    return Err(ServerError::TimedOut { what: "start", after: START_TIMEOUT, output });
                }
            }
            if !matches!(self.child.try_wait(), Ok(None)) {
                return Err(ServerError::Failed { program: "postgres", output: log_tail(&self.dir) });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn options(&self, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(&self.socket_dir)
            .port(PORT)
            .username("postgres")
            .database(database)
    }

    fn halt(&mut self) -> Result<(), ServerError> {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return Ok(());
        }
        self.record.stop()?;
        self.child.wait().map_err(ServerError::io("wait for", "postgres"))?;
        remove_socket_dir(&self.dir, self.record.socket_dir.as_deref());
        let record = self.dir.join("server.json");
        fs::remove_file(&record).map_err(ServerError::io("remove", record))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.halt() {
            tracing::warn!(%error, "the private server did not stop");
        }
    }
}

/// A cluster that a live process uses which we did not start is not touched.
fn refuse_foreign(data: &Path) -> Result<(), ServerError> {
    let Ok(text) = fs::read_to_string(data.join("postmaster.pid")) else { return Ok(()) };
    let pid = text.lines().next().and_then(|line| line.trim().parse().ok());
    match pid.and_then(|pid| Some((pid, fs::read_to_string(format!("/proc/{pid}/comm")).ok()?))) {
        Some((pid, name)) if name.trim() == "postgres" => Err(ServerError::InUse { path: data.to_owned(), pid }),
        _ => Ok(()),
    }
}

/// Runs `initdb` unless it was run before, to the end.
fn make_cluster(bin: &Path, account: &Account, data: &Path) -> Result<(), ServerError> {
    let done = data.join("mayfly-initialised");
    let major = binaries::major(bin)?;
    if done.exists() {
        let version = data.join("PG_VERSION");
        let found = fs::read_to_string(&version).map_err(ServerError::io("read", version))?;
        if found.trim() != major {
            let found = found.trim().to_owned();
            return Err(ServerError::OtherMajor { path: data.to_owned(), data: found, binary: major });
        }
        return Ok(());
    }
    if data.exists() {
        // Left by an initdb that did not finish: nothing was ever stored in it.
        fs::remove_dir_all(data).map_err(ServerError::io("remove", data))?;
    }
    account.own_dir(data)?;
    let output = account
        .command(&bin.join("initdb"))
        .args(["-U", "postgres", "-A", "trust", "--no-sync", "--no-instructions", "-E", "UTF8", "--locale=C", "-D"])
        .arg(data)
        .current_dir(data)
        .stdin(Stdio::null())
        .output()
        .map_err(ServerError::io("run", bin.join("initdb")))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(ServerError::Failed { program: "initdb", output: tail(&text) });
    }
    File::create(&done).map_err(ServerError::io("create", &done))?;
    account.own(&done)
}

/// The server's directory, or a short one elsewhere where the socket's path would be too long.
fn socket_dir(dir: &Path, account: &Account) -> Result<PathBuf, ServerError> {
    if dir.as_os_str().len() + SOCKET_FILE.len() <= MAX_SOCKET_PATH {
        return Ok(dir.to_owned());
    }
    let temp = std::env::temp_dir();
    let short = tempfile::Builder::new()
        .prefix("mayfly-pg-")
        .tempdir()
        .map_err(ServerError::io("create a directory in", temp))?;
    if short.path().as_os_str().len() + SOCKET_FILE.len() > MAX_SOCKET_PATH {
        return Err(ServerError::Path(short.path().to_owned()));
    }
    account.check_path(short.path())?;
    account.own_dir(short.path())?;
    Ok(short.keep())
}

fn remove_socket_dir(dir: &Path, socket_dir: Option<&Path>) {
    let Some(outside) = socket_dir.filter(|outside| *outside != dir) else { return };
    for name in [".s.PGSQL.5432", ".s.PGSQL.5432.lock"] {
        // Not there after a clean stop.
        let _ = fs::remove_file(outside.join(name));
    }
    if let Err(error) = fs::remove_dir(outside) {
        tracing::warn!(%error, path = %outside.display(), "the socket directory stays behind");
    }
}

fn spawn(
    bin: &Path,
    account: &Account,
    dir: &Path,
    socket_dir: &Path,
    options: &ServerOptions,
) -> Result<Child, ServerError> {
    let log_path = dir.join("postgres.log");
    let log = File::create(&log_path).map_err(ServerError::io("create", &log_path))?;
    account.own(&log_path)?;
    let second = log.try_clone().map_err(ServerError::io("open", &log_path))?;
    let data = dir.join("data");
    let mut command: Command = account.command(&bin.join("postgres"));
    command.arg("-D").arg(&data).arg("-k").arg(socket_dir);
    for setting in [
        "listen_addresses=".to_owned(),
        format!("port={PORT}"),
        "unix_socket_permissions=0700".to_owned(),
        format!("max_connections={}", options.max_connections),
        format!("fsync={}", if options.fsync { "on" } else { "off" }),
        "log_min_messages=warning".to_owned(),
    ] {
        command.arg("-c").arg(setting);
    }
    command
        .current_dir(&data)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(second)
        // Ctrl-C in a terminal reaches the node, which stops the server last.
        .process_group(0)
        .spawn()
        .map_err(ServerError::io("run", bin.join("postgres")))
}

fn log_tail(dir: &Path) -> String {
    fs::read(dir.join("postgres.log")).map(|bytes| tail(&String::from_utf8_lossy(&bytes))).unwrap_or_default()
}

fn tail(text: &str) -> String {
    let start = text.char_indices().rev().nth(MAX_LOG_TAIL).map_or(0, |(at, _)| at);
    text[start..].trim().to_owned()
}
