//! All that a user sees: options, supervision, exit codes.
//!
//! | file | what it knows |
//! |---|---|
//! | `options` | what may be typed, and what it means |
//! | `name` | what is to be locked, as the user calls it |
//! | `duration` | durations as people write them |
//! | `run` | the story's beginning: parse, resolve, and do what was asked for |
//! | `job` | the story of a run: connect, acquire, supervise, release, exit code |
//! | `program` | the program and all that descends from it: start, signal, stop, reap |
//! | `descendants` | who descends from us, by the process table |
//! | `terminal` | whether we are in a terminal's foreground |
//! | `signals` | signals as something that can be polled |
//! | `timer` | waiting until a moment comes |
//! | `supervise` | the one loop over socket, signals and timers |
//! | `exit` | the table of exit codes |
//! | `wait` | waiting for a lock that is held elsewhere |
//! | `list` | `--list` |
//! | `report` | heimdall's own lines on standard error |
//! | `stderr` | standard error, whose reader may take his time |
//! | `event` | the transitions, as lines and as JSON |
//! | `json` | JSON, as far as it is needed |

mod descendants;
mod duration;
mod event;
mod exit;
mod job;
mod json;
mod list;
mod name;
mod options;
mod program;
mod report;
mod run;
mod signals;
mod stderr;
mod supervise;
mod terminal;
mod timer;
mod wait;

use std::process::ExitCode;

/// Runs heimdall with the process's own arguments and environment.
#[must_use]
pub fn main() -> ExitCode {
    run::run(std::env::args_os()).into()
}

/// The command line's definition, for whoever documents or tests it.
#[must_use]
pub fn command() -> clap::Command {
    <options::Args as clap::CommandFactory>::command()
}
