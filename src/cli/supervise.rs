//! The one loop while the program runs: it waits for the connection, signals and time at once, and does what the rules say.

use std::os::fd::AsFd;
use std::time::Duration;

use rustix::process::{Pid, Signal};

use super::exit::Exit;
use super::job::Job;
use super::job::on_lost::OnLost;
use super::report::event;
use super::report::{Report, heard};
use super::rules::action::{Action, Cause, Event, ExitReason, Left, News, Reason, Terms, Then};
use super::rules::course::Course;
use super::rules::restart::End;
use super::rules::supervision::{Heard, Received, Supervised, Supervision};
use super::signals::{self, Signals, stop_ourselves};
use super::timer::Timer;
use crate::lock::{Guard, Lost, Moment, Polled};

/// What the loop waits for.
pub(super) struct Sources<'a> {
    pub(super) guard: &'a mut Guard,
    pub(super) signals: &'a mut Signals,
    pub(super) timer: &'a Timer,
}

/// The program is over.
pub(super) struct Ended {
    pub(super) reason: ExitReason,
    pub(super) end: End,
    /// For how long the program ran, until its own end.
    pub(super) ran: Duration,
    /// Whether the lock is lost, perhaps after the program's end.
    pub(super) is_lost: bool,
    /// The signal that was typed at the terminal after the program's end.
    pub(super) typed: Option<Signal>,
}

/// Waits for the end of the program, and makes sure that the program ends when the lock is lost.
pub(super) fn supervise(
    job: &mut Job,
    sources: Sources<'_>,
    on_lost: OnLost<'_>,
    terms: Terms,
    course: &Course,
    report: &Report,
) -> Ended {
    let mut run = Run {
        job,
        sources,
        on_lost,
        course,
        report,
        lease: terms.lease,
        ran: Duration::ZERO,
        lost: None,
        is_asked: false,
        typed: None,
        refused: None,
    };
    let mut supervision = Supervision::begin(terms, &mut run);
    let mut received = run.sources.signals.take_early();
    let mut ready = Ready::default();
    let mut is_counted = false;
    loop {
        let then = supervision.round(&mut run, received, ready.connection);
        if let Some(reason) = supervision.over().filter(|_| !is_counted) {
            report.over(reason, run.ran);
            is_counted = true;
        }
        let until = match then {
            Then::Exit(reason) => {
                let (end, is_lost) = (run.end(reason), supervision.is_lost());
                return Ended { reason, end, ran: run.ran, is_lost, typed: run.typed };
            }
            Then::Wait(until) => until,
        };
        ready = run.wait(if supervision.has_more() { Some(Moment::now()) } else { until });
        // To find out whom signals were for takes a moment, in which a host that wakes up late must not go on. Otherwise the
        // round looks at the clock as soon.
        if ready.signals || ready.witness {
            supervision.feed(&mut run, Event::Woken);
        }
        received = run.receive(ready);
    }
}

impl From<ExitReason> for Exit {
    fn from(reason: ExitReason) -> Self {
        match reason {
            // As after a signal that asks for it.
            ExitReason::Ended(status) | ExitReason::Stopped(Cause::Asked, status) => status.into(),
            ExitReason::Stopped(Cause::TimedOut, _) => Self::TimedOut,
            ExitReason::Stopped(Cause::Lost, _) => Self::Lost,
        }
    }
}

struct Run<'a> {
    job: &'a mut Job,
    sources: Sources<'a>,
    on_lost: OnLost<'a>,
    course: &'a Course,
    report: &'a Report,
    lease: Duration,
    /// For how long the program ran, once it has ended.
    ran: Duration,
    lost: Option<Lost>,
    is_asked: bool,
    /// The signal that was typed at the terminal after the program's end.
    typed: Option<Signal>,
    /// The process that can't be killed, once the user has been told.
    refused: Option<Pid>,
}

/// Where there is something to read.
#[derive(Debug, Clone, Copy, Default)]
struct Ready {
    signals: bool,
    connection: bool,
    witness: bool,
}

