//! Job control: what is stopped and goes on, and that the program never runs while heimdall does not.

use std::fs;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Signal, test_kill_process};

use super::{bash, counter, is_stopped, signal};
use crate::support::postgres::{database, shared};
use crate::support::terminal::{INTERRUPT, PROMPT, SUSPEND, Terminal};
use crate::support::{did_not_run, poll};

/// A program, and a child of it in a session of its own; both tell their process ids, and the first that of heimdall and
/// of the process that holds the lock. It forks no more: a shell that is stopped within vfork(2) is not seen as stopped.
const FAMILY: &str = r#"sh -c 'setsid sh -c "echo child \$\$; exec sleep 300" &
    echo program $$ $PPID $HEIMDALL_BACKEND_PID; wait; wait; wait'"#;

/// Reads what [`FAMILY`] tells: program, heimdall, child and backend.
fn family(terminal: &mut Terminal) -> [String; 4] {
    let mut words = Vec::new();
    let mut child = String::new();
    while words.is_empty() || child.is_empty() {
        let line = terminal.wait_for("\r\n");
        if let Some((_, pid)) = line.split_once("child ") {
            pid.clone_into(&mut child);
        } else if let Some((_, pids)) = line.split_once("program ") {
            words = pids.split(' ').map(str::to_owned).collect();
        }
    }
    [words[0].clone(), words[1].clone(), child, words[2].clone()]
}

fn wait_until_stopped(pid: &str) {
    poll(Duration::from_secs(30), || is_stopped(pid).then_some(())).expect("it stops");
}

fn wait_until_running(pid: &str) {
    poll(Duration::from_secs(30), || (!is_stopped(pid)).then_some(())).expect("it goes on");
}

/// Until its process group has the terminal (`man 5 proc_pid_stat`).
fn wait_until_in_foreground(pid: &str) {
    let has_terminal = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let (group, foreground) = (fields[2], fields[5]);
        (group == foreground).then_some(())
    };
    poll(Duration::from_secs(30), has_terminal).expect("it has the terminal");
}

/// Shells with job control, and what they say before they read a command.
fn shells() -> [Terminal; 2] {
    let mut dash = Terminal::start(&["dash", "-i"], &[("DATABASE_URL", &database())]);
    dash.wait_for(PROMPT);
    [bash(), dash]
}

#[test]
fn promise_10_on_a_terminal_the_program_is_in_heimdalls_group_in_the_background_too() {
    let mut terminal = bash();
    let script = "sh -c 'echo group $(ps -o pgid= -p $$) $$ $(ps -o pgid= -p $PPID)'";
    for (name, end) in [("foreground", ""), ("background", " &")] {
        terminal.enter(&format!("heimdall --name {name} {script}{end}"));
        terminal.wait_for("group ");
        let words = terminal.wait_for("\r\n");
        let words: Vec<_> = words.split(' ').collect();
        assert!(words[0] == words[2] && words[0] != words[1], "{words:?}");
    }
}

#[test]
fn promise_10_a_program_that_was_started_in_the_background_reads_once_it_is_in_the_foreground() {
    for (number, mut terminal) in shells().into_iter().enumerate() {
        terminal.enter(&format!("heimdall --name read-{number} sh -c 'echo heimdall $PPID; exec cat' &"));
        terminal.wait_for("heimdall ");
        let heimdall = terminal.wait_for("\r\n");
        // It was sent SIGTTIN with its whole group, as it would be without heimdall.
        wait_until_stopped(&heimdall);
        terminal.enter("fg");
        terminal.enter("one");
        terminal.wait_for("one\r\n");
        terminal.press(INTERRUPT);
        terminal.wait_for(PROMPT);
        terminal.enter("echo \"code $?\"");
        terminal.wait_for("code 130\r\n");
    }
}

