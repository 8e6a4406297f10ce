//! The recipes of docs/recipes.md and the commands of README.md, run as they are written there, with stand-ins for the
//! programs that they name.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::support::heimdall::{BINARY, Heimdall, Running};
use crate::support::postgres::shared;
use crate::support::{did_not_run, poll, write_program};

#[test]
fn the_three_commands_run_wait_and_list() {
    let kitchen = Kitchen::new("Three commands", &["nightly-run", "dispatcher"]);
    let first = kitchen.start(kitchen.block(1), "nightly-run");
    assert_eq!(kitchen.sh(kitchen.block(1)).run().code, Some(75));
    let listed = kitchen.sh(kitchen.block(3)).run();
    assert!(listed.stdout.contains("heimdall/nightly"), "{listed:?}");
    finish(first);
    taken_over(&kitchen, kitchen.block(2));
}

#[test]
fn whether_the_database_will_do_is_said_by_one_command() {
    let kitchen = Kitchen::new("Will it work with my database?", &[]);
    let checked = kitchen.sh(kitchen.block(0)).run();
    assert_eq!((checked.code, checked.stderr.as_str()), (Some(0), ""));
    // The lines of the example, one for one.
    let page = include_str!("../docs/server.md");
    let (_, example) = page.split_once("```text\nserver ").unwrap();
    let titles = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.chars().take(12).collect::<String>().trim().to_owned()).collect()
    };
    let example = format!("server {}", example.split("\n```").next().unwrap());
    assert_eq!(titles(&checked.stdout), titles(&example));
}

#[test]
fn cron_runs_the_job_on_one_host_and_is_silent_on_the_others() {
    let kitchen = Kitchen::new("Cron", &["nightly-run"]);
    let line = kitchen.block(0).lines().find(|line| line.contains('*')).unwrap();
    // Of which cron would make an end of line.
    assert!(!line.contains('%'), "{line}");
    let command = line.splitn(6, ' ').nth(5).unwrap();
    let path = kitchen.block(0).lines().find(|line| line.starts_with("PATH=")).unwrap();
    // The environment that Debian's cron gives, and what the table sets.
    let cron = |command: &str| {
        format!(
            "exec env -i HOME=\"$PWD\" LOGNAME=ann SHELL=/bin/sh PATH=/usr/bin:/bin DATABASE_URL=\"$DATABASE_URL\" {} \
             /bin/sh -c '{command}'",
            kitchen.moved(path)
        )
    };
    let _first = kitchen.start(&cron(command), "nightly-run");
    let second = kitchen.sh(&cron(command)).run();
    assert_eq!((second.code, second.stdout.as_str(), second.stderr.as_str()), (Some(0), "", ""));
    // A job that is stopped is not stopped without a word.
    let hangs = command.replace("2h", "200ms").replace("--name nightly", "--name hangs");
    let stopped = kitchen.sh(&cron(&hangs)).pipe_stdin().spawn();
    stopped.wait_for_stderr_line("heimdall: sent SIGTERM to the program: --timeout ran out");
}

#[test]
fn migrations_wait_for_their_turn() {
    let kitchen = Kitchen::new("A migration step", &["migrate"]);
    let first = kitchen.start(kitchen.block(0), "migrate up");
    let second = kitchen.sh(kitchen.block(0)).spawn();
    second.wait_for_stderr_line("waiting for the lock app/migrate");
    finish(first);
    second.wait_for_stdout_line("migrate up");
    assert_eq!(second.wait().code, Some(0));
}

#[test]
fn a_step_of_github_actions_waits_for_its_turn() {
    let kitchen = Kitchen::new("A step of GitHub Actions", &["migrate"]);
    let command = kitchen.block(0).lines().find_map(|line| line.trim().strip_prefix("run: ")).unwrap();
    let first = kitchen.start(command, "migrate up");
    let second = kitchen.sh(command).spawn();
    second.wait_for_stderr_line("waiting for the lock app/migrate");
    finish(first);
    second.wait_for_stdout_line("migrate up");
    assert_eq!(second.wait().code, Some(0));
}

