//! The story: parse, resolve, connect, acquire, supervise, release, exit code.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::Arc;

use super::environment;
use super::exit::Exit;
use super::options::{self, Job, Lock, Stop, Task};
use super::program::{Program, Start, Status};
use super::report::{Level, Report};
use super::signals::{self, Init, Signals};
use super::supervise::{Ending, Events, Limits, supervise};
use super::terminal;
use super::timer::Timer;
use crate::conninfo::{self, Config, Parameters, Source};
use crate::lock::{self, Guard, Outcome, Release, sql};
use crate::net::Request;

/// Does what the arguments say.
pub(super) fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let command = match options::parse(arguments) {
        Ok(command) => command,
        Err(Stop::Print(text)) => return print(&text, Report::new(Level::Normal)),
        Err(Stop::Usage(text)) => {
            Report::new(Level::Normal).error(format_args!("{text} (try 'heimdall --help')"));
            return Exit::Usage;
        }
    };
    let report = Report::new(command.level);
    let job = match command.task {
        Task::PrintKey(lock) => {
            return print(&format!("{}\n{}\n", lock.key(), sql::find(lock.key())), report);
        }
        Task::PrintConninfo => {
            return match resolve(command.database.as_deref()) {
                Ok(parameters) => print(&parameters.to_string(), report),
                Err(error) => misconfigured(report, &error),
            };
        }
        Task::Run(job) => job,
    };
    match resolve(command.database.as_deref()).and_then(|parameters| Config::new(&parameters)) {
        Ok(config) => {
            config.warnings.iter().for_each(|warning| report.warning(warning));
            lock_and_run(&job, &config, report)
        }
        Err(error) => misconfigured(report, &error),
    }
}

fn resolve(database: Option<&str>) -> Result<Parameters, conninfo::Error> {
    let environment = environment::real();
    let variable = match (database, (environment.variable)(DATABASE_URL).map(OsString::into_string)) {
        (None, Some(Err(_))) => return Err(conninfo::Error::VariableNotUtf8(DATABASE_URL)),
        (None, Some(Ok(url))) if !url.is_empty() => Some(url),
        _ => None,
    };
    let explicit = database
        .map(|text| (Source::Option, text))
        .or(variable.as_deref().map(|text| (Source::DatabaseUrl, text)));
    Parameters::resolve(explicit, &environment)
}

fn misconfigured(report: Report, error: &conninfo::Error) -> Exit {
    report.error(error);
    Exit::Configuration
}

fn lock_and_run(job: &Job, config: &Config, report: Report) -> Exit {
    let application_name = application_name(&job.lock);
    let request = Request {
        config,
        application_name: &application_name,
        pipelined: true,
        trace: report.is_debug().then(|| -> crate::proto::session::Trace {
            Arc::new(move |direction, message| report.message(direction, message))
        }),
        warn: &|text| report.warning(text),
    };
    let init = match Init::obey() {
        Ok(init) => init,
        Err(error) => {
            report.error(format_args!("cannot catch signals: {error}"));
            return Exit::NotExecutable;
        }
    };
    report.transition(format_args!("connecting for the lock {}", job.lock));
    match lock::acquire(&request, job.lock.key()) {
        Ok(Outcome::Held(guard)) => {
            report.transition(format_args!(
                "acquired the lock {} on the server {}, backend {}, fencing token {}",
                job.lock,
                guard.place(),
                guard.backend_pid(),
                guard.token()
            ));
            run_under(*guard, job, &init, report)
        }
        Ok(Outcome::Busy { .. }) => {
            report.warning(format_args!("the lock {} is held elsewhere", job.lock));
            Exit::Busy(job.conflict_exit_code)
        }
        Err(error) => {
            report.error(&error);
            error.fault().into()
        }
    }
}

fn run_under(mut guard: Guard, job: &Job, init: &Init, report: Report) -> Exit {
    let in_foreground = terminal::is_foreground();
    let started = Signals::catch(in_foreground).and_then(|signals| {
        init.relax();
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
            report.error(format_args!("cannot run \"{}\": {error}", program.escape_debug()));
            release(guard, report);
            return if error.kind() == io::ErrorKind::NotFound {
                Exit::NotFound
            } else {
                Exit::NotExecutable
            };
        }
    };
    report.transition(format_args!("started the program, process {}", program.pid()));
    let limits =
        Limits { timeout: job.timeout, kill_after: job.kill_after, lease: job.lease, min_hold: job.min_hold };
    let mut events = Events { guard: &mut guard, signals: &mut signals, timer: &timer };
    let ending = supervise(&mut program, &mut events, &job.lock, limits, report);
    if matches!(ending, Ending::Lost) {
        report.error("the lock was lost while the program ran; the program has been stopped");
        return Exit::Lost;
    }
    release(guard, report);
    match ending {
        Ending::Ended(Status::Exited(code)) => Exit::Program(code),
        Ending::Ended(Status::Signalled(signal)) => {
            if let Some(typed) = signals.was_typed(signal) {
                signals::die_of(typed);
            }
            Exit::Signalled(signal)
        }
        Ending::TimedOut => Exit::TimedOut,
        Ending::Lost => Exit::Lost,
    }
}

fn release(guard: Guard, report: Report) {
    match guard.release() {
        Release::Confirmed => report.transition("released the lock"),
        Release::NotHeld => report.warning("the server says that the lock was not held any more"),
        Release::Unconfirmed(reason) => {
            report.warning(format_args!("the release of the lock was not confirmed: {reason}"));
        }
    }
}

/// What the program is told of its lock; what does not apply is taken away, as it may be left from a
/// heimdall around us.
fn variables(lock: &Lock, guard: &Guard) -> Vec<(&'static str, Option<String>)> {
    let (namespace, name) = match lock {
        Lock::Named { namespace, name } => (Some(namespace.clone()), Some(name.clone())),
        Lock::Key(_) => (None, None),
    };
    vec![
        ("HEIMDALL_NAMESPACE", namespace),
        ("HEIMDALL_NAME", name),
        ("HEIMDALL_KEY", Some(guard.key().to_string())),
        ("HEIMDALL_SLOT", Some("1".to_owned())),
        ("HEIMDALL_BACKEND_PID", Some(guard.backend_pid().to_string())),
        ("HEIMDALL_FENCING_TOKEN", Some(guard.token().to_string())),
    ]
}

/// What others see in `pg_stat_activity`, cut where the server would cut it.
fn application_name(lock: &Lock) -> String {
    let mut text = match lock {
        Lock::Named { namespace, name } => format!("heimdall:{namespace}/{name}"),
        Lock::Key(key) => format!("heimdall:{key}"),
    };
    while text.len() > MAX_APPLICATION_NAME {
        text.pop();
    }
    text
}

fn print(text: &str, report: Report) -> Exit {
    match io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()) {
        Ok(()) => Exit::Success,
        // head(1) has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Success,
        Err(error) => {
            report.error(format_args!("cannot write to standard output: {error}"));
            Exit::NotWritten
        }
    }
}

const DATABASE_URL: &str = "DATABASE_URL";

/// The longest name the server keeps, in bytes (`NAMEDATALEN` - 1).
const MAX_APPLICATION_NAME: usize = 63;
