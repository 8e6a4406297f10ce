//! ARCHITECTURE.md speaks of what is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{files, source};

const PAGE: &str = include_str!("../../ARCHITECTURE.md");

#[test]
fn the_picture_shows_every_part_of_the_house() {
    let picture = block("src/\n");
    assert_eq!(branches(picture, ""), names(&source()));
    let folders = names(&source().join("cli")).into_iter().filter(|name| name.ends_with('/'));
    assert_eq!(branches(picture, "    "), folders.collect());
    for line in picture.lines().filter(|line| !line.trim_start().starts_with(['├', '└'])) {
        let folder = line.split_whitespace().next().unwrap();
        assert!(source().with_file_name(folder).is_dir(), "{folder}");
    }
}

/// What a picture shows at the end of the branches that are this far from the left.
fn branches(picture: &str, indent: &str) -> BTreeSet<String> {
    let lines = picture.lines().filter_map(|line| line.strip_prefix(indent));
    let branches = lines.filter_map(|line| line.strip_prefix("├── ").or(line.strip_prefix("└── ")));
    branches.filter_map(|branch| branch.split_whitespace().next()).map(str::to_owned).collect()
}

/// The files and, each with a slash behind it, the folders in a folder.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let names = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.path().is_dir()));
    names.map(|(name, is_folder)| if is_folder { name + "/" } else { name }).collect()
}

#[test]
fn every_file_that_is_named_exists() {
    let root = source().with_file_name("");
    for name in PAGE.split('`').skip(1).step_by(2) {
        let is_path = name.contains('/') && !name.starts_with('/') && !name.contains([' ', '\n']);
        let found = [source().join(name), source().join(format!("{name}.rs")), root.join(name)]
            .iter()
            .any(|path| path.exists());
        assert!(!is_path || found, "{name}");
    }
}

#[test]
fn the_walk_leads_from_one_place_to_the_next() {
    for place in block("main → ").trim().split(" → ") {
        let mut names = place.split("::");
        let folder = source().join(names.next().unwrap());
        let code: String = match files_of(&folder).iter().map(fs::read_to_string).collect() {
            Ok(code) => code,
            Err(error) => panic!("{place}: {error}"),
        };
        assert!(!code.is_empty(), "{place}");
        for name in names {
            let is_item = ["fn ", "struct "].iter().any(|kind| {
                code.split(&format!("{kind}{name}"))
                    .skip(1)
                    .any(|rest| rest.starts_with(['(', '<', ' ', ';']))
            });
            assert!(is_item || folder.join(format!("{name}.rs")).exists(), "{name} of {place}");
        }
    }
}

/// The files of a folder, or the one file of this name.
fn files_of(folder: &Path) -> Vec<PathBuf> {
    if folder.is_dir() { files(folder) } else { vec![folder.with_extension("rs")] }
}

/// What is drawn in the block that begins so.
fn block(beginning: &str) -> &'static str {
    let blocks = PAGE.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("text\n"));
    blocks.into_iter().find(|block| block.starts_with(beginning)).expect("a block that begins so")
}
