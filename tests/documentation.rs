//! The documents, `--help` and the code agree, as far as a machine can tell.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use heimdall::conninfo::{Environment, PARAMETERS, Parameters, Passwd};
use heimdall::internals::foreign;

use crate::promises::PROMISES;

const USAGE: &str = include_str!("../docs/usage.md");
const PROMISES_PAGE: &str = include_str!("../docs/promises.md");
const CONNECTING: &str = include_str!("../docs/connecting.md");

#[test]
fn every_option_is_described_and_no_other() {
    let options: BTreeSet<String> = heimdall::cli::command()
        .get_arguments()
        .filter_map(|option| Some(format!("--{}", option.get_long()?)))
        .collect();
    let listed: BTreeSet<String> = USAGE
        .lines()
        .skip_while(|line| *line != "| option | meaning |")
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .flat_map(|line| line.split('|').nth(1).unwrap().split('`'))
        .filter(|word| word.starts_with("--"))
        .map(|word| word.split(&['[', '='][..]).next().unwrap().to_owned())
        .collect();
    assert_eq!(listed, options);
}

#[test]
fn the_help_lists_the_exit_codes_that_are_described() {
    let help = heimdall::cli::command().render_help().to_string();
    let (_, codes) = help.split_once("Exit codes:").unwrap();
    assert!(codes.lines().all(|line| line.chars().count() <= 100), "{codes}");
    let rows = USAGE.lines().skip_while(|line| *line != "| code | meaning |").skip(2);
    let cells = rows.take_while(|line| line.starts_with('|')).map(|line| line.split('|').nth(1).unwrap());
    let described: BTreeSet<&str> = cells.flat_map(|cell| cell.split('/')).map(str::trim).collect();
    let is_code = |word: &&str| described.contains(word) || word.parse::<u8>().is_ok_and(|code| code > 63);
    let words = codes.split(|c: char| c.is_whitespace() || ",;:/()".contains(c));
    let listed: BTreeSet<&str> = words.filter(is_code).collect();
    assert_eq!(listed, described);
    assert!(described.len() > 10);
}

#[test]
fn what_is_ignored_in_a_url_and_what_is_an_error_there_are_described() {
    let rows = |header: &str| {
        let rows = CONNECTING.lines().skip_while(move |line| *line != header).skip(2);
        rows.take_while(|line| line.starts_with('|')).map(str::to_owned).collect::<Vec<_>>()
    };
    let ignored = foreign::IGNORED.iter().map(|(who, names)| {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        format!("| {who} | {} |", names.join(", "))
    });
    assert_eq!(rows("| whose | ignored |"), ignored.collect::<Vec<_>>());
    let instead = foreign::INSTEAD.iter().map(|(name, instead)| format!("| `{name}` | {instead} |"));
    assert_eq!(rows("| in the URL | instead |"), instead.collect::<Vec<_>>());
}

#[test]
fn every_variable_that_is_read_is_described() {
    let rows: Vec<&str> = USAGE
        .lines()
        .skip_while(|line| *line != "## What heimdall reads")
        .take_while(|line| *line != "## What the program sees")
        .collect();
    // Those of more places are a few, and not read by one table.
    let is_of_these = |word: &&str| {
        let prefixes = ["PG", "SSL_", "NOTIFY_", "WATCHDOG_", "LISTEN_"];
        let is_name = word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        is_name && prefixes.iter().any(|prefix| word.starts_with(prefix))
    };
    let listed: BTreeSet<String> = rows.join("").split('`').filter(is_of_these).map(str::to_owned).collect();
    let sources = [
        "conninfo/table",
        "conninfo/resolve/service",
        "net/tls/trust",
        "cli/report/notify",
        "cli/job/listen",
    ];
    let code = sources.map(|name| {
        let source = fs::read_to_string(root().join(format!("src/{name}.rs"))).unwrap();
        source.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned()
    });
    let read: BTreeSet<String> = code.concat().split('"').filter(is_of_these).map(str::to_owned).collect();
    assert_eq!(listed, read);
}