#[test]
fn promise_13_what_stops_heimdall_stops_the_whole_job_and_it_goes_on_with_heimdall() {
    for (number, mut terminal) in shells().into_iter().enumerate() {
        terminal.enter(&format!("heimdall --name family-{number} {FAMILY} &"));
        let [program, heimdall, child, _] = family(&mut terminal);
        terminal.enter("fg");
        for round in ["key", "signal"] {
            wait_until_in_foreground(&heimdall);
            match round {
                "key" => terminal.press(SUSPEND),
                _ => signal(&heimdall, Signal::TSTP),
            }
            wait_until_stopped(&heimdall);
            // Not later than heimdall.
            assert!(is_stopped(&program) && is_stopped(&child), "{round}");
            terminal.wait_for(PROMPT);
            terminal.enter("fg");
            for pid in [&heimdall, &program, &child] {
                wait_until_running(pid);
            }
        }
        terminal.press(INTERRUPT);
        terminal.wait_for(PROMPT);
    }
}

#[test]
fn promise_13_a_job_that_was_suspended_longer_than_its_lease_goes_on_if_the_lock_is_still_its() {
    let mut terminal = bash();
    terminal.enter(&format!("heimdall --name long --lease 6s {}", counter("CONT")));
    terminal.wait_for("ready ");
    let heimdall = terminal.wait_for("\r\n");
    terminal.press(SUSPEND);
    wait_until_stopped(&heimdall);
    std::thread::sleep(Duration::from_secs(6));
    terminal.wait_for(PROMPT);
    terminal.enter("fg");
    terminal.wait_for("got\r\n");
    signal(&heimdall, Signal::TERM);
    terminal.wait_for(PROMPT);
    terminal.enter("echo \"code $?\"");
    terminal.wait_for("code 143\r\n");
}

/// Ends the session of a heimdall that was started from the terminal, on whatever server that is.
fn terminate(backend: &str) {
    let sql = format!("select pg_terminate_backend({backend})");
    let output = shared().psql(&database()).args(["-c", &sql]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "t");
}

#[test]
fn promise_13_a_job_whose_lock_was_lost_while_it_was_suspended_is_stopped_when_it_goes_on() {
    let mut terminal = bash();
    terminal.enter(&format!("heimdall --name lost {FAMILY}"));
    let [program, heimdall, child, backend] = family(&mut terminal);
    terminal.press(SUSPEND);
    wait_until_stopped(&heimdall);
    terminate(&backend);
    terminal.wait_for(PROMPT);
    terminal.enter("fg");
    terminal.wait_for("lost the lock heimdall/lost ");
    terminal.wait_for(PROMPT);
    terminal.enter("echo \"code $?\"");
    terminal.wait_for("code 74\r\n");
    for pid in [program, child] {
        assert!(!fs::exists(format!("/proc/{pid}")).unwrap(), "{pid} is left");
    }
}

#[test]
fn promise_10_a_program_that_ignores_the_key_that_suspends_is_not_suspended() {
    let mut terminal = bash();
    let script = "trap \"\" TSTP; echo heimdall $PPID; read line; echo got $line; read line; echo got $line";
    terminal.enter(&format!("heimdall --name ignores sh -c '{script}'"));
    terminal.wait_for("heimdall ");
    let heimdall = terminal.wait_for("\r\n");
    terminal.press(SUSPEND);
    terminal.enter("one");
    // By now heimdall has been sent the signal.
    terminal.wait_for("got one\r\n");
    let is_read = || (!has_pending(&heimdall, Signal::TSTP)).then_some(());
    poll(Duration::from_secs(30), is_read).expect("it is read");
    terminal.enter("two");
    terminal.wait_for("got two\r\n");
    assert!(!terminal.all().contains("Stopped"), "{}", terminal.all());
}

