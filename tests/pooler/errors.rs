//! What poolers say in codes that mean something else to a server: by their words, the exit code is the one a server would get.

use crate::support::heimdall::{Heimdall, Outcome};
use crate::support::pgbouncer::{PgBouncer, PoolMode};
use crate::support::postgres::shared;
use crate::support::scripted::{Connection, Scripted, backend};

fn run(conninfo: &str, options: &[&str]) -> Outcome {
    Heimdall::new().url(conninfo).args(["--allow-pooler", "--name", "errors"]).args(options).arg("true").run()
}

fn assert_told(outcome: &Outcome, code: i32, words: &str) {
    assert_eq!(outcome.code, Some(code), "{}", outcome.stderr);
    assert!(outcome.stderr.lines().count() == 1 && outcome.stderr.contains(words), "{}", outcome.stderr);
}

#[test]
fn each_refusal_of_a_real_pgbouncer_has_the_code_of_its_meaning() {
    let trusting = PgBouncer::start(shared(), PoolMode::Session);
    let place = trusting.conninfo();
    let asking = PgBouncer::start_with(shared(), PoolMode::Session, "auth_type = md5");
    for (conninfo, code, words) in [
        (format!("{} password=wrong", asking.conninfo()), 77, "password authentication failed"),
        (asking.conninfo(), 77, "a password is needed"),
        (format!("{place} user=no_such_user"), 77, "authentication failed"),
        (format!("{place} dbname=no_such_database"), 78, "no_such_database"),
        (format!("{place} options='-c geqo=off'"), 78, "unsupported startup parameter"),
    ] {
        assert_told(&run(&conninfo, &[]), code, words);
    }
}

#[test]
fn a_pooler_that_is_not_allowed_lists_nothing() {
    let pooler = PgBouncer::start(shared(), PoolMode::Transaction);
    let list =
        |options: &[&str]| Heimdall::new().database(&pooler.conninfo()).arg("--list").args(options).run();
    let refused = list(&[]);
    assert_told(&refused, 76, "a connection pooler answers for it");
    assert_eq!(refused.stdout, "");
    assert_eq!(list(&["--allow-pooler"]).code, Some(0));
}

#[test]
fn a_pgbouncer_without_room_is_no_usable_server() {
    for (settings, words) in [
        ("max_client_conn = 1", "no more connections allowed (max_client_conn)"),
        ("default_pool_size = 1\nquery_wait_timeout = 1", "query_wait_timeout"),
    ] {
        let pooler = PgBouncer::start_with(shared(), PoolMode::Session, settings);
        // The one who has looked whether the pooler is ready may still have the place.
        let holder = Heimdall::new()
            .database(&pooler.conninfo())
            .args(["--allow-pooler", "--name", settings, "--wait"])
            .hold();
        assert_told(&run(&pooler.conninfo(), &[]), 69, words);
        holder.finish();
    }
}

#[test]
fn the_console_of_pgbouncer_is_told_from_a_database() {
    let pooler = PgBouncer::start_with(shared(), PoolMode::Session, "admin_users = trust_user");
    let console = format!("{} dbname=pgbouncer", pooler.conninfo());
    let words = "this is PgBouncer's console and not a database";
    assert_told(&run(&console, &[]), 76, words);
    for options in [&["--name", "errors", "true"][..], &["--list"]] {
        assert_told(&Heimdall::new().database(&console).args(options).run(), 76, words);
    }
}

/// The SQLSTATE, the message, and the exit code.
const WORDS: &[(&str, &str, i32)] = &[
    // PgBouncer, in versions 1.18 and later.
    ("08P01", "SASL authentication failed", 77),
    ("08P01", "password authentication failed", 77),
    ("08P01", "PAM authentication failed", 77),
    ("08P01", "certificate authentication failed", 77),
    ("08P01", "\"trust\" authentication failed", 77),
    ("08P01", "login rejected", 77),
    ("08P01", "unix socket login rejected", 77),
    ("08P01", "SSL required", 77),
    ("08P01", "TLS connection required", 77),
    ("08P01", "TLS client certificate required", 77),
    ("08P01", "TLS certificate name mismatch", 77),
    ("08P01", "server login failed: wrong password type", 77),
    ("08P01", "server login failed: FATAL password authentication failed for user \"ann\"", 77),
    ("08P01", "database \"app\" is disabled", 78),
    ("08P01", "database does not allow connections: app", 78),
    ("08P01", "unsupported startup parameter in options: geqo", 78),
    ("08P01", "no username supplied", 78),
    ("08P01", "username too long", 78),
    ("08P01", "bouncer config error", 78),
    ("08P01", "no more connections allowed (max_client_conn)", 69),
    ("08P01", "client connections exceeded (max_db_client_connections)", 69),
    ("08P01", "client connections exceeded (max_user_client_connections)", 69),
    ("08P01", "client_login_timeout (server down)", 69),
    ("08P01", "server login has been failing, try again later (server_login_retry)", 69),
    ("08P01", "server login has been failing, cached error: no such database (server_login_retry)", 69),
    ("08P01", "server conn crashed?", 69),
    ("08P01", "server DNS lookup failed", 69),
    ("08P01", "bouncer resources exhaustion", 69),
    ("08P01", "database configuration changed", 69),
    ("08P01", "invalid frontend message type 112", 76),
    // PgCat.
    ("58000", "No pool configured for database: \"app\", user: \"ann\"", 78),
    ("3D000", "No pool configured for database: app, user: ann", 78),
    ("58000", "could not get connection from the pool - AllServersDown", 69),
    ("28P01", "password authentication failed for user \"ann\"", 77),
    // Odyssey.
    ("08P01", "odyssey: c4f1: SSL is required", 77),
    ("3D000", "odyssey: c4f1: route for 'app.ann' is not found", 78),
    ("08006", "odyssey: c4f1: failed to get remote server connection", 69),
    ("53300", "odyssey: c4f1: too many client tcp connections", 69),
    // Supavisor.
    ("XX000", "Tenant or user not found", 77),
    ("XX000", "(ENOTFOUND) tenant/user ann.app not found", 77),
    ("XX000", "Max client connections reached", 69),
    ("XX000", "(EMAXCONN) max client connections reached, limit: 200", 69),
    (
        "XX000",
        "MaxClientsInSessionMode: max clients reached - in Session mode max clients are limited to pool_size",
        69,
    ),
    ("XX000", "SSL connection is required", 77),
];

#[test]
fn the_words_of_other_poolers_are_understood_during_the_login_and_after_it() {
    for (code, text, exit) in WORDS {
        for is_after_login in [false, true] {
            let server = Scripted::start(move |connection: &mut Connection| {
                connection.startup();
                let mut answer = Vec::new();
                if is_after_login {
                    answer.extend(backend::authentication_ok());
                    answer.extend(backend::ready_for_query(b'I'));
                }
                answer.extend(backend::error_response(&[(b'S', "FATAL"), (b'C', code), (b'M', text)]));
                connection.send(&answer);
                connection.drain();
            });
            let outcome = run(&format!("{} user=ann", server.tcp()), &[]);
            assert_eq!(outcome.code, Some(*exit), "{is_after_login} {}", outcome.stderr);
            assert!(outcome.stderr.contains(text), "{}", outcome.stderr);
        }
    }
}
