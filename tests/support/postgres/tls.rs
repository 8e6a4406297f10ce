//! The servers that the tests of TLS share, each of which presents now this certificate and now that.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::{Cluster, ClusterOptions, PASSWORD};
use crate::support::pki::Pki;
use crate::support::poll;

/// A pool of servers with TLS, and the certificates for them and their clients.
pub struct Tls {
    pub pki: Pki,
    pool: Mutex<Pool>,
    freed: Condvar,
}

#[derive(Default)]
struct Pool {
    free: Vec<&'static Cluster>,
    started: usize,
}

/// A server that is one test's until it is dropped.
///
/// Databases are `app` and `postgres`. Over TCP, with TLS and without: `trust_user` needs nothing and
/// `scram_user` needs [`PASSWORD`]. Only with TLS: `tls_user`, who needs nothing, `tls_scram_user`, who needs
/// [`PASSWORD`], `cert_user`, who needs a certificate of his name by the authority `clients`, and
/// `vouched_user`, who needs any certificate of that authority. Only without TLS: `plain_user`, who needs
/// nothing. Over the Unix socket no one needs anything.
pub struct TlsServer {
    pub cluster: &'static Cluster,
    pub pki: &'static Pki,
    /// The certificate and further settings.
    presented: (String, String),
    /// Before each line that it logs since then.
    label: String,
}

/// Started when it is first asked for.
pub fn tls() -> &'static Tls {
    static TLS: OnceLock<Tls> = OnceLock::new();
    TLS.get_or_init(|| {
        let first = start();
        let pki = Pki::catalogue(first.folder("pki"));
        pki.server_keys().for_each(|key| first.give_away(&key));
        Tls { pki, pool: Mutex::new(Pool { free: vec![first], started: 1 }), freed: Condvar::new() }
    })
}

impl Tls {
    /// A server that presents the certificate of this name. A test has one at a time, as others may be waiting.
    pub fn server(&'static self, certificate: &str) -> TlsServer {
        let (presented, label) = Default::default();
        let mut server = TlsServer { cluster: self.take(), pki: &self.pki, presented, label };
        server.present(certificate);
        server
    }

    fn take(&self) -> &'static Cluster {
        let is_out = |pool: &mut Pool| pool.free.is_empty() && pool.started == SERVERS;
        let mut pool = self.freed.wait_while(self.pool(), is_out).unwrap_or_else(PoisonError::into_inner);
        pool.free.pop().unwrap_or_else(|| {
            pool.started += 1;
            drop(pool);
            start()
        })
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TlsServer {
    /// Presents the certificate of this name from now on.
    pub fn present(&mut self, certificate: &str) {
        self.present_with(certificate, "");
    }

    /// As [`TlsServer::present`], with more settings: `name = 'value';` each.
    pub fn present_with(&mut self, certificate: &str, settings: &str) {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let presented = (certificate.to_owned(), settings.to_owned());
        if self.presented == presented {
            return;
        }
        self.presented = presented;
        self.label = format!("presents {}: ", COUNTER.fetch_add(1, Ordering::Relaxed));
        let file = |name: &str| self.pki.path(name).display().to_string();
        let mut sql = format!(
            "alter system reset all;
            alter system set ssl = on;
            alter system set ssl_cert_file = '{}';
            alter system set ssl_key_file = '{}';
            alter system set ssl_ca_file = '{}';
            alter system set log_line_prefix = '{}';",
            file(&format!("{certificate}.crt")),
            file(&format!("{certificate}.key")),
            file("clients.crt"),
            self.label,
        );
        for setting in settings.split_inclusive(';') {
            sql += "alter system set ";
            sql += setting;
        }
        self.cluster.sql(&format!("{sql} select pg_reload_conf();"));
        // Asked in new sessions: those are of a server process that has read everything.
        let is_read = || (self.cluster.sql("show log_line_prefix") == self.label).then_some(());
        poll(Duration::from_secs(30), is_read)
            .unwrap_or_else(|| panic!("no reload:\n{}", self.cluster.log()));
        // The server goes on with the certificate it had where it can't take the new one.
        assert!(!self.log().contains("was not reloaded"), "{certificate}: {}", self.log());
    }

    /// What the server has logged since it has presented this certificate, a line for each message.
    pub fn log(&self) -> String {
        let log = self.cluster.log();
        log.lines()
            .filter_map(|line| line.strip_prefix(&self.label))
            .map(|line| line.to_owned() + "\n")
            .collect()
    }

    /// Waits until the server has logged a message with this text, at most 30 seconds long.
    pub fn wait_for_log(&self, text: &str) {
        poll(Duration::from_secs(30), || self.log().contains(text).then_some(()))
            .unwrap_or_else(|| panic!("no {text:?} in the server's log:\n{}", self.log()));
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        let tls = tls();
        tls.pool().free.push(self.cluster);
        tls.freed.notify_one();
    }
}

/// How many servers there are at most.
const SERVERS: usize = 4;

fn start() -> &'static Cluster {
    let cluster = Cluster::start(&ClusterOptions {
        configuration: "log_connections = on".to_owned(),
        hba: HBA.to_owned(),
    });
    cluster.sql(&format!(
        "create database app;
        set password_encryption = 'scram-sha-256';
        create role trust_user login;
        create role scram_user login password '{PASSWORD}';
        create role tls_user login;
        create role tls_scram_user login password '{PASSWORD}';
        create role cert_user login;
        create role vouched_user login;
        create role plain_user login;"
    ));
    // Its guard stops it when the tests end.
    Box::leak(Box::new(cluster))
}

const HBA: &str = "
local   all all                       trust
host    all trust_user     all        trust
host    all scram_user     all        scram-sha-256
hostssl all tls_user       all        trust
hostssl all tls_scram_user all        scram-sha-256
hostssl all cert_user      all        cert
hostssl all vouched_user   all        trust clientcert=verify-ca
hostnossl all plain_user   all        trust
";
