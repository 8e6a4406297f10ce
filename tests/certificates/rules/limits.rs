//! The names that an authority may issue for.

use super::Openssl::{Agrees, Trusts};
use heimdall::internals::x509::{CertificateError, HostName};

use super::{ADDRESS, BMP, DNS, EMAIL, Rule, TELETEX, Trio, URI, alternatives, exclude, hold, permit};
use crate::support::der::{oid, sequence, value};
use crate::support::forge::judges::heimdall_for;
use crate::support::forge::{ALT_NAME, COMMON_NAME, CONSTRAINTS, EMAIL_ADDRESS, PRINTABLE, UTF8, name};

const LIMITS: &[Rule] = &[
    (
        "a URI within",
        |trio| {
            permit(trio, value(URI, ".example.com"));
            alternatives(trio, &[(URI, "postgres://DB.example.com:5432/app")]);
        },
        "",
        Agrees,
    ),
    (
        "a URI beyond",
        |trio| {
            permit(trio, value(URI, "db.example.com"));
            alternatives(trio, &[(URI, "http://www.example.com/")]);
        },
        "permitted subtree violation",
        Agrees,
    ),
    (
        "an excluded URI",
        |trio| {
            exclude(trio, value(URI, "db.example.com"));
            alternatives(trio, &[(URI, "http://db.example.com")]);
        },
        "excluded subtree violation",
        Agrees,
    ),
    (
        "a URI without a host",
        |trio| {
            exclude(trio, value(URI, "db.example.com"));
            alternatives(trio, &[(URI, "urn:x")]);
        },
        "unsupported or invalid name syntax",
        Agrees,
    ),
    (
        "a URI whose host is not the same to all versions of OpenSSL",
        |trio| {
            exclude(trio, value(URI, "db.example.com"));
            alternatives(trio, &[(URI, "http://ann@db.example.com/")]);
        },
        "unsupported or invalid name syntax",
        Trusts,
    ),
    (
        "an address of mail within",
        |trio| {
            permit(trio, value(EMAIL, "example.com"));
            alternatives(trio, &[(EMAIL, "ann@EXAMPLE.com")]);
        },
        "",
        Agrees,
    ),
    (
        "an address of mail beyond",
        |trio| {
            permit(trio, value(EMAIL, "bob@example.com"));
            alternatives(trio, &[(EMAIL, "ann@example.com")]);
        },
        "permitted subtree violation",
        Agrees,
    ),
    (
        "an address of mail in the subject",
        |trio| {
            exclude(trio, value(EMAIL, ".example.com"));
            trio.leaf.subject = name(&[(EMAIL_ADDRESS, 0x16, b"ann@mail.example.com")]);
        },
        "excluded subtree violation",
        Agrees,
    ),
    (
        "an address of mail of another string type",
        |trio| {
            permit(trio, value(DNS, "example.com"));
            trio.leaf.subject = name(&[(EMAIL_ADDRESS, UTF8, b"ann@example.com")]);
        },
        "unsupported or invalid name syntax",
        Agrees,
    ),
    (
        "an address of mail that is not ASCII",
        |trio| {
            permit(trio, value(EMAIL, "example.com"));
            let mailbox = [oid("1.3.6.1.5.5.7.8.9"), value(0xa0, value(UTF8, "ann@example.com"))].concat();
            trio.leaf.put(ALT_NAME, false, sequence(&[value(0xa0, mailbox)]));
        },
        "unsupported name constraint type",
        Trusts,
    ),
    (
        "an identifier",
        |trio| {
            exclude(trio, value(0x88, [0x2a, 3]));
            trio.leaf.put(ALT_NAME, false, sequence(&[value(0x88, [0x2a, 4])]));
        },
        "unsupported name constraint type",
        Agrees,
    ),
    (
        "a minimum that is written out",
        |trio| {
            let subtree = sequence(&[value(DNS, "example.com"), value(0x80, [0])]);
            trio.authority.put(CONSTRAINTS, true, sequence(&[value(0xa0, subtree)]));
        },
        "",
        Agrees,
    ),
    (
        "a minimum of 1",
        |trio| {
            let subtree = sequence(&[value(DNS, "example.com"), value(0x80, [1])]);
            trio.authority.put(CONSTRAINTS, true, sequence(&[value(0xa0, subtree)]));
        },
        "name constraints minimum and maximum not supported",
        Agrees,
    ),
];

#[test]
fn a_limit_on_names_holds_for_uris_and_addresses_of_mail_too() {
    hold("limits", LIMITS);
}

const COMMON_NAMES: &[Rule] = &[
    ("of one label", |trio| common_name(trio, "dbhost"), "", Agrees),
    ("with a blank", |trio| common_name(trio, "my server"), "", Agrees),
    ("that begins with a hyphen", |trio| common_name(trio, "-db.example.org"), "", Agrees),
    ("within", |trio| common_name(trio, "DB.Example.com"), "", Agrees),
    ("beyond", |trio| common_name(trio, "db.example.org"), "permitted subtree violation", Agrees),
    (
        "with a NUL",
        |trio| common_name(trio, "db\0.example.com"),
        "unsupported or invalid name syntax",
        Agrees,
    ),
    (
        "beside a DNS name",
        |trio| {
            common_name(trio, "db.example.org");
            alternatives(trio, &[(DNS, "db.example.com")]);
        },
        "",
        Agrees,
    ),
];

