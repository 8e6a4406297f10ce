//! `--stop`: the holder is asked from elsewhere, stops its job, and frees the lock then; strangers are not heeded.

mod roles;

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use heimdall::internals::bell::bell;
use heimdall::lock::Key;
use rustix::process::Pid;

use crate::support::heimdall::{Heimdall, Outcome, Running};
use crate::support::holder::{Holder, host};
use crate::support::pgbouncer::{PgBouncer, PoolMode};
use crate::support::postgres::{Directory, shared};
use crate::support::processes::is_alive;
use crate::support::scripted::{Connection, Scripted};

/// With a short lease, so that the holder soon learns that it is asked.
fn heimdall(name: &str) -> Heimdall {
    let conninfo = format!("{} user=trust_user dbname=app", shared().tcp());
    Heimdall::new().database(&conninfo).args(["--namespace", "stopping", "--name", name, "--lease=6s"])
}

fn stop(name: &str) -> Outcome {
    heimdall(name).arg("--stop").run()
}

/// What heimdall says of a holder, before the moment since when it has the lock.
fn told(holder: &Holder, name: &str) -> String {
    let (process, backend) = (holder.pid(), &holder.backend);
    let host = host(&format!("heimdall:stopping/{name}"), process);
    format!("process {process} on {host} (server process {backend}, from 127.0.0.1, holder since ")
}

/// A psql of a person, who has done this and stays.
fn psql(conninfo: &str, statement: &str) -> Session {
    let mut psql: Command = shared().psql(conninfo);
    let child = psql.args(["-c", statement, "-c", "\\! cat"]).stdin(Stdio::piped()).stdout(Stdio::null());
    Session(child.spawn().unwrap())
}

/// Ended with its test.
struct Session(Child);

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn pid(line: &str) -> Pid {
    Pid::from_raw(line.parse().unwrap()).unwrap()
}

#[test]
fn the_holder_is_told_who_asks_and_ends_as_by_sigterm_and_who_asks_is_told_who_has_stopped() {
    // It takes its time, in which it is seen to stop.
    let slow = "exec 2>/dev/null; trap 'sleep 2; exit 143' TERM; echo $TOLD; while :; do sleep 0.05; done";
    let holder = heimdall("asked").hold_by(slow);
    let told = told(&holder, "asked");
    let stop = heimdall("asked").arg("--stop").spawn();
    let process = stop.pid();
    let outcome = stop.wait();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let lines: Vec<&str> = outcome.stderr.lines().collect();
    let [first, stopped] = lines[..] else { panic!("{}", outcome.stderr) };
    assert!(first.starts_with(&format!("heimdall: asked {told}")), "{first}");
    assert!(first.ends_with("Z) to stop its job and free the lock stopping/asked"), "{first}");
    assert!(stopped.starts_with(&format!("heimdall: {told}")), "{stopped}");
    assert!(stopped.contains("Z) has stopped and freed the lock stopping/asked, after "), "{stopped}");

    let outcome = holder.wait();
    assert_eq!(outcome.code, Some(143));
    let lines: Vec<&str> = outcome.stderr.lines().collect();
    let [first, sent] = lines[..] else { panic!("{}", outcome.stderr) };
    let host = host("heimdall --stop", process);
    let by = format!("heimdall: asked to stop by process {process} on {host} (server process ");
    assert!(first.starts_with(&by) && first.ends_with(", from 127.0.0.1), as role trust_user"), "{first}");
    assert_eq!(sent, "heimdall: sent SIGTERM to the program: heimdall --stop has asked for it");
}

