//! Slips of the keyboard around a password: whatever becomes of them, the password is nowhere but where a password
//! belongs. What is neither told nor a part of the configuration is not printed, not looked up and not sent.

use std::collections::BTreeSet;
use std::sync::mpsc;

use heimdall::conninfo::{Config, PARAMETERS};

use super::files::Home;
use super::{Variables, resolve};
use crate::support::heimdall::Heimdall;
use crate::support::scripted::{Connection, Scripted, backend};

/// In the place of a password; any of its halves would tell on it.
const MARK: &str = "Zx9QZx9Q";
const HALF: &str = "Zx9Q";

const STRINGS: &[&str] = &[
    "postgres://ann:MARK@db.example:5432/app?sslmode=require",
    "postgresql://ann:MARK@db1:5432,db2:5433/app",
    "postgres://ann:MARK@[::1]:5432/app",
    "postgres://ann:MARK@[1]:5432/db",
    "postgres://ann:MARK@%2Frun%2Fpostgresql/app",
    "postgres://ann:MARK@/app",
    "postgres://db/app?user=ann&password=MARK&connect_timeout=5",
    "postgres://?password=MARK&user=ann",
    "host=db port=5432 user=ann password=MARK dbname=app sslmode=require",
    "user=ann password='MARK' host=db1,db2 port=1,2",
    "password = MARK user = ann",
];

const DELIMITERS: &str = ":/@?&=;,#%'\"\\[]| \n\t";

/// What one slip makes of a string: a delimiter in the password, a character more, less or another than there should be
/// elsewhere, or a delimiter that is percent-encoded, as may be all of them. But for one: without the ":" after a URI's user
/// nothing says that there is a password.
fn mangled(string: &str) -> BTreeSet<String> {
    let (before, after) = string.split_once("MARK").unwrap();
    let cut = DELIMITERS.chars().map(|c| format!("{before}{HALF}{c}{HALF}{after}"));
    let mut found: BTreeSet<String> = cut.collect();
    for (at, c) in string.char_indices().filter(|(at, _)| !(before.len()..before.len() + 4).contains(at)) {
        let (left, right) = (&string[..at], &string[at + c.len_utf8()..]);
        let is_the_only_sign = c == ':' && right.starts_with("MARK") && !right.contains('\n');
        let instead = DELIMITERS.chars().map(|other| format!("{left}{other}{right}"));
        let instead = instead.chain([format!("{left}{right}")]).filter(|_| !is_the_only_sign);
        let besides = DELIMITERS.chars().map(|other| format!("{left}{other}{c}{right}"));
        let encoded = [format!("{left}{}{right}", encoded(c))];
        found.extend(instead.chain(besides).chain(encoded).map(|text| text.replace("MARK", MARK)));
    }
    found.insert(string.replace("MARK", MARK).chars().map(encoded).collect());
    found
}

fn encoded(c: char) -> String {
    if DELIMITERS.contains(c) { format!("%{:02X}", u32::from(c)) } else { c.to_string() }
}

/// What would be seen of a secret; `None` if nothing.
fn seen(database: Option<&str>, variables: Variables) -> Option<String> {
    let parameters = resolve(database, variables);
    let printed = parameters.as_ref().map(ToString::to_string).unwrap_or_default();
    let config = parameters.and_then(|parameters| Config::new(&parameters));
    let told = match &config {
        Ok(config) => format!("{printed}{config:?}"),
        Err(error) => format!("{printed}{error} {error:?}"),
    };
    told.contains(HALF).then_some(told)
}

/// Fails with all that is seen.
fn assert_unseen<T: std::fmt::Debug>(
    cases: impl IntoIterator<Item = T>,
    seen: impl Fn(&T) -> Option<String>,
) {
    let leaks: Vec<String> =
        cases.into_iter().filter_map(|case| Some(format!("{case:?}: {}", seen(&case)?))).collect();
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
}

#[test]
fn promise_12_no_slip_in_a_connection_string_shows_the_password() {
    let all: BTreeSet<String> = STRINGS.iter().flat_map(|string| mangled(string)).collect();
    assert!(all.len() > 10_000, "{}", all.len());
    assert_unseen(all, |text| seen(Some(text), &[]));
}

