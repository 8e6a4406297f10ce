//! Signals sent to heimdall, away from a terminal: each reaches the program once.

use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::pid_behind;
use crate::support::heimdall::{BINARY, Heimdall};
use crate::support::postgres::{database, shared};
use crate::support::proxy::Proxy;
use crate::support::{did_not_run, poll};

#[test]
fn promise_10_each_signal_reaches_the_program_once_and_its_end_is_ours() {
    let script = "for s in HUP INT QUIT USR1 USR2 ALRM WINCH CONT; do trap \"echo got $s\" $s; done; \
                  trap 'echo got TERM; exit 9' TERM; echo ready; while :; do sleep 0.05; done";
    let running = Heimdall::new().url(&database()).args(["--name", "signals", "bash", "-c", script]).spawn();
    running.wait_for_stdout_line("ready");
    let mut expected = vec!["ready".to_owned()];
    for (number, name) in [
        (1, "HUP"),
        (2, "INT"),
        (3, "QUIT"),
        (10, "USR1"),
        (12, "USR2"),
        (14, "ALRM"),
        (28, "WINCH"),
        (18, "CONT"),
        (15, "TERM"),
    ] {
        running.signal(number);
        expected.push(running.wait_for_stdout_line(&format!("got {name}")));
    }
    let outcome = running.wait();
    assert_eq!((outcome.code, outcome.stdout.lines().map(str::to_owned).collect()), (Some(9), expected));
}

/// Tells each signal of these numbers that it gets, and ends at SIGTERM; nothing but bash runs.
fn listener(numbers: &[i32]) -> String {
    let trap = |number| format!("trap 'echo got {number}' {number}; ");
    let traps = numbers.iter().map(trap).collect::<Vec<_>>().concat();
    format!(
        "exec {{pause}}<> <(:); trap 'echo got 15; exit 9' TERM; {traps} echo ready $PPID; \
         while :; do read -t 0.05 -u $pause; done"
    )
}

#[test]
fn promise_10_every_signal_that_can_be_caught_reaches_the_program_once() {
    // But SIGCHLD, which is about heimdall's own children, those that stop, and SIGKILL; C libraries keep some, musl one more.
    let lacks = |number: &i32| {
        [9, 17, 19, 20, 21, 22, 32, 33, 15].contains(number) || (cfg!(target_env = "musl") && *number == 34)
    };
    let numbers: Vec<i32> = (1..=64).filter(|number| !lacks(number)).collect();
    let running = Heimdall::new()
        .url(&database())
        .args(["--name", "all signals", "bash", "-c", &listener(&numbers)])
        .spawn();
    running.wait_for_stdout_line("ready");
    let kill = |number: i32| {
        let status = Command::new("bash").args(["-c", &format!("kill -{number} {}", running.pid())]).status();
        assert!(status.unwrap().success());
    };
    for number in &numbers {
        kill(*number);
        running.wait_for_stdout_line(&format!("got {number}"));
    }
    kill(15);
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(9), "{}", outcome.stderr);
    let mut got: Vec<&str> = outcome.stdout.lines().skip(1).collect();
    got.sort_unstable();
    let mut expected: Vec<String> =
        numbers.iter().chain(&[15]).map(|number| format!("got {number}")).collect();
    expected.sort();
    assert_eq!(got, expected);
}

#[test]
fn promise_10_a_real_time_signal_reaches_the_program_once_where_there_is_no_shell_too() {
    let without_shell =
        ["unshare", "--mount", "sh", "-c", "mount --bind /dev/null /bin/sh && exec \"$@\"", "sh"];
    if !Command::new("unshare").args(["--mount", "true"]).status().is_ok_and(|status| status.success()) {
        return did_not_run("a signal without a shell", "this system does not let us make mount namespaces");
    }
    let running = Heimdall::within(&without_shell)
        .url(&database())
        .args(["--name", "no shell", "bash", "-c", &listener(&[37, 10, 64])])
        .spawn();
    running.wait_for_stdout_line("ready");
    for number in [37, 10, 64, 15] {
        let kill = format!("kill -{number} {}", running.pid());
        assert!(Command::new("bash").args(["-c", &kill]).status().unwrap().success());
        running.wait_for_stdout_line(&format!("got {number}"));
    }
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(9), "{}", outcome.stderr);
    let got: Vec<&str> = outcome.stdout.lines().skip(1).collect();
    assert_eq!(got, ["got 37", "got 10", "got 64", "got 15"]);
}

#[test]
fn promise_10_a_stopped_program_hears_what_usually_ends_a_program() {
    for number in [1, 2, 15] {
        let running = Heimdall::new()
            .url(&database())
            .args([
                "--name",
                &format!("stopped {number}"),
                "sh",
                "-c",
                "echo program $$; kill -STOP $$; sleep 300",
            ])
            .spawn();
        let program = pid_behind(&running, "program").as_raw_nonzero();
        let stat = format!("/proc/{program}/stat");
        let is_stopped = || std::fs::read_to_string(&stat).unwrap().contains(") T ").then_some(());
        poll(Duration::from_secs(30), is_stopped).expect("a stopped program");
        running.signal(number);
        assert_eq!(running.wait().code, Some(128 + number));
    }
}

