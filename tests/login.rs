//! Real logins: each method over TCP and Unix socket, and what the user reads when one fails.

use std::time::Duration;

use crate::support::heimdall::{Heimdall, Outcome};
use crate::support::holder::host;
use crate::support::postgres::{Cluster, ClusterOptions, PASSWORD, shared};
use crate::support::{poll, this_test};

fn log_in(conninfo: &str) -> Outcome {
    Heimdall::new().url(conninfo).args(["--namespace", &this_test(), "--name", conninfo, "echo", "ran"]).run()
}

fn assert_ran(conninfo: &str) {
    let outcome = log_in(conninfo);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), "ran\n"), "{conninfo}: {}", outcome.stderr);
    assert_eq!(outcome.stderr, "", "{conninfo}");
}

/// One line, no password in it, and the program did not run.
fn assert_refused(conninfo: &str, code: i32, words: &str) {
    let outcome = log_in(conninfo);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(code), ""), "{conninfo}: {}", outcome.stderr);
    assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
    assert!(outcome.stderr.contains(words), "{conninfo}: {}", outcome.stderr);
    assert!(!outcome.stderr.contains("sesame"), "{}", outcome.stderr);
}

#[test]
fn every_method_logs_in_over_tcp_and_over_a_unix_socket() {
    for place in [shared().tcp(), shared().socket()] {
        assert_ran(&format!("{place} user=trust_user dbname=app"));
        assert_ran(&format!("{place} user=trust_user dbname=app password='{PASSWORD}'"));
        for user in ["md5_user", "scram_user"] {
            assert_ran(&format!("{place} user={user} dbname=app password='{PASSWORD}'"));
        }
        assert_ran(&format!(
            "{place} user=scram_user dbname=app password='{PASSWORD}' require_auth=scram-sha-256"
        ));
        assert_ran(&format!("{place} user=md5_user dbname=app password='{PASSWORD}' require_auth=md5"));
        assert_ran(&format!(
            "{place} user=password_user dbname=app password='{PASSWORD}' require_auth=password,scram-sha-256"
        ));
    }
    assert_ran(&format!("{} user=password_user dbname=app password='{PASSWORD}'", shared().socket()));
}

#[test]
fn a_password_is_not_said_in_clear_text_over_tcp() {
    assert_refused(
        &format!("{} user=password_user dbname=app password='{PASSWORD}'", shared().tcp()),
        77,
        "the server asks for the password in clear text over an unencrypted connection; refused",
    );
}

#[test]
fn a_wrong_password_is_told_in_the_servers_words() {
    for (user, more) in [("md5_user", ""), ("scram_user", ""), ("scram_user", "require_auth=scram-sha-256")] {
        assert_refused(
            &format!("{} user={user} dbname=app password='close sesame' {more}", shared().tcp()),
            77,
            &format!("FATAL: password authentication failed for user \"{user}\" [28P01]"),
        );
    }
}

#[test]
fn a_password_in_any_script_is_normalized_as_by_the_server() {
    let cluster = Cluster::start(&ClusterOptions {
        hba: "host all all 127.0.0.1/32 scram-sha-256".to_owned(),
        ..ClusterOptions::default()
    });
    cluster.sql("create role guest login");
    for password in [
        "ä1",
        "x\u{37e}",
        "\u{ad}\u{2168}",
        // What is allowed, unassigned, prohibited or of two directions only before normalization, or only after it.
        "a\u{2135}",
        "x\u{340}",
        "x\u{2090}",
        "p\u{32ff}",
        "p\u{1f130}",
        "\u{627}\u{fb1d}",
    ] {
        cluster.sql(&format!(
            "set password_encryption = 'scram-sha-256'; alter role guest password '{password}'"
        ));
        assert_ran(&format!("{} user=guest dbname=postgres password='{password}'", cluster.tcp()));
    }
}

#[test]
fn a_missing_password_is_told_as_such() {
    for (user, method) in [("md5_user", "md5"), ("scram_user", "scram-sha-256")] {
        assert_refused(
            &format!("{} user={user} dbname=app", shared().tcp()),
            77,
            &format!("a password is needed: the server asks for {method} authentication"),
        );
    }
}

