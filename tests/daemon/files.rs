//! `--metrics` and `--status-file`.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::process::geteuid;

use super::{as_heimdall, heimdall, lose};
use crate::support::heimdall::{BINARY, Heimdall};
use crate::support::postgres::shared;
use crate::support::scripted::{Connection, Scripted, backend};
use crate::support::{did_not_run, poll, this_test};

const PAGE: &str = include_str!("../../docs/daemon.md");

/// An empty folder for this test.
fn folder() -> PathBuf {
    let name = this_test().replace("::", "-");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("files").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// The value of the one series that has this name, and these labels besides those of the lock.
fn value(file: &Path, name: &str, label: &str) -> Option<f64> {
    let text = fs::read_to_string(file).ok()?;
    let found: Vec<&str> = text
        .lines()
        .filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{')) && line.contains(label)
        })
        .collect();
    assert!(found.len() < 2, "{text}");
    found.first().map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

fn wait_for(file: &Path, name: &str, is_right: impl Fn(f64) -> bool) {
    let reached = || value(file, name, "").filter(|value| is_right(*value));
    let text = || fs::read_to_string(file).unwrap_or_default();
    assert!(poll(Duration::from_secs(30), reached).is_some(), "{name} in {}", text());
}

#[test]
fn counters_go_on_from_run_to_run_and_gauges_tell_what_is() {
    let file = folder().join("one.prom");
    let metered = |name: &str| heimdall(name).arg("--metrics").arg(&file);
    let name = "metered";
    for (script, result, count) in
        [("exit 0", "success", 1.0), ("exit 3", "failure", 1.0), ("exit 0", "success", 2.0)]
    {
        metered(name).args(["sh", "-c", script]).run();
        assert_eq!(value(&file, "heimdall_runs_total", result), Some(count));
    }
    assert_eq!(value(&file, "heimdall_held", ""), Some(0.0));
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    for gauge in ["heimdall_last_success_timestamp_seconds", "heimdall_last_failure_timestamp_seconds"] {
        assert!((now - value(&file, gauge, "").unwrap()).abs() < 300.0, "{gauge}");
    }

    // Another one is turned away meanwhile, and touches none of the holder's.
    let holder = metered(name).args(["--lease", "6s"]).hold();
    wait_for(&file, "heimdall_held", |held| held > 0.0);
    assert_eq!(metered(name).arg("true").run().code, Some(75));
    let quiet = metered(name).args(["-q", "-E", "0", "true"]).run();
    assert_eq!((quiet.code, quiet.stderr.as_str()), (Some(0), ""));
    assert_eq!(value(&file, "heimdall_turned_away_total", ""), Some(2.0));
    assert_eq!(value(&file, "heimdall_held", ""), Some(1.0));
    let token = shared().sql(&format!(
        "select split_part(application_name, '#', 2) from pg_stat_activity where pid = {}",
        holder.backend
    ));
    let token = u64::from_str_radix(&token, 36).unwrap().to_string();
    assert_eq!(value(&file, "heimdall_fencing_token", ""), token.parse().ok());
    let answered =
        || value(&file, "heimdall_heartbeat_round_trip_seconds_count", "").filter(|count| *count >= 2.0);
    poll(Duration::from_secs(30), answered).expect("heartbeats");
    lose(name);
    assert_eq!(holder.wait().code, Some(74));
    assert_eq!(value(&file, "heimdall_losses_total", "terminated"), Some(1.0));
    assert_eq!(value(&file, "heimdall_runs_total", "lost"), Some(1.0));
    assert_eq!(value(&file, "heimdall_held", ""), Some(0.0));
    assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1, "a file is left");
    promtool(&["check", "metrics"], Some(&file), file.parent().unwrap());
}

