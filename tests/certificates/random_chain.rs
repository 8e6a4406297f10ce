//! Chains by chance: a good one, with some things done to it that may or may not matter.

mod extensions;
mod lists;
mod names;
mod shape;

use crate::support::der::{bits, boolean, octets, oid, sequence, set, value};
use crate::support::dice::Dice;
use crate::support::forge::judges::Chain;
use crate::support::forge::{
    ALT_NAME, AUTHORITY_KEY, BASIC, COMMON_NAME, Draft, EXTENDED, KEY_USAGE, ListDraft, ORGANIZATION,
    SUBJECT_KEY, keys,
};

/// Attributes of a name: kind and text.
type Name = Vec<(&'static str, String)>;

/// `serverAuth`, `clientAuth`, any, Microsoft's and Netscape's SGC, and one of no one's.
const USAGES: [&str; 6] = [
    "1.3.6.1.5.5.7.3.1",
    "1.3.6.1.5.5.7.3.2",
    "2.5.29.37.0",
    "1.3.6.1.4.1.311.10.3.3",
    "2.16.840.1.113730.4.1",
    "1.2.3.4.5",
];

/// A chain, decided by the dice.
pub fn random(dice: &mut Dice) -> Chain {
    let mut maker = Maker {
        dice,
        nodes: Vec::new(),
        names: Vec::new(),
        extra: Vec::new(),
        story: Vec::new(),
        trusted: vec![0],
        lists: Vec::new(),
        is_damaged: false,
    };
    maker.start();
    for _ in 0..*maker.dice.pick(&[0, 0, 1, 1, 1, 1, 1, 2, 2, 3]).unwrap() {
        maker.change();
    }
    if maker.dice.below(6) == 0 {
        maker.revoke();
    }
    maker.finish()
}

struct Maker<'a> {
    dice: &'a mut Dice,
    /// The root, authorities below it, the server last.
    nodes: Vec<Draft>,
    names: Vec<Name>,
    /// Sent too.
    extra: Vec<Draft>,
    story: Vec<String>,
    /// Which of the nodes are in the root file.
    trusted: Vec<usize>,
    lists: Vec<ListDraft>,
    is_damaged: bool,
}

