//! The story: parse, resolve, connect, acquire, wait, supervise, release, exit code.

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::time::Duration;

use super::connect::{self, failed};
use super::exit::Exit;
use super::hold::hold;
#[cfg(target_os = "linux")]
use super::job::listen;
use super::options::{self, Action, EarlyExit, RunOptions};
use super::program::{Over, Programs, Ran};
use super::report::event::{Event, Level};
use super::report::half;
use super::report::session_name;
use super::report::{Format, Report, os_error_text};
use super::rules::course::{Course, Plan};
use super::rules::restart::{End, Next};
use super::rules::settle::NotBefore;
use super::show;
use super::show::check::check;
use super::show::here;
use super::show::watch;
use super::signals::{die_of, let_signals_end_process_1};
use super::stop::stop;
use super::tend::tend_during;
use super::timer::Timer;
use super::wait::{Wait, Waited};
use crate::conninfo::Config;
use crate::lock::{Contender, Guard, Lost, Moment, Release};

/// Does what the arguments say, and has said all there is to say when it returns.
pub(super) fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let mut report = Report::new(Level::Normal, Format::Text);
    let exit = obey(arguments, &mut report);
    report.close(FLUSH_TIMEOUT);
    exit
}

/// The same, and leaves it to `report` to say what has not been written yet.
fn obey(arguments: impl IntoIterator<Item = OsString>, report: &mut Report) -> Exit {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    #[cfg(target_os = "linux")]
    if let Some(exit) = listen::become_program(&arguments, report) {
        return exit;
    }
    let command = match options::parse(arguments) {
        Ok(command) => command,
        Err(EarlyExit::Print(text)) => return show::text(&text, report),
        Err(EarlyExit::Usage(text, format)) => {
            *report = Report::new(Level::Normal, format);
            report.error(format_args!("{text} (try 'heimdall --help')"));
            return Exit::Usage;
        }
    };
    *report = Report::new(command.level, command.format);
    let database = command.database.as_deref();
    let_signals_end_process_1();
    let exit = match command.action {
        Action::Check(options) => check(&options, database, command.format, report),
        Action::Stop(options) => stop(&options, database, &report.clone().with_lock(&options.lock)),
        Action::PrintKey(lock) => Ok(show::key(&lock, report)),
        Action::PrintConninfo => show::conninfo(database, report),
        Action::List(options) => match options.interval {
            None => show::holders(&options, database, command.format, report),
            Some(interval) => watch::watch(&options, interval, database, command.format, report),
        },
        Action::IsHeldHere(file, lock) => here::is_held(&file, lock.as_ref(), report),
        Action::Run(options) => {
            let lock = &options.lock;
            *report = report.clone().with_lock(lock).with_audience(&options.audience, lock);
            run_under_lock(&options, database, report)
        }
    };
    exit.unwrap_or_else(|exit| exit)
}

/// Runs the program while the lock is held, and again where `--restart` says so.
///
/// # Errors
/// How heimdall ends where there is no lock.
fn run_under_lock(options: &RunOptions, database: Option<&str>, report: &Report) -> Result<Exit, Exit> {
    let config = connect::config(database, report)?;
    let timer = Timer::new().map_err(|error| {
        report.error(format_args!("cannot create a timer: {}", os_error_text(&error)));
        Exit::NotExecutable
    })?;
    let mut programs = Programs::new(options, &timer);
    let mut course = Course::new(Plan {
        wait: options.wait,
        restart: options.restart,
        settles: options.settles,
        lease: options.lease,
    });
    let mut kept = None;
    loop {
        let is_kept = kept.is_some();
        let mut guard = match kept.take() {
            Some(guard) => guard,
            None => acquire(options, &config, &mut course, report)?,
        };
        let report = &report.clone().with_session(&guard);
        let settled = if is_kept { Ok(()) } else { settle(&mut guard, options, &mut course, report) };
        // Before the program has something to say, and before the last look at the lock, as this may take a moment.
        Report::flush(MOMENT);
        let held = settled.and_then(|()| hold(&mut guard, options.lease, &timer, course.start_at(), report));
        if let Ok(false) = held {
            release(guard, &timer, report);
            return Ok(Exit::terminated());
        }
        if let Err(lost) = held {
            let text = "the lock was lost before the program was started";
            report.event(&Event::lost(&lost, guard.acquired()));
            let now = Moment::now();
            let Some(pause) = course.lost_before_start(now) else {
                report.error(text);
                return Err(Exit::Unavailable);
            };
            report.warning(format_args!("{text}; waiting for it again"));
            guard.close();
            timer.sleep(now.after(pause), report);
            continue;
        }
        let mut over = match programs.run(guard, &mut course, report) {
            Ran::Over(over) => over,
            Ran::TooLate(guard) => {
                kept = Some(guard);
                continue;
            }
        };
        if !over.is_lost
            && course.depends_on_loss(over.end)
            && let Some(guard) = over.guard.take()
        {
            let acquired = guard.acquired();
            let released = give_back(guard, &timer, report);
            over.is_lost = !matches!(released, Ok(true));
            if let Err(lost) = released {
                report.event(&Event::lost(&lost, acquired));
            }
        }
        let (pause, keeps_lock) = match course.ended(over.end, over.ran, over.is_lost, Moment::now()) {
            Next::Again { pause, keeps_lock } => (pause, keeps_lock),
            Next::Exit => return Ok(exit(over, &timer, report)),
            Next::GiveUp(count) => {
                report.error(format_args!("the program is not started again: --restart-limit is {count}"));
                return Ok(exit(over, &timer, report));
            }
        };
        programs.pause();
        let ended = match over.end {
            End::Ended(status) => Some(status),
            End::Asked | End::TimedOut | End::Lost | End::NotStarted => None,
        };
        report.event(&Event::Restarting { pause, keeps_lock, count: course.count(), ended });
        match over.guard {
            Some(guard) if keeps_lock => kept = Some(guard),
            Some(guard) => {
                let is_confirmed = end(guard, over.is_lost, &timer, report);
                if !over.is_lost {
                    course.released(is_confirmed, Moment::now());
                    timer.sleep(course.start_at(), report);
                }
            }
            None => {}
        }
    }
}

