//! The one loop while the program runs: it waits for the connection, signals and time at once, and does what the rules say.

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::time::{Duration, SystemTime};

use rustix::process::{Pid, Signal};

use super::event;
use super::exit::Exit;
use super::job::Job;
use super::on_lost::OnLost;
use super::report::Report;
use super::signal_name;
use super::signals::{Received, Signals, stop_ourselves};
use super::supervisor::{Action, Cause, Event, ExitReason, Left, News, Reason, Supervisor, Terms, Then};
use super::timer::Timer;
use crate::lock::{Guard, Lost, Moment, Polled};

/// What the loop waits for.
pub(super) struct Sources<'a> {
    pub(super) guard: &'a mut Guard,
    pub(super) signals: &'a mut Signals,
    pub(super) timer: &'a Timer,
}

/// Waits for the end of the program, and makes sure that the program ends when the lock is lost.
pub(super) fn supervise(
    job: &mut Job,
    sources: Sources<'_>,
    on_lost: OnLost<'_>,
    terms: Terms,
    report: &Report,
) -> ExitReason {
    let now = Moment::now();
    let last_answered = sources.guard.last_answered();
    let mut supervision = Supervision {
        supervisor: Supervisor::new(terms, last_answered, now),
        job,
        sources,
        on_lost,
        report,
        last_answered,
        lost: None,
        has_more: true,
        refused: None,
        then: Then::Wait(None),
    };
    supervision.listen();
    supervision.guard(|guard| guard.start_heartbeat(terms.lease, now));
    let mut ready = Ready::default();
    loop {
        // Before anything else: if this host wakes up late, the job must not go on.
        supervision.feed(Event::Tick);
        supervision.receive(ready);
        supervision.guard(|guard| guard.tick(Moment::now()));
        supervision.on_lost.tick(Moment::now(), supervision.job, report);
        match supervision.then {
            Then::Exit(reason) if !supervision.job.is_beside_left() => return reason,
            Then::Exit(_) => ready = supervision.wait(None),
            Then::Wait(until) => ready = supervision.wait(until),
        }
    }
}

impl From<ExitReason> for Exit {
    fn from(reason: ExitReason) -> Self {
        match reason {
            ExitReason::Ended(status) => status.into(),
            ExitReason::Stopped(Cause::TimedOut) => Self::TimedOut,
            ExitReason::Stopped(Cause::Lost) => Self::Lost,
        }
    }
}

struct Supervision<'a> {
    supervisor: Supervisor,
    job: &'a mut Job,
    sources: Sources<'a>,
    on_lost: OnLost<'a>,
    report: &'a Report,
    /// Once the lock is lost, no more is said to the server.
    lost: Option<Lost>,
    /// The connection may hold more than was read: at first, what came along with the answer that granted the lock.
    has_more: bool,
    /// The last answer that the rules know of.
    last_answered: Moment,
    /// The process that can't be killed, once the user has been told.
    refused: Option<Pid>,
    /// What the rules say to do next.
    then: Then,
}

/// Where there is something to read.
#[derive(Debug, Clone, Copy, Default)]
struct Ready {
    signals: bool,
    connection: bool,
}

