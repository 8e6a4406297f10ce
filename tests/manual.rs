//! The manual page and the completions know all that `--help` knows.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs};

use crate::support::heimdall::Heimdall;

#[path = "../scripts/manual/main.rs"]
#[allow(dead_code, reason = "a program too, whose `main` is not called here")]
mod generator;

fn written(name: &str) -> String {
    fs::read_to_string(directory().join(name)).unwrap()
}

fn directory() -> PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    let make = || {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("manual");
        generator::write(&directory).unwrap();
        directory
    };
    DIRECTORY.get_or_init(make).clone()
}

/// The names that `--help` begins its lines with: `-d`, `--database`, …
fn options() -> BTreeSet<String> {
    let help = Heimdall::new().arg("--help").run().stdout;
    let lines = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    lines
        .flat_map(|line| line.split(&[' ', ',', '[', '=']).take_while(|word| !word.starts_with('<')))
        .filter(|word| word.starts_with('-'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_manual_page_lists_every_option_with_its_value() {
    let page = written("man/man1/heimdall.1");
    for option in options() {
        assert!(page.contains(&format!("\\fB{}\\fR", option.replace('-', "\\-"))), "{option}");
    }
}

#[test]
fn the_completions_of_each_shell_offer_every_option() {
    let bash = written("bash-completion/completions/heimdall");
    let zsh = written("zsh/site-functions/_heimdall");
    let fish = written("fish/vendor_completions.d/heimdall.fish");
    let bash: BTreeSet<&str> = bash.split(&[' ', '"', '\n']).collect();
    assert!(options().len() > 10, "{:?}", options());
    for option in options() {
        assert!(bash.contains(option.as_str()), "bash: {option}");
        let in_zsh = ["[", "=[", "+["].iter().any(|end| zsh.contains(&format!("{option}{end}")));
        assert!(in_zsh, "zsh: {option}");
        let in_fish = match option.strip_prefix("--") {
            Some(long) => format!(" -l {long} "),
            None => format!(" -s {} ", &option[1..]),
        };
        assert!(fish.contains(&in_fish), "fish: {option}");
    }
}

#[test]
fn the_manual_page_has_what_a_manual_page_has() {
    let page = written("man/man1/heimdall.1");
    for title in
        ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "EXIT STATUS", "ENVIRONMENT", "SEE ALSO"]
    {
        let found = page.lines().any(|line| line.replace('"', "") == format!(".SH {title}"));
        assert!(found, "{title}");
    }
    // The headings of --help, below OPTIONS and beside nothing.
    let (_, options) = page.split_once(".SH OPTIONS\n").unwrap();
    let options = options.split("\n.SH ").next().unwrap();
    let headings: Vec<&str> = options.lines().filter_map(|line| line.strip_prefix(".SS ")).collect();
    let help = Heimdall::new().arg("--help").run().stdout;
    let mut told: Vec<String> = help
        .lines()
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| Some(format!("\"{}\"", line.strip_suffix(':')?)))
        .collect();
    told.retain(|heading| heading != "\"Arguments\"");
    assert_eq!(headings, told);
    assert!(headings.len() > 4, "{headings:?}");
    for words in ["\n124\n", "DATABASE_URL", "HEIMDALL_FENCING_TOKEN", "nightly\\-run"] {
        assert!(page.contains(words), "{words}");
    }
    // Strong words with code among them, whole and in order.
    let limit =
        "\\fBAfter \\fR\\fBkill \\-9\\fR\\fB of heimdall alone no one watches the lock\\fR, nor after";
    assert!(page.contains(limit), "{page}");
    // Files that are not installed.
    assert!(!page.contains("../"));
    for (at, _) in page.match_indices(".md") {
        let name = page[..at].rsplit([' ', '(', '\n']).next().unwrap().trim_start_matches("\\fB");
        let path = format!("{}/{name}.md", env!("CARGO_MANIFEST_DIR"));
        assert!(name.starts_with("docs/") && fs::exists(&path).unwrap(), "{path}");
    }
    // Markdown that was not understood.
    for mark in ["**", "](", "```", "|---"] {
        assert!(!page.contains(mark), "{mark}");
    }
}

#[test]
fn what_a_text_points_to_is_there() {
    let help = Heimdall::new().arg("--help").run().stdout;
    assert!(help.contains("\nA DURATION is a number of seconds, or has units: "), "{help}");
    let page = written("man/man1/heimdall.1");
    let words = [
        "number of seconds, \\fB30\\fR",
        "\n.SS \"The fencing token\"\n",
        "\n.SH \"DAEMONS\"\n",
        "\n.SH \"STOPPING\"\n",
        "/usr/share/doc/heimdall\\-lock/docs/",
    ];
    for words in words {
        assert!(page.contains(words), "{words}");
    }
    // Where packages put it.
    let packed = include_str!("../scripts/release/packages");
    assert!(packed.contains("documents=usr/share/doc/heimdall-lock\n"));
    assert!(packed.contains("put 644 \"$page\" \"$documents/$page\"\n"));
}

/// What bash offers for the last of these words.
fn complete(words: &[&str]) -> BTreeSet<String> {
    let script = "source \"$0\"; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); \
                  _heimdall_or_program \"$1\" \"${!#}\" \"${COMP_WORDS[COMP_CWORD - 1]}\"; echo \"${COMPREPLY[*]}\"";
    let output = Command::new("bash")
        .args(["--norc", "-c", script])
        .arg(directory().join("bash-completion/completions/heimdall"))
        .args(words)
        .output()
        .unwrap();
    assert!(output.stderr.is_empty(), "{output:?}");
    // A program in two folders of PATH comes twice; bash shows it once.
    String::from_utf8_lossy(&output.stdout).split_whitespace().map(str::to_owned).collect()
}

#[test]
fn bash_completes_options_before_the_program_and_the_program_itself() {
    assert_eq!(complete(&["heimdall", "--kill"]), ["--kill-after"].map(str::to_owned).into());
    assert_eq!(complete(&["heimdall", "-q", "--conf"]), ["--conflict-exit-code"].map(str::to_owned).into());
    for before in [&["--name", "x"][..], &["--name", "=", "x"], &["-q"], &["--"], &["-E", "0", "-q"]] {
        let words = [&["heimdall"], before, &["setsi"]].concat();
        assert_eq!(complete(&words), ["setsid"].map(str::to_owned).into(), "{words:?}");
    }
    // Behind the program its own completion has the word, which here there is none of.
    assert_eq!(complete(&["heimdall", "--name", "x", "env", "--kill"]), BTreeSet::new());
}
