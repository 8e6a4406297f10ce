//! Two hosts, and the network between them: what a lock is worth when it fails.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use heimdall::internals::sql::{Owner, Statement, Turn};
use heimdall::lock::{Key, LockRequest, Mode, Sources};
use rustix::process::{Pid, test_kill_process};

use crate::support::did_not_run;
use crate::support::lateness::Lateness;
use crate::support::namespaces::Namespaces;
use crate::support::postgres::ClusterOptions;

#[test]
fn a_lock_taken_on_another_host_is_held_and_released_on_the_server() {
    let Some(hosts) = Namespaces::for_test("a lock taken on another host") else { return };
    let cluster = hosts.start_cluster(&ClusterOptions::default());
    let key = Key::named("partition", "another host");
    let holder = hosts
        .heimdall()
        .database(&format!("{} user=postgres dbname=postgres", hosts.tcp(&cluster)))
        .args(["--namespace", "partition", "--name", "another host"])
        .hold();
    assert_eq!(cluster.holder(key).unwrap().to_string(), holder.backend);
    assert_eq!(cluster.sql("select count(*) from pg_stat_activity where client_addr = '169.254.1.2'"), "1");
    holder.finish();
    cluster.wait_for_holders(key, 0);
}

#[test]
fn a_pulled_cable_is_no_news_to_the_server() {
    let Some(hosts) = Namespaces::for_test("a pulled cable") else { return };
    let cluster = hosts.start_cluster(&ClusterOptions::default());
    let conninfo = format!("{} user=postgres dbname=postgres connect_timeout=4", hosts.tcp(&cluster));
    let _holder = hosts.heimdall().database(&conninfo).args(["--key", "7"]).hold();
    hosts.pull_the_cable();
    let cut_off = hosts.heimdall().database(&conninfo).args(["--key", "8", "true"]).run();
    assert_eq!(cut_off.code, Some(69), "{}", cut_off.stderr);
    assert!(cluster.holder(Key::Single(7)).is_some());
    hosts.plug_the_cable();
    let back = hosts.heimdall().database(&conninfo).args(["--key", "8", "true"]).run();
    assert_eq!(back.code, Some(0), "{}", back.stderr);
}

#[test]
fn a_port_where_nobody_listens_is_not_answered_by_the_caller() {
    let name = "a connection to itself";
    let Some(hosts) = Namespaces::for_test(name) else { return };
    // The kernel has only the server's port left to call from, which so is connected with itself.
    let only = "echo 40000 40000 >/proc/sys/net/ipv4/ip_local_port_range";
    let output = hosts.on_client("sh").args(["-c", only]).output().unwrap();
    if !output.status.success() {
        return did_not_run(name, String::from_utf8_lossy(&output.stderr).trim_end());
    }
    let outcome = hosts.heimdall().database("host=127.0.0.1 port=40000").args(["--key", "8", "true"]).run();
    assert_eq!(outcome.code, Some(69), "{}", outcome.stderr);
    assert!(outcome.stderr.ends_with("failed: Connection refused\n"), "{}", outcome.stderr);
}

#[test]
fn promise_4_the_server_holds_the_lock_while_the_job_lives_and_frees_it_soon_after_a_lease() {
    let Some(hosts) = Namespaces::for_test("the server's half of a partition") else { return };
    let cluster = hosts.start_cluster(&ClusterOptions::default());
    let script =
        "trap '' TERM; setsid sh -c 'echo child $$; exec sleep 300' & echo program $$; exec sleep 300";
    let running = hosts
        .heimdall()
        .database(&format!("{} user=postgres dbname=postgres", hosts.tcp(&cluster)))
        .args(["--key", "9", "--lease", "12s", "sh", "-c", script])
        .spawn();
    let job = ["program ", "child "].map(|word| {
        let line = running.wait_for_stdout_line(word);
        Pid::from_raw(line[word.len()..].parse().unwrap()).unwrap()
    });
    let mut console = cluster.console();
    let lateness = Lateness::measure();
    hosts.pull_the_cable();
    let start = Instant::now();
    let (mut dead, mut freed) = (None, None);
    while dead.is_none() || freed.is_none() {
        // In this order: what is alive after the look at the lock was alive during it.
        let is_held = console.holder(Key::Single(9)).is_some();
        let is_alive = job.iter().any(|pid| test_kill_process(*pid).is_ok());
        assert!(is_held || !is_alive, "the job outlives its lock");
        if !is_alive {
            dead.get_or_insert_with(|| start.elapsed());
        }
        if !is_held {
            freed.get_or_insert_with(|| start.elapsed());
        }
        thread::sleep(Duration::from_millis(5));
        assert!(start.elapsed() < Duration::from_secs(30), "dead after {dead:?}, freed after {freed:?}");
    }
    let bound = lateness.allow(Duration::from_secs(9));
    assert!(dead.unwrap() < bound, "{dead:?}, not {bound:?}");
    // It has last heard of the client at most a sixth of a lease before the cable was pulled.
    let freed = freed.unwrap();
    let bound = lateness.allow(Duration::from_secs(18));
    assert!(freed > Duration::from_secs(9) && freed < bound, "{freed:?}, not {bound:?}");
    assert_eq!(running.wait().code, Some(74));
}

#[test]
fn promise_4_a_lock_whose_grant_was_never_read_is_free_soon_after_a_lease() {
    let Some(hosts) = Namespaces::for_test("a host that vanishes before it has read the answer") else {
        return;
    };
    let cluster = hosts.start_cluster(&ClusterOptions::default());
    let key = Key::Single(10);
    // heimdall's first message, and no more: psql says nothing about the answer.
    let request = LockRequest::one(key, Mode::Exclusive).with_lease(Duration::from_secs(6));
    let attempt =
        Statement::Acquire { request, owner: Owner::Unknown, turn: Turn::Any, sources: Sources::ALL }.query();
    let conninfo = format!("{} user=postgres dbname=postgres", hosts.tcp(&cluster));
    let mut psql = hosts
        .on_client(cluster.psql(&conninfo).get_program().to_str().unwrap())
        .args(["-d", &conninfo, "-c", attempt.sql(), "-c", "\\! echo done; exec cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(psql.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "done"));
    let mut console = cluster.console();
    assert!(console.holder(key).is_some());
    let lateness = Lateness::measure();
    hosts.pull_the_cable();
    let start = Instant::now();
    while console.holder(key).is_some() {
        thread::sleep(Duration::from_millis(5));
        let bound = lateness.allow(Duration::from_secs(9));
        assert!(start.elapsed() < bound, "it is still held after {:?}", start.elapsed());
    }
    assert!(start.elapsed() > Duration::from_millis(4500), "{:?}", start.elapsed());
    psql.kill().unwrap();
    psql.wait().unwrap();
}
