//! heimdall's own lines on standard error.

pub(super) mod event;
pub(super) mod files;
pub(super) mod half;
pub(super) mod heard;
pub(super) mod json;
pub(super) mod metrics;
pub(super) mod notify;
pub(super) mod publisher;
pub(crate) mod session_name;
pub(super) mod standing;
pub(super) mod stderr;
pub(super) mod terminal;
pub(super) mod who;

use std::fmt;
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::cli::options::name::{Lock, Name};
use crate::cli::rules::action::ExitReason;
use crate::lock::{Guard, Moment};
pub(super) use crate::net::os_error_text;
use crate::proto::Direction;
use event::{Event, Level};
use json::Value;
use publisher::{Audience, Publisher};

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    // For people.
    Text,
    // For programs: one object a line, for every transition.
    Json,
}

/// Writes lines, up to its level.
#[derive(Debug, Clone)]
pub(super) struct Report {
    level: Level,
    format: Format,
    /// The lock as the user calls it.
    lock: String,
    /// Fields of every line in JSON: this host, the lock and, once it is ours, the session that holds it.
    facts: Vec<(&'static str, Value)>,
    /// Who else is told of transitions.
    publisher: Option<Arc<Publisher>>,
}

impl Report {
    pub(super) fn new(level: Level, format: Format) -> Self {
        Self { level, format, lock: String::new(), facts: Vec::new(), publisher: None }
            .with("host", Value::from(session_name::host()))
    }

    fn with(mut self, name: &'static str, value: Value) -> Self {
        self.facts.retain(|(known, _)| *known != name);
        self.facts.push((name, value));
        self
    }

    /// Adds the lock to each line.
    pub(super) fn with_lock(self, lock: &Lock) -> Self {
        // Who asks for more, and programs, get the key too.
        let is_long = self.level >= Level::Verbose || self.format == Format::Json;
        let text = if is_long { lock.to_string() } else { lock.short() };
        let report = match &lock.name {
            Name::Named { namespace, name } => self
                .with("namespace", Value::from(namespace.as_str()))
                .with("name", Value::from(name.as_str())),
            Name::Key(_) => self,
        };
        Self { lock: text, ..report.with("key", Value::Text(lock.key().to_string())) }
    }

    /// Adds the session that holds the lock to each line.
    pub(super) fn with_session(self, guard: &Guard) -> Self {
        self.with("key", Value::Text(guard.key().to_string()))
            .with("pid", Value::Number(guard.backend_pid().into()))
            // A number of this size is rounded where numbers are floating-point, as in JavaScript.
            .with("token", Value::Text(guard.token().to_string()))
    }

    /// Has transitions told wherever else this run tells of them.
    pub(super) fn with_audience(self, audience: &Audience, lock: &Lock) -> Self {
        let report = self.clone();
        let publisher = Publisher::new(audience, lock, move |text| report.warning(text));
        Self { publisher: Some(Arc::new(publisher)), ..self }
    }

    /// Tells that heimdall is about to end, and waits until all is written, no longer than that.
    pub(super) fn close(&self, limit: Duration) {
        self.publisher.iter().for_each(|publisher| publisher.close());
        self.flush_all(limit);
    }

    /// Waits until all is written that is about to be, lines and files, no longer than that.
    pub(super) fn flush_all(&self, limit: Duration) {
        let end = Moment::now().after(limit);
        self.publisher.iter().for_each(|publisher| publisher.flush(limit));
        Self::flush(end.since(Moment::now()));
    }

    /// Gives the service manager a sign of life, if one is due; returns when the next one is.
    pub(super) fn alive(&self) -> Option<Moment> {
        self.publisher.as_ref()?.alive()
    }

    /// Tells that the server has answered a heartbeat after so long.
    pub(super) fn heartbeat(&self, round_trip: Duration) {
        self.publisher.iter().for_each(|publisher| publisher.heartbeat(round_trip));
    }

    /// Tells how a run has ended in which the program ran for so long.
    pub(super) fn over(&self, reason: ExitReason, ran: Duration) {
        self.publisher.iter().for_each(|publisher| publisher.over(reason, ran));
    }

    /// Waits until all lines are written, no longer than that.
    pub(super) fn flush(limit: Duration) {
        stderr::flush(limit);
    }

    /// Tells what ends heimdall.
    pub(super) fn error(&self, text: impl fmt::Display) {
        self.message(Level::Quiet, "error", &text);
    }

    /// Tells what a user should know.
    pub(super) fn warning(&self, text: impl fmt::Display) {
        self.message(Level::Normal, "warning", &text);
    }

    /// Tells what who asks for more should know.
    pub(super) fn remark(&self, text: impl fmt::Display) {
        self.message(Level::Verbose, "notice", &text);
    }

    /// Tells what the server says of itself.
    pub(super) fn notice(&self, text: impl fmt::Display) {
        self.message(Level::Verbose, "notice", &format_args!("the server says: {text}"));
    }

    /// Tells of a message on the wire, and which way it goes.
    pub(super) fn wire(&self, direction: Direction, text: impl fmt::Display) {
        self.message(Level::Debug, "wire", &format_args!("{direction} {text}"));
    }

    /// Tells of a transition.
    pub(super) fn event(&self, event: &Event<'_>) {
        self.publisher.iter().for_each(|publisher| publisher.event(event, || self.text(event), &self.facts));
        // Programs get all of them.
        let level = match self.format {
            Format::Text => event.level(),
            Format::Json => event.level().min(Level::Normal),
        };
        if level > self.level {
            return;
        }
        match self.format {
            // The line that is redrawn says so.
            Format::Text if event.is_drawn() && self.level == Level::Normal && self.shows_progress() => {}
            Format::Text => Self::lines(&self.text(event)),
            Format::Json => self.object(event.name(), event.fields(), &self.text(event)),
        }
    }

    /// Returns a transition's line for a person.
    pub(super) fn text(&self, event: &Event<'_>) -> String {
        event.text(&self.lock)
    }

    pub(super) fn level(&self) -> Level {
        self.level
    }

    /// Whether to show a line that is redrawn in place: not if another process group has the terminal, such as the shell that
    /// has put us into the background.
    pub(super) fn shows_progress(&self) -> bool {
        self.format == Format::Text
            && self.level >= Level::Normal
            && io::stderr().is_terminal()
            && terminal::is_foreground()
    }

    /// Draws a line with the lock's name between these texts, which gives way where the terminal is too narrow for all of it.
    pub(super) fn redraw_lock(&self, before: &str, after: &str) {
        let rest = [PREFIX, before, after].concat().chars().count();
        let name = terminal::shortened(&self.lock, terminal::width().saturating_sub(rest + 2));
        Self::redraw(&[before, &name, after].concat());
    }

    /// Draws a line in place of the one drawn before; an empty text takes it away.
    pub(super) fn redraw(text: &str) {
        let text = if text.is_empty() { String::new() } else { [PREFIX, text].concat() };
        stderr::write(terminal::in_place(&text));
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

/// Tells heimdall's lines from the program's.
const PREFIX: &str = "heimdall: ";
