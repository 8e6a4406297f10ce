//! A server that has forgotten its locks makes no second holder.

use std::process::Stdio;
use std::time::{Duration, Instant};

use heimdall::lock::Key;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::heimdall::{Heimdall, Outcome};
use crate::support::poll;
use crate::support::postgres::{Cluster, ClusterOptions, Stop};

#[test]
fn promise_14_a_waiter_whose_session_broke_starts_when_the_last_holders_job_must_be_dead() {
    let cluster = Cluster::start(&ClusterOptions::default());
    let stubborn = "trap '' TERM; echo up $$; while :; do sleep 0.1; done";
    let holder = heimdall(&cluster).args(["--lease=12s", "sh", "-c", stubborn]).spawn();
    let up = holder.wait_for_stdout_line("up");
    let next = format!("kill -0 {} 2>/dev/null && echo beside it; echo had its turn", &up["up ".len()..]);
    let waiter = heimdall(&cluster).args(["--lease=12s", "--wait", "sh", "-c", &next]).spawn();
    waiter.wait_for_stderr_line("waiting for the lock");
    let broken = Instant::now();
    cluster.stop(Stop::Immediate);
    cluster.start_again();
    waiter.wait_for_stderr_line("starting the program in");
    // It holds the lock meanwhile, and has its heartbeat going.
    let backend = cluster.holder(key()).expect("it holds the lock");
    let pings = format!(
        "select count(*) from pg_stat_activity where pid = {backend} and query like '%heimdall: a sign of life%'"
    );
    cluster.wait_for(&pings, "1");
    assert_eq!(heimdall(&cluster).arg("true").run().code, Some(75));
    waiter.wait_for_stdout_line("had its turn");
    let elapsed = broken.elapsed();
    assert!(elapsed >= Duration::from_secs(10), "{elapsed:?}");
    assert_eq!(holder.wait().code, Some(74));
    let outcome = waiter.wait();
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), "had its turn\n"));
    let reason = "the server has broken a session for the lock, and the job of a holder that it has forgotten may still";
    assert!(outcome.stderr.contains(reason), "{}", outcome.stderr);
}

