//! All that a user sees: options, waiting, supervision, exit codes.

mod beside;
mod check;
mod connect;
#[allow(missing_docs, clippy::must_use_candidate, reason = "public for `internals` alone")]
pub(crate) mod course;
mod descendants;
mod duration;
mod event;
#[allow(missing_docs, clippy::must_use_candidate, reason = "public for `internals` alone")]
pub(crate) mod exit;
mod files;
mod half;
mod here;
mod hold;
#[allow(missing_docs, clippy::must_use_candidate, reason = "public for `internals` alone")]
pub(crate) mod holding;
mod job;
mod json;
mod list;
#[cfg(target_os = "linux")]
mod listen;
mod metrics;
mod mistake;
mod name;
mod notify;
mod on_lost;
mod options;
mod preexisting;
mod program;
mod publisher;
mod report;
#[allow(missing_docs, clippy::must_use_candidate, reason = "public for `internals` alone")]
pub(crate) mod restart;
mod run;
mod session_name;
#[allow(missing_docs, clippy::must_use_candidate, reason = "public for `internals` alone")]
pub(crate) mod settle;
mod show;
mod signal_bits;
mod signal_name;
#[cfg(target_os = "linux")]
mod signal_queue;
#[cfg(not(target_os = "linux"))]
#[path = "signal_pipe.rs"]
mod signal_queue;
mod signals;
mod spawn;
mod standing;
mod stderr;
mod stop;
mod supervise;
#[allow(missing_docs, clippy::must_use_candidate, reason = "public for `internals` alone")]
pub(crate) mod supervision;
#[allow(missing_docs, clippy::must_use_candidate, reason = "public for `internals` alone")]
pub(crate) mod supervisor;
mod tend;
mod terminal;
mod timer;
mod unrunnable;
mod wait;
#[allow(missing_docs, clippy::must_use_candidate, reason = "public for `internals` alone")]
pub(crate) mod waiter;
mod watch;
mod witness;

use std::process::ExitCode;

/// Runs heimdall with the process's own arguments and environment.
#[must_use]
pub fn main() -> ExitCode {
    if witness::was_one() {
        return ExitCode::SUCCESS;
    }
    run::run(std::env::args_os()).into()
}

/// The command line's definition, from which the manual page and the completions are made: no part of the library.
#[doc(hidden)]
#[must_use]
pub fn command() -> clap::Command {
    <options::Args as clap::CommandFactory>::command()
}
