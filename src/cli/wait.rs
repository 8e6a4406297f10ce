//! Waiting for a lock that somebody else holds: try, pause, try again, and connect again where that is needed.

use std::thread;
use std::time::Duration;

use super::event::{Event, Level};
use super::report::Report;
use crate::conninfo::Config;
use crate::lock::{self, Backoff, Contender, Guard, Holder, LockRequest, Moment, Outcome};
use crate::net::ConnectOptions;
use crate::proto::ErrorKind;

/// What is waited for, and how.
pub(super) struct Wait<'a> {
    pub(super) connect: &'a ConnectOptions<'a>,
    pub(super) request: &'a LockRequest,
    pub(super) allows_pooler: bool,
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
    /// Tries until the lock is ours or the time is over; the last try is when it is over. A lost connection is
    /// made again within the time.
    pub(super) fn from(&self, mut contender: Box<Contender>) -> Waited {
        let start = Moment::now();
        let mut backoff = Backoff::default();
        let mut line = Line::new(self.report, start);
        line.ask(&mut contender);
        self.report.event(&Event::Waiting { holders: &line.holders });
        loop {
            line.draw(&mut contender);
            let left = self.left(start);
            let tried = match left {
                Some(Duration::ZERO) => {
                    line.clear();
                    return Waited::TimedOut(contender);
                }
                left => contender.retry(cut(backoff.pause(), left), last_chance(left)),
            };
            let tried = match tried {
                Err(error) if error.kind() == ErrorKind::Unavailable => {
                    line.clear();
                    self.report.warning(format_args!("{error}; connecting again"));
                    self.connect_again(start, &mut backoff)
                }
                tried => tried,
            };
            match tried {
                Ok(Outcome::Held(guard)) => {
                    line.clear();
                    return Waited::Held(guard, Moment::now().since(start));
                }
                Ok(Outcome::Busy(again)) => contender = again,
                Err(error) => {
                    line.clear();
                    return Waited::Failed(error);
                }
            }
        }
    }

    /// Until a server answers, the time is over, or it would not help.
    fn connect_again(&self, start: Moment, backoff: &mut Backoff) -> Result<Outcome, lock::Error> {
        self.report.event(&Event::Connecting);
        loop {
            let left = self.left(start);
            thread::sleep(cut(backoff.pause(), left));
            let outcome = match self.acquire(left) {
                Err(error) if error.kind() == ErrorKind::Unavailable && left != Some(Duration::ZERO) => {
                    continue;
                }
                Err(error) => return Err(error),
                Ok(outcome) => outcome,
            };
            self.report.event(&Event::Connected { server_address: outcome.server_address() });
            return Ok(outcome);
        }
    }

    /// As at the beginning, but in no more time than is left.
    fn acquire(&self, left: Option<Duration>) -> Result<Outcome, lock::Error> {
        let connect = self.connect;
        let limits = connect.config.connect_timeout.into_iter().chain(last_chance(left));
        let config = Config { connect_timeout: limits.min(), ..connect.config.clone() };
        let connect = ConnectOptions {
            config: &config,
            trace: connect.trace.clone(),
            warn: Box::new(|text| (connect.warn)(text)),
            ..*connect
        };
        lock::acquire(&connect, self.request, self.allows_pooler)
    }

    fn left(&self, start: Moment) -> Option<Duration> {
        self.limit.map(|limit| start.after(limit).since(Moment::now()))
    }
}

fn cut(pause: Duration, left: Option<Duration>) -> Duration {
    left.map_or(pause, |left| pause.min(left))
}

/// How long a server may take to answer: for a healthy one that is long also where no time is left.
fn last_chance(left: Option<Duration>) -> Option<Duration> {
    left.map(|left| left.max(LAST_CHANCE))
}

const LAST_CHANCE: Duration = Duration::from_secs(1);

/// What a person at a terminal sees meanwhile: one line, drawn again and again in its place.
struct Line<'a> {
    report: &'a Report,
    start: Moment,
    holders: Vec<Holder>,
    asked: Moment,
    is_drawn: bool,
}

impl<'a> Line<'a> {
    fn new(report: &'a Report, start: Moment) -> Self {
        Self { report, start, holders: Vec::new(), asked: start, is_drawn: false }
    }

    /// Asks who holds the lock, where anybody is told.
    fn ask(&mut self, contender: &mut Contender) {
        if self.report.level() > Level::Quiet {
            self.asked = Moment::now();
            // It is a courtesy; where it fails the next try tells why.
            self.holders = contender.holders().unwrap_or_default();
        }
    }

    fn draw(&mut self, contender: &mut Contender) {
        if !self.report.shows_progress() {
            return;
        }
        if Moment::now().since(self.asked) >= ASK_AGAIN {
            self.ask(contender);
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

/// How old the news of who holds the lock may be on the screen.
const ASK_AGAIN: Duration = Duration::from_secs(5);
