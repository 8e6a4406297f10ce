//! Two hosts, and the network between them: what a lock is worth when it fails.

use std::thread;
use std::time::{Duration, Instant};

use heimdall::lock::Key;
use rustix::process::{Pid, test_kill_process};

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
    // Set for the session once the lock is held.
    let keeping = "select count(*) from pg_stat_activity where query like '%tcp_user_timeout%' \
                   and query not like '%pg_stat_activity%'";
    cluster.wait_for(keeping, "1");
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
