//! Chains that are made to keep a client busy, each as large as a TLS message may be.

use super::judges::Chain;
use super::{ALT_NAME, BASIC, COMMON_NAME, CONSTRAINTS, Draft, UTF8, keys, name};
use crate::support::der::{boolean, null, sequence, value};

/// The largest that fits into one message of the handshake, 64 KiB.
const LIMIT: usize = 65_000;

/// What each is, and the chain.
pub fn chains() -> Vec<(&'static str, Chain)> {
    vec![
        ("ordinary", built(&mut [authority(1, 0), leaf(2, 1)], 0)),
        ("names and limits below no authority", names_and_limits_below_no_authority()),
        ("names and limits below an authority", names_and_limits(900, &[900])),
        ("names and limits below several authorities", names_and_limits(140, &[1000; 6])),
        ("more names and limits than are compared", names_and_limits(1300, &[1300])),
        ("long names that differ at the end", long_names()),
        ("addresses and limits for them", addresses()),
        ("wildcards and long limits", wildcards()),
        ("long mailboxes and limits for them", mailboxes()),
        ("many issuers that look alike", look_alikes()),
        ("many extensions", extensions()),
        ("many alternative names", alternative_names()),
        ("a subject of many attributes", attributes()),
        ("the longest chain, of RSA", long_chain(RSA, 20)),
        ("the longest chain, of P-384", long_chain(P384, 20)),
        ("a chain that is too long", long_chain(P384, 100)),
    ]
}

const P384: usize = 6;
const RSA: usize = 9;

fn common_name(text: &str) -> Vec<u8> {
    name(&[(COMMON_NAME, UTF8, text.as_bytes())])
}

fn title(at: usize) -> Vec<u8> {
    common_name(&format!("authority {at}"))
}

/// The authority at this place by the one at another, each with a key of its own.
fn authority(at: usize, by: usize) -> Draft {
    let mut draft = Draft::new(title(at), at % keys().len(), title(by), by % keys().len());
    draft.put(BASIC, true, sequence(&[boolean(true)]));
    draft.serial = at as u64 + 1;
    draft
}

/// The server's certificate.
fn leaf(at: usize, by: usize) -> Draft {
    let mut draft =
        Draft::new(common_name("db.example.com"), at % keys().len(), title(by), by % keys().len());
    draft.put(ALT_NAME, false, sequence(&[value(0x82, "db.example.com")]));
    draft.serial = at as u64 + 1;
    draft
}

/// Of authorities below a root, the server's certificate last.
fn built(drafts: &mut [Draft], root: usize) -> Chain {
    let (leaf, authorities) = drafts.split_last().unwrap();
    let mut root = authority(root, root);
    root.serial = 1;
    let chain = Chain {
        leaf: leaf.sign(),
        leaf_key: leaf.key,
        sent: authorities.iter().rev().map(Draft::sign).collect(),
        roots: vec![root.sign()],
        ..Chain::default()
    };
    let size = chain.leaf.len() + chain.sent.iter().map(Vec::len).sum::<usize>();
    assert!(size < LIMIT, "{size}");
    chain
}

/// Short names, all of them other than all limits.
fn dns_names(count: usize) -> Vec<u8> {
    let names = (0..count).map(|at| value(0x82, format!("{at:x}.b"))).collect::<Vec<_>>();
    sequence(&names)
}

fn limits(count: usize) -> Vec<u8> {
    let bases = (0..count).map(|at| sequence(&[value(0x82, format!("{at:x}.c"))])).collect::<Vec<_>>();
    sequence(&[value(0xa1, bases.concat())])
}

/// Anyone who has an ordinary certificate can issue more below it, which no one should look at.
fn names_and_limits_below_no_authority() -> Chain {
    let mut drafts = vec![leaf(1, 0)];
    drafts[0].subject = title(1);
    for copy in 0..8 {
        let mut issuer = leaf(2, 1);
        issuer.subject = title(2);
        issuer.serial += copy;
        issuer.put(CONSTRAINTS, false, limits(320));
        drafts.push(issuer);
    }
    let mut server = leaf(3, 2);
    server.put(ALT_NAME, false, dns_names(2500));
    drafts.push(server);
    built(&mut drafts, 0)
}

