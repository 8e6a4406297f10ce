//! Who is believed: the string, then the service file, then the environment, then no one.

use super::row::Fate::Reaches;
use super::row::{File, Row, row};

const SERVICE: &[File] = &[(
    ".pg_service.conf",
    0o644,
    "[one]\nhost={b}\nport=6432\nuser=sam\ndbname=served\npassword=pw\napplication_name=job\noptions=-cx.y=z\n",
)];

const NOTHING_SAID: &[File] = &[(".pg_service.conf", 0o644, "[one]\n")];

const PASSFILE: &[File] = &[
    (".pg_service.conf", 0o644, "[one]\npassword=served\n[two]\npassfile={home}/other\n[three]\npassword=\n"),
    (".pgpass", 0o600, "*:*:*:*:filed\n"),
    ("other", 0o600, "*:*:*:*:other\n"),
];

const SERVED: &str = "b:6432 sam served pw application_name=job options=-cx.y=z";

pub const ROWS: &[Row] = &[
    row("service=one", Reaches(SERVED)).files(SERVICE),
    row("postgres://?service=one", Reaches(SERVED)).files(SERVICE),
    row("", Reaches(SERVED)).files(SERVICE).with(&[("PGSERVICE", "one")]),
    row("service=one", Reaches(SERVED)).files(SERVICE).with(&[("PGSERVICE", "nosuch")]),
    row("service=one", Reaches(SERVED)).files(SERVICE).with(&[
        ("PGPORT", "1"),
        ("PGPASSWORD", "no"),
        ("PGAPPNAME", "no"),
        ("PGOPTIONS", "-cno=no"),
    ]),
    row("service=one user=bob", Reaches("b:6432 bob served pw application_name=job options=-cx.y=z"))
        .files(SERVICE),
    row("user=bob service=one", Reaches("b:6432 bob served pw application_name=job options=-cx.y=z"))
        .files(SERVICE),
    row(
        "service=one host={a} port=5432 dbname=d password=p application_name=n options=-ca.b=c",
        Reaches("a:5432 sam d p application_name=n options=-ca.b=c"),
    )
    .files(SERVICE),
    row("postgres://bob:p@{%a}:1/d?service=one", Reaches("a:1 bob d p application_name=job options=-cx.y=z"))
        .files(SERVICE),
    row("service=one application_name='' options=''", Reaches("b:6432 sam served pw")).files(SERVICE),
    row("service=one user='' dbname=d", Reaches("b:6432 {user} d pw application_name=job options=-cx.y=z"))
        .files(SERVICE),
    row("service=one dbname=''", Reaches("b:6432 sam sam pw application_name=job options=-cx.y=z"))
        .files(SERVICE),
    row("service=one port=''", Reaches("b:5432 sam served pw application_name=job options=-cx.y=z"))
        .files(SERVICE),
    row("service=one fallback_application_name=f", Reaches(SERVED)).files(SERVICE),
    row("other", Reaches("b:6432 sam other pw application_name=job options=-cx.y=z"))
        .files(SERVICE)
        .with(&[("PGSERVICE", "one")]),
    row("service=one", Reaches("a:5432 ann app -")).files(NOTHING_SAID),
    row("service=one", Reaches("a:6432 ann app pw"))
        .files(NOTHING_SAID)
        .with(&[("PGPORT", "6432"), ("PGPASSWORD", "pw")]),
    // An empty value hides what weaker sources say.
    row("application_name=''", Reaches("a:5432 ann app -")).with(&[("PGAPPNAME", "job")]),
    row("options=''", Reaches("a:5432 ann app -")).with(&[("PGOPTIONS", "-cx.y=z")]),
    row("port=''", Reaches("a:5432 ann app -")).with(&[("PGPORT", "6432")]),
    row("user=''", Reaches("a:5432 {user} app -")).with(&[("PGUSER", "bob")]),
    row("client_encoding=''", Reaches("a:5432 ann app -")).with(&[("PGCLIENTENCODING", "LATIN1")]),
    row("postgres://?port=", Reaches("a:5432 ann app -")).with(&[("PGPORT", "6432")]),
    // The password.
    row("", Reaches("a:5432 ann app filed")).files(PASSFILE),
    row("", Reaches("a:5432 ann app env")).files(PASSFILE).with(&[("PGPASSWORD", "env")]),
    row("password=string", Reaches("a:5432 ann app string")).files(PASSFILE).with(&[("PGPASSWORD", "env")]),
    row("password=''", Reaches("a:5432 ann app filed")).files(PASSFILE).with(&[("PGPASSWORD", "env")]),
    row("service=one", Reaches("a:5432 ann app served")).files(PASSFILE).with(&[("PGPASSWORD", "env")]),
    row("service=one password=string", Reaches("a:5432 ann app string")).files(PASSFILE),
    row("service=two", Reaches("a:5432 ann app other")).files(PASSFILE),
    row("service=two", Reaches("a:5432 ann app other"))
        .files(PASSFILE)
        .with(&[("PGPASSFILE", "{home}/.pgpass")]),
    row("service=two passfile={home}/.pgpass", Reaches("a:5432 ann app filed")).files(PASSFILE),
    row("service=two", Reaches("a:5432 ann app env")).files(PASSFILE).with(&[("PGPASSWORD", "env")]),
    row("service=three", Reaches("a:5432 ann app filed")).files(PASSFILE).with(&[("PGPASSWORD", "env")]),
    row("passfile={home}/other", Reaches("a:5432 ann app other")).files(PASSFILE),
    row("postgres://?passfile={home}/other", Reaches("a:5432 ann app other")).files(PASSFILE),
    row("passfile=''", Reaches("a:5432 ann app filed"))
        .files(PASSFILE)
        .with(&[("PGPASSFILE", "{home}/other")]),
    row("passfile=/nowhere", Reaches("a:5432 ann app -")).files(PASSFILE),
];