#[test]
fn the_manifest_and_the_changelog_know_this_version() {
    assert!(include_str!("../CHANGELOG.md").contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_parameter_is_described_with_its_variable_and_its_default() {
    let passwd = || Some(Passwd { name: "ann".into(), home: "~".into() });
    let env = Environment { variable: &|_| None, effective_user: &passwd, effective_uid: 1000 };
    let defaults = Parameters::resolve(None, &env).unwrap();
    let cell = |value: Option<&str>| value.map_or("–".to_owned(), |value| format!("`{value}`"));
    let expected = PARAMETERS.iter().map(|parameter| {
        let default = match parameter.keyword {
            "user" => "your login name".to_owned(),
            "dbname" => "as `user`".to_owned(),
            keyword => cell(defaults.get(keyword)),
        };
        [cell(Some(parameter.keyword)), cell(parameter.variable), default]
    });
    let rows: Vec<[&str; 4]> = CONNECTING
        .lines()
        .skip_while(|line| !line.starts_with("| parameter | variable | default | remark |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| [1, 2, 3, 4].map(|column| line.split('|').nth(column).unwrap().trim()))
        .collect();
    let described: Vec<[&str; 3]> = rows.iter().map(|row| [row[0], row[1], row[2]]).collect();
    assert_eq!(described, expected.collect::<Vec<_>>());
    for (row, parameter) in rows.iter().zip(PARAMETERS) {
        let refused = row[3].strip_prefix("refused: ");
        assert_eq!(refused.is_some(), parameter.unsupported.is_some(), "{}", row[0]);
        assert!(
            refused.unwrap_or_default().starts_with(parameter.unsupported.unwrap_or_default()),
            "{}",
            row[3]
        );
    }
}

#[test]
fn the_index_has_the_promises_of_the_page_and_the_tests_that_it_names() {
    assert_eq!(PROMISES_PAGE.matches(". **").count(), PROMISES.len());
    for (number, (title, tests)) in (1..).zip(PROMISES) {
        let promise = PROMISES_PAGE.split_once(&format!("\n{number}. **{title}**"));
        let (_, promise) =
            promise.unwrap_or_else(|| panic!("the page has no promise {number} called {title}"));
        let promise = promise.split_once(&format!("\n{}. **", number + 1)).map_or(promise, |(this, _)| this);
        let links: Vec<_> = promise.split('[').skip(1).collect();
        assert!(!links.is_empty(), "promise {number} names no test");
        for link in links {
            let (name, rest) = link.split_once("](../tests/").unwrap();
            let (file, _) = rest.split_once(".rs)").unwrap();
            let name = name.strip_prefix(&format!("promise_{number}_")).unwrap();
            let named = format!("{}::{name}", file.replace('/', "::"));
            assert!(tests.contains(&&*named), "{named} is not in the index under {number}");
        }
    }
}

#[test]
fn the_page_of_promises_says_how_many_contend_in_the_chaos() {
    let contenders = include_str!("chaos.rs").split_once("const CONTENDERS: usize = ").unwrap().1;
    let contenders = contenders.split_once(';').unwrap().0;
    assert!(PROMISES_PAGE.contains(&format!("(../tests/chaos.rs): {contenders} contenders loop")));
}

#[test]
fn the_index_has_every_test_of_a_promise_and_no_other() {
    let mut found = BTreeSet::new();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut paths = vec![tests.clone()];
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            paths.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let module =
            path.strip_prefix(&tests).unwrap().with_extension("").display().to_string().replace('/', "::");
        for item in fs::read_to_string(&path).unwrap_or_default().split("#[test]\nfn promise_").skip(1) {
            let (number, rest) = item.split_once('_').unwrap();
            let (name, _) = rest.split_once('(').unwrap();
            found.insert((number.parse().unwrap(), format!("{module}::{name}")));
        }
    }
    let listed: BTreeSet<(usize, String)> = (1..)
        .zip(PROMISES)
        .flat_map(|(number, (_, tests))| tests.iter().map(move |test| (number, (*test).to_owned())))
        .collect();
    let (missing, stale) = (found.difference(&listed), listed.difference(&found));
    let (missing, stale): (Vec<_>, Vec<_>) = (missing.collect(), stale.collect());
    assert!(missing.is_empty() && stale.is_empty(), "not in the index: {missing:?}; there alone: {stale:?}");
}

#[test]
fn the_readme_is_a_landing_page_for_newcomers() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.lines().count() < 200);
    for command in ["make demo", "make demo-failover", "make test", "make install"] {
        assert!(readme.contains(command), "{command}");
    }
}

#[test]
fn the_index_lists_every_page() {
    let index = fs::read_to_string(root().join("docs/README.md")).unwrap();
    for page in pages(&root().join("docs")) {
        let name = page.file_name().unwrap().to_str().unwrap();
        assert!(name == "README.md" || index.contains(&format!("]({name})")), "{name}");
    }
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    for page in pages(&root()).into_iter().chain(pages(&root().join("docs"))) {
        let text = fs::read_to_string(&page).unwrap();
        let targets =
            text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
        for target in targets.filter(|target| !target.starts_with("https://")) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() { page.clone() } else { page.with_file_name("").join(file) };
            assert!(path.exists(), "{}: {target}", page.display());
            let is_there = anchor.is_empty() || headings(&path).contains(anchor);
            assert!(is_there, "{}: {target}", page.display());
        }
    }
}

#[test]
fn the_sizes_that_readme_tells_are_within_the_lines_not_to_cross() {
    let limits = fs::read_to_string(root().join("scripts/release/limits")).unwrap();
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for (line, what) in [("LINE=", " MiB with TLS"), ("LINE_WITHOUT_TLS=", " MiB without")] {
        let line = limits.lines().find_map(|limit| limit.strip_prefix(line)).unwrap();
        let (before, _) = readme.split_once(what).unwrap_or_else(|| panic!("README tells of no{what}"));
        let size: f64 = before.rsplit(' ').next().unwrap().parse().unwrap();
        assert!(size * 1_048_576.0 <= line.parse().unwrap(), "{size}{what}, and at most {line} bytes");
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn pages(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}

/// The anchors of a page's headings, as they are made of their words.
fn headings(page: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(page).unwrap();
    let titles =
        text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches(['#', ' ']));
    let anchor = |title: &str| {
        let kept = title.to_lowercase();
        kept.chars()
            .filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-')
            .collect::<String>()
            .replace(' ', "-")
    };
    titles.map(anchor).collect()
}
