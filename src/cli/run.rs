//! The story's beginning: parse, resolve, and do what was asked for.

use std::ffi::OsString;
use std::io::{self, Write};
use std::sync::Arc;

use super::exit::Exit;
use super::job::lock_and_run;
use super::list;
use super::name::Lock;
use super::options::{self, Action, EarlyExit};
use super::report::{Format, Level, Report, os_error_text};
use crate::conninfo::{self, Config, Environment, Parameters, Source};
use crate::lock::{self, Key, sql};
use crate::net::ConnectOptions;
use crate::proto::session::Trace;

/// Does what the arguments say.
pub(super) fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let command = match options::parse(arguments) {
        Ok(command) => command,
        Err(EarlyExit::Print(text)) => return print(&text, &Report::new(Level::Normal, Format::Text)),
        Err(EarlyExit::Usage(text, format)) => {
            let report = Report::new(Level::Normal, format);
            report.error(format_args!("{text} (try 'heimdall --help')"));
            return Exit::Usage;
        }
    };
    let report = Report::new(command.level, command.format);
    let database = command.database.as_deref();
    match command.action {
        Action::PrintKey(lock) => print_key(&lock, &report),
        Action::PrintConninfo => match resolve(database) {
            Ok(parameters) => print(&parameters.to_string(), &report),
            Err(error) => misconfigured(&report, &error),
        },
        Action::List(lock, allows_pooler) => with_config(database, &report, |config| {
            let keys = lock.as_ref().map(|lock| lock.wanted().keys().collect());
            match lock::list(&request(config, "heimdall --list", !allows_pooler, &report), keys) {
                Ok(holders) => print(&list::text(&holders, lock.as_ref(), command.format), &report),
                Err(error) => failed(&report, &error),
            }
        }),
        Action::Run(job) => {
            let report = report.with_lock(&job.lock);
            with_config(database, &report, |config| lock_and_run(&job, config, &report))
        }
    }
}

fn print_key(lock: &Lock, report: &Report) -> Exit {
    let keys: Vec<Key> = lock.wanted().keys().collect();
    let lines = keys.iter().map(Key::to_string).chain([sql::find(&keys), sql::terminate(&keys)]);
    let text = lines.fold(String::new(), |text, line| text + &line + "\n");
    print(&text, report)
}

fn with_config(database: Option<&str>, report: &Report, act: impl FnOnce(&Config) -> Exit) -> Exit {
    match resolve(database).and_then(|parameters| Config::new(&parameters)) {
        Ok(config) => {
            config.warnings.iter().for_each(|warning| report.warning(warning));
            act(&config)
        }
        Err(error) => misconfigured(report, &error),
    }
}

pub(super) fn request<'a>(
    config: &'a Config,
    application_name: &'a str,
    pipelined: bool,
    report: &'a Report,
) -> ConnectOptions<'a> {
    let trace = (report.level() >= Level::Debug).then(|| -> Trace {
        let report = report.clone();
        Arc::new(move |direction, message| report.wire(direction, message))
    });
    ConnectOptions { config, application_name, pipelined, trace, warn: Box::new(|text| report.warning(text)) }
}

fn resolve(database: Option<&str>) -> Result<Parameters, conninfo::Error> {
    let environment = Environment::of_process();
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

fn misconfigured(report: &Report, error: &conninfo::Error) -> Exit {
    report.error(error);
    Exit::Configuration
}

pub(super) fn failed(report: &Report, error: &lock::Error) -> Exit {
    report.error(error);
    error.kind().into()
}

fn print(text: &str, report: &Report) -> Exit {
    match io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()) {
        Ok(()) => Exit::Success,
        // head(1) has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Success,
        Err(error) => {
            report.error(format_args!("cannot write to standard output: {}", os_error_text(&error)));
            Exit::NotWritten
        }
    }
}

const DATABASE_URL: &str = "DATABASE_URL";
