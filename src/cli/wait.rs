//! Acquiring the lock, and waiting for it and for a server where that is asked for: tries, pauses and connects again, as the
//! rules say.

use std::thread;
use std::time::{Duration, SystemTime};

use super::report::Report;
use super::report::event::{Event, Level};
use super::report::who::held_briefly;
use super::rules::waiter::{Found, Next, TELL_AGAIN, Waiter};
use super::tend::{tend, tend_during};
use crate::lock::{self, Contender, Guard, Holder, LockRequest, Moment, Outcome};
use crate::net::{ConnectOptions, Deadline};

/// What is wanted, and how.
pub(super) struct Wait<'a> {
    pub(super) connect: &'a ConnectOptions<'a>,
    pub(super) request: &'a LockRequest,
    /// How long to wait: not at all where it is zero, for ever where it is `None`.
    pub(super) limit: Option<Duration>,
    pub(super) report: &'a Report,
}

/// How it ended.
pub(super) enum Waited {
    /// The lock is ours.
    Held {
        guard: Box<Guard>,
        /// For how long it was waited for.
        waited: Duration,
        /// When the session broke in which it was waited for, if one did.
        broken: Option<Moment>,
    },
    /// The time is over, and the lock held elsewhere.
    Busy(Box<Contender>),
    /// The time is over, and there is no server; or what keeps us from one does not pass.
    Failed(lock::Error),
}

impl Wait<'_> {
    /// Tries until the lock is ours, the time is over, or it is known that no server can be used.
    pub(super) fn acquire(&self) -> Waited {
        let start = Moment::now();
        let mut waiter = Waiter::new(self.limit, start);
        let mut line = Line {
            report: self.report,
            start,
            what: What::Nothing,
            told: Vec::new(),
            told_at: start,
            is_drawn: false,
        };
        self.report.event(&Event::Connecting);
        let mut tried = self.connect(waiter.patience(start));
        let end = loop {
            tried = match self.until_there_is_a_server(tried, &mut waiter, &mut line) {
                Err(error) => break Waited::Failed(error),
                Ok(Outcome::Held(guard)) => {
                    break Waited::Held {
                        guard,
                        waited: if line.has_told() { Moment::now().since(start) } else { Duration::ZERO },
                        broken: waiter.broken(),
                    };
                }
                Ok(Outcome::Busy(mut contender)) => {
                    let is_watched = self.report.shows_progress();
                    let found = Found::Busy { is_watched, place: contender.place() };
                    match waiter.next(found, Moment::now(), random()) {
                        Next::Ask { is_news } => {
                            let limit = Deadline::after(waiter.patience(Moment::now()));
                            line.tell_holders(&mut contender, is_news, limit);
                            Ok(Outcome::Busy(contender))
                        }
                        Next::Try { pause, overtakes } => {
                            let until = Moment::now().after(pause);
                            let overtakes = overtakes && self.is_left_alone(&mut contender, pause / 2);
                            Self::pause(until, &mut line, |pause| contender.listen(pause)).and_then(|()| {
                                let patience = waiter.patience(Moment::now());
                                tend_during(self.report, || contender.take_turn(overtakes, patience))
                            })
                        }
                        Next::Connect { .. } | Next::GiveUp => break Waited::Busy(contender),
                    }
                }
            }
        };
        line.clear();
        end
    }

    /// Whether no one holds the lock now. An heir that is well has it before the rest of the pause is over.
    fn is_left_alone(&self, contender: &mut Contender, limit: Duration) -> bool {
        let holders = tend_during(self.report, || contender.holders_by(Deadline::after(limit)));
        holders.is_ok_and(|holders| holders.iter().all(|holder| holder.is_heir))
    }

    /// Connects again for as long as it may help and there is time.
    fn until_there_is_a_server(
        &self,
        mut tried: Result<Outcome, lock::Error>,
        waiter: &mut Waiter,
        line: &mut Line<'_>,
    ) -> Result<Outcome, lock::Error> {
        while let Err(error) = &tried
            && error.may_pass()
            && let Next::Connect { pause } = waiter.next(Found::Unavailable, Moment::now(), random())
        {
            let until = Moment::now().after(pause);
            line.tell_reason(error);
            tried = Self::pause(until, line, |pause| {
                thread::sleep(pause);
                Ok(())
            })
            .and_then(|()| self.connect(waiter.patience(Moment::now())));
        }
        tried
    }

    /// Pauses, and shows meanwhile that time goes by.
    fn pause(
        until: Moment,
        line: &mut Line<'_>,
        mut sleep: impl FnMut(Duration) -> Result<(), lock::Error>,
    ) -> Result<(), lock::Error> {
        while Moment::now() < until {
            line.draw();
            let wake =
                tend(line.report).into_iter().chain([until]).fold(Moment::now().after(REDRAW), Moment::min);
            sleep(wake.since(Moment::now()))?;
        }
        Ok(())
    }

    fn connect(&self, timeout: Option<Duration>) -> Result<Outcome, lock::Error> {
        let limit = Deadline::after(timeout);
        let tried = tend_during(self.report, || {
            if self.limit == Some(Duration::ZERO) {
                lock::acquire(self.connect, self.request, limit)
            } else {
                lock::acquire_in_turn(self.connect, self.request, limit)
            }
        });
        if let Ok(outcome) = &tried {
            self.report.event(&Event::Connected { server_address: outcome.server_address() });
        }
        tried
    }
}

