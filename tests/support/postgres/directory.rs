//! A temporary directory for a server, and the user to run it as: PostgreSQL refuses to be root.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, process};

/// A directory that belongs to the server's user; removed when dropped.
pub struct Directory {
    path: PathBuf,
    /// uid and gid, where they aren't our own.
    user: Option<(u32, u32)>,
}

impl Directory {
    pub fn new() -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let user = rustix::process::geteuid().is_root().then(unprivileged);
        // Short, since a socket's path has some 100 bytes at most.
        let name = format!("heimdall-{}-{}", process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let path = parent(user.is_some()).join(name);
        fs::create_dir(&path).expect("a temporary directory");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let directory = Self { path, user };
        directory.give_away(&directory.path);
        directory
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a file that belongs to the server's user.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path.join(name);
        fs::write(&path, text).unwrap();
        self.give_away(&path);
    }

    /// Makes a directory that belongs to the server's user.
    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.path.join(name);
        fs::create_dir_all(&path).unwrap();
        path.ancestors().take_while(|part| *part != self.path).for_each(|part| self.give_away(part));
        path
    }

    /// A command that runs here, as the server's user, in an environment of its own.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = self.in_environment(Command::new(program));
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// As [`Directory::command`], behind a command that becomes it, which runs as our own user.
    pub fn command_within(&self, prefix: &[&str], program: &Path) -> Command {
        let Some((name, arguments)) = prefix.split_first() else { return self.command(program) };
        let mut command = self.in_environment(Command::new(name));
        command.args(arguments);
        if let Some((uid, gid)) = self.user {
            command.arg("setpriv").args([format!("--reuid={uid}"), format!("--regid={gid}")]);
            command.arg("--clear-groups");
        }
        command.arg(program);
        command
    }

    fn in_environment(&self, mut command: Command) -> Command {
        command
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .env("LC_ALL", "C")
            .current_dir(&self.path);
        command
    }

    /// Has a file belong to the server's user.
    pub fn give_away(&self, path: &Path) {
        if let Some((uid, gid)) = self.user {
            chown(path, Some(uid), Some(gid)).unwrap();
        }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// uid and gid of `postgres`, else of `nobody`.
fn unprivileged() -> (u32, u32) {
    let passwd = fs::read_to_string("/etc/passwd").expect("/etc/passwd");
    ["postgres", "nobody"]
        .iter()
        .find_map(|user| {
            let line = passwd.lines().find(|line| line.split(':').next() == Some(user))?;
            let mut ids = line.split(':').skip(2).map(|field| field.parse().ok());
            Some((ids.next()??, ids.next()??))
        })
        .expect("a user postgres or nobody to run PostgreSQL as, since it refuses to be root")
}

/// Memory, if there is plenty, since a server makes a thousand files; else the temporary directory, or one that
/// others than root can reach.
fn parent(for_another_user: bool) -> PathBuf {
    let is_reachable = |directory: &Path| {
        directory.ancestors().all(|part| fs::metadata(part).is_ok_and(|part| part.mode() & 0o001 != 0))
    };
    let memory = has_room(Path::new(MEMORY)).then(|| MEMORY.into());
    memory
        .into_iter()
        .chain([env::temp_dir(), "/tmp".into(), "/var/tmp".into()])
        .find(|directory| !for_another_user || is_reachable(directory))
        .expect("a temporary directory that the server's user can reach")
}

/// Where Linux keeps files in memory; in a container it is often of 64 MB.
const MEMORY: &str = "/dev/shm";

/// Dozens of servers run at a time, of some 40 MB each.
const ROOM: u64 = 4 << 30;

fn has_room(directory: &Path) -> bool {
    rustix::fs::statvfs(directory).is_ok_and(|space| space.f_bavail.saturating_mul(space.f_frsize) >= ROOM)
}
