//! Connection strings, environment and defaults, put together as a user meets them.

mod files;
mod secrets;
mod uris;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use heimdall::conninfo::{Config, Environment, Error, PARAMETERS, Parameter, Parameters, Passwd, Source};

type Variables<'a> = &'a [(&'a str, &'a str)];

/// Resolves what `--database` says, as the user `os-user` in this environment.
fn resolve(database: Option<&str>, variables: Variables) -> Result<Parameters, Error> {
    resolve_from(database.map(|text| (Source::Option, text)), variables)
}

fn resolve_from(explicit: Option<(Source, &str)>, variables: Variables) -> Result<Parameters, Error> {
    let variable = |name: &str| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
    };
    let effective_user = || Some(Passwd { name: "os-user".into(), home: "/home/os-user".into() });
    let env = Environment { variable: &variable, effective_user: &effective_user, effective_uid: 1000 };
    Parameters::resolve(explicit, &env)
}

#[test]
fn sslrootcert_system_raises_the_default_sslmode_and_refuses_a_weaker_one() {
    let system = [("PGSSLROOTCERT", "system")];
    let raised = resolve(Some("postgresql://host"), &system).unwrap();
    assert_eq!(
        (raised.get("sslmode"), raised.source("sslmode")),
        (Some("verify-full"), Some(Source::Default))
    );
    for (uri, mode) in
        [("postgresql://host?sslmode=disable", "disable"), ("postgresql://host?sslmode=prefer", "prefer")]
    {
        let error = Config::new(&resolve(Some(uri), &system).unwrap()).unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "--database: weak sslmode \"{mode}\" may not be used with sslrootcert=system (use \"verify-full\")"
            )
        );
    }
    let required = resolve(None, &[("PGSSLROOTCERT", "system"), ("PGREQUIRESSL", "1")]).unwrap();
    assert_eq!(required.get("sslmode"), Some("require"));
}

#[test]
fn explicit_goes_before_environment_before_default() {
    let variables = [("PGUSER", "env"), ("PGPORT", "1"), ("PGDATABASE", "envdb")];
    let parameters = resolve(Some("user=me"), &variables).unwrap();
    let found = |keyword| (parameters.get(keyword).unwrap(), parameters.source(keyword).unwrap());
    assert_eq!(found("user"), ("me", Source::Option));
    assert_eq!(found("port"), ("1", Source::Environment));
    assert_eq!(found("dbname"), ("envdb", Source::Environment));
    assert_eq!(found("sslmode"), ("prefer", Source::Default));
    let from_url = resolve_from(Some((Source::DatabaseUrl, "postgres://h")), &variables).unwrap();
    assert_eq!(from_url.source("host"), Some(Source::DatabaseUrl));
}

#[test]
fn an_empty_explicit_value_hides_the_environment() {
    let variables = [("PGDATABASE", "envdb"), ("PGHOST", "envhost")];
    let parameters = resolve(Some("dbname='' host=''"), &variables).unwrap();
    assert_eq!(
        (parameters.get("dbname"), parameters.source("dbname")),
        (Some("os-user"), Some(Source::Default))
    );
    assert_eq!(parameters.get("host"), None);
    // But a URI without a database, and no connection string at all, say nothing about it.
    for database in [Some("postgres:///"), Some(""), None] {
        assert_eq!(resolve(database, &variables).unwrap().get("dbname"), Some("envdb"));
    }
}

#[test]
fn empty_variables_are_as_if_unset_for_some_and_errors_for_others() {
    for variable in [
        "PGHOST",
        "PGPORT",
        "PGUSER",
        "PGDATABASE",
        "PGPASSWORD",
        "PGPASSFILE",
        "PGSSLMINPROTOCOLVERSION",
        "PGREQUIREAUTH",
        "PGOPTIONS",
    ] {
        let without = resolve(None, &[]).unwrap().to_string();
        assert_eq!(resolve(None, &[(variable, "")]).unwrap().to_string(), without, "{variable}");
    }
    for (variable, expected) in [
        ("PGSSLMODE", "invalid sslmode value: \"\""),
        ("PGCONNECT_TIMEOUT", "invalid integer value \"\" for connection option \"connect_timeout\""),
        ("PGTARGETSESSIONATTRS", "invalid target_session_attrs value: \"\""),
        ("PGGSSENCMODE", "invalid gssencmode value: \"\""),
        ("PGCHANNELBINDING", "invalid channel_binding value: \"\""),
    ] {
        let result = resolve(None, &[(variable, "")]).and_then(|parameters| Config::new(&parameters));
        let error = result.unwrap_err().to_string();
        assert!(error.starts_with(&format!("{variable}: {expected}")), "{error}");
    }
    let error = resolve(None, &[("PGSERVICE", "")]).unwrap_err().to_string();
    assert!(error.starts_with("PGSERVICE: definition of service \"\" not found"), "{error}");
}

