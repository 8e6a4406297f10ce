//! Socket activation: what a service manager has passed to heimdall is the program's.

use std::fs;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::heimdall;
use crate::support::heimdall::{BINARY, Heimdall};
use crate::support::postgres::shared;
use crate::support::{did_not_run, poll, write_program};

/// The options of a run whose lock has this name.
fn options(name: &str) -> [String; 6] {
    let conninfo = format!("{} user=trust_user dbname=app", shared().tcp());
    ["--database", &conninfo, "--namespace", "daemon", "--name", name].map(str::to_owned)
}

#[test]
fn the_program_is_told_that_the_descriptors_are_its_own() {
    let activate = "exec 3</dev/null; LISTEN_FDS=1 LISTEN_PIDFDID=1 LISTEN_PID=$$ exec \"$0\" \"$@\"";
    let script = "[ \"$LISTEN_PID$LISTEN_PIDFDID\" = $$ ] && echo $LISTEN_FDS mine \"$0\"; exec cat <&3";
    let outcome = Heimdall::program("sh")
        .args(["-c", activate, BINARY])
        .args(options("listens"))
        .args(["sh", "-c", script, "zero"])
        .run();
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), "1 mine zero\n"), "{}", outcome.stderr);

    // As without descriptors, a slip in its name is no failure after which it is started again.
    for (program, code) in [("no-such-program", 127), ("/etc/passwd", 126), ("/etc", 126)] {
        let outcome = Heimdall::program("sh")
            .args(["-c", activate, BINARY])
            .args(options("listens"))
            .args(["-v", "--restart=on-failure", "--restart-limit=0", program])
            .run();
        assert_eq!(outcome.code, Some(code), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(&format!("cannot run \"{program}\"")), "{}", outcome.stderr);
        assert!(!outcome.stderr.contains("started"), "{}", outcome.stderr);
    }

    let script = std::env::temp_dir().join(format!("heimdall-script-{}", std::process::id()));
    write_program(&script, "[ \"$LISTEN_PID\" = $$ ] && echo script $1\n");
    let outcome = Heimdall::program("sh")
        .args(["-c", activate, BINARY])
        .args(options("listens"))
        .args([script.to_str().unwrap(), "one"])
        .run();
    fs::remove_file(&script).unwrap();
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), "script one\n"), "{}", outcome.stderr);
}

#[test]
fn descriptors_of_another_process_are_left_alone() {
    let outcome = heimdall("does not listen")
        .env("LISTEN_PID", "1")
        .env("LISTEN_FDS", "1")
        .args(["sh", "-c", "echo $LISTEN_PID; ps -o comm= -p $$"])
        .run();
    assert_eq!(outcome.stdout, "1\nsh\n");
}

#[test]
fn under_systemds_socket_activation_the_program_accepts_connections() {
    let socket = std::env::temp_dir().join(format!("heimdall-listens-{}", std::process::id()));
    let _ = fs::remove_file(&socket);
    let activate = "systemd-socket-activate";
    if std::process::Command::new(activate).arg("--version").output().is_err() {
        return did_not_run("socket activation", "there is no systemd-socket-activate");
    }
    let accept = "open(my $s, '+<&=', 3); accept(my $c, $s); syswrite($c, $ENV{LISTEN_PID} == $$ ? 'mine' : 'not mine')";
    let running = Heimdall::program(activate)
        .arg("-l")
        .arg(&socket)
        .arg(BINARY)
        .args(options("accepts"))
        .args(["perl", "-e", accept])
        .spawn();
    let mut client = poll(Duration::from_secs(30), || UnixStream::connect(&socket).ok()).expect("it listens");
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    let outcome = running.wait();
    assert_eq!((answer.as_str(), outcome.code), ("mine", Some(0)), "{}", outcome.stderr);
    fs::remove_file(&socket).unwrap();
}
