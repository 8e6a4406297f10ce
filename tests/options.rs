//! The command line: what is refused, with which words, and what is printed.

use crate::support::heimdall::Heimdall;

fn assert_usage(arguments: &[&str], words: &str) {
    let outcome = Heimdall::new().args(arguments).run();
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(64), ""), "{arguments:?}: {}", outcome.stderr);
    assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
    assert!(outcome.stderr.starts_with("heimdall: "), "{}", outcome.stderr);
    assert!(outcome.stderr.contains(words), "{arguments:?}: {}", outcome.stderr);
}

#[test]
fn what_is_mistyped_is_named() {
    for (arguments, words) in [
        (&["--nmae", "x", "true"][..], "unexpected argument '--nmae'"),
        (&["-x", "true"], "unexpected argument '-x'"),
        (&["--name", "x"], "no PROGRAM to run is given"),
        (&["true"], "the lock has no name: give --name or --key"),
        (&["--name", "x", "", "y"], "the program is empty, as from a variable that is not set"),
        (&["--name", "x", "--timeout", "30M", "true"], "minutes are m or min"),
        (&["--namespace", "x", "true"], "the lock has no name"),
        (&["--key", "1", "--name", "x", "true"], "'--key <N|A,B>' cannot be used with '--name <TEXT>'"),
        (&["--key", "1", "--namespace", "x", "true"], "cannot be used with '--namespace <TEXT>'"),
        (
            &["--key", "9223372036854775808", "true"],
            "invalid value '9223372036854775808' for '--key <N|A,B>'",
        ),
        (
            &["--key", "1,2,3", "true"],
            "a key is one signed 64-bit integer (N) or two signed 32-bit integers (A,B)",
        ),
        (&["--name", "x", "-E", "600", "true"], "invalid value '600' for '--conflict-exit-code <N>'"),
        (&["--name", "x", "-E", "-1", "true"], "invalid value '-1' for '--conflict-exit-code <N>'"),
        (&["--name", "x", "--timeout", "soon", "true"], "invalid value 'soon' for '--timeout <DURATION>'"),
        (&["--name", "x", "--timeout=-1", "true"], "invalid value '-1' for '--timeout <DURATION>'"),
        (&["--name", "x", "--kill-after", "200y", "true"], "longer than 100 years"),
        (&["--name", "x", "-q", "-v", "true"], "cannot be used with"),
        (&["--name", "x", "--print-key", "true"], "cannot be used with"),
        (&["--print-conninfo", "true"], "cannot be used with"),
        (&["--name"], "a value is required for '--name <TEXT>'"),
    ] {
        assert_usage(arguments, words);
    }
}

#[test]
fn a_bad_number_or_duration_is_told_with_its_option() {
    for (argument, words) in [
        ("--slots=0", "invalid value '0' for '--slots <N>': 0 is not in 1..=1000"),
        ("--slots=1001", "1001 is not in 1..=1000"),
        ("--slots=x", "invalid value 'x' for '--slots <N>'"),
        ("--slots=-1", "invalid value '-1' for '--slots <N>'"),
        ("--slots=99999999999999999999", "for '--slots <N>'"),
        ("--wait=-1", "invalid value '-1' for '--wait[=<DURATION>]': a duration looks like"),
        ("--wait=", "for '--wait[=<DURATION>]'"),
        ("--wait=soon", "invalid value 'soon' for '--wait[=<DURATION>]'"),
        ("--wait=200y", "for '--wait[=<DURATION>]': longer than 100 years"),
        ("--timeout=1e300", "for '--timeout <DURATION>'"),
        ("--timeout=99999999999999999999", "for '--timeout <DURATION>'"),
        ("--min-hold=-1s", "for '--min-hold <DURATION>'"),
        ("--kill-after=-5", "for '--kill-after <DURATION>'"),
        (
            "--signal=RTMIN",
            "invalid value 'RTMIN' for '--signal <SIGNAL>': a signal looks like TERM, SIGTERM or 15",
        ),
        ("--lease=1s", "for '--lease <DURATION>': a lease is 2 seconds or longer"),
        ("--lease=25d", "for '--lease <DURATION>': a lease is 24 days or shorter"),
        ("--log-format=xml", "for '--log-format <FORMAT>' [possible values: text, json]"),
    ] {
        assert_usage(&["--name", "x", argument, "true"], words);
        if let Some((option, value)) = argument.split_once('=').filter(|(option, _)| *option != "--wait") {
            assert_usage(&["--name", "x", option, value, "true"], words);
        }
    }
}

#[test]
fn restart_takes_its_value_after_an_equals_sign() {
    assert_usage(
        &["--name", "x", "--restart=sometimes", "true"],
        "for '--restart[=<WHEN>]' [possible values: no, lost, on-failure, always]",
    );
    assert_usage(&["--name", "x", "--restart", "lost", "true"], "write --restart=lost");
    assert_usage(&["--name", "x", "--restart-limit=2", "true"], "--restart");
}