/// Where the system gives no random numbers, waiters may keep step, and no more than that.
pub(super) fn random() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX / 2)
}

/// What is waited for: told once, and on a terminal a line that is drawn again and again in its place.
struct Line<'a> {
    report: &'a Report,
    start: Moment,
    what: What,
    /// The reasons told since a server has answered, and when the last one was.
    told: Vec<String>,
    told_at: Moment,
    is_drawn: bool,
}

/// What is waited for.
enum What {
    /// Nothing yet.
    Nothing,
    /// The lock, which is held by these.
    Lock(Vec<Holder>),
    /// A server, for this reason.
    Server(String),
}

impl Line<'_> {
    fn has_told(&self) -> bool {
        !matches!(self.what, What::Nothing)
    }

    /// Asks who holds the lock, where anyone is told.
    fn tell_holders(&mut self, contender: &mut Contender, is_news: bool, limit: Deadline) {
        // It is a courtesy; where it fails the next try tells why.
        let is_told = self.report.level() > Level::Quiet;
        let holders = if is_told {
            tend_during(self.report, || contender.holders_by(limit)).unwrap_or_default()
        } else {
            Vec::new()
        };
        let waited =
            if is_news && self.has_told() { Moment::now().since(self.start) } else { Duration::ZERO };
        let event = Event::Waiting { holders: &holders, waited };
        if is_news {
            self.clear();
            self.report.event(&event);
        }
        self.told.clear();
        self.what = What::Lock(holders);
    }

    /// Tells why there is no server, unless that was told, and that another attempt follows.
    fn tell_reason(&mut self, error: &lock::Error) {
        let event = Event::Unavailable { reason: &error.to_string().replace('\n', "; ") };
        let text = self.report.text(&event);
        self.what = What::Server(text.clone());
        if Moment::now() >= self.told_at.after(TELL_AGAIN) {
            self.told.clear();
        }
        if self.told.len() < MAX_REASONS && !self.told.contains(&text) {
            self.told.push(text);
            self.told_at = Moment::now();
            self.clear();
            self.report.event(&event);
            self.report.event(&Event::Connecting);
        }
    }

    fn draw(&mut self) {
        if !self.report.shows_progress() {
            return;
        }
        let waited =
            humantime::format_duration(Duration::from_secs(Moment::now().since(self.start).as_secs()));
        match &self.what {
            What::Nothing => return,
            What::Server(text) => Report::redraw(&format!("{waited} {text}")),
            What::Lock(holders) => {
                let held = held_briefly(holders, SystemTime::now());
                self.report.redraw_lock(&format!("{waited} waiting for "), &held);
            }
        }
        self.is_drawn = true;
    }

    fn clear(&mut self) {
        if self.is_drawn {
            Report::redraw("");
            self.is_drawn = false;
        }
    }
}

/// How old the time on the screen may be.
const REDRAW: Duration = Duration::from_secs(1);

/// A server whose text is another each time does not fill anyone's log.
const MAX_REASONS: usize = 20;
