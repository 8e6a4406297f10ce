//! What descends from us, by the process table of Linux (`man 5 proc_pid_stat`).

use std::fs;
use std::io;
use std::path::Path;

use rustix::io::Errno;
use rustix::process::{Pid, getpgid, getpid};

/// A process, as the table shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: Pid,
    /// Whether it is stopped, or a zombie: it does nothing until it is continued.
    pub(super) is_still: bool,
    pub(super) parent: i32,
    pub(super) group: i32,
}

/// Returns all our descendants, zombies included, parents before their children, except these children of ours and what
/// descends from them.
///
/// # Errors
/// There is no process table, or it is that of another PID namespace, whose numbers mean other processes.
pub(super) fn descendants(is_excepted: impl Fn(Pid) -> bool) -> io::Result<Vec<Process>> {
    let ours = getpid().as_raw_nonzero().get();
    if fs::read_link("/proc/self")?.to_str() != Some(&ours.to_string()) {
        return Err(io::Error::other("/proc shows the processes of another PID namespace"));
    }
    let mut table = table()?;
    let mut found: Vec<Process> = Vec::new();
    let mut parents = vec![ours];
    while let Some(parent) = parents.pop() {
        table.extend(hidden(parent, &table)?);
        for process in table.iter().filter(|process| process.parent == parent) {
            if parent != ours || !is_excepted(process.pid) {
                found.push(*process);
                parents.push(process.pid.as_raw_nonzero().get());
            }
        }
    }
    Ok(found)
}

/// Returns the children of a process that `/proc` hides: it may hide those that we may not trace, such as one of our own user
/// whose program may not be read (`hidepid`, `man 5 proc`), but does not leave them out where it lists who is whose child.
fn hidden(parent: i32, table: &[Process]) -> io::Result<Vec<Process>> {
    let mut processes = Vec::new();
    // What has ended, or is hidden itself, shows no threads.
    let threads = unless_exhausted(fs::read_dir(format!("/proc/{parent}/task")))?;
    for thread in threads.into_iter().flatten().map_while(Result::ok) {
        // Not every kernel has the list.
        let children = unless_exhausted(fs::read_to_string(thread.path().join("children")))?;
        let children = children.unwrap_or_default();
        for pid in children.split_ascii_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)) {
            // One that can be seen was forked during the walk: the next one finds it, so that this comes to an end.
            let is_visible = || Path::new(&format!("/proc/{}/stat", pid.as_raw_nonzero())).exists();
            if table.iter().all(|process| process.pid != pid) && !is_visible() {
                let group = getpgid(Some(pid)).map_or(0, |group| group.as_raw_nonzero().get());
                processes.push(Process { pid, is_still: false, parent, group });
            }
        }
    }
    Ok(processes)
}

/// Returns the environment that a process was started with, if we may see it; a process may have overwritten it.
pub(super) fn environment(pid: Pid) -> Option<Vec<u8>> {
    fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())).ok()
}

/// Whether a process has this open, as far as we may see.
pub(super) fn has_open(pid: Pid, file: &Path) -> bool {
    let open = fs::read_dir(format!("/proc/{}/fd", pid.as_raw_nonzero())).into_iter().flatten();
    open.map_while(Result::ok).any(|fd| fs::read_link(fd.path()).is_ok_and(|open| open == file))
}

fn table() -> io::Result<Vec<Process>> {
    let mut processes = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process that has ended meanwhile has no file any more.
        let stat = unless_exhausted(fs::read(format!("/proc/{pid}/stat")))?;
        processes.extend(stat.and_then(|stat| read(pid, &stat)));
    }
    Ok(processes)
}

/// Returns what could be read, if anything.
fn unless_exhausted<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if is_exhaustion(&error) => Err(error),
        result => Ok(result.ok()),
    }
}

/// Whether we have run out of descriptors: then there is a table, and it can't be read.
pub(super) fn is_exhaustion(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// How many fields stand between the group and the number of threads.
const THREADS: usize = 14;

/// `PID (NAME) STATE PARENT GROUP …`, where NAME may hold anything.
fn read(pid: i32, stat: &[u8]) -> Option<Process> {
    let name_end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = str::from_utf8(stat.get(name_end + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let (parent, group) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let threads = fields.nth(THREADS).and_then(|threads| threads.parse().ok()).unwrap_or(1);
    let is_still = match state {
        "T" | "t" | "X" => true,
        // So is shown one whose first thread has ended, whatever the others do.
        "Z" => threads <= 1,
        _ => false,
    };
    Some(Process { pid: Pid::from_raw(pid)?, is_still, parent, group })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let process = read(7, b"7 (a) S 1 (\xff) R 3 7 7 0 -1").unwrap();
        assert_eq!((process.pid.as_raw_nonzero().get(), process.parent, process.group), (7, 3, 7));
        assert!(!process.is_still && read(8, b"8 (b) T 3 7").unwrap().is_still);
        assert_eq!(read(7, b"7 (cat) R 3"), None);
        assert_eq!(read(7, b""), None);
    }

    #[test]
    fn a_process_whose_first_thread_has_ended_is_no_zombie() {
        // As Linux shows them, but for what follows the number of threads.
        let rest = b"7 7 0 -1 4227148 88 0 0 0 0 0 0 0 20 0 ";
        for (threads, is_still) in [(b'2', false), (b'1', true), (b'0', true)] {
            let stat = [b"7 (a) Z 3 ", &rest[..], &[threads]].concat();
            assert_eq!(read(7, &stat).unwrap().is_still, is_still, "{threads}");
        }
    }
}