#[test]
fn only_a_server_that_is_not_there_is_tried_again() {
    let kitchen = Kitchen::new("A job that is tried again", &["sync"]);
    // As in a script that ends at the first failure.
    let pauses = format!("set -e\n{}", kitchen.block(0).replace("5 30 120 0", "0 0 0 0"));
    let nowhere = kitchen.sh(&pauses).env("DATABASE_URL", "host=/no/such/folder").run();
    assert_eq!((nowhere.code, nowhere.stderr.lines().count()), (Some(69), 4), "{}", nowhere.stderr);
    let first = kitchen.start(kitchen.block(0), "sync");
    let second = kitchen.sh(kitchen.block(0)).run();
    assert_eq!((second.code, second.stderr.lines().count()), (Some(75), 1), "{}", second.stderr);
    finish(first);
}

#[test]
fn lines_go_to_syslog_and_to_the_journal() {
    let kitchen = Kitchen::new("Lines to syslog and to the journal", &["nightly-run", "logger"]);
    kitchen.write("systemd-cat", "#!/bin/sh\n[ \"$1 $2\" = '-t nightly' ] && shift 2 && exec \"$@\" 2>&1\n");
    let run = kitchen.sh(kitchen.block(1)).run();
    assert!(run.stdout.contains("heimdall: started the program"), "{run:?}");
    let first = kitchen.start(kitchen.block(0), "logger -t nightly");
    first.wait_for_stdout_line("heimdall: started the program");
    first.wait_for_stdout_line("nightly-run");
    finish(first);
}

#[test]
fn who_holds_the_lock_of_a_job_that_hangs_is_found() {
    let kitchen = Kitchen::new("A job that hangs", &["nightly-run"]);
    let nothing = kitchen.sh(kitchen.block(0)).run();
    assert!(nothing.stdout.contains("-- who holds the lock billing/nightly:"), "{nothing:?}");
    let _first = kitchen.start("heimdall --namespace billing --name nightly ./nightly-run", "nightly-run");
    let held = kitchen.sh(kitchen.block(0)).run();
    assert!(held.stdout.contains("billing/nightly"), "{held:?}");
}

#[test]
fn jobs_of_several_releases_wait_for_each_other() {
    let kitchen = Kitchen::new("A Kubernetes Job", &["migrate"]);
    let command = kitchen.words(0, &["command:", "args:"]);
    let first = kitchen.start(&command, "migrate up");
    let second = kitchen.sh(&command).spawn();
    second.wait_for_stderr_line("waiting for the lock app/migrate");
    finish(first);
    second.wait_for_stdout_line("migrate up");
    assert_eq!(second.wait().code, Some(0));
}

#[test]
fn two_terminals_show_what_it_does() {
    let kitchen = Kitchen::new("Try it", &["sleep", "date"]);
    let first = kitchen.start(kitchen.block(1), "sleep 10");
    let second = kitchen.sh(kitchen.block(2)).run();
    assert_eq!((second.code, second.stdout.as_str()), (Some(0), "75\n"), "{}", second.stderr);
    // The same lock, by the SQL of the page.
    let sql =
        PAGES.split_once("```sql\nSELECT pid, application_name").unwrap().1.split("```").next().unwrap();
    let mut psql = shared().psql(&format!("{} user=postgres dbname={}", shared().socket(), kitchen.database));
    let found = psql.args(["-XAtqc", &format!("SELECT pid, application_name{sql}")]).output().unwrap();
    assert!(String::from_utf8_lossy(&found.stdout).contains("|heimdall:joker/test "), "{found:?}");
    finish(first);
}

#[test]
fn the_first_command_of_all_runs_the_job() {
    let kitchen = Kitchen::new("heimdall", &["nightly-run"]);
    finish(kitchen.start(kitchen.block(0), "nightly-run"));
}

