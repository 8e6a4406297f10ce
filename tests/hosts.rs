//! Several hosts: in which order they are tried, which one will do, and what is told when none does.

use crate::support::heimdall::{Heimdall, Outcome};
use crate::support::postgres::shared;

fn connect(conninfo: &str) -> Outcome {
    Heimdall::new()
        .database(conninfo)
        .args(["-v", "--namespace", "hosts", "--name", conninfo, "echo", "ran"])
        .run()
}

/// What is told of each attempt, in their order.
fn attempts(outcome: &Outcome) -> Vec<&str> {
    outcome.stderr.lines().filter_map(|line| line.split("connection to server ").nth(1)).collect()
}

#[test]
fn hosts_are_tried_in_their_order_or_in_a_random_one() {
    let hosts: Vec<String> = ('a'..='h').map(|letter| format!("/nonexistent/{letter}")).collect();
    let conninfo = format!("host={} user=ann", hosts.join(","));
    let expected: Vec<String> = hosts
        .iter()
        .map(|host| format!("on socket \"{host}/.s.PGSQL.5432\" failed: No such file or directory"))
        .collect();
    for more in ["", " load_balance_hosts=disable"] {
        let outcome = connect(&format!("{conninfo}{more}"));
        assert_eq!(outcome.code, Some(69), "{}", outcome.stderr);
        assert_eq!(attempts(&outcome), expected);
    }
    let orders = [(); 3].map(|()| {
        let outcome = connect(&format!("{conninfo} load_balance_hosts=random"));
        attempts(&outcome).into_iter().map(str::to_owned).collect::<Vec<_>>()
    });
    // One in 40320 is the given order.
    assert!(orders.iter().any(|order| *order != expected), "{orders:?}");
    for mut order in orders {
        order.sort();
        assert_eq!(order, expected);
    }
}

#[test]
fn each_host_gets_its_share_of_random_starts() {
    let (port, socket) = (shared().port(), shared().socket_dir().display());
    let conninfo =
        format!("host=127.0.0.1,{socket} port={port} user=trust_user dbname=app load_balance_hosts=random");
    for place in ["on the server at \"127.0.0.1\"", "on the server on socket"] {
        assert!((0..64).any(|_| connect(&conninfo).stderr.contains(place)), "never {place}");
    }
}
