//! Figures of a handover: how soon a lock that gets free has its next holder, and how many statements those who wait cost the
//! server, with the line and with the pauses of before. docs/waiting.md has them as they are printed here.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::thread;
use std::time::{Duration, Instant};

use heimdall::internals::rules::{Found, Next, Waiter};
use heimdall::lock::{Moment, Place};

use crate::milliseconds;
use crate::support::dice::Dice;
use crate::support::heimdall::{Heimdall, Running};
use crate::support::postgres::{Cluster, ClusterOptions};

pub fn handover() {
    println!(
        "handover after a wait of 2 s and of 60 s, median and 95th percentile, and statements a second at the server:"
    );
    println!("| who waits | after 2 s | statements | after 60 s | statements |");
    println!("|---|---|---|---|---|");
    for (design, has_line) in [("before, simulated", false), ("simulated", true)] {
        for waiters in [1, 10, 100, 1000] {
            let cells =
                [2, 60].map(|seconds| simulated(waiters, Duration::from_secs(seconds), has_line).to_string());
            println!("| {waiters}, {design} | {} |", cells.join(" | "));
        }
    }
    let cluster = Cluster::start(&ClusterOptions {
        configuration: "max_connections = 300\nlog_statement = all".to_owned(),
        ..ClusterOptions::default()
    });
    for waiters in [1, 10] {
        let cells = [2, 60].map(|seconds| real(&cluster, waiters, Duration::from_secs(seconds)).to_string());
        println!("| {waiters}, processes on this machine, load {} | {} |", load(), cells.join(" | "));
    }
    for (design, has_line) in [("before", false), ("with the line", true)] {
        let times = (0..100).map(|seed| queue(20, &mut Dice::new(seed), has_line)).collect();
        println!("20 who wait, jobs of 50 ms, all have run after (simulated, {design}): {}", Times(times));
    }
}

/// How many processes have lately wanted a processor of this machine, of how many there are.
fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let processors = thread::available_parallelism().map_or(0, usize::from);
    format!("{} of {processors}", load.split(' ').next().unwrap_or("?"))
}

/// Of several handovers.
struct Figures {
    times: Times,
    statements: f64,
}

struct Times(Vec<Duration>);

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut times = self.0.clone();
        times.sort();
        let at = |part: usize| milliseconds(times[(times.len() * part / 100).min(times.len() - 1)]);
        write!(f, "{:.0} ms, {:.0} ms", at(50), at(95))
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} | {:.1}", self.times, self.statements)
    }
}

/// The rules of waiting, with a server that answers after a millisecond and never fails.
struct Simulation<'a> {
    dice: &'a mut Dice,
    has_line: bool,
    waiters: Vec<Waiter>,
    heir: Option<usize>,
    /// Who tries next, and when.
    next: BinaryHeap<Reverse<(Duration, usize)>>,
}

const ROUND_TRIP: Duration = Duration::from_millis(1);

impl<'a> Simulation<'a> {
    /// All come within a fifth of a second, and find the lock held.
    fn new(count: usize, dice: &'a mut Dice, has_line: bool) -> Self {
        let mut simulation =
            Self { dice, has_line, waiters: Vec::new(), heir: None, next: BinaryHeap::new() };
        for number in 0..count {
            let now = simulation.dice.between(Duration::ZERO, Duration::from_millis(200));
            simulation.waiters.push(Waiter::new(None, Moment::START.after(now)));
            simulation.is_busy(number, now);
        }
        simulation
    }

