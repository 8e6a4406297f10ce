//! Names of hosts that lead where a test says: `/etc/hosts` in a mount namespace.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::did_not_run;
use super::heimdall::{BINARY, Heimdall};
use super::postgres::Directory;

/// What is in force for those that are started with them.
pub struct Names(Directory);

impl Names {
    /// No name at all; `None`, which is said, where this system does not let us have our own for what is tested.
    pub fn new(what: &str) -> Option<Self> {
        let names = Self(Directory::new());
        names.lead("");
        fs::write(names.switch(), "hosts: files\n").unwrap();
        let is_possible = Command::new("unshare")
            .args(names.words("true"))
            .output()
            .is_ok_and(|output| output.status.success());
        if !is_possible {
            did_not_run(what, "this system does not let us mount over /etc/hosts");
        }
        is_possible.then_some(names)
    }

    /// From now on the names are these, with an address before each.
    pub fn lead(&self, lines: &str) {
        fs::write(self.hosts(), lines).unwrap();
    }

    /// A heimdall with these names.
    pub fn heimdall(&self) -> Heimdall {
        Heimdall::program("unshare").args(self.words(BINARY))
    }

    fn words(&self, program: &str) -> Vec<String> {
        let mount =
            "mount --bind \"$1\" /etc/hosts && mount --bind \"$2\" /etc/nsswitch.conf || exit 9; shift 2";
        let [hosts, switch] = [self.hosts(), self.switch()].map(|path| path.display().to_string());
        let mount = format!("{mount}; exec \"$@\"");
        ["--mount", "sh", "-c", &mount, "sh", &hosts, &switch, program].map(str::to_owned).to_vec()
    }

    fn hosts(&self) -> PathBuf {
        self.0.path().join("hosts")
    }

    fn switch(&self) -> PathBuf {
        self.0.path().join("nsswitch.conf")
    }
}
