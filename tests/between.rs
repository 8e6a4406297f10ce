//! Something in between at which TCP ends: the server then goes by the heartbeats alone.

use std::fs::File;
use std::io;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use heimdall::lock::Key;
use rustix::net::{Shutdown, shutdown};
use rustix::process::{Pid, test_kill_process};

use crate::support::did_not_run;
use crate::support::heimdall::Heimdall;
use crate::support::lateness::Lateness;
use crate::support::pgbouncer::{PgBouncer, PoolMode};
use crate::support::ports;
use crate::support::postgres::{Cluster, Directory, shared};
use crate::support::proxy::Proxy;
use crate::support::scripted::{Connection, Scripted, backend};

/// As `HAProxy`: it keeps the server's connection, whatever becomes of the client's.
fn proxy() -> Proxy {
    Proxy::start(([127, 0, 0, 1], shared().port()).into(), Duration::ZERO)
}

fn through(proxy: &Proxy, name: &str, lease: &str) -> Heimdall {
    Heimdall::new().database(&format!("{} user=trust_user dbname=app", proxy.tcp())).args([
        "--namespace",
        "between",
        "--name",
        name,
        "--lease",
        lease,
    ])
}

/// Whether this server can end a session that is asked nothing.
fn has_idle_timeout(test: &str) -> bool {
    let has = shared().version() >= 14;
    if !has {
        did_not_run(test, "the server has no idle_session_timeout");
    }
    has
}

/// Waits until the server's session is so old.
fn wait_for_age(cluster: &Cluster, backend: &str, age: &str) {
    let is_old = format!(
        "select coalesce((select clock_timestamp() - backend_start > '{age}' from pg_stat_activity where pid = {backend}), true)"
    );
    cluster.wait_for(&is_old, "t");
}

#[test]
fn promise_4_behind_a_proxy_the_lock_is_held_while_the_job_lives_and_is_free_after_a_lease() {
    if !has_idle_timeout("the server's half of a lease behind a proxy") {
        return;
    }
    let (proxy, key) = (proxy(), Key::named("between", "cut off"));
    let script =
        "trap '' TERM; setsid sh -c 'echo child $$; exec sleep 300' & echo program $$; exec sleep 300";
    let running = through(&proxy, "cut off", "8s").args(["-v", "sh", "-c", script]).spawn();
    let job = ["program ", "child "].map(|word| {
        let line = running.wait_for_stdout_line(word);
        Pid::from_raw(line[word.len()..].parse().unwrap()).unwrap()
    });
    let told = running.wait_for_stderr_line("the server's half of the lease is idle_session_timeout");
    assert!(
        told.contains("a proxy such as HAProxy is in between (the server sees a client at 127.0.0.1"),
        "{told}"
    );
    let mut console = shared().console();
    let lateness = Lateness::measure();
    proxy.freeze();
    let start = Instant::now();
    let mut is_dead = false;
    loop {
        // In this order: what is alive after the look at the lock was alive during it.
        let is_held = console.holder(key).is_some();
        let is_alive = job.iter().any(|pid| test_kill_process(*pid).is_ok());
        assert!(is_held || !is_alive, "the job outlives its lock");
        is_dead |= is_held && !is_alive;
        if !is_held {
            break;
        }
        thread::sleep(Duration::from_millis(5));
        let bound = lateness.allow(Duration::from_secs(12));
        assert!(start.elapsed() < bound, "it is still held after {:?}", start.elapsed());
    }
    assert!(is_dead, "the job died no sooner than the lock");
    assert_eq!(running.wait().code, Some(74));
}

#[test]
fn behind_a_proxy_a_lock_is_held_for_longer_than_a_lease_also_by_one_who_has_waited() {
    let proxy = proxy();
    let first = through(&proxy, "first", "6s").hold();
    let last = through(&proxy, "healthy", "6s").hold();
    let script = "echo $HEIMDALL_BACKEND_PID; exec cat";
    let mut heir = through(&proxy, "healthy", "6s").args(["--wait", "sh", "-c", script]).pipe_stdin().spawn();
    heir.wait_for_stderr_line("waiting for the lock");
    last.finish();
    let backend = heir.wait_for_stdout_line("");
    wait_for_age(shared(), &first.backend, "8s");
    first.finish();
    wait_for_age(shared(), &backend, "8s");
    heir.close_stdin();
    let outcome = heir.wait();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
}

