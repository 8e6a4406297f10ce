//! One `DATABASE_URL` for all programs: what others read in it does not keep heimdall from its work, and is never taken for
//! security.

use std::fs;

use super::assert_ran;
use crate::support::heimdall::{Heimdall, Outcome};
use crate::support::postgres::{PASSWORD, shared};

/// Queries of URLs as their programs document them, and what of them is ignored.
const IGNORED: &[(&str, &str)] = &[
    // Prisma: its own, and those for a pooler.
    ("schema=public", "schema"),
    ("connection_limit=5&pool_timeout=20&socket_timeout=3", "connection_limit, pool_timeout, socket_timeout"),
    ("pgbouncer=true&connect_timeout=15&pool_timeout=0", "pgbouncer, pool_timeout"),
    ("statement_cache_size=0&single_use_connections=true", "statement_cache_size, single_use_connections"),
    // SQLAlchemy, and what it hands on to asyncpg and psycopg.
    ("prepared_statement_cache_size=0", "prepared_statement_cache_size"),
    ("server_settings={\"jit\": \"off\"}&command_timeout=60", "server_settings, command_timeout"),
    ("prepare_threshold=0&application_name=web", "prepare_threshold"),
    // Django, Rails.
    ("conn_max_age=600&conn_health_checks=true&sslmode=prefer", "conn_max_age, conn_health_checks"),
    ("pool=5&timeout=5000&encoding=unicode", "pool, timeout, encoding"),
    ("prepared_statements=false&checkout_timeout=5", "prepared_statements, checkout_timeout"),
    ("schema_search_path=a,b&min_messages=warning", "schema_search_path, min_messages"),
    // node-postgres, postgres.js.
    (
        "max=20&idleTimeoutMillis=30000&connectionTimeoutMillis=2000",
        "max, idleTimeoutMillis, connectionTimeoutMillis",
    ),
    ("idle_timeout=20&max_lifetime=1800&prepare=false", "idle_timeout, max_lifetime, prepare"),
    // pgx, lib/pq, sqlx.
    ("pool_max_conns=10&pool_min_conns=2", "pool_max_conns, pool_min_conns"),
    (
        "pool_max_conn_lifetime=1h30m&pool_health_check_period=1m",
        "pool_max_conn_lifetime, pool_health_check_period",
    ),
    ("default_query_exec_mode=simple_protocol", "default_query_exec_mode"),
    ("binary_parameters=yes", "binary_parameters"),
    ("statement-cache-capacity=100", "statement_cache_capacity"),
    ("options[search_path]=a,b&options[geqo]=off", "options[*]"),
    // golang-migrate.
    ("x-migrations-table=schema_migrations&x-multi-statement=true", "x-*"),
    ("x-migrations-table=\"a\".\"b\"&x-migrations-table-quoted=1&search_path=yms", "x-*, search_path"),
    // Npgsql, JDBC.
    (
        "Maximum%20Pool%20Size=50&Include%20Error%20Detail=true&Pooling=true",
        "Maximum Pool Size, Include Error Detail, Pooling",
    ),
    (
        "currentSchema=app&ApplicationName=web&reWriteBatchedInserts=true",
        "currentSchema, ApplicationName, reWriteBatchedInserts",
    ),
    ("prepareThreshold=0&loginTimeout=5&socketTimeout=30", "prepare_threshold, loginTimeout, socket_timeout"),
    // Symfony, Laravel, Ecto, hosting services.
    ("serverVersion=16&charset=utf8", "serverVersion, charset"),
    ("pool_size=10&queue_target=5000", "pool_size, queue_target"),
    ("supa=base-pooler.x&workaround=supabase-pooler.vercel", "supa, workaround"),
    // Settings of the server.
    ("search_path=yms", "search_path"),
    (
        "timezone=Europe/Vienna&statement_timeout=30s&lock_timeout=5s",
        "timezone, statement_timeout, lock_timeout",
    ),
    // Whatever stands there.
    ("schema=50%&pool_size=a b&max=x=y&charset=", "schema, pool_size, max, charset"),
];

fn with_url(url: &str) -> Outcome {
    let heimdall = Heimdall::new().env("DATABASE_URL", url);
    heimdall.args(["-v", "--name", url, "sh", "-c", "echo ran; echo \"$DATABASE_URL\" >&2"]).run()
}