#[test]
fn require_auth_refuses_weaker_methods_and_none() {
    let tcp = shared().tcp();
    assert_refused(
        &format!("{tcp} user=md5_user dbname=app password='{PASSWORD}' require_auth=scram-sha-256"),
        77,
        "authentication method requirement \"scram-sha-256\" failed: server requested a hashed password",
    );
    assert_refused(
        &format!("{tcp} user=trust_user dbname=app require_auth=scram-sha-256"),
        77,
        "authentication method requirement \"scram-sha-256\" failed: server did not complete authentication",
    );
    assert_refused(
        &format!("{tcp} user=trust_user dbname=app password='{PASSWORD}' require_auth=scram-sha-256"),
        77,
        "server did not complete authentication",
    );
}

#[test]
fn requirepeer_names_the_user_that_the_server_runs_as() {
    let (cluster, more) = (shared(), "user=trust_user dbname=app");
    let user = cluster.user();
    assert_ran(&format!("{} {more} requirepeer={user}", cluster.socket()));
    assert_refused(
        &format!("{} {more} requirepeer=somebody", cluster.socket()),
        77,
        &format!("requirepeer specifies \"somebody\", but actual peer user name is \"{user}\""),
    );
    // As in libpq: over TCP nobody knows who that is.
    assert_ran(&format!("{} {more} requirepeer=somebody", cluster.tcp()));
}

#[test]
fn what_the_server_does_not_know_or_allow_is_told() {
    let tcp = shared().tcp();
    for (parameters, code, words) in [
        ("user=trust_user dbname=nowhere", 78, "FATAL: database \"nowhere\" does not exist [3D000]"),
        (
            "user=nologin_role dbname=app",
            77,
            "FATAL: role \"nologin_role\" is not permitted to log in [28000]",
        ),
        ("user=nobody_at_all dbname=app", 77, "[28000]"),
        ("user=trust_user dbname=app options='-c no_such_setting=1'", 78, "[42704]"),
    ] {
        assert_refused(&format!("{tcp} {parameters}"), code, words);
    }
}

#[test]
fn a_role_without_permission_is_told() {
    let cluster = Cluster::start(&ClusterOptions::default());
    cluster.sql(
        "create role guest login; create database closed; revoke connect on database closed from public; \
         revoke execute on function pg_try_advisory_lock(int, int) from public",
    );
    assert_refused(
        &format!("{} user=guest dbname=closed", cluster.tcp()),
        77,
        "FATAL: permission denied for database \"closed\"",
    );
    assert_refused(
        &format!("{} user=guest dbname=postgres", cluster.tcp()),
        77,
        "ERROR: permission denied for function pg_try_advisory_lock [42501]",
    );
}

#[test]
fn a_server_that_is_full_is_unavailable() {
    let cluster = Cluster::start(&ClusterOptions {
        configuration: "max_connections = 2\nsuperuser_reserved_connections = 1".to_owned(),
        hba: String::new(),
    });
    cluster.sql("create role guest login");
    let guest = format!("{} user=guest dbname=postgres", cluster.tcp());
    let holder = Heimdall::new()
        .database(&guest)
        // Who made the role may not have gone yet.
        .args(["--name", "first", "--wait", "sh", "-c", "echo holding; sleep 300"])
        .spawn();
    holder.wait_for_stdout_line("holding");
    assert_refused(&guest, 69, "FATAL:");
}

// PostgreSQL 18 was the first to speak 3.2; older ones negotiate.
#[test]
fn the_protocols_version_is_what_the_user_and_the_server_agree_on() {
    let place = format!("{} user=trust_user dbname=app", shared().tcp());
    for allowed in ["max_protocol_version=3.2", "max_protocol_version=latest", "max_protocol_version=3.0"] {
        assert_ran(&format!("{place} {allowed}"));
    }
    for needed in ["min_protocol_version=3.2", "min_protocol_version=latest"] {
        let conninfo = format!("{place} {needed}");
        if shared().version() >= 18 {
            assert_ran(&conninfo);
        } else {
            let words =
                "server only supports protocol version 3.0, but \"min_protocol_version\" was set to 3.2";
            assert_refused(&conninfo, 76, words);
        }
    }
}

#[test]
fn what_the_server_makes_of_the_version_is_shown() {
    let place = format!("{} user=trust_user dbname=app", shared().tcp());
    for (version, startup) in [("3.0", "StartupMessage user="), ("3.2", "StartupMessage 3.2 user=")] {
        let outcome = Heimdall::new()
            .database(&format!("{place} max_protocol_version={version}"))
            .args(["--debug", "--name", "version", "true"])
            .run();
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(startup), "{}", outcome.stderr);
        let negotiates = version == "3.2" && shared().version() < 18;
        assert_eq!(
            outcome.stderr.contains("NegotiateProtocolVersion 3.0"),
            negotiates,
            "{version} {}",
            outcome.stderr
        );
    }
}

