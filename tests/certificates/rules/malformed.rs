//! What is malformed somewhere in a certificate.

use super::Openssl::{Agrees, Trusts};
use super::{ADDRESS, DIRECTORY, DNS, Rule, exclude, hold};
use crate::support::der::{bits, integer, null, oid, sequence, value};
use crate::support::forge::{
    ALT_NAME, AUTHORITY_KEY, CONSTRAINTS, EXTENDED, KEY_USAGE, SUBJECT_KEY, utc_time,
};

const MALFORMED: &[Rule] = &[
    (
        "an alternative name beside a good one",
        |trio| trio.leaf.put(ALT_NAME, false, sequence(&[value(DNS, "db.example.com"), value(0x89, "x")])),
        "the certificate can't be read",
        Agrees,
    ),
    (
        "a directory name beside a good name",
        |trio| {
            trio.leaf.put(
                ALT_NAME,
                false,
                sequence(&[value(DNS, "db.example.com"), value(DIRECTORY, null())]),
            );
        },
        "the certificate can't be read",
        Agrees,
    ),
    (
        "a usage after the good one",
        |trio| trio.leaf.put(EXTENDED, false, sequence(&[oid("1.3.6.1.5.5.7.3.1"), value(0x06, [0x80])])),
        "the certificate can't be read",
        Agrees,
    ),
    (
        "a server's limits on names",
        |trio| trio.leaf.put(CONSTRAINTS, false, sequence(&[null()])),
        "the certificate can't be read",
        Agrees,
    ),
    (
        "a key usage of more unused bits than there are",
        |trio| trio.leaf.put(KEY_USAGE, false, bits(8, &[0x80])),
        "the certificate can't be read",
        Agrees,
    ),
    (
        "a key usage all of whose bits are unused",
        |trio| trio.leaf.put(KEY_USAGE, false, bits(7, &[0x40])),
        "the certificate can't be read",
        Agrees,
    ),
    (
        "a key's identifier",
        |trio| trio.leaf.put(SUBJECT_KEY, false, null()),
        "the certificate can't be read",
        Agrees,
    ),
    (
        "an issuer's key's identifier",
        |trio| trio.leaf.put(AUTHORITY_KEY, false, sequence(&[integer(1)])),
        "the certificate can't be read",
        Agrees,
    ),
    (
        "an authority's key's identifier",
        |trio| trio.authority.put(SUBJECT_KEY, false, null()),
        "unable to get local issuer certificate",
        Agrees,
    ),
    (
        "two of one kind",
        |trio| trio.leaf.extensions.push((ALT_NAME, false, sequence(&[value(DNS, "db.example.com")]))),
        "the certificate can't be read",
        Agrees,
    ),
    (
        "two of a kind that says nothing here",
        |trio| trio.leaf.extensions.extend([("1.2.3", false, null()), ("1.2.3", false, null())]),
        "",
        Agrees,
    ),
    (
        "an excluded network of half an address",
        |trio| {
            exclude(trio, value(ADDRESS, [10, 0, 0, 255, 0, 0]));
            trio.leaf.put(ALT_NAME, false, sequence(&[value(ADDRESS, [10, 0, 0, 1])]));
        },
        "unsupported or invalid name syntax",
        Agrees,
    ),
    (
        "an address of nine bytes",
        |trio| {
            exclude(trio, value(ADDRESS, [10, 0, 0, 0, 255, 0, 0, 0]));
            trio.leaf.put(ALT_NAME, false, sequence(&[value(ADDRESS, [1; 9])]));
        },
        "unsupported or invalid name syntax",
        Agrees,
    ),
    (
        "a certificate of two signature algorithms",
        |trio| trio.leaf.has_one_algorithm = false,
        "certificate signature failure",
        Agrees,
    ),
    (
        "networks' numbers",
        |trio| trio.leaf.put("1.3.6.1.5.5.7.1.7", false, sequence(&[])),
        "unhandled critical extension",
        Trusts,
    ),
    (
        "the thirtieth of February",
        |trio| trio.leaf.not_before = utc_time("240230000000Z"),
        "the certificate can't be read",
        Agrees,
    ),
];

#[test]
fn what_is_malformed_in_an_extension_is_refused_wherever_it_stands() {
    hold("malformed", MALFORMED);
}
