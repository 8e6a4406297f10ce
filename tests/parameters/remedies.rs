//! What a wrong connection string, variable or file is answered with: the exit code, where the mistake stands, what to do
//! about it, and never a secret.

use std::fs;

use super::{assert_failed, assert_ran, connect};
use crate::support::heimdall::Heimdall;
use crate::support::ports;
use crate::support::postgres::{PASSWORD, shared};
use crate::support::this_test;

/// The connection string, the environment, and words of the one line that it comes to, with code 78.
type Row = (&'static str, &'static [(&'static str, &'static str)], &'static [&'static str]);

const ENCODE: &str = "must be percent-encoded (%3A, %2F, %3F, %40)";

/// In each of these, `s3cret` is a password that no one may see.
const SECRETS: &[Row] = &[
    ("postgres://user@srv:s3cret@127.0.0.1:6543/app", &[], &["--database: ", "\"@\" at position 27", ENCODE]),
    ("postgres://user:s3cret/app", &[], &["\"port\" at position 17", ENCODE]),
    ("postgres://user:123456/s3cret", &[], &["\"port\" at position 17", "expected 1 to 65535"]),
    ("postgres://user:123456/s3cret@h", &[], &["\"port\" at position 17", ENCODE]),
    ("postgres://u:s3cret@h:5l731/app", &[], &["\"port\" at position 23 in URI; expected 1 to 65535"]),
    ("postgres://u:s3cret@h:${DB_PORT}/app", &[], &["\"port\" at position 23 in URI; expected 1 to"]),
    ("postgres://u:s3cret:6543/app", &[], &["\"port\" at position 14", ENCODE]),
    ("postgres://a:s3cret@h:5432,h2:s3cret2/app", &[], &["\"port\" at position 31", "expected 1 to 65535"]),
    ("postgres://us/er:s3cret@h:6543/app", &[], &["\"@\" at position 24", ENCODE]),
    ("postgres://u:p@ss/s3cret@h/app", &[], &["\"@\" at position 25", ENCODE]),
    ("postgres://u:p@s3cret@h/app", &[], &["\"@\" at position 22", ENCODE]),
    ("postgres://h?password=s3cret@x", &[], &["\"?\" at position 13", ENCODE]),
    ("postgres://app%3As3cret@127.0.0.1/app", &[], &["a user with a \":\"", "must not be percent-encoded"]),
    ("postgres://127.0.0.1/app?user=app:s3cret", &[], &["a user with a \":\" in it, and no password"]),
    ("postgres:/app:s3cret@h/app", &[("PGHOST", "h")], &["a URI, which begins with postgresql://"]),
    ("postgres//app:s3cret@h/app", &[("PGHOST", "h")], &["a URI, which begins with postgresql://"]),
    ("//app:s3cret@h/app", &[("PGHOST", "h")], &["a URI, which begins with postgresql://"]),
    ("app:s3cret@h/app", &[("PGHOST", "h")], &["a URI, which begins with postgresql://"]),
    ("postgres%3A%2F%2Fapp%3As3cret%40h%2Fapp", &[("PGHOST", "h")], &["begins with postgresql://"]),
    ("h:5432:app:app:s3cret", &[("PGHOST", "h")], &["keywords and values, as in host=db"]),
    ("user:app password:s3cret", &[("PGHOST", "h")], &["keywords and values, as in host=db"]),
    (
        "host=127.0.0.1,port=6543,user=app,password=s3cret",
        &[],
        &["host holds another parameter", "by spaces"],
    ),
    (
        "host=127.0.0.1;port=6543;user=app;password=s3cret",
        &[],
        &["host holds another parameter", "by spaces"],
    ),
    (
        "host=127.0.0.1&port=6543&user=app&password=s3cret",
        &[],
        &["host holds another parameter", "by spaces"],
    ),
    ("host=127.0.0.1,s3cret=x", &[], &["unexpected '=' at position 17 in host", "separated by spaces"]),
    ("host=u:s3cret@h", &[], &["unexpected '@' at position 9 in host"]),
    ("host=u:s3cret", &[], &["unexpected ':' at position 2 in host", "the port goes in port"]),
    ("port=1;password=s3cret", &[], &["port holds another parameter"]),
    ("dbname=app;Password=s3cret", &[], &["dbname holds another parameter"]),
    ("postgres://ann@/app;PWD=s3cret?host=h", &[], &["dbname holds another parameter"]),
    ("user=app s3cret host=h", &[], &["missing \"=\" after the word at position 10", "needs quotes"]),
    ("password=two s3cret host=h", &[], &["missing \"=\" after the word at position 14", "needs quotes"]),
    ("dbname=postgres://u:s3cret@h/d", &[], &["dbname holds \":\" and \"@\""]),
    ("", &[("PGDATABASE", "postgres://u:s3cret@h/d")], &["PGDATABASE: dbname holds \":\" and \"@\""]),
    ("", &[("PGHOST", "postgres://u:s3cret@h/d")], &["PGHOST: unexpected '@' at position 20 in host"]),
    ("", &[("PGSERVICE", "postgres://u:s3cret@h/d")], &["PGSERVICE: service holds \":\" and \"@\""]),
    ("", &[("PGSSLKEY", "-----BEGIN KEY-----\ns3cret\n")], &["PGSSLKEY: sslkey holds the contents", "path"]),
    ("", &[("PGSSLCERT", "-----BEGIN s3cret")], &["PGSSLCERT: sslcert holds the contents", "path"]),
    ("", &[("PGSSLROOTCERT", "s3cret\n")], &["PGSSLROOTCERT: sslrootcert holds the contents", "path"]),
    ("", &[("PGSSLCRL", "s3cret\n")], &["PGSSLCRL: sslcrl holds the contents", "path"]),
    ("", &[("PGPASSFILE", "*:*:*:*:s3cret\n")], &["PGPASSFILE: passfile holds the contents", "path"]),
    ("service=x", &[("PGSERVICEFILE", "[x]\npassword=s3cret\n")], &["PGSERVICEFILE holds another parameter"]),
    ("service=x", &[("PGSYSCONFDIR", "s3cret\n")], &["PGSYSCONFDIR holds the contents"]),
];

