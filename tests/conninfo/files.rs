//! Service files and password files, as they lie on a disk.

#![allow(clippy::unwrap_used, reason = "a test that can't set itself up has failed")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use heimdall::conninfo::{Config, Error, Parameters, Secret, Source};

use super::resolve;

/// A home directory of its own that goes away with the test.
pub struct Home(PathBuf);

impl Home {
    pub fn new(name: &str) -> Home {
        let path = std::env::temp_dir().join(format!("heimdall-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Home(path)
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        self.chmod(name, 0o600);
        path
    }

    fn chmod(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn pipe(&self, name: &str) -> String {
        let path = self.path(name);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    }

    /// Resolves with this home, no system-wide files, and these variables.
    fn resolve(&self, database: &str, variables: &[(&str, &str)]) -> Result<Parameters, Error> {
        let home = self.path("");
        let mut all = vec![("HOME", home.as_str()), ("PGSYSCONFDIR", "/nonexistent")];
        // The first of a name counts.
        all.splice(0..0, variables.iter().copied());
        resolve(Some(database).filter(|database| !database.is_empty()), &all)
    }

    fn config(&self, database: &str, variables: &[(&str, &str)]) -> Config {
        Config::new(&self.resolve(database, variables).unwrap()).unwrap()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn found<'a>(parameters: &'a Parameters, keyword: &str) -> Option<(&'a str, Source)> {
    parameters.get(keyword).zip(parameters.source(keyword))
}

#[test]
fn a_service_goes_after_the_connection_string_and_before_the_environment() {
    let home = Home::new("service-order");
    home.write(".pg_service.conf", "[s]\nhost=svc-host\nport=1\nuser=svc\ndbname=\nsslmode=disable\n");
    let variables =
        [("PGHOST", "env-host"), ("PGPORT", "2"), ("PGDATABASE", "env-db"), ("PGAPPNAME", "env-app")];
    let parameters = home.resolve("service=s port=3", &variables).unwrap();
    assert_eq!(found(&parameters, "service"), Some(("s", Source::Option)));
    assert_eq!(found(&parameters, "port"), Some(("3", Source::Option)));
    assert_eq!(found(&parameters, "host"), Some(("svc-host", Source::Service)));
    assert_eq!(found(&parameters, "sslmode"), Some(("disable", Source::Service)));
    assert_eq!(found(&parameters, "application_name"), Some(("env-app", Source::Environment)));
    // An empty value hides the environment here too.
    assert_eq!(found(&parameters, "dbname"), Some(("svc", Source::Default)));
    assert!(parameters.to_string().contains("user\tsvc\tservice\n"));
}

#[test]
fn a_service_is_named_by_uri_or_variable_and_found_in_three_places() {
    let home = Home::new("service-places");
    let own = home.write("own.conf", "[own]\nhost=own\n[both]\nhost=own\n");
    home.write("pg_service.conf", "[system]\nhost=system\n[both]\nhost=system\n");
    let system = home.path("");
    let host = |database: &str, variables: &[(&str, &str)]| {
        home.resolve(database, variables).map(|parameters| parameters.get("host").map(str::to_owned))
    };
    let files = [("PGSERVICEFILE", own.as_str()), ("PGSYSCONFDIR", system.as_str())];
    assert_eq!(host("postgres://?service=own", &files), Ok(Some("own".into())));
    assert_eq!(host("service=both", &files), Ok(Some("own".into())));
    assert_eq!(host("service=system", &files), Ok(Some("system".into())));
    assert_eq!(host("", &[files[0], files[1], ("PGSERVICE", "system")]), Ok(Some("system".into())));
    assert_eq!(host("service=own", &[files[0], files[1], ("PGSERVICE", "none")]), Ok(Some("own".into())));
    assert_eq!(host("", &files), Ok(None));
    let error = host("service='no\nsuch'", &files).unwrap_err().to_string();
    assert!(error.starts_with("--database: definition of service \"no\\nsuch\" not found"), "{error}");
}

#[test]
fn a_service_file_that_is_missing_or_wrong_is_told_by_name() {
    let home = Home::new("service-wrong");
    let check = |path: &str, expected: &str| {
        let error = home.resolve("service=s", &[("PGSERVICEFILE", path)]).unwrap_err().to_string();
        assert!(error.starts_with(&expected.replace("PATH", &format!("{path:?}"))), "{error}");
    };
    check(&home.path("missing"), "PGSERVICEFILE: service file PATH not found");
    check("", "PGSERVICEFILE: service file PATH not found");
    check(&home.path("."), "service file PATH is not a plain file");
    check(&home.pipe("pipe"), "service file PATH is not a plain file");
    check(&home.write("a", b"[s]\nhost=\xff"), "service file PATH is not UTF-8 text");
    check(&home.write("a", b"[s]\nhost=a\0b"), "service file PATH is not UTF-8 text");
    check(&home.write("a", vec![b'\n'; 1024 * 1024 + 1]), "service file PATH is larger than 1048576 bytes");
    check(&home.write("a", "[s]\nhost =x\n"), "syntax error in service file PATH, line 2");
    check(&home.write("a", "[s]\npasswrd=hunter2\n"), "syntax error in service file PATH, line 2");
    check(
        &home.write("a", "[s]\n\nservice=t\n"),
        "nested service specifications not supported in service file PATH, line 3",
    );
    check(
        &home.write("a", "[s]\nldap://ldap.example/dc=example?uniqueMember?one?(cn=app)\n"),
        "syntax error in service file PATH, line 2; LDAP servers are not asked: write out what",
    );
    check(&home.write("a", "x".repeat(1023)), "line 1 too long in service file PATH");
    check(&home.write("a", "[t]\n"), "--database: definition of service \"s\" not found");
}

#[test]
fn each_host_has_the_password_that_the_password_file_has_for_it() {
    let home = Home::new("passfile-hosts");
    let path =
        home.write(".pgpass", "a:1:db:os-user:pw-a\n127.0.0.1:*:*:*:pw-addr\nlocalhost:*:*:*:pw-local\n");
    let config =
        home.config("host=a,b,,c,/run/postgresql hostaddr=,,127.0.0.1,127.0.0.1, port=1 dbname=db", &[]);
    let passwords: Vec<_> =
        config.hosts.iter().map(|host| config.password_for(host).map(Secret::expose)).collect();
    // By name, and by address only where there is no name.
    assert_eq!(passwords, [Some("pw-a"), None, Some("pw-addr"), None, Some("pw-local")]);
    assert!(config.password.is_none());
    assert_eq!(config.passfile, Some(PathBuf::from(path)));
    assert!(!format!("{config:?}").contains("pw-"));
}

#[test]
fn a_password_from_anywhere_else_goes_before_the_password_file() {
    let home = Home::new("passfile-order");
    home.write(".pgpass", "*:*:*:*:from-file");
    home.write(".pg_service.conf", "[s]\npassword=from-service");
    for (database, variables, expected) in [
        ("password=from-option", &[][..], Source::Option),
        ("service=s", &[], Source::Service),
        ("", &[("PGPASSWORD", "from-env")], Source::Environment),
        ("", &[], Source::Passfile),
        ("password=''", &[("PGPASSWORD", "from-env")], Source::Passfile),
    ] {
        let parameters = home.resolve(database, variables).unwrap();
        assert_eq!(parameters.source("password"), Some(expected));
        assert!(parameters.to_string().contains(&format!("password\t********\t{expected}\n")));
        let config = Config::new(&parameters).unwrap();
        assert_eq!(config.passfile.is_some(), expected == Source::Passfile);
        assert!(config.password_for(&config.hosts[0]).unwrap().expose().starts_with("from-"));
    }
}

#[test]
fn the_password_file_is_named_by_parameter_or_variable() {
    let home = Home::new("passfile-names");
    home.write(".pgpass", "*:*:*:*:default");
    let other = home.write("other", "*:*:*:*:other");
    let explicit = home.write("explicit", "*:*:*:*:explicit");
    let password = |database: &str, variables: &[(&str, &str)]| {
        home.resolve(database, variables).unwrap().get("password").map(str::to_owned)
    };
    assert_eq!(password("", &[]).as_deref(), Some("default"));
    assert_eq!(password("", &[("PGPASSFILE", "")]).as_deref(), Some("default"));
    assert_eq!(password("", &[("PGPASSFILE", &other)]).as_deref(), Some("other"));
    assert_eq!(
        password(&format!("passfile={explicit}"), &[("PGPASSFILE", &other)]).as_deref(),
        Some("explicit")
    );
    assert_eq!(password("passfile=/nonexistent", &[]), None);
}

#[test]
fn a_password_file_that_cannot_be_trusted_or_read_is_ignored_with_a_warning() {
    let home = Home::new("passfile-wrong");
    let check = |path: &str, expected: &str| {
        let config = home.config("", &[("PGPASSFILE", path)]);
        assert_eq!(config.warnings, [format!("password file {path:?} {expected}")]);
        assert!(config.hosts.iter().all(|host| host.password.is_none()));
    };
    let path = home.write("f", "*:*:*:*:hunter2");
    for mode in [0o640, 0o604, 0o610, 0o777] {
        home.chmod("f", mode);
        check(&path, "has group or world access; permissions should be u=rw (0600) or less");
    }
    check(&home.path("."), "is not a plain file");
    check(&home.pipe("pipe"), "is not a plain file");
    check("/dev/null", "is not a plain file");
    check(&home.write("f", vec![b'\n'; 1024 * 1024 + 1]), "is larger than 1048576 bytes");
    assert!(home.config("", &[("PGPASSFILE", &home.path("missing"))]).warnings.is_empty());
}

#[test]
fn a_line_that_is_no_text_spoils_no_other() {
    let home = Home::new("passfile-bytes");
    let path = home.write(".pgpass", b"*:*:*:*:p\xffw\n*:*:*:*:a\0b\n*:*:*:*:pw\n");
    let config = home.config("", &[]);
    assert_eq!(config.password_for(&config.hosts[0]).map(Secret::expose), Some("pw"));
    let warning = |line| format!("password file {path:?}: line {line} is not UTF-8 text, ignored");
    assert_eq!(config.warnings, [warning(1), warning(2)]);
}
