//! All that a user sees: options, supervision, exit codes.

use std::process::ExitCode;

/// Runs heimdall with the process's own arguments and environment.
#[must_use]
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
