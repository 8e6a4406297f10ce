//! Certificates and revocation lists with any contents, good and bad, signed in this process by keys that are made once.

pub mod hostile;
pub mod judges;

use rustls::SignatureScheme;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::SigningKey;
use std::sync::{Arc, OnceLock};

use crate::support::der::{bits, boolean, integer, null, octets, oid, sequence, value};
use crate::support::pki::Pki;

/// A key, and the kind of its signatures.
#[derive(Debug)]
pub struct Key {
    pub signing: Arc<dyn SigningKey>,
    scheme: SignatureScheme,
    /// The `AlgorithmIdentifier` of its signatures.
    pub algorithm: Vec<u8>,
}

/// Six keys on P-256, one on P-384, two for Ed25519 and one for RSA.
pub fn keys() -> &'static [Key] {
    static KEYS: OnceLock<Vec<Key>> = OnceLock::new();
    KEYS.get_or_init(|| {
        let pki = Pki::new("forge");
        let ecdsa_256 = sequence(&[oid("1.2.840.10045.4.3.2")]);
        let ecdsa_384 = sequence(&[oid("1.2.840.10045.4.3.3")]);
        let ed25519 = sequence(&[oid("1.3.101.112")]);
        let rsa = sequence(&[oid("1.2.840.113549.1.1.11"), null()]);
        let p256 = ("EC:P-256", SignatureScheme::ECDSA_NISTP256_SHA256, &ecdsa_256);
        let p384 = ("EC:P-384", SignatureScheme::ECDSA_NISTP384_SHA384, &ecdsa_384);
        let ed25519 = ("ED25519", SignatureScheme::ED25519, &ed25519);
        let rsa = ("RSA:2048", SignatureScheme::RSA_PKCS1_SHA256, &rsa);
        let kinds = [p256, p256, p256, p256, p256, p256, p384, ed25519, ed25519, rsa];
        let key = |(at, (kind, scheme, algorithm)): (usize, (&str, SignatureScheme, &Vec<u8>))| {
            pki.key(&format!("key{at}"), kind);
            let der = PrivateKeyDer::from_pem_slice(&pki.read(&format!("key{at}.key"))).unwrap();
            let signing = any_supported_type(&der).unwrap();
            Key { signing, scheme, algorithm: algorithm.clone() }
        };
        kinds.into_iter().enumerate().map(key).collect()
    })
}

impl Key {
    /// The `SubjectPublicKeyInfo`.
    pub fn public(&self) -> Vec<u8> {
        self.signing.public_key().unwrap().to_vec()
    }

    /// What is signed, the algorithm and the signature.
    fn sign(&self, message: &[u8], outer_algorithm: &[u8], is_good: bool) -> Vec<u8> {
        let signer = self.signing.choose_scheme(&[self.scheme]).unwrap();
        let mut signature = signer.sign(message).unwrap();
        if !is_good {
            let last = signature.len() - 1;
            signature[last] ^= 1;
        }
        sequence(&[message.to_vec(), outer_algorithm.to_vec(), bits(0, &signature)])
    }
}

/// A certificate that is about to be made; names and times are in DER.
#[derive(Clone, Debug)]
pub struct Draft {
    /// 0, 1, 2; `None`: not written.
    pub version: Option<u64>,
    pub serial: u64,
    pub issuer: Vec<u8>,
    pub subject: Vec<u8>,
    pub not_before: Vec<u8>,
    pub not_after: Vec<u8>,
    /// Which of [`keys`] it is for.
    pub key: usize,
    /// Which of [`keys`] signs it.
    pub signer: usize,
    /// Kind, whether it is critical, and the value in DER.
    pub extensions: Vec<(&'static str, bool, Vec<u8>)>,
    pub has_good_signature: bool,
    /// Whether the algorithm outside of what is signed is the same as inside.
    pub has_one_algorithm: bool,
}

impl Draft {
    /// A certificate for `key` by `signer`, good from 2020 to 2090, without extensions.
    pub fn new(subject: Vec<u8>, key: usize, issuer: Vec<u8>, signer: usize) -> Self {
        Self {
            version: Some(2),
            serial: 1,
            issuer,
            subject,
            not_before: utc_time("200101000000Z"),
            not_after: generalized_time("20900101000000Z"),
            key,
            signer,
            extensions: Vec::new(),
            has_good_signature: true,
            has_one_algorithm: true,
        }
    }

    /// Gives it an extension in place of any of this kind.
    pub fn put(&mut self, kind: &'static str, is_critical: bool, der: Vec<u8>) {
        self.without(&[kind]);
        self.extensions.push((kind, is_critical, der));
    }

    /// Takes away the extensions of these kinds.
    pub fn without(&mut self, kinds: &[&str]) {
        self.extensions.retain(|(kind, ..)| !kinds.contains(kind));
    }

