//! Socket activation (`man 3 sd_listen_fds`): the descriptors that a service manager has passed to heimdall are the program's.
//!
//! `LISTEN_PID` has to be the program's process id, which is known only once there is a process. So heimdall starts itself in
//! the program's place, and that heimdall notes its process id and becomes the program: no code runs between fork and exec.

use std::env;
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::process;
use std::sync::Arc;

use nix::unistd::{execve, execvpe};
use rustix::io::Errno;
use rustix::process::Signal;

use super::spawn::{SHELL, c_string, found, is_executable, words_for_shell};
use super::unrunnable::Unrunnable;
use crate::cli::exit::Exit;
use crate::cli::report::Report;

/// Returns the program to start and its arguments where descriptors were passed to this process.
///
/// # Errors
/// There is no such program, or it can't be executed: to start it would be to start heimdall, which can be done.
pub(in crate::cli) fn words(
    program: &OsStr,
    arguments: &[OsString],
) -> io::Result<Option<(OsString, Vec<OsString>)>> {
    if env::var(LISTEN_PID).ok().and_then(|pid| pid.parse().ok()) != Some(process::id()) {
        return Ok(None);
    }
    if !is_executable(&found(program).ok_or(Errno::NOENT)?) {
        return Err(Errno::ACCESS.into());
    }
    // What runs may have been replaced on the disk, or be out of reach.
    let us = env::current_exe().map_or_else(|_| env::args_os().next(), |_| Some(OURSELVES.into()));
    let words = [OsStr::new(BECOME), program].into_iter().chain(arguments.iter().map(OsString::as_os_str));
    Ok(us.map(|us| (us, words.map(OsStr::to_owned).collect())))
}

/// Becomes the program if heimdall was started by [`words`]; returns how heimdall ends where it can't.
pub(in crate::cli) fn become_program(arguments: &[OsString], report: &Report) -> Option<Exit> {
    let [_, first, words @ ..] = arguments else { return None };
    let program = words.first().filter(|_| first == BECOME)?;
    let Err(error) = execute(words);
    report.error(Unrunnable { program, error: &error });
    Some(if error.kind() == io::ErrorKind::NotFound { Exit::NotFound } else { Exit::NotExecutable })
}

fn execute(words: &[OsString]) -> io::Result<std::convert::Infallible> {
    // Rust's runtime has ignored it; a handler is the default action again in the program.
    signal_hook::flag::register(Signal::PIPE.as_raw(), Arc::default())?;
    let program = words.first().ok_or(io::ErrorKind::InvalidInput)?;
    let words = words.iter().cloned().map(c_string).collect::<io::Result<Vec<CString>>>()?;
    let variables = env::vars_os().filter(|(name, _)| name != LISTEN_PID && name != LISTEN_PIDFDID);
    let pid = (OsString::from(LISTEN_PID), OsString::from(process::id().to_string()));
    let variables = variables.chain([pid]).map(|(name, value)| {
        let mut variable = name;
        variable.push("=");
        variable.push(value);
        c_string(variable)
    });
    let variables = variables.collect::<io::Result<Vec<CString>>>()?;
    match execvpe(&c_string(program.clone())?, &words, &variables) {
        // Not every C library's does that itself.
        Err(nix::Error::ENOEXEC) => Ok(execve(SHELL, &words_for_shell(program, &words)?, &variables)?),
        result => Ok(result?),
    }
}

const LISTEN_PID: &str = "LISTEN_PID";

/// The same process once more, as the inode of its pidfd, where systemd is new: it need not be there.
const LISTEN_PIDFDID: &str = "LISTEN_PIDFDID";

const OURSELVES: &str = "/proc/self/exe";

/// No one types this.
const BECOME: &str = "--become-the-program-that-descriptors-were-passed-to";
