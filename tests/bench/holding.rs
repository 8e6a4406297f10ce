//! Figures of a lock that is held: how soon its loss is acted upon, what holding costs, and how it is handed on.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::support::heimdall::{Heimdall, Running};
use crate::support::postgres::shared;
use crate::{median, milliseconds};

fn heimdall() -> Heimdall {
    Heimdall::new().database(&format!("{} user=trust_user dbname=app", shared().tcp()))
}

/// By one clock: the server's before it ends the session, and the program's when SIGTERM has come.
pub fn loss() {
    let time = median(31, || {
        let script =
            "trap 'echo $EPOCHREALTIME; exit' TERM; echo $HEIMDALL_BACKEND_PID; while :; do read -t 1; done";
        let mut running = heimdall().args(["--name", "loss", "bash", "-c", script]).pipe_stdin().spawn();
        let backend = running.wait_for_stdout_line("");
        let sql = format!("select extract(epoch from clock_timestamp()), pg_terminate_backend({backend})");
        let answer = shared().sql(&sql);
        let terminated: f64 = answer.split('|').next().unwrap().parse().unwrap();
        running.close_stdin();
        let outcome = running.wait();
        assert_eq!(outcome.code, Some(74), "{}", outcome.stderr);
        let signalled: f64 = outcome.stdout.lines().last().unwrap().parse().unwrap();
        Duration::from_secs_f64((signalled - terminated).max(0.0))
    });
    println!(
        "from pg_terminate_backend to SIGTERM in the program, median of 31: {:.1} ms (under 10 is wanted)",
        milliseconds(time)
    );
}

/// How often heimdall wakes up while its program runs, which it does to ask the server for a sign of life.
pub fn idleness() {
    println!("while the program runs, without traffic:");
    for (lease, seconds) in [("60s", 8), ("6s", 12)] {
        let running = heimdall()
            .args(["--name", lease, "--lease", lease, "sh", "-c", "echo up; exec sleep 60"])
            .spawn();
        running.wait_for_stdout_line("up");
        // What the lock's settings need at the beginning is over when their answer is.
        thread::sleep(Duration::from_millis(500));
        let before = wake_ups(&running);
        thread::sleep(Duration::from_secs(seconds));
        println!(
            "  --lease {lease}: {} wake-ups in {seconds} s, private memory {}",
            wake_ups(&running) - before,
            status(&running, "RssAnon:")
        );
        running.signal(15);
        running.wait();
    }
}

fn wake_ups(running: &Running) -> u64 {
    status(running, "voluntary_ctxt_switches:").parse().unwrap()
}

fn status(running: &Running, key: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{}/status", running.pid())).unwrap();
    text.lines().find_map(|line| line.strip_prefix(key)).unwrap().trim().to_owned()
}

/// One run right behind the other must never find the lock of the one before.
pub fn succession() {
    const RUNS: usize = 1000;
    let busy = (0..RUNS)
        .filter(|_| {
            let outcome = heimdall().args(["--name", "succession", "true"]).run();
            assert!(matches!(outcome.code, Some(0 | 75)), "{}", outcome.stderr);
            outcome.code == Some(75)
        })
        .count();
    println!("heimdall X; heimdall X: {busy} of {RUNS} runs found the lock of the run before");
}
