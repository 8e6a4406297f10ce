//! The story: parse, resolve, connect, acquire, wait, supervise, release, exit code.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use super::connect::{self, failed};
use super::event::{Event, Level};
use super::exit::{Exit, Status};
use super::job::Job;
use super::name::{Lock, Name};
use super::on_lost::{OnLost, shell};
use super::options::{self, Action, EarlyExit, RunOptions, WaitPolicy};
use super::report::{Format, Report};
use super::session_name;
use super::show;
use super::signals::{Signals, die_of, let_signals_end_process_1};
use super::spawn::Start;
use super::supervise::{Sources, supervise};
use super::supervisor::{Cause, ExitReason, Terms};
use super::terminal;
use super::timer::Timer;
use super::unrunnable::Unrunnable;
use super::wait::{Wait, Waited};
use crate::conninfo::Config;
use crate::lock::{Contender, Guard, Moment, Release};

/// Does what the arguments say, and has said all there is to say when it returns.
pub(super) fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let exit = obey(arguments);
    Report::flush(FLUSH_TIMEOUT);
    exit
}

fn obey(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let command = match options::parse(arguments) {
        Ok(command) => command,
        Err(EarlyExit::Print(text)) => return show::text(&text, &Report::new(Level::Normal, Format::Text)),
        Err(EarlyExit::Usage(text, format)) => {
            let report = Report::new(Level::Normal, format);
            report.error(format_args!("{text} (try 'heimdall --help')"));
            return Exit::Usage;
        }
    };
    let report = Report::new(command.level, command.format);
    let database = command.database.as_deref();
    let exit = match command.action {
        Action::PrintKey(lock) => Ok(show::key(&lock, &report)),
        Action::PrintConninfo => show::conninfo(database, &report),
        Action::List(lock, allows_pooler) => {
            show::holders(lock.as_ref(), database, allows_pooler, command.format, &report)
        }
        Action::Run(options) => {
            let report = report.with_lock(&options.lock);
            run_under_lock(&options, database, &report)
        }
    };
    exit.unwrap_or_else(|exit| exit)
}

/// Runs the program while the lock is held.
///
/// # Errors
/// How heimdall ends where the program could not be started.
fn run_under_lock(options: &RunOptions, database: Option<&str>, report: &Report) -> Result<Exit, Exit> {
    let config = connect::config(database, report)?;
    let_signals_end_process_1();
    let (mut guard, waited) = acquire(options, &config, report)?;
    let report = &report.clone().with_session(&guard);
    guard.confirm(options.lease).map_err(|lost| {
        report.error(format_args!("the lock was lost before the program was started: {lost}"));
        Exit::Unavailable
    })?;
    report.event(&Event::Acquired { guard: &guard, waited });

    // Before the program has something to say.
    Report::flush(MOMENT);
    let (mut signals, timer, mut job) = match start(options, &guard) {
        Ok(started) => started,
        Err(error) => {
            report.error(Unrunnable { program: &options.program, error: &error });
            release(guard, report);
            return Err(match error.kind() {
                io::ErrorKind::NotFound => Exit::NotFound,
                _ => Exit::NotExecutable,
            });
        }
    };
    report.event(&Event::Started { pid: job.pid() });

    let terms = Terms {
        timeout: options.timeout,
        kill_after: options.kill_after,
        lease: options.lease,
        min_hold: options.min_hold,
        drains: options.drains,
        is_group_shared: job.is_group_shared(),
    };
    let mask = *signals.mask();
    let shell = options.on_lost.as_deref().map(shell);
    let on_lost = shell.as_ref().map(|(program, arguments)| Start {
        program,
        arguments,
        variables: variables(&options.lock, &guard),
        in_our_group: false,
        inherited: None,
        mask: &mask,
    });
    let on_lost = OnLost::new(on_lost, options.lease);
    let sources = Sources { guard: &mut guard, signals: &mut signals, timer: &timer };
    let exit_reason = supervise(&mut job, sources, on_lost, terms, report);
    if exit_reason == ExitReason::Stopped(Cause::Lost) {
        report.error("the lock was lost while the program ran; the program has been stopped");
        return Ok(Exit::Lost);
    }
    release(guard, report);
    if let ExitReason::Ended(Status::Signalled(signal)) = exit_reason
        && let Some(typed) = signals.was_typed(signal)
    {
        Report::flush(FLUSH_TIMEOUT);
        die_of(typed);
    }
    Ok(exit_reason.into())
}

/// Returns the lock and how long it has waited for it.
fn acquire(options: &RunOptions, config: &Config, report: &Report) -> Result<(Guard, Duration), Exit> {
    let application_name = session_name::of(&options.lock);
    let connect = connect::options(config, &application_name, options.allows_pooler, report);
    let limit = match options.wait {
        WaitPolicy::None => Some(Duration::ZERO),
        WaitPolicy::Limited(limit) => Some(limit),
        WaitPolicy::Endless => None,
    };
    let wait = Wait { connect: &connect, request: &options.lock.request(), limit, report };
    match wait.acquire() {
        Waited::Held(guard, waited) => Ok((*guard, waited)),
        Waited::Busy(contender) => Err(busy(*contender, limit.unwrap_or_default(), options, report)),
        Waited::Failed(error) => Err(failed(report, &error)),
    }
}

fn busy(mut contender: Contender, waited: Duration, options: &RunOptions, report: &Report) -> Exit {
    if report.level() > Level::Quiet {
        // Who holds it is a courtesy: one more round trip, and none where no one is told.
        let holders = contender.holders().unwrap_or_default();
        report.event(&Event::Busy { holders: &holders, waited });
    }
    contender.close();
    Exit::Busy(options.conflict_exit_code)
}

fn start(options: &RunOptions, guard: &Guard) -> io::Result<(Signals, Timer, Job)> {
    let in_our_group = terminal::is_there();
    let signals = Signals::catch(in_our_group)?;
    let timer = Timer::new()?;
    let start = Start {
        program: &options.program,
        arguments: &options.arguments,
        variables: variables(&options.lock, guard),
        in_our_group,
        inherited: options.inherits.then(|| guard.as_fd()),
        mask: signals.mask(),
    };
    let job = Job::start(start, options.signal)?;
    Ok((signals, timer, job))
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

/// What the program is told of its lock; what does not apply is unset, as it may be left from a heimdall around us.
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

/// How long the reader of standard error may keep the program from starting.
const MOMENT: Duration = Duration::from_millis(100);

/// How long heimdall waits at its end for its last lines to be read.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);
