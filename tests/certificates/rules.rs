//! What makes a certificate be trusted or refused, rule by rule, with `openssl verify` as the second judge.

mod limits;
mod lists;
mod malformed;
mod names;
mod purposes;
mod unsupported;

use crate::support::der::{boolean, sequence, value};
use crate::support::forge::judges::{Chain, heimdall, openssl};
use crate::support::forge::{
    ALT_NAME, BASIC, COMMON_NAME, CONSTRAINTS, Draft, ListDraft, ORGANIZATION, UTF8, name,
};
use crate::support::pki::Pki;

/// A root, an authority below it, and a server's certificate by that; no lists.
struct Trio {
    root: Draft,
    authority: Draft,
    leaf: Draft,
    lists: Vec<ListDraft>,
}

impl Trio {
    fn new() -> Trio {
        let root_name = name(&[(ORGANIZATION, UTF8, b"Acme Corp"), (COMMON_NAME, UTF8, b"Root")]);
        let authority_name = name(&[(ORGANIZATION, UTF8, b"Acme Corp"), (COMMON_NAME, UTF8, b"Authority")]);
        let leaf_name = name(&[(ORGANIZATION, UTF8, b"Acme Corp"), (COMMON_NAME, UTF8, b"db.example.com")]);
        let mut root = Draft::new(root_name.clone(), 0, root_name.clone(), 0);
        let mut authority = Draft::new(authority_name.clone(), 1, root_name, 0);
        let mut leaf = Draft::new(leaf_name, 2, authority_name, 1);
        for authority in [&mut root, &mut authority] {
            authority.put(BASIC, true, sequence(&[boolean(true)]));
        }
        leaf.put(ALT_NAME, false, sequence(&[value(0x82, "db.example.com")]));
        leaf.serial = 3;
        authority.serial = 2;
        Trio { root, authority, leaf, lists: Vec::new() }
    }

    /// With a list of each issuer that has nobody on it.
    fn with_lists() -> Trio {
        let mut trio = Trio::new();
        trio.lists = vec![trio.list(), ListDraft::new(trio.root.subject.clone(), 0)];
        trio
    }

    /// A list of the authority.
    fn list(&self) -> ListDraft {
        ListDraft::new(self.authority.subject.clone(), 1)
    }

    fn chain(&self) -> Chain {
        Chain {
            leaf: self.leaf.sign(),
            leaf_key: self.leaf.key,
            sent: vec![self.authority.sign()],
            roots: vec![self.root.sign()],
            crls: self.lists.iter().map(ListDraft::sign).collect(),
            ..Chain::default()
        }
    }
}

/// Whether OpenSSL says the same.
#[derive(Clone, Copy, PartialEq)]
enum Openssl {
    Agrees,
    /// It trusts what heimdall refuses, in some versions at least; docs/connecting.md says so.
    Trusts,
}

/// What is done to the trio, and what is said of it: `""` if it is trusted.
type Rule = (&'static str, fn(&mut Trio), &'static str, Openssl);

fn hold(folder: &str, rules: &[Rule]) {
    hold_from(folder, Trio::new, rules);
}

fn hold_from(folder: &str, start: fn() -> Trio, rules: &[Rule]) {
    let pki = Pki::new(folder);
    for (what, change, expected, agrees) in rules {
        let mut trio = start();
        change(&mut trio);
        let chain = trio.chain();
        let said = heimdall(&chain).map_or_else(|error| error.to_string(), |()| String::new());
        assert_eq!(said, *expected, "{what}");
        let theirs = openssl(&pki.path(""), &chain);
        let fits = *agrees == Openssl::Trusts || theirs.is_ok() == expected.is_empty();
        assert!(fits, "{what}: openssl {theirs:?}");
    }
}

/// One relative name for each.
fn named(attributes: &[(u8, &str)]) -> Vec<u8> {
    let kinds = [ORGANIZATION, COMMON_NAME];
    let attributes = attributes.iter().zip(kinds).map(|((tag, text), kind)| (kind, *tag, text.as_bytes()));
    name(&attributes.collect::<Vec<_>>())
}

fn subtrees(permitted: &[Vec<u8>], excluded: &[Vec<u8>]) -> Vec<u8> {
    let list = |tag: u8, bases: &[Vec<u8>]| match bases {
        [] => Vec::new(),
        bases => value(
            tag,
            bases.iter().map(|base| sequence(std::slice::from_ref(base))).collect::<Vec<_>>().concat(),
        ),
    };
    sequence(&[list(0xa0, permitted), list(0xa1, excluded)])
}

fn permit(trio: &mut Trio, base: Vec<u8>) {
    trio.authority.put(CONSTRAINTS, true, subtrees(&[base], &[]));
}

fn exclude(trio: &mut Trio, base: Vec<u8>) {
    trio.authority.put(CONSTRAINTS, true, subtrees(&[], &[base]));
}

fn alternatives(trio: &mut Trio, names: &[(u8, &str)]) {
    let names: Vec<_> = names.iter().map(|(tag, text)| value(*tag, text)).collect();
    trio.leaf.put(ALT_NAME, false, sequence(&names));
}

const EMAIL: u8 = 0x81;
const DNS: u8 = 0x82;
const DIRECTORY: u8 = 0xa4;
const URI: u8 = 0x86;
const ADDRESS: u8 = 0x87;

const BMP: u8 = 0x1e;
const TELETEX: u8 = 0x14;
