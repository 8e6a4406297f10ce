//! `make simulate`: plays worlds for a given time, or tells the story of one: `simulate SECONDS [SEED]`.

#![allow(
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    reason = "as in the tests, whose modules it shares"
)]

mod simulation;

use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use simulation::summary::Summary;
use simulation::{play, story};

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<u64>().ok());
    let time = Duration::from_secs(numbers.next().unwrap_or(10));
    if let Some(seed) = numbers.next() {
        return match story(seed, None) {
            Ok(told) => {
                println!("{told}\nseed {seed} breaks no promise");
                ExitCode::SUCCESS
            }
            Err(told) => {
                println!("{told}");
                ExitCode::FAILURE
            }
        };
    }
    let first = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64 >> 16;
    let mut summary = Summary::default();
    let start = Instant::now();
    for seed in first.. {
        let world = play(seed, None);
        summary.add(&world);
        if world.judge.violation.is_some() {
            println!("{}", story(seed, None).unwrap_err());
            return ExitCode::FAILURE;
        }
        if start.elapsed() >= time {
            break;
        }
    }
    // What others do on this machine does not count.
    let processor = clock_gettime(ClockId::ProcessCPUTime);
    print!("{}", summary.text(Duration::try_from(processor).unwrap()));
    ExitCode::SUCCESS
}