#[test]
fn a_host_whose_release_was_not_confirmed_holds_nothing_any_more() {
    let file = folder().join("unconfirmed.prom");
    let server = Scripted::start(|connection: &mut Connection| {
        connection.startup();
        connection.expect(b'Q');
        connection.send(&backend::answered(&backend::granted("42")));
        connection.answer_holder();
        connection.expect(b'Q');
        connection.close();
    });
    let run = Heimdall::new().database(&format!("{} user=ann", server.tcp())).args(["--name", "unconfirmed"]);
    let outcome = run.arg("--metrics").arg(&file).arg("true").run();
    assert!(outcome.stderr.contains("the release of the lock was not confirmed"), "{}", outcome.stderr);
    assert_eq!(value(&file, "heimdall_held", ""), Some(0.0));
}

#[test]
fn a_lock_that_is_lost_before_a_program_starts_is_told_and_counted_as_lost() {
    let file = folder().join("pause.prom");
    let name = "lost in a pause";
    let script = "[ $HEIMDALL_RESTARTS = 3 ] && exec sleep 300; exit 3";
    let restarts = heimdall(name).args(["--restart", "--lease=6s", "--metrics"]).arg(&file);
    let running = restarts.args(["sh", "-c", script]).spawn();
    running.wait_for_stderr_line("starting the program again in 4s");
    lose(name);
    running.wait_for_stderr_line("lost the lock daemon/lost in a pause at ");
    running.wait_for_stderr_line("before the program was started; waiting for it again");
    running.wait_for_stderr_line("the server has broken a session");
    let is_counted = || (value(&file, "heimdall_losses_total", "terminated") == Some(1.0)).then_some(());
    poll(Duration::from_secs(30), is_counted).expect("it is counted");
    wait_for(&file, "heimdall_held", |held| held > 0.0);
    running.signal(15);
    running.wait();
}

#[test]
fn several_write_to_one_file_at_once_and_lose_nothing() {
    let file = folder().join("many.prom");
    let runs = |lock: usize| {
        let file = file.clone();
        std::thread::spawn(move || {
            for _ in 0..4 {
                let name = format!("metered {lock}");
                assert_eq!(heimdall(&name).arg("--metrics").arg(&file).arg("true").run().code, Some(0));
            }
        })
    };
    let threads: Vec<_> = (0..4).map(runs).collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let text = fs::read_to_string(&file).unwrap();
    let counts =
        text.lines().filter(|line| line.contains("success\"}")).map(|line| line.rsplit(' ').next().unwrap());
    assert_eq!(counts.collect::<Vec<_>>(), ["4"; 4], "{text}");
}

#[test]
fn the_alert_comes_when_no_host_has_succeeded_for_26_hours_and_not_before() {
    let folder = folder();
    let (_, rules) = PAGE.split_once("```yaml\n").unwrap();
    fs::write(folder.join("rules.yml"), rules.split_once("```").unwrap().0).unwrap();
    // At the start on one host, a day later on another.
    let tests = r#"
rule_files: [rules.yml]
evaluation_interval: 10m
tests:
  - interval: 1h
    input_series:
      - series: 'heimdall_last_success_timestamp_seconds{namespace="billing",name="nightly",key="1,2",instance="a"}'
        values: '0x60'
      - series: 'heimdall_last_success_timestamp_seconds{namespace="billing",name="nightly",key="1,2",instance="b"}'
        values: '_x23 86400x40'
    alert_rule_test:
      - { eval_time: 25h, alertname: NightlyNotRun, exp_alerts: [] }
      - { eval_time: 49h, alertname: NightlyNotRun, exp_alerts: [] }
      - eval_time: 51h
        alertname: NightlyNotRun
        exp_alerts: [{ exp_annotations: { summary: No host has run billing/nightly with success for 26 hours. } }]
  - interval: 1h
    input_series: []
    alert_rule_test:
      - eval_time: 1h
        alertname: NightlyNotRun
        exp_alerts:
          - exp_labels: { namespace: billing, name: nightly }
            exp_annotations: { summary: No host has run billing/nightly with success for 26 hours. }
"#;
    fs::write(folder.join("test.yml"), tests).unwrap();
    promtool(&["check", "rules", "rules.yml"], None, &folder);
    promtool(&["test", "rules", "test.yml"], None, &folder);
}

