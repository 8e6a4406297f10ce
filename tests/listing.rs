//! `--list`: who holds and who waits, of one lock or of all in a database.

mod watch;

use std::process::{Child, Command, Stdio};

use heimdall::lock::Key;

use crate::support::heimdall::Heimdall;
use crate::support::holder::{Holder, host};
use crate::support::postgres::{Cluster, shared};

/// A database for each test, since others lock and wait meanwhile.
struct Database(&'static str);

impl Database {
    fn new(name: &'static str) -> Self {
        shared().sql(&format!("create database {name}"));
        Self(name)
    }

    fn conninfo(&self, user: &str) -> String {
        format!("{} user={user} dbname={}", shared().tcp(), self.0)
    }

    fn hold(&self, user: &str, options: &[&str]) -> Holder {
        let holder = Heimdall::new().database(&self.conninfo(user)).args(options).hold();
        let stamped = "select application_name ~ ' @[0-9]{10}' from pg_stat_activity where pid =";
        shared().wait_for(&format!("{stamped} {}", holder.backend), "t");
        holder
    }

    fn list(&self, user: &str, options: &[&str]) -> String {
        let outcome = Heimdall::new().database(&self.conninfo(user)).arg("--list").args(options).run();
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
        outcome.stdout
    }

    /// A psql session that waits for a lock, or has it.
    fn psql(&self, statement: &str) -> Session {
        let mut psql: Command = shared().psql(&self.conninfo("trust_user"));
        let child = psql
            .args(["-c", statement, "-c", "\\! cat"])
            .env("PGAPPNAME", "psql of a person")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn();
        Session(child.unwrap())
    }

    fn wait_for_locks(&self, mode: &str, granted: bool, count: u32) {
        shared().wait_for(
            &format!(
                "select count(*) from pg_locks join pg_database on oid = database where locktype = 'advisory' \
                 and datname = '{}' and mode = '{mode}' and granted = {granted}",
                self.0
            ),
            &count.to_string(),
        );
    }
}

/// Ended with its test.
struct Session(Child);

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The cells of each line, by runs of two blanks or more, without the moments, and without the tokens, for which the host's
/// name may leave no room.
fn cells(table: &str) -> Vec<Vec<String>> {
    let rows = table.lines().map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()));
    let has_tokens = table.lines().next().unwrap().ends_with("  TOKEN");
    let is_moment = |cell: &String| cell.starts_with("20") && cell.ends_with('Z') && cell.len() == 20;
    rows.map(|row| {
        let mut row: Vec<String> = row
            .map(str::to_owned)
            .map(|cell| if is_moment(&cell) { "moment".into() } else { cell })
            .collect();
        row.truncate(row.len() - usize::from(has_tokens));
        row
    })
    .collect()
}

fn rows(expected: &[&[&str]]) -> Vec<Vec<String>> {
    expected.iter().map(|row| row.iter().map(ToString::to_string).collect()).collect()
}

#[test]
fn where_nobody_holds_anything_there_is_a_head_and_no_error() {
    let database = Database::new("list_nothing");
    assert_eq!(
        database.list("trust_user", &[]),
        "KEY  LOCK  MODE  STATE  PID  APPLICATION  HOST  CLIENT  SINCE  CONNECTED  TOKEN\n"
    );
    assert_eq!(database.list("trust_user", &["--log-format=json"]), "");
    assert_eq!(cells(&database.list("trust_user", &["--name", "x"])).len(), 1);
}

