//! The files that heimdall keeps up to date while it runs. A thread of their own writes them: a file system that hangs must not
//! keep heimdall from watching the lock.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode, OFlags, flock, fstat, open};
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
        let mut told = [false; 3];
        let mut kept = None;
        let mut tell = |which: usize, what: &str, path: &Path, why: &str| {
            if let Some(told) = told.get_mut(which).filter(|told| !**told) {
                *told = true;
                warn(format!("{what} \"{}\"{why}", path.display().to_string().escape_debug()));
            }
        };
        let why = |error| format!(": {}", os_error_text(&error));
        // How often someone else has had the folder of the metrics locked, in a row.
        let mut tries = 0;
        let mut pending = self.lock();
        loop {
            let limit = if pending.is_writing {
                TURN
            } else if status.is_some() {
                // Another may keep the file, and end soon.
                RETRY
            } else {
                Duration::MAX
            };
            let waited = self.changed.wait_timeout_while(pending, limit, |pending| pending.is_empty());
            (pending, _) = waited.unwrap_or_else(PoisonError::into_inner);
            status = pending.status.take().or(status);
            extend(&mut unwritten, std::mem::take(&mut pending.changes));
            pending.is_writing = true;
            drop(pending);
            if let (Some(path), Some(text)) = (&paths.status, &status) {
                match keep(path, text, &mut kept) {
                    Ok(()) => status = None,
                    Err(error) => tell(0, "cannot write the status file", path, &why(error)),
                }
            }
            let mut is_waiting = false;
            if let Some(path) = paths.metrics.as_ref().filter(|_| !unwritten.is_empty()) {
                let folder = lock_folder(path);
                if !matches!(folder, Err(Errno::WOULDBLOCK)) {
                    tries = 0;
                } else if tries < PATIENCE {
                    tries += 1;
                    is_waiting = true;
                } else {
                    tell(2, FOLDER, path, IS_LOCKED);
                }
                if !is_waiting {
                    match change(path, &unwritten) {
                        Ok(()) => unwritten.clear(),
                        Err(error) => tell(1, "cannot write the metrics", path, &why(error)),
                    }
                }
            }
            pending = self.lock();
            pending.is_writing = is_waiting;
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
        return Err(io::Error::other(
            "someone has it locked: another heimdall (give each a file of its own), or whoever else can read it",
        ));
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
        if let Some(old) = old {
            let old = old.file.metadata()?;
            // As whom the file system knows us, a new file says: on NFS root may be nobody.
            let new = file.metadata()?;
            if old.uid() != new.uid() {
                return Err(io::Error::other("it belongs to another user; name another file"));
            }
            let mut mode = old.mode() & READ_AND_WRITE;
            // What that group may do, no other may.
            if old.gid() != new.gid() && fchown(&file, None, Some(old.gid())).is_err() {
                mode &= !GROUP;
            }
            file.set_permissions(Permissions::from_mode(mode))?;
        }
        file.write_all(text.as_bytes())?;
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
    text: String,
}

impl Old {
    /// Reads the file, if it is there. Refuses what a rename would take away from everyone: a device such as /dev/null, a
    /// symbolic link such as /dev/stdout, and what someone else has written.
    fn read(path: &Path, is_ours: fn(&str) -> bool) -> io::Result<Option<Self>> {
        let is_regular = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            found => found?.is_file(),
        };
        // Already to open a device may do something.
        if !is_regular {
            return Err(irregular());
        }
        let mut file = open_regular(path, OFlags::NOFOLLOW)?.take(MAX_BYTES);
        let mut text = String::new();
        // What is no text is not ours either, and the error says that.
        file.read_to_string(&mut text)?;
        if !text.is_empty() && !is_ours(&text) {
            return Err(io::Error::other("what is in it is not heimdall's; name another file"));
        }
        Ok(Some(Self { file: file.into_inner(), text }))
    }
}

/// Opens a file to read it; whatever is there by now, it does not wait for who is at the other end.
pub(in crate::cli) fn open_regular(path: &Path, flags: OFlags) -> io::Result<File> {
    let flags = flags | OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(open(path, flags, Mode::empty())?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(irregular()) }
}

fn irregular() -> io::Error {
    io::Error::other("it is no regular file")
}

/// Locks the folder of the metrics, which other heimdalls may change too. That fails where someone else has it locked; and
/// where it can't be had at all, as on some network file systems: there a count may get lost when two write at once.
fn lock_folder(path: &Path) -> Result<File, Errno> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = open(folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    flock(&folder, FlockOperation::NonBlockingLockExclusive)?;
    Ok(folder.into())
}

/// Changes the metrics in the file.
fn change(path: &Path, changes: &Changes) -> io::Result<()> {
    let old = Old::read(path, metrics::are_ours)?;
    let text = merge(old.as_ref().map_or("", |old| &old.text), changes);
    replace(path, &text, old).map(drop)
}

/// More than the metrics of a thousand locks.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Of a file's mode, what says who may read and write.
const READ_AND_WRITE: u32 = 0o666;

/// And what its group may do.
const GROUP: u32 = 0o070;

/// Between two attempts to write a status.
const RETRY: Duration = Duration::from_secs(1);

/// Between two attempts to lock the folder of the metrics, which a heimdall that writes there has locked for a moment.
const TURN: Duration = Duration::from_millis(20);

/// How often that is tried, as whoever can read the folder can keep it locked. No deadline: it would pass while the whole host
/// stands still, and with it who is about to unlock.
const PATIENCE: u32 = 100;

const FOLDER: &str = "someone keeps the folder of the metrics";

const IS_LOCKED: &str =
    " locked (lslocks shows who); written all the same, they may miss a count of another heimdall's";

const STACK: usize = 256 * 1024;
