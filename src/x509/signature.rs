//! What certificates and revocation lists have in common: a signed part, and the signature of an issuer's key.

use rustls::crypto::WebPkiSupportedAlgorithms;

use super::der::{INTEGER, Malformed, OBJECT_IDENTIFIER, Reader, SEQUENCE};

/// Something signed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signed<'a> {
    /// The part that is signed, with tag and length.
    pub(super) message: &'a [u8],
    /// The contents of the signature's `AlgorithmIdentifier`.
    pub(super) algorithm: &'a [u8],
    signature: &'a [u8],
}

/// A public key (`SubjectPublicKeyInfo`).
#[derive(Clone, Copy, Debug)]
pub struct PublicKey<'a> {
    /// With tag and length.
    pub der: &'a [u8],
    /// The contents of its `AlgorithmIdentifier`.
    pub algorithm: &'a [u8],
    /// The key itself.
    pub bits: &'a [u8],
}

/// Why a signature is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadSignature {
    /// Nothing here can verify a signature of this algorithm by a key of this kind.
    Unsupported,
    /// It was not made by this key over this message.
    Wrong,
}

impl<'a> Signed<'a> {
    /// Reads a sequence of the signed part, the algorithm and the signature.
    pub(super) fn read(der: &'a [u8]) -> Result<Signed<'a>, Malformed> {
        let mut fields = Reader::only(der, SEQUENCE)?;
        let message = fields.take(SEQUENCE)?.whole;
        let algorithm = algorithm(&mut fields)?;
        let signature = fields.octets()?;
        fields.end()?;
        Ok(Signed { message, algorithm, signature })
    }

    /// Whether this key made the signature, of the algorithm that the signed part states as well: only that is signed
    /// (RFC 5280 §4.1.1.2).
    pub(super) fn verify(
        &self,
        stated: &[u8],
        key: &PublicKey<'_>,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<(), BadSignature> {
        if stated != self.algorithm {
            return Err(BadSignature::Wrong);
        }
        let known = algorithms.all.iter().find(|known| {
            known.public_key_alg_id().as_ref() == key.algorithm
                && known.signature_alg_id().as_ref() == self.algorithm
        });
        let algorithm = known.ok_or(BadSignature::Unsupported)?;
        algorithm.verify_signature(key.bits, self.message, self.signature).map_err(|_| BadSignature::Wrong)
    }

    /// Whether keys of this kind make signatures of this algorithm, as far as their names tell.
    pub(super) fn may_be_by(&self, key: &PublicKey<'_>) -> bool {
        let family = |algorithm| kind(algorithm).and_then(family);
        let (Some(signer), Some(key)) = (family(self.algorithm), family(key.algorithm)) else {
            return false;
        };
        signer == key || (signer == Kind::RsaPss && key == Kind::Rsa)
    }
}

impl<'a> PublicKey<'a> {
    pub(super) fn read(fields: &mut Reader<'a>) -> Result<PublicKey<'a>, Malformed> {
        let value = fields.take(SEQUENCE)?;
        let mut fields = Reader::new(value.contents);
        let algorithm = algorithm(&mut fields)?;
        let bits = fields.octets()?;
        fields.end()?;
        Ok(PublicKey { der: value.whole, algorithm, bits })
    }

    /// Whether this is an RSA key that signs with RSA-PSS only (`id-RSASSA-PSS`).
    #[must_use]
    pub fn is_rsa_pss(&self) -> bool {
        kind(self.algorithm) == Some(RSA_PSS)
    }

    /// Whether this is an RSA key of fewer than 2048 bits, which OpenSSL refuses at security level 2, the default, and
    /// ring does not verify.
    #[must_use]
    pub fn is_weak(&self) -> bool {
        kind(self.algorithm).is_some_and(|kind| kind.starts_with(PKCS_1))
            && self.modulus_bits().is_some_and(|bits| bits < 2048)
    }

    /// Whether it is of one of the kinds that can be verified with.
    pub(super) fn is_supported(&self, algorithms: &WebPkiSupportedAlgorithms) -> bool {
        self.is_rsa_pss()
            || algorithms.all.iter().any(|known| known.public_key_alg_id().as_ref() == self.algorithm)
    }

    /// How long an RSA key is.
    fn modulus_bits(&self) -> Option<u32> {
        let modulus = Reader::only(self.bits, SEQUENCE).ok()?.take(INTEGER).ok()?.contents;
        let modulus = modulus.strip_prefix(&[0]).unwrap_or(modulus);
        let length = u32::try_from(modulus.len()).ok()?;
        Some((length * 8).saturating_sub(modulus.first()?.leading_zeros()))
    }
}

/// The contents of an `AlgorithmIdentifier`: an object identifier, and one value at most.
pub(super) fn algorithm<'a>(fields: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    let contents = fields.take(SEQUENCE)?.contents;
    let mut fields = Reader::new(contents);
    fields.object_identifier()?;
    if !fields.is_empty() {
        fields.value()?;
    }
    fields.end()?;
    Ok(contents)
}

/// The object identifier of an algorithm.
fn kind(algorithm: &[u8]) -> Option<&[u8]> {
    Reader::new(algorithm).take(OBJECT_IDENTIFIER).ok().map(|kind| kind.contents)
}

/// A family of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rsa,
    RsaPss,
    Ec,
    Dsa,
    Ed25519,
    Ed448,
}

/// The family of keys that an identifier of a key or a signature is of.
fn family(identifier: &[u8]) -> Option<Kind> {
    // With the later hashes.
    if let Some([number]) = identifier.strip_prefix(NIST_SIGNATURES) {
        return match number {
            1..=8 => Some(Kind::Dsa),
            9..=12 => Some(Kind::Ec),
            13..=16 => Some(Kind::Rsa),
            _ => None,
        };
    }
    SIGNERS.iter().find(|(signer, _)| identifier.starts_with(signer)).map(|(_, family)| *family)
}

/// 2.16.840.1.101.3.4.3
const NIST_SIGNATURES: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03];

/// How the others of a family begin.
const SIGNERS: [(&[u8], Kind); 6] = [
    (RSA_PSS, Kind::RsaPss),
    (PKCS_1, Kind::Rsa),
    // ansi-X9-62.
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d], Kind::Ec),
    // x9algorithm.
    (&[0x2a, 0x86, 0x48, 0xce, 0x38, 0x04], Kind::Dsa),
    (&[0x2b, 0x65, 0x70], Kind::Ed25519),
    (&[0x2b, 0x65, 0x71], Kind::Ed448),
];

/// 1.2.840.113549.1.1
const PKCS_1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];

/// 1.2.840.113549.1.1.10, of signatures and of keys.
pub(super) const RSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];
