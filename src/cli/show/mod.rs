//! The options that print something and run nothing: `--list`, `--print-key`, `--print-conninfo`.

pub(super) mod check;
pub(super) mod here;
pub(super) mod list;
pub(super) mod watch;

use std::io::{self, BufWriter, Stdout, Write};

use nix::sys::signal::{SigSet, Signal};

use crate::cli::connect::{self, failed};
use crate::cli::exit::Exit;
use crate::cli::options::name::Lock;
use crate::cli::report::{Format, Report, os_error_text};
use crate::lock::{Key, Lister, sql};
use crate::net::Deadline;
use list::ListOptions;

/// `--list`: who holds and who waits.
pub(super) fn holders(
    options: &ListOptions,
    database: Option<&str>,
    format: Format,
    report: &Report,
) -> Result<Exit, Exit> {
    let config = connect::config(database, report)?;
    let connect = connect::options(&config, "heimdall --list", options.allows_pooler, report);
    let lock = options.lock.as_ref();
    let request = lock.map(Lock::request);
    let (mut lister, holders) = Lister::connect(&connect, request.as_ref(), Deadline::after(None))
        .map_err(|error| failed(report, &error))?;
    let exit = print(|out| list::write(&holders, lock, format, out), report);
    if let Some(lock) = lock {
        let others = lister.others(lock.all_slots()).map_err(|error| failed(report, &error))?;
        lock.further_slots(&others).iter().for_each(|text| report.warning(text));
    }
    lister.close();
    Ok(exit)
}

/// `--print-key`: the keys, and the SQL that finds their holders.
pub(super) fn key(lock: &Lock, report: &Report) -> Exit {
    let keys: Vec<Key> = lock.request().keys().collect();
    let comment = format!("-- who holds the lock {}:", lock.short());
    let lines = keys.iter().map(Key::to_string).chain([comment, sql::find(&keys)]);
    text(&lines.fold(String::new(), |all, line| all + &line + "\n"), report)
}

/// `--print-conninfo`: every connection parameter in force, and the mistake in them for which a run would end.
pub(super) fn conninfo(database: Option<&str>, report: &Report) -> Result<Exit, Exit> {
    let parameters = connect::parameters(database, report)?;
    let printed = text(&parameters.to_string(), report);
    if printed == Exit::Success {
        connect::checked(&parameters, report)?;
    }
    Ok(printed)
}

/// Prints a text on standard output.
pub(super) fn text(text: &str, report: &Report) -> Exit {
    print(|out| out.write_all(text.as_bytes()), report)
}

fn print(write: impl FnOnce(&mut BufWriter<Stdout>) -> io::Result<()>, report: &Report) -> Exit {
    on_stdout(write).map_or_else(|error| not_written(&error, report), |()| Exit::Success)
}

/// Writes to standard output.
pub(super) fn on_stdout(write: impl FnOnce(&mut BufWriter<Stdout>) -> io::Result<()>) -> io::Result<()> {
    // A file that may not grow is to be an error like any other.
    let _ = SigSet::from(Signal::SIGXFSZ).thread_block();
    let mut out = BufWriter::new(io::stdout());
    write(&mut out).and_then(|()| out.flush())
}

/// Returns how heimdall ends where standard output can't be written to.
pub(super) fn not_written(error: &io::Error, report: &Report) -> Exit {
    // head(1) has seen enough.
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Exit::Success;
    }
    report.error(format_args!("cannot write to standard output: {}", os_error_text(error)));
    Exit::NotWritten
}