#[test]
fn every_parameter_has_its_keyword_and_its_variable() {
    // `service` is looked up at once.
    for Parameter { keyword, variable, .. } in PARAMETERS.iter().filter(|p| p.keyword != "service") {
        let explicit = resolve(Some(&format!("{keyword}=x")), &[]).unwrap();
        assert_eq!((explicit.get(keyword), explicit.source(keyword)), (Some("x"), Some(Source::Option)));
        let uri = resolve(Some(&format!("postgres://?{keyword}=x")), &[]).unwrap();
        assert_eq!(uri.get(keyword), Some("x"));
        if let Some(variable) = variable {
            let parameters = resolve(None, &[(variable, "x")]).unwrap();
            assert_eq!(
                (parameters.get(keyword), parameters.source(keyword)),
                (Some("x"), Some(Source::Environment)),
                "{variable}"
            );
        }
    }
}

#[test]
fn what_heimdall_does_not_have_is_refused_by_name() {
    for Parameter { keyword, .. } in PARAMETERS.iter().filter(|p| p.unsupported.is_some()) {
        let parameters = resolve(Some(&format!("{keyword}=hunter2")), &[]).unwrap();
        let error = Config::new(&parameters).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("--database: {keyword}: ")) && !error.contains("hunter2"),
            "{error}"
        );
    }
}

#[test]
fn conninfo_is_printed_a_line_a_parameter_escaped_and_masked() {
    let text = r"user='a\\b	c' password=hunter2 scram_client_key=hunter2 sslpassword=hunter2 host=h port=1";
    let parameters = resolve(Some(text), &[("PGAPPNAME", "x\ny\r\u{1b}")]).unwrap();
    let printed = parameters.to_string();
    assert!(printed.starts_with("user\ta\\\\b\\tc\toption\npassword\t********\toption\n"), "{printed}");
    for line in [
        "host\th\toption",
        "port\t1\toption",
        "application_name\tx\\ny\\x0d\\x1b\tenvironment",
        "sslmode\tprefer\tdefault",
        "passfile\t/home/os-user/.pgpass\tdefault",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{line}");
    }
    assert!(printed.lines().all(|line| line.split('\t').count() == 3));
    assert!(!format!("{printed}{parameters:?}").contains("hunter2"));
}

#[test]
fn the_user_is_the_operating_systems_never_what_user_says() {
    let parameters = resolve(None, &[("USER", "mallory"), ("LOGNAME", "mallory")]).unwrap();
    assert_eq!(parameters.get("user"), Some("os-user"));
    assert_eq!(parameters.get("dbname"), Some("os-user"));
}

#[test]
fn a_user_id_without_a_name_needs_a_user() {
    let pguser = |name: &str| (name == "PGUSER").then(|| OsString::from("ann"));
    let unset = |_: &str| None;
    let nobody = || None;
    let mut env = Environment { variable: &unset, effective_user: &nobody, effective_uid: 4711 };
    let error = Parameters::resolve(None, &env).unwrap_err().to_string();
    assert_eq!(error, "local user with ID 4711 does not exist; set PGUSER");
    env.variable = &pguser;
    assert_eq!(Parameters::resolve(None, &env).unwrap().get("user"), Some("ann"));
}

#[test]
fn the_home_directory_is_what_home_says_else_the_operating_systems() {
    let passfile = |variables| resolve(None, variables).unwrap().get("passfile").unwrap().to_owned();
    assert_eq!(passfile(&[("HOME", "/elsewhere")]), "/elsewhere/.pgpass");
    assert_eq!(passfile(&[("HOME", "")]), "/home/os-user/.pgpass");
}

#[test]
fn a_directory_without_a_name_is_the_root_and_not_the_current_one() {
    let nowhere = || Some(Passwd { name: "os-user".into(), home: "".into() });
    let env = Environment { variable: &|_| None, effective_user: &nowhere, effective_uid: 1000 };
    let parameters = Parameters::resolve(None, &env).unwrap();
    for (keyword, path) in [
        ("passfile", "/.pgpass"),
        ("sslrootcert", "/.postgresql/root.crt"),
        ("sslcert", "/.postgresql/postgresql.crt"),
        ("sslkey", "/.postgresql/postgresql.key"),
        ("sslcrl", "/.postgresql/root.crl"),
    ] {
        assert_eq!(parameters.get(keyword), Some(path));
    }
}

#[test]
fn a_home_directory_that_is_no_text_is_told_and_not_passed_over() {
    let home = |name: &str| (name == "HOME").then(|| OsString::from_vec(b"/h\xff".to_vec()));
    let nobody = || None;
    let env = Environment { variable: &home, effective_user: &nobody, effective_uid: 0 };
    let error = Parameters::resolve(Some((Source::Option, "user=ann sslmode=require")), &env).unwrap_err();
    assert_eq!(error.to_string(), "the home directory is not valid UTF-8; set HOME");
}

#[test]
fn a_variable_that_is_no_text_is_told_by_its_name() {
    let variable = |name: &str| (name == "PGHOST").then(|| OsString::from_vec(vec![b'h', 0xff]));
    let nobody = || None;
    let env = Environment { variable: &variable, effective_user: &nobody, effective_uid: 0 };
    let error = Parameters::resolve(Some((Source::Option, "user=ann")), &env).unwrap_err();
    assert_eq!(error.to_string(), "PGHOST is not valid UTF-8");
}
