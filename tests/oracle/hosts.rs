//! Lists of hosts, addresses and ports, and the kinds of endpoints.

use super::row::Fate::{Fails, FailsOtherwise, IsStricter, Reaches};
use super::row::{Row, row};

const READ_FIRST: &str = "libpq looks at a port, an address or a path when it gets to its host";

const PASSWORDS: &str = "/nowhere:*:*:*:no
{a}:6432:*:*:a6
{a}:*:*:*:a
{b}:*:*:*:b
one:*:*:*:one
two:*:*:*:two
127.0.0.1:{port}:*:*:address
";

pub const ROWS: &[Row] = &[
    row("host={b}", Reaches("b:5432 ann app -")),
    row("host={b} port=6432", Reaches("b:6432 ann app -")),
    row("host='{b}' port=' 6432 '", Reaches("b:6432 ann app -")),
    row("host=127.0.0.1 port={port}", Reaches("tcp ann app -")),
    row("hostaddr=127.0.0.1 port={port2}", Reaches("tcp2 ann app -")),
    row("hostaddr=127.1 port={port}", Reaches("tcp ann app -")),
    row("hostaddr=0x7f.1 port={port}", Reaches("tcp ann app -")),
    row("hostaddr=2130706433 port={port}", Reaches("tcp ann app -")),
    row("host={b} hostaddr=127.0.0.1 port={port}", Reaches("tcp ann app -")),
    row("host='' hostaddr=127.0.0.1 port={port}", Reaches("tcp ann app -")),
    row("host=nowhere.invalid hostaddr=127.0.0.1 port={port}", Reaches("tcp ann app -")),
    row("host=127.1 port={port}", Reaches("tcp ann app -")),
    row("host=2130706433 port={port}", Reaches("tcp ann app -")),
    row("host={b}/ port=6432", Reaches("b:6432 ann app -")),
    row("host={b}/../a", Reaches("a:5432 ann app -")),
    // One after the other.
    row("host={b},{a}", Reaches("b:5432 ann app -")),
    row("host=/nowhere,{a}", Reaches("a:5432 ann app -")),
    row("host=/nowhere,{a},{b}", Reaches("a:5432 ann app -")),
    row("host=/nowhere,/nowhere,{b} port=1,2,6432", Reaches("b:6432 ann app -")),
    row("host=/nowhere,{b} port=6432", Reaches("b:6432 ann app -")),
    row("host=/nowhere,{b} port=1,", Reaches("b:5432 ann app -")),
    row("host=/nowhere,{b} port=,6432", Reaches("b:6432 ann app -")),
    row("host=/nowhere,{b} port=,", Reaches("b:5432 ann app -")),
    row("host=/nowhere,{b} port=''", Reaches("b:5432 ann app -")),
    row("host=nowhere.invalid,{b}", Reaches("b:5432 ann app -")),
    row("host={b},nowhere.invalid", Reaches("b:5432 ann app -")),
    row("host=/nowhere,127.0.0.1 port=1,{port}", Reaches("tcp ann app -")),
    row("host=/nowhere,x hostaddr=,127.0.0.1 port=1,{port}", Reaches("tcp ann app -")),
    row("host=,{b} hostaddr=127.0.0.1, port={port},1", Reaches("tcp ann app -")),
    row("host={a},{b} hostaddr=,", Reaches("a:5432 ann app -")),
    row("host=x,y hostaddr=127.0.0.1,127.0.0.1 port={port},{port2}", Reaches("tcp ann app -")),
    row("host='' hostaddr=127.0.0.1,127.0.0.1 port={port}", Reaches("tcp ann app -")),
    row("host='' hostaddr=127.0.0.1,127.0.0.1 port={port2},{port}", Reaches("tcp2 ann app -")),
    row("host={a},{b} load_balance_hosts=disable", Reaches("a:5432 ann app -")).since(16),
    row("host=/nowhere,{b} load_balance_hosts=random", Reaches("b:5432 ann app -")).since(16),
    row("", Reaches("b:6432 ann app -")).with(&[("PGHOST", "/nowhere,{b}"), ("PGPORT", "1,6432")]),
    row("port=6432", Reaches("b:6432 ann app -")).with(&[("PGHOST", "/nowhere,{b}"), ("PGPORT", "1,2,3")]),
    row("host=,{b} port={port},6432", Reaches("b:6432 ann app -")),
    row(
        "host='' hostaddr=127.0.0.x,127.0.0.1 port={port}",
        IsStricter("tcp ann app -", 78, "could not parse network address \"127.0.0.x\"", READ_FIRST),
    ),
    row(
        "host=/longlonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglong,{b}",
        IsStricter("b:5432 ann app -", 78, "/.s.PGSQL.5432\" is too long (maximum 107 bytes)", READ_FIRST),
    ),
    row(
        "host=127.0.0.1,{b} port={port},5432 sslmode=require",
        Fails(76, "server does not support SSL, but SSL was required"),
    ),
    row("host=@nobody-listens,{b}", Reaches("b:5432 ann app -")),
    row("host={a},{b} requirepeer=nobody-at-all", Fails(77, "requirepeer")),
    // Each with its own password.
    row("host=/nowhere,{a}", Reaches("a:5432 ann app a")).files(&[(".pgpass", 0o600, PASSWORDS)]),
    row("host=/nowhere,{b}", Reaches("b:5432 ann app b")).files(&[(".pgpass", 0o600, PASSWORDS)]),
    row("host=/nowhere,{a} port=6432", Reaches("a:6432 ann app a6")).files(&[(".pgpass", 0o600, PASSWORDS)]),
    row("host={a},{b}", Reaches("a:5432 ann app a")).files(&[(".pgpass", 0o600, PASSWORDS)]),
    row("host=/nowhere,{b} password=pw", Reaches("b:5432 ann app pw"))
        .files(&[(".pgpass", 0o600, PASSWORDS)]),
    row("host=/nowhere,two hostaddr=,127.0.0.1 port=1,{port}", Reaches("tcp ann app two"))
        .files(&[(".pgpass", 0o600, PASSWORDS)]),
    row("host=one hostaddr=127.0.0.1 port={port}", Reaches("tcp ann app one"))
        .files(&[(".pgpass", 0o600, PASSWORDS)]),
    row("host=three hostaddr=127.0.0.1 port={port}", Reaches("tcp ann app -"))
        .files(&[(".pgpass", 0o600, PASSWORDS)]),
    row("host='' hostaddr=127.0.0.1 port={port}", Reaches("tcp ann app address"))
        .files(&[(".pgpass", 0o600, PASSWORDS)]),
    row("host='' hostaddr=127.0.0.1 port={port2}", Reaches("tcp2 ann app -"))
        .files(&[(".pgpass", 0o600, PASSWORDS)]),
    row("host=/nowhere, hostaddr=,127.0.0.1 port=1,{port}", Reaches("tcp ann app address"))
        .files(&[(".pgpass", 0o600, PASSWORDS)]),
    // The first that answers decides.
    row("host={a},{b} user=eve password=no", Reaches("a:5432 eve app no")),
    // That do not fit.
    row("host=a,b hostaddr=127.0.0.1", Fails(78, "could not match 2 host names to 1 hostaddr values")),
    row(
        "host=a hostaddr=127.0.0.1,127.0.0.1",
        Fails(78, "could not match 1 host names to 2 hostaddr values"),
    ),
    row("host=a hostaddr=,", Fails(78, "could not match 1 host names to 2 hostaddr values")),
    row("host=a,b,c port=1,2", Fails(78, "could not match 2 port numbers to 3 hosts")),
    row("host=a port=1,2", Fails(78, "could not match 2 port numbers to 1 hosts")),
    row("host='' port=1,2", Fails(78, "could not match 2 port numbers to 1 hosts")),
    row("port=,", Fails(78, "could not match 2 port numbers to 1 hosts")),
    row(
        "host='' hostaddr=127.0.0.1,127.0.0.1 port=1,2,3",
        Fails(78, "could not match 3 port numbers to 2 hosts"),
    ),
    row("postgres://{%a}:1,2", Reaches("a:1 ann app -")),
    row("postgres://x,y?port=1,2,3", Fails(78, "could not match 3 port numbers to 2 hosts")),
    row("", Fails(78, "could not match 1 host names to 2 hostaddr values"))
        .with(&[("PGHOSTADDR", "127.0.0.1,127.0.0.1")]),
    row("", Fails(78, "could not match 3 port numbers to 1 hosts")).with(&[("PGPORT", "1,2,3")]),
    row(
        "host={a},{b} port=5432,x",
        IsStricter("a:5432 ann app -", 78, "invalid integer value \"x\"", READ_FIRST),
    ),
    row(
        "host={a},{b} port=5432,0",
        IsStricter("a:5432 ann app -", 78, "invalid port number: \"0\"", READ_FIRST),
    ),
    // That lead nowhere.
    row("host=/nowhere", Fails(69, "on socket \"/nowhere/.s.PGSQL.5432\" failed: No such file or directory")),
    row(
        "host=/nowhere port=1",
        Fails(69, "on socket \"/nowhere/.s.PGSQL.1\" failed: No such file or directory"),
    ),
    row("host={a} port=2", Fails(69, "on socket \"{a}/.s.PGSQL.2\" failed: No such file or directory")),
    row("host=@nobody-listens", Fails(69, "\"@nobody-listens/.s.PGSQL.5432\" failed: Connection refused")),
    row(
        "postgres://%40nobody-listens:1/",
        Fails(69, "\"@nobody-listens/.s.PGSQL.1\" failed: Connection refused"),
    ),
    row(
        "host=nowhere.invalid",
        FailsOtherwise("could not translate host name \"nowhere.invalid\"", 69, "nowhere.invalid"),
    ),
    row(
        "hostaddr=nowhere.invalid",
        FailsOtherwise(
            "could not parse network address \"nowhere.invalid\"",
            78,
            "could not parse network address \"nowhere.invalid\"",
        ),
    ),
    row("hostaddr=127.0.0.x", Fails(78, "could not parse network address \"127.0.0.x\"")),
    row("hostaddr=127.0.0.256", Fails(78, "could not parse network address \"127.0.0.256\"")),
    row("hostaddr=127.0.0.08", Fails(78, "could not parse network address \"127.0.0.08\"")),
    row("hostaddr=4294967296", Fails(78, "could not parse network address \"4294967296\"")),
    row(
        "host={a},b hostaddr=,nowhere.invalid port=5432",
        IsStricter("a:5432 ann app -", 78, "could not parse network address \"nowhere.invalid\"", READ_FIRST),
    ),
    row("hostaddr=/nowhere", Fails(78, "could not parse network address \"/nowhere\"")),
    row(
        "host=/longlonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglong",
        Fails(78, "/.s.PGSQL.5432\" is too long (maximum 107 bytes)"),
    ),
    row("host='{a}\t'", Fails(69, "No such file or directory")),
    row("host={a}, port=1", Reaches("a:1 ann app -")),
];
