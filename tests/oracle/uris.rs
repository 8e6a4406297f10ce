//! URIs, whole and malformed.

use super::row::Fate::{Differs, Fails, FailsOtherwise, IsKinder, IsStricter, Reaches};
use super::row::{Row, row};

const A_SLIP: &str = "a misspelt address, often with a password in it, is never a database";

const SHARED: &str = "one URL is for all programs, each of which ignores what is another's";

const NO_BYTES: &str = "heimdall's texts are UTF-8";

const A_PIECE: &str = "a piece of a password is neither a user nor a database";

const DELIMITERS: &str = "in a user name or password must be percent-encoded";

pub const ROWS: &[Row] = &[
    row("postgres://", Reaches("a:5432 ann app -")),
    row("postgresql://", Reaches("a:5432 ann app -")),
    row("postgres:///", Reaches("a:5432 ann app -")),
    row("postgres:///other", Reaches("a:5432 ann other -")),
    row("postgresql:///other", Reaches("a:5432 ann other -")),
    row("postgres://bob@", Reaches("a:5432 bob app -")),
    row("postgres://bob@/", Reaches("a:5432 bob app -")),
    row("postgres://bob@/other", Reaches("a:5432 bob other -")),
    row("postgres://bob:pw@/other", Reaches("a:5432 bob other pw")),
    row("postgres://bob:@/other", Reaches("a:5432 bob other -")),
    row("postgres://:pw@/other", Reaches("a:5432 ann other pw")),
    row("postgres://:@/other", Reaches("a:5432 ann other -")),
    row("postgres://@/other", Reaches("a:5432 ann other -")),
    row("postgres://bob:p:w@/", Reaches("a:5432 bob app p:w")),
    row("postgres://bob:p%40%3A%2F%3F%25w@/", Reaches("a:5432 bob app p@:/?%w")),
    row("postgres://b%c3%b6b:p%C3%BC@/d%e2%98%83", Reaches("a:5432 böb d☃ pü")),
    row("postgres://böb:pü@/d☃", Reaches("a:5432 böb d☃ pü")),
    row("postgres://b+b:p+w@/d+e", Reaches("a:5432 b+b d+e p+w")),
    row("postgres://bob:p#w@/d#e", Reaches("a:5432 bob d#e p#w")),
    row("postgres://bob:p%20w@/d%20e", Reaches("a:5432 bob d e p w")),
    row("postgres://bob:%2541@/", Reaches("a:5432 bob app %41")),
    row("postgres://bob&x=y@/", Reaches("a:5432 bob&x=y app -")),
    row("postgres://bob:a&b=c@/", Reaches("a:5432 bob app a&b=c")),
    row(
        "postgres://bob%3Apw@/",
        IsStricter("a:5432 bob:pw app -", 78, "a user with a \":\" in it, and no password", A_PIECE),
    ),
    row("postgres://b%3Ab:pw@/", Reaches("a:5432 b:b app pw")),
    // A "?" does not end what stands before "@".
    row(
        "postgres://b?password=x@/",
        IsStricter("a:5432 b?password=x app -", 78, "unexpected \"?\" at position 13", A_PIECE),
    ),
    // The endpoint.
    row("postgres://{%a}", Reaches("a:5432 ann app -")),
    row("postgres://{%b}", Reaches("b:5432 ann app -")),
    row("postgres://{%b}/", Reaches("b:5432 ann app -")),
    row("postgres://{%b}/other", Reaches("b:5432 ann other -")),
    row("postgres://{%b}:6432/other", Reaches("b:6432 ann other -")),
    row("postgres://{%b}:/other", Reaches("b:5432 ann other -")),
    row("postgres://:6432/other", Reaches("a:6432 ann other -")),
    row("postgres://:6432", Reaches("a:6432 ann app -")),
    row("postgres://:%36432", Reaches("a:6432 ann app -")),
    row("postgres://bob:pw@{%b}:6432/other", Reaches("b:6432 bob other pw")),
    row("postgres://bob:pw@127.0.0.1:{port}/other", Reaches("tcp bob other pw")),
    row("postgres://bob:pw@127.0.0.1:{port2}/other", Reaches("tcp2 bob other pw")),
    row("postgres://%3127.0.0.1:{port}", Reaches("tcp ann app -")),
    row("postgres://[127.0.0.1]:{port}/other", Reaches("tcp ann other -")),
    row("postgres://bob:pw@[127.0.0.1]:{port}", Reaches("tcp bob app pw")),
    row("postgres://[127.0.0.1]?port={port}", Reaches("tcp ann app -")),
    row("postgres://[127.0.0.1]:{port},{%b}", Reaches("tcp ann app -")),
    row("postgres://[{%b}]", Reaches("b:5432 ann app -")),
    row(
        "postgresql://u:p@[@nobody-listens]:1/d",
        Fails(69, "\"@nobody-listens/.s.PGSQL.1\" failed: Connection refused"),
    ),
    row("postgres://[::1]:1?hostaddr=127.0.0.1&port={port}", Reaches("tcp ann app -")),
    row("postgres://nowhere.invalid:{port}?hostaddr=127.0.0.1", Reaches("tcp ann app -")),
    row("postgres://?host={a}", Reaches("a:5432 ann app -")),
    row("postgres://?host={b}", Reaches("b:5432 ann app -")),
    row("postgres://?host={%b}", Reaches("b:5432 ann app -")),
    row("postgres:///other?host={b}&port=6432", Reaches("b:6432 ann other -")),
    row("postgres://bob@:6432/other?host={b}", Reaches("b:6432 bob other -")),
    row("postgres://bob@:6432?host={b}", Reaches("b:6432 bob app -")),
    row("postgres://nowhere.invalid?host={b}", Reaches("b:5432 ann app -")),
    row("postgres://?host=", FailsOtherwise("No such file", 69, "there is no socket"))
        .with(&[("PGPORT", "{port}")]),
    // Several.
    row("postgres://{%b},{%a}", Reaches("b:5432 ann app -")),
    row("postgres://{%b}:6432,{%a}:1", Reaches("b:6432 ann app -")),
    row("postgres://{%b}%2C{%a}", Reaches("b:5432 ann app -")),
    row("postgres://%2Fnowhere,{%b}", Reaches("b:5432 ann app -")),
    row("postgres://%2Fnowhere:1,{%b}:6432", Reaches("b:6432 ann app -")),
    row("postgres://%2Fnowhere,{%b}:6432", Reaches("b:6432 ann app -")),
    row("postgres://%2Fnowhere:1,{%b}", Reaches("b:5432 ann app -")),
    row("postgres://%2Fnowhere,{%b}?port=6432", Reaches("b:6432 ann app -")),
    row("postgres://%2Fnowhere,{%b}:1?port=6432", Reaches("b:6432 ann app -")),
    row("postgres://%2Fnowhere,{%b}/other", Reaches("b:5432 ann other -")),
    row("postgres://bob:pw@%2Fnowhere,[127.0.0.1]:{port}/other", Reaches("tcp bob other pw")),
    row("postgres://{%b},", Reaches("b:5432 ann app -")),
    // The database.
    row("postgres:///a/b/c", Reaches("a:5432 ann a/b/c -")),
    row("postgres:////", Reaches("a:5432 ann / -")),
    row("postgres:///a@b", Reaches("a:5432 ann a@b -")),
    row("postgres:///a:b", Reaches("a:5432 ann a:b -")),
    row("postgres:///a=b", Reaches("a:5432 ann a=b -")),
    row("postgres:///a&b", Reaches("a:5432 ann a&b -")),
    row("postgres:///a%3Fb", Reaches("a:5432 ann a?b -")),
    row("postgres:///a%2Fb", Reaches("a:5432 ann a/b -")),
    row("postgres:///?dbname=other", Reaches("a:5432 ann other -")),
    row("postgres:///one?dbname=other", Reaches("a:5432 ann other -")),
    row("postgres:///one?dbname=", Reaches("a:5432 ann ann -")),
    row("postgres:///?dbname=postgres://b/x", Reaches("a:5432 ann postgres://b/x -")),
    // The query.
    row("postgres://?", Reaches("a:5432 ann app -")),
    row("postgres:///?", Reaches("a:5432 ann app -")),
    row("postgres://?user=bob&password=pw", Reaches("a:5432 bob app pw")),
    row("postgres://eve:no@?user=bob&password=pw", Reaches("a:5432 bob app pw")),
    row("postgres://?user=eve&user=bob", Reaches("a:5432 bob app -")),
    row("postgres://?u%73er=bob", Reaches("a:5432 bob app -")),
    row("postgres://?user=bob&", Reaches("a:5432 bob app -")),
    row("postgres://?user=", Reaches("a:5432 {user} app -")),
    row("postgres://bob@?user=", Reaches("a:5432 {user} app -")),
    row("postgres://?password=p+w", Reaches("a:5432 ann app p+w")),
    row("postgres://?password=p/w?x", Reaches("a:5432 ann app p/w?x")),
    row("postgres://?password=p%26w%3D", Reaches("a:5432 ann app p&w=")),
    row("postgres://?application_name=my%20job", Reaches("a:5432 ann app - application_name=my job")),
    row("postgres://?options=-c%20a.b%3Dc", Reaches("a:5432 ann app - options=-c a.b=c")),
    row("postgres://?connect_timeout=10&keepalives=0", Reaches("a:5432 ann app -")),
    row("postgres://?ssl=true", Reaches("a:5432 ann app -")),
    row(
        "postgres://127.0.0.1:{port}?ssl=true",
        Fails(76, "server does not support SSL, but SSL was required"),
    ),
    row(
        "postgres://127.0.0.1:{port}?sslmode=disable&ssl=true",
        Fails(76, "server does not support SSL, but SSL was required"),
    ),
    row("postgres://127.0.0.1:{port}?ssl=true&sslmode=disable", Reaches("tcp ann app -")),
    row("postgres://?requiressl=1", Reaches("a:5432 ann app -")),
    row(
        "postgres://127.0.0.1:{port}?requiressl=1",
        Fails(76, "server does not support SSL, but SSL was required"),
    ),
    row("postgres://127.0.0.1:{port}?requiressl=0", Reaches("tcp ann app -")),
    // Spaces around a part are nothing.
    row("postgres://?  user = bob & port  = 6432 ", Reaches("a:6432 bob app -")).since(18),
    row("postgres:// bob @/ other ", Reaches("a:5432 bob other -")).since(18),
    // What is other programs'.
    row(
        "postgres://?currentSchema=x",
        IsKinder("a:5432 ann app -", "invalid URI query parameter: \"currentSchema\"", SHARED),
    ),
    row(
        "postgres://bob:pw@/other?schema=public",
        IsKinder("a:5432 bob other pw", "invalid URI query parameter: \"schema\"", SHARED),
    ),
    row(
        "postgres://?pool_timeout=5&user=bob",
        IsKinder("a:5432 bob app -", "invalid URI query parameter: \"pool_timeout\"", SHARED),
    ),
    row(
        "postgres://?options[search_path]=a=b&user=bob",
        IsKinder("a:5432 bob app -", "extra key/value separator", SHARED),
    ),
    row("Postgres://{%b}/other", Differs("a:5432 ann Postgres://{%b}/other -", "b:5432 ann other -", SHARED)),
    row("POSTGRESQL://bob@", Differs("a:5432 ann POSTGRESQL://bob@ -", "a:5432 bob app -", SHARED)),
    row(
        "postgresql+asyncpg://bob:pw@{%b}",
        Differs("a:5432 ann postgresql+asyncpg://bob:pw@{%b} -", "b:5432 bob app pw", SHARED),
    ),
    row("postgis://{%b}/other", Differs("a:5432 ann postgis://{%b}/other -", "b:5432 ann other -", SHARED)),
    // What it leaves out.
    row("postgres://", Reaches("b:6432 eve other pw")).with(&[
        ("PGHOST", "{b}"),
        ("PGPORT", "6432"),
        ("PGUSER", "eve"),
        ("PGDATABASE", "other"),
        ("PGPASSWORD", "pw"),
    ]),
    row("postgres://bob:pw@{%a}:5432/app", Reaches("a:5432 bob app pw")).with(&[
        ("PGHOST", "{b}"),
        ("PGPORT", "6432"),
        ("PGUSER", "eve"),
        ("PGDATABASE", "other"),
        ("PGPASSWORD", "no"),
    ]),
    row("postgres://bob@", Reaches("a:5432 bob bob -")).with(&[("PGDATABASE", "")]),
    row(
        "postgres://bob:%ff@/",
        IsStricter("a:5432 bob app �", 78, "percent-encoded value is not valid UTF-8", NO_BYTES),
    ),
    row(
        "postgres:///%ff",
        IsStricter("a:5432 ann � -", 78, "percent-encoded value is not valid UTF-8: \"%ff\"", NO_BYTES),
    ),
];