#[test]
fn after_kill_9_of_heimdall_the_job_keeps_the_lock_unless_a_proxy_is_in_between() {
    let proxy = proxy();
    let direct = format!("{} user=trust_user dbname=app", shared().tcp());
    let name = "killed, with nothing in between";
    let beside = Heimdall::new()
        .database(&direct)
        .args(["--namespace", "between", "--name", name, "--lease", "6s"])
        .hold();
    let behind = through(&proxy, "killed", "6s").hold();
    beside.signal(9);
    behind.signal(9);
    if has_idle_timeout("kill -9 of heimdall behind a proxy") {
        shared().wait_for_holders(Key::named("between", "killed"), 0);
    }
    // Since the last heartbeat.
    let backend = &beside.backend;
    let is_old =
        format!("select clock_timestamp() - state_change > '8s' from pg_stat_activity where pid = {backend}");
    shared().wait_for(&is_old, "t");
    assert_eq!(shared().holder(Key::named("between", name)).unwrap().to_string(), *backend);
}

#[test]
fn promise_4_behind_a_pooler_the_lock_of_one_who_is_silent_is_free_after_a_lease() {
    let poolers =
        [PoolMode::Session, PoolMode::Transaction].map(|mode| (mode, PgBouncer::start(shared(), mode)));
    let holders = poolers.each_ref().map(|(mode, pooler)| {
        let name = format!("silent {mode:?}");
        let holder = Heimdall::new()
            .database(&pooler.conninfo())
            .args(["--allow-pooler", "-v", "--namespace", "between", "--name", &name, "--lease", "6s"])
            .hold();
        let told = holder.wait_for_stderr_line("the server's half of the lease is");
        assert!(told.contains("idle_in_transaction_session_timeout, since a pooler is in between"), "{told}");
        (Key::named("between", &name), holder)
    });
    for (key, holder) in &holders {
        wait_for_age(shared(), &holder.backend, "8s");
        assert_eq!(shared().holder(*key).unwrap().to_string(), holder.backend);
        // No one watches the lock then, as after kill -9.
        holder.signal(19);
    }
    let (lateness, start) = (Lateness::measure(), Instant::now());
    for (key, holder) in holders {
        shared().wait_for_holders(key, 0);
        let elapsed = start.elapsed();
        // The last heartbeat was a second before at most.
        let bounds = Duration::from_secs(4)..lateness.allow(Duration::from_secs(8));
        assert!(bounds.contains(&elapsed), "{elapsed:?}, not {bounds:?}");
        holder.signal(18);
        assert_eq!(holder.wait().code, Some(74));
    }
}

/// As [`backend::answered`], by a server of this version.
fn answered(version: &str, row: &[Option<&str>]) -> Vec<u8> {
    let (login, mut answer) = (backend::authentication_ok().len(), backend::answered(row));
    answer.splice(login..login, backend::parameter_status("server_version", version));
    answer
}

#[test]
fn before_version_14_it_is_said_that_the_servers_half_is_missing_behind_a_proxy() {
    for (column, words) in [
        (
            "10.0.0.7 51000 10.0.0.1 5432",
            "(the server sees a client at 10.0.0.7, port 51000, which is not ours)",
        ),
        ("", "(the server sees a client on a Unix socket)"),
    ] {
        let server = Scripted::start(move |connection: &mut Connection| {
            connection.startup();
            connection.expect(b'Q');
            let row = [&backend::granted("42")[..], &[Some(column)]].concat();
            connection.send(&answered("13.23", &row));
            connection.serve_lock();
        });
        let run = || {
            Heimdall::new().database(&format!("{} user=ann", server.tcp())).args(["--name", "old", "true"])
        };
        let outcome = run().run();
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        let expected = "the server's half of the lease is missing: a proxy such as HAProxy is in between ";
        assert!(outcome.stderr.contains(expected) && outcome.stderr.contains(words), "{}", outcome.stderr);
    }
}

