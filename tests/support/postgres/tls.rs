//! The server that all tests of TLS use, which presents now this certificate and now that.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::{Cluster, ClusterOptions, PASSWORD};
use crate::support::certificates::Certificates;
use crate::support::poll;

/// A server with TLS, and certificates for it and its clients.
pub struct Tls {
    pub cluster: Cluster,
    pub certificates: Certificates,
    taken: Mutex<()>,
}

/// The server as one test wants it; the next test gets it when this is dropped.
pub struct Serving {
    pub tls: &'static Tls,
    label: String,
    _taken: MutexGuard<'static, ()>,
}

/// The server that has TLS, started when it is first asked for.
///
/// Databases are `app` and `postgres`. Over TCP, with TLS and without: `trust_user` needs nothing and
/// `scram_user` needs [`PASSWORD`]. Only with TLS: `tls_user`, who needs nothing, `tls_scram_user`, who needs
/// [`PASSWORD`], `cert_user`, who needs a certificate of his name by the authority `clients`, and
/// `vouched_user`, who needs any certificate of that authority. Only without TLS: `plain_user`, who needs
/// nothing. Over the Unix socket nobody needs anything.
pub fn tls() -> &'static Tls {
    static TLS: OnceLock<Tls> = OnceLock::new();
    TLS.get_or_init(|| {
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
        let certificates = Certificates::make(&cluster.folder("certificates"));
        for name in Certificates::servers() {
            cluster.give_away(&certificates.path(&format!("{name}.key")));
        }
        Tls { cluster, certificates, taken: Mutex::new(()) }
    })
}

impl Tls {
    /// Presents the certificate of this name.
    pub fn serve(&'static self, certificate: &str) -> Serving {
        self.serve_with(certificate, "")
    }

    /// Presents the certificate of this name, with more settings: `name = 'value';` each.
    pub fn serve_with(&'static self, certificate: &str, settings: &str) -> Serving {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        // A test that failed has left the server as any other does.
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let label = format!("serving {}: ", COUNTER.fetch_add(1, Ordering::Relaxed));
        let file = |name: &str| self.certificates.path(name).display().to_string();
        let mut sql = format!(
            "alter system reset all;
            alter system set ssl = on;
            alter system set ssl_cert_file = '{}';
            alter system set ssl_key_file = '{}';
            alter system set ssl_ca_file = '{}';
            alter system set log_line_prefix = '{label}';",
            file(&format!("{certificate}.crt")),
            file(&format!("{certificate}.key")),
            file("clients.crt"),
        );
        for setting in settings.split_inclusive(';') {
            sql += "alter system set ";
            sql += setting;
        }
        self.cluster.sql(&format!("{sql} select pg_reload_conf();"));
        self.cluster.wait_for("show log_line_prefix", &label);
        let serving = Serving { tls: self, label, _taken: taken };
        // The server goes on with the certificate it had where it can't take the new one.
        assert!(!serving.log().contains("was not reloaded"), "{certificate}: {}", serving.log());
        serving
    }
}

impl Serving {
    /// What the server has logged since it serves like this, a line for each message.
    pub fn log(&self) -> String {
        let log = self.tls.cluster.log();
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
