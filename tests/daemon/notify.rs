//! The service manager is told what it wants to know; here a socket of the test's stands in for it.

use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::heimdall;
use crate::support::did_not_run;
use crate::support::heimdall::{BINARY, Heimdall};
use crate::support::postgres::{Directory, shared};
use crate::support::proxy::Proxy;

const PAGE: &str = include_str!("../../docs/daemon.md");

/// What was sent to a service manager.
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
    _directory: Option<Directory>,
}

impl Manager {
    fn new() -> Self {
        let directory = Directory::new();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        Self { _directory: Some(directory), path, ..Self::on(socket) }
    }

    /// One whose socket has no path.
    fn on(socket: UnixDatagram) -> Self {
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Self { socket, path: PathBuf::new(), _directory: None }
    }

    fn message(&self) -> String {
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).expect("a message comes");
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    /// Forgets what has come.
    fn forget(&self) {
        self.socket.set_nonblocking(true).unwrap();
        while self.socket.recv(&mut [0; 4096]).is_ok() {}
        self.socket.set_nonblocking(false).unwrap();
    }

    /// Waits for a message that begins like this, and returns those before it and it.
    fn until(&self, start: &str) -> Vec<String> {
        let mut messages = Vec::new();
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            assert!(Instant::now() < end, "{start} is missing: {messages:?}");
            messages.push(self.message());
            if messages.last().unwrap().starts_with(start) {
                return messages;
            }
        }
    }
}

fn assert_none(messages: &[String], start: &str) {
    assert!(!messages.iter().any(|message| message.starts_with(start)), "{messages:?}");
}

#[test]
fn it_is_told_that_the_program_has_started_what_goes_on_and_the_end() {
    let manager = Manager::new();
    let name = "notifies";
    let other = heimdall(name).hold();
    let script = "echo up ${NOTIFY_SOCKET-no} ${WATCHDOG_USEC-no}; exec cat";
    let mut running = heimdall(name)
        .env("NOTIFY_SOCKET", &manager.path)
        .env("WATCHDOG_USEC", "2000000")
        .args(["--wait", "sh", "-c", script])
        .pipe_stdin()
        .spawn();
    let waiting = manager.until("STATUS=20");
    let waiting = [waiting, manager.until("WATCHDOG=1")].concat();
    assert_none(&waiting, "READY");
    other.finish();
    let started = manager.until("READY=1");
    assert_none(&started, "STOPPING");
    let status = manager.until("STATUS=").pop().unwrap();
    assert!(
        status.contains("acquired the lock daemon/notifies") && status.contains("fencing token"),
        "{status}"
    );
    assert!(status.contains("; started the program, process "), "{status}");
    assert_eq!(running.wait_for_stdout_line("up"), "up no no");
    // While the program runs.
    for _ in 0..2 {
        manager.until("WATCHDOG=1");
    }
    running.close_stdin();
    assert_none(&manager.until("STOPPING=1"), "READY");
    assert_eq!(running.wait().code, Some(0));
}

#[test]
fn it_gets_signs_of_life_also_while_a_server_does_not_answer() {
    let manager = Manager::new();
    let proxy = Proxy::start(([127, 0, 0, 1], shared().port()).into(), Duration::ZERO);
    let database = format!("{} user=trust_user dbname=app", proxy.tcp());
    let heimdall = || {
        Heimdall::new()
            .database(&database)
            .env("NOTIFY_SOCKET", &manager.path)
            .env("WATCHDOG_USEC", "20000")
            .args(["--namespace=daemon", "--name=signs of life"])
    };
    let gets_signs = || {
        manager.forget();
        (0..20).for_each(|_| drop(manager.until("WATCHDOG=1")));
    };
    let holder = Heimdall::new()
        .database(&format!("{} user=trust_user dbname=app", shared().tcp()))
        .args(["--namespace=daemon", "--name=signs of life"])
        .hold();
    let waits = heimdall().args(["--wait", "true"]).spawn();
    waits.wait_for_stderr_line("waiting for the lock");
    // What is asked from now on has no answer for a third of a lease.
    proxy.freeze();
    gets_signs();
    waits.signal(9);
    waits.wait();
    // Nor has a login, for half a minute.
    manager.forget();
    let connects = heimdall().args(["--wait", "true"]).spawn();
    gets_signs();
    connects.signal(9);
    connects.wait();
    holder.finish();
}