const REMEDIES: &[Row] = &[
    // Where it stands.
    ("sslmode=x", &[], &["--database: invalid sslmode value: \"x\"; expected one of disable, allow, prefer"]),
    ("", &[("PGSSLMODE", "x")], &["PGSSLMODE: invalid sslmode value: \"x\""]),
    ("", &[("PGPORT", "x")], &["PGPORT: invalid integer value \"x\"", "expected a whole number"]),
    ("", &[("PGPORT", "0")], &["PGPORT: invalid port number: \"0\"; expected 1 to 65535"]),
    ("", &[("PGCONNECT_TIMEOUT", "10s")], &["PGCONNECT_TIMEOUT: ", "without a unit"]),
    (
        "host=a,b",
        &[("PGPORT", "1,2,3")],
        &["PGPORT: could not match 3 port", "one for all hosts, or one for each"],
    ),
    ("host=a,b", &[("PGHOSTADDR", "::1")], &["PGHOSTADDR: could not match 2 host", "as many of each"]),
    ("", &[("PGREQUIREAUTH", "x")], &["PGREQUIREAUTH: invalid require_auth value: \"x\""]),
    ("", &[("PGGSSENCMODE", "require")], &["PGGSSENCMODE: gssencmode: GSSAPI encryption is not supported"]),
    ("", &[("PGTARGETSESSIONATTRS", "standby")], &["PGTARGETSESSIONATTRS: target_session_attrs: a lock on"]),
    ("", &[("PGSERVICE", "x")], &["PGSERVICE: definition of service \"x\" not found; it is a section of"]),
    ("service=x", &[("PGSERVICEFILE", "/nowhere")], &["PGSERVICEFILE: service file \"/nowhere\" not found"]),
    (
        "sslrootcert=system",
        &[("PGSSLMODE", "prefer")],
        &["PGSSLMODE: weak sslmode \"prefer\"", "\"verify-full\""],
    ),
    // Which values there are.
    ("sslmode=no-verify", &[], &["what node-postgres calls no-verify is require"]),
    ("sslmode=u:s3cret", &[], &["invalid sslmode value; expected one of disable, allow"]),
    ("sslmode=required", &[], &["expected one of disable, allow, prefer, require, verify-ca, verify-full"]),
    ("channel_binding=yes", &[], &["expected one of disable, prefer, require"]),
    ("sslcertmode=yes", &[], &["expected one of disable, allow, require"]),
    ("sslnegotiation=tls", &[], &["expected one of postgres, direct"]),
    ("gssencmode=no", &[], &["expected one of disable, prefer"]),
    ("target_session_attrs=rw", &[], &["expected one of any, read-write, read-only, primary"]),
    ("load_balance_hosts=yes", &[], &["expected one of disable, random"]),
    ("ssl_min_protocol_version=1.2", &[], &["expected TLSv1.2 or TLSv1.3"]),
    ("max_protocol_version=3", &[], &["expected 3.0, 3.2 or latest"]),
    // What was meant.
    ("uzer=x", &[], &["invalid connection option \"uzer\"; did you mean \"user\"?"]),
    ("sslmod=require", &[], &["did you mean \"sslmode\"?"]),
    (
        "postgres://u:s3cret@h:5432/d?sslmod=require",
        &[],
        &["invalid URI query parameter: \"sslmod\"; did you mean \"sslmode\"?"],
    ),
    ("postgres://u:p@h/d?s3cret=@h", &[], &["invalid URI query parameter"]),
    ("database=app", &[], &["did you mean \"dbname\"?"]),
    ("postgres://h/app?username=x", &[], &["did you mean \"user\"?"]),
    ("postgres://h/app?ssl=false", &[], &["\"ssl\"; libpq's is sslmode: disable for false"]),
    ("postgres://h/app?conect_timeout=1", &[], &["did you mean \"connect_timeout\"?"]),
    // How it is written.
    ("postgres://h/50%", &[], &["a \"%\" is written %25"]),
    ("postgres://u:50%@h/app", &[], &["a \"%\" is written %25"]),
    ("postgres://h/app?options=-c a=b", &[], &["a \"=\" in a value is written %3D"]),
    ("postgres://h/app?application_name=a&b", &[], &["a \"&\" in a value is written %26"]),
    ("postgres://h/my app", &[], &["use percent-encoded spaces (%20)"]),
    ("postgres://::1/app", &[], &["an IPv6 address goes in brackets: [::1]"]),
    ("postgres://2001:db8::1:5432/app", &[], &["an IPv6 address goes in brackets: [::1]"]),
    ("user='it's me'", &[], &["a value with spaces needs quotes"]),
    ("user='ann", &[], &["a \"'\" in a value is written \\'"]),
    ("host=[::1]", &[], &["brackets around the address in host: only a URI has them"]),
    ("host=db:5432", &[], &["unexpected ':' at position 3 in host: the port goes in port"]),
    ("host=/run/postgresql/.s.PGSQL.5432", &[], &["host is the directory of the socket, not its file"]),
    ("'postgres://h/app'", &[], &["unexpected '\\'' before the URI"]),
    ("\"postgres://h/app\"", &[], &["unexpected '\"' before the URI"]),
    (" postgres://h/app", &[], &["unexpected ' ' before the URI"]),
    ("postgres://h/app\n", &[], &["dbname ends in a newline", "remove it"]),
    ("postgres://h\n", &[], &["unexpected '\\n' at position 2 in host"]),
    ("", &[("PGDATABASE", "app\n")], &["PGDATABASE: dbname ends in a newline"]),
    ("", &[("PGUSER", "ann\r")], &["PGUSER: user ends in a newline or carriage return", "DOS line ends"]),
    ("postgres://h/app\r", &[], &["dbname ends in a newline or carriage return"]),
    ("", &[("PGHOST", "127.0.0.1\r")], &["PGHOST: unexpected '\\r' at position 10 in host"]),
    ("", &[("PGHOST", "/nowhere\r")], &["PGHOST: unexpected '\\r' at position 9 in host"]),
    ("", &[("PGHOST", "a, b")], &["PGHOST: unexpected ' ' at position 3 in host"]),
    (
        "postgres://u:s3cret@${DB_HOST}:5432/app",
        &[],
        &["unexpected '$' at position 1 in host", "a variable that nothing has expanded"],
    ),
    ("$DATABASE_URL", &[], &["a variable that nothing has expanded"]),
    ("${DATABASE_URL}", &[], &["a variable that nothing has expanded"]),
    ("{{ secrets.DATABASE_URL }}", &[], &["a variable that nothing has expanded", "\"$\" or \"{{\""]),
    ("127.0.0.1:5432/app", &[], &["nor a URI", "has a \":\" or \"%\" is given as dbname=NAME"]),
    (" ", &[], &["whose name is blank"]),
    ("jdbc:postgresql://h/app", &[], &["unknown scheme \"jdbc:postgresql\"", "begins with postgresql:// or"]),
    ("jdbc:postgresql://h/app?user=x", &[], &["unknown scheme \"jdbc:postgresql\""]),
    (
        "prisma+postgres://accelerate.prisma-data.net/?api_key=s3cret",
        &[],
        &["unknown scheme \"prisma+postgres\""],
    ),
    ("db+postgresql://u:s3cret@h/app", &[], &["unknown scheme \"db+postgresql\""]),
    ("postgresql+://u:s3cret@h/app", &[], &["unknown scheme \"postgresql+\""]),
    ("cockroachdb://u:s3cret@h/app", &[], &["unknown scheme \"cockroachdb\""]),
    ("ecto://u:s3cret@h/app", &[], &["unknown scheme in URI"]),
    ("mysql://h/app", &[], &["unknown scheme \"mysql\""]),
    ("http://h/app", &[], &["unknown scheme in URI", "begins with postgresql:// or postgres://"]),
];

