//! What is wrong with a command line, in one line, with what was probably meant.

use std::error::Error as _;
use std::ffi::{OsStr, OsString};

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::conninfo::spelling;

/// Returns what is wrong, in one line. Of what may be a secret in the wrong place nothing is shown.
pub(super) fn line(error: &clap::Error, command: &clap::Command, own: &[OsString]) -> String {
    let option = text(error, ContextKind::InvalidArg).unwrap_or_default();
    let shown = match text(error, ContextKind::InvalidValue) {
        Some(value) if is_plain(value) => format!(" '{value}'"),
        _ => String::new(),
    };
    match error.kind() {
        ErrorKind::UnknownArgument => unknown(option, command, own),
        ErrorKind::InvalidValue if !choices(error).is_empty() => {
            format!(
                "invalid value{shown} for '{option}'{}{}",
                choices(error),
                semicolon(misplaced_value(option))
            )
        }
        ErrorKind::ValueValidation => {
            let reason = error.source().map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("invalid value{shown} for '{option}'{reason}{}", semicolon(misplaced_value(option)))
        }
        ErrorKind::ArgumentConflict if own.last().is_some_and(|word| word == "--watch") => {
            "--list runs no PROGRAM; --watch takes a value after = alone, as in --watch=5s".to_owned()
        }
        // clap explains in several lines; the first paragraph says what is wrong.
        _ => {
            let text = error.render().to_string();
            let lines: Vec<&str> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
            let line = lines.join(" ");
            line.strip_prefix("error: ").unwrap_or(&line).to_owned()
        }
    }
}

/// Returns how many of these words, the first of which is heimdall's own name, come before PROGRAM.
pub(super) fn own_words(words: &[OsString], command: &clap::Command) -> usize {
    let mut at = 1;
    while let Some(word) = words.get(at) {
        match word.to_str().and_then(|word| word.strip_prefix('-')) {
            None | Some("") => break,
            Some("-") => return at + 1,
            Some(option) => at += 1 + usize::from(takes_next_word(option, command)),
        }
    }
    at.min(words.len())
}

/// Whether the value of this option, or of the last one of several letters, is the next word.
fn takes_next_word(option: &str, command: &clap::Command) -> bool {
    if let Some(long) = option.strip_prefix('-') {
        return command.get_arguments().any(|arg| arg.get_long() == Some(long) && takes_word(arg));
    }
    // What follows the first letter with a value is that value.
    let at = option.char_indices().find(|(_, letter)| letter_takes_word(*letter, command));
    at.is_some_and(|(at, letter)| option.len() == at + letter.len_utf8())
}

fn letter_takes_word(letter: char, command: &clap::Command) -> bool {
    command.get_arguments().any(|arg| arg.get_short() == Some(letter) && takes_word(arg))
}

/// Whether an option's value may be a word of its own.
fn takes_word(arg: &clap::Arg) -> bool {
    arg.get_action().takes_values() && arg.get_num_args().is_none_or(|values| values.min_values() > 0)
}

/// flock's `-w10`, for clap, which knows the value of this option only after `=`.
pub(super) fn with_equals(word: &OsStr, command: &clap::Command) -> Option<OsString> {
    let word = word.to_str()?;
    let (letters, value) = word.split_once('w')?;
    let mut flags = letters.strip_prefix('-')?.chars();
    let is_flag = |letter: char| letter.is_ascii_alphabetic() && !letter_takes_word(letter, command);
    (flags.all(is_flag) && value.starts_with(|c: char| c.is_ascii_digit()))
        .then(|| format!("{letters}w={value}").into())
}

fn unknown(option: &str, command: &clap::Command, own: &[OsString]) -> String {
    if !is_plain(option) {
        return "an unexpected argument, which is no option's name".to_owned();
    }
    let longs = || command.get_arguments().filter_map(clap::Arg::get_long);
    // A single letter may be the first one of `-name`.
    let typed = || own.iter().filter_map(|word| word.to_str()?.strip_prefix('-'));
    let after_one_dash = longs().find(|long| option.len() == 2 && typed().any(|word| word == *long));
    let name = option.trim_start_matches('-');
    let nearest = || spelling::nearest(name, longs()).filter(|_| name.len() > 1);
    let meant = after_one_dash.or_else(|| if foreign(option).is_none() { nearest() } else { None });
    let hint = match meant {
        Some(long) => Some(format!("did you mean '--{long}'?")),
        None => foreign(option).map(str::to_owned),
    };
    format!("unexpected argument '{option}' found{}", semicolon(hint.as_deref()))
}

