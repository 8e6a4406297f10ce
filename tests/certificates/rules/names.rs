//! Which names are the same, and which key is the issuer's.

use super::Openssl::Agrees;
use super::{BMP, DIRECTORY, Rule, TELETEX, exclude, hold, named, permit};
use crate::support::der::{octets, sequence, value};
use crate::support::forge::{AUTHORITY_KEY, ListDraft, PRINTABLE, SUBJECT_KEY, UTF8};

const SPELLINGS: &[Rule] = &[
    (
        "an issuer in another case",
        |trio| trio.leaf.issuer = named(&[(UTF8, "ACME corp"), (UTF8, "authority")]),
        "",
        Agrees,
    ),
    (
        "an issuer in other string types",
        |trio| {
            let name: Vec<u8> = "Authority".encode_utf16().flat_map(u16::to_be_bytes).collect();
            let name = String::from_utf8(name).unwrap();
            trio.leaf.issuer = named(&[(PRINTABLE, "Acme Corp"), (BMP, &name)]);
        },
        "",
        Agrees,
    ),
    (
        "an issuer with more blanks",
        |trio| trio.leaf.issuer = named(&[(UTF8, "  Acme \t Corp "), (TELETEX, "Authority")]),
        "",
        Agrees,
    ),
    (
        "an issuer with fewer blanks",
        |trio| trio.leaf.issuer = named(&[(UTF8, "AcmeCorp"), (UTF8, "Authority")]),
        "unable to get local issuer certificate",
        Agrees,
    ),
    (
        "a root that spells itself in two ways",
        |trio| trio.root.issuer = named(&[(PRINTABLE, "acme corp"), (UTF8, "ROOT")]),
        "",
        Agrees,
    ),
    (
        "excluded in another case, type and number of blanks",
        |trio| exclude(trio, value(DIRECTORY, named(&[(PRINTABLE, "ACME   CORP")]))),
        "excluded subtree violation",
        Agrees,
    ),
    (
        "permitted in another case, type and number of blanks",
        |trio| {
            permit(trio, value(DIRECTORY, named(&[(PRINTABLE, " acme corp"), (TELETEX, "DB.example.com")])));
        },
        "",
        Agrees,
    ),
    (
        "permitted is another",
        |trio| permit(trio, value(DIRECTORY, named(&[(UTF8, "Acme Corporation")]))),
        "permitted subtree violation",
        Agrees,
    ),
    (
        "a list whose issuer is spelled in another way",
        |trio| {
            let mut list = ListDraft::new(named(&[(PRINTABLE, "ACME  corp"), (UTF8, " authority")]), 1);
            list.revoked = vec![(3, vec![])];
            trio.lists = vec![list, ListDraft::new(trio.root.subject.clone(), 0)];
        },
        "certificate revoked",
        Agrees,
    ),
];

#[test]
fn names_are_the_same_in_every_string_type_case_and_number_of_blanks() {
    hold("names-same", SPELLINGS);
}

const KEYS: &[Rule] = &[
    (
        "it is",
        |trio| {
            trio.authority.put(SUBJECT_KEY, false, octets([1, 2]));
            trio.leaf.put(AUTHORITY_KEY, false, sequence(&[value(0x80, [1, 2])]));
        },
        "",
        Agrees,
    ),
    (
        "it is another",
        |trio| {
            trio.authority.put(SUBJECT_KEY, false, octets([1, 2]));
            trio.leaf.put(AUTHORITY_KEY, false, sequence(&[value(0x80, [1, 3])]));
        },
        "unable to get local issuer certificate",
        Agrees,
    ),
    (
        "the certificate is another",
        |trio| trio.leaf.put(AUTHORITY_KEY, false, sequence(&[value(0x82, [7])])),
        "unable to get local issuer certificate",
        Agrees,
    ),
];

#[test]
fn the_key_that_is_named_as_the_issuers_has_to_be_its_key() {
    hold("key-identifiers", KEYS);
}