/// Whether the process has not yet read such a signal (`man 5 proc_pid_status`).
fn has_pending(pid: &str, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let pending =
        status.lines().filter_map(|line| line.strip_prefix("ShdPnd:").or(line.strip_prefix("SigPnd:")));
    let bit = 1 << (signal.as_raw() - 1);
    pending.into_iter().any(|bits| u64::from_str_radix(bits.trim(), 16).unwrap() & bit != 0)
}

#[test]
fn promise_2_a_line_that_the_terminal_stops_the_background_for_keeps_heimdall_from_nothing() {
    let mut terminal = bash();
    terminal.enter("stty tostop");
    terminal.wait_for(PROMPT);
    let script =
        "trap \"\" TERM; echo $HEIMDALL_BACKEND_PID $$ >/dev/shm/tostop-$PPID; while :; do sleep 0.05; done";
    terminal
        .enter(&format!("heimdall --name tostop --kill-after 100ms sh -c '{script}' & echo \"heimdall $!\""));
    terminal.wait_for("heimdall ");
    let heimdall = terminal.wait_for("\r\n");
    let file = format!("/dev/shm/tostop-{heimdall}");
    let line =
        poll(Duration::from_secs(30), || fs::read_to_string(&file).ok().filter(|line| line.ends_with('\n')));
    let line = line.expect("a program that runs");
    fs::remove_file(&file).unwrap();
    let (backend, program) = line.trim().split_once(' ').unwrap();
    terminate(backend);
    terminal.enter("wait; echo \"all is over\"");
    terminal.wait_for("lost the lock heimdall/tostop ");
    terminal.wait_for("all is over\r\n");
    let program = rustix::process::Pid::from_raw(program.parse().unwrap()).unwrap();
    assert!(test_kill_process(program).is_err());
}

#[test]
fn promise_10_a_signal_for_the_whole_group_reaches_the_program_once() {
    let mut terminal = bash();
    let script = "exec {pause}<> <(:); for s in HUP INT TERM USR2; do trap \"n$s=\\$((n$s+1)); echo got $s\" $s; done; \
                  trap \"echo in all \\$nHUP \\$nINT \\$nTERM \\$nUSR2; exit 4\" USR1; \
                  echo ready $PPID; while :; do read -t 0.05 -u $pause; done";
    terminal.enter(&format!("heimdall --name group bash -c '{script}' &"));
    terminal.wait_for("ready ");
    let heimdall = terminal.wait_for("\r\n");
    terminal.enter("kill -s TSTP %1");
    wait_until_stopped(&heimdall);
    terminal.enter("bg");
    wait_until_running(&heimdall);
    // One that heimdall passes on tells that it has seen those before, which would be one with a second of their kind.
    for (kill, got) in [
        ("kill %1", "TERM"),
        ("kill -s USR2 $HEIMDALL", "USR2"),
        ("kill -s HUP -- -$HEIMDALL", "HUP"),
        ("kill -s INT $HEIMDALL", "INT"),
        ("kill -s HUP $HEIMDALL", "HUP"),
        ("kill $HEIMDALL", "TERM"),
    ] {
        terminal.enter(&format!("HEIMDALL={heimdall}; {kill}"));
        terminal.wait_for(&format!("got {got}\r\n"));
    }
    signal(&heimdall, Signal::USR1);
    terminal.wait_for("in all 2 1 2 1\r\n");
}

/// Counts SIGUSR2, and on SIGUSR1 tells how often it came.
const COUNTS: &str = "exec {pause}<> <(:); trap \"n=\\$((n+1)); echo got\" USR2; trap \"echo in all \\$n; exit\" USR1; \
                      echo ready $PPID; while :; do read -t 0.05 -u $pause; done";

