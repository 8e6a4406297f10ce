//! Things done to the chain as a whole, and to what frames a certificate.

use super::{Maker, hex};
use crate::support::der::{oid, sequence, set, value};
use crate::support::forge::{AUTHORITY_KEY, COMMON_NAME, Draft, generalized_time, keys, utc_time};

impl Maker<'_> {
    pub(super) fn time(&mut self) {
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

    pub(super) fn version(&mut self) {
        let at = self.somewhere();
        let version = *self.dice.pick(&[None, Some(0), Some(1), Some(7)]).unwrap();
        self.tell(format!("{at} is of version {version:?}"));
        self.nodes[at].version = version;
        if self.dice.below(2) == 0 {
            self.tell("without extensions");
            self.nodes[at].extensions.clear();
        }
    }

    pub(super) fn signature(&mut self) {
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
    pub(super) fn twin(&mut self) {
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
    pub(super) fn cross_sign(&mut self) {
        let at = self.authority();
        let issuer = self.dice.below(self.nodes.len() as u64) as usize;
        let other = self.node(at.min(self.nodes.len() - 1), issuer);
        self.add(at, other, &format!("one by {issuer}"));
    }

    /// An authority whose issuer has the same name as itself, or two that issue each other.
    pub(super) fn detour(&mut self) {
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

    pub(super) fn add(&mut self, at: usize, node: Draft, what: &str) {
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
    pub(super) fn trust(&mut self) {
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

    pub(super) fn order(&mut self) {
        self.tell("certificates are not in order");
        let last = self.nodes.len() - 1;
        for _ in 0..2 {
            let at = self.dice.below(last.max(1) as u64) as usize;
            let node = self.nodes[at].clone();
            self.extra.push(node);
        }
        self.dice.shuffle(&mut self.extra);
    }

    pub(super) fn leave_out(&mut self) {
        let at = self.authority();
        if self.nodes.len() > 2 && at > 0 && !self.trusted.contains(&at) {
            self.tell(format!("{at} is not sent"));
            // Its place is taken by a stranger.
            self.nodes[at].subject =
                sequence(&[set(&[sequence(&[oid(COMMON_NAME), value(0x0c, "a stranger")])])]);
        }
    }
}
