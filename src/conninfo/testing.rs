//! What the unit tests of this folder share.

use std::ffi::OsString;

use super::{Config, Environment, Error, Parameters, Passwd, Source};

/// Resolves a connection string for the user `os-user` with this environment.
pub(super) fn resolve(text: &str, variables: &[(&str, &str)]) -> Result<Parameters, Error> {
    let variable = |name: &str| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
    };
    let effective_user = || Some(Passwd { name: "os-user".into(), home: "/no/such/home".into() });
    let env = Environment { variable: &variable, effective_user: &effective_user, effective_uid: 1000 };
    Parameters::resolve(Some((Source::Option, text)), &env)
}

/// Resolves a connection string in an empty environment.
pub(super) fn parameters(text: &str) -> Parameters {
    resolve(text, &[]).unwrap()
}

/// What a connection string means in an empty environment.
pub(super) fn config(text: &str) -> Result<Config, Error> {
    Config::new(&parameters(text))
}
