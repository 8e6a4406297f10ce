//! All that a user sees: options, waiting, supervision, exit codes.

mod connect;
#[allow(missing_docs, clippy::must_use_candidate, reason = "public for `internals` alone")]
pub(crate) mod exit;
mod hold;
mod job;
mod options;
mod program;
pub(crate) mod report;
#[allow(missing_docs, clippy::must_use_candidate, reason = "public for `internals` alone")]
pub(crate) mod rules;
mod run;
mod show;
mod signals;
mod stop;
mod supervise;
mod tend;
mod timer;
mod wait;

use std::process::ExitCode;

/// Runs heimdall with the process's own arguments and environment.
#[must_use]
pub fn main() -> ExitCode {
    if signals::witness::was_one() {
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
