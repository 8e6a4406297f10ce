//! The one server that most tests use: a user for each way to log in.

use std::env;
use std::sync::OnceLock;

use super::{Cluster, ClusterOptions};

/// Of all users that need one.
pub const PASSWORD: &str = "open sesame";

/// The server for tests that leave it as it is.
///
/// Over TCP and the Unix socket: `trust_user` and `nologin_role` (which is NOLOGIN) need no password;
/// `password_user`, `md5_user` and `scram_user` need [`PASSWORD`], each by the method in its name.
/// All may connect to database `app`. Statements and connections are logged.
pub fn shared() -> &'static Cluster {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    SHARED.get_or_init(|| {
        let cluster = Cluster::start(&ClusterOptions {
            configuration: "max_connections = 100\nlog_statement = all\nlog_connections = on".to_owned(),
            hba: ["local all", "host all"].map(methods).concat(),
        });
        cluster.sql(&format!(
            "create database app;
            create role trust_user login;
            create role nologin_role;
            set password_encryption = 'scram-sha-256';
            create role password_user login password '{PASSWORD}';
            create role scram_user login password '{PASSWORD}';
            set password_encryption = 'md5';
            create role md5_user login password '{PASSWORD}';"
        ));
        cluster
    })
}

/// Connection parameters for a test to which any server will do: those in `DATABASE_URL`, else
/// `trust_user` on the shared server.
pub fn database() -> String {
    env::var("DATABASE_URL")
        .ok()
        .filter(|url| !url.is_empty())
        .unwrap_or_else(|| format!("{} user=trust_user dbname=app", shared().tcp()))
}

fn methods(connection: &str) -> String {
    let address = if connection.starts_with("host") { "all" } else { "" };
    [
        ("trust_user", "trust"),
        ("nologin_role", "trust"),
        ("password_user", "password"),
        ("md5_user", "md5"),
        ("scram_user", "scram-sha-256"),
    ]
    .map(|(user, method)| format!("{connection} {user} {address} {method}\n"))
    .concat()
}
