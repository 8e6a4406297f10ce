//! Why a program can't be run, with what may help.

use std::ffi::OsStr;
use std::fmt::{self, Write as _};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::spawn::found;
use crate::cli::report::os_error_text;

/// A program that could not be started.
pub(in crate::cli) struct Unrunnable<'a> {
    pub(in crate::cli) program: &'a OsStr,
    pub(in crate::cli) error: &'a io::Error,
}

impl fmt::Display for Unrunnable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shown, hint) = match found(self.program) {
            Some(path) => {
                (self.program.to_string_lossy().into_owned(), hint_at_file(Path::new(&path), self.error))
            }
            None => meant(&self.program.to_string_lossy()),
        };
        write!(f, "cannot run \"{}\": {}", shown.escape_debug(), os_error_text(self.error))?;
        hint.map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

/// What hinders a file that is there.
fn hint_at_file(path: &Path, error: &io::Error) -> Option<String> {
    let file = fs::metadata(path).ok()?;
    if file.is_dir() {
        Some("it is a directory".to_owned())
    } else if file.permissions().mode() & EXECUTABLE == 0 {
        Some("it is not executable (chmod +x makes it so)".to_owned())
    } else if error.kind() == io::ErrorKind::NotFound {
        Some(missing_interpreter(path))
    } else {
        None
    }
}

/// What to show of a word that is no program, and what it probably was. What stands after its beginning may be a secret.
fn meant(word: &str) -> (String, Option<String>) {
    let (shown, hint) = if let Some(variable) = variable(word) {
        let hint = format!("set variables before heimdall's own name, or by env {variable}=…");
        (format!("{variable}=…"), Some(hint))
    } else if word.contains("://") || (word.contains(':') && word.contains('@')) {
        ("…".to_owned(), Some("it looks like a connection string, which --database takes".to_owned()))
    } else if word.contains(SHELL) {
        let hint = "heimdall runs a program and no shell; a command for the shell is sh -c 'COMMAND'";
        (beginning(word), Some(hint.to_owned()))
    } else if word.contains(char::is_whitespace) {
        let hint = "the program and its arguments are words of their own, without quotes around them all";
        (beginning(word), Some(hint.to_owned()))
    } else if word.starts_with(DASHES) {
        let hint = "it begins with another dash than \"-\", as in text copied from a web page";
        (beginning(word), Some(hint.to_owned()))
    } else {
        let is_beside_us = !word.contains('/') && Path::new(word).is_file();
        (word.to_owned(), is_beside_us.then(|| format!("to run the one in this directory, write ./{word}")))
    };
    (shown, hint)
}

/// The name in `NAME=VALUE`, which a shell would have taken for itself.
fn variable(word: &str) -> Option<&str> {
    let (name, _) = word.split_once('=')?;
    let is_name = name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric());
    (is_name && name.starts_with(|c: char| !c.is_ascii_digit())).then_some(name)
}

fn beginning(word: &str) -> String {
    let first =
        word.split(|c: char| c.is_whitespace() || SHELL.contains(&c) || c == '=').next().unwrap_or_default();
    if first == word { first.to_owned() } else { format!("{first}…") }
}

/// What is wrong with a file that is there and can't be found.
fn missing_interpreter(path: &Path) -> String {
    let mut start = Vec::new();
    // What can't be read has no first line.
    let _ = File::open(path).and_then(|file| file.take(FIRST_LINE).read_to_end(&mut start));
    let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let Some(interpreter) = line.strip_prefix(b"#!") else {
        return "the file is there, and the loader that it needs is not (it is made for another system)"
            .to_owned();
    };
    let interpreter = String::from_utf8_lossy(interpreter);
    let mut text = format!(
        "the interpreter in its first line is not there: \"{}\"",
        interpreter.trim_start().escape_debug()
    );
    if interpreter.ends_with('\r') {
        // Writing to a string can't fail.
        let _ = text.write_str(" (its lines end as on Windows: sed -i 's/\\r$//' mends it)");
    }
    text
}

/// What only a shell understands.
const SHELL: &[char] = &[';', '|', '&', '>', '<', '$', '`', '*', '"', '\''];

/// What word processors make of "-".
const DASHES: &[char] = &['\u{2010}', '\u{2011}', '\u{2012}', '\u{2013}', '\u{2014}', '\u{2212}'];

/// For anyone.
const EXECUTABLE: u32 = 0o111;

/// As much as Linux looks at (`BINPRM_BUF_SIZE`).
const FIRST_LINE: u64 = 256;
