//! The program of a release, alone in a root directory that is empty but for it: no `/dev`, `/proc`, `/etc`, library.
//!
//! `make release` runs this. `HEIMDALL_RELEASED` names the program, and `HEIMDALL_EMULATOR` the static emulator that it
//! needs on this processor, if any.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::heimdall::{Heimdall, Outcome};
use crate::support::postgres::{PASSWORD, TlsServer, tls};
use crate::support::{did_not_run, poll, write_program};

const HOST: &str = "host=localhost hostaddr=127.0.0.1 dbname=app";

/// The root directory. Programs in it can only be heimdall itself.
struct Root {
    directory: PathBuf,
    /// The words of a command in it that runs heimdall.
    heimdall: Vec<&'static str>,
}

impl Root {
    fn new(test: &str) -> Self {
        let program =
            env::var("HEIMDALL_RELEASED").expect("HEIMDALL_RELEASED names the program of a release");
        let directory = env::temp_dir().join(format!("heimdall-root-{test}-{}", std::process::id()));
        fs::DirBuilder::new().mode(0o755).create(&directory).unwrap();
        let mut root = Self { directory, heimdall: vec!["/heimdall"] };
        root.copy(Path::new(&program), "heimdall");
        if let Ok(emulator) = env::var("HEIMDALL_EMULATOR") {
            root.copy(Path::new(&emulator), "emulator");
            root.heimdall.insert(0, "/emulator");
        }
        root
    }

    fn copy(&self, from: &Path, name: &str) {
        write_program(&self.directory.join(name), fs::read(from).unwrap());
    }

    fn heimdall(&self) -> Heimdall {
        let enter = self.enter();
        Heimdall::program(&enter[0]).args(&enter[1..])
    }

    /// The words of a command that becomes heimdall in it.
    fn enter(&self) -> Vec<OsString> {
        // Whoever isn't root may change its root directory in a user namespace of its own.
        let is_root = rustix::process::getuid().is_root();
        let enter: &[&str] = if is_root { &["chroot"] } else { &["unshare", "-r", "chroot"] };
        let words = enter.iter().map(OsString::from).chain([self.directory.clone().into_os_string()]);
        words.chain(self.heimdall.iter().map(OsString::from)).collect()
    }

    /// heimdall that holds a lock while it runs heimdall in turn, with these arguments.
    fn run(&self, conninfo: &str, options: &[&str], arguments: &[&str]) -> Outcome {
        let heimdall = self.heimdall().env("DATABASE_URL", conninfo).args(options);
        heimdall.arg("--").args(&self.heimdall).args(arguments).run()
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn conninfo(server: &TlsServer, rest: &str) -> String {
    format!("{HOST} port={} {rest}", server.cluster.port())
}

#[test]
#[ignore = "make release runs it"]
fn a_released_program_logs_in_from_an_empty_root_and_runs_a_program_under_the_lock() {
    let (server, root) = (tls().server("good"), Root::new("login"));
    root.copy(&server.pki.path("root.crt"), "root.crt");
    for rest in [
        "user=trust_user sslmode=disable",
        &format!("user=scram_user password='{PASSWORD}' sslmode=disable require_auth=scram-sha-256"),
        "user=tls_user sslmode=verify-full sslrootcert=/root.crt",
        "user=tls_user sslmode=verify-full sslrootcert=/root.crt ssl_max_protocol_version=TLSv1.2",
        &format!(
            "user=tls_scram_user password='{PASSWORD}' sslmode=verify-full sslrootcert=/root.crt \
             channel_binding=require"
        ),
    ] {
        let outcome = root.run(&conninfo(&server, rest), &["--name", "root"], &["--version"]);
        assert_eq!(
            outcome.stdout,
            format!("heimdall {}\n", env!("CARGO_PKG_VERSION")),
            "{rest}: {outcome:?}"
        );
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{rest}");
    }
}

#[test]
#[ignore = "make release runs it"]
fn a_released_program_in_an_empty_root_trusts_no_one_without_being_told() {
    let (server, root) = (tls().server("good"), Root::new("trust"));
    root.copy(&server.pki.path("other.crt"), "root.crt");
    for (rest, code) in [
        ("user=tls_user sslmode=verify-full sslrootcert=/root.crt", 76),
        ("user=tls_user sslmode=verify-full sslrootcert=/absent.crt", 78),
        ("user=tls_user sslrootcert=system", 78),
        ("user=scram_user password=wrong sslmode=disable", 77),
    ] {
        let outcome = root.run(&conninfo(&server, rest), &["--name", "root"], &["--version"]);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(code), ""), "{rest}: {}", outcome.stderr);
        assert_eq!(outcome.stderr.lines().count(), 1, "{rest}: {}", outcome.stderr);
    }
}

