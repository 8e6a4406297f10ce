//! What a process knows without being told: its environment variables and its user.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User};

use super::error::Error;

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