#[test]
fn promise_12_no_variable_that_holds_something_else_shows_a_password() {
    let variables = PARAMETERS.iter().filter(|parameter| parameter.keyword != "password");
    let variables = variables.filter_map(|parameter| Some((parameter.keyword, parameter.variable?)));
    let others = [("", "PGSERVICEFILE"), ("", "PGSYSCONFDIR"), ("", "PGREQUIRESSL")];
    for (keyword, variable) in variables.chain(others) {
        let mut texts = vec![
            format!("host=db password={MARK}"),
            format!("db;password={MARK}"),
            format!("db,user=ann,password={MARK}"),
            format!("db&user=ann&password = {MARK}"),
        ];
        let is_file =
            ["", "passfile", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslcrldir"].contains(&keyword);
        if is_file {
            texts.push(format!("-----BEGIN PRIVATE KEY-----\n{MARK}\n-----END PRIVATE KEY-----"));
            texts.push(format!("-----BEGIN PRIVATE KEY----- {MARK}"));
            texts.push(format!("db:5432:app:ann:{MARK}\n"));
            texts.extend((keyword == "passfile").then(|| format!("db:5432:app:ann:{MARK}")));
        } else if keyword != "application_name" {
            // A file's name and an application's may have a ":" and an "@", as in worker:1@host.
            let credentials =
                ["postgres://ann:MARK@db/app", "ann:MARK@db/app", "//ann:MARK@db", "jdbc:x:MARK@db"];
            texts.extend(credentials.map(|text| text.replace("MARK", MARK)));
        }
        // The server reads options, and libpq knows nothing of what they mean.
        texts.retain(|_| keyword != "options");
        assert_unseen(texts, |text| {
            // The files of services are looked for where a service is named.
            let service = ("PGSERVICE", "s");
            let all = [(variable, text.as_str()), service];
            seen(None, if keyword.is_empty() { &all } else { &all[..1] })
        });
    }
}

#[test]
fn promise_12_no_slip_in_a_file_shows_the_password() {
    let home = Home::new("secrets");
    for text in mangled("[s]\nhost=db\nuser=ann\npassword=MARK\ndbname=app\n") {
        home.write(".pg_service.conf", &text);
        assert_unseen([text], |_| {
            seen(Some("service=s"), &[("HOME", &home.path("")), ("PGSYSCONFDIR", "/nowhere")])
        });
    }
    for text in mangled("db:5432:app:ann:MARK\n") {
        home.write(".pgpass", &text);
        assert_unseen([text], |_| seen(Some("host=db user=ann dbname=app"), &[("HOME", &home.path(""))]));
    }
}

/// Through the program, to a server that asks for no password: what is sent to it, and what is looked up and not found, which
/// heimdall tells by its name.
#[test]
fn a_slip_sends_the_password_to_no_one() {
    let (sender, received) = mpsc::channel();
    let server = Scripted::start(move |connection: &mut Connection| {
        let mut packet = connection.startup();
        if packet.code == SSL_REQUEST {
            connection.send(b"N");
            packet = connection.startup();
        }
        sender.send(packet.body).unwrap();
        connection.send(&backend::error_response(&[(b'S', "FATAL"), (b'C', "53300"), (b'M', "enough")]));
        connection.drain();
    });
    let port = server.address().port();
    let strings = [
        format!("postgres://ann:MARK@127.0.0.1:{port}/app?sslmode=disable"),
        format!("host=127.0.0.1 port={port} user=ann password=MARK dbname=app sslmode=disable"),
    ];
    let slips: BTreeSet<String> = strings.iter().flat_map(|string| mangled(string)).collect();
    let mut sent = 0;
    for slip in slips.iter().step_by(SAMPLE) {
        let outcome = Heimdall::new()
            .args(["--database", slip, "--name", "slip", "--debug", "true"])
            .env("PGCONNECT_TIMEOUT", "2")
            .env("RES_OPTIONS", "timeout:1 attempts:1")
            .run();
        assert_ne!(outcome.code, Some(0), "{slip}");
        assert!(
            !outcome.stderr.contains(HALF) && !outcome.stdout.contains(HALF),
            "{slip}: {}",
            outcome.stderr
        );
        for body in received.try_iter() {
            sent += 1;
            assert!(!String::from_utf8_lossy(&body).contains(HALF), "{slip}: {}", body.escape_ascii());
        }
    }
    assert!(sent > 10, "{sent} of {}", slips.len());
}

/// `SSLRequest`'s code.
const SSL_REQUEST: u32 = 80_877_103;

/// A part of all slips, since each takes a process; the tests above try them all.
const SAMPLE: usize = 29;
