//! `--is-held-here`: whether a heimdall of this host runs its program under the lock, by the status file that it keeps. It needs
//! neither a server nor `/proc`, and so works as a probe in an image that has nothing but heimdall.

use std::fmt;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use crate::cli::exit::Exit;
use crate::cli::options::name::Lock;
use crate::cli::report::files::open_regular;
use crate::cli::report::standing::{self, RUNNING};
use crate::cli::report::{Report, os_error_text};
use crate::proto::text::printable;

/// Says by the exit code whether the lock is held here, and why not on standard error.
///
/// # Errors
/// The file can't be read.
pub(in crate::cli) fn is_held(path: &Path, lock: Option<&Lock>, report: &Report) -> Result<Exit, Exit> {
    let file = path.display().to_string();
    let file = file.escape_debug();
    match look(path, lock) {
        Ok(None) => Ok(Exit::Success),
        Ok(Some(why)) => {
            report.warning(format_args!("the lock is not held here: {why} (status file \"{file}\")"));
            Ok(Exit::NotHere)
        }
        Err(error) => {
            report.error(format_args!("cannot read the status file \"{file}\": {}", os_error_text(&error)));
            Err(Exit::Configuration)
        }
    }
}

/// Why the lock is not held here.
enum NotHere {
    NoFile,
    /// Who wrote the file is gone, by `kill -9` or with the host.
    Gone,
    State(String),
    OtherLock,
    NoStatus,
}

fn look(path: &Path, lock: Option<&Lock>) -> io::Result<Option<NotHere>> {
    let file = match open_regular(path, OFlags::empty()) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(NotHere::NoFile)),
        Err(error) => return Err(error),
    };
    let mut text = Vec::new();
    (&file).take(MAX_BYTES).read_to_end(&mut text)?;
    let shown = printable(&text);
    let Some(state) = standing::state(&shown) else { return Ok(Some(NotHere::NoStatus)) };
    // Who wrote it keeps it locked for as long as that is the state (`cli/report/files`).
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => return Ok(Some(NotHere::Gone)),
        Err(Errno::WOULDBLOCK) => {}
        Err(error) => return Err(error.into()),
    }
    if lock.is_some_and(|lock| !standing::is_of(lock, &String::from_utf8_lossy(&text))) {
        return Ok(Some(NotHere::OtherLock));
    }
    Ok((state != RUNNING).then(|| NotHere::State(state.to_owned())))
}

impl fmt::Display for NotHere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFile => f.write_str("no heimdall has begun yet"),
            Self::Gone => f.write_str("the heimdall that was here is gone"),
            Self::State(state) => write!(f, "its state is \"{state}\""),
            Self::OtherLock => f.write_str("that is the status of another lock"),
            Self::NoStatus => f.write_str("that is no status file"),
        }
    }
}

/// Longer than any status, whatever the lock is called.
const MAX_BYTES: u64 = 64 * 1024;
