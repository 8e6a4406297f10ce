//! The real environment, as `conninfo` wants to look it up.

use std::env;

use nix::unistd::{Uid, User};

use crate::conninfo::{Environment, Passwd};

/// The process's variables and the operating system user of its effective uid.
pub(super) fn real() -> Environment<'static> {
    Environment {
        variable: &|name| env::var_os(name),
        effective_user: &effective_user,
        effective_uid: Uid::effective().as_raw(),
    }
}

fn effective_user() -> Option<Passwd> {
    let user = User::from_uid(Uid::effective()).ok().flatten()?;
    Some(Passwd { name: user.name, home: user.dir })
}