fn common_name(trio: &mut Trio, text: &str) {
    permit(trio, value(DNS, "example.com"));
    trio.leaf.subject = name(&[(COMMON_NAME, UTF8, text.as_bytes())]);
    trio.leaf.without(&[ALT_NAME]);
}

#[test]
fn a_common_name_that_is_no_dns_name_is_not_held_to_limits_on_dns_names() {
    hold("common-names", COMMON_NAMES);
}

/// libpq compares a common name and DNS names with a host that is an address, too.
const ADDRESSES: &[Rule] = &[
    ("within", |trio| address(trio, "10.1.2.3"), "", Agrees),
    ("beyond", |trio| address(trio, "192.0.2.1"), "permitted subtree violation", Trusts),
    ("in another form", |trio| address(trio, "0300.0.2.1"), "permitted subtree violation", Trusts),
    ("of another kind", |trio| address(trio, "2001:db8::1"), "permitted subtree violation", Trusts),
    ("a number", |trio| address(trio, "42"), "", Agrees),
    (
        "beside an address",
        |trio| {
            address(trio, "192.0.2.1");
            trio.leaf.put(ALT_NAME, false, sequence(&[value(ADDRESS, [10, 1, 2, 3])]));
        },
        "",
        Agrees,
    ),
    (
        "beside a DNS name",
        |trio| {
            address(trio, "192.0.2.1");
            alternatives(trio, &[(DNS, "db.example.com")]);
        },
        "permitted subtree violation",
        Trusts,
    ),
    (
        "as a DNS name",
        |trio| {
            permit(trio, value(ADDRESS, [10, 0, 0, 0, 255, 0, 0, 0]));
            alternatives(trio, &[(DNS, "192.0.2.1")]);
        },
        "permitted subtree violation",
        Trusts,
    ),
];

fn address(trio: &mut Trio, text: &str) {
    permit(trio, value(ADDRESS, [10, 0, 0, 0, 255, 0, 0, 0]));
    trio.leaf.subject = name(&[(COMMON_NAME, UTF8, text.as_bytes())]);
    trio.leaf.without(&[ALT_NAME]);
}

#[test]
fn a_name_that_is_an_address_is_held_to_limits_on_addresses() {
    hold("common-addresses", ADDRESSES);
}

/// libpq lets a wildcard stand for a number, too.
#[test]
fn a_wildcard_is_no_address() {
    let is_host = |host: &str, name: &str| {
        let mut trio = Trio::new();
        alternatives(&mut trio, &[(DNS, name)]);
        heimdall_for(&trio.chain(), &HostName::new(host))
    };
    assert_eq!(is_host("192.0.2.1", "192.0.2.1"), Ok(()));
    assert!(matches!(is_host("192.0.2.1", "*.0.2.1"), Err(CertificateError::Name(_))));
}

/// OpenSSL decodes a common name before it compares it with limits; libpq compares its bytes with the host. Of some types of
/// strings both can be had: Chinese characters whose bytes spell a host.
#[test]
fn a_common_name_is_a_host_only_where_its_bytes_are_its_text() {
    let host = HostName::new("db.example.com");
    let is_host = |tag: u8| {
        let mut trio = Trio::new();
        permit(&mut trio, value(DNS, "example.com"));
        trio.leaf.subject = name(&[(COMMON_NAME, tag, b"db.example.com")]);
        trio.leaf.without(&[ALT_NAME]);
        heimdall_for(&trio.chain(), &host)
    };
    for tag in [UTF8, PRINTABLE, TELETEX, IA5] {
        assert_eq!(is_host(tag), Ok(()), "{tag:#x}");
    }
    for tag in [BMP, NUMERIC] {
        assert!(matches!(is_host(tag), Err(CertificateError::Name(_))), "{tag:#x}: {:?}", is_host(tag));
    }
}

const IA5: u8 = 0x16;
const NUMERIC: u8 = 0x12;

const WILDCARDS: &[Rule] = &[
    (
        "it could be",
        |trio| {
            exclude(trio, value(DNS, "bar.Example.com"));
            alternatives(trio, &[(DNS, "*.example.com")]);
        },
        "excluded subtree violation",
        Trusts,
    ),
    (
        "a common name could be",
        |trio| {
            exclude(trio, value(DNS, "bar.example.com"));
            trio.leaf.without(&[ALT_NAME]);
            trio.leaf.subject = name(&[(COMMON_NAME, UTF8, b"*.example.com")]);
        },
        "excluded subtree violation",
        Trusts,
    ),
    (
        "a common name is beyond what is permitted",
        |trio| {
            permit(trio, value(DNS, "example.org"));
            trio.leaf.without(&[ALT_NAME]);
            trio.leaf.subject = name(&[(COMMON_NAME, UTF8, b"*.example.com")]);
        },
        "permitted subtree violation",
        Trusts,
    ),
    (
        "excluded is further below",
        |trio| {
            exclude(trio, value(DNS, "a.bar.example.com"));
            alternatives(trio, &[(DNS, "*.example.com")]);
        },
        "",
        Agrees,
    ),
    (
        "excluded is elsewhere",
        |trio| {
            exclude(trio, value(DNS, "bar.example.org"));
            alternatives(trio, &[(DNS, "*.example.com")]);
        },
        "",
        Agrees,
    ),
];

#[test]
fn a_wildcard_that_could_be_an_excluded_host_is_refused() {
    hold("wildcards", WILDCARDS);
}