#[test]
fn where_the_servers_system_has_no_time_outs_of_tcp_it_goes_by_the_heartbeats() {
    let (answers, answered_both) = mpsc::channel();
    let server = Scripted::start(move |connection: &mut Connection| {
        connection.startup();
        connection.expect(b'Q');
        connection.send(&answered("15.1", &backend::granted("42")));
        let sql = |message: (u8, Vec<u8>)| String::from_utf8(message.1).unwrap();
        let first = sql(connection.message());
        assert!(first.contains("'idle_session_timeout', '0'"), "{first}");
        connection.answer_settings(&first.replace("'tcp_user_timeout', '6000'", "'tcp_user_timeout', '0'"));
        let second = sql(connection.message());
        assert!(second.contains("'idle_session_timeout', '6s'") && !second.contains("tcp_"), "{second}");
        connection.answer_settings(&second);
        answers.send(()).unwrap();
        connection.serve_lock();
    });
    let mut running = Heimdall::new()
        .database(&format!("{} user=ann", server.tcp()))
        .args(["--name", "other system", "--lease", "6s", "-v", "cat"])
        .pipe_stdin()
        .spawn();
    let told = running.wait_for_stderr_line("the server's half of the lease is idle_session_timeout");
    let words = "the server's system lacks time-outs of TCP (tcp_user_timeout is 0 instead of 6000)";
    assert!(told.contains(words), "{told}");
    answered_both.recv_timeout(Duration::from_secs(30)).unwrap();
    running.close_stdin();
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("not in force"), "{}", outcome.stderr);
}

#[test]
fn a_check_tells_of_what_is_in_between() {
    let directory = Directory::new();
    let socket = directory.path().join(".s.PGSQL.5432");
    let (unix, tcp) = (UnixListener::bind(&socket).unwrap(), ports::listen());
    let port = tcp.local_addr().unwrap().port();
    let server = ("127.0.0.1", shared().port());
    let real = shared().socket_dir().join(format!(".s.PGSQL.{}", shared().port()));
    pass_on(move || Ok(unix.accept()?.0), move || TcpStream::connect(server));
    pass_on(move || Ok(tcp.accept()?.0), move || UnixStream::connect(&real));
    let proxy = proxy();
    let half = if shared().version() >= 14 { "both" } else { "heimdall" };
    for (place, words) in [
        (
            format!("host='{}' port=5432", directory.path().display()),
            "the server sees a client at 127.0.0.1, port ",
        ),
        (format!("host=127.0.0.1 port={port}"), "the server sees a client on a Unix socket"),
        (proxy.tcp(), "the server sees a client at 127.0.0.1, port "),
    ] {
        let conninfo = format!("{place} user=trust_user dbname=app");
        let check = || Heimdall::new().database(&conninfo).arg("--check");
        let text = check().run();
        assert_eq!((text.code, text.stderr.as_str()), (Some(0), ""), "{}", text.stdout);
        let lease = text.stdout.lines().find(|line| line.starts_with("lease ")).unwrap();
        assert!(lease.contains("a proxy such as HAProxy is in between") && lease.contains(words), "{lease}");
        let json = check().arg("--log-format=json").run().stdout;
        assert!(json.contains("\"proxy\":true"), "{json}");
        assert!(json.contains(&format!("\"lease_kept_by\":\"{half}\"")), "{json}");
    }
}

/// Connects each client with a server, by sockets of whatever kind.
fn pass_on<C: Into<OwnedFd>, S: Into<OwnedFd>>(
    accept: impl Fn() -> io::Result<C> + Send + 'static,
    connect: impl Fn() -> io::Result<S> + Send + 'static,
) {
    thread::spawn(move || {
        loop {
            let client: OwnedFd = accept().unwrap().into();
            let server: OwnedFd = connect().unwrap().into();
            for (from, to) in [(&client, &server), (&server, &client)] {
                let [mut from, mut to] = [from, to].map(|fd| File::from(fd.try_clone().unwrap()));
                thread::spawn(move || {
                    // A side that is gone is an end like any other.
                    let _ = io::copy(&mut from, &mut to);
                    let _ = shutdown(&to, Shutdown::Both);
                });
            }
        }
    });
}