#[test]
fn options_that_contradict_each_other_are_both_named() {
    for (arguments, words) in [
        (&["--name", "x", "--shared", "--slots", "2", "true"][..], ["--shared", "--slots <N>"]),
        (&["--key", "1", "--slots", "2", "true"], ["--key <N|A,B>", "--slots <N>"]),
        (&["--list", "true"], ["--list", "[PROGRAM]"]),
        (&["--list", "--wait"], ["--list", "--wait[=<DURATION>]"]),
        (&["--list", "--print-key"], ["--list", "--print-key"]),
        (&["--list", "--print-conninfo"], ["--list", "--print-conninfo"]),
        (&["--name", "x", "--stop", "true"], ["--stop", "[PROGRAM]"]),
        (&["--name", "x", "--stop", "--list"], ["--stop", "--list"]),
        (&["--name", "x", "--stop", "--allow-pooler"], ["--stop", "--allow-pooler"]),
    ] {
        for word in [words[0], words[1], "cannot be used with"] {
            assert_usage(arguments, word);
        }
    }
    for action in ["--check", "--list", "--stop", "--is-held-here"] {
        for option in [
            "--timeout=5",
            "--signal=TERM",
            "--kill-after=5",
            "--on-lost=:",
            "--restart",
            "--restart-limit=1",
            "--yield",
            "--drain",
            "--min-hold=5",
            "--settle",
            "--close",
            "--metrics=f",
            "--status-file=f",
            "--ready=started",
            "--pass-notify",
        ] {
            if (action, option) != ("--is-held-here", "--status-file=f") {
                assert_usage(&["--name", "x", action, option], "cannot be used with");
            }
        }
    }
    for arguments in [["--list", "--namespace=x"], ["--list", "--slots=2"], ["--list", "--shared"]] {
        assert_usage(&arguments, "the lock has no name: give --name");
    }
    assert_usage(&["--stop"], "the lock has no name: give --name or --key");
    let here = ["--is-held-here", "--status-file=f", "--namespace=x"];
    assert_usage(&here, "the lock has no name: give --name or --key");
}

#[test]
fn a_duration_that_stands_apart_from_wait_is_no_program() {
    for (arguments, duration) in [
        (&["--name", "x", "--wait", "5", "true"][..], "5"),
        (&["--name", "x", "-w", "5s", "true"], "5s"),
        (&["--wait", "1h30m", "--name", "x", "true"], "1h30m"),
    ] {
        assert_usage(arguments, &format!("to wait for {duration}, write --wait={duration}"));
    }
}

#[test]
fn a_mistyped_option_does_not_echo_the_password_behind_it() {
    for arguments in [
        &["--databas=postgres://ann:hunter2@host/app", "--name", "x", "true"][..],
        &["--database", "postgres://ann:hunter2@host:port/app", "--name", "x", "true"],
        &["--database", "postgres://ann:hunter2@[::1/app", "--name", "x", "true"],
        &["--database", "postgres://ann:hun%ter2@host/app", "--name", "x", "true"],
        &["--database", "host=h password='hunter2", "--name", "x", "true"],
        &["--database", "host=h password = hunter2 and more", "--name", "x", "true"],
        &["--database", "postgres://host/app?password=hunter2&nonsense=1", "--name", "x", "true"],
    ] {
        let outcome = Heimdall::new().args(arguments).run();
        assert!(matches!(outcome.code, Some(64 | 78)), "{arguments:?} {outcome:?}");
        assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
        assert!(!outcome.stderr.contains("hun") && !outcome.stderr.contains("ter2"), "{}", outcome.stderr);
    }
}

#[test]
fn promise_11_what_cannot_be_honoured_is_a_configuration_error() {
    for (conninfo, words) in [
        ("host=h sslmode=prefer sslnegotiation=direct", "weak sslmode \"prefer\" may not be used with"),
        ("host=h sslmode=require sslrootcert=system", "weak sslmode \"require\" may not be used with"),
        (
            "host=h ssl_min_protocol_version=TLSv1.3 ssl_max_protocol_version=TLSv1.2",
            "invalid SSL protocol version",
        ),
        ("host=h gssencmode=require", "gssencmode: GSSAPI encryption is not supported"),
        ("host=h sslpassword=x", "sslpassword: encrypted private keys are not supported"),
        ("host=h port=70000", "invalid port number: \"70000\""),
        ("host=a,b port=1,2,3", "could not match 3 port numbers to 2 hosts"),
        ("postgres://h?nonsense=1", "invalid URI query parameter: \"nonsense\""),
    ] {
        let outcome = Heimdall::new().args(["--database", conninfo, "--name", "x", "true"]).run();
        assert_eq!(outcome.code, Some(78), "{conninfo}: {}", outcome.stderr);
        assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
        assert!(outcome.stderr.contains(words), "{conninfo}: {}", outcome.stderr);
    }
}

