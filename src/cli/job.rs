//! The story of a run: connect, acquire, supervise, release, exit code.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use super::event::Event;
use super::exit::Exit;
use super::name::{Lock, Name};
use super::options::{Job, WaitPolicy};
use super::program::{Program, Start, Status};
use super::report::{Level, Report, os_error_text};
use super::run::{failed, request};
use super::signals::{self, Pid1Handlers, Signals};
use super::supervise::{Events, ExitReason, Limits, supervise};
use super::terminal;
use super::timer::Timer;
use super::wait::{Wait, Waited};
use crate::conninfo::Config;
use crate::lock::{self, Contender, Guard, Moment, Outcome, Release};

/// Runs the program while the lock is held.
pub(super) fn lock_and_run(job: &Job, config: &Config, report: &Report) -> Exit {
    let pid1 = match Pid1Handlers::install() {
        Ok(pid1) => pid1,
        Err(error) => {
            report.error(format_args!("cannot catch signals: {}", os_error_text(&error)));
            return Exit::NotExecutable;
        }
    };
    let application_name = application_name(&job.lock);
    let request = request(config, &application_name, !job.allows_pooler, report);
    let wanted = job.lock.wanted();
    report.event(&Event::Connecting);
    let contender = match lock::acquire(&request, &wanted, job.allows_pooler) {
        Ok(Outcome::Held(guard)) => return run_under(*guard, Duration::ZERO, job, &pid1, report),
        Ok(Outcome::Busy(contender)) => contender,
        Err(error) => return failed(report, &error),
    };
    report.event(&Event::Connected { place: contender.server_address() });
    let limit = match job.wait {
        WaitPolicy::None => return busy(*contender, Duration::ZERO, job, report),
        WaitPolicy::Limited(limit) => Some(limit),
        WaitPolicy::Endless => None,
    };
    let wait = Wait { request: &request, wanted: &wanted, allows_pooler: job.allows_pooler, limit, report };
    match wait.from(contender) {
        Waited::Held(guard, after) => run_under(*guard, after, job, &pid1, report),
        Waited::TimedOut(contender) => busy(*contender, limit.unwrap_or_default(), job, report),
        Waited::Failed(error) => failed(report, &error),
    }
}

fn busy(mut contender: Contender, waited: Duration, job: &Job, report: &Report) -> Exit {
    if report.level() > Level::Quiet {
        // Who it is is a courtesy: one round trip more, and none where nobody is told.
        let holders = contender.holders().unwrap_or_default();
        report.event(&Event::Busy { holders: &holders, waited });
    }
    contender.close();
    Exit::Busy(job.conflict_exit_code)
}

fn run_under(mut guard: Guard, waited: Duration, job: &Job, pid1: &Pid1Handlers, report: &Report) -> Exit {
    if waited.is_zero() {
        report.event(&Event::Connected { place: guard.server_address() });
    }
    let report = &report.clone().with_session(&guard);
    report.event(&Event::Acquired { guard: &guard, waited });
    let in_foreground = terminal::is_foreground();
    let started = Signals::catch(in_foreground).and_then(|signals| {
        pid1.disarm();
        let timer = Timer::new()?;
        let program = Program::start(Start {
            program: &job.program,
            arguments: &job.arguments,
            variables: variables(&job.lock, &guard),
            in_our_group: in_foreground,
            inherited: job.inherits.then(|| guard.as_fd()),
            mask: signals.mask(),
        })?;
        Ok((signals, timer, program))
    });
    let (mut signals, timer, mut program) = match started {
        Ok(started) => started,
        Err(error) => {
            let program = job.program.to_string_lossy();
            report.error(format_args!(
                "cannot run \"{}\": {}",
                program.escape_debug(),
                os_error_text(&error)
            ));
            release(guard, report);
            return if error.kind() == io::ErrorKind::NotFound {
                Exit::NotFound
            } else {
                Exit::NotExecutable
            };
        }
    };
    report.event(&Event::Started { pid: program.pid() });
    let limits =
        Limits { timeout: job.timeout, kill_after: job.kill_after, lease: job.lease, min_hold: job.min_hold };
    let mut events = Events { guard: &mut guard, signals: &mut signals, timer: &timer };
    let exit_reason = supervise(&mut program, &mut events, limits, report);
    if matches!(exit_reason, ExitReason::Lost) {
        report.error("the lock was lost while the program ran; the program has been stopped");
        return Exit::Lost;
    }
    release(guard, report);
    match exit_reason {
        ExitReason::Ended(Status::Exited(code)) => Exit::Program(code),
        ExitReason::Ended(Status::Signalled(signal)) => {
            if let Some(typed) = signals.was_typed(signal) {
                signals::die_of(typed);
            }
            Exit::Signalled(signal)
        }
        ExitReason::TimedOut => Exit::TimedOut,
        ExitReason::Lost => Exit::Lost,
    }
}

fn release(guard: Guard, report: &Report) {
    let acquired = guard.acquired();
    match guard.release() {
        Release::Confirmed => report.event(&Event::Released { held: Moment::now().since(acquired) }),
        Release::NotHeld => report.warning("the server says that the lock was not held any more"),
        Release::Unconfirmed(reason) => {
            report.warning(format_args!("the release of the lock was not confirmed: {reason}"));
        }
    }
}

/// What the program is told of its lock; what does not apply is taken away, as it may be left from a
/// heimdall around us.
fn variables(lock: &Lock, guard: &Guard) -> Vec<(&'static str, Option<String>)> {
    let (namespace, name) = match &lock.name {
        Name::Named { namespace, name } => (Some(namespace.clone()), Some(name.clone())),
        Name::Key(_) => (None, None),
    };
    vec![
        ("HEIMDALL_NAMESPACE", namespace),
        ("HEIMDALL_NAME", name),
        ("HEIMDALL_KEY", Some(guard.key().to_string())),
        ("HEIMDALL_SLOT", Some(guard.slot().to_string())),
        ("HEIMDALL_BACKEND_PID", Some(guard.backend_pid().to_string())),
        ("HEIMDALL_FENCING_TOKEN", Some(guard.token().to_string())),
    ]
}

/// What others see in `pg_stat_activity`, cut where the server would cut it.
fn application_name(lock: &Lock) -> String {
    let mut text = match &lock.name {
        Name::Named { namespace, name } => format!("heimdall:{namespace}/{name}"),
        Name::Key(key) => format!("heimdall:{key}"),
    };
    while text.len() > MAX_APPLICATION_NAME {
        text.pop();
    }
    text
}

/// The longest name the server keeps, in bytes (`NAMEDATALEN` - 1).
const MAX_APPLICATION_NAME: usize = 63;
