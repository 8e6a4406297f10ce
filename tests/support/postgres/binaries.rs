//! Where this machine has its PostgreSQL; `scripts/pg-bin` has to find the same.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs};

/// A program of the server's package; else, as some packages come without the clients, one of another version, at
/// last by its name in `PATH`, where Debian has a script that adds settings of its own.
pub fn client(name: &str) -> PathBuf {
    let own = bin().join(name);
    if own.is_file() {
        return own;
    }
    let mut packages = packages().into_iter().map(|directory| directory.join(name));
    packages.find(|path| path.is_file()).unwrap_or_else(|| name.into())
}

/// psql's major version, which is libpq's.
pub fn psql_version() -> u32 {
    static VERSION: OnceLock<u32> = OnceLock::new();
    *VERSION.get_or_init(|| {
        let output = Command::new(client("psql")).arg("--version").output().expect("psql starts");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let number = text.split_whitespace().nth(2).expect("psql (PostgreSQL) VERSION");
        number.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
    })
}

/// The directory with `initdb` and `postgres`; a test without it fails.
pub fn bin() -> &'static Path {
    static BIN: OnceLock<PathBuf> = OnceLock::new();
    BIN.get_or_init(|| {
        // What is asked for may come without clients; of what is found the one that has them is better.
        let (candidates, needed) = match env::var_os("HEIMDALL_PG_BIN").filter(|value| !value.is_empty()) {
            Some(asked_for) => (vec![PathBuf::from(asked_for)], &["initdb", "postgres"][..]),
            None => (candidates(), &["initdb", "postgres", "psql"][..]),
        };
        let is_complete =
            |directory: &&PathBuf| needed.iter().all(|program| directory.join(program).is_file());
        candidates.iter().find(is_complete).cloned().unwrap_or_else(|| {
            panic!(
                "these tests need PostgreSQL's initdb, postgres and psql: install the server, \
                 or set HEIMDALL_PG_BIN to their directory (looked in {candidates:?})"
            )
        })
    })
}

fn candidates() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect();
    found.extend(packages());
    found
}

/// The directories in which packages keep the programs of each version.
pub fn packages() -> Vec<PathBuf> {
    let mut found = Vec::new();
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output() {
        found.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    for (parent, prefix) in [
        ("/usr/lib/postgresql", ""),
        ("/usr", "pgsql-"),
        ("/opt/homebrew/opt", "postgresql"),
        ("/usr/local/opt", "postgresql"),
        ("/home/linuxbrew/.linuxbrew/opt", "postgresql"),
    ] {
        found.extend(versions(Path::new(parent), prefix));
    }
    found
}

/// `PARENT/PREFIX*/bin`, highest version first.
fn versions(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.strip_prefix(prefix)?.trim_start_matches('@');
            Some((version.parse().unwrap_or(0), entry.path().join("bin")))
        })
        .collect();
    versions.sort();
    versions.into_iter().rev().map(|(_, bin)| bin).collect()
}
