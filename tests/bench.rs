//! `make bench`: prints the figures, each against something measured in the same run. Asserts nothing. With the argument
//! `takeover` or `handover` it prints those alone.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::must_use_candidate,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::missing_panics_doc,
    reason = "a bench is read by people and may panic"
)]

#[cfg(feature = "tls")]
#[path = "bench/chains.rs"]
mod chains;
#[path = "bench/holding.rs"]
mod holding;
#[path = "bench/line.rs"]
mod line;
mod support;
#[path = "bench/takeover.rs"]
mod takeover;
#[path = "bench/waiting.rs"]
mod waiting;

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use heimdall::auth::scram::{Binding, ClientFirst, Nonce};
use support::heimdall::Heimdall;
use support::postgres::{PASSWORD, shared};
use support::proxy::Proxy;

fn main() {
    // `cargo test --benches` and the like only want to see that it builds.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let only = |figures: &str| std::env::args().any(|argument| argument == figures);
    if only("takeover") {
        return takeover::takeover();
    }
    if only("handover") {
        return line::handover();
    }
    let measured = Measured::new();
    measured.size();
    flights();
    #[cfg(feature = "tls")]
    flights_over_tls();
    wall_time();
    measured.memory();
    #[cfg(feature = "tls")]
    measured.memory_with_system_roots();
    measured.processor();
    #[cfg(feature = "tls")]
    chains::hostile();
    holding::loss();
    holding::idleness();
    holding::succession();
    line::handover();
    waiting::polling();
    waiting::busy();
    takeover::takeover();
}

/// From the start of heimdall to the first line of the program, with 25 ms each way to the server.
fn flights() {
    let proxy = Proxy::start(([127, 0, 0, 1], shared().port()).into(), Duration::from_millis(25));
    let scram = format!("user=scram_user password='{PASSWORD}'");
    println!("start to the program's first line, 50 ms a round trip, median of 7:");
    for (name, login, trips) in [
        ("no password", "user=trust_user", 2),
        ("MD5", &format!("user=md5_user password='{PASSWORD}'"), 3),
        ("SCRAM", &scram, 4),
        ("SCRAM required", &format!("{scram} require_auth=scram-sha-256"), 3),
    ] {
        started(name, &format!("{} dbname=app sslmode=disable {login}", proxy.tcp()), trips);
    }
}

/// The same over TLS 1.3.
#[cfg(feature = "tls")]
fn flights_over_tls() {
    let server = support::postgres::tls().server("good");
    let cluster = server.cluster;
    let proxy = Proxy::start(([127, 0, 0, 1], cluster.port()).into(), Duration::from_millis(25));
    let verified = format!(
        "host=localhost hostaddr=127.0.0.1 port={} dbname=app sslmode=verify-full sslrootcert={}",
        proxy.address().port(),
        server.pki.path("root.crt").display()
    );
    let scram = format!("user=tls_scram_user password='{PASSWORD}'");
    let required = format!("{scram} require_auth=scram-sha-256 channel_binding=require");
    for (name, login, trips) in [
        ("TLS, no password", "user=tls_user", 4),
        ("TLS, SCRAM", &scram, 6),
        ("TLS, SCRAM required", &required, 5),
    ] {
        started(name, &format!("{verified} {login}"), trips);
    }
    let version: u32 = cluster.sql("show server_version_num").parse().unwrap();
    if version < 170_000 {
        println!("  direct TLS: not measured, it needs PostgreSQL 17 and this is {}", version / 10_000);
        return;
    }
    for (name, login, trips) in [
        ("direct, no password", "user=tls_user", 3),
        ("direct, SCRAM", &scram, 5),
        ("direct, SCRAM required", &required, 4),
    ] {
        started(name, &format!("{verified} sslnegotiation=direct {login}"), trips);
    }
}

fn started(name: &str, database: &str, trips: u32) {
    let time = median(7, || {
        let start = Instant::now();
        let running = Heimdall::new().url(database).args(["--name", "bench", "echo", "started"]).spawn();
        running.wait_for_stdout_line("started");
        let time = start.elapsed();
        assert_eq!(running.wait().code, Some(0));
        time
    });
    println!("  {name:22} {:6.1} ms (table: {trips} round trips, {} ms)", milliseconds(time), trips * 50);
}

fn wall_time() {
    let database = scram();
    let heimdall = median(31, || {
        timed(
            Command::new(env!("CARGO_BIN_EXE_heimdall"))
                .env("HEIMDALL_DATABASE_URL", &database)
                .args(["--name", "bench", "true"]),
        )
    });
    let psql =
        median(31, || timed(shared().psql(&database).args(["-c", "select pg_try_advisory_lock(1,2)"])));
    println!("one run without delay, SCRAM over TCP, median of 31:");
    println!("  heimdall … true {:6.1} ms", milliseconds(heimdall));
    println!("  psql -c 'select pg_try_advisory_lock(1,2)' {:6.1} ms", milliseconds(psql));
    println!("  heimdall takes {:.2} of psql's time", heimdall.as_secs_f64() / psql.as_secs_f64());
}

