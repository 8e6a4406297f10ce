//! Things done to names and to the limits on them.

use super::{Maker, Name, hex};
use crate::support::der::{bits, null, oid, oid_contents, sequence, set, value};
use crate::support::forge::{ALT_NAME, COMMON_NAME, CONSTRAINTS, EMAIL_ADDRESS, ORGANIZATION};

impl Maker<'_> {
    pub(super) fn name_constraints(&mut self) {
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

    pub(super) fn subtree(&mut self) -> Vec<u8> {
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
    pub(super) fn base(&mut self) -> Vec<u8> {
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

    pub(super) fn strange_name(&mut self) -> Vec<u8> {
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

    pub(super) fn alternative_names(&mut self) {
        let at = if self.dice.below(4) == 0 { self.authority() } else { self.nodes.len() - 1 };
        let count = self.dice.below(4);
        let mut names: Vec<_> = (0..count).map(|_| self.alternative_name()).collect();
        if self.dice.below(8) == 0 {
            names.push(self.strange_name());
        }
        let is_critical = self.dice.below(4) == 0;
        self.put(at, ALT_NAME, is_critical, sequence(&names));
    }

    pub(super) fn alternative_name(&mut self) -> Vec<u8> {
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
    pub(super) fn subject(&mut self) {
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
            "10.1.2.3",
            "192.0.2.1",
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

    pub(super) fn wrong_name(&mut self) {
        let at = self.somewhere();
        let texts = ["Authority  0 x", "authority", "Äuthority 0"];
        let text = self.dice.pick(&texts).unwrap();
        self.tell(format!("{at} has another issuer's name"));
        self.nodes[at].issuer = sequence(&[set(&[sequence(&[oid(COMMON_NAME), value(0x0c, text)])])]);
    }
}
