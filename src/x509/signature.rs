//! What certificates and revocation lists have in common: a signed part, and the signature of an issuer's key.

use rustls::crypto::WebPkiSupportedAlgorithms;

use super::der::{Malformed, OBJECT_IDENTIFIER, Reader, SEQUENCE};

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
        let algorithm = fields.take(SEQUENCE)?.contents;
        let signature = fields.octets()?;
        fields.end()?;
        Ok(Signed { message, algorithm, signature })
    }

    /// Whether this key made the signature.
    pub(super) fn verify(
        &self,
        key: &PublicKey<'_>,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<(), BadSignature> {
        let known = algorithms.all.iter().find(|known| {
            known.public_key_alg_id().as_ref() == key.algorithm
                && known.signature_alg_id().as_ref() == self.algorithm
        });
        let algorithm = known.ok_or(BadSignature::Unsupported)?;
        algorithm.verify_signature(key.bits, self.message, self.signature).map_err(|_| BadSignature::Wrong)
    }
}

impl<'a> PublicKey<'a> {
    pub(super) fn read(fields: &mut Reader<'a>) -> Result<PublicKey<'a>, Malformed> {
        let value = fields.take(SEQUENCE)?;
        let mut fields = Reader::new(value.contents);
        let algorithm = fields.take(SEQUENCE)?.contents;
        let bits = fields.octets()?;
        fields.end()?;
        Ok(PublicKey { der: value.whole, algorithm, bits })
    }

    /// Whether this is an RSA key that signs with RSA-PSS only (`id-RSASSA-PSS`).
    #[must_use]
    pub fn is_rsa_pss(&self) -> bool {
        let kind = Reader::new(self.algorithm).take(OBJECT_IDENTIFIER);
        kind.is_ok_and(|kind| kind.contents == RSA_PSS)
    }

    /// Whether this is an RSA key of fewer than 2048 bits, which OpenSSL refuses at its default security level
    /// and ring does not verify.
    #[must_use]
    pub fn is_weak(&self) -> bool {
        self.algorithm == RSA_ENCRYPTION && self.bits.len() < RSA_2048_BYTES
    }
}

/// The contents of `AlgorithmIdentifier { rsaEncryption, NULL }`.
const RSA_ENCRYPTION: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

/// The modulus alone of an RSA key of 2048 bits.
const RSA_2048_BYTES: usize = 256;

/// 1.2.840.113549.1.1.10, of signatures and of keys.
pub(super) const RSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];
