//! The end of a connection is noticed at once, whatever ended it, long before a heartbeat could tell.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::Pid;

use super::{assert_stopped, kill, pid_behind};
use crate::support::heimdall::{Heimdall, Outcome};
use crate::support::lateness::Lateness;
use crate::support::poll;
use crate::support::postgres::{Cluster, ClusterOptions, Stop, shared};
use crate::support::proxy::Proxy;
use crate::support::scripted::{Connection, Scripted, backend};

const JOB: &str =
    "sleep 300 & echo child $!; echo backend $HEIMDALL_BACKEND_PID; echo program $$; wait; sleep 300";

/// Has `fault` strike while a job runs, and expects its end at once; the fault is told the backend.
fn lose(conninfo: &str, name: &str, fault: impl FnOnce(Pid)) -> Outcome {
    // The first heartbeat is due after ten seconds.
    let options = ["--name", name, "--lease", "10m", "sh", "-c", JOB];
    let running = Heimdall::new().database(conninfo).args(options).spawn();
    let job = ["program", "child"].map(|word| pid_behind(&running, word));
    let backend = pid_behind(&running, "backend");
    let lateness = Lateness::measure();
    fault(backend);
    let start = Instant::now();
    let outcome = running.wait();
    let elapsed = start.elapsed();
    assert!(elapsed < lateness.allow(Duration::from_secs(5)), "{elapsed:?}");
    assert_stopped(&job);
    assert_eq!(outcome.code, Some(74), "{}", outcome.stderr);
    assert!(outcome.stderr.contains(&format!("lost the lock heimdall/{name} ")), "{}", outcome.stderr);
    outcome
}

#[test]
fn promise_5_a_closed_connection_is_noticed_at_once() {
    let proxy = Proxy::start(([127, 0, 0, 1], shared().port()).into(), Duration::ZERO);
    lose(&format!("{} user=trust_user dbname=app", proxy.tcp()), "closed", |_| proxy.cut());
}

#[test]
fn promise_5_a_reset_connection_is_noticed_at_once() {
    let (reset, may_reset) = mpsc::channel();
    let server = holding(move |connection| {
        may_reset.recv().unwrap();
        connection.end_in_reset();
    });
    let outcome = lose(&format!("{} user=ann", server.tcp()), "reset", |_| reset.send(()).unwrap());
    assert!(outcome.stderr.contains("Connection reset by peer"), "{}", outcome.stderr);
}

#[test]
fn promise_5_a_server_that_stops_is_noticed_at_once() {
    let cluster = Cluster::start(&ClusterOptions::default());
    let outcome = lose(&conninfo(&cluster), "stopped server", |_| cluster.stop(Stop::Fast));
    assert!(outcome.stderr.contains("[57P01]"), "{}", outcome.stderr);
}

#[test]
fn promise_5_a_server_that_crashes_is_noticed_at_once() {
    let cluster = Cluster::start(&ClusterOptions::default());
    // It restarts by itself.
    lose(&conninfo(&cluster), "crashed backend", kill);
    let is_back = || (cluster.log().matches("ready to accept").count() > 1).then_some(());
    poll(Duration::from_secs(30), is_back).expect("a server that starts again");
    lose(&conninfo(&cluster), "crashed server", |_| cluster.stop(Stop::Immediate));
}

#[test]
fn promise_5_garbage_on_an_idle_connection_is_noticed_at_once() {
    for garbage in [&b"\0\0\0\0\0\0"[..], b"D\0\0\0\x01", b"Z\0\0\0\x05T", b"X\xff\xff\xff\xff"] {
        let (send, may_send) = mpsc::channel();
        let server = holding(move |connection| {
            may_send.recv().unwrap();
            connection.send(garbage);
            connection.drain();
        });
        let outcome = lose(&format!("{} user=ann", server.tcp()), "garbage", |_| send.send(()).unwrap());
        assert!(outcome.stderr.contains("broke the protocol"), "{garbage:?}: {}", outcome.stderr);
    }
}

#[test]
fn who_was_asked_to_end_before_the_loss_is_told_all_the_same_that_the_program_was_stopped() {
    let (cut, may_cut) = mpsc::channel();
    let server = holding(move |connection| {
        may_cut.recv().unwrap();
        connection.close();
    });
    let script = "trap 'echo got' TERM; echo ready; while :; do sleep 0.05; done";
    let running = Heimdall::new()
        .database(&format!("{} user=ann", server.tcp()))
        .args(["--name", "asked before", "--kill-after=100ms", "bash", "-c", script])
        .spawn();
    running.wait_for_stdout_line("ready");
    running.signal(15);
    running.wait_for_stdout_line("got");
    cut.send(()).unwrap();
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(74), "{}", outcome.stderr);
    assert!(outcome.stderr.ends_with("ran; the job has been stopped\n"), "{}", outcome.stderr);
}

/// Grants the lock, answers what is said to keep it, and goes on as `script` says.
pub(super) fn holding(mut script: impl FnMut(&mut Connection) + Send + 'static) -> Scripted {
    Scripted::start(move |connection| {
        connection.startup();
        connection.expect(b'Q');
        connection.send(&backend::answered(&backend::granted("42")));
        connection.answer_holder();
        script(connection);
    })
}

fn conninfo(cluster: &Cluster) -> String {
    format!("{} user=postgres dbname=postgres", cluster.tcp())
}
