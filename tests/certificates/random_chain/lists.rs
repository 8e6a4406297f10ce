//! Revocation lists, most of them good.

use super::{Maker, hex};
use crate::support::der::{integer, null, oid, sequence, value};
use crate::support::forge::{
    AUTHORITY_KEY, COMMON_NAME, ListDraft, POINTS, extension, generalized_time, keys, utc_time,
};

impl Maker<'_> {
    /// Lists of all issuers, more or less.
    pub(super) fn revoke(&mut self) {
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

    pub(super) fn list(&mut self, at: usize, this: &str, next: &str) -> ListDraft {
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
    pub(super) fn special_list(&mut self) {
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

    pub(super) fn distribution_point(&mut self) {
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
}