#[test]
#[cfg(not(feature = "tls"))]
fn a_build_without_tls_refuses_what_asks_for_it() {
    for (conninfo, words) in [
        ("host=h sslmode=require", "sslmode \"require\" is not supported by this version of heimdall"),
        ("host=h sslmode=verify-full", "sslmode \"verify-full\" is not supported"),
        ("host=h channel_binding=require", "channel_binding \"require\" is not supported"),
    ] {
        let outcome = Heimdall::new().args(["--database", conninfo, "--name", "x", "true"]).run();
        assert_eq!(outcome.code, Some(78), "{conninfo}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(words), "{conninfo}: {}", outcome.stderr);
    }
}

#[test]
fn help_and_version_go_to_standard_output() {
    for option in ["--help", "-h"] {
        let help = Heimdall::new().arg(option).run();
        assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
        assert!(help.stdout.contains("heimdall [OPTIONS] [--] PROGRAM [ARG]..."));
    }
    for option in ["--version", "-V"] {
        let version = Heimdall::new().arg(option).run();
        assert_eq!(version.stdout, concat!("heimdall ", env!("CARGO_PKG_VERSION"), "\n"));
    }
}

#[test]
fn print_key_prints_the_key_and_its_sql() {
    for (options, key, halves) in [
        (
            &["--namespace", "joker", "--name", "test"][..],
            "856429646,-1137964055",
            ["'856429646'", "'3157003241'", "2"],
        ),
        (
            &["--namespace", "", "--name", "test"],
            "-2128831035,-1137964055",
            ["'2166136261'", "'3157003241'", "2"],
        ),
        (&["--key", "-1"], "-1", ["'4294967295'", "'4294967295'", "1"]),
    ] {
        let outcome = Heimdall::new().args(options).arg("--print-key").run();
        assert_eq!(outcome.code, Some(0));
        let lines: Vec<&str> = outcome.stdout.lines().collect();
        let [printed, comment, find] = lines[..] else { panic!("{lines:?}") };
        assert_eq!(printed, key);
        assert!(comment.starts_with("-- who holds the lock "), "{comment}");
        let [classid, objid, objsubid] = halves;
        let condition = format!(
            "l.classid OPERATOR(pg_catalog.=) {classid}::pg_catalog.oid AND l.objid OPERATOR(pg_catalog.=) \
             {objid}::pg_catalog.oid AND l.objsubid OPERATOR(pg_catalog.=) {objsubid};"
        );
        assert!(find.starts_with("SELECT l.pid, ") && find.ends_with(&condition), "{find}");
    }
}

#[test]
fn print_conninfo_shows_which_settings_options_have_and_no_value() {
    let outcome =
        Heimdall::new().args(["-d", "host=h options='-c app.token=hunter2'", "--print-conninfo"]).run();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(outcome.stdout.contains("options\t-c app.token=********\toption\n"), "{}", outcome.stdout);
}

#[test]
fn print_conninfo_tells_for_what_a_run_would_end() {
    let outcome = Heimdall::new().args(["-d", "host=h sslpassword=hunter2", "--print-conninfo"]).run();
    assert_eq!(outcome.code, Some(78));
    assert!(outcome.stdout.contains("sslpassword\t********\toption\n"), "{}", outcome.stdout);
    assert!(
        outcome.stderr.contains("sslpassword: encrypted private keys are not supported"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn promise_12_print_conninfo_tells_values_and_sources_without_passwords() {
    let printed = |command: Heimdall| {
        let outcome = command.arg("--print-conninfo").run();
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
        outcome.stdout
    };
    let lines = printed(
        Heimdall::new()
            .args(["-d", "postgres://ann:sesame@db:5433/app?application_name=a%09b%5C"])
            .env("DATABASE_URL", "postgres://unused")
            .env("PGCONNECT_TIMEOUT", "7")
            .env("PGUSER", "unused"),
    );
    for line in [
        "user\tann\toption\n",
        "password\t********\toption\n",
        "host\tdb\toption\n",
        "port\t5433\toption\n",
        "dbname\tapp\toption\n",
        "application_name\ta\\tb\\\\\toption\n",
        "connect_timeout\t7\tenvironment\n",
        "sslmode\tprefer\tdefault\n",
    ] {
        assert!(lines.contains(line), "{line} in {lines}");
    }
    assert!(!lines.contains("sesame") && !lines.contains("unused"), "{lines}");

    let lines = printed(
        Heimdall::new()
            .env("HEIMDALL_DATABASE_URL", "postgres://db?pgbouncer=sesame&connection_limit=1&pgbouncer=2")
            .env("DATABASE_URL", "postgres://unused"),
    );
    assert!(lines.contains("host\tdb\tHEIMDALL_DATABASE_URL\n"), "{lines}");
    assert!(lines.ends_with("\npgbouncer\t\tignored\nconnection_limit\t\tignored\n"), "{lines}");

    let lines = printed(Heimdall::new().env("DATABASE_URL", "host=db").env("PGPASSWORD", "sesame"));
    assert!(lines.contains("host\tdb\tDATABASE_URL\n"), "{lines}");
    assert!(lines.contains("password\t********\tenvironment\n"), "{lines}");
}