fn names_and_limits(names: usize, of_authorities: &[usize]) -> Chain {
    let mut drafts: Vec<_> = of_authorities.iter().enumerate().map(|(at, _)| authority(at + 1, at)).collect();
    for (draft, count) in drafts.iter_mut().zip(of_authorities) {
        draft.put(CONSTRAINTS, true, limits(*count));
    }
    let last = drafts.len();
    let mut server = leaf(last + 1, last);
    server.put(ALT_NAME, false, dns_names(names));
    drafts.push(server);
    built(&mut drafts, 0)
}

fn long_names() -> Chain {
    let text = |at: usize, end: &str| format!("{at:02x}{}.{end}", "A".repeat(90));
    below_limits(
        (0..300).map(|at| value(0x82, text(at, "b"))),
        (0..300).map(|at| value(0x82, &text(at, "c")[2..])),
    )
}

/// Networks of one address each, which differ at the end.
fn addresses() -> Chain {
    let address = |at: u16| [&[0x20; 14][..], &at.to_be_bytes()].concat();
    below_limits(
        (0..1250).map(|at| value(0x87, address(at))),
        (5000..5820).map(|at| value(0x87, [address(at), vec![0xff; 16]].concat())),
    )
}

fn wildcards() -> Chain {
    below_limits(
        (0..2800).map(|_| value(0x82, "*.b")),
        (0..370).map(|at| value(0x82, format!("{}{at:03x}.a.b", "a".repeat(60)))),
    )
}

fn mailboxes() -> Chain {
    let text = |at: usize| value(0x81, format!("{}{at:03x}@b", "a".repeat(20)));
    below_limits((0..1000).map(text), (1000..2000).map(text))
}

/// Of a server whose names are none of those that are excluded.
fn below_limits(names: impl Iterator<Item = Vec<u8>>, bases: impl Iterator<Item = Vec<u8>>) -> Chain {
    let mut above = authority(1, 0);
    let bases: Vec<_> = bases.map(|base| sequence(&[base])).collect();
    above.put(CONSTRAINTS, true, sequence(&[value(0xa1, bases.concat())]));
    let mut server = leaf(2, 1);
    server.put(ALT_NAME, false, sequence(&names.collect::<Vec<_>>()));
    built(&mut [above, server], 0)
}

fn look_alikes() -> Chain {
    let mut drafts: Vec<_> = (0..180)
        .map(|copy| {
            let mut draft = authority(1, 0);
            draft.serial += copy;
            draft.has_good_signature = false;
            draft
        })
        .collect();
    drafts.push(leaf(2, 1));
    built(&mut drafts, 0)
}

fn extensions() -> Chain {
    let mut server = leaf(2, 1);
    let kinds: Vec<String> = (0..4800).map(|at| format!("1.2.{at}")).collect();
    // A test's memory is not worth a lifetime.
    server.extensions.extend(kinds.into_iter().map(|kind| (&*kind.leak(), false, Vec::new())));
    built(&mut [authority(1, 0), server], 0)
}

fn alternative_names() -> Chain {
    let mut above = authority(1, 0);
    above.put(CONSTRAINTS, true, limits(8));
    let mut server = leaf(2, 1);
    server.put(ALT_NAME, false, sequence(&vec![value(0x82, []); 31_000]));
    built(&mut [above, server], 0)
}

fn attributes() -> Chain {
    let mut server = leaf(2, 1);
    let many: Vec<_> = (0..4400).map(|_| (COMMON_NAME, UTF8, &b"a"[..])).collect();
    server.subject = name(&many);
    server.put("1.2.3", false, null());
    built(&mut [authority(1, 0), server], 0)
}

/// Of so many certificates, root and server's included, all of one key.
fn long_chain(key: usize, length: usize) -> Chain {
    let mut drafts: Vec<_> = (1..length - 1).map(|at| authority(at, at - 1)).collect();
    drafts.push(leaf(length - 1, length - 2));
    for draft in &mut drafts {
        (draft.key, draft.signer) = (key, key);
    }
    let mut root = authority(0, 0);
    (root.key, root.signer) = (key, key);
    let mut chain = built(&mut drafts, 0);
    chain.roots = vec![root.sign()];
    chain
}
