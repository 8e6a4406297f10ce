//! The library as other programs use it: a lock with a thread that keeps it alive, and the programs in `examples/`.

use std::collections::BTreeSet;
use std::env;
use std::fmt::Display;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use heimdall::conninfo::{Config, Environment};
use heimdall::lock::{self, Guard, Held, Key, LockRequest, Lost, Mode, Moment, Outcome, Release};
use heimdall::net::{ConnectOptions, Deadline};
use heimdall::proto::ErrorKind;

use crate::support::heimdall::{BINARY, Heimdall};
use crate::support::poll;
use crate::support::ports;
use crate::support::postgres::shared;
use crate::support::proxy::Proxy;
use crate::support::scripted::{Connection, Scripted, backend};

fn config(conninfo: &str) -> Config {
    let nothing = Environment { variable: &|_| None, effective_user: &|| None, effective_uid: 0 };
    Config::resolve(&format!("{conninfo} user=trust_user dbname=app"), &nothing).unwrap()
}

fn request(name: &str) -> LockRequest {
    LockRequest::one(Key::named("library", name), Mode::Exclusive)
}

/// Takes a lock that no one else has.
fn acquire(conninfo: &str, name: &str) -> Guard {
    acquire_by(&ConnectOptions::new(&config(conninfo)), name)
}

fn acquire_by(options: &ConnectOptions<'_>, name: &str) -> Guard {
    match lock::acquire(options, &request(name), Deadline::after(None)).unwrap() {
        Outcome::Held(guard) => *guard,
        Outcome::Busy(_) => panic!("{name} is held elsewhere"),
    }
}

/// Whether the shared server knows a holder.
fn is_held(name: &str) -> bool {
    let (classid, objid, _) = Key::named("library", name).in_pg_locks();
    let sql = format!("select count(*) from pg_locks where classid = {classid} and objid = {objid}");
    shared().sql(&sql) == "1"
}

const LEASE: Duration = Duration::from_secs(6);

#[test]
fn a_function_runs_while_the_lock_is_held_and_not_where_it_is_held_elsewhere() {
    let config = config(&shared().tcp());
    let options = ConnectOptions::new(&config);
    let request = request("function");
    let inner = lock::run(&options, &request, LEASE, |held| {
        assert!(is_held("function") && held.lost().is_none());
        assert_eq!((held.key(), held.slot()), (Key::named("library", "function"), 1));
        lock::run(&options, &request, LEASE, |_| panic!("the lock is held")).unwrap()
    });
    assert_eq!(inner.unwrap(), Some(None::<()>));
    assert!(!is_held("function"));
}

#[test]
fn the_server_knows_of_the_lease_before_it_grants_a_lock_that_is_tried_again() {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let traced = Arc::clone(&sent);
    let trace = move |_, message: &dyn Display| traced.lock().unwrap().push(message.to_string());
    let config = config(&shared().tcp());
    let options = ConnectOptions::new(&config).trace(trace);
    let holder = acquire(&shared().tcp(), "tried again");
    let request = request("tried again").with_lease(LEASE);
    let Outcome::Busy(contender) = lock::acquire(&options, &request, Deadline::after(None)).unwrap() else {
        panic!("it is held elsewhere");
    };
    assert!(matches!(holder.release(), Release::Confirmed));
    let before = sent.lock().unwrap().len();
    let retried = contender.retry(Duration::ZERO, None).unwrap();
    assert!(matches!(retried, Outcome::Held(_)));
    let sent = &sent.lock().unwrap()[before..];
    let place = |text: &str| sent.iter().position(|message| message.contains(text)).expect(text);
    let (bound, tried) = (place("set_config('tcp_user_timeout', '6000'"), place("pg_try_advisory_lock("));
    assert!(bound < tried, "{sent:?}");
}

#[test]
fn a_function_that_ends_after_its_lock_was_lost_has_no_result() {
    let config = config(&shared().tcp());
    let result = lock::run(&ConnectOptions::new(&config), &request("lost"), LEASE, |held| {
        let (sender, lost) = mpsc::channel();
        held.on_lost(move |reason| sender.send(reason.to_string()).unwrap());
        shared().sql(&format!("select pg_terminate_backend({})", held.backend_pid()));
        let reason = lost.recv_timeout(Duration::from_secs(30)).unwrap();
        assert!(reason.contains("terminating connection due to administrator command"), "{reason}");
        // Whoever asks later is told at once.
        let (sender, lost) = mpsc::channel();
        held.on_lost(move |reason| sender.send(reason.to_string()).unwrap());
        assert_eq!(lost.try_recv().unwrap(), reason);
    });
    assert!(matches!(result, Err(lock::Error::Lost(Lost::Terminated(_)))), "{result:?}");
}

