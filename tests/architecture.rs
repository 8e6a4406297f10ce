//! Holds the code to the picture of ARCHITECTURE.md: who imports whom, and who may touch the world.

use std::fs;
use std::path::{Path, PathBuf};

/// A folder, and the folders that it may import.
const ARROWS: [(&str, &[&str]); 6] = [
    ("auth", &[]),
    ("proto", &["auth"]),
    ("conninfo", &["auth"]),
    ("net", &["proto", "conninfo"]),
    ("lock", &["net", "proto"]),
    ("cli", &["lock", "net", "proto", "conninfo"]),
];

#[test]
fn imports_run_only_downwards() {
    for (folder, allowed) in ARROWS {
        for file in files(&source().join(folder)) {
            for import in imports(&code(&file)) {
                let fine = import == folder || allowed.contains(&import.as_str());
                assert!(fine, "{}: imports crate::{import}", file.display());
            }
        }
    }
}

#[test]
fn every_folder_is_in_the_picture() {
    let folders: Vec<String> = fs::read_dir(source())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    assert_eq!(folders.len(), ARROWS.len());
    for folder in folders {
        assert!(ARROWS.iter().any(|(name, _)| *name == folder), "{folder}");
    }
}

#[test]
fn conninfo_takes_only_the_policy_from_auth() {
    for file in files(&source().join("conninfo")) {
        for rest in code(&file).split("crate::auth").skip(1) {
            assert!(rest.starts_with("::policy"), "{}", file.display());
        }
    }
}

#[test]
fn only_its_folder_touches_a_part_of_the_world() {
    for (part, owner) in [
        ("std::net", "net"),
        ("rustix::net", "net"),
        ("std::process", "cli"),
        ("rustix::process", "cli"),
        ("std::env", "cli"),
        ("io::stdout", "cli"),
        ("io::stderr", "cli"),
        ("println!", "cli"),
        ("Instant", "net cli"),
        ("getrandom::", "net lock/backoff.rs"),
        ("SELECT ", "lock/sql.rs"),
        ("pg_try_advisory", "lock/sql.rs"),
        ("Statement for", "lock/sql.rs"),
    ] {
        for file in files(&source()) {
            let place = file.strip_prefix(source()).unwrap().to_string_lossy().into_owned();
            let owned = owner.split(' ').any(|owner| place.starts_with(owner)) || place == "main.rs";
            let used =
                code(&file).lines().any(|line| line.contains(part) && !line.trim_start().starts_with("//"));
            assert!(owned || !used, "{place} uses {part}");
        }
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for file in files(&source()).into_iter().chain(files(&source().with_file_name("tests"))) {
        assert!(fs::read_to_string(&file).unwrap().starts_with("//! "), "{}", file.display());
    }
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// All Rust files of a folder and below.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// A file without its unit tests, which come last.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned()
}

fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
        for rest in line.split("crate::").skip(1) {
            // `use crate::{a, b};` would hide its parts from this test.
            assert!(!rest.starts_with('{'), "one folder a line: {line}");
            found.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    found
}
