//! What becomes of the lock when heimdall itself is killed.

use rustix::process::Pid;

use super::{FAMILY, holders, kill, ours, pids, wait_for_no_holder};
use crate::support::heimdall::Heimdall;
use crate::support::postgres::{Cluster, shared};

/// Where `kill -9` strikes heimdall, and its program runs on.
fn family_of_killed(name: &str, options: &[&str], conninfo: &str) -> Vec<Pid> {
    let running = Heimdall::new()
        .database(conninfo)
        .args(["--name", name])
        .args(options)
        .args(["sh", "-c", FAMILY])
        .spawn();
    let family = pids(&running.wait_for_stdout_line(" "));
    running.signal(9);
    assert_eq!(running.wait().signal, Some(9));
    family
}

fn assert_the_lock_outlives_heimdall(name: &str, conninfo: &str, cluster: &Cluster) {
    let family = family_of_killed(name, &[], conninfo);
    // The program is gone, its child is not.
    kill(family[0]);
    let refused = Heimdall::new().database(conninfo).args(["--name", name, "true"]).run();
    assert_eq!(refused.code, Some(75), "{}", refused.stderr);
    assert_eq!(cluster.sql(&holders(name)), "1");
    kill(family[1]);
    wait_for_no_holder(cluster, name);
}

#[test]
fn promise_3_the_lock_outlives_a_killed_heimdall_and_not_the_job() {
    assert_the_lock_outlives_heimdall("killed -9", &ours(), shared());
}

#[cfg(feature = "tls")]
#[test]
fn promise_3_holds_over_tls() {
    let server = crate::support::postgres::tls().server("good");
    let cluster = server.cluster;
    let conninfo = format!("{} user=trust_user dbname=app sslmode=require", cluster.tcp());
    assert_the_lock_outlives_heimdall("killed -9 tls", &conninfo, cluster);
}

#[test]
fn with_close_the_lock_goes_with_heimdall() {
    let family = family_of_killed("killed --close", &["--close"], &ours());
    wait_for_no_holder(shared(), "killed --close");
    family.into_iter().for_each(kill);
}
