//! What `initdb` makes, once for all servers: copying it takes a fifth of the time.

use std::mem;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use super::{Directory, binaries};

/// A data directory that no server has used. All that are copied from it have the same system identifier.
pub fn template() -> &'static Path {
    static TEMPLATE: OnceLock<(PathBuf, Child)> = OnceLock::new();
    let (data, _) = TEMPLATE.get_or_init(|| {
        let directory = Directory::new();
        let data = directory.path().join("data");
        let output = directory
            .command(&binaries::bin().join("initdb"))
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(&data)
            .output()
            .expect("initdb starts");
        assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .arg(directory.path())
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("sh starts");
        // The guard's from now on.
        mem::forget(directory);
        (data, guard)
    });
    data
}

/// Clears the directory `$1` away when standard input ends, which it does when the test process is gone, however it went.
const GUARD: &str = r#"cat >/dev/null; rm -rf "$1""#;
