//! Password files: which line matches, and which file is not believed.

use super::row::Fate::{Differs, Reaches};
use super::row::{Fate, File, Row, row};

/// The password of ann for app at 127.0.0.1, by this file.
const fn tcp(file: &'static [File], fate: Fate) -> Row {
    row("hostaddr=127.0.0.1 host='' port={port}", fate).files(file)
}

/// The same at the socket.
const fn local(file: &'static [File], fate: Fate) -> Row {
    row("", fate).files(file)
}

const A_PORT_IS_A_NUMBER: &str = "libpq compares it as a text";

const RETRIEVED: &str = "password retrieved from file \"{home}/.pgpass\"";

pub const ROWS: &[Row] = &[
    tcp(&[(".pgpass", 0o600, "127.0.0.1:{port}:app:ann:pw\n")], Reaches("tcp ann app pw")).saying(RETRIEVED),
    tcp(&[(".pgpass", 0o400, "127.0.0.1:{port}:app:ann:pw")], Reaches("tcp ann app pw")),
    tcp(&[(".pgpass", 0o700, "127.0.0.1:{port}:app:ann:pw\r\n")], Reaches("tcp ann app pw")),
    tcp(&[(".pgpass", 0o600, "*:{port}:app:ann:pw\n")], Reaches("tcp ann app pw")),
    tcp(&[(".pgpass", 0o600, "127.0.0.1:*:app:ann:pw\n")], Reaches("tcp ann app pw")),
    tcp(&[(".pgpass", 0o600, "127.0.0.1:{port}:*:ann:pw\n")], Reaches("tcp ann app pw")),
    tcp(&[(".pgpass", 0o600, "127.0.0.1:{port}:app:*:pw\n")], Reaches("tcp ann app pw")),
    tcp(&[(".pgpass", 0o600, "*:*:*:*:pw\n")], Reaches("tcp ann app pw")),
    tcp(&[(".pgpass", 0o600, "*:*:*:*:\n")], Reaches("tcp ann app -")),
    tcp(&[(".pgpass", 0o600, "")], Reaches("tcp ann app -")),
    tcp(&[], Reaches("tcp ann app -")),
    tcp(&[(".pgpass", 0o600, "127.0.0.2:*:*:*:no\n")], Reaches("tcp ann app -")),
    tcp(&[(".pgpass", 0o600, "localhost:*:*:*:no\n")], Reaches("tcp ann app -")),
    tcp(&[(".pgpass", 0o600, "*:{port2}:*:*:no\n")], Reaches("tcp ann app -")),
    tcp(&[(".pgpass", 0o600, "*:5432:*:*:no\n")], Reaches("tcp ann app -")),
    tcp(&[(".pgpass", 0o600, "*:*:other:*:no\n")], Reaches("tcp ann app -")),
    tcp(&[(".pgpass", 0o600, "*:*:ap:*:no\n*:*:apps:*:no\n*:*:App:*:no\n")], Reaches("tcp ann app -")),
    tcp(&[(".pgpass", 0o600, "*:*:*:bob:no\n*:*:*:an:no\n*:*:*:anna:no\n")], Reaches("tcp ann app -")),
    tcp(&[(".pgpass", 0o600, "*:*:*:pw\n")], Reaches("tcp ann app -")),
    tcp(&[(".pgpass", 0o600, "*:*:*:*\n")], Reaches("tcp ann app -")),
    tcp(&[(".pgpass", 0o600, "127.*:*:*:*:no\n*.1:*:*:*:no\n**:*:*:*:no\n")], Reaches("tcp ann app -")),
    tcp(&[(".pgpass", 0o600, "\\*:*:*:*:no\n")], Reaches("tcp ann app -")),
    tcp(&[(".pgpass", 0o600, " *:*:*:*:no\n* :*:*:*:no\n")], Reaches("tcp ann app -")),
    tcp(&[(".pgpass", 0o600, ":*:*:*:no\n")], Reaches("tcp ann app -")),
    // The first that matches.
    tcp(&[(".pgpass", 0o600, "*:*:*:*:pw\n127.0.0.1:{port}:app:ann:no\n")], Reaches("tcp ann app pw")),
    tcp(&[(".pgpass", 0o600, "x:*:*:*:no\n\n127.0.0.1:*:*:*:pw\n*:*:*:*:no\n")], Reaches("tcp ann app pw")),
    tcp(&[(".pgpass", 0o600, "*:*:*:*:\n*:*:*:*:no\n")], Reaches("tcp ann app -")),
    tcp(&[(".pgpass", 0o600, "# a comment\n#*:*:*:*:no\n*:*:*:*:pw\n")], Reaches("tcp ann app pw")),
    tcp(&[(".pgpass", 0o600, " # a comment\nnonsense\n::::\n*:*:*:*:pw\n")], Reaches("tcp ann app pw")),
    tcp(&[(".pgpass", 0o600, "\r\n*:*:*:*:pw\r\n")], Reaches("tcp ann app pw")),
    // The password.
    local(&[(".pgpass", 0o600, "*:*:*:*:p w\n")], Reaches("a:5432 ann app p w")).saying(RETRIEVED),
    local(&[(".pgpass", 0o600, "*:*:*:*: pw \n")], Reaches("a:5432 ann app  pw ")),
    local(&[(".pgpass", 0o600, "*:*:*:*:pw\t\n")], Reaches("a:5432 ann app pw\t")),
    local(&[(".pgpass", 0o600, "*:*:*:*:pw#x\n")], Reaches("a:5432 ann app pw#x")),
    local(&[(".pgpass", 0o600, "*:*:*:*:'pw'\n")], Reaches("a:5432 ann app 'pw'")),
    local(&[(".pgpass", 0o600, "*:*:*:*:p\\:w\n")], Reaches("a:5432 ann app p:w")),
    local(&[(".pgpass", 0o600, "*:*:*:*:p\\\\w\n")], Reaches("a:5432 ann app p\\w")),
    local(&[(".pgpass", 0o600, "*:*:*:*:p\\w\n")], Reaches("a:5432 ann app pw")),
    local(&[(".pgpass", 0o600, "*:*:*:*:pw\\")], Reaches("a:5432 ann app pw\\")),
    local(&[(".pgpass", 0o600, "*:*:*:*:pw\\\n")], Reaches("a:5432 ann app pw\\")),
    local(&[(".pgpass", 0o600, "*:*:*:*:pw:more\n")], Reaches("a:5432 ann app pw")),
    local(&[(".pgpass", 0o600, "*:*:*:*:%41\n")], Reaches("a:5432 ann app %41")),
    local(&[(".pgpass", 0o600, "*:*:*:*:*\n")], Reaches("a:5432 ann app *")),
    local(&[(".pgpass", 0o600, "*:*:*:*:pü☃\n")], Reaches("a:5432 ann app pü☃")),
    local(&[(".pgpass", 0o600, "*:*:*:*:pw\r\r\n")], Reaches("a:5432 ann app pw")),
    local(&[(".pgpass", 0o600, "*:*:*:*:{long}\n")], Reaches("a:5432 ann app {long}")),
    local(&[(".pgpass", 0o600, "# {long}\n*:*:*:*:pw\n")], Reaches("a:5432 ann app pw")),
    // Escapes and colons in the other fields.
    row("user=a:n dbname=a:p", Reaches("a:5432 a:n a:p pw"))
        .files(&[(".pgpass", 0o600, "*:*:a\\:p:a\\:n:pw\n")]),
    row("user=a:n dbname=a:p", Reaches("a:5432 a:n a:p pw")).files(&[(".pgpass", 0o600, "*:*:a:p:a:n:pw\n")]),
    row(r"user=a\\n", Reaches("a:5432 a\\n app pw")).files(&[(".pgpass", 0o600, "*:*:*:a\\\\n:pw\n")]),
    row(r"user=a\\n", Reaches("a:5432 a\\n app -")).files(&[(".pgpass", 0o600, "*:*:*:a\\n:pw\n")]),
    row("user=*", Reaches("a:5432 * app pw")).files(&[(".pgpass", 0o600, "*:*:*:\\*:pw\n")]),
    row("user='a b'", Reaches("a:5432 a b app pw")).files(&[(".pgpass", 0o600, "*:*:*:a b:pw\n")]),
    row("dbname=''", Reaches("a:5432 ann ann pw")).files(&[(".pgpass", 0o600, "*:*:ann:ann:pw\n")]),
    row("host=::1 hostaddr=127.0.0.1 port={port}", Reaches("tcp ann app pw"))
        .files(&[(".pgpass", 0o600, "::1:*:*:*:pw\n")]),
    row("host=::1 hostaddr=127.0.0.1 port={port}", Reaches("tcp ann app pw"))
        .files(&[(".pgpass", 0o600, "\\:\\:1:*:*:*:pw\n")]),
    row("host=::1 hostaddr=127.0.0.1 port={port}", Reaches("tcp ann app -"))
        .files(&[(".pgpass", 0o600, "[::1]:*:*:*:no\n")]),
    // By which name.
    row("host=db hostaddr=127.0.0.1 port={port}", Reaches("tcp ann app pw"))
        .files(&[(".pgpass", 0o600, "127.0.0.1:*:*:*:no\ndb:*:*:*:pw\n")]),
    row("host=DB hostaddr=127.0.0.1 port={port}", Reaches("tcp ann app -"))
        .files(&[(".pgpass", 0o600, "db:*:*:*:no\n")]),
    row("host=localhost hostaddr=127.0.0.1 port={port}", Reaches("tcp ann app pw"))
        .files(&[(".pgpass", 0o600, "localhost:*:*:*:pw\n")]),
    row("host=127.1 port={port}", Reaches("tcp ann app -")).files(&[(".pgpass", 0o600, "127.0.0.1:*:*:*:no\n")]),
    local(&[(".pgpass", 0o600, "{a}:5432:app:ann:pw\n")], Reaches("a:5432 ann app pw")),
    local(&[(".pgpass", 0o600, "localhost:5432:app:ann:no\n")], Reaches("a:5432 ann app -")),
    local(&[(".pgpass", 0o600, "{b}:*:*:*:no\n{a}/:*:*:*:no\n")], Reaches("a:5432 ann app -")),
    row("port=''", Reaches("a:5432 ann app pw")).files(&[(".pgpass", 0o600, "*:5432:*:*:pw\n")]),
    row("port=6432", Reaches("a:6432 ann app pw")).files(&[(".pgpass", 0o600, "*:5432:*:*:no\n*:6432:*:*:pw\n")]),
    row("port=06432", Differs("a:6432 ann app -", "a:6432 ann app pw", A_PORT_IS_A_NUMBER))
        .files(&[(".pgpass", 0o600, "*:6432:*:*:pw\n")]),
    row("port=' 6432'", Differs("a:6432 ann app -", "a:6432 ann app pw", A_PORT_IS_A_NUMBER))
        .files(&[(".pgpass", 0o600, "*:6432:*:*:pw\n")]),
    // Files that are not believed.
    local(&[(".pgpass", 0o640, "*:*:*:*:pw\n")], Reaches("a:5432 ann app -"))
        .saying("password file \"{home}/.pgpass\" has group or world access; permissions should be u=rw (0600) or less"),
    local(&[(".pgpass", 0o604, "*:*:*:*:pw\n")], Reaches("a:5432 ann app -")).saying("has group or world access"),
    local(&[(".pgpass", 0o644, "*:*:*:*:pw\n")], Reaches("a:5432 ann app -")).saying("has group or world access"),
    local(&[(".pgpass", 0o610, "*:*:*:*:pw\n")], Reaches("a:5432 ann app -")).saying("has group or world access"),
    local(&[(".pgpass/x", 0o600, "")], Reaches("a:5432 ann app -"))
        .saying("password file \"{home}/.pgpass\" is not a plain file"),
    row("passfile=/dev/null", Reaches("a:5432 ann app -")).saying("password file \"/dev/null\" is not a plain file"),
    row("password=x", Reaches("a:5432 ann app x")).files(&[(".pgpass", 0o644, "*:*:*:*:pw\n")]),
    row("passfile=/nowhere", Reaches("a:5432 ann app -")),
    row("passfile={home}/passwords", Reaches("a:5432 ann app pw"))
        .files(&[("passwords", 0o600, "*:*:*:*:pw\n")])
        .saying("password retrieved from file \"{home}/passwords\""),
    row("passfile='{home}/pass words'", Reaches("a:5432 ann app pw"))
        .files(&[("pass words", 0o600, "*:*:*:*:pw\n")]),
    // Relative to the current directory, where that is asked for; an empty name is none.
    row("passfile=passwords", Reaches("a:5432 ann app pw")).files(&[("passwords", 0o600, "*:*:*:*:pw\n")]),
    row("", Reaches("a:5432 ann app pw"))
        .with(&[("PGPASSFILE", "passwords")])
        .files(&[("passwords", 0o600, "*:*:*:*:pw\n")]),
    row("", Reaches("a:5432 ann app pw"))
        .with(&[("HOME", ".")])
        .files(&[(".pgpass", 0o600, "*:*:*:*:pw\n")]),
    row("", Reaches("a:5432 ann app -"))
        .with(&[("HOME", ""), ("PGPASSFILE", "")])
        .files(&[(".pgpass", 0o600, "*:*:*:*:no\n")]),
    row("passfile=~/.pgpass", Reaches("a:5432 ann app -")).files(&[(".pgpass", 0o600, "*:*:*:*:pw\n")]),
];