#[test]
fn all_locks_of_the_database_are_listed_whoever_holds_them() {
    let database = Database::new("list_all");
    let first = database.hold("trust_user", &["--namespace", "a", "--name", "slots", "--slots", "2"]);
    let second = database.hold("trust_user", &["--namespace", "a", "--name", "slots", "--slots", "2"]);
    let third = database.hold("trust_user", &["--namespace", "a", "--name", "read", "--shared"]);
    let fourth = database.hold("trust_user", &["--key", "-7"]);
    let _writer = database.psql(&format!("select pg_advisory_lock({})", Key::named("a", "read")));
    database.wait_for_locks("ExclusiveLock", false, 1);
    // Another database's lock of the same key is not ours.
    let elsewhere = Database::new("list_elsewhere");
    let _other = elsewhere.hold("trust_user", &["--namespace", "a", "--name", "read"]);

    let expected = |client: &str, named: &dyn Fn(&str) -> String| {
        let [slot, next, read] =
            [Key::slot("a", "slots", 1), Key::slot("a", "slots", 2), Key::named("a", "read")]
                .map(|key| key.to_string());
        let line = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<String>>();
        let psql = shared().sql("select pid from pg_stat_activity where application_name = 'psql of a person' and datname = 'list_all'");
        let held = |key: &str, name: &str, mode: &str, holder: &Holder| {
            let session =
                format!("heimdall:{}", if name == "-" { key } else { name.split('#').next().unwrap() });
            let place = format!("{}:{}", host(&session, holder.pid()), holder.pid());
            line(&[
                key,
                name,
                mode,
                "granted",
                &holder.backend,
                "heimdall",
                &place,
                client,
                "moment",
                "moment",
            ])
        };
        let mut lines = vec![
            held(&slot, &named("a/slots"), "exclusive", &first),
            held(&next, &named("a/slots#2"), "exclusive", &second),
            held(&read, &named("a/read"), "shared", &third),
            // Whose lock that is, the other session tells.
            line(&[
                &read,
                &named("a/read"),
                "exclusive",
                "waiting",
                &psql,
                "psql of a person",
                "-",
                client,
                "-",
                "moment",
            ]),
            held("-7", "-", "exclusive", &fourth),
        ];
        lines.sort();
        lines
    };
    for user in ["trust_user", "postgres"] {
        let mut found = cells(&database.list(user, &[]));
        assert_eq!(
            found.remove(0),
            rows(&[&[
                "KEY",
                "LOCK",
                "MODE",
                "STATE",
                "PID",
                "APPLICATION",
                "HOST",
                "CLIENT",
                "SINCE",
                "CONNECTED"
            ]])[0]
        );
        found.sort();
        assert_eq!(found, expected("127.0.0.1", &str::to_owned), "{user}");
    }

    // One lock, and who holds it and waits for it, whatever program that is.
    let one = cells(&database.list("trust_user", &["--namespace", "a", "--name", "read"]));
    let kinds: Vec<[&str; 3]> = one[1..].iter().map(|row| [&*row[1], &*row[2], &*row[3]]).collect();
    assert_eq!(kinds, [["a/read", "shared", "granted"], ["a/read", "exclusive", "waiting"]]);
    // The plain lock is the first slot; with all slots there are two.
    let further = "heimdall: further slots of the lock a/slots are held: give --slots 2\n";
    for (options, count, told) in [(&[][..], 1, further), (&["--slots", "9"], 2, "")] {
        let list =
            Heimdall::new().database(&database.conninfo("trust_user")).args(["--list", "--name=slots"]);
        let outcome = list.args(["--namespace", "a"]).args(options).run();
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), told));
        assert_eq!(cells(&outcome.stdout).len() - 1, count);
    }
    assert_eq!(cells(&database.list("trust_user", &["--key=-7"])).len() - 1, 1);
}

#[test]
fn what_a_role_may_not_see_is_no_column() {
    let database = Database::new("list_masked");
    let holder = database.hold("postgres", &["--namespace", "a", "--name", "b"]);
    let key = Key::named("a", "b").to_string();
    let place = format!("{}:{}", host("heimdall:a/b", holder.pid()), holder.pid());
    assert_eq!(
        cells(&database.list("trust_user", &[])),
        rows(&[
            &["KEY", "LOCK", "MODE", "STATE", "PID", "APPLICATION", "HOST", "SINCE"],
            &[&key, "a/b", "exclusive", "granted", &holder.backend, "heimdall", &place, "moment"],
        ])
    );
    let json = database.list("trust_user", &["--log-format", "json"]);
    assert!(!json.contains("\"client\"") && !json.contains("\"connected\""), "{json}");
}