/// Has promtool judge; says so where there is none.
fn promtool(arguments: &[&str], input: Option<&Path>, folder: &Path) {
    let mut command = Command::new("promtool");
    command.args(arguments).current_dir(folder);
    if let Some(input) = input {
        command.stdin(fs::File::open(input).unwrap());
    }
    match command.output() {
        Ok(output) => assert!(
            output.status.success() && !String::from_utf8_lossy(&output.stderr).contains("error"),
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) => did_not_run(&format!("promtool {arguments:?}"), &error.to_string()),
    }
}

#[test]
fn the_page_lists_every_metric_with_its_type_and_no_other() {
    let file = folder().join("all.prom");
    let outcome = heimdall("all metrics")
        .arg("--metrics")
        .arg(&file)
        .args(["--lease=6s", "sh", "-c", "sleep 2; exit 0"])
        .run();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    heimdall("all metrics").arg("--metrics").arg(&file).arg("false").run();
    let text = fs::read_to_string(&file).unwrap();
    let mut written: Vec<[&str; 2]> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .map(|line| line.split(' ').collect::<Vec<_>>().try_into().unwrap())
        .collect();
    let mut listed: Vec<[&str; 2]> = Vec::new();
    for row in PAGE.lines().filter(|line| line.starts_with("| `heimdall_")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        listed.extend(
            cells[1].split('`').filter(|word| word.starts_with("heimdall_")).map(|name| [name, cells[2]]),
        );
    }
    written.sort_unstable();
    listed.sort_unstable();
    assert_eq!(written, listed);
}

/// A member of the object in the status file, as PostgreSQL reads it; empty where there is none.
fn status(file: &Path, member: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_else(|_| "{}".to_owned());
    shared().sql(&format!("select coalesce($status${text}$status$::json ->> '{member}', '')"))
}

#[test]
fn the_status_file_says_where_heimdall_stands() {
    let file = folder().join("status.json");
    let wait = |state: &str| {
        let reached = || (status(&file, "state") == state).then_some(());
        assert!(poll(Duration::from_secs(30), reached).is_some(), "{state}: {:?}", fs::read_to_string(&file));
    };
    let name = "status";
    let other = heimdall(name).hold();
    let waiter = heimdall(name)
        .arg("--status-file")
        .arg(&file)
        .arg("--wait")
        .args(["sh", "-c", "echo up; exec cat"])
        .pipe_stdin();
    let mut waiter = waiter.spawn();
    wait("waiting");
    assert_eq!((status(&file, "held").as_str(), status(&file, "token").as_str()), ("false", ""));
    other.finish();
    waiter.wait_for_stdout_line("up");
    wait("running");
    assert_eq!(status(&file, "held"), "true");
    assert_eq!(status(&file, "process"), waiter.pid().to_string());
    assert_eq!(status(&file, "name"), name);
    for member in ["held_since", "program", "token", "pid", "host", "key", "since"] {
        assert_ne!(status(&file, member), "", "{member}");
    }
    waiter.signal(20);
    wait("suspended");
    // Sent at once, it would keep heimdall from stopping.
    let is_stopped = || fs::read_to_string(format!("/proc/{}/stat", waiter.pid())).unwrap().contains(") T ");
    poll(Duration::from_secs(30), || is_stopped().then_some(())).expect("it stops");
    waiter.signal(18);
    wait("running");
    waiter.close_stdin();
    assert_eq!(waiter.wait().code, Some(0));
    assert_eq!((status(&file, "state").as_str(), status(&file, "held").as_str()), ("ended", "false"));
    for member in ["held_since", "program", "token"] {
        assert_eq!(status(&file, member), "", "{member}");
    }
}

