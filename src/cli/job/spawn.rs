//! Starting the program, in the surroundings that heimdall itself was started in.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawnp};
use nix::sys::signal::{SigSet, Signal};
use rustix::fs::{Access, access};
use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::process::{Pid, Resource, getrlimit};

/// What is to be started, and how.
pub(in crate::cli) struct Start<'a> {
    pub(in crate::cli) program: &'a OsStr,
    pub(in crate::cli) arguments: &'a [OsString],
    /// Added to the environment; one without a value is removed.
    pub(in crate::cli) variables: Vec<(&'static str, Option<String>)>,
    /// Whether the program stays in our process group, instead of leading one of its own.
    pub(in crate::cli) in_our_group: bool,
    /// A descriptor to be inherited besides those that our caller has passed.
    pub(in crate::cli) inherited: Option<BorrowedFd<'a>>,
    /// The signal mask that our caller has left.
    pub(in crate::cli) mask: &'a SigSet,
}

/// Starts the program with our standard streams, working directory, environment and inherited descriptors; `last` is asked
/// right before that whether it may start. Returns `None` where it may not.
pub(super) fn spawn(start: Start<'_>, last: &mut dyn FnMut() -> bool) -> io::Result<Option<Pid>> {
    let mut flags = PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF;
    let mut attributes = PosixSpawnAttr::init()?;
    attributes.set_sigmask(start.mask)?;
    // Rust's runtime ignores it before any code of ours runs, and keeps to itself what our caller did.
    attributes.set_sigdefault(&SigSet::from(Signal::SIGPIPE))?;
    if !start.in_our_group {
        flags |= PosixSpawnFlags::POSIX_SPAWN_SETPGROUP;
        attributes.set_pgroup(nix::unistd::Pid::from_raw(0))?;
    }
    attributes.set_flags(flags)?;
    // Ours stays closed on exec.
    let inherited = start.inherited.map(high).transpose()?;
    if let Some(fd) = &inherited {
        fcntl_setfd(fd, FdFlags::empty())?;
    }
    let program = c_string(start.program.to_owned())?;
    let arguments = std::iter::once(start.program).chain(start.arguments.iter().map(OsString::as_os_str));
    let arguments = arguments.map(|word| c_string(word.to_owned())).collect::<io::Result<Vec<_>>>()?;
    let environment = environment(start.variables)?;
    let actions = PosixSpawnFileActions::init()?;
    if !last() {
        return Ok(None);
    }
    let pid = match posix_spawnp(&program, &actions, &attributes, &arguments, &environment) {
        Err(nix::Error::ENOEXEC) => {
            let words = words_for_shell(start.program, &arguments)?;
            posix_spawnp(SHELL, &actions, &attributes, &words, &environment)?
        }
        result => result?,
    };
    Ok(Some(Pid::from_raw(pid.as_raw()).ok_or(io::ErrorKind::InvalidData)?))
}

/// As execvp(3) does it: a script that does not say what it is for is one for the shell. Returns the words to start [`SHELL`]
/// with in place of these.
pub(super) fn words_for_shell(program: &OsStr, words: &[CString]) -> io::Result<Vec<CString>> {
    let script = found(program).map_or_else(|| program.to_owned(), OsString::from);
    let mut all = vec![c"sh".to_owned(), c_string(script)?];
    all.extend(words.iter().skip(1).cloned());
    Ok(all)
}

pub(super) const SHELL: &CStr = c"/bin/sh";

/// Returns a copy of the descriptor that is out of the way of scripts, which use low numbers as they like: one that closes
/// it would give the lock away after a `kill -9` of heimdall, and one that writes to it would end the session.
fn high(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let limit = getrlimit(Resource::Nofile).current.and_then(|limit| i32::try_from(limit).ok());
    let top = limit.unwrap_or(i32::MAX).min(USUAL_LIMIT);
    let copy = fcntl_dupfd_cloexec(fd, (top - BELOW_LIMIT).max(0)).or_else(|_| fcntl_dupfd_cloexec(fd, 0));
    Ok(copy?)
}

/// What `ulimit -n` usually says; select(2) knows no descriptor above.
const USUAL_LIMIT: i32 = 1024;

/// Room for others that are at the top.
const BELOW_LIMIT: i32 = 64;

fn environment(variables: Vec<(&'static str, Option<String>)>) -> io::Result<Vec<CString>> {
    let is_ours = |name: &OsStr| variables.iter().any(|(ours, _)| name == *ours);
    let mut entries: Vec<(OsString, OsString)> =
        std::env::vars_os().filter(|(name, _)| !is_ours(name)).collect();
    entries.extend(variables.into_iter().filter_map(|(name, value)| Some((name.into(), value?.into()))));
    let entry = |(name, value): (OsString, OsString)| {
        let mut entry = name;
        entry.push("=");
        entry.push(value);
        c_string(entry)
    };
    entries.into_iter().map(entry).collect()
}

/// Returns the path of the program that `posix_spawnp` finds, or where there is none, of what is in its place and can't be
/// executed.
pub(super) fn found(program: &OsStr) -> Option<PathBuf> {
    if program.as_bytes().contains(&b'/') {
        return Some(PathBuf::from(program)).filter(|path| path.exists());
    }
    let places = std::env::var_os("PATH").unwrap_or_else(|| USUAL_PATH.into());
    let paths = || std::env::split_paths(&places).map(|place| place.join(program));
    let first = |is: fn(&Path) -> bool| paths().find(|path| is(path));
    first(is_executable).or_else(|| first(Path::is_file)).or_else(|| first(Path::exists))
}

/// Whether we may execute it, as far as its permissions say.
pub(super) fn is_executable(path: &Path) -> bool {
    path.is_file() && access(path, Access::EXEC_OK).is_ok()
}

/// Where programs are looked for without a `PATH` (`man 3 exec`).
const USUAL_PATH: &str = "/usr/local/bin:/bin:/usr/bin";

pub(super) fn c_string(word: OsString) -> io::Result<CString> {
    Ok(CString::new(word.into_vec())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_not_start_at_the_last_look_is_not_started() {
        let mask = SigSet::empty();
        for (may_start, program) in [(false, "true"), (true, "true"), (false, "/is/not/there")] {
            let start = Start {
                program: program.as_ref(),
                arguments: &[],
                variables: Vec::new(),
                in_our_group: true,
                inherited: None,
                mask: &mask,
            };
            assert_eq!(spawn(start, &mut || may_start).unwrap().is_some(), may_start, "{program}");
        }
    }
}