#[test]
fn what_a_url_says_to_other_programs_is_ignored_and_told_when_asked() {
    for (query, names) in IGNORED {
        let url = format!("postgres://trust_user@127.0.0.1:{}/app?{query}", shared().port());
        let outcome = with_url(&url);
        assert_ran(&outcome);
        let line = format!("heimdall: ignored what the connection string says to other programs: {names}\n");
        assert!(outcome.stderr.starts_with(&line), "{query}: {}", outcome.stderr);
        assert!(
            outcome.stderr.contains(&format!("\n{url}\n")),
            "the program sees it as it is: {}",
            outcome.stderr
        );
        let quiet = Heimdall::new().database(&url).args(["--name", &url, "true"]).run();
        assert_eq!((quiet.code, quiet.stderr.as_str()), (Some(0), ""), "{query}");
    }
}

#[test]
fn the_scheme_of_a_url_may_name_a_driver_in_any_case() {
    for scheme in [
        "postgres",
        "POSTGRES",
        "PostgreSQL",
        "postgis",
        "postgresql+psycopg2",
        "postgresql+asyncpg",
        "postgresql+psycopg",
        "postgres+pg8000",
    ] {
        let outcome = with_url(&format!("{scheme}://trust_user@127.0.0.1:{}/app", shared().port()));
        assert_ran(&outcome);
    }
}

/// What asks for security, or for a server, in other words: never ignored, and libpq's word for it.
const INSTEAD: &[(&str, &str, &str)] = &[
    ("ssl=false", "ssl", "sslmode: disable"),
    ("ssl=1", "ssl", "sslmode"),
    ("ssl=require", "ssl", "sslmode"),
    ("ssl=no-verify", "ssl", "sslmode"),
    ("ssl={\"rejectUnauthorized\":false}", "ssl", "sslmode"),
    ("sslaccept=strict", "sslaccept", "sslmode: verify-full"),
    ("schema=public&sslaccept=accept_invalid_certs", "sslaccept", "require for accept_invalid_certs"),
    ("sslidentity=client.p12", "sslidentity", "sslcert and sslkey"),
    ("uselibpqcompat=true&sslmode=require", "uselibpqcompat", "sslmode"),
    ("rejectUnauthorized=false", "rejectUnauthorized", "sslmode"),
    ("Trust%20Server%20Certificate=true", "trustServerCertificate", "sslmode"),
    ("trustServerCertificate=false", "trustServerCertificate", "sslmode"),
    ("sslfactory=org.postgresql.ssl.NonValidatingFactory", "sslfactory", "sslmode"),
    ("sslhostnameverifier=x", "sslhostnameverifier", "sslmode: verify-full"),
    ("sslca=config/rds-combined-ca-bundle.pem", "sslca", "sslrootcert"),
    ("Root%20Certificate=/x", "rootCertificate", "sslrootcert"),
    ("sslinline=true", "sslinline", "sslcert and sslkey"),
    ("enableChannelBinding=true", "enableChannelBinding", "channel_binding"),
    ("targetServerType=primary", "targetServerType", "target_session_attrs"),
    ("kerberosServerName=postgres", "kerberosServerName", "krbsrvname"),
    ("role=app", "role", "options: -c role=NAME"),
    ("unix_sock=/run/postgresql/.s.PGSQL.5432", "unix_sock", "host"),
];

/// What is neither, as in psql; with a hint where it is libpq's in another spelling.
const ERRORS: &[(&str, &str)] = &[
    ("schemas=public", "invalid URI query parameter"),
    ("pgbouncers=true", "invalid URI query parameter"),
    ("api_key=s3cret", "invalid URI query parameter"),
    ("sslMode=require", "\"sslMode\"; did you mean \"sslmode\"?"),
    ("ssl-mode=REQUIRED", "\"ssl-mode\"; did you mean \"sslmode\"?"),
    ("ssl_root_cert=/x", "\"ssl_root_cert\"; did you mean \"sslrootcert\"?"),
    ("channelBinding=require", "\"channelBinding\"; did you mean \"channel_binding\"?"),
    ("requireAuth=scram-sha-256", "\"requireAuth\"; did you mean \"require_auth\"?"),
];