fn assert_told(rows: &[Row]) {
    for (conninfo, variables, words) in rows {
        for format in ["text", "json"] {
            let heimdall = connect(conninfo).env("PGSYSCONFDIR", "/nowhere");
            let heimdall =
                variables.iter().fold(heimdall, |heimdall, (name, value)| heimdall.env(name, value));
            let outcome = heimdall.args(["--log-format", format, "echo", "ran"]).run();
            let told = &outcome.stderr;
            assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(78), ""), "{conninfo:?}: {told}");
            assert!(told.lines().count() == 1 && !told.contains("s3cret"), "{conninfo:?}: {told}");
            let told = told.replace("\\\"", "\"").replace("\\\\", "\\");
            assert!(words.iter().all(|words| told.contains(words)), "{conninfo:?}: {words:?} in {told}");
        }
    }
}

#[test]
fn promise_12_a_password_in_the_wrong_place_is_told_by_its_place() {
    assert_told(SECRETS);
    for (conninfo, variables, _) in SECRETS {
        let heimdall =
            variables.iter().fold(Heimdall::new(), |heimdall, (name, value)| heimdall.env(name, value));
        let outcome = heimdall.args(["--database", conninfo, "--print-conninfo"]).run();
        assert!(!outcome.stdout.contains("s3cret") && !outcome.stderr.contains("s3cret"), "{conninfo}");
    }
}

