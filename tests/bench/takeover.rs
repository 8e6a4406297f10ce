//! Figures of a takeover: how soon a waiter's program runs, in each way in which a holder can go. README
//! has them as they are printed here.

use std::thread;
use std::time::{Duration, Instant};

use crate::median;
use crate::support::heimdall::{Heimdall, Running};
use crate::support::namespaces::Namespaces;
use crate::support::postgres::{Cluster, ClusterOptions, Stop};

pub fn takeover() {
    println!("| the holder goes by | another runs after |");
    println!("|---|---|");
    let cluster = Cluster::start(&ClusterOptions::default());
    let conninfo = format!("{} user=postgres dbname=postgres", cluster.tcp());
    row("the end of its program", || taken_over(&conninfo, |mut holder| holder.close_stdin()));
    row("`kill -9` of heimdall and its program", || taken_over(&conninfo, drop));
    row("`pg_terminate_backend`", || {
        taken_over(&conninfo, |_holder| {
            cluster.sql(
                "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted and objsubid = 2",
            );
        })
    });
    row(&format!("a restart of the server, {LEASE}"), || {
        taken_over(&conninfo, |_holder| {
            cluster.stop(Stop::Fast);
            cluster.start_again();
        })
    });
    row(&format!("the death of the primary, and a promotion at once, {LEASE}"), promoted);
    for lease in ["6s", "20s"] {
        if let Some(hosts) = Namespaces::for_test("a partition") {
            let time = partitioned(&hosts, lease);
            println!("| a partition, `--lease {lease}` | {:.1} s |", time.as_secs_f64());
        }
    }
}

/// The median of five.
fn row(how: &str, run: impl FnMut() -> Duration) {
    println!("| {how} | {:.1} s |", median(5, run).as_secs_f64());
}

/// From the moment at which the holder begins to go.
fn taken_over(conninfo: &str, go: impl FnOnce(Running)) -> Duration {
    let (holder, waiter) =
        (hold(Heimdall::new().database(conninfo)), wait(Heimdall::new().database(conninfo)));
    let start = Instant::now();
    go(holder);
    ran(waiter, start)
}

fn promoted() -> Duration {
    let primary = Cluster::start(&ClusterOptions::default());
    let standby = primary.start_standby();
    let conninfo = format!(
        "host=127.0.0.1,127.0.0.1 port={},{} user=postgres dbname=postgres",
        primary.port(),
        standby.port()
    );
    taken_over(&conninfo, |_holder| {
        primary.stop(Stop::Immediate);
        standby.sql("select pg_promote()");
    })
}

fn partitioned(hosts: &Namespaces, lease: &str) -> Duration {
    let cluster = hosts.start_cluster(&ClusterOptions::default());
    let conninfo = format!("{} user=postgres dbname=postgres", hosts.tcp(&cluster));
    let _holder = hold(hosts.heimdall().database(&conninfo).args(["--lease", lease]));
    // On the server's own host, which the cable does not cut off.
    let waiter =
        wait(Heimdall::new().database(&format!("{} user=postgres dbname=postgres", cluster.socket())));
    // The lease has been set.
    thread::sleep(Duration::from_millis(500));
    let start = Instant::now();
    hosts.pull_the_cable();
    ran(waiter, start)
}

/// Of the waiter, for which a server that has broken its session may have forgotten the holder.
const LEASE: &str = "`--lease 6s`";

fn hold(heimdall: Heimdall) -> Running {
    let holder = heimdall.args(["--name", "takeover", "sh", "-c", "echo holding; cat"]).pipe_stdin().spawn();
    holder.wait_for_stdout_line("holding");
    holder
}

/// A waiter whose pauses have grown to their usual length.
fn wait(heimdall: Heimdall) -> Running {
    let waiter = heimdall.args(["--name", "takeover", "--lease=6s", "--wait", "echo", "mine"]).spawn();
    waiter.wait_for_stderr_line("waiting for the lock");
    thread::sleep(Duration::from_secs(2));
    waiter
}

fn ran(waiter: Running, start: Instant) -> Duration {
    waiter.wait_for_stdout_line("mine");
    let time = start.elapsed();
    assert_eq!(waiter.wait().code, Some(0));
    time
}
