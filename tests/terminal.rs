//! On a terminal: what a person sees and types is what the program alone would show and get.

mod job_control;

use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::support::heimdall::{BINARY, Heimdall};
use crate::support::postgres::database;
use crate::support::terminal::{END_OF_FILE, INTERRUPT, PROMPT, QUIT, SUSPEND, Terminal};
use crate::support::{did_not_run, poll};

/// What a shell needs so that `heimdall` reaches a server.
fn bash() -> Terminal {
    Terminal::bash(&[("DATABASE_URL", &database())])
}

#[test]
fn a_command_line_typed_at_a_shell_shows_the_program_and_its_exit_code() {
    let mut terminal = bash();
    terminal
        .enter("heimdall --name typed sh -c 'echo \"the lock of $HEIMDALL_NAME\"; exit 3'; echo \"code $?\"");
    assert_eq!(terminal.wait_for("\r\n"), "the lock of typed");
    assert_eq!(terminal.wait_for("\r\n"), "code 3");
    terminal.enter("exit 5");
    assert_eq!(terminal.wait(), 5);
}

#[test]
fn without_a_shell_the_exit_code_is_the_programs() {
    let words = [BINARY, "--name", "no shell", "sh", "-c", "tty; exit 4"];
    let mut terminal = Terminal::start(&words, &[("DATABASE_URL", &database())]);
    assert!(terminal.wait_for("\r\n").starts_with("/dev/"));
    assert_eq!(terminal.wait(), 4);
}

/// Counts a signal, tells its process id and heimdall's, and on SIGUSR1 how often the signal came in all.
fn counter(signal: &str) -> String {
    format!(
        "bash -c 'trap \"n=\\$((n+1)); echo got\" {signal}; trap \"echo in all \\$n; exit 4\" USR1; \
         echo ready $PPID; while :; do sleep 0.05; done'"
    )
}

/// Has heimdall pass on SIGUSR1 behind all that it has passed on before.
fn assert_came_once(terminal: &mut Terminal, heimdall: &str) {
    terminal.wait_for("got\r\n");
    signal(heimdall, Signal::USR1);
    terminal.wait_for("in all ");
    assert_eq!(terminal.wait_for("\r\n"), "1");
    terminal.wait_for(PROMPT);
    terminal.enter("echo \"code $?\"");
    assert_eq!(terminal.wait_for("\r\n"), "code 4");
}

fn is_stopped(pid: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    status.lines().any(|line| line.starts_with("State:\tT"))
}

fn signal(pid: &str, signal: Signal) {
    kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap(), signal).unwrap();
}

#[test]
fn promise_10_what_is_typed_at_the_terminal_reaches_the_program_once() {
    let mut terminal = bash();
    for (name, key) in [("INT", INTERRUPT), ("QUIT", QUIT)] {
        terminal.enter(&format!("heimdall --name typed{name} {}", counter(name)));
        terminal.wait_for("ready ");
        let heimdall = terminal.wait_for("\r\n");
        terminal.press(key);
        assert_came_once(&mut terminal, &heimdall);
    }
}

#[test]
fn promise_10_another_size_of_the_terminal_is_told_once() {
    let mut terminal = bash();
    terminal.enter(&format!("heimdall --name resized {}", counter("WINCH")));
    terminal.wait_for("ready ");
    let heimdall = terminal.wait_for("\r\n");
    terminal.resize(30, 100);
    assert_came_once(&mut terminal, &heimdall);
}

#[test]
fn promise_10_in_the_foreground_a_signal_sent_to_heimdall_reaches_the_program_once() {
    let mut terminal = bash();
    for (name, number) in [("TERM", Signal::TERM), ("INT", Signal::INT), ("HUP", Signal::HUP)] {
        terminal.enter(&format!("heimdall --name sent{name} {}", counter(name)));
        terminal.wait_for("ready ");
        let heimdall = terminal.wait_for("\r\n");
        signal(&heimdall, number);
        assert_came_once(&mut terminal, &heimdall);
    }
}