#[test]
fn each_mistake_is_told_with_where_it_stands_and_what_to_do() {
    assert_told(REMEDIES);
}

#[test]
fn a_mistake_in_a_service_file_is_told_by_its_line() {
    let home = shared().folder("remedies");
    let file = home.join("services");
    for (text, words) in [
        ("[s]\nhost=db\nsslmode=x\n", "services\", line 3: invalid sslmode value: \"x\"; expected one of"),
        ("[s]\nport=x\n", "services\", line 2: invalid integer value \"x\""),
        ("[s]\nhost=u:s3cret@h\n", "services\", line 2: unexpected '@' at position 9 in host"),
        ("[s]\ndbname=u:s3cret@h\n", "services\", line 2: dbname holds \":\" and \"@\""),
        ("[s]\nhost=h;password=s3cret\n", "services\", line 2: host holds another parameter"),
        (
            "[s]\npasswrd=s3cret\n",
            "services\", line 2; there is no such parameter; did you mean \"password\"?",
        ),
        ("[s]\ns3cret=x\n", "services\", line 2; there is no such parameter\n"),
        (
            "[s]\npassword = s3cret\n",
            "services\", line 2; expected a parameter and its value, as in host=db, without",
        ),
        ("[s]\ns3cret\n", "services\", line 2; expected a parameter and its value, as in host=db"),
    ] {
        fs::write(&file, text).unwrap();
        let outcome = connect("service=s").env("PGSERVICEFILE", &file).arg("true").run();
        assert_eq!((outcome.code, outcome.stderr.lines().count()), (Some(78), 1), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(words) && !outcome.stderr.contains("s3cret"), "{}", outcome.stderr);
    }
}