#[test]
fn a_thread_keeps_the_lock_alive_and_knows_of_a_silent_server_after_half_a_lease() {
    let proxy = Proxy::start(([127, 0, 0, 1], shared().port()).into(), Duration::ZERO);
    let held = acquire(&format!("{} sslmode=disable", proxy.tcp()), "kept alive").keep_alive(LEASE).unwrap();
    let asked = format!("select query_start from pg_stat_activity where pid = {}", held.backend_pid());
    let mut times = BTreeSet::new();
    let three = || {
        times.insert(shared().sql(&asked));
        (times.len() >= 3).then_some(())
    };
    poll(Duration::from_secs(30), three).expect("a query, the settings, and a heartbeat");
    assert!(held.lost().is_none());
    let (sender, lost) = mpsc::channel();
    held.on_lost(move |reason| sender.send(reason.to_string()).unwrap());
    proxy.freeze();
    let reason = lost.recv_timeout(Duration::from_secs(30)).unwrap();
    let silence = proxy.last_answer().unwrap().elapsed();
    assert!(silence >= LEASE / 3, "after {silence:?}");
    assert!(reason.starts_with("the server has been silent for"), "{reason}");
    assert!(matches!(held.release(), Err(Lost::Silent(_))));
}

#[test]
fn a_heartbeat_that_panics_is_the_loss_of_a_lock_that_the_server_still_holds() {
    let config = config(&shared().tcp());
    // Of a ping.
    let trace = |_, _: &dyn Display| assert_ne!(thread::current().name(), Some("heartbeat"), "in trace");
    let held = acquire_by(&ConnectOptions::new(&config).trace(trace), "panicked").keep_alive(LEASE).unwrap();
    let (sender, lost) = mpsc::channel();
    held.on_lost(move |reason| sender.send((reason.to_string(), is_held("panicked"))).unwrap());
    let (reason, was_held) = lost.recv_timeout(Duration::from_secs(30)).unwrap();
    assert!(reason.contains("has panicked") && was_held, "{reason}, {was_held}");
    assert!(matches!(held.release(), Err(Lost::Unwatched)));
}

#[test]
fn of_those_who_are_to_be_told_of_a_loss_none_keeps_another_from_it() {
    let held = acquire(&shared().tcp(), "told").keep_alive(LEASE).unwrap();
    let terminate = format!("select pg_terminate_backend({})", held.backend_pid());
    held.on_lost(|_| panic!("of the one who is told first"));
    let (sender, lost) = mpsc::channel();
    let place = Arc::new(Mutex::new(None::<Held>));
    let own = Arc::clone(&place);
    // The second gives back what is lost, on the thread that tells of it.
    held.on_lost(move |reason| {
        let released = own.lock().unwrap().take().unwrap().release();
        sender.send((reason.to_string(), released.map_err(|lost| lost.to_string()))).unwrap();
    });
    *place.lock().unwrap() = Some(held);
    shared().sql(&terminate);
    let (reason, released) = lost.recv_timeout(Duration::from_secs(30)).unwrap();
    assert!(reason.contains("terminating connection"), "{reason}");
    assert_eq!(released.unwrap_err(), reason);
    // Who gives back elsewhere is told, and does not panic.
    let held = acquire(&shared().tcp(), "told").keep_alive(LEASE).unwrap();
    held.on_lost(|_| panic!("of the only one who is told"));
    shared().sql(&format!("select pg_terminate_backend({}, 30000)", held.backend_pid()));
    assert!(matches!(held.release(), Err(Lost::Terminated(_)) | Ok(Release::Unconfirmed(_))));
}

#[test]
fn a_heartbeat_that_begins_again_goes_on_from_the_last_answer() {
    let lease = LEASE * 2;
    let mut guard = acquire(&shared().tcp(), "begun again");
    guard.start_heartbeat(lease).unwrap();
    let late = guard.last_answered().after(lease / 2);
    let is_late = || {
        guard.process(Moment::now()).unwrap();
        (guard.last_answered() >= late).then_some(())
    };
    poll(Duration::from_secs(30), is_late).expect("pings that are answered");
    // With its settings in flight, which the thread sends anew.
    guard.start_heartbeat(lease * 2).unwrap();
    assert!(guard.last_answered() >= late);
    let held = guard.keep_alive(lease).unwrap();
    assert!(held.lost().is_none(), "{:?}", held.lost());
    assert!(matches!(held.release(), Ok(Release::Confirmed)));
}