#[test]
#[ignore = "make release runs it"]
fn a_released_program_in_an_empty_root_is_turned_away_waits_and_notices_a_lost_lock() {
    let (server, root) = (tls().server("good"), Root::new("lost"));
    let conninfo = conninfo(&server, "user=trust_user sslmode=disable");
    let _other = Heimdall::new().database(&conninfo).args(["--key", "7"]).hold();

    let busy = root.run(&conninfo, &["--key", "7"], &["--version"]);
    assert_eq!((busy.code, busy.stdout.as_str()), (Some(75), ""), "{}", busy.stderr);
    assert!(busy.stderr.contains("is held elsewhere: by process "), "{}", busy.stderr);

    // Its program waits for the lock that the other one holds.
    let holder =
        root.heimdall().env("DATABASE_URL", &conninfo).args(["--key", "8", "--"]).args(&root.heimdall);
    let holder = holder.args(["--key", "7", "--wait", "--"]).args(&root.heimdall).arg("--version").spawn();
    holder.wait_for_stderr_line("waiting for the lock");
    server.cluster.sql(
        "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and objid = 8 and granted",
    );
    let lost = holder.wait();
    assert_eq!((lost.code, lost.stdout.as_str()), (Some(74), ""), "{}", lost.stderr);
    assert!(lost.stderr.contains("lost the lock"), "{}", lost.stderr);
}

#[test]
#[ignore = "make release runs it"]
fn a_released_program_in_an_empty_root_answers_a_readiness_probe() {
    let (server, root) = (tls().server("good"), Root::new("probe"));
    let conninfo = conninfo(&server, "user=trust_user sslmode=disable");
    let probe = || root.heimdall().args(["--is-held-here", "--status-file", "/status.json"]).run();
    assert_eq!(probe().code, Some(1));
    let _other = Heimdall::new().database(&conninfo).args(["--key", "17"]).hold();
    // Its program waits for the lock that the other one holds, and outlives it for no longer than that.
    let holder = root.heimdall().env("DATABASE_URL", &conninfo).args(["--key", "18"]);
    let holder = holder.args(["--status-file", "/status.json", "--"]).args(&root.heimdall);
    let holder =
        holder.args(["--key", "17", "--wait=60s", "--"]).args(&root.heimdall).arg("--version").spawn();
    let yes = poll(Duration::from_secs(30), || (probe().code == Some(0)).then_some(()));
    assert!(yes.is_some(), "{:?}", probe());
    holder.signal(9);
    assert_eq!(holder.wait().signal, Some(9));
    let gone = probe();
    assert_eq!(gone.code, Some(1));
    assert!(gone.stderr.contains("the heimdall that was here is gone"), "{}", gone.stderr);
}

#[test]
#[ignore = "make release runs it"]
fn a_released_program_in_an_empty_root_hands_passed_sockets_to_its_program() {
    // It starts itself, which only a processor of its kind can do without the emulator.
    if env::var_os("HEIMDALL_EMULATOR").is_some() {
        return did_not_run("the handing over of sockets", "an emulated program can't start itself");
    }
    let (server, root) = (tls().server("good"), Root::new("listen"));
    let conninfo = conninfo(&server, "user=trust_user sslmode=disable");
    let _other = Heimdall::new().database(&conninfo).args(["--key", "27"]).hold();
    // The program is a heimdall that waits for the lock that the other one holds.
    let activate = "exec 3</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$@\"";
    let holder = Heimdall::program("sh").args(["-c", activate, "sh"]).args(root.enter());
    let holder = holder.env("DATABASE_URL", &conninfo).args(["--verbose", "--key", "28", "--"]);
    let holder = holder.args(&root.heimdall).args(["--key", "27", "--wait", "--"]).args(&root.heimdall);
    let holder = holder.arg("--version").spawn();
    let line = holder.wait_for_stderr_line("started the program, process ");
    let pid = line.rsplit(' ').next().unwrap();
    let own = format!("LISTEN_PID={pid}");
    let is_told = || {
        let environment = fs::read_to_string(format!("/proc/{pid}/environ")).ok()?;
        environment.split('\0').any(|variable| variable == own).then_some(())
    };
    assert!(poll(Duration::from_secs(30), is_told).is_some(), "{own}");
    assert_eq!(fs::read_link(format!("/proc/{pid}/fd/3")).unwrap(), Path::new("/dev/null"));
    holder.wait_for_stderr_line("waiting for the lock");
}
