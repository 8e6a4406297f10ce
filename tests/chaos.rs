//! Many contenders for one lock while heimdalls, jobs, the server and the network are harmed all the time.

mod checker;
mod contenders;
mod history;
mod injector;
mod record;

use std::collections::BTreeMap;
use std::env;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::dice::Dice;
use crate::support::postgres::{Cluster, ClusterOptions};
use crate::support::proxy::Proxy;
use checker::check;
use contenders::{Contenders, KILL_AFTER, Route};
use injector::Injector;
use record::Record;

/// From the moment that the server takes a lock away to the end of the job: it gets SIGTERM at once and SIGKILL after
/// [`KILL_AFTER`]; the rest is for a machine that is busy with other tests.
const STOP_LATENCY: Duration = Duration::from_millis(KILL_AFTER.as_millis() as u64 + 3000);

/// Two on each route.
const CONTENDERS: usize = 10;

/// How long it goes on where `CHAOS_SECONDS` does not say so; a round that has begun is played to its end.
const SHORT: Duration = Duration::from_secs(5);

/// The seed decides who does what, and not how it interleaves: the same seed makes a like run, not the same.
#[test]
fn no_two_jobs_are_inside_at_once_whatever_is_killed_cut_or_restarted() {
    let seed = number("CHAOS_SEED")
        .unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into());
    let mut dice = Dice::new(seed);
    let cluster = Cluster::start(&ClusterOptions::default());
    let proxies = ["proxy-1", "proxy-2"]
        .map(|name| (name, Proxy::start(([127, 0, 0, 1], cluster.port()).into(), Duration::ZERO)));
    let record = Arc::new(Record::new());
    println!("chaos: CHAOS_SEED={seed}, recorded in {}", record.path().display());
    make_hostile_role(&cluster);
    // Who waits, and whose session a restart has broken, starts no sooner than three quarters of it after that.
    let short_lease = &["--lease", "6s"];
    let mut routes = vec![
        Route { name: "tcp", place: cluster.tcp(), user: "postgres", options: short_lease },
        Route { name: "socket", place: cluster.socket(), user: "postgres", options: short_lease },
        Route { name: "hostile", place: cluster.socket(), user: "hostile", options: short_lease },
    ];
    routes.extend(proxies.each_ref().map(|(name, proxy)| Route {
        name,
        place: proxy.tcp(),
        user: "postgres",
        options: short_lease,
    }));
    let contenders = Contenders::start(CONTENDERS, routes, &record, &mut dice);
    let mut injector = Injector {
        cluster: &cluster,
        proxies: &proxies,
        contenders: &contenders,
        record: &record,
        dice,
        done: BTreeMap::new(),
    };
    injector.rage(number("CHAOS_SECONDS").map_or(SHORT, Duration::from_secs));
    let done = injector.done;
    contenders.stop();

    let findings = check(&record.read(), STOP_LATENCY);
    println!("chaos: faults {done:?}");
    println!("chaos: {} jobs have begun; exit codes {:?}", findings.begins, findings.exits);
    let overlaps = &findings.overlaps;
    if let (Some(median), Some(worst)) = (overlaps.get(overlaps.len() / 2), overlaps.last()) {
        println!(
            "chaos: {} jobs went on without their lock beside the next, {median:?} in the median, {worst:?} at worst",
            overlaps.len()
        );
    }
    println!("chaos: {} pairs of tokens did not grow over a crash of the server", findings.tokens_again);
    let mut complaints = findings.complaints;
    complaints
        .extend(cluster.log().lines().filter(|line| line.contains("LOG:  shadow: ")).map(str::to_owned));
    assert!(
        complaints.is_empty(),
        "CHAOS_SEED={seed}: {} complaints\n{}",
        complaints.len(),
        complaints.join("\n")
    );
    record.remove();
}

/// A role whose settings run strangers' code, make each transaction wait and end each session, as far as they can, and which
/// may have one session only.
fn make_hostile_role(cluster: &Cluster) {
    cluster.sql(include_str!("roles/shadow.sql"));
    cluster.sql("create role hostile login connection limit 1");
    let all = [
        (0, "search_path = shadow, pg_catalog"),
        (0, "statement_timeout = '50ms'"),
        (0, "lock_timeout = '1ms'"),
        (0, "idle_in_transaction_session_timeout = '100ms'"),
        (0, "default_transaction_isolation = serializable"),
        (0, "default_transaction_read_only = on"),
        (0, "default_transaction_deferrable = on"),
        (14, "idle_session_timeout = '100ms'"),
        (17, "transaction_timeout = '100ms'"),
    ];
    for (_, setting) in all.iter().filter(|(since, _)| cluster.version() >= *since) {
        cluster.sql(&format!("alter role hostile set {setting}"));
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}