impl Supervision<'_> {
    fn wait(&self, until: Option<Moment>) -> Ready {
        let Sources { guard, signals, timer } = &self.sources;
        // A lost connection stays readable and would make the loop spin.
        let (socket, next_tick) = match self.lost {
            None => (Some(guard.as_fd()), guard.next_tick()),
            Some(_) => (None, None),
        };
        let until = if self.has_more {
            Some(Moment::now())
        } else {
            until.into_iter().chain(next_tick).chain(self.on_lost.ends_at()).min()
        };
        let [signals, connection] = timer.wait([Some(signals.as_fd()), socket], until);
        Ready { signals, connection }
    }

    fn receive(&mut self, ready: Ready) {
        if ready.signals {
            for received in self.sources.signals.take() {
                match received {
                    Received::Child => self.reap(),
                    Received::Typed => self.feed(Event::Typed),
                    Received::Sent(signal) => self.feed(Event::Signal(signal)),
                    Received::Stop(signal) => self.feed(Event::Stop(signal)),
                }
            }
        }
        if ready.connection || self.has_more {
            self.listen();
        }
    }

    fn reap(&mut self) {
        let news = self.job.reap();
        if let Some(status) = news.beside_ended {
            self.on_lost.ended(status, self.report);
        }
        self.feed(news.ended.map_or(Event::Reaped, Event::Ended));
        if let Some(signal) = news.stopped_by {
            self.feed(Event::Stopped(signal));
        }
    }

    /// Reads one thing at a time, so that a server that never stops sending can't keep us from everything else.
    fn listen(&mut self) {
        let polled = self.guard(Guard::poll);
        self.has_more = !matches!(polled, None | Some(Polled::Nothing));
        match polled {
            Some(Polled::Notice(notice)) => self.report.notice(notice),
            Some(Polled::NotInForce(what)) => self
                .report
                .warning(format_args!("the session's settings are not in force as they should be: {what}")),
            Some(Polled::Nothing | Polled::Progress) | None => {}
        }
    }

    /// Has the guard do something, unless the lock is lost already; it may turn out to be lost now.
    fn guard<T>(&mut self, act: impl FnOnce(&mut Guard) -> Result<T, Lost>) -> Option<T> {
        if self.lost.is_some() {
            return None;
        }
        match act(self.sources.guard) {
            Ok(done) => {
                let last_answered = self.sources.guard.last_answered();
                if last_answered != self.last_answered {
                    self.last_answered = last_answered;
                    self.feed(Event::Answered(last_answered));
                }
                Some(done)
            }
            Err(lost) => {
                self.lost = Some(lost);
                self.has_more = false;
                // The program may have ended meanwhile: then it never ran without the lock.
                self.reap();
                self.feed(Event::Lost);
                self.on_lost.start(Moment::now(), self.job, self.report);
                None
            }
        }
    }

    /// Tells the rules of an event, and does what they say.
    fn feed(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let actions = self.supervisor.step(event, Moment::now());
            self.then = actions.then;
            for action in actions.now {
                events.extend(self.act(action));
            }
        }
    }

    fn act(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Signal(signal) => self.job.signal(signal),
            Action::Wake => self.job.wake(),
            Action::Stop => self.job.stop(),
            Action::Resume => self.job.resume(),
            Action::StopOurselves(signal) => {
                Report::flush(MOMENT);
                stop_ourselves(signal);
                return Some(Event::Continued);
            }
            Action::Renew => drop(self.guard(|guard| guard.renew(Moment::now()))),
            Action::Terminate => self.job.terminate(),
            Action::TerminateOrphans => self.job.terminate_orphans(),
            Action::Kill => self.kill(),
            Action::Look => return Some(Event::Left(self.look())),
            Action::Tell(news) => self.tell(news),
        }
        None
    }

    fn look(&self) -> Left {
        if !self.job.is_left() {
            Left::No
        } else if self.job.cannot_see_descendants() {
            Left::Unknown
        } else {
            Left::Yes
        }
    }

    fn kill(&mut self) {
        let refused = self.job.kill();
        if refused.is_some() && refused != self.refused {
            self.refused = refused;
            let pid = refused.map_or(0, Pid::as_raw_pid);
            self.report.warning(format_args!(
                "process {pid} of the program belongs to another user and can't be killed; waiting for its end"
            ));
        }
    }

    fn tell(&self, news: News) {
        let event = match news {
            News::Signalled(passed_on) => event::Event::Signalled { signal: passed_on },
            News::Exited { status, ran } => event::Event::Exited { status, ran },
            News::Terminated(cause) => {
                let cause = match cause {
                    Cause::Lost => "the lock is lost",
                    Cause::TimedOut => "--timeout ran out",
                };
                event::Event::Stopping { cause, signal: self.job.stop_signal() }
            }
            News::Draining => event::Event::Draining,
            News::Suspended(why) => event::Event::Suspended { why },
            News::Resumed(why) => event::Event::Resumed { why },
            News::Killed(reason) => {
                let asked_by = signal_name::name(self.job.stop_signal());
                let cause = match reason {
                    Reason::Stubborn => format!("it did not end after {asked_by}"),
                    Reason::Late => "the server may have freed the lock".to_owned(),
                };
                return self.report.event(&event::Event::Stopping { cause: &cause, signal: Signal::KILL });
            }
            News::Lost => {
                let Some(lost) = &self.lost else { return };
                let held = Moment::now().since(self.sources.guard.acquired());
                let when = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
                event::Event::Lost { lost, held, when }
            }
            News::Blind => {
                return self.report.warning(
                    "the process table can't be read; waiting for what may be left of the program outside of its group",
                );
            }
        };
        self.report.event(&event);
    }
}

/// How long the reader of standard error may keep a stopped job's heimdall from stopping.
const MOMENT: Duration = Duration::from_millis(100);
