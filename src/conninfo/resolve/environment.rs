//! What a process finds around it: environment variables, its user, and the small files that people write for libpq.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User};

use crate::conninfo::error::{Error, FileFault, MAX_FILE_BYTES};

/// The surroundings in which a connection string is read: [those of this process](Environment::of_process), or any
/// others, so that a test needs no global state.
pub struct Environment<'a> {
    /// The value of an environment variable; `None` if it is not set.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// The operating system's entry for the effective user id. Asked only when it is needed: the
    /// answer may have to come from a directory service.
    pub effective_user: &'a dyn Fn() -> Option<Passwd>,
    /// The effective user id, to name it where it has no entry.
    pub effective_uid: u32,
}

/// The part of a user's passwd entry that connecting needs.
#[derive(Clone, Debug)]
pub struct Passwd {
    /// The login name: the default user name.
    pub name: String,
    /// The home directory, for where `HOME` is not set.
    pub home: PathBuf,
}

impl fmt::Debug for Environment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").field("effective_uid", &self.effective_uid).finish_non_exhaustive()
    }
}

impl Environment<'static> {
    /// Returns the real surroundings: the variables of this process, and the operating system's entry for the user
    /// that it runs as.
    #[must_use]
    pub fn of_process() -> Environment<'static> {
        Environment {
            variable: &|name| env::var_os(name),
            effective_user: &passwd_entry,
            effective_uid: Uid::effective().as_raw(),
        }
    }
}

fn passwd_entry() -> Option<Passwd> {
    let user = User::from_uid(Uid::effective()).ok().flatten()?;
    Some(Passwd { name: user.name, home: user.dir })
}

impl Environment<'_> {
    /// The value of `variable` as text; what is set but empty is `Some("")`.
    pub(super) fn text(&self, variable: &'static str) -> Result<Option<String>, Error> {
        let Some(value) = (self.variable)(variable) else { return Ok(None) };
        match value.into_string() {
            Ok(value) if value.contains('\0') => Err(Error::NulInVariable(variable)),
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(Error::VariableNotUtf8(variable)),
        }
    }

    /// The path in `variable`; unlike other values it need not be UTF-8.
    pub(super) fn path(&self, variable: &str) -> Option<PathBuf> {
        (self.variable)(variable).map(PathBuf::from)
    }

    /// A file below the home directory as libpq finds it: `HOME` if it says anything, else passwd.
    pub(super) fn in_home(&self, file: &str) -> Option<PathBuf> {
        let home = self.path("HOME").filter(|home| !home.as_os_str().is_empty());
        let home = home.or_else(|| (self.effective_user)().map(|user| user.home))?;
        Some(in_directory(&home, file))
    }

    /// The login name of the effective user id.
    pub(super) fn user(&self) -> Result<String, Error> {
        (self.effective_user)().map(|user| user.name).ok_or(Error::NoSuchUser(self.effective_uid))
    }
}

/// A file in a directory, whose name as libpq builds it has a `/` in any case: an empty directory is the root, and not the
/// current directory, which may be anyone's.
pub(super) fn in_directory(directory: &Path, file: &str) -> PathBuf {
    if directory.as_os_str().is_empty() { Path::new("/").join(file) } else { directory.join(file) }
}

/// A regular file, open for reading, with a bound. Opening anything else may hang, as a pipe does.
pub(crate) struct PlainFile {
    file: File,
    metadata: Metadata,
}

impl PlainFile {
    /// Opens a file; `None` if there is none.
    ///
    /// What can't be seen, in a directory that we may not enter, is as if it were not there unless it `is_named`: the
    /// usual files are looked for in a home directory that may be another user's.
    pub(crate) fn open(path: &Path, is_named: bool) -> Result<Option<PlainFile>, FileFault> {
        // Before opening, which would wait for the other end of a pipe.
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => return Err(FileFault::NotPlain),
            Err(error) => {
                let is_missing =
                    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
                return if is_missing || !is_named {
                    Ok(None)
                } else {
                    Err(FileFault::Unreadable(error.kind()))
                };
            }
        }
        let file = File::open(path).map_err(|error| FileFault::Unreadable(error.kind()))?;
        let metadata = file.metadata().map_err(|error| FileFault::Unreadable(error.kind()))?;
        Ok(Some(PlainFile { file, metadata }))
    }

    /// Whether the group or others can do anything with it.
    pub(crate) fn is_exposed(&self) -> bool {
        self.metadata.mode() & 0o077 != 0
    }

    /// The same for a private key, which root may let a group read (libpq's `initialize_SSL`).
    #[cfg(feature = "tls")]
    pub(crate) fn is_exposed_key(&self) -> bool {
        let forbidden = if self.metadata.uid() == 0 { 0o037 } else { 0o077 };
        self.metadata.mode() & forbidden != 0
    }

    /// Its contents.
    pub(crate) fn read(self) -> Result<Vec<u8>, FileFault> {
        let mut bytes = Vec::new();
        let read = self.file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes);
        let length = read.map_err(|error| FileFault::Unreadable(error.kind()))?;
        if u64::try_from(length).is_ok_and(|length| length <= MAX_FILE_BYTES) {
            Ok(bytes)
        } else {
            Err(FileFault::TooLarge)
        }
    }
}