impl Supervised for Run<'_> {
    type Lost = Lost;

    fn now(&self) -> Moment {
        Moment::now()
    }

    fn act(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Signal(signal) => self.job.signal(signal),
            Action::SignalElsewhere(signal) => self.job.signal_elsewhere(signal),
            Action::Note(signal) => self.typed = Some(signal),
            Action::Wake => self.job.wake(),
            Action::Stop => self.job.stop(),
            Action::Resume => self.job.resume(),
            Action::StopOurselves(signal) => {
                self.report.flush_all(MOMENT);
                stop_ourselves(signal);
                return Some(Event::Continued);
            }
            // The supervision does that itself.
            Action::Renew => {}
            Action::Terminate => self.job.terminate(),
            Action::TerminateOrphans => self.job.terminate_orphans(),
            Action::Kill => self.kill(),
            Action::Look => return Some(Event::Left(self.look())),
            Action::Follow(reason) => {
                let follows = self.course.keeps_lock(self.end(reason), self.ran);
                return follows.then_some(Event::Followed);
            }
            Action::Tell(news) => self.tell(news),
        }
        None
    }

    fn reap(&mut self) -> Vec<Event> {
        let news = self.job.reap();
        if let Some(status) = news.beside_ended {
            self.on_lost.ended(status, self.report);
        }
        let ended = news.ended.map_or(Event::Reaped, Event::Ended);
        [Some(ended), news.stopped_by.map(Event::Stopped)].into_iter().flatten().collect()
    }

    fn last_answered(&self) -> Moment {
        self.sources.guard.last_answered()
    }

    fn start_heartbeat(&mut self, now: Moment) -> Result<(), Lost> {
        // A lock that is kept from one program to the next has one.
        match self.sources.guard.next_tick() {
            None => self.sources.guard.begin_heartbeat(self.lease, now),
            Some(_) => Ok(()),
        }
    }

    fn listen(&mut self) -> Result<Heard, Lost> {
        let last_answered = self.sources.guard.last_answered();
        let polled = self.sources.guard.poll()?;
        let answered = self.sources.guard.last_answered();
        if answered != last_answered {
            self.report.heartbeat(Moment::now().since(answered));
        }
        if matches!(polled, Polled::Nothing) {
            return Ok(Heard::Nothing);
        }
        heard::tell(polled, self.sources.guard.servers_half(), self.report);
        let asker = self.sources.guard.asker();
        if let Some(asker) = asker.filter(|_| !self.is_asked) {
            self.report.event(&event::Event::Asked { asker });
            self.is_asked = true;
            return Ok(Heard::Asked);
        }
        Ok(Heard::Something)
    }

    fn tick(&mut self, now: Moment) -> Result<(), Lost> {
        self.sources.guard.tick(now)
    }

    fn renew(&mut self, now: Moment) -> Result<(), Lost> {
        self.sources.guard.renew(now)
    }

    fn start_beside(&mut self) {
        self.on_lost.start(self.job, self.report);
    }

    fn kill_beside(&mut self) {
        self.on_lost.kill(self.job, self.report);
    }

    fn is_beside_left(&self) -> bool {
        self.job.is_beside_left()
    }

    fn lose(&mut self, lost: Lost) {
        self.lost = Some(lost);
    }
}

impl Run<'_> {
    fn wait(&self, until: Option<Moment>) -> Ready {
        let Sources { guard, signals, timer } = &self.sources;
        // A lost connection stays readable and would make the loop spin.
        let (socket, next_tick) = match self.lost {
            None => (Some(guard.as_fd()), guard.next_tick()),
            Some(_) => (None, None),
        };
        let until = until.into_iter().chain(next_tick).chain(self.report.alive()).min();
        let fds = [Some(signals.as_fd()), socket, self.job.witness()];
        let [signals, connection, witness] = timer.wait(fds, until);
        Ready { signals, connection, witness }
    }

    fn receive(&mut self, ready: Ready) -> Vec<Received> {
        let mut received = Vec::new();
        if ready.witness {
            self.job.hear_witness();
        }
        if ready.signals || ready.witness {
            let signals = &mut *self.sources.signals;
            let has_reached_program = self.job.sent_to_group(&mut || received.extend(signals.take()));
            let is_new = |one: Received| match one {
                Received::Sent(signal) | Received::Stop(signal)
                    if has_reached_program.contain(signal.as_raw()) =>
                {
                    (signal == Signal::CONT).then_some(Received::StopTakenBack)
                }
                one => Some(one),
            };
            received = received.into_iter().filter_map(is_new).collect();
        }
        received
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

    fn end(&self, reason: ExitReason) -> End {
        let Sources { guard, signals, .. } = &self.sources;
        match reason {
            _ if signals.ask_to_end(reason) || self.typed.is_some() || guard.asker().is_some() => End::Asked,
            ExitReason::Ended(status) | ExitReason::Stopped(Cause::Asked, status) => End::Ended(status),
            ExitReason::Stopped(Cause::TimedOut, _) => End::TimedOut,
            ExitReason::Stopped(Cause::Lost, _) => End::Lost,
        }
    }

    fn tell(&mut self, news: News) {
        let event = match news {
            News::Signalled(passed_on) => event::Event::Signalled { signal: passed_on },
            News::Exited { status, ran } => {
                self.ran = ran;
                event::Event::Exited { status, ran }
            }
            News::Terminated(cause) => {
                let cause = match cause {
                    Cause::Lost => "the lock is lost",
                    Cause::TimedOut => "--timeout ran out",
                    Cause::Asked => "heimdall --stop has asked for it",
                };
                event::Event::Stopping { cause, signal: self.job.stop_signal() }
            }
            News::Swept => event::Event::Stopping {
                cause: "it has ended, and with --restart nothing that it has left may go on",
                signal: self.job.stop_signal(),
            },
            News::Draining => event::Event::Draining,
            News::Suspended(why) => event::Event::Suspended { why },
            News::Resumed(why) => event::Event::Resumed { why },
            News::Killed(reason) => {
                let asked_by = signals::name::name(self.job.stop_signal());
                let cause = match reason {
                    Reason::Stubborn => format!("it did not end after {asked_by}"),
                    Reason::Late => "the server may have freed the lock".to_owned(),
                };
                return self.report.event(&event::Event::Stopping { cause: &cause, signal: Signal::KILL });
            }
            News::Lost => {
                let Some(lost) = &self.lost else { return };
                event::Event::lost(lost, self.sources.guard.acquired())
            }
            News::Blind => {
                return self.report.warning(
                    "/proc can't be read or hides processes; waiting for what may be left of the program outside of its group",
                );
            }
        };
        self.report.event(&event);
    }
}

/// How long the reader of standard error may keep a stopped job's heimdall from stopping.
const MOMENT: Duration = Duration::from_millis(100);