/// The blocks of commands that a test here runs, by page and heading.
const RUN: &[(&str, &str)] = &[
    ("README.md", "heimdall"),
    ("README.md", "Three commands"),
    ("README.md", "Will it work with my database?"),
    ("README.md", "Try it"),
    ("docs/locks.md", "A job that hangs"),
    ("docs/locks.md", "Names and keys"),
    ("docs/recipes.md", "Cron"),
    ("docs/recipes.md", "A migration step"),
    ("docs/recipes.md", "A step of GitHub Actions"),
    ("docs/recipes.md", "A script that locks itself"),
    ("docs/recipes.md", "A singleton daemon"),
    ("docs/recipes.md", "Readers and a writer"),
    ("docs/recipes.md", "N workers"),
    ("docs/recipes.md", "A job that is tried again"),
    ("docs/recipes.md", "Lines to syslog and to the journal"),
    ("docs/recipes.md", "A systemd timer"),
    ("docs/recipes.md", "A Kubernetes CronJob"),
    ("docs/recipes.md", "A Kubernetes Job"),
    ("docs/recipes.md", "A container's entrypoint"),
    ("docs/recipes.md", "A Kubernetes Deployment"),
    ("docs/recipes.md", "A Kubernetes Deployment behind a Service"),
    ("docs/recipes.md", "An image that has no heimdall"),
    ("docs/recipes.md", "Compose: a migration before the service"),
    ("docs/recipes.md", "An OpenRC service"),
    ("docs/recipes.md", "A runit service"),
    ("docs/recipes.md", "An s6 service"),
    ("docs/server.md", "Will it work with my database?"),
];

/// All headings of a page.
const ANY: &str = "";

/// The blocks that no test of this file runs, and why.
const NOT_RUN: &[(&str, &str, &str)] = &[
    ("README.md", "Install", "it builds for minutes, and installs into the system"),
    ("README.md", "As a library", "it asks the registry"),
    (
        "docs/connecting.md",
        "From psql to heimdall",
        "tests/oracle asks both programs, with hosts that are there",
    ),
    ("docs/connecting.md", "Several hosts", "tests/hosts.rs has hosts that are there"),
    (
        "docs/daemon.md",
        ANY,
        "tests/daemon.rs has its options, with commands that change nothing of this host",
    ),
    (
        "docs/releasing.md",
        ANY,
        "it builds for minutes, downloads and signs; make release checks what it has built",
    ),
    ("docs/stop.md", ANY, "tests/stopping.rs stops holders that are there"),
];

#[test]
fn every_block_of_commands_is_run_or_has_a_reason() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let mut found = BTreeSet::new();
    for page in pages.chain([root.join("README.md")]) {
        let name = page.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        let (mut heading, mut is_code) = (String::new(), false);
        for line in fs::read_to_string(&page).unwrap().lines() {
            if let Some(language) = line.strip_prefix("```") {
                if ["sh", "sql", "crontab", "ini", "yaml", "dockerfile"].contains(&language) {
                    let is_any = NOT_RUN.iter().any(|(page, heading, _)| *page == name && *heading == ANY);
                    found.insert((name.clone(), if is_any { ANY.to_owned() } else { heading.clone() }));
                }
                is_code = !is_code;
            } else if line.starts_with('#') && !is_code {
                heading = line.trim_start_matches(['#', ' ']).to_owned();
            }
        }
    }
    let listed = RUN.iter().copied().chain(NOT_RUN.iter().map(|(page, heading, _)| (*page, *heading)));
    let listed: BTreeSet<(String, String)> =
        listed.map(|(page, heading)| (page.to_owned(), heading.to_owned())).collect();
    assert_eq!(found, listed);
}

#[test]
fn a_container_is_taken_over() {
    let kitchen = Kitchen::new("A container's entrypoint", &["dispatcher"]);
    taken_over(&kitchen, &kitchen.words(0, &["ENTRYPOINT", "CMD"]));
}

#[test]
fn a_deployment_is_taken_over() {
    let kitchen = Kitchen::new("A Kubernetes Deployment", &["dispatcher"]);
    taken_over(&kitchen, &kitchen.words(0, &["command:", "args:"]));
}

#[test]
fn a_service_reaches_the_replica_that_works() {
    let kitchen = Kitchen::new("A Kubernetes Deployment behind a Service", &["dispatcher"]);
    // Each pod has a memory of its own.
    let pod = |name: &str| {
        fs::create_dir(kitchen.directory.join(name)).unwrap();
        let in_pod = |words: String| words.replace("/dev/shm", name);
        [in_pod(kitchen.words(0, &["command:", "args:"])), in_pod(kitchen.words(0, &["exec:"]))]
    };
    let [[first, is_first], [second, is_second]] = ["pod-1", "pod-2"].map(pod);
    let code = |probe: &str| kitchen.sh(probe).run().code;
    let wait_for_yes = |probe: &str| {
        let yes = poll(Duration::from_secs(30), || (code(probe) == Some(0)).then_some(()));
        assert!(yes.is_some(), "{:?}", kitchen.sh(probe).run());
    };
    assert_eq!(code(&is_first), Some(1));
    let works = kitchen.start(&first, "dispatcher");
    wait_for_yes(&is_first);
    let waits = kitchen.sh(&second).spawn();
    waits.wait_for_stderr_line("waiting");
    assert_eq!(code(&is_second), Some(1));
    drop(works);
    waits.wait_for_stdout_line("dispatcher");
    assert_eq!(waits.wait().code, Some(0));
    assert_eq!((code(&is_first), code(&is_second)), (Some(1), Some(1)));
}