#[test]
fn the_members_on_the_page_are_those_of_the_file() {
    let file = folder().join("status.json");
    let example = PAGE.split_once("```json\n").unwrap().1.split_once("```").unwrap().0;
    let members = |text: &str| {
        shared()
            .sql(&format!("select string_agg(key || json_typeof(value), ' ') from json_each($x${text}$x$)"))
    };
    let holder = heimdall("members").arg("--status-file").arg(&file).hold();
    let running = || Some(fs::read_to_string(&file).ok()?).filter(|text| text.contains("running"));
    let text = poll(Duration::from_secs(30), running).expect("it runs");
    assert_eq!(members(&text), members(example));
    holder.finish();
}

#[test]
fn a_file_that_can_not_be_written_is_told_once_and_changes_nothing() {
    let missing = folder().join("missing");
    let outcome = heimdall("unwritable")
        .args(["--restart-limit=1", "--restart"])
        .arg("--status-file")
        .arg(missing.join("status"))
        .arg("--metrics")
        .arg(missing.join("metrics"))
        .args(["sh", "-c", "exit 3"])
        .run();
    assert_eq!(outcome.code, Some(3));
    for what in ["status file", "metrics"] {
        assert_eq!(
            outcome.stderr.matches(&format!("cannot write the {what} \"")).count(),
            1,
            "{}",
            outcome.stderr
        );
    }
}

/// A FIFO stands for a device such as /dev/null, a symbolic link for /dev/stdout, which root could replace too.
#[test]
fn nothing_but_a_file_is_replaced() {
    let folder = folder();
    let [fifo, link, target] = ["fifo", "link", "target"].map(|name| folder.join(name));
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    fs::write(&target, "mine").unwrap();
    symlink(&target, &link).unwrap();
    for (path, other) in [(&fifo, &link), (&link, &fifo), (&folder, &fifo)] {
        let run = heimdall("replaces").arg("--status-file").arg(path).arg("--metrics").arg(other);
        let outcome = run.arg("true").run();
        let told = |what, path: &Path| format!("cannot write the {what} {path:?}: it is no regular file\n");
        let expected = [told("status file", path), told("metrics", other)];
        assert_eq!(outcome.code, Some(0));
        assert!(expected.iter().all(|line| outcome.stderr.contains(line)), "{}", outcome.stderr);
    }
    assert!(fs::symlink_metadata(&fifo).unwrap().file_type().is_fifo());
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(&target).unwrap(), "mine");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 3);
}

#[test]
fn a_file_that_someone_else_has_written_is_left_as_it_is() {
    let folder = folder();
    let [status, metrics] = ["status", "metrics"].map(|name| folder.join(name));
    let series = "# TYPE node_load1 gauge\nnode_load1 1\n";
    let own = "# TYPE heimdall_held gauge\nheimdall_held{} 1\n";
    for (in_status, in_metrics) in [
        ("#!/bin/sh\n".as_bytes(), series.as_bytes()),
        (b"{\"state\":7}", [own, series].concat().as_bytes()),
        (own.as_bytes(), b"{\"state\":\"running\"}\n"),
    ] {
        fs::write(&status, in_status).unwrap();
        fs::write(&metrics, in_metrics).unwrap();
        let run = heimdall("left alone").arg("--status-file").arg(&status).arg("--metrics").arg(&metrics);
        let outcome = run.arg("true").run();
        assert_eq!(outcome.code, Some(0));
        for (what, path) in [("status file", &status), ("metrics", &metrics)] {
            let told = format!("cannot write the {what} {path:?}: what is in it is not heimdall's");
            assert_eq!(outcome.stderr.matches(&told).count(), 1, "{}", outcome.stderr);
        }
        assert_eq!(fs::read(&status).unwrap(), in_status);
        assert_eq!(fs::read(&metrics).unwrap(), in_metrics);
    }
}

