//! Service files and password files, used on a real server.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::{env, fs, process};

use super::{assert_failed, assert_ran, connect};
use crate::support::heimdall::Heimdall;
use crate::support::postgres::{PASSWORD, shared};

/// A home directory of its own that goes away with the test.
struct Home(PathBuf);

impl Home {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("heimdall-parameters-{name}-{}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn connect(&self, conninfo: &str) -> Heimdall {
        connect(conninfo).env("HOME", &self.0).env("PGSYSCONFDIR", "/nonexistent").args(["echo", "ran"])
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

#[test]
fn a_service_is_found_wherever_libpq_looks_for_it() {
    let home = Home::new("service");
    let port = shared().port();
    let service =
        |name: &str| format!("# ours\n[{name}]\nhost=127.0.0.1\nport={port}\nuser=trust_user\ndbname=app\n");
    home.write(".pg_service.conf", &service("home"), 0o644);
    home.write("pg_service.conf", &service("system"), 0o644);
    let own = home.write("own", &service("own"), 0o644);
    assert_ran(&home.connect("service=home").run());
    assert_ran(&home.connect("postgres://?service=home").run());
    assert_ran(&home.connect("").env("PGSERVICE", "home").run());
    assert_ran(&home.connect("service=own").env("PGSERVICEFILE", &own).run());
    assert_ran(&home.connect("service=system").env("PGSYSCONFDIR", &home.0).run());
    assert_failed(&home.connect("service=own").run(), 78, "definition of service \"own\" not found");
    let missing = home.connect("service=own").env("PGSERVICEFILE", "/nonexistent").run();
    assert_failed(&missing, 78, "service file \"/nonexistent\" not found");
    // What the connection string says goes before the service, which goes before the environment.
    let nobody = home.connect("service=home dbname=nowhere").env("PGUSER", "nobody_at_all").run();
    assert_failed(&nobody, 78, "FATAL: database \"nowhere\" does not exist");
}

#[test]
fn a_password_is_found_wherever_libpq_looks_for_it() {
    let home = Home::new("passfile");
    let conninfo = format!("{} user=scram_user dbname=app", shared().tcp());
    let lines = format!("elsewhere:*:*:*:wrong\n127.0.0.1:*:app:scram_user:{PASSWORD}\n*:*:*:*:wrong\n");
    let own = home.write("own", &lines, 0o600);
    let named = format!("{conninfo} passfile='{}'", own.display());
    assert_ran(&home.connect(&named).run());
    assert_ran(&home.connect(&conninfo).env("PGPASSFILE", &own).run());
    let needed = home.connect(&conninfo).run();
    assert_failed(&needed, 77, "a password is needed");
    assert!(!needed.stderr.contains(" in file"), "{}", needed.stderr);
    // A file that was named is told of, and one that is there.
    let words = "no password for this host, port, database and user in file";
    let missing = home.connect(&conninfo).env("PGPASSFILE", "/nowhere").run();
    assert_failed(&missing, 77, &format!("{words} \"/nowhere\", which is not there\n"));
    let other = home.write("other", "elsewhere:*:*:*:wrong\n", 0o600);
    let unfit = home.connect(&conninfo).env("PGPASSFILE", &other).run();
    assert_failed(&unfit, 77, &format!("{words} \"{}\"\n", other.display()));
    let default = home.write(".pgpass", &lines, 0o600);
    assert_ran(&home.connect(&conninfo).run());

    home.write(".pgpass", "*:*:*:*:wrong\n", 0o600);
    let hint = format!("[28P01]; password retrieved from file \"{}\"", default.display());
    assert_failed(&home.connect(&conninfo).run(), 77, &hint);
    assert_ran(&home.connect(&conninfo).env("PGPASSWORD", PASSWORD).run());
    assert_ran(&home.connect(&format!("{conninfo} password='{PASSWORD}'")).run());

    home.write(".pgpass", &lines, 0o640);
    let exposed = format!("password file \"{}\" has group or world access", default.display());
    let outcome = home.connect(&conninfo).run();
    assert_eq!((outcome.code, outcome.stderr.lines().count()), (Some(77), 2), "{}", outcome.stderr);
    // Said at once, and again where it hurts.
    assert_eq!(outcome.stderr.matches(&exposed).count(), 2, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("a password is needed"), "{}", outcome.stderr);
}

#[test]
fn where_each_value_comes_from_is_printed() {
    let home = Home::new("sources");
    home.write(".pg_service.conf", "[s]\nhost=db\n", 0o644);
    home.write(".pgpass", "db:*:*:*:sesame\n", 0o600);
    let outcome = Heimdall::new()
        .database("service=s user=ann")
        .env("HOME", &home.0)
        .env("PGPORT", "6000")
        .arg("--print-conninfo")
        .run();
    for line in [
        "service\ts\toption\n",
        "user\tann\toption\n",
        "host\tdb\tservice\n",
        "port\t6000\tenvironment\n",
        "password\t********\tpassfile\n",
        "sslmode\tprefer\tdefault\n",
    ] {
        assert!(outcome.stdout.contains(line), "{line} in {}", outcome.stdout);
    }
    let passfile = format!("passfile\t{}\tdefault\n", Path::new(&home.0).join(".pgpass").display());
    assert!(outcome.stdout.contains(&passfile), "{}", outcome.stdout);
    assert!(!outcome.stdout.contains("sesame"), "{}", outcome.stdout);
}