    /// What the waiter does then.
    fn is_busy(&mut self, number: usize, now: Duration) {
        let place = match (self.has_line, self.heir == Some(number)) {
            (false, _) => Place::Outside,
            (true, true) => Place::Heir,
            (true, false) => Place::Behind,
        };
        let waiter = &mut self.waiters[number];
        loop {
            let found = Found::Busy { is_watched: false, place };
            match waiter.next(found, Moment::START.after(now), self.dice.next() as u32) {
                Next::Ask { .. } => {}
                Next::Try { pause, .. } => break self.next.push(Reverse((now + pause + ROUND_TRIP, number))),
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next statement: when it comes, whose it is, and whether it tries the lock.
    fn statement(&mut self) -> (Duration, usize, bool) {
        let Reverse((now, number)) = self.next.pop().unwrap();
        if self.has_line {
            self.heir.get_or_insert(number);
        }
        (now, number, !self.has_line || self.heir == Some(number))
    }
}

fn simulated(waiters: usize, wait: Duration, has_line: bool) -> Figures {
    let times = if has_line { 400 } else { 4000 / waiters.clamp(10, 100) };
    let window = (wait / 2).min(Duration::from_secs(10));
    let mut statements = 0;
    let handovers = (0..times).map(|seed| {
        let mut dice = Dice::new(seed as u64);
        let free = wait + dice.between(Duration::ZERO, Duration::from_secs(1));
        let mut simulation = Simulation::new(waiters, &mut dice, has_line);
        loop {
            let (now, number, tries) = simulation.statement();
            if tries && now >= free {
                break now.saturating_sub(free);
            }
            statements += usize::from(now < free && now + window >= free);
            simulation.is_busy(number, now);
        }
    });
    let handovers = Times(handovers.collect());
    Figures { times: handovers, statements: statements as f64 / times as f64 / window.as_secs_f64() }
}

/// How long it takes until each of those who wait has had the lock for 50 ms.
fn queue(waiters: usize, dice: &mut Dice, has_line: bool) -> Duration {
    let mut simulation = Simulation::new(waiters, dice, has_line);
    let mut free = Duration::from_millis(300);
    let mut left = waiters;
    loop {
        let (now, number, tries) = simulation.statement();
        if !tries || now < free {
            simulation.is_busy(number, now);
            continue;
        }
        free = now + Duration::from_millis(50);
        simulation.heir = None;
        left -= 1;
        if left == 0 {
            return free;
        }
    }
}

/// From the end of the holder, which has given the lock back, to the first line of a waiter's program. On several locks at a
/// time, and several times: of 20 handovers alone, chance would move the median by 10 ms.
fn real(cluster: &Cluster, waiters: usize, wait: Duration) -> Figures {
    const ROUNDS: u32 = 4;
    let rounds: Vec<(Vec<Duration>, f64)> = (0..ROUNDS).map(|_| round(cluster, waiters, wait)).collect();
    let statements = rounds.iter().map(|(_, rate)| rate).sum::<f64>() / f64::from(ROUNDS);
    Figures { times: Times(rounds.into_iter().flat_map(|(times, _)| times).collect()), statements }
}

/// The times of a round, and the statements a second that one lock has cost at the end of the wait.
fn round(cluster: &Cluster, waiters: usize, wait: Duration) -> (Vec<Duration>, f64) {
    const LOCKS: usize = 20;
    let database = format!("{} user=postgres dbname=postgres", cluster.tcp());
    let named =
        |lock: usize| Heimdall::new().database(&database).args(["--name", &format!("handover {lock}")]);
    let locks: Vec<_> = (0..LOCKS).map(|lock| (lock, named(lock).hold())).collect();
    // Who has the lock keeps it, so that the others do no more than wait while other locks are handed over.
    let program = ["--wait", "sh", "-c", "echo mine; exec sleep 600"];
    let all: Vec<Vec<Running>> =
        (0..LOCKS).map(|lock| (0..waiters).map(|_| named(lock).args(program).spawn()).collect()).collect();
    for waiter in all.iter().flatten() {
        waiter.wait_for_stderr_line("waiting for the lock");
    }
    let statements = || cluster.log().lines().filter(|line| line.contains("try_advisory")).count();
    thread::sleep(wait / 2);
    let (before, start) = (statements(), Instant::now());
    thread::sleep(wait / 2);
    let rate = (statements() - before) as f64 / start.elapsed().as_secs_f64() / LOCKS as f64;
    let times = locks.into_iter().map(|(lock, holder)| {
        thread::sleep(Duration::from_millis(u64::from(getrandom::u32().unwrap() % 100)));
        holder.finish();
        let start = Instant::now();
        while !all[lock].iter().any(|waiter| waiter.has_printed("mine")) {
            thread::sleep(Duration::from_millis(1));
        }
        start.elapsed()
    });
    let times = times.collect();
    all.iter().flatten().for_each(|waiter| waiter.signal(15));
    for waiter in all.into_iter().flatten() {
        waiter.wait();
    }
    (times, rate)
}
