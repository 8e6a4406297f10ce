//! Figures of waiting: how soon a lock is handed over, what many waiters cost the server, and what a busy answer takes.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::heimdall::{Heimdall, Running};
use crate::support::postgres::{Cluster, ClusterOptions, shared};
use crate::support::proxy::Proxy;
use crate::{median, milliseconds};

fn heimdall(name: &str) -> Heimdall {
    Heimdall::new().database(&format!("{} user=trust_user dbname=app", shared().tcp())).args(["--name", name])
}

/// What the backends of those who wait take of the server's processor.
pub fn polling() {
    const WAITERS: usize = 50;
    const SECONDS: u64 = 20;
    // Unlike the shared one, it does not write each statement to its log.
    let cluster = Cluster::start(&ClusterOptions::default());
    let database = format!("{} user=postgres dbname=postgres", cluster.tcp());
    let named =
        |options: &[&str]| Heimdall::new().database(&database).args(["--name", "polling"]).args(options);
    let holder = named(&[]).hold();
    let waiters: Vec<Running> = (0..WAITERS).map(|_| named(&["--wait", "true"]).spawn()).collect();
    for waiter in &waiters {
        waiter.wait_for_stderr_line("waiting for the lock");
    }
    let sql = "select pid from pg_stat_activity where application_name like 'heimdall:heimdall/polling%'";
    let backends = cluster.sql(sql);
    let backends: Vec<&str> = backends.lines().collect();
    assert_eq!(backends.len(), WAITERS + 1);
    // The pauses have their usual length by then.
    thread::sleep(Duration::from_secs(3));
    let before = ticks(&backends);
    thread::sleep(Duration::from_secs(SECONDS));
    let spent = ticks(&backends) - before;
    println!(
        "{WAITERS} who wait cost the server {:.1} % of one core (under 5 is wanted)",
        spent as f64 / SECONDS as f64
    );
    for waiter in waiters {
        waiter.signal(15);
        waiter.wait();
    }
    holder.finish();
}

/// CPU of these processes, user and system, in ticks of 1/100 s (man 5 proc: fields 14 and 15 of stat).
fn ticks(pids: &[&str]) -> u64 {
    let of = |pid: &&str| -> u64 {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    pids.iter().map(of).sum()
}

/// With 25 ms each way to the server: what it takes to be turned away, and to be told by whom.
pub fn busy() {
    let holder = heimdall("busy").hold();
    let proxy = Proxy::start(([127, 0, 0, 1], shared().port()).into(), Duration::from_millis(25));
    let database = format!("{} user=trust_user dbname=app sslmode=disable", proxy.tcp());
    println!("turned away, 50 ms a round trip, median of 21:");
    for (name, options, trips) in
        [("without a line (-q)", &["-q"][..], 2), ("with the holder's line", &[], 3)]
    {
        let time = median(21, || {
            let start = Instant::now();
            let outcome =
                Heimdall::new().database(&database).args(["--name", "busy"]).args(options).arg("true").run();
            assert_eq!(outcome.code, Some(75));
            start.elapsed()
        });
        println!("  {name:22} {:6.1} ms ({trips} round trips are {} ms)", milliseconds(time), trips * 50);
    }
    holder.finish();
}
