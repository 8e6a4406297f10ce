//! Service files: where they are looked for, and how they are read.

use super::row::Fate::{Fails, FailsOtherwise, Reaches};
use super::row::{Row, row};

/// A row with a service file in the home directory.
const fn service(text: &'static [(&'static str, u32, &'static str)], fate: super::row::Fate) -> Row {
    row("service=one", fate).files(text)
}

const fn not_found() -> super::row::Fate {
    Fails(78, "definition of service \"one\" not found")
}

pub const ROWS: &[Row] = &[
    service(&[(".pg_service.conf", 0o644, "[one]\nuser=sam\n")], Reaches("a:5432 sam app -")),
    service(&[(".pg_service.conf", 0o644, "[one]\nuser=sam")], Reaches("a:5432 sam app -")),
    service(&[(".pg_service.conf", 0o666, "[one]\r\nuser=sam\r\n")], Reaches("a:5432 sam app -")),
    service(&[(".pg_service.conf", 0o644, "  [one]  \n\t user=sam \t\n")], Reaches("a:5432 sam app -")),
    service(&[(".pg_service.conf", 0o644, "[one] more\nuser=sam\n")], Reaches("a:5432 sam app -")),
    service(&[(".pg_service.conf", 0o644, "[one\nuser=sam\n")], not_found()),
    service(&[(".pg_service.conf", 0o644, "[ one ]\nuser=sam\n")], not_found()),
    service(&[(".pg_service.conf", 0o644, "[One]\nuser=sam\n")], not_found()),
    service(&[(".pg_service.conf", 0o644, "[onemore]\nuser=sam\n")], not_found()),
    service(&[(".pg_service.conf", 0o644, "[on]\nuser=sam\n")], not_found()),
    service(&[(".pg_service.conf", 0o644, "user=sam\n")], not_found()),
    service(&[(".pg_service.conf", 0o644, "")], not_found()),
    service(&[], not_found()),
    service(
        &[(".pg_service.conf", 0o644, "# [one]\nuser=eve\n[one]\nuser=sam\n")],
        Reaches("a:5432 sam app -"),
    ),
    service(
        &[(".pg_service.conf", 0o644, "[one]\n# a comment\n  # user=eve\n\n   \nuser=sam\n")],
        Reaches("a:5432 sam app -"),
    ),
    service(
        &[(".pg_service.conf", 0o644, "[one]\nuser=sam # no comment\n")],
        Reaches("a:5432 sam # no comment app -"),
    ),
    service(
        &[(".pg_service.conf", 0o644, "[two]\nuser=eve\n[one]\nuser=sam\n[three]\nuser=eve\n")],
        Reaches("a:5432 sam app -"),
    ),
    service(
        &[(".pg_service.conf", 0o644, "[one]\nuser=sam\n[one]\nuser=eve\ndbname=d\n")],
        Reaches("a:5432 sam app -"),
    ),
    service(&[(".pg_service.conf", 0o644, "[one]\nuser=sam\nuser=eve\n")], Reaches("a:5432 sam app -")),
    service(&[(".pg_service.conf", 0o644, "[one]\nuser=\nuser=eve\n")], Reaches("a:5432 {user} app -")),
    service(&[(".pg_service.conf", 0o644, "[one]\nuser= sam\n")], Reaches("a:5432  sam app -")),
    service(&[(".pg_service.conf", 0o644, "[one]\nuser='sam'\n")], Reaches("a:5432 'sam' app -")),
    service(&[(".pg_service.conf", 0o644, "[one]\nuser=s\\am\n")], Reaches("a:5432 s\\am app -")),
    service(&[(".pg_service.conf", 0o644, "[one]\nuser=a=b\n")], Reaches("a:5432 a=b app -")),
    service(&[(".pg_service.conf", 0o644, "[one]\nuser=a b\n")], Reaches("a:5432 a b app -")),
    service(&[(".pg_service.conf", 0o644, "[one]\nuser=säm\ndbname=d☃\n")], Reaches("a:5432 säm d☃ -")),
    service(
        &[(".pg_service.conf", 0o644, "[one]\nhost=/nowhere,{b}\nport=1,6432\n")],
        Reaches("b:6432 ann app -"),
    ),
    service(
        &[(".pg_service.conf", 0o644, "[one]\nhostaddr=127.0.0.1\nport={port}\nhost=x\n")],
        Reaches("tcp ann app -"),
    ),
    service(
        &[(".pg_service.conf", 0o644, "[one]\ndbname=postgres://h/x\n")],
        Reaches("a:5432 ann postgres://h/x -"),
    ),
    service(&[(".pg_service.conf", 0o644, "[one]\nport= 6432\n")], Reaches("a:6432 ann app -")),
    service(
        &[(".pg_service.conf", 0o644, "[one]\nport=x\n")],
        Fails(78, "invalid integer value \"x\" for connection option \"port\""),
    ),
    service(
        &[(".pg_service.conf", 0o644, "[one]\nsslmode=sometimes\n")],
        Fails(78, "invalid sslmode value: \"sometimes\""),
    ),
    service(&[(".pg_service.conf", 0o644, "\u{feff}[one]\nuser=sam\n")], not_found()),
    // What can't be understood, up to the end of the section.
    service(
        &[(".pg_service.conf", 0o644, "[one]\nuser\n")],
        Fails(78, "syntax error in service file \"{home}/.pg_service.conf\", line 2"),
    ),
    service(
        &[(".pg_service.conf", 0o644, "[one]\nuser =sam\n")],
        Fails(78, "syntax error in service file \"{home}/.pg_service.conf\", line 2"),
    ),
    service(
        &[(".pg_service.conf", 0o644, "[one]\n\n# x\nuzer=sam\n")],
        Fails(78, "syntax error in service file \"{home}/.pg_service.conf\", line 4"),
    ),
    service(
        &[(".pg_service.conf", 0o644, "[one]\n=sam\n")],
        Fails(78, "syntax error in service file \"{home}/.pg_service.conf\", line 2"),
    ),
    service(
        &[(".pg_service.conf", 0o644, "[one]\nrequiressl=1\n")],
        Fails(78, "syntax error in service file \"{home}/.pg_service.conf\", line 2"),
    ),
    service(
        &[(".pg_service.conf", 0o644, "[one]\nservice=two\n[two]\nuser=sam\n")],
        Fails(
            78,
            "nested service specifications not supported in service file \"{home}/.pg_service.conf\", line 2",
        ),
    ),
    service(
        &[(".pg_service.conf", 0o644, "# {long}\n[one]\nuser=sam\n")],
        Fails(78, "line 1 too long in service file \"{home}/.pg_service.conf\""),
    ),
    service(&[(".pg_service.conf", 0o644, "[one]\nuser=sam\n[two]\n{long}\n")], Reaches("a:5432 sam app -")),
    service(
        &[(".pg_service.conf", 0o644, "[two]\nnonsense\n[one]\nuser=sam\n")],
        Reaches("a:5432 sam app -"),
    ),
    service(
        &[(".pg_service.conf", 0o644, "[one]\nuser=sam\n[two]\nnonsense\n")],
        Reaches("a:5432 sam app -"),
    ),
    service(&[(".pg_service.conf", 0o644, "nonsense\n[one]\nuser=sam\n")], Reaches("a:5432 sam app -")),
    row("user=bob", Reaches("a:5432 bob app -")).files(&[(".pg_service.conf", 0o644, "[one]\nnonsense\n")]),
    // Which file.
    row("service=one", Reaches("a:5432 sam app -"))
        .with(&[("PGSERVICEFILE", "{home}/services")])
        .files(&[("services", 0o644, "[one]\nuser=sam\n"), (".pg_service.conf", 0o644, "[one]\nuser=eve\n")]),
    row("service=one", Fails(78, "service file \"/nowhere\" not found"))
        .with(&[("PGSERVICEFILE", "/nowhere")])
        .files(&[(".pg_service.conf", 0o644, "[one]\nuser=eve\n")]),
    row("", Reaches("a:5432 ann app -")).with(&[("PGSERVICEFILE", "/nowhere")]),
    row("service=one", Fails(78, "service file \"\" not found")).with(&[("PGSERVICEFILE", "")]),
    row("service=one", Fails(78, "definition of service \"one\" not found"))
        .with(&[("PGSERVICEFILE", "{home}/services")])
        .files(&[("services", 0o644, "[two]\n"), (".pg_service.conf", 0o644, "[one]\nuser=eve\n")]),
    row("service=one", Reaches("a:5432 sam app -")).with(&[("PGSYSCONFDIR", "{home}/etc")]).files(&[(
        "etc/pg_service.conf",
        0o644,
        "[one]\nuser=sam\n",
    )]),
    row("service=one", Reaches("a:5432 sam app -")).with(&[("PGSYSCONFDIR", "{home}/etc")]).files(&[
        ("etc/pg_service.conf", 0o644, "[one]\nuser=sam\n"),
        (".pg_service.conf", 0o644, "[two]\nuser=eve\n"),
    ]),
    row("service=one", Reaches("a:5432 sam app -")).with(&[("PGSYSCONFDIR", "{home}/etc")]).files(&[
        ("etc/pg_service.conf", 0o644, "[one]\nuser=eve\n"),
        (".pg_service.conf", 0o644, "[one]\nuser=sam\n"),
    ]),
    row("service=one", Reaches("a:5432 ann app -")).with(&[("PGSYSCONFDIR", "{home}/etc")]).files(&[
        ("etc/pg_service.conf", 0o644, "[one]\nuser=eve\n"),
        (".pg_service.conf", 0o644, "[one]\n"),
    ]),
    row("service=one", Reaches("a:5432 sam app -"))
        .with(&[("PGSYSCONFDIR", "{home}/etc"), ("PGSERVICEFILE", "{home}/services")])
        .files(&[("etc/pg_service.conf", 0o644, "[one]\nuser=sam\n"), ("services", 0o644, "[two]\n")]),
    row("service=one", Fails(78, "service file \"/nowhere\" not found"))
        .with(&[("PGSYSCONFDIR", "{home}/etc"), ("PGSERVICEFILE", "/nowhere")])
        .files(&[("etc/pg_service.conf", 0o644, "[one]\nuser=sam\n")]),
    row("service=one", Fails(78, "definition of service \"one\" not found"))
        .with(&[("PGSYSCONFDIR", "/nowhere")]),
    row("service=one", Fails(78, "syntax error in service file \"{home}/etc/pg_service.conf\", line 2"))
        .with(&[("PGSYSCONFDIR", "{home}/etc")])
        .files(&[("etc/pg_service.conf", 0o644, "[one]\nnonsense\n")]),
    // Directories that are relative, and no directory at all: that is the root, not the current one.
    row("service=one", Reaches("a:5432 sam app -")).with(&[("PGSERVICEFILE", "services")]).files(&[(
        "services",
        0o644,
        "[one]\nuser=sam\n",
    )]),
    row("service=one", Reaches("a:5432 sam app -")).with(&[("PGSYSCONFDIR", "etc")]).files(&[(
        "etc/pg_service.conf",
        0o644,
        "[one]\nuser=sam\n",
    )]),
    row("service=one", Reaches("a:5432 sam app -")).with(&[("PGSYSCONFDIR", ".")]).files(&[(
        "pg_service.conf",
        0o644,
        "[one]\nuser=sam\n",
    )]),
    row("service=one", not_found()).with(&[("PGSYSCONFDIR", "")]).files(&[(
        "pg_service.conf",
        0o644,
        "[one]\nuser=eve\n",
    )]),
    row("service=one", Reaches("a:5432 sam app -")).with(&[("HOME", ".")]).files(&[(
        ".pg_service.conf",
        0o644,
        "[one]\nuser=sam\n",
    )]),
    row("service=one", not_found()).with(&[("HOME", "")]).files(&[(
        ".pg_service.conf",
        0o644,
        "[one]\nuser=eve\n",
    )]),
    // Which service.
    row("service=two", Reaches("a:5432 sam app -")).with(&[("PGSERVICE", "one")]).files(&[(
        ".pg_service.conf",
        0o644,
        "[one]\nuser=eve\n[two]\nuser=sam\n",
    )]),
    row("service=", Fails(78, "definition of service \"\" not found")).with(&[("PGSERVICE", "one")]),
    row("service='two words'", Reaches("a:5432 sam app -")).files(&[(
        ".pg_service.conf",
        0o644,
        "[two words]\nuser=sam\n",
    )]),
    row("service=twö", Reaches("a:5432 sam app -")).files(&[(
        ".pg_service.conf",
        0o644,
        "[twö]\nuser=sam\n",
    )]),
    row("service=a]b", Reaches("a:5432 sam app -")).files(&[(
        ".pg_service.conf",
        0o644,
        "[a]b]\nuser=sam\n",
    )]),
    row("service=''", Reaches("a:5432 sam app -")).files(&[(".pg_service.conf", 0o644, "[]\nuser=sam\n")]),
    row("service=nosuch service=one", Reaches("a:5432 sam app -")).files(&[(
        ".pg_service.conf",
        0o644,
        "[one]\nuser=sam\n",
    )]),
    row("service=one", FailsOtherwise("definition of service \"one\" not found", 78, "is not a plain file"))
        .with(&[("PGSERVICEFILE", "{home}")]),
];
