//! Parameters that are numbers.

use super::row::Fate::{Fails, FailsOtherwise, IsKinder, IsStricter, Reaches};
use super::row::{Fate, Row, row};

const HERE: Fate = Reaches("tcp ann app -");

/// The parameters at the end of an address where all of them are read.
const fn tcp(conninfo: &'static str, fate: Fate) -> Row {
    row(conninfo, fate).with(&[("PGHOST", "127.0.0.1"), ("PGPORT", "{port}")])
}

const DOCUMENTED: &str = "the manual says that it asks for the system's default";

const WRONG_ANYWAY: &str = "libpq reads it only where it has an effect";

pub const ROWS: &[Row] = &[
    row("port=6432", Reaches("a:6432 ann app -")),
    row("port=' 6432'", Reaches("a:6432 ann app -")),
    row("port='6432 '", Reaches("a:6432 ann app -")),
    row("port='\t6432\n'", Reaches("a:6432 ann app -")),
    row("port=+6432", Reaches("a:6432 ann app -")),
    row("port=0006432", Reaches("a:6432 ann app -")),
    row("port=1", Reaches("a:1 ann app -")),
    row("port=65535", Reaches("a:65535 ann app -")),
    row("port=0", Fails(78, "invalid port number: \"0\"")),
    row("port=-1", Fails(78, "invalid port number: \"-1\"")),
    row("port=65536", Fails(78, "invalid port number: \"65536\"")),
    row("port=2147483647", Fails(78, "invalid port number: \"2147483647\"")),
    row("port=2147483648", Fails(78, "invalid integer value \"2147483648\" for connection option \"port\"")),
    row("port=x", Fails(78, "invalid integer value \"x\" for connection option \"port\"")),
    row("port=6432x", Fails(78, "invalid integer value \"6432x\" for connection option \"port\"")),
    row("port='6432 1'", Fails(78, "invalid integer value \"6432 1\" for connection option \"port\"")),
    row("port=0x10", Fails(78, "invalid integer value \"0x10\" for connection option \"port\"")),
    row("port=64.32", Fails(78, "invalid integer value \"64.32\" for connection option \"port\"")),
    row("port=1e3", Fails(78, "invalid integer value \"1e3\" for connection option \"port\"")),
    row("port='- 1'", Fails(78, "invalid integer value \"- 1\" for connection option \"port\"")),
    row("port=' '", Fails(78, "invalid integer value \" \" for connection option \"port\"")),
    row("port=+", Fails(78, "invalid integer value \"+\" for connection option \"port\"")),
    row("host={a},{b} port=' 6432 , 1 '", Reaches("a:6432 ann app -")),
    row(
        "host=/nowhere,{b} port='x,6432'",
        Fails(78, "invalid integer value \"x\" for connection option \"port\""),
    ),
    row(
        "host=/nowhere,{b} port='1,x'",
        Fails(78, "invalid integer value \"x\" for connection option \"port\""),
    ),
    row("", Fails(78, "invalid port number: \"0\"")).with(&[("PGPORT", "0")]),
    // The others.
    tcp("connect_timeout=10", HERE),
    tcp("connect_timeout=' 10 '", HERE),
    tcp("connect_timeout=0", HERE),
    tcp("connect_timeout=-1", HERE),
    tcp("connect_timeout=1", HERE),
    tcp("connect_timeout=+010", HERE),
    tcp(
        "connect_timeout=10s",
        Fails(78, "invalid integer value \"10s\" for connection option \"connect_timeout\""),
    ),
    tcp(
        "connect_timeout=1.5",
        Fails(78, "invalid integer value \"1.5\" for connection option \"connect_timeout\""),
    ),
    tcp(
        "connect_timeout=''",
        Fails(78, "invalid integer value \"\" for connection option \"connect_timeout\""),
    ),
    tcp(
        "connect_timeout=forever",
        Fails(78, "invalid integer value \"forever\" for connection option \"connect_timeout\""),
    ),
    tcp(
        "connect_timeout=99999999999",
        Fails(78, "invalid integer value \"99999999999\" for connection option \"connect_timeout\""),
    ),
    tcp("keepalives=1", HERE),
    tcp("keepalives=0", HERE),
    tcp("keepalives=-1", HERE),
    tcp("keepalives=2", HERE),
    // Older ones use words of their own here, or take nothing for 0.
    tcp(
        "keepalives=on",
        FailsOtherwise("integer", 78, "invalid integer value \"on\" for connection option \"keepalives\""),
    ),
    tcp("keepalives=''", Fails(78, "invalid integer value \"\" for connection option \"keepalives\""))
        .since(18),
    tcp("keepalives_idle=10 keepalives_interval=5 keepalives_count=3 tcp_user_timeout=30000", HERE),
    tcp("tcp_user_timeout=0", HERE),
    tcp("tcp_user_timeout=-1", HERE),
    tcp("keepalives_idle=0", IsKinder("tcp ann app -", "setsockopt(", DOCUMENTED)),
    tcp("keepalives_interval=0", IsKinder("tcp ann app -", "setsockopt(", DOCUMENTED)),
    tcp("keepalives_count=0", IsKinder("tcp ann app -", "setsockopt(", DOCUMENTED)),
    tcp("keepalives_idle=-1", IsKinder("tcp ann app -", "setsockopt(", DOCUMENTED)),
    tcp("keepalives=0 keepalives_idle=0 keepalives_interval=0 keepalives_count=0", HERE),
    tcp(
        "keepalives_idle=10s",
        Fails(78, "invalid integer value \"10s\" for connection option \"keepalives_idle\""),
    ),
    tcp(
        "keepalives_interval=x",
        Fails(78, "invalid integer value \"x\" for connection option \"keepalives_interval\""),
    ),
    tcp(
        "keepalives_count=''",
        Fails(78, "invalid integer value \"\" for connection option \"keepalives_count\""),
    ),
    tcp(
        "tcp_user_timeout=1min",
        Fails(78, "invalid integer value \"1min\" for connection option \"tcp_user_timeout\""),
    ),
    tcp(
        "keepalives=0 keepalives_idle=x",
        IsStricter("tcp ann app -", 78, "invalid integer value \"x\"", WRONG_ANYWAY),
    ),
    // Not looked at by libpq where they have no effect.
    row("keepalives=x", IsStricter("a:5432 ann app -", 78, "invalid integer value \"x\"", WRONG_ANYWAY)),
    row("keepalives_idle=x", IsStricter("a:5432 ann app -", 78, "invalid integer value \"x\"", WRONG_ANYWAY)),
    row(
        "tcp_user_timeout=x",
        IsStricter("a:5432 ann app -", 78, "invalid integer value \"x\"", WRONG_ANYWAY),
    ),
    row(
        "connect_timeout=x",
        Fails(78, "invalid integer value \"x\" for connection option \"connect_timeout\""),
    ),
    row("keepalives_idle=10 keepalives=0", Reaches("a:5432 ann app -")),
];
