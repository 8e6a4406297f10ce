//! What is set on the program's TCP socket, seen through a copy of its descriptor (`man 2 pidfd_getfd`).

use std::fs;
use std::net::TcpStream;
use std::os::fd::RawFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use super::{assert_failed, connect, trusted};
use crate::support::did_not_run;
use crate::support::heimdall::Running;
use crate::support::ports;
use crate::support::postgres::shared;

/// Keepalives on, their idle time and interval in seconds, their count, and the user timeout in milliseconds.
#[derive(Debug, PartialEq, Eq)]
struct Limits(bool, u64, u64, u32, u32);

#[test]
fn a_silent_connection_is_given_up_as_the_parameters_say() {
    let listener = ports::listen();
    let Limits(_, idle, interval, count, timeout) =
        limits(&TcpStream::connect(listener.local_addr().unwrap()).unwrap());
    for (given, expected) in [
        ("", Limits(true, idle, interval, count, timeout)),
        ("keepalives=0 keepalives_idle=7", Limits(false, idle, interval, count, timeout)),
        ("keepalives=1 keepalives_idle=7", Limits(true, 7, interval, count, timeout)),
        ("keepalives_interval=3 keepalives_count=2", Limits(true, idle, 3, 2, timeout)),
        ("tcp_user_timeout=4321", Limits(true, idle, interval, count, 4321)),
        (
            "keepalives_idle=-7 keepalives_interval=-3 keepalives_count=-2 tcp_user_timeout=-1",
            Limits(true, idle, interval, count, timeout),
        ),
    ] {
        let mut running = connect(&format!("{} {given}", trusted()))
            .args(["sh", "-c", "echo held; read end; :"])
            .pipe_stdin()
            .spawn();
        running.wait_for_stdout_line("held");
        match socket(&running) {
            Ok(socket) => assert_eq!(limits(&socket), expected, "{given}"),
            Err(Errno::PERM | Errno::NOSYS) => {
                let lack = "this system does not let us look at another process's sockets";
                return did_not_run("the limits of a connection", lack);
            }
            Err(errno) => panic!("{errno}"),
        }
        running.close_stdin();
        assert_eq!(running.wait().code, Some(0));
    }
}

#[test]
fn a_limit_that_the_system_does_not_take_is_a_mistake_and_told_by_its_name() {
    for parameter in ["keepalives_idle", "keepalives_interval", "keepalives_count"] {
        let outcome = connect(&format!("{} {parameter}=40000", trusted())).args(["--wait", "true"]).run();
        let words = format!("the system refuses the value of {parameter}: Invalid argument");
        assert_failed(&outcome, 78, &words);
    }
}

/// The program's connection to the shared server.
fn socket(running: &Running) -> Result<TcpStream, Errno> {
    let process = pidfd_open(Pid::from_raw(running.pid()).unwrap(), PidfdFlags::empty())?;
    for entry in fs::read_dir(format!("/proc/{}/fd", running.pid())).unwrap() {
        let number: RawFd = entry.unwrap().file_name().to_str().unwrap().parse().unwrap();
        let stream = TcpStream::from(pidfd_getfd(&process, number, PidfdGetfdFlags::empty())?);
        if stream.peer_addr().is_ok_and(|peer| peer.port() == shared().port()) {
            return Ok(stream);
        }
    }
    panic!("no connection to the server");
}

fn limits(socket: &TcpStream) -> Limits {
    Limits(
        sockopt::socket_keepalive(socket).unwrap(),
        sockopt::tcp_keepidle(socket).as_ref().map(Duration::as_secs).unwrap(),
        sockopt::tcp_keepintvl(socket).as_ref().map(Duration::as_secs).unwrap(),
        sockopt::tcp_keepcnt(socket).unwrap(),
        sockopt::tcp_user_timeout(socket).unwrap(),
    )
}
