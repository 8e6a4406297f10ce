//! Which names a certificate is for, under `sslmode=verify-full`.

use heimdall::conninfo::{Config, Environment, SslMode};
use heimdall::internals::x509::HostName;

use super::{connect, trusting};
use crate::support::pki::{CA, Pki, Recipe};

const NAME: &str = "server certificate for ";

/// Subject, extensions, and for each host what is said: `""` nothing, it is the one.
type Case = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const CASES: &[Case] = &[
    (
        "/CN=cn.example.com",
        "subjectAltName=DNS:db.example.com,DNS:db2.example.com,DNS:*.wild.example.com",
        &[
            ("db.example.com", ""),
            ("DB.Example.COM", ""),
            ("db2.example.com", ""),
            ("a.wild.example.com", ""),
            ("A.WILD.example.com", ""),
            (
                "a.b.wild.example.com",
                "\"db.example.com\" (and 2 other names) does not match host name \"a.b.wild.example.com\"",
            ),
            (
                "wild.example.com",
                "\"db.example.com\" (and 2 other names) does not match host name \"wild.example.com\"",
            ),
            (
                "db.example.com.",
                "\"db.example.com\" (and 2 other names) does not match host name \"db.example.com.\"",
            ),
            (
                "cn.example.com",
                "\"db.example.com\" (and 2 other names) does not match host name \"cn.example.com\"",
            ),
            ("-x", "\"db.example.com\" (and 2 other names) does not match host name \"-x\""),
        ],
    ),
    (
        "/CN=db.example.com",
        "",
        &[("db.example.com", ""), ("x", "\"db.example.com\" does not match host name \"x\"")],
    ),
    (
        "/CN=*.example.com",
        "",
        &[
            ("db.example.com", ""),
            ("example.com", "\"*.example.com\" does not match host name \"example.com\""),
        ],
    ),
    ("/CN=-x_y", "", &[("-x_y", "")]),
    (
        "/CN=db.example.com.",
        "",
        &[
            ("db.example.com.", ""),
            ("db.example.com", "\"db.example.com.\" does not match host name \"db.example.com\""),
        ],
    ),
    (
        "/CN=192.0.2.1",
        "",
        &[
            ("192.0.2.1", ""),
            ("192.000.002.001", "\"192.0.2.1\" does not match host name \"192.000.002.001\""),
        ],
    ),
    (
        "/CN=db",
        "subjectAltName=DNS:192.0.2.1",
        &[("192.0.2.1", ""), ("db", "\"192.0.2.1\" does not match host name \"db\"")],
    ),
    (
        "/CN=db",
        "subjectAltName=IP:192.0.2.1",
        &[
            ("192.0.2.1", ""),
            ("192.000.002.001", ""),
            ("0xc0.0.513", ""),
            ("db", ""),
            ("192.0.2.2", "\"192.0.2.1\" does not match host name \"192.0.2.2\""),
            ("other", "\"192.0.2.1\" (and 1 other name) does not match host name \"other\""),
        ],
    ),
    (
        "/CN=192.0.2.9",
        "subjectAltName=IP:2001:db8::1",
        &[
            ("2001:db8::1", ""),
            ("2001:DB8:0:0::1", ""),
            ("192.0.2.9", "\"2001:db8::1\" does not match host name \"192.0.2.9\""),
        ],
    ),
    ("/CN=192.0.2.9", "subjectAltName=DNS:db", &[("192.0.2.9", "")]),
    ("/CN=a/CN=b", "", &[("a", ""), ("b", "\"a\" does not match host name \"b\"")]),
    ("/O=nobody", "", &[("db", "could not get server's host name from server certificate")]),
    (
        "/O=nobody",
        "subjectAltName=email:a@db",
        &[("db", "could not get server's host name from server certificate")],
    ),
    // dNSName "db" NUL "x"
    (
        "/CN=db",
        "subjectAltName=DER:30058203646200",
        &[("db", "SSL certificate's name contains embedded null")],
    ),
    (
        "/CN=db",
        "subjectAltName=DER:3006820464620078",
        &[("db", "SSL certificate's name contains embedded null")],
    ),
    // iPAddress of three bytes
    (
        "/CN=db",
        "subjectAltName=DER:30058703010203",
        &[("db", "certificate contains IP address with invalid length 3")],
    ),
];

#[test]
fn a_certificate_is_for_the_hosts_that_libpq_takes_it_for() {
    let pki = Pki::new("names");
    pki.issue("root", Recipe { extensions: CA, ..Recipe::default() });
    pki.key("db", "EC:P-256");
    for (subject, extensions, hosts) in CASES {
        pki.issue("db", Recipe { issuer: "root", subject, extensions, ..Recipe::default() });
        for (host, expected) in *hosts {
            let expected = match *expected {
                "" => Ok(()),
                line if line.starts_with('"') => Err(format!("{NAME}{line}")),
                line => Err(line.to_owned()),
            };
            let full =
                connect(&trusting(SslMode::VerifyFull, &pki, "root.crt"), Some(host), &pki, "db.crt", "db");
            assert_eq!(full, expected, "{subject} {extensions} {host}");
            let chain =
                connect(&trusting(SslMode::VerifyCa, &pki, "root.crt"), Some(host), &pki, "db.crt", "db");
            assert_eq!(chain, Ok(()), "{subject} {extensions} {host}");
        }
    }
}

#[test]
fn a_text_is_an_address_in_a_certificate_where_it_is_one_in_hostaddr() {
    let nothing = Environment { variable: &|_| None, effective_user: &|| None, effective_uid: 0 };
    for text in [
        "10.0.0.1",
        "127.1",
        "0x7F.1",
        "0X7f.0.1",
        "2130706433",
        "0177.0.0.01",
        "0",
        "4294967295",
        "1.16777215",
        "::1",
        "::ffff:10.0.0.1",
        "127.",
        ".1",
        "1.2.3.4.5",
        "1.2.3.4.0",
        "0x",
        "127.0.0.x",
        "db",
        "-1",
        "+1",
        "0x+1",
        "10.0.0.256",
        "256.1",
        "1.16777216",
        "127.0.0.08",
        "4294967296",
        "::1::",
        "fe80::g",
    ] {
        let is_hostaddr = Config::resolve(&format!("hostaddr={text} user=ann"), &nothing).is_ok();
        assert_eq!(HostName::new(text).address().is_some(), is_hostaddr, "{text}");
    }
}
