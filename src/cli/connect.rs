//! Where to connect, by `--database` and the process's environment, and the exit codes of failures.

use std::sync::{Mutex, PoisonError};

use super::exit::Exit;
use super::report::Report;
use super::report::event::{Event, Level};
use crate::conninfo::{self, Config, Environment, Origin, Parameters, Source};
use crate::lock::{self, UnsafeServer};
use crate::net::ConnectOptions;

/// Returns every connection parameter in force.
pub(super) fn parameters(database: Option<&str>, report: &Report) -> Result<Parameters, Exit> {
    resolve(database).map_err(|error| misconfigured(report, &error))
}

/// Returns what to connect with, after warning the user of what is doubtful in it.
pub(super) fn config(database: Option<&str>, report: &Report) -> Result<Config, Exit> {
    let parameters = parameters(database, report)?;
    let config = checked(&parameters, report)?;
    config.warnings.iter().for_each(|warning| report.warning(warning));
    if parameters.origin("password") == Some(&Origin::ConnectionString(Source::Option)) {
        report.warning(VISIBLE_PASSWORD);
    }
    if !parameters.ignored().is_empty() {
        report.event(&Event::Ignored { parameters: parameters.ignored() });
    }
    Ok(config)
}

/// Returns what the parameters mean, if that can be done.
pub(super) fn checked(parameters: &Parameters, report: &Report) -> Result<Config, Exit> {
    Config::new(parameters).map_err(|error| misconfigured(report, &error))
}

/// Returns how to connect.
pub(super) fn options<'a>(
    config: &'a Config,
    application_name: &'a str,
    allows_pooler: bool,
    report: &'a Report,
) -> ConnectOptions<'a> {
    let options = ConnectOptions::new(config)
        .application_name(application_name)
        .allow_pooler(allows_pooler)
        .warn(|text| warn_once(report, text));
    if report.level() < Level::Debug {
        return options;
    }
    let report = report.clone();
    options.trace(move |direction, message| report.wire(direction, message))
}

/// Warns of what each attempt to connect would warn of again.
fn warn_once(report: &Report, text: &str) {
    static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if !told.iter().any(|earlier| earlier == text) {
        told.push(text.to_owned());
        report.warning(text);
    }
}

/// Reports why there is no lock.
pub(super) fn failed(report: &Report, error: &lock::Error) -> Exit {
    let is_pooled = matches!(
        error,
        lock::Error::Unsafe { reason: UnsafeServer::Pooler | UnsafeServer::PoolerKeeps(_), .. }
    );
    let option = if is_pooled { "; --allow-pooler allows it" } else { "" };
    report.error(format_args!("{error}{option}"));
    error.kind().into()
}

fn misconfigured(report: &Report, error: &conninfo::Error) -> Exit {
    report.error(error);
    Exit::Configuration
}

fn resolve(database: Option<&str>) -> Result<Parameters, conninfo::Error> {
    let environment = Environment::of_process();
    if let Some(text) = database {
        return Parameters::resolve(Some((Source::Option, text)), &environment);
    }
    for (variable, source) in VARIABLES {
        if let Some(text) = (environment.variable)(variable) {
            let text = text.into_string().map_err(|_| conninfo::Error::VariableNotUtf8(variable))?;
            return Parameters::resolve(Some((source, &text)), &environment);
        }
    }
    Parameters::resolve(None, &environment)
}

/// Where the connection string is without `--database`: heimdall's own comes first, for a direct connection beside a pooled
/// one.
const VARIABLES: [(&str, Source); 2] =
    [("HEIMDALL_DATABASE_URL", Source::HeimdallDatabaseUrl), ("DATABASE_URL", Source::DatabaseUrl)];

const VISIBLE_PASSWORD: &str = "--database: every user of this host can see the password in the list of processes; \
                                give the connection string in HEIMDALL_DATABASE_URL, or the password in a password file";
