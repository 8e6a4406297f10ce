//! Slips of a command line: each is told in one line, with what was probably meant, and without what may be a secret.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::heimdall::{Heimdall, Outcome};
use crate::support::postgres::database;
use crate::support::{this_test, write_program};

/// What is typed, the exit code, what the line must say, and what it must not.
type Row = (&'static str, i32, &'static [&'static str], &'static [&'static str]);

/// With `'` around words as a shell has it.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut is_quoted) = (vec![String::new()], false);
    for character in line.chars() {
        match character {
            '\'' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(String::new()),
            other => words.last_mut().unwrap().push(other),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn assert_told(typed: &str, outcome: &Outcome, code: i32, must: &[&str], must_not: &[&str]) {
    let told = &outcome.stderr;
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(code), ""), "{typed}: {told}");
    assert!(told.lines().count() == 1 && told.starts_with("heimdall: "), "{typed}: {told}");
    for words in must {
        assert!(told.contains(words), "{typed}: no {words:?} in {told}");
    }
    for words in must_not {
        assert!(!told.contains(words), "{typed}: {words:?} in {told}");
    }
}

const COMMAND_LINES: &[Row] = &[
    // Nothing typed yet.
    (
        "",
        64,
        &["heimdall [OPTIONS] --name NAME PROGRAM", "for example: heimdall --name nightly ./nightly-run"],
        &[],
    ),
    // The lock's name.
    ("--name= true", 64, &["--name is empty", "a variable that is not set"], &[]),
    ("--name= --list", 64, &["--name is empty"], &[]),
    ("--name= --print-key", 64, &["--name is empty"], &[]),
    ("true --name x", 64, &["options stand before PROGRAM"], &[]),
    ("sleep 1 --key=7", 64, &["options stand before PROGRAM"], &[]),
    ("/tmp/lock true", 64, &["the lock has no name: give --name or --key"], &[]),
    // flock's options.
    ("-n true", 64, &["'-n'", "one try, as with -n of flock, is the default"], &[]),
    ("--nonblock true", 64, &["is the default"], &[]),
    ("-x true", 64, &["'-x'", "an exclusive lock", "is the default"], &[]),
    ("-e true", 64, &["an exclusive lock"], &[]),
    ("--exclusive true", 64, &["an exclusive lock"], &[]),
    ("-s true", 64, &["a shared lock, as with -s of flock, is --shared"], &[]),
    ("--name x -c 'sleep 1'", 64, &["sh -c 'COMMAND'"], &["sleep"]),
    ("-u 9", 64, &["there is nothing to unlock"], &[]),
    ("--unlock 9", 64, &["there is nothing to unlock"], &[]),
    ("-F true", 64, &["heimdall keeps running, to watch the lock"], &[]),
    ("--no-fork true", 64, &["heimdall keeps running, to watch the lock"], &[]),
    ("--name x -w 10 true", 64, &["write --wait=10"], &[]),
    ("--name x -wsoon true", 64, &["invalid value 'oon' for '--signal"], &[]),
    // consul lock's, timeout's, psql's.
    ("-try 10s true", 64, &["-try of consul lock, is --wait=DURATION"], &[]),
    ("-n 4 true", 64, &["--slots N"], &[]),
    ("-name x true", 64, &["did you mean '--name'?"], &["flock"]),
    ("-verbose true", 64, &["unexpected argument '-e'", "did you mean '--verbose'?"], &[]),
    ("-k 5 true", 64, &["is --kill-after DURATION"], &[]),
    ("-U ann -p 5432 true", 64, &["--database CONNINFO"], &[]),
    // Docker's policies, and what goes with one.
    (
        "--name x --restart=on-failure:3 true",
        64,
        &["[possible values: no, lost, on-failure, always]", "is --restart-limit N"],
        &[],
    ),
    ("--name x --restart-limit 3 true", 64, &["--restart-limit needs --restart"], &[]),
    ("--name x --yield true", 64, &["--yield needs --restart"], &[]),
    ("--watch", 64, &["--watch needs --list"], &[]),
    (
        "--name x --restart --restart-limit -1 true",
        64,
        &["invalid value '-1' for '--restart-limit <N>'"],
        &[],
    ),
    // From a variable that is not set, or twice the same.
    ("--name x --on-lost= true", 64, &["the command in --on-lost is empty"], &[]),
    (
        "--name x --metrics f --status-file f true",
        64,
        &["--metrics and --status-file name the same file"],
        &[],
    ),
    ("--host db true", 64, &["--database CONNINFO, such as postgres://USER@HOST:PORT/DATABASE"], &[]),
    ("--password=hunter2 true", 64, &["'--password'", "--database CONNINFO"], &["hunter2"]),
    ("--dbname=postgres://ann:hunter2@h/d true", 64, &["--database CONNINFO"], &["hunter2"]),
    // The nearest option.
    ("--nmae x true", 64, &["unexpected argument '--nmae'", "did you mean '--name'?"], &[]),
    ("--name-space x true", 64, &["did you mean '--namespace'?"], &[]),
    ("--wiat --name x true", 64, &["did you mean '--wait'?"], &[]),
    ("--lsit", 64, &["did you mean '--list'?"], &[]),
    ("--list --watch 5", 64, &["as in --watch=5s"], &[]),
    ("--quite true", 64, &["did you mean '--quiet'?"], &[]),
    ("--databas=postgres://ann:hunter2@h/d true", 64, &["did you mean '--database'?"], &["hunter2"]),
    ("--allow_pooler true", 64, &["did you mean '--allow-pooler'?"], &[]),
    ("--log-fromat json true", 64, &["did you mean '--log-format'?"], &[]),
    ("--killafter 3 true", 64, &["did you mean '--kill-after'?"], &[]),
    ("--frobnicate true", 64, &["unexpected argument '--frobnicate'"], &["did you mean"]),
    // What may be a secret in the wrong place.
    ("--postgres://ann:hunter2@h/d true", 64, &["which is no option's name"], &["hunter2"]),
    ("--name x --timeout postgres://ann:hunter2@h/d true", 64, &["for '--timeout <DURATION>'"], &["hunter2"]),
    ("--name x --log-format ann:hunter2@h true", 64, &["[possible values: text, json]"], &["hunter2"]),
    (
        "--key postgres://ann:hunter2@h true",
        64,
        &["for '--key <N|A,B>'", "a key is one signed"],
        &["hunter2"],
    ),
    ("--name x -E password=hunter2 true", 64, &["for '--conflict-exit-code <N>'"], &["hunter2"]),
    ("--name x --slots 'pass word=hunter2' true", 64, &["for '--slots <N>'"], &["hunter2"]),
    ("--name x --wait=ann:hunter2@h true", 64, &["for '--wait[=<DURATION>]'"], &["hunter2"]),
];

#[test]
fn a_slip_of_the_command_line_is_told_with_what_was_meant() {
    for (typed, code, must, must_not) in COMMAND_LINES {
        let outcome = Heimdall::new().args(words(typed)).run();
        assert_told(typed, &outcome, *code, must, must_not);
        if typed.contains("--log-format") {
            continue;
        }
        let outcome = Heimdall::new().arg("--log-format=json").args(words(typed)).run();
        let is_one_object = outcome.stderr.lines().count() == 1 && outcome.stderr.starts_with('{');
        assert!(is_one_object, "{typed}: {}", outcome.stderr);
        assert!(must_not.iter().all(|words| !outcome.stderr.contains(words)), "{typed}: {}", outcome.stderr);
    }
}

/// Programs that can't be run, in a directory where some files are.
const PROGRAMS: &[Row] = &[
    ("no-such-program", 127, &["cannot run \"no-such-program\": No such file or directory\n"], &[]),
    ("'sleep 1'", 127, &["\"sleep…\"", "the program and its arguments are words of their own"], &["1"]),
    ("'psql postgres://ann:hunter2@h/d'", 127, &["--database takes"], &["hunter2"]),
    ("'dump -phunter2 > file'", 127, &["\"dump…\"", "sh -c 'COMMAND'"], &["hunter2"]),
    ("'sleep 1; date'", 127, &["sh -c 'COMMAND'"], &[]),
    ("'$HOME/bin/run'", 127, &["sh -c 'COMMAND'"], &[]),
    ("FOO=1 env", 127, &["\"FOO=…\"", "set variables before heimdall's own name, or by env FOO=…"], &[]),
    ("PGPASSWORD=hunter2 psql", 127, &["env PGPASSWORD=…"], &["hunter2"]),
    (
        "postgres://ann:hunter2@h/d true",
        127,
        &["it looks like a connection string, which --database takes"],
        &["hunter2"],
    ),
    ("host=h password=hunter2", 127, &["\"host=…\""], &["hunter2"]),
    ("'host=h password=hunter2' true", 127, &["\"host=…\""], &["hunter2"]),
    ("ann:hunter2@h/d true", 127, &["which --database takes"], &["hunter2"]),
    ("–-name true", 127, &["another dash than \"-\""], &[]),
    ("beside", 127, &["to run the one in this directory, write ./beside"], &[]),
    ("./windows", 127, &["\"/bin/sh\\r\"", "its lines end as on Windows"], &[]),
    (
        "./old",
        127,
        &["the interpreter in its first line is not there: \"/usr/bin/no-such-shell -e\""],
        &["Windows"],
    ),
    ("./plain", 126, &["Permission denied; it is not executable (chmod +x makes it so)"], &[]),
    (".", 126, &["Permission denied; it is a directory"], &[]),
    ("./folder", 126, &["it is a directory"], &[]),
    ("./plain/x", 126, &["Not a directory"], &[";"]),
];

#[test]
fn a_program_that_can_not_be_run_is_told_with_what_was_meant() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("mistakes");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("folder")).unwrap();
    write_program(&folder.join("windows"), "#!/bin/sh\r\necho ran\r\n");
    write_program(&folder.join("old"), "#!/usr/bin/no-such-shell -e\n");
    write_program(&folder.join("beside"), "#!/bin/sh\n");
    fs::write(folder.join("plain"), "#!/bin/sh\n").unwrap();
    for (typed, code, must, must_not) in PROGRAMS {
        let outcome = in_folder(&folder).args(words(typed)).run();
        assert_told(typed, &outcome, *code, must, must_not);
    }
    // The lock was given back each time.
    assert_eq!(in_folder(&folder).arg("true").run().code, Some(0));
}

fn in_folder(folder: &Path) -> Heimdall {
    Heimdall::new().directory(folder).url(&database()).args(["--name", &this_test()])
}

#[test]
fn flocks_way_to_write_a_wait_is_read() {
    let heimdall = || Heimdall::new().url(&database()).args(["--name", &this_test()]);
    let holder = heimdall().hold();
    let outcome = heimdall().args(["-w3", "true"]).run();
    assert!(
        outcome.code == Some(75) && outcome.stderr.contains("still held elsewhere after 3."),
        "{outcome:?}"
    );
    // After PROGRAM it is the program's own.
    let outcome = Heimdall::new().url(&database()).args(["--name", "else", "echo", "-w1"]).run();
    assert_eq!(outcome.stdout, "-w1\n");
    holder.finish();
}
