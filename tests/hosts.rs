//! Several hosts: in which order they are tried, which one will do, and what is told when none does.

mod leaving;

use std::net::TcpListener;
use std::time::Duration;

use heimdall::conninfo::{Config, Environment};
use heimdall::lock::{self, Key, LockRequest, Mode};
use heimdall::net::{ConnectOptions, Deadline};

use crate::support::heimdall::{Heimdall, Outcome};
use crate::support::names::Names;
use crate::support::ports;
use crate::support::postgres::{Cluster, ClusterOptions, Stop, shared};
use crate::support::scripted::{Connection, Scripted, backend};

fn connect(conninfo: &str) -> Outcome {
    Heimdall::new()
        .database(conninfo)
        .args(["-v", "--namespace", "hosts", "--name", conninfo, "echo", "ran"])
        .run()
}

/// `host=… port=…` for several servers of 127.0.0.1.
fn hosts(ports: &[u16]) -> String {
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    format!("host={} port={}", vec!["127.0.0.1"; ports.len()].join(","), ports.join(","))
}

fn assert_lands_on(port: u16, conninfo: &str) {
    let outcome = connect(conninfo);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), "ran\n"), "{conninfo}: {}", outcome.stderr);
    let place = format!("connected to the server at \"127.0.0.1\", port {port}\n");
    assert!(outcome.stderr.contains(&place), "{conninfo}: {}", outcome.stderr);
}

/// Every attempt is told with its port and its reason, one line each and in this order.
fn assert_none_will_do(conninfo: &str, expected: &[(u16, &str)]) {
    let outcome = connect(conninfo);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(69), ""), "{conninfo}: {}", outcome.stderr);
    let expected: Vec<String> = expected
        .iter()
        .map(|(port, reason)| format!("at \"127.0.0.1\", port {port} failed: {reason}"))
        .collect();
    assert_eq!(attempts(&outcome), expected, "{conninfo}");
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
    for place in ["connected to the server at \"127.0.0.1\"", "connected to the server on socket"] {
        assert!((0..64).any(|_| connect(&conninfo).stderr.contains(place)), "never {place}");
    }
}

#[test]
fn target_session_attrs_chooses_by_what_sessions_can_do() {
    let configuration = "default_transaction_read_only = on".to_owned();
    let read_only = Cluster::start(&ClusterOptions { configuration, hba: String::new() });
    let writable = Cluster::start(&ClusterOptions::default());
    let (r, w) = (read_only.port(), writable.port());
    let more = "user=postgres dbname=postgres";
    for (ports, attributes, expected) in [
        ([r, w], "", w),
        ([w, r], "", w),
        ([r, w], "target_session_attrs=read-write", w),
        ([r, w], "target_session_attrs=any", r),
        ([r, w], "target_session_attrs=primary", r),
        ([w, r], "target_session_attrs=primary", w),
        ([w, r], "target_session_attrs=read-only", r),
        ([r, w], "target_session_attrs=read-only", r),
    ] {
        assert_lands_on(expected, &format!("{} {more} {attributes}", hosts(&ports)));
    }
    assert_lands_on(r, &format!("{} {more}", hosts(&[r])));
    let (only_read, also_write) = ("session is read-only", "session is not read-only");
    for (ports, attributes, expected) in [
        (vec![r], "target_session_attrs=read-write", vec![(r, only_read)]),
        (vec![w], "target_session_attrs=read-only", vec![(w, also_write)]),
        (vec![r, r], "", vec![(r, only_read), (r, only_read)]),
    ] {
        assert_none_will_do(&format!("{} {more} {attributes}", hosts(&ports)), &expected);
    }
    // The lock that came with the answer was given back.
    read_only.wait_for("select count(*) from pg_locks where locktype = 'advisory'", "0");
}

#[test]
fn a_session_can_be_read_only_by_its_own_options() {
    let place = format!("{} user=trust_user dbname=app", hosts(&[shared().port()]));
    let read_only = format!("{place} options='-c default_transaction_read_only=on'");
    assert_lands_on(shared().port(), &format!("{read_only} target_session_attrs=read-only"));
    assert_none_will_do(
        &format!("{read_only} target_session_attrs=read-write"),
        &[(shared().port(), "session is read-only")],
    );
}