#[test]
fn a_function_whose_lock_may_have_been_lost_before_its_end_has_no_result() {
    type Ending = fn(&mut Connection);
    let terminate = |connection: &mut Connection| {
        let words = [(b'S', "FATAL"), (b'C', "57P01"), (b'M', "terminating connection")];
        connection.send(&backend::error_response(&words));
    };
    let endings: [(Ending, &str); 4] = [
        (terminate, "Err(Lost(Terminated("),
        (Connection::close, "Err(Lost(Closed))"),
        (|connection| connection.answer(Some("f")), "Err(Lost(OtherBackend(42)))"),
        // A server that is only late.
        (Connection::drain, "Ok(Some(7))"),
    ];
    thread::scope(|scope| {
        for (ending, expected) in endings {
            let server = Scripted::start(move |connection| {
                connection.startup();
                connection.expect(b'Q');
                connection.send(&backend::answered(&backend::granted("42")));
                connection.answer_holder();
                let release = String::from_utf8(connection.expect(b'Q')).unwrap();
                assert!(release.contains("pg_advisory_unlock("), "{release}");
                ending(connection);
                connection.drain();
            });
            scope.spawn(move || {
                let config = config(&server.tcp());
                let options = ConnectOptions::new(&config);
                let result = lock::run(&options, &request("scripted"), LEASE * 10, |_| 7);
                assert!(format!("{result:?}").starts_with(expected), "{expected} {result:?}");
            });
        }
    });
}

#[test]
fn a_lease_that_a_server_cannot_count_is_the_nearest_that_it_can() {
    let config = config(&shared().tcp());
    let options = ConnectOptions::new(&config);
    let result = lock::run(&options, &request("for ever"), Duration::MAX, |held| held.lost().is_none());
    assert_eq!(result.unwrap(), Some(true));
}

#[test]
fn however_long_it_took_to_connect_the_server_has_been_silent_only_since_it_was_asked() {
    let lease = Duration::from_secs(9);
    let slow = format!("{} options='-c post_auth_delay=5'", shared().tcp());
    thread::scope(|scope| {
        scope.spawn(|| {
            let held = acquire(&slow, "slow login").keep_alive(lease).unwrap();
            assert!(held.lost().is_none(), "{:?}", held.lost());
            assert!(matches!(held.release(), Ok(Release::Confirmed)));
        });
        let silent = ports::listen();
        let ports = format!("{},{}", silent.local_addr().unwrap().port(), shared().port());
        let start = Moment::now();
        let guard =
            acquire(&format!("host=127.0.0.1,127.0.0.1 port={ports} connect_timeout=3"), "second host");
        assert!(guard.last_answered() >= start.after(Duration::from_secs(3)));
    });
}

#[test]
fn a_lock_is_free_once_its_release_is_confirmed_and_soon_after_it_was_dropped() {
    let held = acquire(&shared().tcp(), "released").keep_alive(LEASE).unwrap();
    assert!(matches!(held.release(), Ok(Release::Confirmed)));
    assert!(!is_held("released"));
    drop(acquire(&shared().tcp(), "released").keep_alive(LEASE).unwrap());
    poll(Duration::from_secs(30), || (!is_held("released")).then_some(())).expect("the lock is free");
}

#[test]
fn a_configuration_that_was_changed_to_one_that_contradicts_itself_connects_to_no_one() {
    use heimdall::conninfo::{ProtocolVersion, RootCertificates, SslNegotiation};
    type Change = (fn(&mut Config), &'static str);

    let weak = "weak sslmode \"prefer\" may not be used with";
    let range = "\"min_protocol_version\" is greater than \"max_protocol_version\"";
    let changes: [Change; 4] = [
        (|config| config.sslnegotiation = SslNegotiation::Direct, weak),
        (|config| config.sslrootcert = Some(RootCertificates::System), weak),
        (|config| config.min_protocol_version = ProtocolVersion::LATEST, range),
        (|config| config.hosts.clear(), "there is no host in hosts"),
    ];
    for (change, words) in changes {
        let mut config = config(&shared().tcp());
        change(&mut config);
        let result = lock::acquire(&ConnectOptions::new(&config), &request("weak"), Deadline::after(None));
        let error = result.expect_err("no connection");
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
    }
}

#[test]
#[cfg(not(feature = "tls"))]
fn without_tls_a_configuration_that_insists_on_it_connects_to_no_one() {
    use heimdall::conninfo::{SslCertMode, SslMode};

    let mut insists: Vec<Config> = Vec::new();
    for sslmode in [SslMode::Require, SslMode::VerifyCa, SslMode::VerifyFull] {
        let mut config = config(&shared().tcp());
        config.sslmode = sslmode;
        insists.push(config);
    }
    let mut config = config(&shared().tcp());
    config.sslcertmode = SslCertMode::Require;
    insists.push(config);
    for config in insists {
        let result = lock::acquire(&ConnectOptions::new(&config), &request("insists"), Deadline::after(None));
        let error = result.expect_err("no connection in the clear").to_string();
        assert!(error.ends_with("this heimdall was built without TLS"), "{:?}: {error}", config.sslmode);
    }
}

/// A program in `examples/`. `cargo test` builds them only where it runs everything.
fn example(name: &str) -> Heimdall {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        // As cargo was started for this test, so that nothing else has to be built again.
        let features: &[&str] =
            if cfg!(feature = "tls") { &[] } else { &["--no-default-features", "--features", "cli"] };
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--locked", "--offline", "--examples"]).args(features);
        build.current_dir(env!("CARGO_MANIFEST_DIR"));
        for (name, _) in env::vars_os() {
            if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|set| name.to_string_lossy().starts_with(set)) {
                build.env_remove(name);
            }
        }
        assert!(build.status().unwrap().success(), "the examples compile");
    });
    Heimdall::program(Path::new(BINARY).with_file_name("examples").join(name))
}