/// Options of other programs, and what to write instead.
fn foreign(option: &str) -> Option<&'static str> {
    let (_, hint) = FOREIGN.iter().find(|(options, _)| options.contains(&option))?;
    Some(hint)
}

const FOREIGN: &[(&[&str], &str)] = &[
    (
        &["-n", "--nonblock", "--nb"],
        "one try, as with -n of flock, is the default; N holders, as with -n of consul lock, are --slots N",
    ),
    (&["-x", "-e", "--exclusive"], "an exclusive lock, as with -x of flock, is the default"),
    (&["-s"], "a shared lock, as with -s of flock, is --shared"),
    (&["-c", "--command"], "a command for the shell, as with -c of flock, is sh -c 'COMMAND'"),
    (
        &["-u", "--unlock"],
        "there is nothing to unlock, as with -u of flock: the lock is free when PROGRAM ends",
    ),
    (&["-F", "--no-fork"], "heimdall keeps running, to watch the lock; there is no -F as flock has it"),
    (&["--try", "-t"], "to wait that long, as with -try of consul lock, is --wait=DURATION"),
    (&["-k"], "the time from SIGTERM to SIGKILL, as with -k of timeout, is --kill-after DURATION"),
    (
        &[
            "-U",
            "-p",
            "-W",
            "--host",
            "--port",
            "--username",
            "--user",
            "--password",
            "--dbname",
            "--db",
            "--url",
        ],
        "where to connect is --database CONNINFO, such as postgres://USER@HOST:PORT/DATABASE",
    ),
];

/// What a value that was refused was probably meant for.
fn misplaced_value(option: &str) -> Option<&'static str> {
    if option.starts_with("--signal") {
        return foreign("-s");
    }
    (option.starts_with("--restart["))
        .then_some("a limit, as with on-failure:N of Docker, is --restart-limit N")
}

fn choices(error: &clap::Error) -> String {
    let values = strings(error, ContextKind::ValidValue);
    if values.is_empty() { values } else { format!(" [possible values: {values}]") }
}

fn strings(error: &clap::Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::Strings(values)) => values.join(", "),
        _ => String::new(),
    }
}

fn text(error: &clap::Error, kind: ContextKind) -> Option<&str> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text),
        _ => None,
    }
}

fn semicolon(hint: Option<&str>) -> String {
    hint.map(|hint| format!("; {hint}")).unwrap_or_default()
}

/// Whether it is a word or a number, and neither a connection string nor a part of one.
fn is_plain(text: &str) -> bool {
    text.len() <= MAX_SHOWN && text.chars().all(|c| c.is_ascii_alphanumeric() || "-.,_+".contains(c))
}

/// Longer than any word that was meant for an option.
const MAX_SHOWN: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn the_words_before_the_program_are_heimdalls() {
        let command = crate::cli::command();
        for (line, expected) in [
            ("heimdall true -q", 1),
            ("heimdall --name x true -w10", 3),
            ("heimdall --name=x -w true -w10", 3),
            ("heimdall -qE 0 true", 3),
            ("heimdall -E0 true", 2),
            ("heimdall -d -w10 true", 3),
            ("heimdall -- -w10", 2),
            ("heimdall --wait - x", 2),
            ("heimdall --name", 2),
        ] {
            assert_eq!(own_words(&words(line), &command), expected, "{line}");
        }
    }

    #[test]
    fn a_wait_as_flock_has_it_is_read() {
        let command = crate::cli::command();
        for (word, expected) in [
            ("-w10", Some("-w=10")),
            ("-qw1h30m", Some("-qw=1h30m")),
            ("-w=10", None),
            ("-w", None),
            ("--w10", None),
            ("w10", None),
            ("-dw10", None),
        ] {
            assert_eq!(with_equals(OsStr::new(word), &command), expected.map(OsString::from), "{word}");
        }
    }
}
