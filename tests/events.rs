//! `--log-format json`: every line is an object, and says what docs/events.md says.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use std::{fs, thread};

use heimdall::lock::Key;

use crate::support::heimdall::{Heimdall, Outcome};
use crate::support::holder::{Holder, host};
use crate::support::poll;
use crate::support::postgres::{PASSWORD, shared};

const EVENTS: &str = include_str!("../docs/events.md");

/// The rows of the table that has this head.
fn table(head: &str) -> Vec<Vec<&'static str>> {
    EVENTS
        .lines()
        .skip_while(|line| *line != head)
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

fn names(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The fields of each event beyond those that all have: those that are always there, and those that may be.
fn documented() -> BTreeMap<String, [BTreeSet<String>; 2]> {
    let transitions = table("| event | when | fields |").into_iter().map(|row| {
        let (mut always, mut sometimes) = (String::new(), String::new());
        for part in row[2].split_inclusive(')') {
            let (before, inside) = part.split_once('(').unwrap_or((part, ""));
            always += before;
            sometimes += inside;
        }
        (row[0], [names(&always), names(&sometimes)])
    });
    let messages = table("| event | what it says |").into_iter().map(|row| (row[0], Default::default()));
    transitions.chain(messages).map(|(event, fields)| (event.trim_matches('`').to_owned(), fields)).collect()
}

/// A line's fields: their types, in JSON's words, and values.
type Line = BTreeMap<String, (String, String)>;

/// Lines as PostgreSQL reads them.
fn read(stderr: &str) -> Vec<Line> {
    let lines: Vec<String> = stderr
        .lines()
        .enumerate()
        .map(|(number, line)| format!("({number}, $line${line}$line$::json)"))
        .collect();
    let rows = shared().sql(&format!(
        "select number, key, json_typeof(value), replace(line ->> key, E'\\n', ' ') \
         from (values {}) as lines (number, line), json_each(line)",
        lines.join(",")
    ));
    let mut read = vec![Line::new(); lines.len()];
    for row in rows.lines() {
        let [number, key, kind, value] = row.splitn(4, '|').collect::<Vec<_>>().try_into().unwrap();
        let line = &mut read[number.parse::<usize>().unwrap()];
        assert_eq!(line.insert(key.to_owned(), (kind.to_owned(), value.to_owned())), None, "{key} twice");
    }
    read
}

/// Asserts that all lines are as documented; their events.
fn check(outcome: &Outcome, key: Key) -> Vec<String> {
    let documented = documented();
    let mut is_ours = false;
    let mut events = Vec::new();
    for line in read(&outcome.stderr) {
        let value = |field: &str| line.get(field).map_or("", |(_, value)| value).to_owned();
        let event = value("event");
        is_ours |= event == "acquired";
        let [always, sometimes] =
            documented.get(&event).unwrap_or_else(|| panic!("{event} is not documented"));
        let common: &[&str] = if is_ours && event != "wire" { &["pid", "token"] } else { &[] };
        let common = ["time", "event", "host", "message", "namespace", "name", "key"].iter().chain(common);
        let always: BTreeSet<String> = common.map(ToString::to_string).chain(always.clone()).collect();
        let found: BTreeSet<String> = line.keys().cloned().collect();
        assert!(found.is_superset(&always), "{event}: {found:?}");
        let others: BTreeSet<String> = found.difference(&always).cloned().collect();
        assert!(others.is_subset(sometimes), "{event}: {others:?}");
        assert_eq!(value("key"), key.to_string());
        for (field, (kind, _)) in &line {
            assert_eq!(kind, if NUMBERS.contains(&&**field) { "number" } else { "string" }, "{field}");
        }
        let time = value("time");
        assert!(time.len() == "2026-01-01T00:00:00.000Z".len() && time.ends_with('Z'), "{time}");
        assert_eq!(shared().sql(&format!("select abs(extract(epoch from now() - '{time}')) < 3600")), "t");
        events.push(event);
    }
    events
}

const NUMBERS: &[&str] = &[
    "pid",
    "slot",
    "waited",
    "held",
    "ran",
    "process",
    "signal",
    "code",
    "heir_pid",
    "holder_pid",
    "holder_process",
    "asker_pid",
    "asker_process",
    "silence",
    "pause",
    "restarts",
];

fn heimdall(name: &str) -> Heimdall {
    logged_in("user=trust_user", name)
}

fn logged_in(login: &str, name: &str) -> Heimdall {
    Heimdall::new().database(&format!("{} dbname=app {login}", shared().tcp())).args([
        "--log-format=json",
        "--namespace",
        "events",
        "--name",
        name,
    ])
}

fn key(name: &str) -> Key {
    Key::named("events", name)
}

/// Ends the session that holds the lock of this running heimdall.
fn lose(holder: Holder) -> Outcome {
    let backend = holder.backend.clone();
    assert_eq!(shared().sql(&format!("select pg_terminate_backend({backend})")), "t");
    holder.wait()
}

#[test]
fn every_transition_is_an_object_with_the_fields_that_are_documented() {
    let mut seen = BTreeSet::new();
    let mut told = |outcome: &Outcome, name: &str, expected: &str| {
        let events = check(outcome, key(name));
        assert_eq!(events.join(" "), expected, "{}", outcome.stderr);
        seen.extend(events);
    };

    let shares =
        Heimdall::new().url(&format!("postgres://trust_user@127.0.0.1:{}/app?pool_size=5", shared().port()));
    let shares =
        shares.args(["--log-format=json", "--namespace", "events", "--name", "shares", "true"]).run();
    told(&shares, "shares", "ignored connecting connected acquired started exited released");

    // Others may read that file, so no password is taken from it.
    let run = heimdall("run").env("PGPASSFILE", "/etc/hosts").args(["sh", "-c", "exit 3"]).run();
    told(&run, "run", "warning connecting connected acquired started exited released");

    let holder = heimdall("busy").hold();
    told(&heimdall("busy").arg("true").run(), "busy", "connecting connected busy");
    let waiter =
        heimdall("busy").args(["--wait", "--lease=6s", "true"]).env("PGAPPNAME", "waits in JSON").spawn();
    waiter.wait_for_stderr_line("\"waiting\"");
    let first = shared().sql("select pid from pg_stat_activity where application_name = 'waits in JSON'");
    assert_eq!(shared().sql(&format!("select pg_terminate_backend({first})")), "t");
    // It has a new session, and has found the lock held there too.
    let tries_again = format!(
        "select count(*) from pg_stat_activity where application_name = 'waits in JSON' and pid <> {first} \
         and query like '%SET TRANSACTION%try_advisory_lock%'"
    );
    shared().wait_for(&tries_again, "1");
    waiter.wait_for_stderr_line("\"unavailable\"");
    holder.finish();
    let again = "connecting connected waiting unavailable connecting connected waiting acquired settling started exited released";
    told(&waiter.wait(), "busy", again);

    let stubborn = "trap '' TERM; echo up; while :; do sleep 0.02; done";
    let options = ["--timeout=3s", "--kill-after=100ms", "sh", "-c", stubborn];
    let all = "connecting connected acquired started stopping stopping exited released";
    told(&heimdall("stop").args(options).run(), "stop", all);

    let running = heimdall("signal").args(["sh", "-c", "echo up; exec sleep 60"]).spawn();
    running.wait_for_stdout_line("up");
    running.signal(15);
    told(&running.wait(), "signal", "connecting connected acquired started signalled exited released");

    let stopped = heimdall("stopped").args(["cat"]).pipe_stdin().spawn();
    stopped.wait_for_stderr_line("\"started\"");
    stopped.signal(20);
    stopped.wait_for_stderr_line("\"suspended\"");
    // Sent at once, it would keep heimdall from stopping.
    let is_stopped = || fs::read_to_string(format!("/proc/{}/stat", stopped.pid())).unwrap().contains(") T ");
    poll(Duration::from_secs(30), || is_stopped().then_some(())).expect("it stops");
    stopped.signal(18);
    stopped.wait_for_stderr_line("\"resumed\"");
    stopped.signal(15);
    let all = "connecting connected acquired started suspended resumed signalled exited released";
    told(&stopped.wait(), "stopped", all);

    let drained = heimdall("drained").args(["--drain", "sh", "-c", "sleep 3 & exit 3"]).run();
    told(&drained, "drained", "connecting connected acquired started exited draining released");

    let sleeper = heimdall("suspended").args(["--lease=6s", "cat"]).pipe_stdin().spawn();
    sleeper.wait_for_stderr_line("\"started\"");
    sleeper.signal(19);
    // Three quarters of the lease.
    thread::sleep(Duration::from_millis(4800));
    sleeper.signal(18);
    sleeper.wait_for_stderr_line("\"resumed\"");
    sleeper.signal(15);
    let all = "connecting connected acquired started suspended resumed signalled exited released";
    told(&sleeper.wait(), "suspended", all);

    let all = "connecting connected acquired started lost stopping exited error";
    told(&lose(heimdall("lost").hold()), "lost", all);

    let restarted = heimdall("restarted").args(["--restart", "--restart-limit=1", "false"]).run();
    let all = "connecting connected acquired started exited restarting started exited error released";
    told(&restarted, "restarted", all);

    // It takes its time, in which it is seen to stop.
    let slow = "exec 2>/dev/null; trap 'sleep 2; exit 143' TERM; echo $TOLD; while :; do sleep 0.05; done";
    let asked = heimdall("asked").arg("--lease=6s").hold_by(slow);
    told(&heimdall("asked").arg("--stop").run(), "asked", "asking stopped");
    told(&asked.wait(), "asked", "connecting connected acquired started asked stopping exited released");
    told(&heimdall("asked").arg("--stop").run(), "asked", "free");

    let killed = heimdall("gone").hold();
    killed.signal(9);
    let stop = heimdall("gone").arg("--stop").spawn();
    stop.wait_for_stderr_line("\"asking\"");
    assert_eq!(shared().sql(&format!("select pg_terminate_backend({})", killed.backend)), "t");
    told(&stop.wait(), "gone", "asking gone");

    let wire = heimdall("wire").args(["--debug", "true"]).run();
    seen.extend(check(&wire, key("wire")));
    // A setting that makes the server talk while the program runs.
    let talkative = heimdall("notice").env("PGOPTIONS", "-c client_min_messages=debug5");
    let mut talkative = talkative.args(["-v", "cat"]).pipe_stdin().spawn();
    talkative.wait_for_stderr_line("\"event\":\"notice\"");
    talkative.close_stdin();
    seen.extend(check(&talkative.wait(), key("notice")));
    assert_eq!(seen, documented().into_keys().collect());
}

#[test]
fn what_the_objects_say_is_what_the_program_sees() {
    let script = "echo $HEIMDALL_KEY $HEIMDALL_BACKEND_PID $HEIMDALL_FENCING_TOKEN $HEIMDALL_SLOT $$; exit 3";
    let _first = heimdall("said").hold();
    let outcome = heimdall("said").args(["--slots=2", "sh", "-c", script]).run();
    let lines = read(&outcome.stderr);
    let said = |event: &str, field: &str| {
        lines.iter().find(|line| line["event"].1 == event).unwrap()[field].1.clone()
    };
    let words = ["key", "pid", "token", "slot"].map(|field| said("acquired", field));
    assert_eq!(format!("{} {}\n", words.join(" "), said("started", "process")), outcome.stdout);
    assert_eq!(words[0], Key::slot("events", "said", 2).to_string());
    assert_eq!(said("exited", "code"), "3");
    assert!(said("connected", "server").contains("127.0.0.1"));
    for (event, field) in [("acquired", "waited"), ("exited", "ran"), ("released", "held")] {
        let seconds: f64 = said(event, field).parse().unwrap();
        assert!((0.0..30.0).contains(&seconds), "{field} {seconds}");
    }
}

#[test]
fn quietly_only_errors_and_what_is_done_to_the_job_are_told() {
    assert_eq!(heimdall("quiet").args(["-q", "true"]).run().stderr, "");
    let outcome = lose(heimdall("quiet").arg("-q").hold());
    let events: Vec<String> = read(&outcome.stderr).iter().map(|line| line["event"].1.clone()).collect();
    assert_eq!(events, ["lost", "stopping", "error"]);
}

#[test]
fn what_goes_wrong_before_there_is_a_lock_is_an_object_too() {
    for (arguments, code, words) in [
        (&["--log-format=json", "--name", "x"][..], 64, "no PROGRAM to run is given"),
        (&["--log-format", "json", "--slots=0", "--name", "x", "true"], 64, "for '--slots <N>'"),
        (&["--key=1", "--name=x", "--log-format=json", "true"], 64, "cannot be used with"),
        (&["--log-format=json", "--nmae", "x", "true"], 64, "unexpected argument '--nmae'"),
        (&["--log-format=json", "-d", "host=h port=x", "--name", "x", "true"], 78, "port"),
        (&["--log-format=json", "-d", "host=127.0.0.1 port=1 user=u", "--list"], 69, "127.0.0.1"),
    ] {
        let outcome = Heimdall::new().args(arguments).run();
        assert_eq!(outcome.code, Some(code), "{arguments:?}: {}", outcome.stderr);
        let lines = read(&outcome.stderr);
        assert_eq!((lines.len(), lines[0]["event"].1.as_str()), (1, "error"), "{arguments:?}");
        assert!(lines[0]["message"].1.contains(words), "{arguments:?}: {}", outcome.stderr);
    }
    // What stands behind the mistake is not understood, and what is the program's is none of ours.
    for arguments in [["--slots=0", "--log-format=json", "x"], ["--slots=1", "x", "--log-format=json"]] {
        let outcome = Heimdall::new().args(arguments).run();
        assert!(outcome.stderr.starts_with("heimdall: "), "{}", outcome.stderr);
    }
}

#[test]
fn no_secret_is_in_an_object() {
    let scram = format!("user=scram_user password='{PASSWORD}'");
    let outcome = logged_in(&scram, "secret").args(["--debug", "true"]).run();
    assert_eq!(outcome.code, Some(0));
    assert!(
        outcome.stderr.contains("SASLResponse") && !outcome.stderr.contains(PASSWORD),
        "{}",
        outcome.stderr
    );
}

#[test]
fn the_objects_of_a_list_have_the_fields_that_are_documented() {
    let holder = heimdall("listed").hold();
    let _heir = heimdall("listed").args(["--wait", "true"]).spawn();
    let is_told = |list: &str| list.contains("\"heir\":true") && list.contains("\"since\":");
    let list = || Some(heimdall("listed").arg("--list").run().stdout).filter(|list| is_told(list));
    let list = poll(Duration::from_secs(30), list).expect("an heir");
    let mut documented: BTreeSet<String> =
        table("| field of a lock | value |").into_iter().flat_map(|row| names(row[0])).collect();
    let name = "heimdall:events/listed";
    let name = format!("{name} {}:{}", host(name, holder.pid()), holder.pid());
    if name.len() + " @1234567890#1234567890123".len() > 63 {
        documented.remove("token");
    }
    let lines = read(&list);
    assert_eq!(lines.iter().flat_map(|line| line.keys().cloned()).collect::<BTreeSet<_>>(), documented);
    let granted = lines.iter().map(|line| &line["granted"]);
    assert!(granted.clone().all(|granted| granted.0 == "boolean") && granted.count() == 2, "{list}");
    holder.finish();
}

/// The lines, as a JSON Schema says it: made of the page's tables, with which the tests above compare what is really written.
fn schema() -> String {
    let documented = documented();
    let common = ["time", "event", "host", "message"];
    let others = ["namespace", "name", "key", "pid", "token"].map(str::to_owned);
    let own = documented.values().flatten().flatten().cloned();
    let fields: BTreeSet<String> = own.chain(others).filter(|field| !common.contains(&&**field)).collect();
    let quoted = |words: &mut dyn Iterator<Item = &String>| {
        words.map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
    };
    let properties = fields.iter().map(|field| {
        let kind = if NUMBERS.contains(&&**field) { "number" } else { "string" };
        format!("    \"{field}\": {{ \"type\": \"{kind}\" }}")
    });
    let required = documented.iter().filter(|(_, [always, _])| !always.is_empty()).map(|(event, [always, _])| {
        format!(
            "    {{ \"if\": {{ \"properties\": {{ \"event\": {{ \"const\": \"{event}\" }} }} }}, \"then\": {{ \"required\": [{}] }} }}",
            quoted(&mut always.iter())
        )
    });
    format!(
        r#"{{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "A line of heimdall --log-format json",
  "description": "What each field says is in events.md. Fields and events may be added.",
  "type": "object",
  "required": ["time", "event", "host", "message"],
  "properties": {{
    "time": {{ "type": "string", "format": "date-time" }},
    "event": {{ "enum": [{}] }},
    "host": {{ "type": "string" }},
    "message": {{ "type": "string" }},
{}
  }},
  "allOf": [
{}
  ]
}}
"#,
        quoted(&mut documented.keys()),
        properties.collect::<Vec<_>>().join(",\n"),
        required.collect::<Vec<_>>().join(",\n"),
    )
}

#[test]
fn the_schema_says_what_the_page_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/events.schema.json");
    if std::env::var_os("WRITE_SCHEMA").is_some() {
        fs::write(path, schema()).unwrap();
    }
    let written = fs::read_to_string(path).unwrap();
    assert_eq!(
        written,
        schema(),
        "WRITE_SCHEMA=1 cargo test --test tests -- events::the_schema writes it anew"
    );
    assert_eq!(shared().sql(&format!("select json_typeof($schema${written}$schema$::json)")), "object");
}