#[test]
fn promise_10_control_c_ends_the_program_and_the_loops_and_scripts_around_it() {
    let mut terminal = bash();
    let heimdall = "heimdall --name interrupted sh -c 'echo ready; exec sleep 300'";
    for line in [
        heimdall.to_owned(),
        format!("for i in 1 2 3; do {heimdall}; done"),
        format!("bash -c \"{heimdall}; echo survived\""),
    ] {
        for (key, code) in [(INTERRUPT, 130), (QUIT, 131)] {
            if code == 131 && line != heimdall {
                continue;
            }
            terminal.enter(&line);
            terminal.wait_for("ready\r\n");
            terminal.press(key);
            assert!(!terminal.wait_for(PROMPT).contains("survived"), "{line}");
            terminal.enter("echo \"code $?\"");
            assert_eq!(terminal.wait_for("\r\n"), format!("code {code}"), "{line}");
        }
    }
}

#[test]
fn promise_10_control_c_after_the_programs_end_ends_what_it_has_left_and_heimdall_and_the_script_around_it() {
    let mut terminal = bash();
    for (job, event) in [
        ("--name held --min-hold 60 true", "the program ended "),
        ("--name left --drain setsid --fork sleep 300", "holding the lock until "),
    ] {
        terminal.enter(&format!("bash -c \"heimdall -v {job}; echo survived\""));
        terminal.wait_for(event);
        terminal.wait_for("\r\n");
        terminal.press(INTERRUPT);
        assert!(!terminal.wait_for(PROMPT).contains("survived"), "{job}");
        terminal.enter("echo \"code $?\"");
        assert_eq!(terminal.wait_for("\r\n"), "code 130", "{job}");
    }
}

#[test]
fn promise_10_a_program_reads_from_the_terminal_is_suspended_and_goes_on() {
    let mut terminal = bash();
    terminal.enter("heimdall --name read sh -c 'echo cat $$; exec cat'");
    terminal.wait_for("cat ");
    let cat = terminal.wait_for("\r\n");
    terminal.enter("one");
    terminal.wait_for("one\r\n");
    terminal.press(SUSPEND);
    terminal.wait_for("Stopped");
    terminal.wait_for(PROMPT);
    // Until it has stopped too, it may still read what is meant for the shell.
    poll(Duration::from_secs(30), || is_stopped(&cat).then_some(())).expect("cat stops");
    terminal.enter("fg");
    terminal.enter("two");
    terminal.wait_for("two\r\n");
    terminal.press(END_OF_FILE);
    terminal.wait_for(PROMPT);
    terminal.enter("echo \"code $?\"");
    assert_eq!(terminal.wait_for("\r\n"), "code 0");
}

#[test]
fn promise_10_a_suspended_program_goes_on_in_the_background() {
    let mut terminal = bash();
    terminal.enter(&format!("heimdall --name continued {}", counter("USR2")));
    terminal.wait_for("ready ");
    let heimdall = terminal.wait_for("\r\n");
    terminal.press(SUSPEND);
    terminal.wait_for("Stopped");
    terminal.enter("bg; echo moved");
    terminal.wait_for("moved");
    signal(&heimdall, Signal::USR2);
    terminal.wait_for("got\r\n");
    signal(&heimdall, Signal::USR1);
    terminal.wait_for("in all 1\r\n");
    terminal.enter("wait %1; echo \"code $?\"");
    terminal.wait_for("code 4\r\n");
}

#[test]
fn promise_10_pipelines_work() {
    let mut terminal = bash();
    terminal.enter(
        "heimdall --name piped sh -c 'echo through; exit 3' | tr a-z A-Z; echo \"code ${PIPESTATUS[0]}\"",
    );
    assert_eq!(terminal.wait_for("\r\n"), "THROUGH");
    assert_eq!(terminal.wait_for("\r\n"), "code 3");
    terminal.enter("yes | heimdall --name piped head -n 1");
    assert_eq!(terminal.wait_for("\r\n").trim_start_matches(PROMPT), "y");
    terminal.wait_for(PROMPT);
    terminal.enter("heimdall --name piped yes | head -n 1; echo \"code ${PIPESTATUS[0]}\"");
    assert_eq!(terminal.wait_for("\r\n"), "y");
    // SIGPIPE, as without heimdall.
    assert_eq!(terminal.wait_for("\r\n"), "code 141");
}