#[test]
fn promise_10_a_signal_for_heimdalls_children_reaches_the_program_once_and_takes_none_from_heimdall() {
    let mut terminal = bash();
    terminal.enter(&format!("heimdall --name children bash -c '{COUNTS}' &"));
    terminal.wait_for("ready ");
    let heimdall = terminal.wait_for("\r\n");
    let before = witness_of(&heimdall);
    terminal.enter(&format!("pkill -USR2 -P {heimdall}"));
    terminal.wait_for("got\r\n");
    // One that has seen what was not sent to the group is no witness any more.
    poll(Duration::from_secs(30), || (witness_of(&heimdall) != before).then_some(()))
        .expect("another witness");
    for kill in [format!("kill -s USR2 {heimdall}"), "pkill -USR2 -P $$".to_owned()] {
        terminal.enter(&kill);
        terminal.wait_for("got\r\n");
    }
    signal(&heimdall, Signal::USR1);
    terminal.wait_for("in all 3\r\n");
}

#[test]
fn promise_10_a_signal_for_heimdall_by_its_name_reaches_the_program_once() {
    // Where there is no other heimdall.
    let unshare = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
    if !Command::new("unshare").args(&unshare[1..]).arg("true").output().is_ok_and(|o| o.status.success()) {
        return did_not_run("signals by name", "this system does not let us make PID namespaces");
    }
    let shell = ["bash", "--norc", "--noprofile", "--noediting", "-i"];
    let mut terminal = Terminal::start(&[&unshare[..], &shell].concat(), &[("DATABASE_URL", &database())]);
    terminal.wait_for(PROMPT);
    terminal.enter(&format!("heimdall --name by-name bash -c '{COUNTS}' &"));
    terminal.wait_for("ready ");
    let heimdall = terminal.wait_for("\r\n");
    // Where there is no killall, what it stands for.
    for kill in ["pkill -USR2 heimdall", "killall -s USR2 heimdall || pkill -USR2 -x heimdall"] {
        terminal.enter(kill);
        terminal.wait_for("got\r\n");
    }
    terminal.enter(&format!("kill -s USR1 {heimdall}"));
    terminal.wait_for("in all 2\r\n");
}

/// The process id of heimdall's witness.
fn witness_of(heimdall: &str) -> String {
    let witness = poll(Duration::from_secs(30), || {
        let line = group(heimdall).lines().find(|line| line.ends_with("signal witness"))?.to_owned();
        line.split_whitespace().nth(1).map(str::to_owned)
    });
    witness.expect("a witness")
}

/// The processes of heimdall's group: group, process id and command line of each.
fn group(heimdall: &str) -> String {
    let script = format!("ps -A -o pgid=,pid=,args= | grep '^ *{heimdall} ' || true");
    String::from_utf8(Command::new("sh").args(["-c", &script]).output().unwrap().stdout).unwrap()
}

#[test]
fn nothing_of_heimdall_is_left_when_it_is_killed_on_a_terminal() {
    let mut terminal = bash();
    terminal.enter("heimdall --name killed sh -c 'echo heimdall $PPID; exec sleep 300' 7</dev/null &");
    terminal.wait_for("heimdall ");
    let heimdall = terminal.wait_for("\r\n");
    let group = || group(&heimdall);
    let witness = witness_of(&heimdall);
    for fd in fs::read_dir(format!("/proc/{witness}/fd")).unwrap() {
        let fd = fd.unwrap();
        let (number, open) = (fd.file_name(), fs::read_link(fd.path()).unwrap());
        let is_stream = ["0", "1", "2"].iter().any(|stream| number == *stream);
        let open = open.to_str().unwrap();
        assert!(
            if is_stream { open.starts_with("pipe:") } else { open.contains("signalfd") },
            "{number:?} {open}"
        );
    }
    signal(&heimdall, Signal::KILL);
    let is_gone = || !group().contains("heimdall") && !group().contains("witness");
    poll(Duration::from_secs(30), || is_gone().then_some(())).expect("it is gone");
    assert!(group().contains("sleep 300"));
    terminal.enter(&format!("kill -KILL -- -{heimdall}"));
    poll(Duration::from_secs(30), || group().is_empty().then_some(())).expect("the job is gone");
}