#[test]
fn one_that_waits_is_ready_where_that_is_asked_for() {
    let name = "ready while waiting";
    let address = format!("heimdall-test-{}", std::process::id());
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&address).unwrap()).unwrap();
    let manager = Manager::on(socket);
    let other = heimdall(name).hold();
    let running = heimdall(name)
        .env("NOTIFY_SOCKET", format!("@{address}"))
        .args(["--ready=waiting", "--wait", "sh", "-c", "echo up; exec sleep 300"])
        .spawn();
    manager.until("READY=1");
    let status = manager.until("STATUS=20").pop().unwrap();
    assert!(status.contains("waiting for the lock daemon/ready while waiting"), "{status}");
    other.finish();
    running.wait_for_stdout_line("up");
    running.signal(15);
    assert_none(&manager.until("STOPPING=1"), "READY");
    assert_eq!(running.wait().code, Some(143));
}

#[test]
fn that_the_program_is_held_back_is_what_goes_on() {
    let manager = Manager::new();
    let running = heimdall("notifies of settling")
        .env("NOTIFY_SOCKET", &manager.path)
        .args(["--settle", "--lease=24d", "true"])
        .spawn();
    running.wait_for_stderr_line("starting the program in");
    let expected = ": holding the lock daemon/notifies of settling, and starting the program in";
    while !manager.until("STATUS=20").pop().unwrap().contains(expected) {}
    running.signal(15);
    assert_eq!(running.wait().signal, Some(15));
}

#[test]
fn a_program_that_speaks_for_itself_may() {
    let manager = Manager::new();
    let outcome = heimdall("speaks for itself")
        .env("NOTIFY_SOCKET", &manager.path)
        .env("WATCHDOG_PID", "1")
        .env("WATCHDOG_USEC", "1")
        .args(["--pass-notify", "sh", "-c", "echo $NOTIFY_SOCKET ${WATCHDOG_PID-no}"])
        .run();
    assert_eq!(outcome.stdout, format!("{} no\n", manager.path.display()));
    let messages = manager.until("STOPPING=1");
    assert_none(&messages, "READY");
    // Another process is meant.
    assert_none(&messages, "WATCHDOG");
}

#[test]
fn a_service_manager_that_is_not_there_or_does_not_read_keeps_heimdall_from_nothing() {
    let manager = Manager::new();
    for socket in [manager.path.to_str().unwrap(), "/nonexistent/socket"] {
        let outcome = heimdall("deaf")
            .env("NOTIFY_SOCKET", socket)
            .env("WATCHDOG_USEC", "20")
            .args(["sh", "-c", "sleep 0.3; exit 3"])
            .run();
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(3), ""), "{socket}");
    }
    let odd = heimdall("deaf").env("NOTIFY_SOCKET", "relative").arg("true").run();
    assert_eq!(odd.code, Some(0));
    assert!(odd.stderr.contains("cannot use NOTIFY_SOCKET: it names neither a path"), "{}", odd.stderr);
}

#[test]
fn what_a_service_manager_has_no_room_for_is_sent_again() {
    let manager = Manager::new();
    let other = UnixDatagram::unbound().unwrap();
    other.set_nonblocking(true).unwrap();
    while other.send_to(b"another's", &manager.path).is_ok() {}
    let mut running = heimdall("sent again")
        .env("NOTIFY_SOCKET", &manager.path)
        .args(["-v", "sh", "-c", "exec cat"])
        .pipe_stdin()
        .spawn();
    running.wait_for_stderr_line("started the program");
    assert_none(&manager.until("READY=1"), "STATUS=");
    let status = manager.until("STATUS=20").pop().unwrap();
    assert!(status.contains("started the program"), "{status}");
    running.close_stdin();
    manager.until("STOPPING=1");
    assert_eq!(running.wait().code, Some(0));
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("units");
    fs::create_dir_all(&folder).unwrap();
    let unit = PAGE.split_once("```ini\n").unwrap().1.split_once("```").unwrap().0;
    // The programs need not be installed here.
    let unit = unit.replace("/usr/local/bin/heimdall", &format!("\"{BINARY}\""));
    let file = folder.join("dispatcher.service");
    fs::write(&file, unit).unwrap();
    match Command::new("systemd-analyze").arg("verify").arg(&file).output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let ours: Vec<&str> = said.lines().filter(|line| line.contains("dispatcher.service")).collect();
            assert!(ours.is_empty(), "{said}");
        }
        Err(error) => did_not_run("systemd-analyze verify", &error.to_string()),
    }
}