impl Maker<'_> {
    fn start(&mut self) {
        let length = match self.dice.below(20) {
            0 => self.dice.below(58) as usize + 2,
            1 => 1,
            _ => self.dice.below(3) as usize + 2,
        };
        for at in 0..length {
            let common =
                if at + 1 == length { "db.example.com".to_owned() } else { format!("Authority {at}") };
            self.names.push(vec![(ORGANIZATION, "Acme Corp".to_owned()), (COMMON_NAME, common)]);
        }
        for at in 0..length {
            let node = self.node(at, at.saturating_sub(1));
            self.nodes.push(node);
        }
    }

    /// A good certificate for the name and key at `at`, issued by the one at `issuer`.
    fn node(&mut self, at: usize, issuer: usize) -> Draft {
        let (subject, issuer_name) =
            (self.spelled(&self.names[at].clone()), self.spelled(&self.names[issuer].clone()));
        let mut node = Draft::new(subject, Self::key(at), issuer_name, Self::key(issuer));
        node.serial = at as u64 + 1;
        if at + 1 == self.names.len() {
            if self.dice.below(10) > 0 {
                let names = sequence(&[value(0x82, "db.example.com")]);
                node.put(ALT_NAME, false, names);
            }
            if self.dice.below(2) == 0 {
                node.put(EXTENDED, false, sequence(&[oid(USAGES[0])]));
            }
            if self.dice.below(2) == 0 {
                node.put(KEY_USAGE, true, bits(7, &[0x80]));
            }
        } else {
            node.put(BASIC, true, sequence(&[boolean(true)]));
            if self.dice.below(3) > 0 {
                node.put(KEY_USAGE, true, bits(1, &[0x06]));
            }
        }
        if self.dice.below(2) == 0 {
            node.put(SUBJECT_KEY, false, octets(Self::key_id(at)));
        }
        if self.dice.below(2) == 0 {
            node.put(AUTHORITY_KEY, false, sequence(&[value(0x80, Self::key_id(issuer))]));
        }
        node
    }

    fn key(at: usize) -> usize {
        at % keys().len()
    }

    fn key_id(at: usize) -> [u8; 2] {
        [7, at as u8]
    }

    /// A name in DER, each attribute in one of the ways of writing the same.
    fn spelled(&mut self, name: &Name) -> Vec<u8> {
        let is_plain = self.dice.below(2) == 0;
        let mut relative = Vec::new();
        for (kind, text) in name {
            let (tag, text) = if is_plain { (0x0c, text.clone().into_bytes()) } else { self.spelling(text) };
            relative.push(set(&[sequence(&[oid(kind), value(tag, text)])]));
        }
        sequence(&relative)
    }

    fn spelling(&mut self, text: &str) -> (u8, Vec<u8>) {
        let text = match self.dice.below(5) {
            0 => text.to_uppercase(),
            1 => format!("  {} ", text.replace(' ', "   ")),
            2 => text.replace(' ', "\t"),
            _ => text.to_owned(),
        };
        match *self.dice.pick(&[0x0c, 0x0c, 0x13, 0x14, 0x16, 0x1e, 0x1c]).unwrap() {
            0x1e => (0x1e, text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
            0x1c => (0x1c, text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect()),
            tag => (tag, text.into_bytes()),
        }
    }

    fn tell(&mut self, what: impl Into<String>) {
        self.story.push(what.into());
    }

    /// One of the certificates: the server's as often as all others.
    fn somewhere(&mut self) -> usize {
        let last = self.nodes.len() - 1;
        if self.dice.below(2) == 0 { last } else { self.dice.below(last as u64 + 1) as usize }
    }

    /// One of the authorities, if there are any.
    fn authority(&mut self) -> usize {
        self.dice.below((self.nodes.len() - 1).max(1) as u64) as usize
    }

    fn put(&mut self, at: usize, kind: &'static str, is_critical: bool, der: Vec<u8>) {
        self.tell(format!("{at} has {kind} {is_critical} {}", hex(&der)));
        self.nodes[at].put(kind, is_critical, der);
    }

    /// Does one thing that may matter.
    fn change(&mut self) {
        match self.dice.below(26) {
            0 => self.time(),
            1 => self.version(),
            2 => self.basic_constraints(),
            3 => self.key_usage(),
            4 => self.extended_key_usage(),
            5 => self.netscape_type(),
            6 => self.other_extension(),
            7 => self.key_identifiers(),
            8..=13 => self.name_constraints(),
            14 | 15 => self.alternative_names(),
            16 => self.subject(),
            17 => self.signature(),
            18 => self.twin(),
            19 => self.cross_sign(),
            20 => self.detour(),
            21 => self.trust(),
            22 => self.order(),
            23 => self.leave_out(),
            24 => self.damage(),
            _ => self.wrong_name(),
        }
    }

    fn finish(self) -> Chain {
        let certificates: Vec<_> = self.nodes.iter().map(Draft::sign).collect();
        let roots = self.trusted.iter().map(|at| certificates[*at].clone()).collect();
        let last = certificates.len() - 1;
        let mut sent: Vec<_> = certificates[..last].iter().rev().cloned().collect();
        if self.dice.below(2) == 0 {
            // The root need not be sent.
            sent.pop();
        }
        sent.extend(self.extra.iter().map(Draft::sign));
        if self.dice.below(4) == 0 {
            self.dice.shuffle(&mut sent);
        }
        let crls = self.lists.iter().map(ListDraft::sign).collect();
        let leaf_key = self.nodes[last].key;
        Chain {
            leaf: certificates[last].clone(),
            leaf_key,
            sent,
            roots,
            crls,
            is_damaged: self.is_damaged,
            story: self.story,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}