#[test]
fn promise_16_the_lock_is_free_when_nothing_of_the_job_is_left_and_no_sooner_and_who_waits_has_it_next() {
    let folder = Directory::new();
    let log = folder.path().join("log");
    let log = log.to_str().unwrap();
    // The program takes its time, and leaves a child that does not end by itself.
    let script = format!(
        "(trap '' TERM; exec sleep 300) & child=$!; trap 'sleep 0.5; echo ended >>{log}; exit 5' TERM; \
         echo $child; while :; do sleep 0.05; done"
    );
    let running = heimdall("in order").args(["--kill-after=4s", "sh", "-c", &script]).spawn();
    let child = running.wait_for_stdout_line("");
    let script = format!("if kill -0 {child} 2>&-; then echo beside >>{log}; else echo next >>{log}; fi");
    let next = heimdall("in order").args(["--wait", "sh", "-c", &script]).spawn();
    next.wait_for_stderr_line("waiting");

    let asker = heimdall("in order").args(["--stop", "-v"]).run();
    assert_eq!(asker.code, Some(0), "{}", asker.stderr);
    assert_eq!(next.wait().code, Some(0));
    assert_eq!(fs::read_to_string(log).unwrap(), "ended\nnext\n");
    assert!(!is_alive(pid(&child)));
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(5), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("killed the program: it did not end after SIGTERM"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn where_no_one_holds_the_lock_there_is_nothing_to_stop_and_no_error() {
    let outcome = stop("free");
    let said = "heimdall: nothing to stop: the lock stopping/free is held by no one\n";
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), said));
}

#[test]
fn a_program_that_would_be_started_again_is_not() {
    let script = "echo started; exec sleep 300";
    let running = heimdall("restarts").args(["--restart", "sh", "-c", script]).spawn();
    running.wait_for_stdout_line("started");
    assert_eq!(stop("restarts").code, Some(0));
    let outcome = running.wait();
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(143), "started\n"));
}

#[test]
fn who_holds_the_lock_between_two_programs_frees_it_and_starts_none() {
    let running = heimdall("pauses").args(["--restart", "sh", "-c", "echo started; exit 3"]).spawn();
    running.wait_for_stderr_line("starting the program again in 4s");
    assert_eq!(stop("pauses").code, Some(0));
    let outcome = running.wait();
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(143), "started\nstarted\nstarted\n"));
    assert!(outcome.stderr.contains("asked to stop by process "), "{}", outcome.stderr);
}

#[test]
fn all_holders_of_the_slots_or_the_shared_lock_are_asked_and_by_its_key_one_alone() {
    let slot = || heimdall("slots").args(["--slots", "3"]).hold();
    let (first, second, third) = (slot(), slot(), slot());
    let one = Heimdall::new()
        .database(&format!("{} user=trust_user dbname=app", shared().tcp()))
        .args(["--stop", "--key", &second.key])
        .run();
    assert_eq!((one.code, one.stderr.lines().count()), (Some(0), 2), "{}", one.stderr);
    assert_eq!(second.wait().code, Some(143));
    let rest = heimdall("slots").args(["--slots", "3", "--stop"]).run();
    assert_eq!((rest.code, rest.stderr.lines().count()), (Some(0), 4), "{}", rest.stderr);
    assert_eq!([first.wait().code, third.wait().code], [Some(143); 2]);
    assert_eq!(stop("slots").code, Some(0));

    let shared = || heimdall("shared").arg("--shared").hold();
    let (first, second) = (shared(), shared());
    assert_eq!(stop("shared").code, Some(0));
    assert_eq!([first.wait().code, second.wait().code], [Some(143); 2]);
}

#[test]
fn who_asks_for_fewer_slots_than_are_held_is_told_of_the_others() {
    let slot = || heimdall("more slots").args(["--slots", "3"]).hold();
    let (first, second, third) = (slot(), slot(), slot());
    let further = "heimdall: further slots of the lock stopping/more slots are held: give --slots 3\n";
    for lines in [3, 1] {
        let outcome = stop("more slots");
        assert_eq!((outcome.code, outcome.stderr.lines().count()), (Some(75), lines), "{}", outcome.stderr);
        assert!(outcome.stderr.starts_with(further), "{}", outcome.stderr);
    }
    assert_eq!(first.wait().code, Some(143));
    assert_eq!(heimdall("more slots").args(["--slots=2", "--stop", "-E", "7"]).run().code, Some(7));
    assert_eq!(second.wait().code, Some(143));
    third.finish();
}

