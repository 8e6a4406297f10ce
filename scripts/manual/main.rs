//! Writes the manual page and the shells' completions, laid out as under `/usr/share`: `manual DIRECTORY`.

#![allow(clippy::format_push_string, reason = "a page is short and made once")]

mod completions;
mod markdown;
mod page;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io};

fn main() -> ExitCode {
    let Some(directory) = env::args_os().nth(1) else {
        eprintln!("usage: manual DIRECTORY");
        return ExitCode::from(64);
    };
    match write(&PathBuf::from(directory)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("manual: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Writes all files below a directory.
///
/// # Errors
///
/// Where a file can't be written, or the pages have not what this one is made of.
pub fn write(directory: &Path) -> io::Result<()> {
    let files = [("man/man1/heimdall.1", page::page()?)].into_iter().chain(completions::all());
    for (name, text) in files {
        let path = directory.join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, text)?;
    }
    Ok(())
}