#[test]
fn promise_12_debug_shows_every_message_and_no_secret() {
    let hex = |text: &str| text.split(|c: char| !c.is_ascii_hexdigit()).any(|word| word.len() >= 32);
    for user in ["password_user", "md5_user", "scram_user"] {
        let outcome = Heimdall::new()
            .url(&format!("{} user={user} dbname=app password='{PASSWORD}'", shared().socket()))
            .args(["--debug", "--name", user, "true"])
            .run();
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        for message in [
            "StartupMessage",
            "PasswordMessage",
            "ParameterStatus",
            "DataRow",
            "pg_advisory_unlock(",
            "Terminate",
        ] {
            let message = if user == "scram_user" {
                message.replace("PasswordMessage", "SASLResponse")
            } else {
                message.to_owned()
            };
            assert!(outcome.stderr.contains(&message), "{message}: {}", outcome.stderr);
        }
        // What proves the password to the server is as good as the password (MD5), or lets others guess it (SCRAM).
        let is_secret = |line: &str| line.contains(PASSWORD) || hex(line) || line.contains(",p=");
        assert!(!outcome.stderr.lines().any(is_secret), "{}", outcome.stderr);
    }
}

#[test]
fn promise_8_a_standby_is_refused() {
    let primary = Cluster::start(&ClusterOptions::default());
    let standby = primary.start_standby();
    let outcome = Heimdall::new()
        .database(&format!("{} user=postgres dbname=postgres", standby.tcp()))
        .args(["--name", "standby", "true"])
        .run();
    assert_eq!(outcome.code, Some(76), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("it is a standby"), "{}", outcome.stderr);
    assert_eq!(standby.sql("select count(*) from pg_locks where locktype = 'advisory'"), "0");
}

#[test]
fn the_application_name_says_which_lock() {
    let place = format!("{} user=trust_user dbname=app", shared().tcp());
    let long = "x".repeat(80);
    for (more, name, expected) in [
        ("", "named", "heimdall:login/named HOST:PID @SECONDS".to_owned()),
        ("", long.as_str(), format!("heimdall:login/{}", "x".repeat(48))),
        (" application_name=mine", "named", "mine".to_owned()),
    ] {
        let running = Heimdall::new()
            .url(&format!("{place}{more}"))
            .args([
                "--namespace",
                "login",
                "--name",
                name,
                "sh",
                "-c",
                "echo $HEIMDALL_BACKEND_PID; sleep 300",
            ])
            .spawn();
        let pid = running.wait_for_stdout_line("");
        // With the token or, on a host of a long name, without.
        let shown = "regexp_replace(application_name, ' @[0-9]{10}(#[0-9a-z]{12,13})?$', ' @SECONDS')";
        let host = host("heimdall:login/named", running.pid());
        let expected = expected.replace("HOST", &host).replace("PID", &running.pid().to_string());
        shared().wait_for(&format!("select {shown} from pg_stat_activity where pid = {pid}"), &expected);
    }
}

#[test]
fn the_lines_that_an_early_statement_leaves_in_the_log_are_told_by_the_page_and_the_error() {
    let page = include_str!("../docs/locks.md");
    for (conninfo, in_log, told) in [
        ("user=md5_user", "expected password response, got message type 81", "got message type 81"),
        ("user=scram_user", "expected SASL response, got message type 81", "got message type 81"),
        (
            "user=trust_user password=x require_auth=scram-sha-256",
            "invalid frontend message type 112",
            "invalid frontend message type 112",
        ),
    ] {
        let conninfo = format!("{} dbname=app {conninfo}", shared().tcp());
        let outcome = Heimdall::new().database(&conninfo).args(["--name", &this_test(), "true"]).run();
        assert_eq!(outcome.code, Some(77), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(&format!("log may say \"{told}\"")), "{}", outcome.stderr);
        assert!(page.contains(&format!("`FATAL: {in_log}`")), "{in_log}");
        let is_logged = poll(Duration::from_secs(10), || shared().log().contains(in_log).then_some(()));
        assert!(is_logged.is_some(), "{in_log}");
    }
}