fn trust_user() -> String {
    format!("{} user=trust_user dbname=app", shared().tcp())
}

#[test]
fn of_two_that_are_started_together_the_example_lock_lets_one_work() {
    let first = example("lock").env("DATABASE_URL", trust_user()).arg("3600").spawn();
    first.wait_for_stdout_line("holding");
    let second = example("lock").env("DATABASE_URL", trust_user()).run();
    assert_eq!((second.code, second.stdout.as_str()), (Some(0), "held elsewhere\n"), "{}", second.stderr);
    let (classid, objid, _) = Key::named("examples", "lock").in_pg_locks();
    shared().sql(&format!(
        "select pg_terminate_backend(pid) from pg_locks where classid = {classid} and objid = {objid}"
    ));
    let first = first.wait();
    assert_eq!(first.code, Some(1));
    assert!(first.stderr.contains("Lost(Terminated("), "{}", first.stderr);
}

#[test]
fn the_example_with_a_loop_of_its_own_works_until_its_input_ends_or_its_lock_is_lost() {
    let start = || {
        let running = example("own_loop").env("DATABASE_URL", trust_user()).pipe_stdin().spawn();
        running.wait_for_stdout_line("holding");
        running
    };
    let mut running = start();
    running.write("a line\n");
    running.wait_for_stdout_line("a line");
    running.close_stdin();
    let outcome = running.wait();
    assert!(outcome.stdout.ends_with("Confirmed\n"), "{outcome:?}");
    let running = start();
    let (classid, objid, _) = Key::named("examples", "own loop").in_pg_locks();
    shared().sql(&format!(
        "select pg_terminate_backend(pid) from pg_locks where classid = {classid} and objid = {objid}"
    ));
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("Terminated("), "{outcome:?}");
}

#[test]
fn the_example_without_a_socket_logs_in() {
    assert_eq!(example("login").run().stdout, "logged in, server process 42\n");
}

#[test]
fn the_example_prober_tells_who_accepts_rejects_and_does_not_answer() {
    let ready = |conninfo: &str| {
        let outcome = example("ready").arg(format!("{conninfo} user=scram_user dbname=app")).run();
        (outcome.code.unwrap(), outcome.stdout)
    };
    for conninfo in [shared().tcp(), shared().socket()] {
        assert_eq!(ready(&conninfo), (0, "accepting connections\n".to_owned()));
    }
    let starting = Scripted::start(|connection: &mut Connection| {
        connection.startup();
        connection.send(&backend::error_response(&[(b'S', "FATAL"), (b'C', "57P03"), (b'M', "starting up")]));
    });
    assert_eq!(ready(&starting.tcp()), (1, "rejecting connections\n".to_owned()));
    let http = Scripted::start(|connection: &mut Connection| {
        connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        connection.drain();
    });
    let silent = Scripted::start(Connection::drain);
    for (conninfo, words) in [
        (Scripted::start(|_: &mut Connection| {}).tcp(), ""),
        (http.tcp(), "this is no PostgreSQL server"),
        (format!("{} connect_timeout=1", silent.tcp()), ""),
        (format!("{} sslmode=require", shared().tcp()), "asks for TLS"),
    ] {
        let (code, text) = ready(&conninfo);
        assert!(code == 2 && text.starts_with("no response: ") && text.contains(words), "{text}");
    }
    // The default socket: of a port at which no server is.
    let (code, text) = ready("host='' port=1");
    assert!(code == 2 && !text.contains("not asked"), "{text}");
    let (code, text) = ready("port=abc");
    assert!(
        code == 3 && text.starts_with("no attempt: ") && text.contains("invalid integer value \"abc\""),
        "{text}"
    );
}
