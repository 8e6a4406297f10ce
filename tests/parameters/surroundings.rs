//! Who runs it and what there is on its system: users without a name, no home, next to no files.

use std::fs;
use std::process::Command;

use nix::unistd::{Uid, User};

use super::{assert_failed, assert_ran, connect, trusted};
use crate::support::heimdall::{BINARY, Heimdall};
use crate::support::postgres::{Cluster, ClusterOptions, shared};
use crate::support::{did_not_run, write_program};

/// A user id that no system gives to anyone.
pub const NAMELESS: u32 = 54321;

#[test]
fn the_user_is_who_runs_it_whatever_the_environment_says_of_that() {
    let cluster = Cluster::start(&ClusterOptions::default());
    let user = User::from_uid(Uid::effective()).unwrap().expect("the tests' user is in passwd").name;
    if user != "postgres" {
        cluster.sql(&format!("create role \"{user}\" login; create database \"{user}\""));
    }
    let mut running = connect(&cluster.tcp())
        .env("USER", "mallory")
        .env("LOGNAME", "mallory")
        .args(["sh", "-c", "echo $HEIMDALL_BACKEND_PID; read end; :"])
        .pipe_stdin()
        .spawn();
    let pid = running.wait_for_stdout_line("");
    let session = cluster.sql(&format!("select usename, datname from pg_stat_activity where pid = {pid}"));
    assert_eq!(session, format!("{user}|{user}"));
    running.close_stdin();
    assert_eq!(running.wait().code, Some(0));
}

#[test]
fn a_user_id_without_a_name_runs_with_what_is_given() {
    if !Uid::effective().is_root() {
        return did_not_run("a user without a name", "only root can become another user");
    }
    assert!(User::from_uid(Uid::from_raw(NAMELESS)).unwrap().is_none());
    // Where the program lies may be closed to others than root.
    let program = shared().folder("nameless").join("heimdall");
    write_program(&program, fs::read(BINARY).unwrap());
    let nameless = || Heimdall::program(&program).uid(NAMELESS).without("HOME").args(["--name", "nameless"]);
    assert_ran(&nameless().database(&trusted()).args(["echo", "ran"]).run());
    let server = format!("{} dbname=app", shared().tcp());
    assert_ran(&nameless().database(&server).env("PGUSER", "trust_user").args(["echo", "ran"]).run());
    let words = "local user with ID 54321 does not exist; set PGUSER";
    assert_failed(&nameless().database(&server).arg("true").run(), 78, words);
}

#[test]
fn a_system_without_files_and_without_a_home_is_enough() {
    let bare = |arguments: &[&str]| {
        Heimdall::program("unshare")
            .args(BARE)
            .args([BINARY, "--name", "bare"])
            .args(arguments)
            .without("HOME")
    };
    let can_be_had =
        Command::new("unshare").args(BARE).arg("true").output().is_ok_and(|o| o.status.success());
    if !can_be_had {
        return did_not_run("a system without files", "this system does not let us make mount namespaces");
    }
    let is_bare =
        Heimdall::program("unshare").args(BARE).args(["sh", "-c", "ls /etc; ! touch /heimdall"]).run();
    assert_eq!((is_bare.code, is_bare.stdout.as_str()), (Some(0), ""), "{}", is_bare.stderr);
    for server in [shared().tcp(), shared().socket()] {
        let conninfo = format!("{server} user=trust_user dbname=app");
        let outcome = bare(&["--database", &conninfo, "echo", "ran"]).run();
        assert_ran(&outcome);
        assert_eq!(outcome.stderr, "");
    }
    let words = "local user with ID 0 does not exist; set PGUSER";
    assert_failed(&bare(&["--database", &shared().tcp(), "true"]).run(), 78, words);
    let unknown = "host=nowhere.invalid user=ann connect_timeout=20";
    assert_failed(&bare(&["--database", unknown, "true"]).run(), 69, "could not translate host name");
}

/// What follows runs with an empty `/etc`, so without passwd and resolv.conf, and a root that can't be written.
const BARE: [&str; 7] = [
    "--user",
    "--map-root-user",
    "--mount",
    "sh",
    "-c",
    r#"mount -t tmpfs none /etc && mount -o remount,bind,ro / && exec "$@""#,
    "bare",
];