#[test]
fn a_container_gets_heimdall_from_one_that_runs_before_it() {
    let kitchen = Kitchen::new("An image that has no heimdall", &["dispatcher"]);
    let here = |words: String| {
        let tools = kitchen.directory.join("tools").display().to_string();
        words.replace("'/heimdall'", "heimdall").replace("/tools", &tools)
    };
    fs::create_dir(kitchen.directory.join("tools")).unwrap();
    assert!(kitchen.block(0).contains(" /heimdall /heimdall\n"));
    assert_eq!(kitchen.sh(&here(kitchen.words(1, &["command:"]))).run().code, Some(0));
    fs::remove_file(kitchen.directory.join("heimdall")).unwrap();
    // The first command is that of the container that runs before.
    let (_, container) = kitchen.block(1).split_once("  containers:").unwrap();
    taken_over(&kitchen, &here(words(container, &["command:", "args:"])));
}

#[test]
fn replicas_of_compose_serve_after_the_migration() {
    let kitchen = Kitchen::new("Compose: a migration before the service", &["migrate", "serve"]);
    let (migrate, app) = kitchen.block(0).split_once("  app:\n").unwrap();
    let command = words(migrate, &["entrypoint:"]);
    let first = kitchen.start(&command, "migrate up");
    let second = kitchen.sh(&command).spawn();
    second.wait_for_stderr_line("waiting for the lock app/migrate");
    finish(first);
    second.wait_for_stdout_line("migrate up");
    assert_eq!(second.wait().code, Some(0));
    assert!(app.contains("migrate: { condition: service_completed_successfully }"));
    assert_eq!(kitchen.sh(&words(app, &["entrypoint:"])).run().stdout, "serve\n");
    kitchen.write("migrate", "#!/bin/sh\nexit 3\n");
    let failed = kitchen.sh(&command).run();
    assert_eq!((failed.code, failed.stdout.as_str()), (Some(3), ""));
}

/// openrc-run reads the script as sh does, and supervise-daemon starts the command with its arguments; neither is run here.
#[test]
fn the_command_of_an_openrc_service_is_a_singleton() {
    let kitchen = Kitchen::new("An OpenRC service", &["dispatcher"]);
    let script = kitchen.block(0);
    assert!(script.starts_with("#!/sbin/openrc-run\n") && script.contains("\nsupervisor=supervise-daemon\n"));
    kitchen.write("dispatcher.init", &kitchen.moved(script));
    taken_over(&kitchen, ". ./dispatcher.init && eval exec \"$command\" $command_args");
}

#[test]
fn runit_runs_the_daemon_and_stops_it() {
    let kitchen = Kitchen::new("A runit service", &["dispatcher"]);
    if !kitchen.has("runsv") {
        return did_not_run("the runit service", "there is no runsv");
    }
    let start = |name: &str| {
        kitchen.service(name, &[("run", kitchen.block(0))]);
        kitchen.sh(&format!("unset DATABASE_URL; exec runsv ./{name}")).pipe_stdin().spawn()
    };
    let first = start("first");
    first.wait_for_stdout_line("dispatcher");
    let second = start("second");
    second.wait_for_stdout_line("heimdall: waiting for the lock");
    // What was killed is started again, and waits for what it has left.
    let killed = "kill -9 $(cat first/supervise/pid)";
    assert_eq!(kitchen.sh(killed).run().code, Some(0));
    first.wait_for_stdout_line("heimdall: waiting for the lock");
    assert!(!second.has_printed("\ndispatcher\n"));
    assert_eq!(kitchen.sh("sv exit ./first").run().code, Some(0));
    // What is left ends with its standard input.
    assert_eq!(first.wait().code, Some(0));
    second.wait_for_stdout_line("dispatcher");
    assert_eq!(kitchen.sh("sv exit ./second").run().code, Some(0));
    assert_eq!(second.wait().code, Some(0));
}