    /// The certificate.
    pub fn sign(&self) -> Vec<u8> {
        let signer = &keys()[self.signer];
        let mut fields: Vec<Vec<u8>> = Vec::new();
        fields.extend(self.version.map(|version| value(0xa0, integer(version))));
        fields.push(integer(self.serial));
        fields.push(signer.algorithm.clone());
        fields.push(self.issuer.clone());
        fields.push(sequence(&[self.not_before.clone(), self.not_after.clone()]));
        fields.push(self.subject.clone());
        fields.push(keys()[self.key].public());
        if !self.extensions.is_empty() {
            let extensions =
                self.extensions.iter().map(|(kind, is_critical, der)| extension(kind, *is_critical, der));
            fields.push(value(0xa3, sequence(&extensions.collect::<Vec<_>>())));
        }
        let other = sequence(&[oid("1.2.840.10045.4.3.4")]);
        let outer = if self.has_one_algorithm { &signer.algorithm } else { &other };
        signer.sign(&sequence(&fields), outer, self.has_good_signature)
    }
}

/// A revocation list that is about to be made.
#[derive(Clone, Debug)]
pub struct ListDraft {
    pub issuer: Vec<u8>,
    pub this_update: Vec<u8>,
    pub next_update: Option<Vec<u8>>,
    /// Serial numbers, and extensions of each entry.
    pub revoked: Vec<(u64, Vec<Vec<u8>>)>,
    pub extensions: Vec<Vec<u8>>,
    /// Which of [`keys`] signs it.
    pub signer: usize,
    pub has_good_signature: bool,
}

impl ListDraft {
    /// A list without entries, from 2024 to 2049.
    pub fn new(issuer: Vec<u8>, signer: usize) -> Self {
        Self {
            issuer,
            this_update: utc_time("240101000000Z"),
            next_update: Some(utc_time("490101000000Z")),
            revoked: Vec::new(),
            extensions: Vec::new(),
            signer,
            has_good_signature: true,
        }
    }

    /// The list.
    pub fn sign(&self) -> Vec<u8> {
        let signer = &keys()[self.signer];
        let mut fields =
            vec![integer(1), signer.algorithm.clone(), self.issuer.clone(), self.this_update.clone()];
        fields.extend(self.next_update.clone());
        let entry = |(serial, extensions): &(u64, Vec<Vec<u8>>)| {
            let mut fields = vec![integer(*serial), utc_time("240101000000Z")];
            if !extensions.is_empty() {
                fields.push(sequence(extensions));
            }
            sequence(&fields)
        };
        if !self.revoked.is_empty() {
            fields.push(sequence(&self.revoked.iter().map(entry).collect::<Vec<_>>()));
        }
        if !self.extensions.is_empty() {
            fields.push(value(0xa0, sequence(&self.extensions)));
        }
        signer.sign(&sequence(&fields), &signer.algorithm, self.has_good_signature)
    }
}

/// An extension of this kind; its value is DER of its own.
pub fn extension(kind: &str, is_critical: bool, der: impl AsRef<[u8]>) -> Vec<u8> {
    let mut fields = vec![oid(kind)];
    if is_critical {
        fields.push(boolean(true));
    }
    fields.push(octets(der));
    sequence(&fields)
}

pub fn utc_time(text: &str) -> Vec<u8> {
    value(0x17, text)
}

pub fn generalized_time(text: &str) -> Vec<u8> {
    value(0x18, text)
}

/// A `Name` of attributes, each of one relative name: `2.5.4.3`, the tag of a string, and its contents.
pub fn name(attributes: &[(&str, u8, &[u8])]) -> Vec<u8> {
    let relative =
        |(kind, tag, text): &(&str, u8, &[u8])| value(0x31, sequence(&[oid(kind), value(*tag, text)]));
    sequence(&attributes.iter().map(relative).collect::<Vec<_>>())
}

pub const SUBJECT_KEY: &str = "2.5.29.14";
pub const KEY_USAGE: &str = "2.5.29.15";
pub const ALT_NAME: &str = "2.5.29.17";
pub const BASIC: &str = "2.5.29.19";
pub const CONSTRAINTS: &str = "2.5.29.30";
pub const POINTS: &str = "2.5.29.31";
pub const AUTHORITY_KEY: &str = "2.5.29.35";
pub const EXTENDED: &str = "2.5.29.37";
pub const NETSCAPE: &str = "2.16.840.1.113730.1.1";
pub const LIST_SCOPE: &str = "2.5.29.28";
pub const REASON: &str = "2.5.29.21";

pub const COMMON_NAME: &str = "2.5.4.3";
pub const ORGANIZATION: &str = "2.5.4.10";
pub const EMAIL_ADDRESS: &str = "1.2.840.113549.1.9.1";

/// Tags of strings.
pub const UTF8: u8 = 0x0c;
pub const PRINTABLE: u8 = 0x13;