#[test]
fn a_holder_whose_heimdall_was_killed_does_not_answer_and_its_job_keeps_the_lock() {
    let script = "echo $$; exec sleep 300";
    let running: Running = heimdall("killed").args(["sh", "-c", script]).spawn();
    let job = pid(&running.wait_for_stdout_line(""));
    running.signal(9);
    let outcome = heimdall("killed").args(["--stop", "--wait=4s"]).run();
    assert_eq!(outcome.code, Some(75), "{}", outcome.stderr);
    let said = "heimdall may have been killed there, or stand still; its job may run, and keeps the lock";
    assert!(outcome.stderr.contains("no answer for "), "{}", outcome.stderr);
    assert!(outcome.stderr.contains(said), "{}", outcome.stderr);
    assert!(is_alive(job));
    assert_eq!(heimdall("killed").arg("true").run().code, Some(75));
    // Whoever ends its session then, or a proxy in between: no one has stopped the job.
    let stop = heimdall("killed").arg("--stop").spawn();
    stop.wait_for_stderr_line("asked process ");
    let holder = shared().holder(Key::named("stopping", "killed")).unwrap();
    assert_eq!(shared().sql(&format!("select pg_terminate_backend({holder})")), "t");
    let outcome = stop.wait();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let said = "; it has not said that it stopped its job, which may still run\n";
    assert!(
        outcome.stderr.contains("Z) no longer holds the lock stopping/killed, after "),
        "{}",
        outcome.stderr
    );
    assert!(outcome.stderr.ends_with(said), "{}", outcome.stderr);
    assert!(is_alive(job));
    rustix::process::kill_process(job, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn however_short_the_time_is_the_holder_is_asked_once_and_no_other_session_is_blamed() {
    let conninfo = |server: &str| format!("{server} user=trust_user dbname=app");
    let short = |server: &str| {
        Heimdall::new().database(&conninfo(server)).args(["--namespace=stopping", "--name=short"])
    };
    // Its lease is so long that it does not learn of it.
    let holder = short(&shared().tcp()).hold();
    let mut is_first = true;
    let server = Scripted::start(move |connection: &mut Connection| {
        connection.speak_for(([127, 0, 0, 1], shared().port()).into(), |sql| {
            if sql.contains("pg_has_role") && std::mem::take(&mut is_first) {
                // The whole time.
                thread::sleep(Duration::from_secs(4));
            }
            sql.to_owned()
        });
    });
    let outcome = short(&server.tcp()).args(["--stop", "--wait=4s"]).run();
    assert_eq!(outcome.code, Some(75), "{}", outcome.stderr);
    let lines: Vec<&str> = outcome.stderr.lines().collect();
    let [asked, silent] = lines[..] else { panic!("{}", outcome.stderr) };
    assert!(asked.starts_with("heimdall: asked process "), "{asked}");
    assert!(silent.starts_with("heimdall: no answer for "), "{silent}");
    holder.finish();
}

#[test]
fn a_job_that_does_not_end_in_time_is_waited_for_as_long_as_wait_says() {
    let script = "trap '' TERM; echo started; while :; do sleep 0.05; done";
    let running = heimdall("stubborn").args(["--kill-after=8s", "sh", "-c", script]).spawn();
    running.wait_for_stdout_line("started");
    let outcome = heimdall("stubborn").args(["--stop", "-E", "9", "--wait=4s"]).run();
    assert_eq!(outcome.code, Some(9));
    assert!(outcome.stderr.contains("still waiting after "), "{}", outcome.stderr);
    assert!(outcome.stderr.contains(" for the job of process "), "{}", outcome.stderr);
    assert_eq!(stop("stubborn").code, Some(0));
    assert_eq!(running.wait().code, Some(137));
}

#[test]
fn what_is_no_heimdall_can_not_be_asked_and_neither_can_one_behind_a_pooler() {
    let conninfo = format!("{} user=trust_user dbname=app", shared().tcp());
    let key = Key::named("stopping", "psql");
    let _psql = psql(&conninfo, &format!("select pg_advisory_lock({key})"));
    shared().wait_for_holders(key, 1);
    let outcome = stop("psql");
    assert_eq!(outcome.code, Some(75));
    let said = ", which can't be asked to stop: it is no heimdall that knows of --stop, or a connection pooler is in between\n";
    assert!(outcome.stderr.ends_with(said), "{}", outcome.stderr);

    let bouncer = PgBouncer::start(shared(), PoolMode::Session);
    let pooled = || {
        Heimdall::new().database(&bouncer.conninfo()).args(["--namespace", "stopping", "--name", "pooled"])
    };
    let holder = pooled().arg("--allow-pooler").hold();
    let outcome = stop("pooled");
    assert_eq!(outcome.code, Some(75));
    assert!(outcome.stderr.ends_with(said), "{}", outcome.stderr);
    holder.finish();
    let outcome = pooled().arg("--stop").run();
    assert_eq!(outcome.code, Some(76), "{}", outcome.stderr);
    assert_eq!(pooled().args(["--stop", "--allow-pooler"]).run().code, Some(64));
}

#[test]
fn who_waits_for_a_server_to_ask_does_so_no_longer_than_wait_says() {
    let nowhere =
        || Heimdall::new().database("host=127.0.0.1 port=1 sslmode=disable").args(["--stop", "--name", "x"]);
    assert_eq!(nowhere().run().code, Some(69));
    let outcome = nowhere().arg("--wait=4s").run();
    assert_eq!(outcome.code, Some(69));
    assert!(outcome.stderr.starts_with("heimdall: waiting for the server: "), "{}", outcome.stderr);
}

#[test]
fn who_loses_the_server_after_asking_says_that_nothing_is_known_of_the_job() {
    let script = "trap '' TERM; echo started; while :; do sleep 0.05; done";
    let running = heimdall("unknown").args(["--kill-after=60s", "sh", "-c", script]).spawn();
    running.wait_for_stdout_line("started");
    let stop = heimdall("unknown").arg("--stop").spawn();
    stop.wait_for_stderr_line("asked process ");
    let ours = format!("application_name like 'heimdall --stop %:{}'", stop.pid());
    let ended = format!("select pg_terminate_backend(pid) from pg_stat_activity where {ours}");
    assert_eq!(shared().sql(&ended), "t");
    let outcome = stop.wait();
    assert_eq!(outcome.code, Some(69), "{}", outcome.stderr);
    assert!(outcome.stderr.ends_with("; what became of the job is not known\n"), "{}", outcome.stderr);
}

#[test]
fn who_has_waited_can_be_asked_as_soon_as_it_holds_the_lock() {
    let holder = heimdall("early").hold();
    let waiter = heimdall("early").args(["--wait", "true"]).spawn();
    waiter.wait_for_stderr_line("waiting");
    // The statement that takes the lock is all that is known of the session until the program has started.
    let says = format!(
        "select query like '/* heimdall heeds --stop */ %' from pg_stat_activity \
         where application_name like 'heimdall:stopping/early%' and pid <> {}",
        holder.backend
    );
    shared().wait_for(&says, "t");
    holder.finish();
    assert_eq!(waiter.wait().code, Some(0));
}

#[test]
fn whoever_keeps_the_key_to_himself_by_which_a_holder_is_asked_is_told_of() {
    let holder = heimdall("hushed").hold();
    let conninfo = format!("{} user=postgres dbname=app", shared().socket());
    let bell = bell(Key::named("stopping", "hushed"), holder.backend.parse().unwrap());
    let _psql = psql(&conninfo, &format!("select pg_advisory_lock({bell})"));
    shared().wait_for_holders(bell, 1);
    let outcome = heimdall("hushed").args(["--stop", "--wait=4s"]).run();
    assert_eq!(outcome.code, Some(75));
    let said = format!("since another session keeps the key {bell}");
    assert!(outcome.stderr.contains(&said), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("asked process"), "{}", outcome.stderr);
    holder.finish();
}
