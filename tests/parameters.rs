//! Connection parameters that no other file tests through the program itself, and that none is left out.

mod files;
mod remedies;
#[cfg(all(target_os = "linux", feature = "tls"))]
mod security;
mod shared_url;
mod surroundings;
#[cfg(target_os = "linux")]
mod tcp;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use heimdall::conninfo::PARAMETERS;
use heimdall::lock::Key;

use crate::support::heimdall::{Heimdall, Outcome};
use crate::support::postgres::shared;
use crate::support::scripted::{Connection, Scripted, backend};
use crate::support::this_test;

/// `host=… port=… user=… dbname=…` of a user who needs no password.
fn trusted() -> String {
    format!("{} user=trust_user dbname=app", shared().tcp())
}

fn connect(conninfo: &str) -> Heimdall {
    // A lock for each, whose name tells nothing of a secret.
    let name = format!("key {}", Key::named("", conninfo));
    let heimdall = Heimdall::new().args(["--namespace", &this_test(), "--name", &name]);
    if conninfo.is_empty() { heimdall } else { heimdall.database(conninfo) }
}

fn assert_ran(outcome: &Outcome) {
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(outcome.stdout, "ran\n");
}

/// One line, and the program did not run.
fn assert_failed(outcome: &Outcome, code: i32, words: &str) {
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(code), ""), "{}", outcome.stderr);
    assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
    assert!(outcome.stderr.contains(words), "{words} in {}", outcome.stderr);
}

/// What a program started by this says in its `StartupMessage`.
fn startup(heimdall: impl FnOnce(&str) -> Heimdall) -> BTreeMap<String, String> {
    let (sender, receiver) = mpsc::channel();
    let server = Scripted::start(move |connection: &mut Connection| {
        sender.send(connection.startup().parameters()).unwrap();
        connection.expect(b'Q');
        connection.send(&backend::answered(&[Some("42"), Some("f"), Some("0"), None]));
        connection.serve_lock();
    });
    let outcome = heimdall(&server.tcp()).arg("true").run();
    assert_eq!(outcome.code, Some(75), "{}", outcome.stderr);
    receiver.recv().unwrap().into_iter().collect()
}

#[test]
fn what_the_server_is_told_of_us_is_what_was_given_and_no_more() {
    let name = |more: &str| {
        let told = startup(|endpoint| {
            Heimdall::new().database(&format!("{endpoint} user=ann {more}")).args([
                "--namespace",
                "parameters",
                "--name",
                "n",
            ])
        });
        assert_eq!(told.get("options"), None, "poolers refuse what they don't know");
        told.get("application_name").cloned()
    };
    // The lock's name is the last resort.
    assert_eq!(name("application_name=a fallback_application_name=b").as_deref(), Some("a"));
    assert_eq!(name("fallback_application_name=b").as_deref(), Some("b"));
    assert!(name("").unwrap().starts_with("heimdall:parameters/n "));
    assert_eq!(name("application_name='' fallback_application_name=b"), None);
    for (given, told) in
        [("", "UTF8"), ("client_encoding=auto", "UTF8"), ("client_encoding=LATIN1", "LATIN1")]
    {
        let startup = startup(|endpoint| connect(&format!("{endpoint} user=ann dbname=app {given}")));
        assert_eq!(startup["client_encoding"], told);
        assert_eq!((startup["user"].as_str(), startup["database"].as_str()), ("ann", "app"));
    }
}

#[test]
fn the_environment_says_what_the_connection_string_leaves_out() {
    let startup = startup(|endpoint| {
        connect(&format!("{endpoint} dbname=app"))
            .env("PGUSER", "ann")
            .env("PGDATABASE", "unused")
            .env("PGAPPNAME", "mine")
            .env("PGOPTIONS", "-c a=b\\ c")
            .env("PGCLIENTENCODING", "SJIS")
            .env("PGDATESTYLE", "ignored")
            .env("PGTZ", "ignored")
            .env("PGGEQO", "ignored")
    });
    let expected = [
        ("application_name", "mine"),
        ("client_encoding", "SJIS"),
        ("database", "app"),
        ("options", "-c a=b\\ c"),
        ("user", "ann"),
    ];
    assert_eq!(startup, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    let program = Heimdall::new()
        .args(["--name", "variables", "echo", "ran"])
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", shared().port().to_string())
        .env("PGUSER", "trust_user")
        .env("PGDATABASE", "app");
    assert_ran(&program.run());
}

#[test]
fn the_server_does_as_its_options_and_the_encoding_say() {
    for (more, reported) in [
        (
            r"options='-c TimeZone=Asia/Tokyo -c DateStyle=German,\\ DMY'",
            "ParameterStatus TimeZone=Asia/Tokyo",
        ),
        (r"options=-c\ DateStyle=German,\\\ DMY", "ParameterStatus DateStyle=German, DMY"),
        ("client_encoding=LATIN1", "ParameterStatus client_encoding=LATIN1"),
        ("client_encoding=auto", "ParameterStatus client_encoding=UTF8"),
    ] {
        let outcome = connect(&format!("{} {more}", trusted())).args(["--debug", "echo", "ran"]).run();
        assert_ran(&outcome);
        assert!(outcome.stderr.contains(reported), "{reported} in {}", outcome.stderr);
    }
    let nonsense = connect(&format!("{} client_encoding=runes", trusted())).arg("true").run();
    assert_failed(&nonsense, 78, "invalid value for parameter \"client_encoding\": \"runes\"");
}

#[test]
fn what_needs_no_honouring_is_accepted() {
    for more in [
        "gssencmode=disable",
        "gssencmode=prefer",
        "krbsrvname=postgres",
        "gsslib=gssapi",
        "gssdelegation=1",
        "sslcompression=1",
        "replication=off",
        "sslpassword='' sslcrldir='' oauth_scope=''",
    ] {
        assert_ran(&connect(&format!("{} {more}", trusted())).args(["echo", "ran"]).run());
    }
}

#[test]
fn promise_11_what_heimdall_does_not_have_is_refused_by_name_before_it_connects() {
    for given in [
        "sslpassword=hunter2",
        "sslcrldir=/hunter2",
        "sslkeylogfile=/hunter2",
        "replication=database",
        "gssencmode=require",
        "scram_client_key=hunter2",
        "scram_server_key=hunter2",
        "oauth_issuer=hunter2",
        "oauth_client_id=hunter2",
        "oauth_client_secret=hunter2",
        "oauth_scope=hunter2",
    ] {
        let outcome = connect(&format!("host=/nonexistent {given}")).arg("true").run();
        let keyword = given.split('=').next().unwrap();
        assert_failed(&outcome, 78, &format!("{keyword}: "));
        assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
    }
}

#[test]
fn each_parameter_is_given_to_the_program_in_some_test() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    // Those call the library.
    let is_other = |path: &PathBuf| path.ends_with("conninfo.rs") || path.ends_with("conninfo");
    let text: String = sources(&tests, &is_other).concat();
    for parameter in PARAMETERS {
        let given = format!("{}=", parameter.keyword);
        let is_there = text.match_indices(&given).any(|(at, _)| {
            !text[..at].ends_with(|before: char| before.is_ascii_alphanumeric() || before == '_')
        });
        assert!(is_there, "no test of {}", parameter.keyword);
    }
}

/// The text of all Rust files in a folder and below.
fn sources(folder: &Path, is_other: &dyn Fn(&PathBuf) -> bool) -> Vec<String> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths
        .filter(|path| !is_other(path))
        .flat_map(|path| {
            if path.is_dir() { sources(&path, is_other) } else { vec![fs::read_to_string(path).unwrap()] }
        })
        .collect()
}