#[test]
fn an_empty_url_is_a_mistake_and_not_the_local_socket() {
    let port = shared().port().to_string();
    let elsewhere =
        [("PGHOST", "127.0.0.1"), ("PGPORT", &port), ("PGUSER", "trust_user"), ("PGDATABASE", "app")];
    let run = |is_variable: bool, variables: &[(&str, &str)]| {
        let heimdall = if is_variable {
            Heimdall::new().env("DATABASE_URL", "")
        } else {
            // It hides a variable that says where the server is.
            Heimdall::new().env("DATABASE_URL", "postgres://h/app").database("")
        };
        let heimdall = variables.iter().fold(heimdall, |heimdall, (name, value)| heimdall.env(name, value));
        heimdall.args(["--name", &this_test(), "echo", "ran"]).run()
    };
    for (is_variable, source) in [(true, "DATABASE_URL"), (false, "--database")] {
        let outcome = run(is_variable, &[]);
        let words = "it is empty, as from a variable that is not set, and there is no PGHOST either";
        assert_failed(&outcome, 78, &format!("{source}: {words}"));
        assert_ran(&run(is_variable, &elsewhere));
    }
    // With nothing at all, the socket is meant; where there is none, the line says what to do.
    let outcome = connect("undefined").env("PGPORT", "1").arg("true").run();
    assert_failed(&outcome, 69, "there is no socket");
    let words = "in --database or DATABASE_URL (a word by itself is the name of a database there)";
    assert!(outcome.stderr.contains(words), "{}", outcome.stderr);
}

#[test]
fn a_password_with_the_end_of_a_line_at_its_end_is_tried_and_warned_of() {
    let conninfo = format!("{} user=scram_user dbname=app", shared().tcp());
    for end in ["\n", "\r"] {
        let outcome = connect(&conninfo).env("PGPASSWORD", format!("{PASSWORD}{end}")).arg("true").run();
        assert_eq!(outcome.code, Some(77), "{}", outcome.stderr);
        let words = "PGPASSWORD: the password ends in a newline or carriage return";
        assert!(outcome.stderr.starts_with(&format!("heimdall: {words}")), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("password authentication failed"), "{}", outcome.stderr);
    }
}

#[test]
fn a_password_that_no_server_reads_is_told_by_its_length() {
    let conninfo = format!("{} user=scram_user dbname=app", shared().tcp());
    let outcome = connect(&conninfo).env("PGPASSWORD", "s3cret".repeat(12_000)).arg("true").run();
    let words = "the password has 72000 bytes, and a server reads no more than 65530";
    assert!(outcome.code == Some(78) && outcome.stderr.contains(words), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("s3cret"));
}

#[test]
fn what_no_server_reads_is_told_where_there_is_none_and_not_waited_with() {
    let nobody = format!("host=nowhere.invalid,127.0.0.1 port={} user=ann", ports::free());
    let (long, longer) = ("x".repeat(10_000), "x".repeat(70_000));
    for (variable, value, words) in [
        ("PGAPPNAME", &long, "the connection parameters take"),
        ("PGPASSWORD", &longer, "the password has 70000 bytes"),
    ] {
        let outcome = connect(&nobody).env(variable, value).args(["--wait", "true"]).run();
        assert_failed(&outcome, 78, words);
    }
}
