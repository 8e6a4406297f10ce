//! A real pooler in front of a server, none of which outlives the tests.

use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;
use std::{env, fs};

use super::poll;
use super::postgres::{Cluster, Directory};

/// A running pgbouncer which listens on a Unix socket and trusts [`USER`]; gone when dropped.
pub struct PgBouncer {
    guard: Child,
    directory: Directory,
}

/// How long a client keeps the server's session that it was given (man 5 pgbouncer, `pool_mode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolMode {
    /// As long as it is connected.
    Session,
    /// As long as a transaction.
    Transaction,
    /// As long as a statement.
    Statement,
}

/// Who may log in, to the pooler and through it to the server.
const USER: &str = "trust_user";

impl PgBouncer {
    /// Starts a pooler of this server's databases.
    pub fn start(cluster: &Cluster, mode: PoolMode) -> Self {
        Self::start_with(cluster, mode, "")
    }

    /// The same with more settings, one a line.
    pub fn start_with(cluster: &Cluster, mode: PoolMode, settings: &str) -> Self {
        let directory = Directory::new();
        let place = directory.path().display().to_string();
        let mode = match mode {
            PoolMode::Session => "session",
            PoolMode::Transaction => "transaction",
            PoolMode::Statement => "statement",
        };
        directory.write("users", &format!("\"{USER}\" \"\"\n"));
        directory.write(
            "pgbouncer.ini",
            &format!(
                "[databases]
                * = host={} port={}
                [pgbouncer]
                listen_addr =
                unix_socket_dir = {place}
                listen_port = {PORT}
                pool_mode = {mode}
                auth_type = trust
                auth_file = {place}/users
                logfile = {place}/log
                {settings}\n",
                cluster.socket_dir().display(),
                cluster.port(),
            )
            .replace("\n                ", "\n"),
        );
        let guard = directory
            .command(Path::new("/bin/sh"))
            .args(["-c", GUARD, "guard"])
            .args([program(), directory.path().into()])
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("sh starts");
        let pooler = Self { guard, directory };
        pooler.wait_until_ready();
        pooler
    }

    /// Connection parameters: where it is, whom it trusts, and the database `app`.
    pub fn conninfo(&self) -> String {
        self.conninfo_of("app")
    }

    /// The same with another database.
    pub fn conninfo_of(&self, database: &str) -> String {
        format!("host='{}' port={PORT} user={USER} dbname={database}", self.directory.path().display())
    }

    fn wait_until_ready(&self) {
        let socket = self.directory.path().join(format!(".s.PGSQL.{PORT}"));
        poll(Duration::from_secs(60), || UnixStream::connect(&socket).ok()).unwrap_or_else(|| {
            let log = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            panic!("pgbouncer does not get ready:\n{log}")
        });
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// Only a part of the socket's name, in a directory of its own: there is no such port.
const PORT: u16 = 6432;

/// In PATH, or where Debian keeps it and only root looks; a test without it fails.
fn program() -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin".into()])
        .map(|folder| folder.join("pgbouncer"))
        .find(|program| program.is_file())
        .expect("pgbouncer: these tests need it; make deps installs it")
}

/// Runs `$1` in the directory `$2` until standard input ends, which it does when the test process is gone, however
/// it went; then clears the directory away.
///
/// In a process group of its own, so that Ctrl-C stops the tests and not the one who tidies up.
const GUARD: &str = r#"
"$1" -q "$2/pgbouncer.ini" >/dev/null 2>>"$2/log" </dev/null &
cat >/dev/null
kill -KILL $!
wait
rm -rf "$2"
"#;