#[test]
fn promise_11_what_a_url_asks_for_in_other_words_than_libpqs_is_an_error_that_names_libpqs() {
    let mentioned = INSTEAD.iter().map(|(query, name, instead)| {
        (*query, format!("DATABASE_URL: invalid URI query parameter: \"{name}\"; libpq's is {instead}"))
    });
    let others = ERRORS.iter().map(|(query, words)| (*query, (*words).to_owned()));
    for (query, words) in mentioned.chain(others) {
        let outcome = with_url(&format!("postgres://ann:s3cret@127.0.0.1:1/app?{query}"));
        let (head, tail) = words.split_once("libpq's is ").unwrap_or((&words, ""));
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(78), ""), "{query}: {}", outcome.stderr);
        assert!(
            outcome.stderr.contains(head) && outcome.stderr.contains(tail),
            "{query}: {}",
            outcome.stderr
        );
        assert!(
            outcome.stderr.lines().count() == 1 && !outcome.stderr.contains("s3cret"),
            "{}",
            outcome.stderr
        );
    }
}

#[test]
fn in_keywords_and_in_service_files_nothing_is_ignored() {
    let home = shared().folder("shared url");
    fs::write(home.join("services"), "[s]\nschema=public\n").unwrap();
    for (conninfo, words) in [
        ("host=h schema=public", "invalid connection option \"schema\""),
        ("host=h pool_size=5", "invalid connection option \"pool_size\""),
        ("service=s", "line 2; there is no such parameter"),
    ] {
        let heimdall =
            Heimdall::new().env("DATABASE_URL", conninfo).env("PGSERVICEFILE", home.join("services"));
        let outcome = heimdall.args(["--name", "keywords", "true"]).run();
        assert!(outcome.code == Some(78) && outcome.stderr.contains(words), "{}", outcome.stderr);
    }
}

#[test]
fn heimdalls_own_url_comes_first_and_its_password_is_in_no_list_of_processes() {
    let pooled = "postgres://nobody@127.0.0.1:1/nowhere";
    let password = PASSWORD.replace(' ', "%20");
    let own = format!("postgres://scram_user:{password}@127.0.0.1:{}/app", shared().port());
    let script = "echo \"$DATABASE_URL\"; ps -eo args; :";
    let outcome = Heimdall::new()
        .env("DATABASE_URL", pooled)
        .url(&own)
        .args(["--name", "own url", "sh", "-c", script])
        .run();
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    let (url, processes) = outcome.stdout.split_once('\n').unwrap();
    assert_eq!(url, pooled);
    assert!(processes.contains("--name own url sh -c"), "{processes}");
    assert!(!processes.contains(&own), "{processes}");
    // Set and empty, it is a mistake, and no reason to go elsewhere.
    let empty = Heimdall::new().env("DATABASE_URL", &own).url("").args(["--name", "own url", "true"]).run();
    let words =
        "HEIMDALL_DATABASE_URL: it is empty, as from a variable that is not set, and there is no PGHOST";
    assert!(empty.code == Some(78) && empty.stderr.contains(words), "{}", empty.stderr);
    let wrong =
        Heimdall::new().env("DATABASE_URL", &own).url("host=h uzer=x").args(["--name", "x", "true"]).run();
    assert!(
        wrong.stderr.contains("HEIMDALL_DATABASE_URL: invalid connection option \"uzer\""),
        "{}",
        wrong.stderr
    );
}

#[test]
fn promise_12_a_password_in_the_command_line_is_warned_of_once() {
    let own = format!("{} user=scram_user dbname=app password='{PASSWORD}'", shared().tcp());
    let visible = Heimdall::new().database(&own).args(["--name", "visible", "true"]).run();
    let words =
        "heimdall: --database: every user of this host can see the password in the list of processes; ";
    assert!(visible.code == Some(0) && visible.stderr.starts_with(words), "{}", visible.stderr);
    assert!(visible.stderr.lines().count() == 1 && !visible.stderr.contains(PASSWORD), "{}", visible.stderr);
    // Where it is of use or does no harm, nothing is said.
    let trusted = format!("{} user=scram_user dbname=app", shared().tcp());
    for heimdall in [
        Heimdall::new().url(&own),
        Heimdall::new().env("DATABASE_URL", &own),
        Heimdall::new().database(&trusted).env("PGPASSWORD", PASSWORD),
        Heimdall::new().database(&own).arg("-q"),
    ] {
        let outcome = heimdall.args(["--name", "unseen", "true"]).run();
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    }
}
