//! Things done to extensions other than names.

use super::{Maker, USAGES};
use crate::support::der::{bits, boolean, integer, magnitude, null, octets, oid, sequence, value};
use crate::support::forge::{AUTHORITY_KEY, BASIC, EXTENDED, KEY_USAGE, NETSCAPE, SUBJECT_KEY};

impl Maker<'_> {
    pub(super) fn basic_constraints(&mut self) {
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

    pub(super) fn key_usage(&mut self) {
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

    pub(super) fn extended_key_usage(&mut self) {
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

    pub(super) fn netscape_type(&mut self) {
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

    pub(super) fn other_extension(&mut self) {
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

    pub(super) fn key_identifiers(&mut self) {
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

    /// An extension of no form at all.
    pub(super) fn damage(&mut self) {
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
}
