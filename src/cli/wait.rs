//! Waiting for a lock that is held elsewhere: tries, pauses, and connects again, as the rules say.

use std::thread;
use std::time::Duration;

use super::event::{Event, Level};
use super::job::reap_orphans;
use super::report::Report;
use super::waiter::{Found, Next, Waiter};
use crate::lock::{self, Contender, Guard, Holder, LockRequest, Moment, Outcome};
use crate::net::{ConnectOptions, Deadline};
use crate::proto::ErrorKind;

/// What is waited for, and how.
pub(super) struct Wait<'a> {
    pub(super) connect: &'a ConnectOptions<'a>,
    pub(super) request: &'a LockRequest,
    /// `None` is for ever.
    pub(super) limit: Option<Duration>,
    pub(super) report: &'a Report,
}

/// How waiting ended.
pub(super) enum Waited {
    /// The lock is ours, after so long.
    Held(Box<Guard>, Duration),
    /// The time is over, and the lock still held.
    TimedOut(Box<Contender>),
    /// There is no server any more on which to wait.
    Failed(lock::Error),
}

impl Wait<'_> {
    /// Tries until the lock is ours, the time is over, or no server is left.
    pub(super) fn from(&self, mut contender: Box<Contender>) -> Waited {
        let start = Moment::now();
        let mut waiter = Waiter::new(self.limit, start);
        let mut line = Line { report: self.report, start, holders: Vec::new(), is_drawn: false };
        line.ask(&mut contender);
        self.report.event(&Event::Waiting { holders: &line.holders });
        let end = loop {
            reap_orphans();
            line.draw();
            let found = Found::Busy { is_watched: self.report.shows_progress() };
            let tried = match waiter.next(found, Moment::now(), random()) {
                Next::Ask => {
                    line.ask(&mut contender);
                    continue;
                }
                Next::Try { pause, timeout } => contender.retry(pause, timeout),
                Next::Connect { .. } | Next::GiveUp => break Waited::TimedOut(contender),
            };
            let tried = match tried {
                Err(error) if error.kind() == ErrorKind::Unavailable => {
                    line.clear();
                    self.report.warning(format_args!("{error}; connecting again"));
                    self.connect_again(error, &mut waiter)
                }
                tried => tried,
            };
            match tried {
                Ok(Outcome::Held(guard)) => break Waited::Held(guard, Moment::now().since(start)),
                Ok(Outcome::Busy(again)) => contender = again,
                Err(error) => break Waited::Failed(error),
            }
        };
        line.clear();
        end
    }

    /// Until a server answers, the time is over, or connecting again would not help.
    fn connect_again(&self, mut error: lock::Error, waiter: &mut Waiter) -> Result<Outcome, lock::Error> {
        self.report.event(&Event::Connecting);
        while let Next::Connect { pause, timeout } = waiter.next(Found::Unavailable, Moment::now(), random())
        {
            thread::sleep(pause);
            reap_orphans();
            match lock::acquire(self.connect, self.request, Deadline::after(timeout)) {
                Err(again) if again.kind() == ErrorKind::Unavailable => error = again,
                Err(error) => return Err(error),
                Ok(outcome) => {
                    self.report.event(&Event::Connected { server_address: outcome.server_address() });
                    return Ok(outcome);
                }
            }
        }
        Err(error)
    }
}

/// Where the system gives no random numbers, waiters may keep step, and no more than that.
fn random() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX / 2)
}

/// What a person at a terminal sees meanwhile: one line, drawn again and again in its place.
struct Line<'a> {
    report: &'a Report,
    start: Moment,
    holders: Vec<Holder>,
    is_drawn: bool,
}

impl Line<'_> {
    /// Asks who holds the lock, where anyone is told.
    fn ask(&mut self, contender: &mut Contender) {
        if self.report.level() > Level::Quiet {
            // It is a courtesy; where it fails the next try tells why.
            self.holders = contender.holders().unwrap_or_default();
        }
    }

    fn draw(&mut self) {
        if !self.report.shows_progress() {
            return;
        }
        let waited =
            humantime::format_duration(Duration::from_secs(Moment::now().since(self.start).as_secs()));
        let text = self.report.text(&Event::Waiting { holders: &self.holders });
        Report::redraw(&format!("{waited} {text}"));
        self.is_drawn = true;
    }

    fn clear(&mut self) {
        if self.is_drawn {
            Report::redraw("");
            self.is_drawn = false;
        }
    }
}
