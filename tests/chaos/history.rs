//! The record as it is read: what became of each run, and what was done to whom.

use std::collections::BTreeMap;
use std::time::Duration;

/// Everything.
#[derive(Default)]
pub struct History<'a> {
    pub runs: BTreeMap<u32, Run<'a>>,
    faults: Vec<Fault<'a>>,
}

/// A line, by its number, and when it was written.
#[derive(Clone, Copy, Default)]
pub struct Mark {
    pub line: usize,
    pub time: Duration,
}

/// A heimdall, from its start to the end of all that it has started.
#[derive(Default)]
pub struct Run<'a> {
    pub tried: Mark,
    pub route: &'a str,
    pub job: Option<Job>,
    pub exit: Option<Exit<'a>>,
}

/// The program that it has run.
pub struct Job {
    pub token: u64,
    pub begin: Mark,
    pub last: Mark,
    pub has_ended: bool,
}

/// How it ended.
pub struct Exit<'a> {
    pub at: Mark,
    pub code: &'a str,
    pub stderr: &'a str,
}

struct Fault<'a> {
    number: &'a str,
    kind: &'a str,
    victim: &'a str,
    from: usize,
    /// When no server was left, in a restart.
    down: usize,
    to: usize,
    /// When it was over.
    over: Duration,
}

impl<'a> History<'a> {
    pub fn read(record: &'a str) -> Self {
        let mut history = Self::default();
        for (line, text) in record.lines().enumerate() {
            history.add(line, text).unwrap_or_else(|| panic!("line {line} of the record: {text}"));
        }
        history
    }

    fn add(&mut self, line: usize, text: &'a str) -> Option<()> {
        let mut words = text.splitn(5, ' ');
        let time = Duration::from_secs_f64(words.next()?.parse().ok()?);
        let (word, subject) = (words.next()?, words.next()?);
        let at = Mark { line, time };
        if word == "fault" {
            let (kind, victim) = (words.next()?, words.next()?);
            self.faults.push(Fault {
                number: subject,
                kind,
                victim,
                from: line,
                down: usize::MAX,
                to: usize::MAX,
                over: Duration::ZERO,
            });
            return Some(());
        }
        if word == "over" {
            let fault = self.faults.iter_mut().find(|fault| fault.number == subject)?;
            (fault.to, fault.over) = (line, time);
            return Some(());
        }
        if word == "down" {
            self.faults.iter_mut().rev().find(|fault| fault.kind == subject)?.down = line;
            return Some(());
        }
        let run = self.runs.entry(subject.parse().ok()?).or_default();
        match word {
            "try" => (run.tried, run.route) = (at, words.next()?),
            "exit" => run.exit = Some(Exit { at, code: words.next()?, stderr: words.next()? }),
            "begin" => {
                let token = words.next()?.parse().ok()?;
                run.job = Some(Job { token, begin: at, last: at, has_ended: false });
            }
            "in" => run.job.as_mut()?.last = at,
            "end" => {
                let job = run.job.as_mut()?;
                (job.last, job.has_ended) = (at, true);
            }
            _ => return None,
        }
        Some(())
    }

    /// How often the server had crashed before it granted the lock to this run, whose job began at that line.
    pub fn crashes_before(&self, run: &Run<'_>, begin: usize) -> usize {
        // A job may begin after the crash that has taken its lock; heimdall then stops it.
        let is_lost = run.exit.as_ref().is_some_and(|exit| exit.code == "74");
        let restarts = self.faults.iter().filter(|fault| fault.kind == "immediate-restart");
        restarts.filter(|crash| crash.to < begin || (crash.down < begin && !is_lost)).count()
    }

    /// When the host of this run was last resumed before that line, if ever.
    pub fn resumed(&self, id: u32, before: usize) -> Duration {
        let id = id.to_string();
        let is_its =
            |fault: &&Fault<'_>| fault.kind == "suspend-host" && fault.victim == id && fault.from < before;
        self.faults.iter().filter(is_its).map(|fault| fault.over).max().unwrap_or_default()
    }

    /// Whether one of these faults has struck a run before that line.
    pub fn is_struck(&self, id: u32, run: &Run<'_>, before: usize, kinds: &[&str]) -> bool {
        self.faults.iter().any(|fault| {
            let is_victim =
                fault.victim == "all" || fault.victim == run.route || fault.victim == id.to_string();
            is_victim && kinds.contains(&fault.kind) && fault.from < before && fault.to > run.tried.line
        })
    }
}