#[test]
fn a_standby_that_does_not_report_it_is_known_by_its_answer() {
    // As servers before version 14 do.
    let server = Scripted::start(|connection: &mut Connection| {
        connection.startup();
        connection.expect(b'Q');
        let answer = backend::answered(&[Some("42"), Some("t"), Some("0"), None]);
        connection.send(&answer);
        connection.expect(b'X');
    });
    let (old, new) = (server.address().port(), shared().port());
    let more = "user=trust_user dbname=app sslmode=disable";
    for attributes in ["", "target_session_attrs=any", "target_session_attrs=primary"] {
        assert_lands_on(new, &format!("{} {more} {attributes}", hosts(&[old, new])));
    }
    for (attributes, reason) in [
        ("", "session is read-only"),
        ("target_session_attrs=any", "server is in hot standby mode"),
        ("target_session_attrs=primary", "server is in hot standby mode"),
        ("target_session_attrs=read-only", "server is in hot standby mode"),
    ] {
        let expected = [(old, reason), (old, reason)];
        assert_none_will_do(&format!("{} {more} {attributes}", hosts(&[old, old])), &expected);
    }
}

#[test]
fn the_primary_is_found_in_either_order_also_after_a_failover() {
    let primary = Cluster::start(&ClusterOptions::default());
    let standby = primary.start_standby();
    let (p, s) = (primary.port(), standby.port());
    let more = "user=postgres dbname=postgres";
    let any = "target_session_attrs=any";
    for ports in [[p, s], [s, p]] {
        for attributes in ["", any, "target_session_attrs=primary", "load_balance_hosts=random"] {
            assert_runs_in_a_session_of(&primary, &format!("{} {more} {attributes}", hosts(&ports)));
        }
    }
    let standby_reason = "server is in hot standby mode";
    assert_none_will_do(
        &format!("{} {more} target_session_attrs=read-only", hosts(&[s, p])),
        &[(s, standby_reason), (p, "session is not read-only")],
    );

    for (attributes, reason) in
        [("primary", standby_reason), ("read-write", "session is read-only"), ("read-only", standby_reason)]
    {
        let conninfo = format!("{} {more} target_session_attrs={attributes}", hosts(&[s]));
        assert_none_will_do(&conninfo, &[(s, reason)]);
    }

    primary.stop(Stop::Fast);
    let refused = "Connection refused";
    for (ports, attributes, expected) in [
        ([p, s], "", [(p, refused), (s, "session is read-only")]),
        ([s, p], "", [(s, "session is read-only"), (p, refused)]),
        ([p, s], any, [(p, refused), (s, standby_reason)]),
        ([s, p], "target_session_attrs=primary", [(s, standby_reason), (p, refused)]),
    ] {
        assert_none_will_do(&format!("{} {more} {attributes}", hosts(&ports)), &expected);
    }

    assert_eq!(standby.sql("select pg_promote()"), "t");
    for ports in [[p, s], [s, p]] {
        assert_runs_in_a_session_of(&standby, &format!("{} {more}", hosts(&ports)));
    }
}

/// The session that holds the lock is in the server's own list.
fn assert_runs_in_a_session_of(cluster: &Cluster, conninfo: &str) {
    let mut running = Heimdall::new()
        .database(conninfo)
        .args([
            "--namespace",
            "hosts",
            "--name",
            "session",
            "sh",
            "-c",
            "echo $HEIMDALL_BACKEND_PID; read end",
        ])
        .pipe_stdin()
        .spawn();
    let pid = running.wait_for_stdout_line("");
    let held = format!("select split_part(application_name, ' ', 1) from pg_stat_activity where pid = {pid}");
    assert_eq!(cluster.sql(&held), "heimdall:hosts/session", "{conninfo}");
    running.close_stdin();
    assert_eq!(running.wait().stderr, "", "{conninfo}");
}