#[test]
fn promise_10_away_from_a_terminal_the_program_leads_a_group_of_its_own() {
    let script = "echo program $$; echo group $(ps -o pgid= -p $$)";
    let running = Heimdall::new().url(&database()).args(["--name", "group", "sh", "-c", script]).spawn();
    assert_eq!(pid_behind(&running, "program"), pid_behind(&running, "group"));
}

#[test]
fn a_signal_that_kills_the_program_is_told_as_128_and_the_signal() {
    let running = Heimdall::new()
        .url(&database())
        .args(["--name", "killed", "sh", "-c", "echo ready; exec sleep 300"])
        .spawn();
    running.wait_for_stdout_line("ready");
    running.signal(15);
    assert_eq!(running.wait().code, Some(143));
}

#[test]
fn a_signal_that_meets_the_end_of_the_program_changes_nothing_else() {
    for _ in 0..10 {
        let mut running = Heimdall::new()
            .url(&database())
            .args(["--name", "meets the end", "sh", "-c", "echo ready; read x; exit 3"])
            .pipe_stdin()
            .spawn();
        running.wait_for_stdout_line("ready");
        running.close_stdin();
        // It may have ended already.
        let _ = kill_process(Pid::from_raw(running.pid()).unwrap(), Signal::TERM);
        let outcome = running.wait();
        assert!(matches!(outcome.code, Some(3 | 143)), "{outcome:?}");
    }
}

#[test]
fn a_signal_while_connecting_ends_heimdall_and_leaves_nothing_on_the_server() {
    let proxy = Proxy::start(([127, 0, 0, 1], shared().port()).into(), Duration::from_secs(2));
    let running = Heimdall::new()
        .database(&format!("{} user=trust_user dbname=app", proxy.tcp()))
        .args(["--name", "half connected", "echo", "ran"])
        .spawn();
    let sessions = "select count(*) from pg_stat_activity where application_name like 'heimdall:heimdall/half connected%'";
    // Its answer is on the way for as long as one delay.
    shared().wait_for(sessions, "1");
    running.signal(15);
    let outcome = running.wait();
    assert_eq!((outcome.signal, outcome.stdout.as_str()), (Some(15), ""));
    shared().wait_for(sessions, "0");
    assert_eq!(shared().sql(&super::holders("half connected")), "0");
}

/// What the program finds in its `/proc/self/status` for these signals, where `env` with such an option has
/// started heimdall.
fn status_under(option: &str, field: &str) -> Option<u64> {
    if !Command::new("env").args([option, "true"]).output().is_ok_and(|output| output.status.success()) {
        did_not_run(option, "env, of coreutils, is before version 8.31");
        return None;
    }
    let outcome = Heimdall::program("env")
        .args([option, BINARY, &format!("--name=env {option}")])
        .url(&database())
        .args(["grep", field, "/proc/self/status"])
        .run();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    Some(u64::from_str_radix(outcome.stdout.split_whitespace().nth(1).unwrap(), 16).unwrap())
}

fn bit(signal: u32) -> u64 {
    1 << (signal - 1)
}

#[test]
fn the_signal_mask_is_as_the_caller_left_it() {
    let Some(blocked) = status_under("--block-signal=USR1,CHLD,TERM", "SigBlk") else { return };
    assert_eq!(blocked, bit(10) | bit(17) | bit(15));
}

#[test]
fn ignored_signals_stay_ignored_and_a_broken_pipe_ends_the_program() {
    let Some(ignored) = status_under("--ignore-signal=HUP,USR1", "SigIgn") else { return };
    // Not those that C libraries keep for themselves.
    assert_eq!(ignored & (bit(32) - 1), bit(1) | bit(10));
}

#[test]
fn a_caller_that_ignores_the_ends_of_children_does_not_hang_heimdall() {
    assert!(status_under("--ignore-signal=CHLD", "SigIgn").is_none_or(|ignored| ignored & bit(17) == 0));
}

#[test]
fn a_signal_that_the_caller_blocks_is_kept_for_the_program() {
    if status_under("--block-signal=USR1", "SigBlk").is_none() {
        return;
    }
    let script = "echo ready; until grep -q '^ShdPnd:.*[2367abef]..$' /proc/$$/status; do sleep 0.05; done; echo pending";
    let running = Heimdall::program("env")
        .args(["--block-signal=USR1", BINARY, "--name", "blocked"])
        .url(&database())
        .args(["bash", "-c", script])
        .spawn();
    running.wait_for_stdout_line("ready");
    running.signal(10);
    running.wait_for_stdout_line("pending");
    assert_eq!(running.wait().code, Some(0));
}
