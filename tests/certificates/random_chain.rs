//! Chains by chance: a good one, with some things done to it that may or may not matter.

use crate::support::der::{
    bits, boolean, integer, magnitude, null, octets, oid, oid_contents, sequence, set, value,
};
use crate::support::dice::Dice;
use crate::support::forge::judges::Chain;
use crate::support::forge::{
    ALT_NAME, AUTHORITY_KEY, BASIC, COMMON_NAME, CONSTRAINTS, Draft, EMAIL_ADDRESS, EXTENDED, KEY_USAGE,
    ListDraft, NETSCAPE, ORGANIZATION, POINTS, SUBJECT_KEY, extension, generalized_time, keys, utc_time,
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

    fn time(&mut self) {
        let at = self.somewhere();
        let times = [
            (utc_time("200101000000Z"), utc_time("210101000000Z")),
            (generalized_time("20800101000000Z"), generalized_time("20900101000000Z")),
            (utc_time("500101000000Z"), generalized_time("99991231235959Z")),
            (utc_time("2001010000Z"), utc_time("400101000000Z")),
            (utc_time("200101000000+0000"), utc_time("400101000000Z")),
            (generalized_time("20200101000000.5Z"), utc_time("400101000000Z")),
            (utc_time("200230000000Z"), utc_time("400101000000Z")),
            (value(0x0c, "200101000000Z"), utc_time("400101000000Z")),
        ];
        let (from, to) = self.dice.pick(&times).unwrap().clone();
        self.tell(format!("{at} is valid from {} to {}", hex(&from), hex(&to)));
        (self.nodes[at].not_before, self.nodes[at].not_after) = (from, to);
    }

    fn version(&mut self) {
        let at = self.somewhere();
        let version = *self.dice.pick(&[None, Some(0), Some(1), Some(7)]).unwrap();
        self.tell(format!("{at} is of version {version:?}"));
        self.nodes[at].version = version;
        if self.dice.below(2) == 0 {
            self.tell("without extensions");
            self.nodes[at].extensions.clear();
        }
    }

    fn basic_constraints(&mut self) {
        let at = self.somewhere();
        let length = |contents: Vec<u8>| sequence(&[boolean(true), value(0x02, contents)]);
        let values = [
            sequence(&[]),
            sequence(&[boolean(true)]),
            sequence(&[boolean(false)]),
            sequence(&[value(0x01, [1])]),
            sequence(&[integer(0)]),
            length(vec![0]),
            length(vec![1]),
            length(vec![2]),
            length(vec![0x7f]),
            length(magnitude(128)),
            length(magnitude(300)),
            length(magnitude(0x7fff_ffff)),
            length(magnitude(u64::MAX)),
            length(vec![1; 40]),
            length(vec![0xff]),
            length(vec![0, 1]),
            length(vec![]),
            sequence(&[boolean(true), octets([])]),
            null(),
        ];
        let der = self.dice.pick(&values).unwrap().clone();
        let is_critical = self.dice.below(2) == 0;
        if self.dice.below(6) == 0 {
            self.tell(format!("{at} does not say whether it is an authority"));
            self.nodes[at].without(&[BASIC]);
        } else {
            self.put(at, BASIC, is_critical, der);
        }
    }

    fn key_usage(&mut self) {
        let at = self.somewhere();
        let octet = 1_u8 << self.dice.below(8);
        let values = [
            bits(0, &[octet]),
            bits(0, &[octet, 0x80]),
            bits(0, &[octet | 0x06]),
            bits(0, &[octet | 0x80]),
            bits(7, &[octet]),
            bits(3, &[octet]),
            bits(8, &[octet]),
            bits(0, &[0]),
            bits(0, &[0, 0x80]),
            bits(7, &[0, 0x80]),
            bits(0, &[]),
            value(0x03, []),
            octets([octet]),
        ];
        let der = self.dice.pick(&values).unwrap().clone();
        self.put(at, KEY_USAGE, true, der);
    }

    fn extended_key_usage(&mut self) {
        let at = self.somewhere();
        let count = self.dice.below(4);
        let mut usages: Vec<_> = (0..count).map(|_| oid(self.dice.pick(&USAGES).unwrap())).collect();
        match self.dice.below(8) {
            0 => usages.push(value(0x06, [])),
            1 => usages.push(value(0x06, [0x2a, 0x80])),
            2 => usages.push(integer(1)),
            _ => {}
        }
        let is_critical = self.dice.below(2) == 0;
        self.put(at, EXTENDED, is_critical, sequence(&usages));
    }

    fn netscape_type(&mut self) {
        let at = self.somewhere();
        let octet = 1_u8 << self.dice.below(8);
        let values = [
            bits(0, &[octet]),
            bits(7, &[octet]),
            bits(0, &[0x40 | octet]),
            bits(0, &[0xff]),
            bits(0, &[]),
            null(),
        ];
        let der = self.dice.pick(&values).unwrap().clone();
        let is_critical = self.dice.below(2) == 0;
        self.put(at, NETSCAPE, is_critical, der);
        if self.dice.below(2) == 0 {
            self.tell("and no basic constraints nor key usage");
            self.nodes[at].without(&[BASIC, KEY_USAGE]);
        }
    }

    fn other_extension(&mut self) {
        let at = self.somewhere();
        let kinds = [
            "1.2.3.4",
            "1.3.6.1.5.5.7.48.1.5",
            "2.5.29.32",
            "2.5.29.33",
            "2.5.29.36",
            "2.5.29.54",
            "2.5.29.9",
            "2.5.29.18",
            "2.5.29.46",
            "1.3.6.1.5.5.7.1.1",
            "1.3.6.1.5.5.7.1.14",
            "1.3.6.1.5.5.7.1.7",
            SUBJECT_KEY,
            AUTHORITY_KEY,
        ];
        let kind = self.dice.pick(&kinds).unwrap();
        let is_critical = self.dice.below(2) == 0;
        let der = match *kind {
            SUBJECT_KEY => octets(Self::key_id(at)),
            _ => sequence(&[]),
        };
        self.put(at, kind, is_critical, der);
        if self.dice.below(3) == 0 {
            self.tell("and an extension twice");
            let again = self.dice.pick(&self.nodes[at].extensions.clone()).unwrap().clone();
            self.tell(again.0);
            self.nodes[at].extensions.push(again);
        }
    }

    fn key_identifiers(&mut self) {
        let at = self.somewhere();
        let above = at.saturating_sub(1);
        if self.dice.below(4) == 0 {
            let values = [octets([9, 9]), octets([]), null(), octets(Self::key_id(at))];
            let der = self.dice.pick(&values).unwrap().clone();
            return self.put(at, SUBJECT_KEY, false, der);
        }
        let issuer = self.spelled(&self.names[above.saturating_sub(1)].clone());
        let own = self.spelled(&self.names[at].clone());
        let directory = |name: Vec<u8>| value(0xa1, value(0xa4, name));
        let values = [
            sequence(&[value(0x80, Self::key_id(above))]),
            sequence(&[value(0x80, [9, 9])]),
            sequence(&[directory(issuer.clone()), value(0x82, [above as u8 + 1])]),
            sequence(&[directory(issuer.clone()), value(0x82, [99])]),
            sequence(&[directory(own), value(0x82, [above as u8 + 1])]),
            sequence(&[value(0xa1, value(0x82, "x")), value(0x82, [above as u8 + 1])]),
            sequence(&[value(0x82, [above as u8 + 1])]),
            sequence(&[]),
            sequence(&[integer(1)]),
            sequence(&[value(0x82, [0, 1])]),
            null(),
        ];
        let der = self.dice.pick(&values).unwrap().clone();
        self.put(at, AUTHORITY_KEY, false, der);
    }

    fn name_constraints(&mut self) {
        let at = if self.dice.below(8) == 0 { self.somewhere() } else { self.authority() };
        let mut lists = Vec::new();
        for tag in [0xa0, 0xa1] {
            let count = *self.dice.pick(&[0, 1, 1, 2, 3]).unwrap();
            let subtrees: Vec<_> = (0..count).map(|_| self.subtree()).collect();
            if count > 0 {
                lists.push(value(tag, subtrees.concat()));
            }
        }
        if self.dice.below(20) == 0 {
            lists.push(value(0xa2, []));
        }
        let is_critical = self.dice.below(2) == 0;
        self.put(at, CONSTRAINTS, is_critical, sequence(&lists));
        if self.dice.below(2) == 0 {
            self.alternative_names();
        }
        if self.dice.below(4) == 0 {
            self.subject();
        }
    }

    fn subtree(&mut self) -> Vec<u8> {
        let mut fields = vec![self.base()];
        match self.dice.below(24) {
            0 => fields.push(value(0x80, [0])),
            1 => fields.push(value(0x80, [1])),
            2 => fields.push(value(0x81, [1])),
            3 => fields.push(value(0x80, [])),
            _ => {}
        }
        sequence(&fields)
    }

    /// The base of a subtree.
    fn base(&mut self) -> Vec<u8> {
        match self.dice.below(15) {
            0..=3 => value(
                0x82,
                self.dice
                    .pick(&[
                        "example.com",
                        "EXAMPLE.com",
                        ".example.com",
                        "db.example.com",
                        "ample.com",
                        "",
                        "org",
                        "a.example.com",
                    ])
                    .unwrap(),
            ),
            4 => value(
                0x81,
                self.dice
                    .pick(&[
                        "example.com",
                        ".example.com",
                        "ann@example.com",
                        "Ann@Example.com",
                        "@example.com",
                        "ann@",
                        "",
                    ])
                    .unwrap(),
            ),
            5 => value(0x86, self.dice.pick(&["example.com", ".example.com", "db.example.com", ""]).unwrap()),
            6 | 7 => {
                let bases: [&[u8]; 7] = [
                    &[10, 0, 0, 0, 255, 0, 0, 0],
                    &[10, 1, 0, 0, 255, 255, 0, 0],
                    &[0; 8],
                    &[0; 32],
                    &[10, 0, 0, 0],
                    &[],
                    &[10, 0, 0, 0, 255, 0, 0, 0, 0],
                ];
                value(0x87, self.dice.pick(&bases).unwrap())
            }
            8..=12 => {
                let mut name: Name = self.names[self.names.len() - 1].clone();
                match self.dice.below(6) {
                    0 => name.clear(),
                    1 => name.reverse(),
                    2 => drop(name.remove(0)),
                    3 => {}
                    _ => name.truncate(1),
                }
                let name = self.spelled(&name);
                value(0xa4, name)
            }
            13 => value(0x88, oid_contents("1.2.3")),
            _ => self.strange_name(),
        }
    }

    fn strange_name(&mut self) -> Vec<u8> {
        let mailbox = |address: &str| {
            value(0xa0, [oid("1.3.6.1.5.5.7.8.9"), value(0xa0, value(0x0c, address))].concat())
        };
        let names = [
            value(0xa0, [oid("1.2.3"), value(0xa0, value(0x0c, "x"))].concat()),
            value(0xa0, [oid("1.2.4"), value(0xa0, value(0x0c, "x"))].concat()),
            mailbox("ann@example.com"),
            value(0x88, oid_contents("1.2.3")),
            value(0x88, []),
            value(0xa5, value(0xa1, value(0x0c, "x"))),
            value(0xa5, []),
            value(0xa0, oid("1.2.3")),
            value(0x89, "x"),
            value(0xa4, []),
            value(0xa4, sequence(&[null()])),
            value(0x82, "ends early").split_last().unwrap().1.to_vec(),
        ];
        self.dice.pick(&names).unwrap().clone()
    }

    fn alternative_names(&mut self) {
        let at = if self.dice.below(4) == 0 { self.authority() } else { self.nodes.len() - 1 };
        let count = self.dice.below(4);
        let mut names: Vec<_> = (0..count).map(|_| self.alternative_name()).collect();
        if self.dice.below(8) == 0 {
            names.push(self.strange_name());
        }
        let is_critical = self.dice.below(4) == 0;
        self.put(at, ALT_NAME, is_critical, sequence(&names));
    }

    fn alternative_name(&mut self) -> Vec<u8> {
        match self.dice.below(9) {
            0..=2 => value(
                0x82,
                self.dice
                    .pick(&[
                        "db.example.com",
                        "DB.Example.COM",
                        "*.example.com",
                        "a.b.example.com",
                        "example.com",
                        "notexample.com",
                        "db.example.com.",
                        "",
                        "db.example.org",
                        ".example.com",
                        "db\0.example.com",
                    ])
                    .unwrap(),
            ),
            3 => value(
                0x81,
                self.dice
                    .pick(&[
                        "ann@example.com",
                        "ann@db.example.com",
                        "ANN@example.com",
                        "ann",
                        "a@b@example.com",
                        "",
                        "@example.com",
                    ])
                    .unwrap(),
            ),
            4 | 5 => value(
                0x86,
                self.dice
                    .pick(&[
                        "http://db.example.com/x",
                        "http://db.example.com:80/x",
                        "http://DB.example.com",
                        "http://ann@db.example.com/",
                        "http://example.com/a:b",
                        "urn:x",
                        "http://",
                        "http:///x",
                        "x",
                        "http://db.example.com?x",
                        "://db.example.com",
                        "http://[::1]/",
                    ])
                    .unwrap(),
            ),
            6 | 7 => {
                let addresses: [&[u8]; 6] =
                    [&[10, 1, 2, 3], &[11, 1, 2, 3], &[0; 16], &[1, 2, 3], &[10; 9], &[]];
                value(0x87, self.dice.pick(&addresses).unwrap())
            }
            _ => {
                let name = self.spelled(&self.names[self.names.len() - 1].clone());
                value(0xa4, name)
            }
        }
    }

    /// Another subject: common names and addresses of all kinds.
    fn subject(&mut self) {
        let at = self.nodes.len() - 1;
        let names = [
            "db.example.com",
            "dbhost",
            "my server",
            "*.example.com",
            "db_1.example.org",
            "-db.example.com",
            "db..example.com",
            "DB.EXAMPLE.COM",
            "db.example.com\0",
            "db\0.example.com",
            "",
        ];
        let mut relative = Vec::new();
        if self.dice.below(2) == 0 {
            let (tag, text) = self.spelling("Acme Corp");
            relative.push(set(&[sequence(&[oid(ORGANIZATION), value(tag, text)])]));
        }
        for _ in 0..self.dice.below(3) {
            let text = *self.dice.pick(&names).unwrap();
            let (tag, text) = if self.dice.below(2) == 0 { (0x0c, text.into()) } else { self.spelling(text) };
            relative.push(set(&[sequence(&[oid(COMMON_NAME), value(tag, text)])]));
        }
        if self.dice.below(3) == 0 {
            let (tag, text) = *self
                .dice
                .pick(&[
                    (0x16, "ann@example.com"),
                    (0x16, "ann"),
                    (0x0c, "ann@example.com"),
                    (0x16, "ann@other.org"),
                ])
                .unwrap();
            relative.push(set(&[sequence(&[oid(EMAIL_ADDRESS), value(tag, text)])]));
        }
        match self.dice.below(20) {
            0 => relative.push(set(&[sequence(&[oid(COMMON_NAME), value(0x0c, [0xff])])])),
            1 => relative.push(set(&[sequence(&[oid(COMMON_NAME), value(0x1e, [1])])])),
            2 => relative.push(set(&[sequence(&[oid(COMMON_NAME), value(0x1a, "db.example.com")])])),
            3 => relative.push(set(&[sequence(&[oid(COMMON_NAME), value(0x12, "12")])])),
            4 => relative.push(set(&[])),
            5 => relative.push(set(&[
                sequence(&[oid(COMMON_NAME), value(0x0c, "db.example.com")]),
                sequence(&[oid(ORGANIZATION), value(0x0c, "Acme Corp")]),
            ])),
            6 => relative.push(set(&[sequence(&[oid(COMMON_NAME), bits(0, b"db.example.com")])])),
            _ => {}
        }
        let subject = sequence(&relative);
        self.tell(format!("the subject is {}", hex(&subject)));
        self.nodes[at].subject = subject;
        if self.dice.below(2) == 0 {
            self.tell("without alternative names");
            self.nodes[at].without(&[ALT_NAME]);
        }
    }

    fn signature(&mut self) {
        let at = self.somewhere();
        match self.dice.below(3) {
            0 => {
                self.tell(format!("{at} has a damaged signature"));
                self.nodes[at].has_good_signature = false;
            }
            1 => {
                self.tell(format!("{at} has two algorithms"));
                self.nodes[at].has_one_algorithm = false;
            }
            _ => {
                let signer = self.dice.below(keys().len() as u64) as usize;
                self.tell(format!("{at} is signed by key {signer}"));
                self.nodes[at].signer = signer;
            }
        }
    }

    /// Another certificate of an authority, expired, not yet valid or by another key.
    fn twin(&mut self) {
        let at = self.authority();
        let mut twin = self.nodes[at].clone();
        match self.dice.below(5) {
            0 => twin.not_after = utc_time("210101000000Z"),
            1 => twin.not_after = utc_time("220101000000Z"),
            2 => twin.not_before = generalized_time("20800101000000Z"),
            3 => twin.key = (twin.key + 1) % keys().len(),
            _ => twin.serial += 100,
        }
        if self.dice.below(2) == 0 {
            // Both are over, one of them later.
            self.nodes[at].not_after = utc_time("211201000000Z");
        }
        self.add(at, twin, "a twin");
    }

    /// A certificate of an authority by another issuer.
    fn cross_sign(&mut self) {
        let at = self.authority();
        let issuer = self.dice.below(self.nodes.len() as u64) as usize;
        let other = self.node(at.min(self.nodes.len() - 1), issuer);
        self.add(at, other, &format!("one by {issuer}"));
    }

    /// An authority whose issuer has the same name as itself, or two that issue each other.
    fn detour(&mut self) {
        let at = self.authority();
        let mut other = self.node(at, at);
        if self.dice.below(2) == 0 {
            other.without(&[AUTHORITY_KEY]);
            other.signer = (other.signer + 1) % keys().len();
        }
        self.add(at, other, "one by itself");
        if self.dice.below(2) == 0 && at > 0 {
            let back = self.node(at - 1, at);
            self.add(at - 1, back, "one by the one below");
        }
    }

    fn add(&mut self, at: usize, node: Draft, what: &str) {
        let place = self.dice.below(3);
        self.tell(format!(
            "there is also {what} of {at}, {}",
            ["sent", "instead", "trusted"][place as usize]
        ));
        match place {
            0 => self.extra.push(node),
            1 => self.extra.push(std::mem::replace(&mut self.nodes[at], node)),
            _ => {
                self.nodes.insert(0, node);
                self.trusted.iter_mut().for_each(|at| *at += 1);
                let place = self.dice.below(self.trusted.len() as u64 + 1) as usize;
                self.trusted.insert(place, 0);
                // Names and nodes no longer go together: the others look at names by their place.
                self.names.insert(0, self.names[at].clone());
            }
        }
    }

    /// Other certificates in the root file.
    fn trust(&mut self) {
        match self.dice.below(5) {
            0 => {
                let at = self.somewhere();
                self.tell(format!("{at} is trusted too"));
                let place = self.dice.below(self.trusted.len() as u64 + 1) as usize;
                self.trusted.insert(place, at);
            }
            1 => {
                let at = self.somewhere();
                self.tell(format!("only {at} is trusted"));
                self.trusted = vec![at];
            }
            2 => {
                self.tell("all are trusted");
                self.trusted = (0..self.nodes.len()).rev().collect();
            }
            3 => {
                let last = self.nodes.len() - 1;
                self.tell("the server has issued its own, which is trusted");
                let mut own = self.node(self.names.len() - 1, self.names.len() - 1);
                if self.dice.below(3) == 0 {
                    own.without(&[AUTHORITY_KEY]);
                }
                self.nodes[last] = own;
                self.trusted.push(last);
            }
            _ => {
                self.tell("no authority is trusted");
                let at = self.nodes.len() - 1;
                self.trusted = vec![at];
            }
        }
    }

    fn order(&mut self) {
        self.tell("certificates are not in order");
        let last = self.nodes.len() - 1;
        for _ in 0..2 {
            let at = self.dice.below(last.max(1) as u64) as usize;
            let node = self.nodes[at].clone();
            self.extra.push(node);
        }
        self.dice.shuffle(&mut self.extra);
    }

    fn leave_out(&mut self) {
        let at = self.authority();
        if self.nodes.len() > 2 && at > 0 && !self.trusted.contains(&at) {
            self.tell(format!("{at} is not sent"));
            // Its place is taken by a stranger.
            self.nodes[at].subject =
                sequence(&[set(&[sequence(&[oid(COMMON_NAME), value(0x0c, "a stranger")])])]);
        }
    }

    /// An extension of no form at all.
    fn damage(&mut self) {
        let at = self.somewhere();
        let Some((kind, is_critical, mut der)) = self.dice.pick(&self.nodes[at].extensions.clone()).cloned()
        else {
            return;
        };
        match self.dice.below(4) {
            0 => drop(der.pop()),
            1 => der.push(0),
            2 => der[0] ^= 1,
            _ => {
                let place = self.dice.below(der.len() as u64) as usize;
                der[place] ^= 1 << self.dice.below(8);
            }
        }
        self.is_damaged = true;
        self.put(at, kind, is_critical, der);
    }

    fn wrong_name(&mut self) {
        let at = self.somewhere();
        let texts = ["Authority  0 x", "authority", "Äuthority 0"];
        let text = self.dice.pick(&texts).unwrap();
        self.tell(format!("{at} has another issuer's name"));
        self.nodes[at].issuer = sequence(&[set(&[sequence(&[oid(COMMON_NAME), value(0x0c, text)])])]);
    }

    /// Lists of all issuers, more or less.
    fn revoke(&mut self) {
        self.tell("there are lists");
        for at in 0..self.nodes.len().saturating_sub(1).max(1) {
            if self.dice.below(12) == 0 {
                self.tell(format!("but not of {at}"));
                continue;
            }
            let list = self.list(at, "", "");
            self.lists.push(list);
        }
        for _ in 0..self.dice.below(4) {
            self.special_list();
        }
        if self.dice.below(3) == 0 {
            self.distribution_point();
        }
        self.dice.shuffle(&mut self.lists);
    }

    fn list(&mut self, at: usize, this: &str, next: &str) -> ListDraft {
        let or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
        let names = self.names[at].clone();
        let issuer = self.spelled(&names);
        ListDraft {
            this_update: utc_time(&or(this, "240101000000Z")),
            next_update: Some(utc_time(&or(next, "490101000000Z"))),
            ..ListDraft::new(issuer, self.nodes[at].key)
        }
    }

    /// A list that differs in something.
    fn special_list(&mut self) {
        let server = self.nodes.len() - 1;
        let at = if self.dice.below(2) == 0 { server.saturating_sub(1) } else { self.authority() };
        let (this, next) = *self
            .dice
            .pick(&[
                ("230101000000Z", ""),
                ("", ""),
                ("250101000000Z", ""),
                ("200101000000Z", "210101000000Z"),
                ("480101000000Z", ""),
                ("", "250101000000Z"),
            ])
            .unwrap();
        let mut list = self.list(at, this, next);
        if self.dice.below(2) == 0 {
            // Of the certificate below.
            let serial = self.nodes[(at + 1).min(server)].serial;
            let reason = |code: u8| extension("2.5.29.21", false, value(0x0a, [code]));
            let extensions = [
                vec![],
                vec![reason(1)],
                vec![reason(6)],
                vec![reason(8)],
                vec![reason(8)],
                vec![extension("2.5.29.21", true, value(0x0a, [8]))],
                vec![extension("1.2.3.4", true, null())],
                vec![extension("2.5.29.24", false, generalized_time("20200101000000Z"))],
                vec![extension("2.5.29.29", true, sequence(&[value(0xa4, list.issuer.clone())]))],
            ];
            list.revoked.push((77, vec![]));
            let entry = self.dice.pick(&extensions).unwrap().clone();
            list.revoked.push((serial, entry));
        }
        let flag = |tag: u8| value(tag, [0xff]);
        let point = |uri: &str| value(0xa0, value(0xa0, value(0x86, uri)));
        let scopes = [
            sequence(&[flag(0x81)]),
            sequence(&[flag(0x82)]),
            sequence(&[flag(0x85)]),
            sequence(&[value(0x81, [0])]),
            sequence(&[flag(0x84)]),
            sequence(&[value(0x83, [1, 0x40])]),
            sequence(&[point("http://a/")]),
            sequence(&[point("http://b/"), flag(0x81)]),
            sequence(&[]),
        ];
        match self.dice.below(12) {
            0..=3 => {
                let is_critical = self.dice.below(2) == 0;
                let scope = self.dice.pick(&scopes).unwrap();
                list.extensions.push(extension("2.5.29.28", is_critical, scope));
            }
            4 => list.extensions.push(extension("1.2.3.4", self.dice.below(2) == 0, null())),
            5 => {
                list.extensions.push(extension("2.5.29.20", false, integer(2)));
                list.extensions.push(extension("2.5.29.27", true, integer(1)));
            }
            6 => list.extensions.push(extension(
                AUTHORITY_KEY,
                false,
                sequence(&[value(0x80, Self::key_id(at))]),
            )),
            7 => list.extensions.push(extension(AUTHORITY_KEY, false, sequence(&[value(0x80, [9, 9])]))),
            8 => list.has_good_signature = false,
            9 => list.signer = (list.signer + 1) % keys().len(),
            10 => list.next_update = None,
            _ => {}
        }
        let parts: Vec<_> =
            list.revoked.iter().flat_map(|(_, extensions)| extensions).chain(&list.extensions).collect();
        let parts: Vec<_> = parts.iter().map(|part| hex(part)).collect();
        self.tell(format!("a list of {at} from {this} to {next}: {} revoked, {parts:?}", list.revoked.len()));
        self.lists.push(list);
    }

    fn distribution_point(&mut self) {
        let at = self.somewhere();
        let full = |uri: &str| value(0xa0, value(0xa0, value(0x86, uri)));
        let issuer = self.spelled(&self.names[at.saturating_sub(1)].clone());
        let relative = value(0xa0, value(0xa1, sequence(&[oid(COMMON_NAME), value(0x0c, "x")])));
        let points = [
            sequence(&[full("http://a/")]),
            sequence(&[full("http://b/")]),
            sequence(&[full("http://a/"), value(0x81, [1, 0x40])]),
            sequence(&[full("http://a/"), value(0x81, [7, 0x7f, 0x80])]),
            sequence(&[full("http://a/"), value(0xa2, value(0xa4, issuer.clone()))]),
            sequence(&[value(0xa2, value(0xa4, issuer))]),
            sequence(&[full("http://a/"), value(0xa2, value(0xa4, sequence(&[])))]),
            sequence(&[relative]),
            sequence(&[]),
        ];
        let count = self.dice.below(2) + 1;
        let chosen: Vec<_> = (0..count).map(|_| self.dice.pick(&points).unwrap().clone()).collect();
        self.put(at, POINTS, false, sequence(&chosen));
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
