//! Which revocation list is asked, and what it says.

use super::Openssl::{Agrees, Trusts};
use super::{Rule, Trio, hold_from};
use crate::support::der::{bits, integer, null, octets, sequence, value};
use crate::support::forge::{AUTHORITY_KEY, KEY_USAGE, LIST_SCOPE, REASON, SUBJECT_KEY, extension, utc_time};

const LISTS: &[Rule] = &[
    ("nobody is revoked", |_| {}, "", Agrees),
    ("it is revoked", |trio| trio.lists[0].revoked = vec![(3, vec![])], "certificate revoked", Agrees),
    (
        "it is listed because it no longer is revoked",
        |trio| trio.lists[0].revoked = vec![(3, vec![extension(REASON, false, value(0x0a, [8]))])],
        "",
        Agrees,
    ),
    (
        "it was revoked in an older list",
        |trio| {
            let mut older = trio.list();
            older.this_update = utc_time("230101000000Z");
            older.revoked = vec![(3, vec![])];
            trio.lists.insert(0, older);
        },
        "",
        Agrees,
    ),
    (
        "it was revoked in a list that has expired",
        |trio| {
            let mut older = trio.list();
            older.this_update = utc_time("250101000000Z");
            older.next_update = Some(utc_time("260101000000Z"));
            older.revoked = vec![(3, vec![])];
            trio.lists.push(older);
        },
        "",
        Agrees,
    ),
    (
        "it has been revoked in a newer list",
        |trio| {
            let mut newer = trio.list();
            newer.this_update = utc_time("250101000000Z");
            newer.revoked = vec![(3, vec![])];
            trio.lists.push(newer);
        },
        "certificate revoked",
        Agrees,
    ),
    (
        "a list that begins with this second",
        |trio| trio.lists[0].this_update = utc_time("270115080000Z"),
        "",
        Agrees,
    ),
    (
        "a list that ends with this second",
        |trio| trio.lists[0].next_update = Some(utc_time("270115080000Z")),
        "CRL has expired",
        Agrees,
    ),
    ("a list of servers only", |trio| scope(trio, 0x81), "", Agrees),
    ("a list of authorities only", |trio| scope(trio, 0x82), "different CRL scope", Agrees),
    ("a list of attributes only", |trio| scope(trio, 0x85), "different CRL scope", Agrees),
    ("a list for all issuers", |trio| scope(trio, 0x84), "unable to get certificate CRL", Agrees),
    (
        "the change to a list",
        |trio| {
            let numbers =
                [extension("2.5.29.20", false, integer(2)), extension("2.5.29.27", true, integer(1))];
            trio.lists[0].extensions.extend(numbers);
        },
        "unhandled critical CRL extension",
        Trusts,
    ),
    (
        "a list with an unknown demand",
        |trio| trio.lists[0].extensions.push(extension("1.2.3", true, null())),
        "unhandled critical CRL extension",
        Agrees,
    ),
    (
        "a list of another key",
        |trio| {
            trio.authority.put(SUBJECT_KEY, false, octets([1]));
            trio.lists[0].extensions.push(extension(AUTHORITY_KEY, false, sequence(&[value(0x80, [2])])));
        },
        "unable to get certificate CRL",
        Agrees,
    ),
    (
        "an issuer that may not sign lists",
        |trio| trio.authority.put(KEY_USAGE, true, bits(2, &[0x04])),
        "key usage does not include CRL signing",
        Agrees,
    ),
    (
        "a list with a bad signature",
        |trio| trio.lists[0].has_good_signature = false,
        "CRL signature failure",
        Agrees,
    ),
];

fn scope(trio: &mut Trio, flag: u8) {
    trio.lists[0].extensions.push(extension(LIST_SCOPE, true, sequence(&[value(flag, [0xff])])));
}

#[test]
fn the_newest_list_in_force_for_a_certificate_decides() {
    hold_from("newest-list", Trio::with_lists, LISTS);
}
