//! Holds the code to the picture of ARCHITECTURE.md: who imports whom, and who may touch the world.

mod imports;
mod page;
mod source;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use imports::{Crate, circles};
use source::tokens;

/// A folder, and the folders that it may import.
const ARROWS: [(&str, &[&str]); 7] = [
    ("auth", &[]),
    ("x509", &[]),
    ("proto", &["auth"]),
    ("conninfo", &["auth"]),
    ("net", &["proto", "x509", "conninfo"]),
    ("lock", &["net", "proto", "conninfo"]),
    ("cli", &["lock", "net", "proto", "conninfo"]),
];

#[test]
fn imports_run_only_downwards() {
    for (file, path) in Crate::read(&source()).paths() {
        let (Some((folder, _)), Some(import)) = (file.split_once('/'), path.strip_prefix("crate::")) else {
            continue;
        };
        let (_, allowed) = ARROWS.iter().find(|(name, _)| *name == folder).expect(folder);
        let imported = import.split("::").next().unwrap();
        assert!(imported == folder || allowed.contains(&imported), "{file} imports {path}");
    }
}

#[test]
fn conninfo_takes_no_proof_from_auth() {
    for (file, path) in Crate::read(&source()).paths().filter(|(file, _)| file.starts_with("conninfo/")) {
        let fine = ["crate::auth::policy", "crate::auth::words", "crate::auth::mask"];
        let is_fine = !path.starts_with("crate::auth") || fine.iter().any(|part| path.starts_with(part));
        assert!(is_fine, "{file} imports {path}");
    }
}

#[test]
fn no_file_imports_itself_by_way_of_others() {
    let imports = Crate::read(&source()).imports();
    let mut told = String::new();
    for circle in circles(&imports.keys().cloned().collect()) {
        told += "\na circle:\n";
        for import in circle {
            let names: Vec<_> = imports[&import].iter().map(String::as_str).collect();
            writeln!(told, "  {} imports {} of {}", import.0, names.join(", "), import.1).unwrap();
        }
    }
    assert!(told.is_empty(), "{told}");
}

#[test]
fn every_folder_is_in_the_picture() {
    let folders: BTreeSet<String> = fs::read_dir(source())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    assert_eq!(folders, ARROWS.map(|(folder, _)| folder.to_owned()).into());
}

/// Where no socket, file, clock, process, environment, output or randomness is touched: bytes, events and moments go in, and
/// what is to be done comes out.
const CORES: &str =
    "auth/ proto/ x509/ lock/heartbeat.rs lock/backoff.rs lock/bell.rs lock/line.rs lock/turn.rs cli/rules/";

#[test]
fn the_cores_touch_nothing_of_the_world() {
    let mut empty: BTreeSet<&str> = CORES.split(' ').collect();
    let sources = Crate::read(&source());
    for (file, path) in sources.paths() {
        let Some(core) = CORES.split(' ').find(|core| file.starts_with(core)) else { continue };
        empty.remove(core);
        // A number with a name.
        let is_data = path.starts_with("rustix::process::Signal");
        let is_world = ["std::env", "std::fs", "std::net", "std::os", "std::process", "std::thread"]
            .iter()
            .chain(&["std::io::std", "std::time::Instant", "std::time::SystemTime"])
            .chain(&["rustix", "nix", "signal_hook", "getrandom"])
            .any(|part| path.starts_with(part))
            || path.ends_with("Moment::now");
        assert!(!is_world || is_data, "{file} names {path}");
    }
    assert!(empty.is_empty(), "there is no {empty:?}");
}

#[test]
fn only_its_folder_touches_a_part_of_the_world() {
    for (file, path) in Crate::read(&source()).paths() {
        for (part, owners) in [
            ("std::net", "net/"),
            ("rustix::net", "net/"),
            ("std::process", "cli/"),
            ("rustix::process", "cli/"),
            ("nix::sys::wait", "cli/"),
            ("nix::spawn", "cli/"),
            ("std::env", "cli/ conninfo/resolve/environment.rs"),
            ("std::io::stdin", "cli/"),
            ("std::io::stdout", "cli/"),
            ("std::io::stderr", "cli/"),
            ("std::fs", "conninfo/ net/ cli/"),
            ("std::thread", "net/ lock/held.rs cli/"),
            ("std::time::Instant", "cli/"),
            ("std::time::SystemTime", "net/ cli/"),
            ("rustix::time", "net/moment.rs cli/"),
            ("getrandom", "net/ cli/"),
        ] {
            let is_part =
                path.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
            assert!(!is_part || is_in(file, owners), "{file} names {path}");
        }
    }
    for file in files(&source()) {
        let place = file.strip_prefix(source()).unwrap().to_string_lossy().into_owned();
        let code = tokens(&fs::read_to_string(&file).unwrap()).join(" ");
        for (text, owners) in [
            ("println !", "cli/"),
            ("print !", "cli/"),
            ("SELECT ", "lock/sql.rs"),
            ("pg_try_advisory", "lock/sql.rs"),
            ("Query :: new", "lock/sql.rs"),
        ] {
            assert!(is_in(&place, owners) || !code.contains(text), "{place} has {text}");
        }
    }
}

/// A caller has to be ready for more than there is now, unless it is said here that there won't be more.
#[test]
fn enumerations_of_the_library_may_grow() {
    let complete = [
        // PostgreSQL has two kinds of keys, and two modes.
        "lock/key.rs Key",
        "lock/request.rs Mode",
        // A lock is ours, or it is not.
        "lock/acquire.rs Outcome",
        // In `internals`, as all of `net/tls` is.
        "lock/sql.rs Mark",
        "lock/sql.rs Statement",
        "lock/sql.rs Owner",
        "lock/turn.rs Turn",
        "proto/authentication.rs Authentication",
        "proto/backend.rs BackendMessage",
        "proto/backend.rs Transaction",
        "proto/frame.rs Phase",
        "proto/negotiation.rs Answer",
    ];
    for folder in ["auth", "conninfo", "net", "proto", "lock"] {
        for file in files(&source().join(folder)) {
            let place = file.strip_prefix(source()).unwrap().to_string_lossy().into_owned();
            let code = fs::read_to_string(&file).unwrap();
            for (before, after) in code.match_indices("\npub enum ").map(|(at, _)| code.split_at(at)) {
                let name = after.split_whitespace().nth(2).unwrap();
                let attributes = before.rsplit("\n\n").next().unwrap();
                let may_grow = attributes.contains("#[non_exhaustive]");
                let is_complete = complete.contains(&format!("{place} {name}").as_str());
                assert!(may_grow != is_complete || place.starts_with("net/tls/"), "{place}: {name}");
            }
        }
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for file in files(&source()).into_iter().chain(files(&source().with_file_name("tests"))) {
        assert!(fs::read_to_string(&file).unwrap().starts_with("//! "), "{}", file.display());
    }
}

/// Whether one of these folders and files is, or has, the file.
fn is_in(file: &str, places: &str) -> bool {
    places.split(' ').any(|place| file.starts_with(place))
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
