//! The URIs of libpq's own tests, and what libpq makes of them.

use heimdall::conninfo::{Parameters, Source};

use super::resolve;

#[test]
fn uris_mean_what_they_mean_to_libpq() {
    for (uri, expected) in URIS {
        let mut expected: Vec<&str> = expected.split_whitespace().collect();
        expected.sort_unstable();
        assert_eq!(given(&resolve(Some(uri), &[]).unwrap()), expected, "{uri}");
    }
}

#[test]
fn malformed_uris_are_refused_in_libpqs_words() {
    for (uri, expected) in MALFORMED_URIS {
        let error = resolve(Some(uri), &[]).unwrap_err().to_string();
        assert!(error.contains(expected), "{uri}: {error}");
    }
}

/// The parameters that the connection string itself gives, in the form `keyword=value`.
fn given(parameters: &Parameters) -> Vec<String> {
    let mut given: Vec<String> = parameters
        .iter()
        .filter(|(_, _, source)| *source == Source::Option)
        .map(|(keyword, _, _)| format!("{keyword}={}", parameters.get(keyword).unwrap_or_default()))
        .collect();
    given.sort();
    given
}

/// libpq's own tests: the URI, and what is in it.
const URIS: &[(&str, &str)] = &[
    (
        "postgresql://uri-user:secret@host:12345/db",
        "user=uri-user password=secret dbname=db host=host port=12345",
    ),
    ("postgresql://uri-user@host:12345/db", "user=uri-user dbname=db host=host port=12345"),
    ("postgresql://uri-user@host/db", "user=uri-user dbname=db host=host"),
    ("postgresql://host:12345/db", "dbname=db host=host port=12345"),
    ("postgresql://host/db", "dbname=db host=host"),
    ("postgresql://uri-user@host:12345/", "user=uri-user host=host port=12345"),
    ("postgresql://uri-user@host/", "user=uri-user host=host"),
    ("postgresql://uri-user@", "user=uri-user"),
    ("postgresql://host:12345/", "host=host port=12345"),
    ("postgresql://host:12345", "host=host port=12345"),
    ("postgresql://host/", "host=host"),
    ("postgresql://host", "host=host"),
    ("postgresql://", ""),
    ("postgresql://?hostaddr=127.0.0.1", "hostaddr=127.0.0.1"),
    ("postgresql://example.com?hostaddr=63.1.2.4", "host=example.com hostaddr=63.1.2.4"),
    ("postgresql://%68ost/", "host=host"),
    ("postgresql://host/db?user=uri-user", "user=uri-user dbname=db host=host"),
    ("postgresql://host/db?user=uri-user&port=12345", "user=uri-user dbname=db host=host port=12345"),
    (
        "postgresql://host/db?u%73er=someotheruser&port=12345",
        "user=someotheruser dbname=db host=host port=12345",
    ),
    ("postgresql://host:12345?user=uri-user", "user=uri-user host=host port=12345"),
    ("postgresql://host?user=uri-user", "user=uri-user host=host"),
    ("postgresql://host?  user = uri-user & port  = 12345 ", "user=uri-user host=host port=12345"),
    ("postgresql://host?", "host=host"),
    ("postgresql://[::1]:12345/db", "dbname=db host=::1 port=12345"),
    ("postgresql://[::1]/db", "dbname=db host=::1"),
    ("postgresql://[2001:db8::1234]/", "host=2001:db8::1234"),
    ("postgresql://[200z:db8::1234]/", "host=200z:db8::1234"),
    ("postgresql://[::1]", "host=::1"),
    ("postgres://", ""),
    ("postgres:///", ""),
    ("postgres:///db", "dbname=db"),
    ("postgres://uri-user@/db", "user=uri-user dbname=db"),
    ("postgres://?host=/path/to/socket/dir", "host=/path/to/socket/dir"),
    ("postgres://@host", "host=host"),
    ("postgres://host:/", "host=host"),
    ("postgres://:12345/", "port=12345"),
    ("postgres://otheruser@?host=/no/such/directory", "user=otheruser host=/no/such/directory"),
    ("postgres://otheruser@/?host=/no/such/directory", "user=otheruser host=/no/such/directory"),
    (
        "postgres://otheruser@:12345?host=/no/such/socket/path",
        "user=otheruser host=/no/such/socket/path port=12345",
    ),
    (
        "postgres://otheruser@:12345/db?host=/path/to/socket",
        "user=otheruser dbname=db host=/path/to/socket port=12345",
    ),
    ("postgres://:12345/db?host=/path/to/socket", "dbname=db host=/path/to/socket port=12345"),
    ("postgres://:12345?host=/path/to/socket", "host=/path/to/socket port=12345"),
    ("postgres://%2Fvar%2Flib%2Fpostgresql/dbname", "dbname=dbname host=/var/lib/postgresql"),
    ("postgresql://host?sslmode=disable", "host=host sslmode=disable"),
    ("postgresql://host?sslmode=prefer", "host=host sslmode=prefer"),
    ("postgresql://host?sslmode=verify-full", "host=host sslmode=verify-full"),
];

/// libpq's own tests: the URI, and what is wrong with it.
const MALFORMED_URIS: &[(&str, &str)] = &[
    ("postgresql://host/db?u%7aer=someotheruser&port=12345", "invalid URI query parameter: \"uzer\""),
    (
        "postgresql://host?  user user  =  uri  & port = 12345 12 ",
        "unexpected spaces found in \"  user user  \", use percent-encoded spaces (%20) instead",
    ),
    (
        "postgresql://host?  user  =  uri-user  & port = 12345 12 ",
        "unexpected spaces found in \" 12345 12 \", use percent-encoded spaces (%20) instead",
    ),
    ("postgresql://host?uzer=", "invalid URI query parameter: \"uzer\""),
    // libpq takes it for keywords and values.
    ("postgre://", "unknown scheme \"postgre\""),
    (
        "postgres://[::1",
        "end of string reached when looking for matching \"]\" in IPv6 host address in URI: \"postgres://[::1\"",
    ),
    ("postgres://[]", "IPv6 host address may not be empty in URI: \"postgres://[]\""),
    ("postgres://[::1]z", "unexpected character \"z\" at position 17 in URI (expected \":\" or \"/\")"),
    ("postgresql://host?zzz", "missing key/value separator \"=\" in URI query parameter: \"zzz\""),
    ("postgresql://host?value1&value2", "missing key/value separator \"=\" in URI query parameter"),
    ("postgresql://host?key=key=value", "extra key/value separator \"=\" in URI query parameter: \"key\""),
    ("postgres://host?dbname=%XXfoo", "invalid percent-encoded token: \"%XXfoo\""),
    ("postgresql://a%00b", "forbidden value %00 in percent-encoded value: \"a%00b\""),
    ("postgresql://%zz", "invalid percent-encoded token: \"%zz\""),
    ("postgresql://%1", "invalid percent-encoded token: \"%1\""),
    ("postgresql://%", "invalid percent-encoded token: \"%\""),
];
