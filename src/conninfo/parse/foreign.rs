//! Parameters in a URI that are not libpq's: one URL is often shared with a framework, a driver or a tool for migrations.

use crate::conninfo::spelling::is_same;

/// A parameter that other programs read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Foreign {
    /// It says nothing of the safety of the connection, nor of who is connected to what.
    Ignored(&'static str),
    /// It does, in other words than libpq's: its name, and what is written instead.
    Instead(&'static str, &'static str),
}

/// Returns what is known of a parameter that is not libpq's.
pub(super) fn find(key: &str) -> Option<Foreign> {
    // Whether it is passed on by itself or among the options, a setting says the same.
    let setting = key.strip_prefix("options[").map(|rest| rest.strip_suffix(']').unwrap_or(rest));
    let is_known = |(name, _): &&(&str, &str)| is_same(name, setting.unwrap_or(key));
    if let Some((name, instead)) = INSTEAD.iter().find(is_known) {
        return Some(Foreign::Instead(name, instead));
    }
    let by_prefix = PREFIXES.iter().find(|(prefix, _)| key.starts_with(prefix)).map(|(_, name)| *name);
    let mut names = IGNORED.iter().flat_map(|(_, names)| *names).copied();
    by_prefix.or_else(|| names.find(|name| is_same(name, key))).map(Foreign::Ignored)
}

/// What asks for security or for a server in other words: its name, and libpq's parameter with what to write.
pub const INSTEAD: &[(&str, &str)] = &[
    ("ssl", "sslmode: disable for false, require for true"),
    ("sslaccept", "sslmode: verify-full for strict, require for accept_invalid_certs"),
    ("uselibpqcompat", "sslmode, whose words mean here what they mean to libpq"),
    ("rejectUnauthorized", "sslmode: verify-full for true, require for false"),
    ("trustServerCertificate", "sslmode: require for true, verify-full for false"),
    ("sslfactory", "sslmode"),
    ("sslfactoryarg", "sslmode"),
    ("sslhostnameverifier", "sslmode: verify-full"),
    ("ssl_context", "sslmode"),
    ("direct_tls", "sslnegotiation: direct"),
    ("enableChannelBinding", "channel_binding: prefer or require"),
    ("sslca", "sslrootcert"),
    ("rootCertificate", "sslrootcert"),
    ("checkCertificateRevocation", "sslcrl"),
    ("sslidentity", "sslcert and sslkey, which take PEM files"),
    ("sslinline", "sslcert and sslkey, which take the paths of files"),
    ("clientCertificate", "sslcert"),
    ("sslCertificate", "sslcert"),
    ("clientCertificateKey", "sslkey"),
    ("sslpasswordcallback", "sslkey, with a key that is not encrypted"),
    ("authenticationPluginClassName", "password"),
    ("kerberosServerName", "krbsrvname"),
    ("kerberosServiceName", "krbsrvname"),
    ("krbspn", "krbsrvname"),
    ("role", "options: -c role=NAME"),
    ("session_authorization", "options: -c session_authorization=NAME"),
    ("targetServerType", "target_session_attrs"),
    ("targetSessionAttributes", "target_session_attrs"),
    ("socket", "host: the directory of the socket"),
    ("socketFactory", "host"),
    ("unix_sock", "host: the directory of the socket"),
];

