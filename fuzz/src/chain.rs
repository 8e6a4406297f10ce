//! A root and a server's certificate by it whose names and extensions are whatever a fuzzer wants, with signatures that all
//! are good: what is fuzzed stands after them.

#[allow(dead_code, reason = "shared with the tests")]
#[path = "../../tests/support/der.rs"]
mod der;

use std::time::Duration;

use der::{bits, boolean, integer, null, octets, oid, sequence, value};
use heimdall::internals::x509::{self, Anchors, CertificateError};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, UnixTime, alg_id};

/// The parts that vary, in DER, each without tag and length.
#[derive(Clone, Copy, Default)]
pub struct Parts<'a> {
    /// The root's subject.
    pub authority: &'a [u8],
    /// What the server's certificate calls its issuer.
    pub issuer: &'a [u8],
    pub subject: &'a [u8],
    /// The root's name constraints, if any.
    pub constraints: Option<&'a [u8]>,
    /// The server's alternative names.
    pub names: &'a [u8],
    /// The entries and the extensions of the root's revocation list, if any.
    pub list: Option<[&'a [u8]; 2]>,
}

impl Parts<'_> {
    /// Splits what a fuzzer makes up into so many parts, each with two bytes that say how long it is.
    pub fn split<const N: usize>(mut data: &[u8]) -> [&[u8]; N] {
        [(); N].map(|()| {
            let Some((length, rest)) = data.split_first_chunk::<2>() else { return &[][..] };
            let (part, rest) = rest.split_at(usize::from(u16::from_be_bytes(*length)).min(rest.len()));
            data = rest;
            part
        })
    }

    pub fn verify(&self) -> Result<(), CertificateError> {
        let names = |contents: &[u8]| value(0x30, contents);
        let extension = |kind: &str, der: Vec<u8>| sequence(&[oid(kind), octets(der)]);
        let mut of_root = vec![extension("2.5.29.19", sequence(&[boolean(true)]))];
        of_root.extend(self.constraints.map(|constraints| extension("2.5.29.30", names(constraints))));
        let root = certificate(&names(self.authority), &names(self.authority), &of_root);
        let of_leaf = [extension("2.5.29.17", names(self.names))];
        let leaf = certificate(&names(self.subject), &names(self.issuer), &of_leaf);
        let algorithms = WebPkiSupportedAlgorithms { all: &[&Anything], mapping: &[] };
        let crls = self.list.map(|list| list_by(&names(self.authority), list.map(names)).into());
        let anchors = Anchors { roots: vec![root.into()], crls: Vec::from_iter(crls), algorithms };
        x509::verify(&leaf, &[], &anchors, None, UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000)))
    }
}

fn certificate(subject: &[u8], issuer: &[u8], extensions: &[Vec<u8>]) -> Vec<u8> {
    let algorithm = algorithm();
    let key = sequence(&[sequence(&[oid("1.2.840.113549.1.1.1"), null()]), bits(0, &[])]);
    let validity = sequence(&[value(0x17, "200101000000Z"), value(0x17, "490101000000Z")]);
    let signed = sequence(&[
        value(0xa0, integer(2)),
        integer(1),
        algorithm.clone(),
        issuer.to_vec(),
        validity,
        subject.to_vec(),
        key,
        value(0xa3, sequence(extensions)),
    ]);
    sequence(&[signed, algorithm, bits(0, &[])])
}

fn list_by(issuer: &[u8], [entries, extensions]: [Vec<u8>; 2]) -> Vec<u8> {
    let signed = sequence(&[
        integer(1),
        algorithm(),
        issuer.to_vec(),
        value(0x17, "200101000000Z"),
        value(0x17, "490101000000Z"),
        entries,
        value(0xa0, extensions),
    ]);
    sequence(&[signed, algorithm(), bits(0, &[])])
}

fn algorithm() -> Vec<u8> {
    sequence(&[oid("1.2.840.113549.1.1.11"), null()])
}

/// An algorithm that likes every signature.
#[derive(Debug)]
struct Anything;

impl SignatureVerificationAlgorithm for Anything {
    fn verify_signature(&self, _: &[u8], _: &[u8], _: &[u8]) -> Result<(), InvalidSignature> {
        Ok(())
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::RSA_ENCRYPTION
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::RSA_PKCS1_SHA256
    }
}