#[test]
fn promise_14_with_settle_a_server_that_has_started_crashed_or_been_promoted_is_given_a_lease() {
    let cluster = Cluster::start(&ClusterOptions::default());
    assert_settles(&cluster, "pg_postmaster_start_time()");
    let standby = cluster.start_standby();

    // One of its processes crashes, and the server goes on without a new start time.
    let crash = cluster
        .psql(&conninfo(&cluster))
        .args(["-c", "select pg_backend_pid(), pg_sleep(60)"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut crash = crash.unwrap();
    cluster.wait_for(&format!("select count(*) {SLEEPS}"), "1");
    let pid = cluster.sql(&format!("select pid {SLEEPS}")).parse().unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    crash.wait().unwrap();
    let is_back =
        || cluster.psql(&conninfo(&cluster)).args(["-c", "select 1"]).output().unwrap().status.success();
    poll(Duration::from_secs(30), || is_back().then_some(())).expect("the server is back");
    assert_settles(&cluster, "(select checkpoint_time from pg_control_checkpoint())");

    standby.sql("select pg_promote()");
    let promoted = standby.sql("select clock_timestamp()");
    assert_settles(&standby, &format!("timestamptz '{promoted}' - interval '500 ms'"));
}

/// With `--settle` a program starts a lease after that, and later at once; without it at once.
fn assert_settles(cluster: &Cluster, since: &str) {
    let run = |options: &[&str]| -> (f64, Outcome) {
        let outcome = heimdall(cluster).args(options).args(["--lease=4s", "date", "+%s.%N"]).run();
        (outcome.stdout.trim().parse().unwrap_or_else(|_| panic!("{}", outcome.stderr)), outcome)
    };
    let since: f64 = cluster.sql(&format!("select extract(epoch from {since})")).parse().unwrap();
    let (_, at_once) = run(&[]);
    let (start, settled) = run(&["--settle"]);
    assert!(!at_once.stderr.contains("starting the program in"), "{}", at_once.stderr);
    assert!(settled.stderr.contains("starting the program in"), "{}", settled.stderr);
    assert!(settled.stderr.contains("the server has started or been promoted less than a lease ago"));
    assert!(start >= since + 4.0, "{start} after {since}");
    cluster.wait_for(OLD, "t");
    let (_, later) = run(&["--settle"]);
    assert!(!later.stderr.contains("starting the program in"), "{}", later.stderr);
}

#[test]
fn promise_14_a_lock_that_is_lost_before_the_program_starts_is_waited_for_again() {
    let cluster = Cluster::start(&ClusterOptions::default());
    let settle = |wait: &[&str]| {
        let heimdall =
            heimdall(&cluster).args(["--settle", "--lease=6s"]).args(wait).args(["echo", "ran"]).spawn();
        heimdall.wait_for_stderr_line("starting the program in");
        let backend = cluster.holder(key()).unwrap();
        let lost = Instant::now();
        assert_eq!(cluster.sql(&format!("select pg_terminate_backend({backend})")), "t");
        if !wait.is_empty() {
            let holds_again = || cluster.holder(key()).filter(|holder| *holder != backend);
            poll(Duration::from_secs(30), holds_again).expect("it holds the lock again");
            assert!(lost.elapsed() >= Duration::from_secs(1), "{:?}", lost.elapsed());
        }
        heimdall.wait()
    };
    let once = settle(&[]);
    assert_eq!((once.code, &*once.stdout), (Some(69), ""), "{}", once.stderr);
    assert!(once.stderr.contains("heimdall: lost the lock heimdall/failover at "), "{}", once.stderr);
    assert!(once.stderr.contains("the lock was lost before the program was started"), "{}", once.stderr);
    let again = settle(&["--wait"]);
    assert_eq!((again.code, &*again.stdout), (Some(0), "ran\n"), "{}", again.stderr);
    assert!(again.stderr.contains("; waiting for it again\n"), "{}", again.stderr);
}

#[test]
fn promise_14_a_login_that_takes_half_a_lease_is_no_silence_of_the_server_that_settles() {
    let cluster = Cluster::start(&ClusterOptions::default());
    let slow = heimdall(&cluster).env("PGOPTIONS", "-c post_auth_delay=5");
    let outcome = slow.args(["--settle", "--lease=9s", "echo", "ran"]).run();
    assert_eq!((outcome.code, &*outcome.stdout), (Some(0), "ran\n"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("starting the program in"), "{}", outcome.stderr);
}

#[test]
fn promise_14_a_signal_ends_who_waits_for_a_server_to_settle() {
    let cluster = Cluster::start(&ClusterOptions::default());
    let settling = heimdall(&cluster).args(["--settle", "echo", "ran"]).spawn();
    settling.wait_for_stderr_line("starting the program in");
    settling.signal(15);
    let outcome = settling.wait();
    assert_eq!((outcome.signal, &*outcome.stdout), (Some(15), ""), "{}", outcome.stderr);
    cluster.wait_for_holders(key(), 0);
}

const SLEEPS: &str = "from pg_stat_activity where query like '%pg_sleep(60)' and state = 'active'";

/// Its last checkpoint is of this timeline, and more than a lease old.
const OLD: &str = "select clock_timestamp() > checkpoint_time + interval '5.5 s'
    and timeline_id = ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int from pg_control_checkpoint()";

fn heimdall(cluster: &Cluster) -> Heimdall {
    Heimdall::new().database(&conninfo(cluster)).args(["--name", "failover"])
}

fn conninfo(cluster: &Cluster) -> String {
    format!("{} user=postgres dbname=postgres", cluster.tcp())
}

fn key() -> Key {
    Key::named("heimdall", "failover")
}