#[test]
fn promise_10_two_of_one_pipeline_share_the_terminal_with_what_reads_its_keys() {
    let mut terminal = bash();
    let pager = "bash -c 'read -r line; echo \"$line\"; read -r key </dev/tty; echo \"key $key\"; cat'";
    terminal.enter(&format!(
        "heimdall --name pipe1 sh -c 'echo one $$; exec sleep 300' | \
         heimdall --name pipe2 sed -u s/one/two/ | {pager}"
    ));
    terminal.wait_for("two ");
    let program = Pid::from_raw(terminal.wait_for("\r\n").parse().unwrap()).unwrap();
    terminal.enter("q");
    terminal.wait_for("key q\r\n");
    terminal.press(INTERRUPT);
    terminal.wait_for(PROMPT);
    assert!(test_kill_process(program).is_err(), "{program:?} is left");
    terminal.enter("echo \"codes ${PIPESTATUS[*]}\"");
    assert_eq!(terminal.wait_for("\r\n"), "codes 130 130 130");
}

#[test]
fn promise_10_a_program_asks_at_the_terminal_and_is_answered() {
    let mut terminal = bash();
    terminal.enter("heimdall --name asks bash -c 'read -p \"Who? \" who; echo \"hello $who\"'");
    terminal.wait_for("Who? ");
    terminal.enter("ann");
    assert_eq!(terminal.wait_for("\r\n"), "hello ann");
    terminal.wait_for(PROMPT);
    terminal.enter("echo \"code $?\"");
    assert_eq!(terminal.wait_for("\r\n"), "code 0");
}

#[test]
fn promise_2_in_the_foreground_the_program_and_its_descendants_are_stopped() {
    let mut terminal = bash();
    let script = "sh -c 'sleep 300 & echo child $!; setsid sleep 300 & echo child $!; wait'";
    terminal.enter(&format!("heimdall --name overtime --timeout 3s {script}; echo \"code $?\""));
    let children = [(); 2].map(|()| {
        terminal.wait_for("child ");
        Pid::from_raw(terminal.wait_for("\r\n").parse().unwrap()).unwrap()
    });
    terminal.wait_for("code 124");
    for child in children {
        assert!(test_kill_process(child).is_err(), "{child:?} is left");
    }
}

#[test]
fn a_closed_terminal_ends_a_program_whose_heimdall_leads_the_session() {
    // script(1) makes a terminal for what it runs, which is closed when script is gone.
    let script = format!("exec '{BINARY}' --name closed sh -c 'echo ready $$; exec sleep 300'");
    let running = Heimdall::program("script")
        .args(["-qc", &script, "/dev/null"])
        .env("DATABASE_URL", database())
        .pipe_stdin()
        .spawn();
    let line = running.wait_for_stdout_line("ready ");
    let program = Pid::from_raw(line.trim().split(' ').nth(1).unwrap().parse().unwrap()).unwrap();
    running.signal(9);
    let gone = poll(Duration::from_secs(30), || test_kill_process(program).is_err().then_some(()));
    assert!(gone.is_some(), "the program runs on");
}

#[test]
fn promise_10_control_c_ends_process_1_with_its_code() {
    let database = database();
    let unshare = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
    if !Command::new("unshare").args(&unshare[1..]).arg("true").output().is_ok_and(|o| o.status.success()) {
        return did_not_run("process 1 on a terminal", "this system does not let us make PID namespaces");
    }
    let job = [BINARY, "--database", &database, "--name", "init typed"];
    let program = ["sh", "-c", "read line; echo ready $line; exec sleep 300"];
    let mut terminal = Terminal::start(&[&unshare[..], &job, &program].concat(), &[]);
    terminal.enter("steady");
    terminal.wait_for("ready steady\r\n");
    terminal.press(INTERRUPT);
    assert_eq!(terminal.wait(), 130);
}
