//! The program: it exits with what `cli::main` returns.

use std::process::ExitCode;

fn main() -> ExitCode {
    heimdall::cli::main()
}