#[test]
fn in_json_each_lock_is_an_object_of_its_own() {
    let database = Database::new("list_json");
    let holder = database.hold("trust_user", &["--namespace", "\"quoted\"", "--name", "back\\slash"]);
    let _waiter = database
        .psql(&format!("select pg_advisory_lock_shared({})", Key::named("\"quoted\"", "back\\slash")));
    database.wait_for_locks("ShareLock", false, 1);
    let list = database.list("trust_user", &["--log-format=json"]);
    let read = |column: &str| {
        let lines: Vec<String> = list
            .lines()
            .map(|line| {
                shared().sql(&format!("select j ->> '{column}' from (select $j${line}$j$::json) as l(j)"))
            })
            .collect();
        lines.join(" | ")
    };
    assert_eq!(read("pid").split(" | ").next().unwrap(), holder.backend);
    assert_eq!(read("granted"), "true | false");
    assert_eq!(read("mode"), "exclusive | shared");
    assert_eq!(read("client"), "127.0.0.1 | 127.0.0.1");
    let applications = read("application");
    let own = "heimdall:\"quoted\"/back\\slash";
    let host = host(own, holder.pid());
    let own = format!("{own} {host}:{} @", holder.pid());
    assert!(
        applications.starts_with(&own) && applications.ends_with(" | psql of a person"),
        "{applications}"
    );
    let lock = "\\\"quoted\\\"/back\\\\slash";
    assert_eq!(read("lock"), format!("{lock} | {lock}"));
    assert_eq!(read("host"), format!("{host} | "));
    assert_eq!(read("process"), format!("{} | ", holder.pid()));
    for moment in
        [read("since"), read("connected")].join(" | ").split(" | ").filter(|moment| !moment.is_empty())
    {
        assert_eq!(shared().sql(&format!("select now() - '{moment}'::timestamptz < '1 hour'")), "t");
    }
}

#[test]
fn a_holders_token_is_told_where_its_name_leaves_room() {
    let database = Database::new("list_token");
    let list = |options: &[&str]| database.list("trust_user", options);
    for (name, has_room) in [("x", true), ("a-name-that-leaves-no-room", false)] {
        let options = ["--namespace", "t", "--name", name];
        let holder = database.hold("postgres", &options);
        // To whoever may read the session's name.
        let json = list(&[&options[..], &["--log-format=json"]].concat());
        let own = format!("heimdall:t/{name}");
        let own = format!("{own} {}:{}", host(&own, holder.pid()), holder.pid());
        let has_room = has_room && own.len() + " @1234567890#1234567890123".len() <= 63;
        assert_eq!(json.contains(&format!(",\"token\":\"{}\"}}", holder.token)), has_room, "{json}");
        assert_eq!(json.contains("\"token\""), has_room, "{json}");
        assert_eq!(list(&options).trim_end().ends_with(&format!("  {}", holder.token)), has_room);
        holder.finish();
    }
}

#[test]
fn a_standby_is_refused_since_it_knows_nothing_of_the_locks() {
    let primary = Cluster::start(&crate::support::postgres::ClusterOptions::default());
    let standby = primary.start_standby();
    let outcome = Heimdall::new()
        .database(&format!("{} user=postgres dbname=postgres", standby.tcp()))
        .arg("--list")
        .run();
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(76), ""), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("it is a standby"), "{}", outcome.stderr);
    // Where there is a primary beside it, that is asked.
    let both = format!(
        "host=127.0.0.1,127.0.0.1 port={},{} user=postgres dbname=postgres",
        standby.port(),
        primary.port()
    );
    let outcome = Heimdall::new().database(&both).arg("--list").run();
    assert_eq!((outcome.code, outcome.stdout.lines().count()), (Some(0), 1), "{}", outcome.stderr);
}
