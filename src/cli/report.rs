//! heimdall's own lines on standard error.

use std::fmt;
use std::io::{self, IsTerminal};
use std::time::SystemTime;

use super::event::{Event, Level};
use super::json::{self, Value};
use super::name::Lock;
use super::stderr;
use super::terminal;
use crate::lock::Guard;
pub(super) use crate::net::os_error_text;

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    // For people.
    Text,
    // For programs: one object a line, for every transition.
    Json,
}

/// Writes the lines that its level lets through.
#[derive(Debug, Clone)]
pub(super) struct Report {
    level: Level,
    format: Format,
    /// The lock as the user calls it.
    lock: String,
    /// What all lines in JSON have besides: the lock's key, and whose it is once it is ours.
    facts: Vec<(&'static str, Value)>,
}

impl Report {
    pub(super) fn new(level: Level, format: Format) -> Self {
        Self { level, format, lock: String::new(), facts: Vec::new() }
    }

    /// One that tells of this lock in each line.
    pub(super) fn with_lock(self, lock: &Lock) -> Self {
        let facts = vec![("key", Value::Text(lock.key().to_string()))];
        Self { lock: lock.to_string(), facts, ..self }
    }

    /// One that tells also of the session that holds the lock.
    pub(super) fn with_session(self, guard: &Guard) -> Self {
        let facts = vec![
            ("key", Value::Text(guard.key().to_string())),
            ("pid", Value::Number(guard.backend_pid().into())),
            ("token", Value::Number(guard.token().into())),
        ];
        Self { facts, ..self }
    }

    /// What ends heimdall.
    pub(super) fn error(&self, text: impl fmt::Display) {
        self.message(Level::Quiet, "error", &text);
    }

    /// What a user should know.
    pub(super) fn warning(&self, text: impl fmt::Display) {
        self.message(Level::Normal, "warning", &text);
    }

    /// What the server says unasked.
    pub(super) fn notice(&self, text: impl fmt::Display) {
        self.message(Level::Verbose, "notice", &format_args!("the server says: {text}"));
    }

    /// A message on the wire; `direction` is `>` to the server and `<` from it.
    pub(super) fn wire(&self, direction: char, text: impl fmt::Display) {
        self.message(Level::Debug, "wire", &format_args!("{direction} {text}"));
    }

    /// A transition.
    pub(super) fn event(&self, event: &Event<'_>) {
        // A program wants to see all of them.
        let level = match self.format {
            Format::Text => event.level(),
            Format::Json => event.level().min(Level::Normal),
        };
        if level > self.level {
            return;
        }
        match self.format {
            // The line that is redrawn tells of it.
            Format::Text if event.is_drawn() && self.level == Level::Normal && self.shows_progress() => {}
            Format::Text => Self::lines(&self.text(event)),
            Format::Json => self.object(event.name(), event.fields(), &self.text(event)),
        }
    }

    /// A transition as a person reads it.
    pub(super) fn text(&self, event: &Event<'_>) -> String {
        event.text(&self.lock)
    }

    pub(super) fn level(&self) -> Level {
        self.level
    }

    /// Whether a person looks at a line that is redrawn in place: not where somebody else has the terminal, such as the
    /// shell that has put us into the background.
    pub(super) fn shows_progress(&self) -> bool {
        self.format == Format::Text
            && self.level >= Level::Normal
            && io::stderr().is_terminal()
            && terminal::is_foreground()
    }

    /// Draws a line in place of the one drawn before; an empty text takes it away.
    pub(super) fn redraw(text: &str) {
        let width = rustix::termios::tcgetwinsize(io::stderr()).map_or(0, |size| usize::from(size.ws_col));
        let line = if text.is_empty() { String::new() } else { cut(&[PREFIX, text].concat(), width) };
        stderr::write(format!("\r\x1b[K{line}"));
    }

    fn message(&self, level: Level, name: &'static str, text: &dyn fmt::Display) {
        if level > self.level {
            return;
        }
        match self.format {
            Format::Text => Self::lines(&text.to_string()),
            Format::Json => self.object(name, vec![], &text.to_string()),
        }
    }

    fn lines(text: &str) {
        stderr::write(
            text.split_terminator('\n').fold(String::new(), |lines, line| lines + PREFIX + line + "\n"),
        );
    }

    fn object(&self, name: &'static str, fields: Vec<(&'static str, Value)>, text: &str) {
        let now = humantime::format_rfc3339_millis(SystemTime::now());
        let mut all = vec![("time", Value::Text(now.to_string())), ("event", Value::from(name))];
        all.extend(self.facts.iter().cloned());
        all.extend(fields);
        all.push(("message", Value::from(text)));
        stderr::write(json::object(&all) + "\n");
    }
}

/// What fits into a line of a terminal and does not make it wrap; some do not know their width.
fn cut(text: &str, width: usize) -> String {
    let mut left = if width == 0 { USUAL_WIDTH } else { width } - 1;
    text.chars()
        .take_while(|character| {
            // Of what is not ASCII, some is two columns wide.
            let columns = if character.is_ascii() { 1 } else { 2 };
            let fits = columns <= left;
            left = left.saturating_sub(columns);
            fits
        })
        .collect()
}

const USUAL_WIDTH: usize = 80;

/// What tells heimdall's lines from the program's.
const PREFIX: &str = "heimdall: ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fits_into_its_terminal() {
        for (text, width, expected) in [
            ("waiting", 80, "waiting"),
            ("waiting", 8, "waiting"),
            ("waiting", 7, "waitin"),
            ("a☃b", 4, "a☃"),
            ("a☃b", 3, "a"),
            ("waiting", 1, ""),
        ] {
            assert_eq!(cut(text, width), expected, "{width}");
        }
        assert_eq!(cut(&"x".repeat(100), 0).len(), 79);
    }
}
