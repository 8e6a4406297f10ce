//! Real PostgreSQL servers, each in a directory of its own, none of which outlives the tests.

mod binaries;
mod console;
mod directory;
mod locks;
mod restart;
mod shared;
mod standby;
mod template;
mod tls;
mod upgrade;

use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{fs, io::Write, iter};

use nix::unistd::User;

use super::{poll, ports};

pub use binaries::{client, psql_version};
pub use console::Console;
pub use directory::Directory;
pub use restart::Stop;
pub use shared::{PASSWORD, database, shared};
pub use tls::{Tls, TlsServer, tls};
pub use upgrade::later_version;

/// A running server with the superuser `postgres`, who needs no password; gone when dropped.
pub struct Cluster {
    port: u16,
    ipv6: bool,
    bin: &'static Path,
    guard: Child,
    directory: Directory,
}

/// What a test wants to be different from a server that trusts everybody.
#[derive(Default)]
pub struct ClusterOptions {
    /// Lines for the end of `postgresql.conf`.
    pub configuration: String,
    /// The lines of `pg_hba.conf` behind those for `postgres`; empty: everybody is trusted.
    pub hba: String,
}

impl Cluster {
    /// Starts a server on a free port of 127.0.0.1, of `::1` where there is one, and on a Unix socket.
    pub fn start(options: &ClusterOptions) -> Self {
        Self::start_within(&[], options)
    }

    /// Starts a server behind a command that becomes it, such as `ip netns exec NAME`.
    pub fn start_within(prefix: &[&str], options: &ClusterOptions) -> Self {
        iter::repeat_with(|| Self::launch(prefix, binaries::bin(), Directory::new(), options))
            .take(5)
            .flatten()
            .next()
            .expect("a port that stays free")
    }

    /// Starts a server, by the programs of its version, on the data in the directory, or on new ones.
    ///
    /// `None` when somebody else took the port before the server did.
    fn launch(
        prefix: &[&str],
        bin: &'static Path,
        directory: Directory,
        options: &ClusterOptions,
    ) -> Option<Self> {
        directory.write("pg_hba.conf", &hba(&options.hba));
        let (port, ipv6) = free_port();
        let place = path_text(&directory).replace('\'', "''");
        let configuration = format!(
            "port = {port}
            listen_addresses = '{}'
            unix_socket_directories = '{place}'
            hba_file = '{place}/pg_hba.conf'
            fsync = off
            full_page_writes = off
            synchronous_commit = off
            lc_messages = 'C'
            # In its own directory, so that nothing is left of a server that was killed.
            dynamic_shared_memory_type = mmap
            {}\n",
            if ipv6 { "127.0.0.1,::1" } else { "127.0.0.1" },
            options.configuration,
        );
        directory.write("postgresql.conf", &configuration);
        directory.write("openssl.cnf", OPENSSL);

        let guard = directory
            .command_within(prefix, Path::new("/bin/sh"))
            .args(["-c", GUARD, "guard"])
            .args([bin, directory.path(), template::template()])
            .env("OPENSSL_CONF", directory.path().join("openssl.cnf"))
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("sh starts");
        let cluster = Self { port, ipv6, bin, guard, directory };
        cluster.wait_until_ready().then_some(cluster)
    }

    /// The server's major version.
    pub fn version(&self) -> u32 {
        let number: u32 = self.sql("show server_version_num").parse().expect("a number");
        number / 10_000
    }

    /// Of 127.0.0.1 and `::1`, and in the name of the socket.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the server listens on `::1`, too.
    pub fn ipv6(&self) -> bool {
        self.ipv6
    }

    /// Where `.s.PGSQL.PORT` is.
    pub fn socket_dir(&self) -> &Path {
        self.directory.path()
    }

    /// `host=127.0.0.1 port=…`: connection parameters still without user and database.
    pub fn tcp(&self) -> String {
        format!("host=127.0.0.1 port={}", self.port)
    }

    /// `host='/…' port=…`: the same over the Unix socket.
    pub fn socket(&self) -> String {
        format!("host='{}' port={}", self.socket_dir().display(), self.port)
    }

    /// The operating system's user that the server runs as.
    pub fn user(&self) -> String {
        let owner = fs::metadata(self.socket_dir().join("data")).unwrap().uid();
        User::from_uid(owner.into()).unwrap().expect("a user in passwd").name
    }

