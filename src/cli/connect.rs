//! Where to connect, by `--database` and the process's environment, and the exit codes of failures.

use std::ffi::OsString;

use super::event::Level;
use super::exit::Exit;
use super::report::Report;
use crate::conninfo::{self, Config, Environment, Parameters, Source};
use crate::lock;
use crate::net::ConnectOptions;

/// Returns every connection parameter in force.
pub(super) fn parameters(database: Option<&str>, report: &Report) -> Result<Parameters, Exit> {
    resolve(database).map_err(|error| misconfigured(report, &error))
}

/// Returns what to connect with, after warning the user of what is doubtful in it.
pub(super) fn config(database: Option<&str>, report: &Report) -> Result<Config, Exit> {
    let config = resolve(database).and_then(|parameters| Config::new(&parameters));
    let config = config.map_err(|error| misconfigured(report, &error))?;
    config.warnings.iter().for_each(|warning| report.warning(warning));
    Ok(config)
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
        .warn(|text| report.warning(text));
    if report.level() < Level::Debug {
        return options;
    }
    let report = report.clone();
    options.trace(move |direction, message| report.wire(direction, message))
}

/// Reports why there is no lock.
pub(super) fn failed(report: &Report, error: &lock::Error) -> Exit {
    report.error(error);
    error.kind().into()
}

fn misconfigured(report: &Report, error: &conninfo::Error) -> Exit {
    report.error(error);
    Exit::Configuration
}

fn resolve(database: Option<&str>) -> Result<Parameters, conninfo::Error> {
    let environment = Environment::of_process();
    let variable = match (database, (environment.variable)(DATABASE_URL).map(OsString::into_string)) {
        (None, Some(Err(_))) => return Err(conninfo::Error::VariableNotUtf8(DATABASE_URL)),
        (None, Some(Ok(url))) => Some(url),
        _ => None,
    };
    let explicit = database
        .map(|text| (Source::Option, text))
        .or(variable.as_deref().map(|text| (Source::DatabaseUrl, text)));
    Parameters::resolve(explicit, &environment)
}

const DATABASE_URL: &str = "DATABASE_URL";