#[test]
fn s6_runs_the_daemon_and_knows_where() {
    let kitchen = Kitchen::new("An s6 service", &["dispatcher"]);
    if !kitchen.has("s6-supervise") {
        return did_not_run("the s6 service", "there is no s6-supervise");
    }
    let start = |name: &str| {
        let files = [("run", kitchen.block(0)), ("data/check", kitchen.block(1)), ("notification-fd", "3\n")];
        kitchen.service(name, &files);
        kitchen.sh(&format!("unset DATABASE_URL; exec s6-supervise ./{name}")).pipe_stdin().spawn()
    };
    let first = start("first");
    first.wait_for_stdout_line("dispatcher");
    let second = start("second");
    second.wait_for_stdout_line("heimdall: waiting for the lock");
    assert_eq!(kitchen.sh("s6-svwait -t 30000 -U ./first").run().code, Some(0));
    assert_eq!(kitchen.sh("s6-svstat -o up,ready ./second").run().stdout, "true false\n");
    assert_eq!(kitchen.sh("s6-svc -xd ./first").run().code, Some(0));
    second.wait_for_stdout_line("dispatcher");
    assert_eq!(first.wait().code, Some(0));
    assert_eq!(kitchen.sh("s6-svwait -t 30000 -U ./second && s6-svc -xd ./second").run().code, Some(0));
    assert_eq!(second.wait().code, Some(0));
}

#[test]
fn a_script_locks_itself_and_nothing_that_outlives_it() {
    let kitchen = Kitchen::new("A script that locks itself", &["archive"]);
    kitchen.write("backup", &format!("#!/bin/sh\n{}\n./archive \"$@\"", kitchen.block(0)));
    let first = kitchen.start("sh backup 'all of it'", "archive all of it");
    assert_eq!(kitchen.sh("./backup").run().code, Some(75));
    // A lock of that name, and of another namespace.
    let elsewhere = "exec heimdall --namespace other --name backup ./backup";
    assert_eq!(kitchen.sh(elsewhere).run().code, Some(75));
    finish(first);
    // What it leaves may run it again when the lock is not its own any more.
    let leaves = "[ \"$1\" = again ] || { (timeout 60 cat go; ./backup again; echo $? >code) >log 2>&1 & }";
    let script = format!("#!/bin/sh\n{}\n{leaves}\n./archive </dev/null", kitchen.block(0));
    kitchen.write("backup", &script);
    let first = kitchen.sh("mkfifo go && ./backup first").run();
    assert_eq!((first.code, first.stdout.as_str()), (Some(0), "archive\n"), "{}", first.stderr);
    let other = kitchen.start("exec heimdall --name backup ./archive", "archive");
    assert_eq!(kitchen.sh("exec timeout 60 sh -c 'echo >go'").run().code, Some(0));
    let code = || fs::read_to_string(kitchen.directory.join("code")).ok().filter(|code| code.ends_with('\n'));
    assert_eq!(poll(Duration::from_secs(60), code).as_deref(), Some("75\n"));
    finish(other);
}

#[test]
fn a_daemon_is_taken_over_when_its_host_dies() {
    let kitchen = Kitchen::new("A singleton daemon", &["dispatcher"]);
    taken_over(&kitchen, kitchen.block(0));
}

#[test]
fn readers_share_and_a_writer_is_alone() {
    let kitchen = Kitchen::new("Readers and a writer", &["report", "load"]);
    let readers = [(); 2].map(|()| kitchen.start(kitchen.block(0), "report"));
    let writer = kitchen.sh(kitchen.block(1)).pipe_stdin().spawn();
    writer.wait_for_stderr_line("waiting");
    readers.into_iter().for_each(finish);
    writer.wait_for_stdout_line("load");
    let reader = kitchen.sh(kitchen.block(0)).spawn();
    reader.wait_for_stderr_line("waiting");
    finish(writer);
    assert_eq!(reader.wait().code, Some(0));
}

