//! A server that has logged us in and leaves before it has said whether the lock is ours.

use super::{assert_lands_on, assert_none_will_do, connect, hosts};
use crate::support::ports;
use crate::support::postgres::shared;
use crate::support::scripted::{Connection, Scripted, backend};

#[test]
fn a_server_that_goes_away_before_it_answers_is_passed_over() {
    let leaving = backend::error_response(&[
        (b'S', "FATAL"),
        (b'C', "57P01"),
        (b'M', "terminating connection due to administrator command"),
    ]);
    for (last_words, reason) in [
        (vec![], "the server closed the connection before an answer came"),
        (leaving, "FATAL: terminating connection due to administrator command [57P01]"),
    ] {
        let said = [backend::logged_in(), last_words].concat();
        let server = Scripted::start(move |connection: &mut Connection| {
            connection.startup();
            connection.expect(b'Q');
            connection.send(&said);
            connection.close();
        });
        let (gone, real) = (server.address().port(), shared().port());
        let more = "user=trust_user dbname=app sslmode=disable";
        for attributes in ["", "target_session_attrs=any"] {
            assert_lands_on(real, &format!("{} {more} {attributes}", hosts(&[gone, real])));
        }
        assert_none_will_do(&format!("{} {more}", hosts(&[gone, gone])), &[(gone, reason), (gone, reason)]);
        assert_none_will_do(&format!("{} {more}", hosts(&[gone])), &[(gone, reason)]);
    }
}

#[test]
fn a_server_that_goes_silent_before_it_answers_costs_no_more_than_connect_timeout() {
    let server = Scripted::start(|connection: &mut Connection| {
        connection.startup();
        connection.expect(b'Q');
        connection.send(&backend::authentication_ok());
        connection.send(&backend::ready_for_query(b'I'));
        connection.drain();
    });
    let ports = [server.address().port(), shared().port()];
    let more = "user=trust_user dbname=app sslmode=disable connect_timeout=4";
    assert_lands_on(shared().port(), &format!("{} {more}", hosts(&ports)));
}

#[test]
fn an_answer_that_breaks_off_ends_the_search() {
    let server = Scripted::start(|connection: &mut Connection| {
        connection.startup();
        connection.expect(b'Q');
        let mut answer = backend::authentication_ok();
        answer.extend(backend::backend_key_data(42, &[1, 2, 3, 4]));
        answer.extend(backend::ready_for_query(b'I'));
        answer.extend(backend::row(&backend::granted("42")));
        connection.send(&answer);
        connection.close();
    });
    let ports = [server.address().port(), shared().port()];
    let outcome = connect(&format!("{} user=trust_user dbname=app sslmode=disable", hosts(&ports)));
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(69), ""), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("could not try the lock on the server"), "{}", outcome.stderr);
}

#[test]
fn the_hosts_that_failed_are_told_before_what_is_wrong_with_the_one_that_has_logged_us_in() {
    let server = Scripted::start(|connection: &mut Connection| {
        connection.startup();
        connection.expect(b'Q');
        connection.send(&backend::authentication_ok());
        connection.send(&backend::parameter_status("crdb_version", "CockroachDB CCL v25.1"));
        connection.send(&backend::ready_for_query(b'I'));
        connection.send(&backend::row(&backend::granted("42")));
        connection.send(&backend::ready_for_query(b'I'));
        connection.drain();
    });
    let (free, real) = (ports::free(), server.address().port());
    let outcome = connect(&format!("{} user=ann sslmode=disable", hosts(&[free, real])));
    assert_eq!(outcome.code, Some(76), "{}", outcome.stderr);
    let told = format!(
        "port {free} failed: Connection refused\n\
         heimdall: refusing the server at \"127.0.0.1\", port {real}: it is CockroachDB"
    );
    assert!(outcome.stderr.contains(&told), "{}", outcome.stderr);
}