/// Finds out when the program may start under a lock that was just granted; tells why that is not now.
fn settle(guard: &mut Guard, options: &RunOptions, course: &mut Course, report: &Report) -> Result<(), Lost> {
    let age =
        if course.asks_age() { Some(tend_during(report, || guard.server_age(options.lease))?) } else { None };
    let now = Moment::now();
    if let Some(NotBefore { moment, reason }) = course.settle(age, now).filter(|settled| now < settled.moment)
    {
        report.event(&Event::Settling { reason, pause: moment.since(now) });
    }
    Ok(())
}

/// Gives the lock back, unless it is lost; returns how heimdall ends after this program.
fn exit(over: Over, timer: &Timer, report: &Report) -> Exit {
    match over.guard {
        Some(guard) => _ = end(guard, over.is_lost, timer, report),
        None if over.exit == Exit::Lost => {
            report.error("the lock was lost while the job ran; the job has been stopped");
        }
        None => {}
    }
    if let Some(typed) = over.typed {
        report.close(FLUSH_TIMEOUT);
        die_of(typed);
        return u8::try_from(typed.as_raw()).map_or(over.exit, Exit::Signalled);
    }
    over.exit
}

/// Returns the lock, waiting for it as `--wait` says.
fn acquire(
    options: &RunOptions,
    config: &Config,
    course: &mut Course,
    report: &Report,
) -> Result<Guard, Exit> {
    let application_name = session_name::of(&options.lock);
    let connect = connect::options(config, &application_name, options.allows_pooler, report);
    let limit = course.limit();
    let request = options.lock.request().with_lease(options.lease).heeding_stop();
    let wait = Wait { connect: &connect, request: &request, limit, report };
    match wait.acquire() {
        Waited::Held { guard, waited, broken } => {
            course.acquired(broken);
            let report = report.clone().with_session(&guard);
            report.event(&Event::Acquired { guard: &guard, waited });
            half::tell(guard.servers_half(), &report);
            Ok(*guard)
        }
        Waited::Busy(contender) => Err(busy(*contender, limit.unwrap_or_default(), options, report)),
        Waited::Failed(error) => Err(failed(report, &error)),
    }
}

fn busy(mut contender: Contender, waited: Duration, options: &RunOptions, report: &Report) -> Exit {
    // Who holds it is a courtesy: one more round trip, and none where no one is told.
    let holders = if report.level() > Level::Quiet {
        tend_during(report, || contender.holders()).unwrap_or_default()
    } else {
        Vec::new()
    };
    report.event(&Event::Busy { holders: &holders, waited });
    contender.close();
    Exit::Busy(options.conflict_exit_code)
}

/// Gives the lock back, unless it is lost; tells whether the server has confirmed it.
fn end(guard: Guard, is_lost: bool, timer: &Timer, report: &Report) -> bool {
    if is_lost {
        guard.close();
        return false;
    }
    release(guard, timer, report)
}

/// Gives the lock back; tells whether the server has confirmed it.
fn release(guard: Guard, timer: &Timer, report: &Report) -> bool {
    give_back(guard, timer, report).unwrap_or_else(|lost| {
        report.warning(format_args!("the release of the lock was not confirmed: {lost}"));
        false
    })
}

/// The same.
///
/// # Errors
/// No confirmation came.
fn give_back(mut guard: Guard, timer: &Timer, report: &Report) -> Result<bool, Lost> {
    let acquired = guard.acquired();
    if guard.asker().is_some() {
        show_who_asked(&mut guard, timer);
    }
    match tend_during(report, || guard.release()) {
        Release::Confirmed => {
            report.event(&Event::Released { held: Moment::now().since(acquired) });
            Ok(true)
        }
        Release::NotHeld => {
            report.warning("the server says that the lock was not held any more");
            Ok(false)
        }
        Release::Unconfirmed(lost) => Err(lost),
    }
}

/// Who has asked that the job be stopped is to see that it was, and not only that the lock is free.
fn show_who_asked(guard: &mut Guard, timer: &Timer) {
    let until = Moment::now().after(SEEN);
    while Moment::now() < until && guard.process(Moment::now()).is_ok() {
        timer.wait([Some(guard.as_fd())], guard.next_tick().into_iter().chain([until]).min());
    }
}

/// For how long what the session says of itself can be seen, by who looks ten times a second and may be far away.
const SEEN: Duration = Duration::from_millis(300);

/// How long the reader of standard error may keep the program from starting.
const MOMENT: Duration = Duration::from_millis(100);

/// How long heimdall waits at its end for its last lines to be read, and its files to be written.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);
