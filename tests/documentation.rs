//! README and `--help` agree, as far as a machine can tell.

use std::collections::BTreeSet;

const README: &str = include_str!("../README.md");

#[test]
fn the_readme_lists_every_option_and_no_other() {
    let options: BTreeSet<String> = heimdall::cli::command()
        .get_arguments()
        .filter_map(|option| Some(format!("--{}", option.get_long()?)))
        .collect();
    let listed: BTreeSet<String> = README
        .lines()
        .filter(|line| line.starts_with("| `-"))
        .flat_map(|line| line.split('|').nth(1).unwrap().split('`'))
        .filter(|word| word.starts_with("--"))
        .map(|word| word.split(&['[', '='][..]).next().unwrap().to_owned())
        .collect();
    assert_eq!(listed, options);
}

#[test]
fn the_readme_and_the_help_list_the_same_exit_codes() {
    let help = heimdall::cli::command().render_help().to_string();
    let (_, codes) = help.split_once("Exit codes:").unwrap();
    for line in README
        .lines()
        .skip_while(|line| *line != "| code | meaning |")
        .skip(2)
        .take_while(|line| line.starts_with('|'))
    {
        for code in line.split('|').nth(1).unwrap().split('/') {
            assert!(codes.contains(code.trim()), "{code} in {codes}");
        }
    }
}

#[test]
fn the_manifest_and_the_changelog_know_this_version() {
    assert!(include_str!("../CHANGELOG.md").contains(env!("CARGO_PKG_VERSION")));
}
