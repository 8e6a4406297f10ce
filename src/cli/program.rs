//! One program after the other, each from its start to its end.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::process::Signal;

use super::exit::{Exit, Status};
use super::job::Job;
#[cfg(target_os = "linux")]
use super::job::listen;
use super::job::on_lost::{OnLost, shell};
use super::job::spawn::Start;
use super::job::unrunnable::Unrunnable;
use super::options::RunOptions;
use super::options::name::Name;
use super::report::Report;
use super::report::event::Event;
use super::report::notify;
use super::report::terminal;
use super::rules::action::{Cause, ExitReason, Terms};
use super::rules::course::Course;
use super::rules::restart::End;
use super::signals::Signals;
use super::supervise::{Ended, Sources, supervise};
use super::timer::Timer;
use crate::lock::heartbeat::Heartbeat;
use crate::lock::{Guard, Moment};

/// What all programs of a run are started and watched with.
pub(super) struct Programs<'a> {
    options: &'a RunOptions,
    timer: &'a Timer,
    /// From the start of the first one on.
    signals: Option<Signals>,
}

/// What came of one.
pub(super) enum Ran {
    /// It was not started: by then it was not sure any more that the lock is ours.
    TooLate(Guard),
    Over(Over),
}

/// How one ended.
pub(super) struct Over {
    pub(super) end: End,
    /// For how long the program ran, until its own end.
    pub(super) ran: Duration,
    /// How heimdall ends if no other program follows.
    pub(super) exit: Exit,
    /// The signal typed at the terminal that the program has died of, or that came after its end.
    pub(super) typed: Option<Signal>,
    /// The lock, unless the program was stopped since it was lost.
    pub(super) guard: Option<Guard>,
    /// Whether it is lost, perhaps after the program's end.
    pub(super) is_lost: bool,
}

impl<'a> Programs<'a> {
    pub(super) fn new(options: &'a RunOptions, timer: &'a Timer) -> Self {
        Self { options, timer, signals: None }
    }

    /// Starts the program, as long as the last answer is fresh, and watches over it until its end.
    pub(super) fn run(&mut self, mut guard: Guard, course: &mut Course, report: &Report) -> Ran {
        let variables = variables(self.options, &guard, course);
        let (options, timer) = (self.options, self.timer);
        let (signals, mut job) = match self.start(&guard, variables.clone()) {
            Ok(Some(started)) => started,
            Ok(None) => return Ran::TooLate(guard),
            Err(error) => {
                report.error(Unrunnable { program: &options.program, error: &error });
                let exit = match error.kind() {
                    io::ErrorKind::NotFound => Exit::NotFound,
                    _ => Exit::NotExecutable,
                };
                // What came meanwhile was for the program.
                let is_asked = self.signals.as_ref().is_some_and(Signals::have_ending);
                return Ran::Over(Over {
                    end: if is_asked { End::Asked } else { End::NotStarted },
                    ran: Duration::ZERO,
                    exit,
                    typed: None,
                    guard: Some(guard),
                    is_lost: false,
                });
            }
        };
        course.started();
        report.event(&Event::Started { pid: job.pid() });

        let terms = Terms {
            timeout: options.timeout,
            kill_after: options.kill_after,
            lease: options.lease,
            min_hold: options.min_hold,
            drains: options.drains,
            sweeps: course.restarts(),
            is_group_shared: job.is_group_shared(),
            has_command: options.on_lost.is_some(),
        };
        let mask = *signals.mask();
        let shell = options.on_lost.as_deref().map(shell);
        let on_lost = shell.as_ref().map(|(program, arguments)| Start {
            program,
            arguments,
            variables,
            in_our_group: false,
            inherited: None,
            mask: &mask,
        });
        let on_lost = OnLost::new(on_lost, options.lease);
        let sources = Sources { guard: &mut guard, signals: &mut *signals, timer };
        let Ended { reason, end, ran, is_lost, typed } =
            supervise(&mut job, sources, on_lost, terms, course, report);
        let typed = match reason {
            ExitReason::Ended(_) if typed.is_some() => typed,
            ExitReason::Ended(Status::Signalled(signal)) => signals.was_typed(signal),
            _ => None,
        };
        let guard = if matches!(reason, ExitReason::Stopped(Cause::Lost, _)) {
            guard.close();
            None
        } else {
            Some(guard)
        };
        Ran::Over(Over { end, ran, exit: reason.into(), typed, guard, is_lost })
    }

    fn start(
        &mut self,
        guard: &Guard,
        variables: Vec<(&'static str, Option<String>)>,
    ) -> io::Result<Option<(&mut Signals, Job)>> {
        let in_our_group = terminal::is_there();
        let signals = match self.signals.take() {
            Some(signals) => signals.go_on()?,
            None => Signals::catch(in_our_group)?,
        };
        let signals = self.signals.insert(signals);
        let (program, arguments) = (&self.options.program, &self.options.arguments);
        #[cfg(target_os = "linux")]
        let listening = listen::words(program, arguments)?;
        #[cfg(not(target_os = "linux"))]
        let listening: Option<(std::ffi::OsString, Vec<std::ffi::OsString>)> = None;
        let (program, arguments) = listening.as_ref().map_or((program, arguments), |(us, words)| (us, words));
        let mask = *signals.mask();
        let start = Start {
            program,
            arguments,
            variables,
            in_our_group,
            inherited: self.options.inherits.then(|| guard.as_fd()),
            mask: &mask,
        };
        // To get here may have taken long, if this process was stopped or the host suspended.
        let may_start = || Heartbeat::is_fresh(guard.last_answered(), self.options.lease, Moment::now());
        let job = Job::start(start, self.options.signal, &may_start, &mut || signals.keep_early())?;
        if job.is_none() {
            signals.pause();
        }
        Ok(job.map(|job| (signals, job)))
    }

    /// Until the next program is started, what usually ends a program ends heimdall.
    pub(super) fn pause(&mut self) {
        self.signals.iter_mut().for_each(Signals::pause);
    }
}

/// What the program is told of its lock; what does not apply is unset, as it may be left from a heimdall around us.
fn variables(options: &RunOptions, guard: &Guard, course: &Course) -> Vec<(&'static str, Option<String>)> {
    let (namespace, name) = match &options.lock.name {
        Name::Named { namespace, name } => (Some(namespace.clone()), Some(name.clone())),
        Name::Key(_) => (None, None),
    };
    let mut variables = vec![
        ("HEIMDALL_NAMESPACE", namespace),
        ("HEIMDALL_NAME", name),
        ("HEIMDALL_KEY", Some(guard.key().to_string())),
        ("HEIMDALL_SLOT", Some(guard.slot().to_string())),
        ("HEIMDALL_BACKEND_PID", Some(guard.backend_pid().to_string())),
        ("HEIMDALL_FENCING_TOKEN", Some(guard.token().to_string())),
        ("HEIMDALL_SYSTEM_IDENTIFIER", guard.system_identifier().map(|cluster| cluster.to_string())),
        ("HEIMDALL_RESTARTS", course.restarts().then(|| course.count().to_string())),
    ];
    let is_passed = |name: &str| options.audience.passes_notify && name == notify::SOCKET;
    variables.extend(notify::VARIABLES.into_iter().filter(|name| !is_passed(name)).map(|name| (name, None)));
    variables
}