#[test]
fn a_file_that_is_replaced_keeps_who_may_read_and_write_it_and_nothing_else() {
    let folder = folder();
    let files = ["status", "metrics"].map(|name| folder.join(name));
    for (mode, kept) in [(0o640, 0o640), (0o6777, 0o666)] {
        for file in &files {
            fs::write(file, "").unwrap();
            fs::set_permissions(file, Permissions::from_mode(mode)).unwrap();
        }
        let run = heimdall("keeps mode").arg("--status-file").arg(&files[0]).arg("--metrics").arg(&files[1]);
        assert_eq!(run.arg("true").run().code, Some(0));
        for file in &files {
            let found = fs::metadata(file).unwrap();
            assert_eq!(found.mode() & 0o7777, kept, "{file:?}");
            assert!(found.len() > 0, "{file:?}");
        }
    }
}

#[test]
fn a_file_that_is_replaced_keeps_its_group_or_what_that_may_do_no_one_may() {
    if !geteuid().is_root() {
        return did_not_run("a file of another group", "only root can give a file to any group");
    }
    let folder = folder();
    let files = ["status", "metrics"].map(|name| folder.join(name));
    let own = fs::metadata(&folder).unwrap().gid();
    let may_not = ["setpriv", "--clear-groups", "--bounding-set=-chown"];
    for (program, group, mode) in
        [(Heimdall::new(), STRANGER, 0o664), (Heimdall::within(&may_not), own, 0o604)]
    {
        for file in &files {
            fs::write(file, "").unwrap();
            chown(file, None, Some(STRANGER)).unwrap();
            fs::set_permissions(file, Permissions::from_mode(0o664)).unwrap();
        }
        let run = as_heimdall(program, "keeps group").arg("--status-file").arg(&files[0]);
        assert_eq!(run.arg("--metrics").arg(&files[1]).arg("true").run().code, Some(0));
        for file in &files {
            let found = fs::metadata(file).unwrap();
            assert_eq!((found.gid(), found.mode() & 0o7777), (group, mode), "{file:?}");
            assert!(found.len() > 0, "{file:?}");
        }
    }
}

#[test]
fn a_file_of_another_user_is_left_as_it_is() {
    if !geteuid().is_root() {
        return did_not_run("a file of another user", "only root can give a file away");
    }
    let folder = folder();
    let [status, metrics] = ["status", "metrics"].map(|name| folder.join(name));
    for file in [&status, &metrics] {
        fs::write(file, "").unwrap();
        chown(file, Some(STRANGER), None).unwrap();
        fs::set_permissions(file, Permissions::from_mode(0o6777)).unwrap();
    }
    let run = heimdall("not ours").arg("--status-file").arg(&status).arg("--metrics").arg(&metrics);
    let outcome = run.arg("true").run();
    assert_eq!(outcome.code, Some(0));
    for (what, path) in [("status file", &status), ("metrics", &metrics)] {
        let told = format!("cannot write the {what} {path:?}: it belongs to another user");
        assert_eq!(outcome.stderr.matches(&told).count(), 1, "{}", outcome.stderr);
        let found = fs::metadata(path).unwrap();
        assert_eq!((found.uid(), found.mode() & 0o7777, found.len()), (STRANGER, 0o6777, 0));
    }
}

const STRANGER: u32 = 65534;

#[test]
fn who_keeps_the_folder_locked_delays_the_metrics_for_a_while_and_nothing_else() {
    let folder = folder();
    let [status_file, metrics] = ["status", "metrics"].map(|name| folder.join(name));
    let lock = File::open(&folder).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let name = "folder kept";
    let holder = heimdall(name).arg("--status-file").arg(&status_file).arg("--metrics").arg(&metrics).hold();
    let is_running = || (status(&status_file, "state") == "running").then_some(());
    poll(Duration::from_secs(30), is_running).expect("the status is written");
    holder.wait_for_stderr_line(&format!("someone keeps the folder of the metrics {metrics:?} locked"));
    lose(name);
    let outcome = holder.wait();
    assert_eq!(
        (outcome.code, outcome.stderr.matches(" locked").count()),
        (Some(74), 1),
        "{}",
        outcome.stderr
    );
    assert_eq!(status(&status_file, "state"), "ended");
    assert_eq!(value(&metrics, "heimdall_losses_total", "terminated"), Some(1.0));
    assert_eq!(value(&metrics, "heimdall_held", ""), Some(0.0));
}