#[test]
fn a_host_that_never_answers_costs_no_more_than_connect_timeout() {
    // The kernel accepts for it, and nobody ever reads.
    let black_hole = ports::listen();
    let silent = black_hole.local_addr().unwrap().port();
    let more = "user=trust_user dbname=app connect_timeout=4";
    for sslmode in ["disable", "prefer"] {
        assert_lands_on(
            shared().port(),
            &format!("{} {more} sslmode={sslmode}", hosts(&[silent, shared().port()])),
        );
    }
    let expired = "timeout expired during login";
    assert_none_will_do(
        &format!("{} {more} sslmode=disable", hosts(&[silent, silent])),
        &[(silent, expired), (silent, expired)],
    );
}

#[test]
fn a_silent_host_leaves_the_others_their_shares_of_the_time_that_is_waited() {
    let black_hole = ports::listen();
    let silent = black_hole.local_addr().unwrap().port();
    let more = "user=trust_user dbname=app sslmode=disable";
    let heimdall = || Heimdall::new().args(["--wait=12s", "--namespace", "hosts", "--name", "shares"]);
    let some = format!("{} {more}", hosts(&[silent, silent, shared().port()]));
    let outcome = heimdall().database(&some).args(["echo", "ran"]).run();
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), "ran\n"), "{}", outcome.stderr);
    let outcome = heimdall().database(&some).arg("--stop").run();
    assert_eq!((outcome.code, outcome.stderr.lines().count()), (Some(0), 1), "{}", outcome.stderr);
}

#[test]
fn a_silent_address_of_a_name_leaves_the_others_their_shares_of_the_time_that_is_waited() {
    let Some(names) = Names::new("a name with two addresses") else { return };
    let port = shared().port();
    let _black_hole = TcpListener::bind(("127.0.0.2", port)).unwrap();
    names.lead("127.0.0.2 db.test\n127.0.0.1 db.test\n");
    let outcome = names
        .heimdall()
        .database(&format!("host=db.test port={port} user=trust_user dbname=app sslmode=disable"))
        .args(["-v", "--wait=6s", "--namespace", "hosts", "--name", "addresses", "echo", "ran"])
        .run();
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), "ran\n"), "{}", outcome.stderr);
    let place = format!("connected to the server at \"db.test\" (127.0.0.1), port {port}\n");
    assert!(outcome.stderr.contains(&place), "{}", outcome.stderr);
}

#[test]
fn what_is_not_tried_any_more_is_told_as_that() {
    let nothing = Environment { variable: &|_| None, effective_user: &|| None, effective_uid: 0 };
    let two = hosts(&[shared().port(), shared().port()]);
    let config = Config::resolve(&format!("{two} user=trust_user dbname=app"), &nothing).unwrap();
    let request = LockRequest::one(Key::named("hosts", "not tried"), Mode::Exclusive);
    let over = Deadline::after(Duration::ZERO);
    let Err(error) = lock::acquire(&ConnectOptions::new(&config), &request, over) else { panic!("no time") };
    let line = format!(
        "connection to server at \"127.0.0.1\", port {} failed: timeout expired before it was tried",
        shared().port()
    );
    assert_eq!(error.to_string(), format!("{line}\n{line}"));
}

#[test]
fn a_server_that_is_not_ready_is_passed_over_and_one_that_refuses_us_is_not() {
    for (sqlstate, message, code) in
        [("57P03", "the database system is starting up", 0), ("3D000", "database \"app\" does not exist", 78)]
    {
        let server = Scripted::start(move |connection: &mut Connection| {
            connection.startup();
            connection.expect(b'Q');
            connection.send(&backend::error_response(&[(b'S', "FATAL"), (b'C', sqlstate), (b'M', message)]));
            connection.wait_for_end();
        });
        let ports = [server.address().port(), shared().port()];
        let outcome = connect(&format!("{} user=trust_user dbname=app sslmode=disable", hosts(&ports)));
        assert_eq!(outcome.code, Some(code), "{}", outcome.stderr);
        assert_eq!(attempts(&outcome).len(), usize::from(code != 0), "{}", outcome.stderr);
    }
}