    /// Makes a directory beside the data, in which the server's user may remove what others have put there.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.directory.folder(name)
    }

    /// Has a file belong to the server's user.
    pub fn give_away(&self, path: &Path) {
        self.directory.give_away(path);
    }

    /// All that the server has logged so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.directory.path().join("log")).unwrap_or_default()).into_owned()
    }

    /// A `psql` that prints bare rows and stops at errors, with nothing in its environment.
    #[allow(clippy::unused_self, reason = "it reads as what it is: this server's psql")]
    pub fn psql(&self, conninfo: &str) -> Command {
        let mut psql = Command::new(binaries::client("psql"));
        psql.env_clear().args(["-XAtqw", "-v", "ON_ERROR_STOP=1", "-d", conninfo]);
        psql
    }

    /// Runs statements as the superuser in database `postgres`; the rows, with `|` between columns.
    pub fn sql(&self, text: &str) -> String {
        let mut psql = self
            .psql(&format!("{} user=postgres dbname=postgres", self.socket()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("psql starts");
        psql.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = psql.wait_with_output().unwrap();
        assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end_matches('\n').to_owned()
    }

    /// Asks the server, in one session, until it answers `expected`, at most 30 seconds long.
    pub fn wait_for(&self, sql: &str, expected: &str) {
        let mut console = self.console();
        let mut answer = String::new();
        poll(Duration::from_secs(30), || {
            answer = console.sql(sql);
            (answer == expected).then_some(())
        })
        .unwrap_or_else(|| panic!("{sql}\nis still\n{answer}\nand not\n{expected}"));
    }

    /// Whether the server listens wherever it was told to.
    fn wait_until_ready(&self) -> bool {
        poll(Duration::from_secs(60), || {
            let log = self.log();
            // With two addresses a taken port is only worth a warning to the server.
            if log.contains("could not bind") {
                return Some(false);
            }
            let failed = log.contains("FATAL:") || log.contains("cp: ");
            assert!(!failed, "PostgreSQL does not start:\n{log}");
            log.contains(READY).then_some(true)
        })
        .unwrap_or_else(|| panic!("PostgreSQL does not get ready:\n{}", self.log()))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// Goes on with "connections", or "read-only connections" on a standby, without the hyphen before version 14.
const READY: &str = "database system is ready to accept";

fn path_text(directory: &Directory) -> &str {
    directory.path().to_str().expect("a temporary directory is UTF-8")
}

fn hba(lines: &str) -> String {
    let lines = if lines.is_empty() { "local all all trust\nhost all all all trust\n" } else { lines };
    format!("local all,replication postgres trust\nhost all postgres all trust\n{lines}\n")
}

/// A port that is free on 127.0.0.1 and, if the second value is true, on `::1`.
fn free_port() -> (u16, bool) {
    let has_ipv6 = TcpListener::bind("[::1]:0").is_ok();
    loop {
        let port = ports::free();
        if !has_ipv6 || TcpListener::bind(("::1", port)).is_ok() {
            return (port, has_ipv6);
        }
    }
}

/// A server presents whatever certificate a test gives it, be it weak, in whatever version of TLS.
const OPENSSL: &str = "
openssl_conf = everything
[everything]
ssl_conf = tls
[tls]
system_default = lenient
[lenient]
CipherString = DEFAULT@SECLEVEL=0
MinProtocol = TLSv1
";

/// Runs a server on the data in the directory `$2`, a copy of `$3` if there are none, with the programs in `$1`,
/// until standard input ends, which it does when the test process is gone, however it went; then clears the
/// directory away. A line on standard input starts the server again once it has stopped.
///
/// In a process group of its own, so that Ctrl-C stops the tests and not the one who tidies up. The shell
/// starts the server with SIGQUIT ignored: one that comes too early is lost, hence the loop.
const GUARD: &str = r#"
bin=$1 place=$2
[ -d "$place/data" ] || cp -R "$3" "$place/data" 2>>"$place/log"
cat "$place/postgresql.conf" >>"$place/data/postgresql.conf"
start() {
    "$bin/postgres" -D "$place/data" >>"$place/log" 2>&1 </dev/null &
}
start
while read -r _; do
    wait $!
    start
done
while kill -QUIT $! 2>/dev/null; do sleep 0.1; done
rm -rf "$place"
"#;