#[test]
fn a_folder_in_which_files_can_be_made_and_nothing_can_be_read_is_enough() {
    let folder = folder();
    let [status_file, metrics] = ["status", "metrics"].map(|name| folder.join(name));
    fs::set_permissions(&folder, Permissions::from_mode(0o333)).unwrap();
    // Root without the right to read everything.
    let root = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"];
    let program = if geteuid().is_root() { Heimdall::within(&root) } else { Heimdall::program(BINARY) };
    let run = as_heimdall(program, "unreadable").arg("--status-file").arg(&status_file);
    let outcome = run.arg("--metrics").arg(&metrics).arg("true").run();
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    assert_eq!(status(&status_file, "state"), "ended");
    assert_eq!(value(&metrics, "heimdall_runs_total", "success"), Some(1.0));
}

#[test]
fn a_file_system_that_hangs_keeps_heimdall_from_nothing() {
    let folder = folder();
    // One that is to be provided by a process, which does not.
    let script = "exec 9<>/dev/fuse && mount -i -t fuse -o fd=9,rootmode=40000,user_id=0,group_id=0 none \"$0\" && exec \"$@\"";
    let words = ["unshare", "--mount", "sh", "-c", script, folder.to_str().unwrap()];
    if !Command::new(words[0])
        .args(&words[1..])
        .arg("true")
        .output()
        .is_ok_and(|output| output.status.success())
    {
        return did_not_run("a file system that hangs", "FUSE cannot be mounted in a namespace");
    }
    let name = "hangs";
    let hanging = as_heimdall(Heimdall::within(&words), name).arg("--metrics").arg(folder.join("hangs.prom"));
    let holder = hanging.hold();
    lose(name);
    assert_eq!(holder.wait().code, Some(74));
}

#[test]
fn what_drains_counts_as_it_ends_and_not_as_the_program_did() {
    let folder = folder();
    let drains = |name: &str, options: &[&str], script: &str| {
        let file = folder.join(name);
        let program = heimdall(name).args(["-v", "--drain", "--metrics"]).arg(&file).args(options);
        (file, program.args(["sh", "-c", script]).pipe_stdin().spawn())
    };
    let counted = |file: &Path| {
        let results = ["success", "failure", "timeout", "lost", "asked"];
        results
            .into_iter()
            .filter(|result| value(file, "heimdall_runs_total", result) == Some(1.0))
            .collect::<Vec<_>>()
    };
    let leaves = "{ cat <&3 & } 3<&0; exit 0";

    let (file, running) = drains("drains too long", &["--timeout=1s"], leaves);
    assert_eq!(running.wait().code, Some(124));
    assert_eq!(counted(&file), ["timeout"]);
    assert_eq!(value(&file, "heimdall_last_success_timestamp_seconds", ""), None);

    let (file, running) = drains("drains and loses", &[], leaves);
    running.wait_for_stderr_line("holding the lock until");
    lose("drains and loses");
    assert_eq!(running.wait().code, Some(74));
    assert_eq!(counted(&file), ["lost"]);

    // Here at once, though the lock is still to be held.
    let (file, mut running) = drains("drains and holds", &["--min-hold=1h"], leaves);
    running.wait_for_stderr_line("holding the lock until");
    assert_eq!(counted(&file), [""; 0]);
    running.close_stdin();
    wait_for(&file, "heimdall_last_success_timestamp_seconds", |time| time > 0.0);
    assert_eq!(counted(&file), ["success"]);
    running.signal(15);
    assert_eq!(running.wait().code, Some(0));
}