pub const MALFORMED: &[Row] = &[
    row("postgre://", IsStricter("a:5432 ann postgre:// -", 78, "unknown scheme \"postgre\"", A_SLIP)),
    row(
        "postgres://[::1",
        Fails(78, "looking for matching \"]\" in IPv6 host address in URI: \"postgres://[::1\""),
    ),
    row("postgres://[]", Fails(78, "IPv6 host address may not be empty in URI: \"postgres://[]\"")),
    row("postgres://[]:1/app", Fails(78, "IPv6 host address may not be empty in URI")),
    row(
        "postgres://[::1]z",
        Fails(78, "unexpected character \"z\" at position 17 in URI (expected \":\" or \"/\")"),
    ),
    row("postgresql://[::1]z", Fails(78, "unexpected character \"z\" at position 19 in URI")),
    row("postgres://bob@[::1]]", Fails(78, "unexpected character \"]\" at position 21 in URI")),
    row("postgres://{%a},[::1", Fails(78, "looking for matching \"]\" in IPv6 host address")),
    row("postgres://?zzz", Fails(78, "missing key/value separator \"=\" in URI query parameter: \"zzz\"")),
    row("postgres://?value1&value2", Fails(78, "missing key/value separator \"=\" in URI query parameter")),
    row(
        "postgres://?user=bob&zzz",
        Fails(78, "missing key/value separator \"=\" in URI query parameter: \"zzz\""),
    ),
    row("postgres://?&user=bob", Fails(78, "missing key/value separator \"=\" in URI query parameter: \"\"")),
    row(
        "postgres://?user=bob&&port=1",
        Fails(78, "missing key/value separator \"=\" in URI query parameter: \"\""),
    ),
    row(
        "postgres://?key=key=value",
        Fails(78, "extra key/value separator \"=\" in URI query parameter: \"key\""),
    ),
    row(
        "postgres://?options=-ca=b",
        Fails(78, "extra key/value separator \"=\" in URI query parameter: \"options\""),
    ),
    row("postgres://?uzer=", Fails(78, "invalid URI query parameter: \"uzer\"")),
    row("postgres://?u%7aer=bob", Fails(78, "invalid URI query parameter: \"uzer\"")),
    row("postgres://?USER=bob", Fails(78, "invalid URI query parameter: \"USER\"")),
    row("postgres://?=bob", Fails(78, "invalid URI query parameter: \"\"")),
    row("postgres://?ssl=false", Fails(78, "invalid URI query parameter: \"ssl\"")),
    row("postgres://?ssl=TRUE", Fails(78, "invalid URI query parameter: \"ssl\"")),
    row("postgres://?schemas=public", Fails(78, "invalid URI query parameter: \"schemas\"")),
    row("postgres://?sslaccept=strict", Fails(78, "invalid URI query parameter: \"sslaccept\"")),
    row(
        "jdbc:postgresql://h/app",
        IsStricter("a:5432 ann jdbc:postgresql://h/app -", 78, "unknown scheme \"jdbc:postgresql\"", A_SLIP),
    ),
    row(
        "jdbc:postgresql://h/app?user=bob",
        FailsOtherwise("invalid connection option", 78, "unknown scheme \"jdbc:postgresql\""),
    ),
    row(
        "postgres+://h/app",
        IsStricter("a:5432 ann postgres+://h/app -", 78, "unknown scheme \"postgres+\"", A_SLIP),
    ),
    row(
        " postgres://h",
        IsStricter("a:5432 ann  postgres://h -", 78, "unexpected ' ' before the URI", A_SLIP),
    ),
    row("postgres://?dbname=%XXfoo", Fails(78, "invalid percent-encoded token: \"%XXfoo\"")),
    row("postgres://a%00b", Fails(78, "forbidden value %00 in percent-encoded value: \"a%00b\"")),
    row("postgres:///a%00b", Fails(78, "forbidden value %00 in percent-encoded value: \"a%00b\"")),
    row("postgres://%zz", Fails(78, "invalid percent-encoded token: \"%zz\"")),
    row("postgres://%1", Fails(78, "invalid percent-encoded token: \"%1\"")),
    row("postgres://%", Fails(78, "invalid percent-encoded token: \"%\"")),
    row("postgres://%+1", Fails(78, "invalid percent-encoded token: \"%+1\"")),
    row("postgres://bob%@h", Fails(78, "invalid percent-encoded token")),
    row("postgres://:%@h", Fails(78, "invalid percent-encoded token")),
    row("postgres:///%g1", Fails(78, "invalid percent-encoded token: \"%g1\"")),
    row("postgres://?us%er=bob", Fails(78, "invalid percent-encoded token: \"us%er\"")),
    row("postgres://?user=%e", Fails(78, "invalid percent-encoded token: \"%e\"")),
    row(
        "postgres://a b",
        Fails(78, "unexpected spaces found in \"a b\", use percent-encoded spaces (%20) instead"),
    )
    .since(18),
    row("postgres:///a b", Fails(78, "unexpected spaces found in \"a b\"")).since(18),
    row("postgres://?user=a b", Fails(78, "unexpected spaces found in \"a b\"")).since(18),
    row("postgres://bob:pw@x:y@h", FailsOtherwise("invalid integer value \"y@h\"", 78, DELIMITERS)),
    row("postgres://bob:pw/x@h", FailsOtherwise("invalid integer value \"pw\"", 78, DELIMITERS)),
    row("postgres://bob:p?w@h:y@h", FailsOtherwise("invalid integer value \"y@h\"", 78, DELIMITERS)),
    // What stands for a port may be a password.
    row(
        "postgres://127.0.0.1:x",
        FailsOtherwise("invalid integer value \"x\"", 78, "\"port\" at position 22"),
    ),
    row(
        "postgres://127.0.0.1:0",
        FailsOtherwise("invalid port number: \"0\"", 78, "\"port\" at position 22"),
    ),
    row(
        "postgres://127.0.0.1:65536",
        FailsOtherwise("invalid port number: \"65536\"", 78, "\"port\" at position 22"),
    ),
    row("postgres://::1/", FailsOtherwise("invalid integer value \":1\"", 78, "in brackets: [::1]")),
];
