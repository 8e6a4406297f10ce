//! The files that heimdall keeps up to date while it runs. A thread of their own writes them: a file system that hangs must not
//! keep heimdall from watching the lock.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock, fstat};
use rustix::io::Errno;

use super::metrics::{self, Changes, extend, merge};
use super::standing;
use super::stderr::start_quiet_thread;
use crate::net::os_error_text;

/// Where the files are.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct Paths {
    pub(in crate::cli) status: Option<PathBuf>,
    pub(in crate::cli) metrics: Option<PathBuf>,
}

/// What is handed to the thread.
#[derive(Debug, Clone)]
pub(super) struct Files(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    pending: Mutex<Pending>,
    changed: Condvar,
}

/// What is still to be written; what comes later takes its place or is added, so that it never gets long.
#[derive(Debug, Default)]
struct Pending {
    status: Option<String>,
    changes: Changes,
    is_writing: bool,
}

impl Files {
    /// Starts the thread, which warns once of each file that can't be written.
    pub(super) fn open(paths: Paths, warn: impl Fn(String) + Send + 'static) -> io::Result<Self> {
        let files = Self(Arc::default());
        let shared = Arc::clone(&files.0);
        start_quiet_thread(STACK, move || shared.write(&paths, warn))?;
        Ok(files)
    }

    /// Has the status written.
    pub(super) fn status(&self, text: String) {
        self.0.lock().status = Some(text);
        self.0.changed.notify_all();
    }

    /// Has the metrics changed.
    pub(super) fn metrics(&self, changes: Changes) {
        extend(&mut self.0.lock().changes, changes);
        self.0.changed.notify_all();
    }

    /// Waits until all is written, or can't be, no longer than that.
    pub(super) fn flush(&self, limit: Duration) {
        let is_busy = |pending: &mut Pending| pending.is_writing || !pending.is_empty();
        drop(self.0.changed.wait_timeout_while(self.0.lock(), limit, is_busy));
    }
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.status.is_none() && self.changes.is_empty()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, paths: &Paths, warn: impl Fn(String)) {
        let mut status = None;
        let mut unwritten = Changes::new();
        let mut told = [false; 2];
        let mut kept = None;
        let mut tell = |which: usize, what: &str, path: &Path, error: &io::Error| {
            if let Some(told) = told.get_mut(which).filter(|told| !**told) {
                *told = true;
                let (path, reason) = (path.display().to_string(), os_error_text(error));
                warn(format!("cannot write the {what} \"{}\": {reason}", path.escape_debug()));
            }
        };
        let mut pending = self.lock();
        loop {
            // Another may keep the file, and end soon.
            let limit = if status.is_some() { RETRY } else { Duration::MAX };
            let waited = self.changed.wait_timeout_while(pending, limit, |pending| pending.is_empty());
            (pending, _) = waited.unwrap_or_else(PoisonError::into_inner);
            status = pending.status.take().or(status);
            extend(&mut unwritten, std::mem::take(&mut pending.changes));
            pending.is_writing = true;
            drop(pending);
            if let (Some(path), Some(text)) = (&paths.status, &status) {
                match keep(path, text, &mut kept) {
                    Ok(()) => status = None,
                    Err(error) => tell(0, "status file", path, &error),
                }
            }
            if let Some(path) = paths.metrics.as_ref().filter(|_| !unwritten.is_empty()) {
                match change(path, &unwritten) {
                    Ok(()) => unwritten.clear(),
                    Err(error) => tell(1, "metrics", path, &error),
                }
            }
            pending = self.lock();
            pending.is_writing = false;
            self.changed.notify_all();
        }
    }
}

/// Puts the status in the place of the file, and keeps that locked for as long as it is the status: so it is known whether who
/// wrote it lives, wherever that is (`cli/show/here`), and no other heimdall writes there.
fn keep(path: &Path, text: &str, kept: &mut Option<File>) -> io::Result<()> {
    let old = Old::read(path, |text| standing::state(text).is_some());
    let is_kept = matches!((&old, &*kept), (Ok(Some(old)), Some(kept)) if is_same(&old.file, kept));
    // From here on no one believes what was true before, should this fail or hang.
    *kept = None;
    let old = old?;
    if let Some(old) = &old
        && !is_kept
        && flock(&old.file, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK)
    {
        return Err(io::Error::other("another heimdall keeps it; give each a file of its own"));
    }
    *kept = Some(replace(path, text, old)?);
    Ok(())
}

fn is_same(one: &File, other: &File) -> bool {
    let place = |file| fstat(file).map(|found| (found.st_dev, found.st_ino));
    place(one) == place(other)
}

/// Puts the text in the place of the file, whole or not at all. Returns the new file, locked.
fn replace(path: &Path, text: &str, old: Option<Old>) -> io::Result<File> {
    let name = path.file_name().ok_or(io::ErrorKind::NotFound)?.to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}", std::process::id()));
    // Perhaps left by an earlier process of this number; never somebody else's symbolic link, in a folder that all may write
    // to.
    let _ = fs::remove_file(&temporary);
    let written = File::create_new(&temporary).and_then(|mut file| {
        // Where this can't be had, no one can tell whether we live.
        let _ = flock(&file, FlockOperation::NonBlockingLockExclusive);
        file.write_all(text.as_bytes())?;
        if let Some(old) = old {
            file.set_permissions(old.permissions)?;
        }
        fs::rename(&temporary, path)?;
        Ok(file)
    });
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// The file that is to be replaced.
struct Old {
    file: File,
    permissions: Permissions,
    text: String,
}

impl Old {
    /// Reads the file, if it is there. Refuses what a rename would take away from everyone: a device such as /dev/null, a
    /// symbolic link such as /dev/stdout, and what someone else has written.
    fn read(path: &Path, is_ours: fn(&str) -> bool) -> io::Result<Option<Self>> {
        let found = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            found => found?,
        };
        if !found.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        let mut file = File::open(path)?.take(MAX_BYTES);
        let mut text = String::new();
        // What is no text is not ours either, and the error says that.
        file.read_to_string(&mut text)?;
        if !text.is_empty() && !is_ours(&text) {
            return Err(io::Error::other("what is in it is not heimdall's; name another file"));
        }
        Ok(Some(Self { file: file.into_inner(), permissions: found.permissions(), text }))
    }
}

/// Changes the metrics in the file, which other heimdalls may change too.
fn change(path: &Path, changes: &Changes) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = File::open(folder)?;
    // Where this can't be had, as on some network file systems, a count may get lost when two write at once.
    let _ = flock(&folder, FlockOperation::LockExclusive);
    let old = Old::read(path, metrics::are_ours)?;
    let text = merge(old.as_ref().map_or("", |old| &old.text), changes);
    replace(path, &text, old).map(drop)
}

/// More than the metrics of a thousand locks.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Between two attempts to write a status.
const RETRY: Duration = Duration::from_secs(1);

const STACK: usize = 256 * 1024;
