//! What a certificate may be used for, and when, and how many authorities may stand below one.

use super::Openssl::Agrees;
use super::{Rule, Trio, hold};
use crate::support::der::{bits, boolean, magnitude, null, oid, sequence, value};
use crate::support::forge::{ALT_NAME, BASIC, EXTENDED, NETSCAPE, utc_time};

const PURPOSES: &[Rule] = &[
    ("from this second on", |trio| trio.leaf.not_before = utc_time("270115080000Z"), "", Agrees),
    (
        "until this second",
        |trio| trio.leaf.not_after = utc_time("270115080000Z"),
        "certificate has expired",
        Agrees,
    ),
    (
        "for Netscape's clients",
        |trio| trio.leaf.put(NETSCAPE, false, bits(7, &[0x80])),
        "unsuitable certificate purpose",
        Agrees,
    ),
    (
        "for signing programs",
        |trio| trio.leaf.put(NETSCAPE, false, bits(4, &[0x10])),
        "unsuitable certificate purpose",
        Agrees,
    ),
    ("for Netscape's servers", |trio| trio.leaf.put(NETSCAPE, true, bits(6, &[0x40])), "", Agrees),
    (
        "for servers in Microsoft's older words",
        |trio| trio.leaf.put(EXTENDED, false, sequence(&[oid("1.3.6.1.4.1.311.10.3.3")])),
        "",
        Agrees,
    ),
    (
        "for servers in Netscape's older words",
        |trio| trio.authority.put(EXTENDED, false, sequence(&[oid("2.16.840.1.113730.4.1")])),
        "",
        Agrees,
    ),
    (
        "for any use",
        |trio| trio.leaf.put(EXTENDED, false, sequence(&[oid("2.5.29.37.0")])),
        "unsuitable certificate purpose",
        Agrees,
    ),
    (
        "OCSP is told to mind its own business",
        |trio| trio.leaf.put("1.3.6.1.5.5.7.48.1.5", true, null()),
        "",
        Agrees,
    ),
    (
        "a root that is one in Netscape's words",
        |trio| {
            trio.root.without(&[BASIC]);
            trio.root.put(NETSCAPE, false, bits(2, &[0x04]));
        },
        "",
        Agrees,
    ),
    (
        "a root that is one for programs in Netscape's words",
        |trio| {
            trio.root.without(&[BASIC]);
            trio.root.put(NETSCAPE, false, bits(0, &[0x01]));
        },
        "unsuitable certificate purpose",
        Agrees,
    ),
    (
        "an authority that is one in Netscape's words only",
        |trio| {
            trio.authority.without(&[BASIC]);
            trio.authority.put(NETSCAPE, false, bits(2, &[0x04]));
        },
        "invalid CA certificate",
        Agrees,
    ),
    (
        "a proxy",
        |trio| {
            trio.leaf.without(&[ALT_NAME]);
            // The policy to inherit all rights (RFC 3820).
            let policy = sequence(&[sequence(&[oid("1.3.6.1.5.5.7.21.1")])]);
            trio.leaf.put("1.3.6.1.5.5.7.1.14", true, policy);
        },
        "proxy certificates not allowed",
        Agrees,
    ),
];

#[test]
fn a_certificate_is_used_only_for_what_it_is_for_in_netscapes_words_too() {
    hold("purposes", PURPOSES);
}

const LENGTHS: &[Rule] = &[
    ("0, with one authority below", |trio| limit(trio, vec![0]), "path length constraint exceeded", Agrees),
    ("1", |trio| limit(trio, vec![1]), "", Agrees),
    ("127", |trio| limit(trio, vec![127]), "", Agrees),
    ("128", |trio| limit(trio, magnitude(128)), "", Agrees),
    ("2147483647", |trio| limit(trio, magnitude(0x7fff_ffff)), "", Agrees),
    ("of forty bytes", |trio| limit(trio, vec![1; 40]), "", Agrees),
    ("below 0", |trio| limit(trio, vec![0xff]), "unable to get local issuer certificate", Agrees),
];

fn limit(trio: &mut Trio, contents: Vec<u8>) {
    trio.root.put(BASIC, true, sequence(&[boolean(true), value(0x02, contents)]));
}

#[test]
fn a_path_length_is_read_whatever_its_size() {
    hold("path-lengths", LENGTHS);
}