/// What other programs read: whose it is, and the names as they write them.
pub const IGNORED: &[(&str, &[&str])] = &[
    (
        "Prisma",
        &[
            "schema",
            "pgbouncer",
            "connection_limit",
            "pool_timeout",
            "socket_timeout",
            "statement_cache_size",
            "max_connection_lifetime",
            "max_idle_connection_lifetime",
            "single_use_connections",
        ],
    ),
    (
        "SQLAlchemy, asyncpg, psycopg, pg8000",
        &[
            "prepared_statement_cache_size",
            "prepared_statement_name_func",
            "max_cached_statement_lifetime",
            "max_cacheable_statement_size",
            "prepare_threshold",
            "server_settings",
            "command_timeout",
            "timeout",
            "tcp_keepalive",
            "autocommit",
            "isolation_level",
            "executemany_mode",
            "async_fallback",
            "plugin",
        ],
    ),
    ("Django", &["conn_max_age", "conn_health_checks", "disable_server_side_cursors", "atomic_requests"]),
    (
        "Rails",
        &[
            "pool",
            "max_connections",
            "min_connections",
            "checkout_timeout",
            "idle_timeout",
            "reaping_frequency",
            "max_age",
            "keepalive",
            "prepared_statements",
            "statement_limit",
            "schema_search_path",
            "min_messages",
            "encoding",
            "variables",
            "insert_returning",
            "advisory_locks",
            "migrations_paths",
            "schema_dump",
            "database_tasks",
            "replica",
        ],
    ),
    (
        "node-postgres, postgres.js",
        &[
            "max",
            "min",
            "max_lifetime",
            "idleTimeoutMillis",
            "connectionTimeoutMillis",
            "keepAliveInitialDelayMillis",
            "maxUses",
            "maxLifetimeSeconds",
            "allowExitOnIdle",
            "query_timeout",
            "binary",
            "prepare",
            "fetch_types",
            "max_pipeline",
        ],
    ),
    (
        "pgx, lib/pq, sqlx",
        &[
            "pool_max_conns",
            "pool_min_conns",
            "pool_min_idle_conns",
            "pool_max_conn_lifetime",
            "pool_max_conn_lifetime_jitter",
            "pool_max_conn_idle_time",
            "pool_health_check_period",
            "default_query_exec_mode",
            "statement_cache_capacity",
            "statement_cache_mode",
            "description_cache_capacity",
            "prefer_simple_protocol",
            "binary_parameters",
            "disable_prepared_binary_result",
        ],
    ),
    ("golang-migrate", &["x-*"]),
    (
        "Npgsql",
        &[
            "Pooling",
            "Minimum Pool Size",
            "Maximum Pool Size",
            "Connection Idle Lifetime",
            "Connection Pruning Interval",
            "Connection Lifetime",
            "Internal Command Timeout",
            "Cancellation Timeout",
            "Tcp Keepalive Time",
            "Tcp Keepalive Interval",
            "Max Auto Prepare",
            "Auto Prepare Min Usages",
            "Read Buffer Size",
            "Write Buffer Size",
            "Socket Receive Buffer Size",
            "Socket Send Buffer Size",
            "No Reset On Close",
            "Include Error Detail",
            "Log Parameters",
            "Load Table Composites",
            "Multiplexing",
            "Enlist",
            "Array Nullability Mode",
            "Server Compatibility Mode",
            "Persist Security Info",
        ],
    ),
    (
        "JDBC",
        &[
            "currentSchema",
            "ApplicationName",
            "connectTimeout",
            "loginTimeout",
            "cancelSignalTimeout",
            "preparedStatementCacheQueries",
            "preparedStatementCacheSizeMiB",
            "preferQueryMode",
            "defaultRowFetchSize",
            "adaptiveFetch",
            "reWriteBatchedInserts",
            "stringtype",
            "binaryTransfer",
            "databaseMetadataCacheFields",
            "databaseMetadataCacheFieldsMiB",
            "autosave",
            "cleanupSavepoints",
            "readOnly",
            "readOnlyMode",
            "assumeMinServerVersion",
            "loadBalanceHosts",
            "hostRecheckSeconds",
            "tcpNoDelay",
            "receiveBufferSize",
            "sendBufferSize",
            "maxResultBuffer",
            "logUnclosedConnections",
            "logServerErrorDetail",
            "loggerLevel",
            "loggerFile",
            "allowEncodingChanges",
            "disableColumnSanitiser",
            "escapeSyntaxCallMode",
            "quoteReturningIdentifiers",
            "hideUnprivilegedObjects",
            "groupStartupParameters",
            "unknownLength",
        ],
    ),
    ("Doctrine, Laravel", &["serverVersion", "charset", "persistent", "prefix"]),
    ("Ecto", &["pool_size", "pool_count", "queue_target", "queue_interval", "ownership_timeout"]),
    ("hosting services", &["supa", "workaround", "pool_mode"]),
    (
        "settings of the server that drivers pass on",
        &[
            "search_path",
            "timezone",
            "datestyle",
            "intervalstyle",
            "statement_timeout",
            "lock_timeout",
            "idle_in_transaction_session_timeout",
            "idle_session_timeout",
            "work_mem",
            "options[*]",
        ],
    ),
];

/// What names of ignored parameters begin with, and what stands for them in the table.
const PREFIXES: &[(&str, &str)] = &[("x-", "x-*"), ("options[", "options[*]")];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conninfo::table::TABLE;

    #[test]
    fn no_name_is_libpqs_or_stands_there_twice() {
        let names = IGNORED.iter().flat_map(|(_, names)| *names).chain(INSTEAD.iter().map(|(name, _)| name));
        let names: Vec<&str> = names.copied().collect();
        for (at, name) in names.iter().enumerate() {
            assert!(!names[..at].iter().any(|other| is_same(name, other)), "{name}");
        }
        let libpqs = TABLE.iter().filter_map(|parameter| find(parameter.keyword));
        // Spelt as in JDBC.
        let respelt = ["connectTimeout", "ApplicationName", "loadBalanceHosts"].map(Foreign::Ignored);
        assert!(libpqs.eq(respelt));
    }

    #[test]
    fn each_remedy_begins_with_a_parameter_of_libpqs() {
        for (name, instead) in INSTEAD {
            let keyword = instead.split([':', ',', ' ']).next().unwrap();
            assert!(TABLE.iter().any(|parameter| parameter.keyword == keyword), "{name}: {instead}");
        }
    }

    #[test]
    fn names_are_compared_without_case_and_separators() {
        for (key, expected) in [
            ("schema", Some("schema")),
            ("pool_timeout", Some("pool_timeout")),
            ("poolTimeout", Some("pool_timeout")),
            ("Maximum Pool Size", Some("Maximum Pool Size")),
            ("maximumpoolsize", Some("Maximum Pool Size")),
            ("statement-cache-capacity", Some("statement_cache_capacity")),
            ("x-migrations-table", Some("x-*")),
            ("options[search_path]", Some("options[*]")),
            ("schemas", None),
            ("", None),
        ] {
            assert_eq!(find(key), expected.map(Foreign::Ignored), "{key}");
        }
        assert_eq!(find("TrustServerCertificate"), find("Trust Server Certificate"));
        assert!(matches!(find("SSL"), Some(Foreign::Instead("ssl", _))));
    }

    #[test]
    fn who_is_connected_is_not_ignored_among_the_options_either() {
        for name in ["role", "session_authorization"] {
            let plain = find(name);
            assert!(matches!(plain, Some(Foreign::Instead(found, _)) if found == name), "{name}");
            for key in [
                format!("options[{name}]"),
                format!("options[{}]", name.to_uppercase()),
                format!("options[{name}"),
            ] {
                assert_eq!(find(&key), plain, "{key}");
            }
        }
        assert_eq!(find("options[lock_timeout]"), Some(Foreign::Ignored("options[*]")));
    }
}