#[test]
fn each_of_n_workers_has_a_number_of_its_own() {
    let kitchen = Kitchen::new("N workers", &["worker"]);
    let command = kitchen.block(0);
    let workers = [(); 4].map(|()| kitchen.sh(command).pipe_stdin().spawn());
    let shards: BTreeSet<String> =
        workers.iter().map(|worker| worker.wait_for_stdout_line("worker")).collect();
    assert_eq!(shards, [1, 2, 3, 4].map(|slot| format!("worker --shard {slot}")).into());
    let fifth = kitchen.sh(command).spawn();
    fifth.wait_for_stderr_line("waiting");
    let [first, _others @ ..] = workers;
    let shard = first.wait_for_stdout_line("worker");
    finish(first);
    fifth.wait_for_stdout_line(&shard);
    assert_eq!(fifth.wait().code, Some(0));
}

#[test]
fn systemd_takes_the_service_and_its_command_is_a_singleton() {
    let kitchen = Kitchen::new("Under a service manager", &["dispatcher"]);
    kitchen.verify(&[("dispatcher.service", kitchen.block(0))]);
    taken_over(&kitchen, &kitchen.exec_start(kitchen.block(0)));
}

#[test]
fn systemd_takes_the_timer_and_its_service_runs_once() {
    let kitchen = Kitchen::new("A systemd timer", &["nightly-run"]);
    kitchen.verify(&[("nightly.service", kitchen.block(0)), ("nightly.timer", kitchen.block(1))]);
    // Hosts must not be further apart than --min-hold.
    for timer in [kitchen.block(1), include_str!("../packaging/systemd/heimdall@.timer")] {
        assert!(timer.contains("\nAccuracySec=1s\n"), "{timer}");
    }
    let command = kitchen.exec_start(kitchen.block(0));
    let _first = kitchen.start(&command, "nightly-run");
    let codes = kitchen.block(0).lines().find_map(|line| line.strip_prefix("SuccessExitStatus=")).unwrap();
    let second = kitchen.sh(&command).run().code.map(|code| code.to_string());
    assert!(codes.split(' ').any(|code| Some(code) == second.as_deref()), "{second:?}");
}

#[test]
fn a_pod_ends_well_where_the_lock_is_held() {
    let kitchen = Kitchen::new("A Kubernetes CronJob", &["nightly-run"]);
    let mut command = kitchen.words(0, &["command:", "args:"]);
    // For pods that start late; here its end is waited for.
    let held = "'--min-hold' '5m'";
    assert!(command.contains(held), "{command}");
    command = command.replace(held, "");
    let namespace = "unshare --pid --fork --kill-child --mount-proc";
    if kitchen.sh(&format!("{namespace} true")).run().code == Some(0) {
        kitchen.write("in-pod", &format!("#!/bin/sh\n{command}"));
        command = format!("exec {namespace} ./in-pod");
        let parent = kitchen.sh(&command).env("STAND_IN", "parent").run();
        assert_eq!(
            (parent.code, parent.stdout.as_str()),
            (Some(0), "nightly-run of 1\n"),
            "{}",
            parent.stderr
        );
    } else {
        did_not_run("the Kubernetes CronJob as process 1", "this system does not let us make PID namespaces");
    }
    let first = kitchen.start(&command, "nightly-run");
    let second = kitchen.sh(&command).run();
    assert_eq!((second.code, second.stdout.as_str()), (Some(0), ""), "{}", second.stderr);
    finish(first);
}

/// A recipe, and the place where it is tried: a directory with its programs, and a database of its own, since
/// recipes have locks in common.
struct Kitchen {
    blocks: Vec<&'static str>,
    directory: PathBuf,
    database: String,
}

impl Kitchen {
    fn new(title: &str, programs: &[&str]) -> Self {
        let found =
            ["\n## ", "\n# ", "# "].iter().find_map(|mark| PAGES.split_once(&format!("{mark}{title}\n")));
        let (_, recipe) = found.expect("a recipe of this title");
        let recipe = ["\n## ", "\n### "].iter().fold(recipe, |text, end| text.split(end).next().unwrap());
        let code = recipe.split("```").skip(1).step_by(2);
        let database = title.to_lowercase().replace(|c: char| !c.is_alphanumeric(), "_");
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("recipes").join(&database);
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        symlink(BINARY, directory.join("heimdall")).unwrap();
        shared().sql(&format!("create database {database}"));
        let kitchen =
            Self { blocks: code.map(|code| code.split_once('\n').unwrap().1).collect(), directory, database };
        for program in programs {
            kitchen.write(program, STAND_IN);
        }
        kitchen
    }