/// The program whose size, memory and CPU are measured: `make bench` names the one of a release, which users get. All else is
/// measured with the one of `cargo bench`.
struct Measured {
    what: &'static str,
    path: String,
}

impl Measured {
    fn new() -> Self {
        match std::env::var("HEIMDALL_RELEASED") {
            Ok(path) => Self { what: "program of make release", path },
            Err(_) => Self { what: "program", path: env!("CARGO_BIN_EXE_heimdall").to_owned() },
        }
    }

    fn size(&self) {
        let bytes = fs::metadata(&self.path).unwrap().len();
        println!("{}: {bytes} bytes, {:.2} MiB", self.what, bytes as f64 / 1_048_576.0);
    }

    fn memory(&self) {
        let database = scram();
        let outcome = Heimdall::program(&self.path)
            .url(&database)
            .args(["--name", "bench", "sh", "-c", "cat /proc/$PPID/status"])
            .run();
        let value =
            |key: &str| outcome.stdout.lines().find_map(|line| line.strip_prefix(key)).map_or("?", str::trim);
        println!(
            "memory while the program runs ({}): peak RSS {}, of it private {}",
            self.what,
            value("VmHWM:"),
            value("RssAnon:")
        );
    }

    /// With the certificates that the system trusts, and the test's own one.
    #[cfg(feature = "tls")]
    fn memory_with_system_roots(&self) {
        let server = support::postgres::tls().server("good");
        let own = server.pki.path("root.crt");
        let store = fs::read("/etc/ssl/certs/ca-certificates.crt").unwrap_or_default();
        let bundle = std::env::temp_dir().join(format!("heimdall-bench-{}.crt", std::process::id()));
        fs::write(&bundle, [store.as_slice(), &fs::read(own).unwrap()].concat()).unwrap();
        let outcome = Heimdall::program(&self.path)
            .database(&format!(
                "host=localhost hostaddr=127.0.0.1 port={} dbname=app user=tls_user sslrootcert=system",
                server.cluster.port()
            ))
            .env("SSL_CERT_FILE", &bundle)
            .args(["--name", "bench", "sh", "-c", "cat /proc/$PPID/status"])
            .run();
        fs::remove_file(bundle).unwrap();
        let peak = outcome.stdout.lines().find_map(|line| line.strip_prefix("VmHWM:")).map_or("?", str::trim);
        println!("with sslrootcert=system, a store of {} KiB: peak RSS {peak}", store.len() / 1024);
    }

    /// Of many runs together, since the kernel counts in ticks of some milliseconds.
    fn processor(&self) {
        const RUNS: u32 = 300;
        let database = scram();
        let heimdall = children(RUNS, || {
            bare(&self.path)
                .env("HEIMDALL_DATABASE_URL", &database)
                .args(["--name", "bench", "true"])
                .status()
        });
        let fork = children(RUNS, || bare("true").status());
        let start = Instant::now();
        for _ in 0..RUNS {
            let first = b"r=nonce2,s=c2FsdHNhbHRzYWx0c2FsdA==,i=4096";
            let nonce = Nonce::new("nonce").unwrap();
            let exchange = ClientFirst::new(PASSWORD.as_bytes(), &nonce, Binding::None);
            assert!(exchange.receive(first).is_ok());
        }
        let proof = start.elapsed().as_secs_f64() / f64::from(RUNS);
        println!("CPU a run ({}), mean of {RUNS}:", self.what);
        println!("  heimdall … true under SCRAM {:5.2} ms", heimdall * 1000.0);
        println!("  its PBKDF2 {:.2} ms + fork and exec of true {:.2} ms", proof * 1000.0, fork * 1000.0);
        println!("  ratio {:.2} (at most 2 is wanted)", heimdall / (proof + fork));
    }
}

/// The shared server over TCP, with a password under SCRAM.
fn scram() -> String {
    format!("{} sslmode=disable user=scram_user dbname=app password='{PASSWORD}'", shared().tcp())
}

/// In an environment without what cargo adds: its `LD_LIBRARY_PATH` makes every start slower.
fn bare(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", "/");
    command
}

/// Seconds of CPU, user and system, that a child and its children take.
fn children<T>(runs: u32, mut run: impl FnMut() -> std::io::Result<T>) -> f64 {
    // man 5 proc: cutime and cstime are fields 16 and 17 of stat, in ticks of 1/100 s.
    let ticks = || -> u64 {
        let stat = fs::read_to_string("/proc/self/stat").unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[13].parse::<u64>().unwrap() + fields[14].parse::<u64>().unwrap()
    };
    let before = ticks();
    for _ in 0..runs {
        run().unwrap();
    }
    (ticks() - before) as f64 / 100.0 / f64::from(runs)
}

fn timed(command: &mut Command) -> Duration {
    let start = Instant::now();
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    start.elapsed()
}

/// Of a run that fails, as it should.
#[cfg(feature = "tls")]
fn timed_anyway(command: &mut Command) -> Duration {
    let start = Instant::now();
    assert!(!command.status().unwrap().success());
    start.elapsed()
}

fn median(runs: usize, mut run: impl FnMut() -> Duration) -> Duration {
    let mut times: Vec<Duration> = (0..runs).map(|_| run()).collect();
    times.sort();
    times[runs / 2]
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
