//! Strings of keywords and values, and plain names of databases.

use super::row::Fate::{Differs, Fails, FailsOtherwise, IsStricter, Reaches};
use super::row::{Row, row};

const PSQL_HAS_ITS_OWN: &str = "psql says its own fallback instead";

const AS_WITHOUT: &str = "it changes nothing on the server";

const A_SLIP: &str = "a misspelt connection string, often with a password in it, is never a database";

const AN_OPTION: &str = "where the value was forgotten, the next option is not taken for it";

const UTF8_ONLY: &str = "libpq takes it from the locale, heimdall reads nothing else";

pub const ROWS: &[Row] = &[
    row("user=bob", Reaches("a:5432 bob app -")),
    row("user=bob dbname=other password=pw", Reaches("a:5432 bob other pw")),
    row("  user=bob  dbname=other  ", Reaches("a:5432 bob other -")),
    row("user = bob dbname= other password =pw", Reaches("a:5432 bob other pw")),
    row("\tuser\n=\rbob\x0bdbname=other\x0cpassword=pw", Reaches("a:5432 bob other pw")),
    row("user=bob\ndbname=other\n", Reaches("a:5432 bob other -")),
    row("user='bob'", Reaches("a:5432 bob app -")),
    row("user='b o b'", Reaches("a:5432 b o b app -")),
    row("user='bob'dbname=other", Reaches("a:5432 bob other -")),
    row("user='bob'dbname='other'", Reaches("a:5432 bob other -")),
    row(r"user='o\'neill'", Reaches("a:5432 o'neill app -")),
    row(r"user=o\'neill", Reaches("a:5432 o'neill app -")),
    row("user=o'neill'", Reaches("a:5432 o'neill' app -")),
    row(r"user='a\\b\c'", Reaches(r"a:5432 a\bc app -")),
    row(r"user=a\\b\c", Reaches(r"a:5432 a\bc app -")),
    row(r"user=a\ b", Reaches("a:5432 a b app -")),
    row(r"user=bob\", Reaches("a:5432 bob app -")),
    row(r"user=\bob", Reaches("a:5432 bob app -")),
    row("user='bob' ", Reaches("a:5432 bob app -")),
    row("user=\"bob\"", Reaches("a:5432 \"bob\" app -")),
    row("user=a=b", Reaches("a:5432 a=b app -")),
    row("user==b", Reaches("a:5432 =b app -")),
    row("user='a\tb\nc'", Reaches("a:5432 a\tb\nc app -")),
    row("user=böb dbname=d☃ password=pü", Reaches("a:5432 böb d☃ pü")),
    row("user=b%20b", Reaches("a:5432 b%20b app -")),
    row("user=bob,eve", Reaches("a:5432 bob,eve app -")),
    row("user=bob#x", Reaches("a:5432 bob#x app -")),
    row("password='  pw  '", Reaches("a:5432 ann app   pw  ")),
    row(r"password='p\'w\\'", Reaches(r"a:5432 ann app p'w\")),
    // Empty values.
    row("user=", Reaches("a:5432 {user} app -")),
    row("user=''", Reaches("a:5432 {user} app -")),
    row("user='' dbname=''", Reaches("a:5432 {user} {user} -")),
    row("dbname=''", Reaches("a:5432 ann ann -")),
    row("user=bob dbname=''", Reaches("a:5432 bob bob -")),
    row("password=''", Reaches("a:5432 ann app -")),
    row("port=''", Reaches("a:5432 ann app -")),
    row("options=''", Reaches("a:5432 ann app -")),
    row("application_name=''", Reaches("a:5432 ann app -")),
    row("client_encoding=''", Reaches("a:5432 ann app -")),
    row("hostaddr=''", Reaches("a:5432 ann app -")),
    row("passfile=''", Reaches("a:5432 ann app -")),
    row("user= dbname=other", Reaches("a:5432 dbname=other app -")),
    // Twice.
    row("user=eve user=bob", Reaches("a:5432 bob app -")),
    row("user=bob user=''", Reaches("a:5432 {user} app -")),
    row("host={a} host={b} port=1 port=6432", Reaches("b:6432 ann app -")),
    row("password=no password=pw", Reaches("a:5432 ann app pw")),
    // What travels with the user's name.
    row("application_name=job", Reaches("a:5432 ann app - application_name=job")),
    row("application_name='my job'", Reaches("a:5432 ann app - application_name=my job")),
    row(
        "fallback_application_name=job",
        Differs("a:5432 ann app -", "a:5432 ann app - application_name=job", PSQL_HAS_ITS_OWN),
    ),
    row("fallback_application_name=''", Reaches("a:5432 ann app -")),
    row("application_name=a fallback_application_name=b", Reaches("a:5432 ann app - application_name=a")),
    row("application_name='' fallback_application_name=b", Reaches("a:5432 ann app -")),
    row("application_name={long}", Reaches("a:5432 ann app - application_name={long}")),
    row("options='-c a.b=c'", Reaches("a:5432 ann app - options=-c a.b=c")),
    row(r"options='-c a.b=c\\ d'", Reaches(r"a:5432 ann app - options=-c a.b=c\ d")),
    row("options=-cgeqo=off", Reaches("a:5432 ann app - options=-cgeqo=off")),
    row("client_encoding=LATIN1", Reaches("a:5432 ann app - client_encoding=LATIN1")),
    row("client_encoding=utf8", Reaches("a:5432 ann app - client_encoding=utf8")),
    row(
        "client_encoding=auto",
        Differs("a:5432 ann app - client_encoding=SQL_ASCII", "a:5432 ann app -", UTF8_ONLY),
    ),
    row("client_encoding=nonsense", Reaches("a:5432 ann app - client_encoding=nonsense")),
    row("replication=off", Differs("a:5432 ann app - replication=off", "a:5432 ann app -", AS_WITHOUT)),
    row("replication=''", Reaches("a:5432 ann app -")),
    row("dbname=a=b", Reaches("a:5432 ann a=b -")),
    row("dbname='user=eve'", Reaches("a:5432 ann user=eve -")),
    row("dbname=postgres://eve@h/x", Reaches("a:5432 ann postgres://eve@h/x -")),
    // A database's name.
    row("other", Reaches("a:5432 ann other -")),
    row("", Reaches("a:5432 ann app -")),
    row(" ", IsStricter("a:5432 ann   -", 78, "whose name is blank", A_SLIP)),
    row("my db", Reaches("a:5432 ann my db -")),
    row("d☃", Reaches("a:5432 ann d☃ -")),
    row("{user}", Reaches("a:5432 ann {user} -")),
    row("'other'", Reaches("a:5432 ann 'other' -")),
    row(r"a\b", Reaches(r"a:5432 ann a\b -")),
    row("postgres", Reaches("a:5432 ann postgres -")),
    row(
        "postgres:/app",
        IsStricter("a:5432 ann postgres:/app -", 78, "a URI, which begins with postgresql://", A_SLIP),
    ),
    row("dbname=postgres:/app", Reaches("a:5432 ann postgres:/app -")),
    row("/other", Reaches("a:5432 ann /other -")),
    row("127.0.0.1:{port}", IsStricter("a:5432 ann 127.0.0.1:{port} -", 78, "nor a URI", A_SLIP)),
    row("bob@h/other", Reaches("a:5432 ann bob@h/other -")),
    row("-x", IsStricter("a:5432 ann -x -", 64, "unexpected argument '-x' found", AN_OPTION)),
    // Malformed.
    row("user=bob host", Fails(78, "missing \"=\" after \"host\" in connection info string")),
    // The word may be a part of a password: heimdall says where it stands.
    row("us er=bob", FailsOtherwise("missing \"=\" after \"us\"", 78, "after the word at position 1")),
    row(
        "other user=bob",
        FailsOtherwise("missing \"=\" after \"other\"", 78, "after the word at position 1"),
    ),
    row("user='bob", Fails(78, "unterminated quoted string in connection info string")),
    row(r"user='bob\'", Fails(78, "unterminated quoted string in connection info string")),
    row("user='it's x'", FailsOtherwise("missing \"=\" after \"s\"", 78, "after the word at position 10")),
    row(r"user='bob\", Fails(78, "unterminated quoted string in connection info string")),
    row("user=b o b", FailsOtherwise("missing \"=\" after \"o\"", 78, "after the word at position 8")),
    row("uzer=bob", Fails(78, "invalid connection option \"uzer\"")),
    row("USER=bob", Fails(78, "invalid connection option \"USER\"")),
    row("User=bob", Fails(78, "invalid connection option \"User\"")),
    row("=bob", Fails(78, "invalid connection option \"\"")),
    row("=", Fails(78, "invalid connection option \"\"")),
    row("user=bob;dbname=other", Reaches("a:5432 bob;dbname=other app -")),
    row("database=app", Fails(78, "invalid connection option \"database\"")),
    row("username=bob", Fails(78, "invalid connection option \"username\"")),
    row("server=h", Fails(78, "invalid connection option \"server\"")),
    row("'user'=bob", Fails(78, "invalid connection option \"'user'\"")),
    row("ssl=true", Fails(78, "invalid connection option \"ssl\"")),
    row("authtype=x", Fails(78, "invalid connection option \"authtype\"")),
    row("tty=x", Fails(78, "invalid connection option \"tty\"")),
];
