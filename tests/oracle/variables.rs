//! Every variable of the environment, and what it is over.

use super::row::Fate::{Differs, Fails, Reaches};
use super::row::{Row, row};

pub const ROWS: &[Row] = &[
    row("", Reaches("b:5432 ann app -")).with(&[("PGHOST", "{b}")]),
    row("", Reaches("a:6432 ann app -")).with(&[("PGPORT", "6432")]),
    row("", Reaches("a:5432 bob app -")).with(&[("PGUSER", "bob")]),
    row("", Reaches("a:5432 ann other -")).with(&[("PGDATABASE", "other")]),
    row("", Reaches("a:5432 ann app pw")).with(&[("PGPASSWORD", "pw")]),
    row("", Reaches("a:5432 ann app p w'\\:")).with(&[("PGPASSWORD", "p w'\\:")]),
    row("", Reaches("tcp ann app pw")).with(&[
        ("PGHOSTADDR", "127.0.0.1"),
        ("PGHOST", "nowhere.invalid"),
        ("PGPORT", "{port}"),
        ("PGPASSWORD", "pw"),
    ]),
    row("", Reaches("a:5432 ann app - application_name=job")).with(&[("PGAPPNAME", "job")]),
    row("fallback_application_name=x", Reaches("a:5432 ann app - application_name=job"))
        .with(&[("PGAPPNAME", "job")]),
    row("", Reaches("a:5432 ann app -")).with(&[("PGAPPNAME", "")]),
    row("", Reaches("a:5432 ann app - options=-c a.b=c")).with(&[("PGOPTIONS", "-c a.b=c")]),
    row("", Reaches("a:5432 ann app - client_encoding=LATIN1")).with(&[("PGCLIENTENCODING", "LATIN1")]),
    row("", Reaches("a:5432 ann app -")).with(&[("PGCONNECT_TIMEOUT", "10")]),
    row("", Reaches("a:5432 ann app -")).with(&[("PGSSLMODE", "verify-full")]),
    row("hostaddr=127.0.0.1 port={port}", Fails(76, "server does not support SSL, but SSL was required"))
        .with(&[("PGSSLMODE", "require")]),
    row("hostaddr=127.0.0.1 port={port}", Fails(76, "server does not support SSL, but SSL was required"))
        .with(&[("PGREQUIRESSL", "1")]),
    row("hostaddr=127.0.0.1 port={port}", Reaches("tcp ann app -")).with(&[("PGREQUIRESSL", "0")]),
    row("hostaddr=127.0.0.1 port={port}", Reaches("tcp ann app -"))
        .with(&[("PGREQUIRESSL", "1"), ("PGSSLMODE", "disable")]),
    row("hostaddr=127.0.0.1 port={port} sslmode=prefer", Reaches("tcp ann app -"))
        .with(&[("PGREQUIRESSL", "1")]),
    row("", Reaches("a:5432 ann app -")).with(&[("PGSSLCOMPRESSION", "1")]),
    row("", Reaches("a:5432 ann app -")).with(&[("PGSSLSNI", "0")]),
    row("", Reaches("a:5432 ann app -")).with(&[("PGSSLCERT", "/nowhere"), ("PGSSLKEY", "/nowhere")]),
    row("", Reaches("a:5432 ann app -")).with(&[("PGSSLROOTCERT", "/nowhere"), ("PGSSLCRL", "/nowhere")]),
    row("", Reaches("a:5432 ann app -")).with(&[("PGSSLMINPROTOCOLVERSION", "TLSv1.3")]),
    row("", Reaches("a:5432 ann app -")).with(&[("PGSSLMAXPROTOCOLVERSION", "tlsv1.3")]),
    row("", Reaches("a:5432 ann app -")).with(&[("PGGSSENCMODE", "disable")]),
    row("", Reaches("a:5432 ann app -")).with(&[("PGKRBSRVNAME", "x"), ("PGGSSLIB", "gssapi")]),
    row("", Reaches("a:5432 ann app -")).with(&[("PGREQUIREPEER", "{user}")]),
    row("", Fails(77, "requirepeer specifies \"nobody-at-all\", but actual peer user name is \"{user}\""))
        .with(&[("PGREQUIREPEER", "nobody-at-all")]),
    row("", Reaches("a:5432 ann app -")).with(&[("PGTARGETSESSIONATTRS", "read-write")]),
    row("", Reaches("a:5432 ann app -")).with(&[("PGLOADBALANCEHOSTS", "random")]),
    row("", Reaches("a:5432 ann app pw")).with(&[("PGPASSFILE", "{home}/passwords")]).files(&[(
        "passwords",
        0o600,
        "*:*:*:*:pw",
    )]),
    row("", Reaches("a:5432 ann app pw")).with(&[("PGREQUIREAUTH", "password"), ("PGPASSWORD", "pw")]),
    row("", Reaches("a:5432 ann app -")).with(&[("PGCHANNELBINDING", "disable")]),
    // What psql says besides.
    row("", Differs("a:5432 ann app - datestyle=ISO", "a:5432 ann app -", NO_DATES))
        .with(&[("PGDATESTYLE", "ISO")]),
    row("", Differs("a:5432 ann app - timezone=UTC", "a:5432 ann app -", NO_DATES)).with(&[("PGTZ", "UTC")]),
    row("", Differs("a:5432 ann app - geqo=off", "a:5432 ann app -", NO_DATES)).with(&[("PGGEQO", "off")]),
    // Not libpq's at all.
    row("", Reaches("a:5432 ann app -")).with(&[("USER", "eve"), ("LOGNAME", "eve"), ("PGPASS", "x")]),
    row("", Reaches("a:5432 {user} app -")).with(&[("PGUSER", ""), ("USER", "eve"), ("LOGNAME", "eve")]),
    // Set, and empty: as if it were not.
    row("", Reaches("a:5432 ann app -")).with(&[("PGPORT", "")]),
    row("", Reaches("a:5432 {user} {user} -")).with(&[("PGUSER", ""), ("PGDATABASE", "")]),
    row("", Reaches("a:5432 ann app -")).with(&[("PGPASSWORD", "")]),
    row("", Reaches("a:5432 ann app -")).with(&[("PGHOSTADDR", "")]),
    row("", Reaches("a:5432 ann app -")).with(&[("PGOPTIONS", "")]),
    row("", Reaches("a:5432 ann app -")).with(&[("PGCLIENTENCODING", "")]),
    row("", Reaches("a:5432 ann app -")).with(&[("PGREQUIREPEER", "")]),
    row("", Reaches("a:5432 ann app -")).with(&[("PGREQUIREAUTH", "")]),
    row("", Reaches("a:5432 ann app -")).with(&[("PGSSLMINPROTOCOLVERSION", "")]),
    row("", Reaches("a:5432 ann app -")).with(&[("PGSSLMAXPROTOCOLVERSION", "")]),
    row("", Reaches("a:5432 ann app -")).with(&[("PGSSLROOTCERT", ""), ("PGSSLCERT", "")]),
    row("", Reaches("a:5432 ann app pw")).with(&[("PGPASSWORD", "")]).files(&[(
        ".pgpass",
        0o600,
        "*:*:*:*:pw",
    )]),
    row("", Reaches("a:5432 ann app pw")).with(&[("PGPASSFILE", "")]).files(&[(
        ".pgpass",
        0o600,
        "*:*:*:*:pw",
    )]),
    // Set, and empty: an error.
    row("", Fails(78, "invalid sslmode value: \"\"")).with(&[("PGSSLMODE", "")]),
    row("", Fails(78, "invalid target_session_attrs value: \"\"")).with(&[("PGTARGETSESSIONATTRS", "")]),
    row("", Fails(78, "invalid gssencmode value: \"\"")).with(&[("PGGSSENCMODE", "")]),
    row("", Fails(78, "invalid channel_binding value: \"\"")).with(&[("PGCHANNELBINDING", "")]),
    row("", Fails(78, "definition of service \"\" not found")).with(&[("PGSERVICE", "")]),
    row(
        "hostaddr=127.0.0.1 port={port}",
        Fails(78, "invalid integer value \"\" for connection option \"connect_timeout\""),
    )
    .with(&[("PGCONNECT_TIMEOUT", "")]),
    // No such home directory.
    row("", Reaches("a:5432 ann app -")).with(&[("HOME", "/nowhere")]),
];

const NO_DATES: &str =
    "heimdall asks for nothing that depends on it, and poolers refuse what they do not know";