    fn block(&self, number: usize) -> &'static str {
        self.blocks[number]
    }

    fn write(&self, program: &str, text: &str) {
        write_program(&self.directory.join(program), text);
    }

    /// A shell with the programs beside it and on its PATH.
    fn sh(&self, script: &str) -> Heimdall {
        let path = format!("{}:{}", self.directory.display(), std::env::var("PATH").unwrap());
        let script = format!("cd '{}' || exit\n{script}", self.directory.display());
        Heimdall::program("sh").args(["-c", &script]).env("PATH", path).env(
            "DATABASE_URL",
            format!("postgres://trust_user@127.0.0.1:{}/{}", shared().port(), self.database),
        )
    }

    /// Runs it until the program has begun, which goes on until [`finish`].
    fn start(&self, script: &str, begun: &str) -> Running {
        let running = self.sh(script).pipe_stdin().spawn();
        assert_eq!(running.wait_for_stdout_line(""), begun);
        running
    }

    /// A unit's command, with the programs of this place. systemd's quoting and the shell's are the same as long as
    /// nothing is quoted.
    fn exec_start(&self, unit: &str) -> String {
        let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
        assert!(!line.contains(['\'', '"', '\\', '%', '$']), "{line}");
        format!("exec {}", self.moved(line))
    }

    /// The command that stands in quoted words in some lines of a block.
    fn words(&self, block: usize, fields: &[&str]) -> String {
        words(self.block(block), fields)
    }

    fn has(&self, program: &str) -> bool {
        self.sh(&format!("command -v {program}")).run().code == Some(0)
    }

    /// A supervisor's folder for a service of this name, with the connection string in its environment.
    fn service(&self, name: &str, files: &[(&str, &str)]) {
        for folder in ["env", "data"] {
            fs::create_dir_all(self.directory.join(name).join(folder)).unwrap();
        }
        let database = self.sh("printf %s \"$DATABASE_URL\"").run().stdout;
        for (file, text) in files.iter().chain([&("env/DATABASE_URL", database.as_str())]) {
            self.write(&format!("{name}/{file}"), &self.moved(text));
        }
    }

    fn moved(&self, text: &str) -> String {
        text.replace("/usr/local/bin", self.directory.to_str().unwrap())
    }

    /// Has systemd read the units, where it is installed.
    fn verify(&self, units: &[(&str, &str)]) {
        let paths = units.iter().map(|(name, text)| {
            let path = self.directory.join(name);
            fs::write(&path, self.moved(text)).unwrap();
            path
        });
        match Command::new("systemd-analyze").args(["--man=no", "verify"]).args(paths).output() {
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                let about_ours = |line: &&str| units.iter().any(|(name, _)| line.contains(name));
                let complaints: Vec<&str> = said.lines().filter(about_ours).collect();
                assert!(output.status.success() && complaints.is_empty(), "{said}");
            }
            Err(_) => did_not_run("systemd-analyze verify", "there is no systemd-analyze"),
        }
    }
}

fn taken_over(kitchen: &Kitchen, command: &str) {
    let first = kitchen.start(command, "dispatcher");
    let second = kitchen.sh(command).spawn();
    second.wait_for_stderr_line("waiting");
    // Kills all of it at once.
    drop(first);
    second.wait_for_stdout_line("dispatcher");
    assert_eq!(second.wait().code, Some(0));
}

/// The command that stands in quoted words in some lines of a text.
fn words(text: &str, fields: &[&str]) -> String {
    let words = fields.iter().flat_map(|field| {
        let line = text.lines().find(|line| line.trim_start().starts_with(field)).unwrap();
        line.split('"').skip(1).step_by(2).map(|word| format!(" '{word}'"))
    });
    words.fold("exec".to_owned(), |command, word| command + &word)
}

/// Lets the program come to its end.
fn finish(mut running: Running) {
    running.close_stdin();
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
}

const PAGES: &str = concat!(
    include_str!("../README.md"),
    include_str!("../docs/recipes.md"),
    include_str!("../docs/locks.md"),
    include_str!("../docs/daemon.md"),
);

/// Says how it was called, and goes on for as long as its standard input is open.
const STAND_IN: &str = r#"#!/bin/sh
[ "$STAND_IN" != parent ] || set -- of "$PPID"
echo "${0##*/}${*:+ $*}"
exec cat
"#;
