//! The hash of a server's certificate that ties a SCRAM exchange to it (`tls-server-end-point`).

use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use super::certificate::Certificate;
use super::der::{CONTEXT_0, Malformed, OBJECT_IDENTIFIER, Reader, SEQUENCE};
use super::signature::RSA_PSS;

/// The channel binding data of a certificate (RFC 5929 §4.1): its hash by the hash of its signature's algorithm, for
/// MD5 and SHA-1 by SHA-256. `None` where there is no such hash, as with Ed25519, or where it is not known here.
#[must_use]
pub fn server_end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let algorithm = Certificate::read(certificate).ok()?.signed.algorithm;
    match hash(algorithm).ok()?? {
        Hash::Sha224 => Some(Sha224::digest(certificate).to_vec()),
        Hash::Sha256 => Some(Sha256::digest(certificate).to_vec()),
        Hash::Sha384 => Some(Sha384::digest(certificate).to_vec()),
        Hash::Sha512 => Some(Sha512::digest(certificate).to_vec()),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

/// The hash of a signature algorithm, given the contents of its identifier.
fn hash(algorithm: &[u8]) -> Result<Option<Hash>, Malformed> {
    let mut fields = Reader::new(algorithm);
    let kind = fields.take(OBJECT_IDENTIFIER)?.contents;
    if kind == RSA_PSS {
        let Some(hash) = fields.inside(SEQUENCE)?.optional(CONTEXT_0)? else {
            // The default is SHA-1 (RFC 4055 §3.1).
            return Ok(Some(Hash::Sha256));
        };
        let kind = Reader::only(hash.contents, SEQUENCE)?.take(OBJECT_IDENTIFIER)?.contents;
        return Ok(find(HASHES, kind));
    }
    Ok(find(SIGNATURES, kind))
}

fn find(table: &[(&[u8], Hash)], kind: &[u8]) -> Option<Hash> {
    table.iter().find(|(known, _)| *known == kind).map(|(_, hash)| *hash)
}

/// Signature algorithms: RSA with MD5, SHA-1, SHA-256, -384, -512, -224; ECDSA with SHA-1, -224, -256, -384, -512;
/// DSA with SHA-1, -224, -256.
const SIGNATURES: &[(&[u8], Hash)] = &[
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x04], Hash::Sha256),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05], Hash::Sha256),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b], Hash::Sha256),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c], Hash::Sha384),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d], Hash::Sha512),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0e], Hash::Sha224),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01], Hash::Sha256),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x01], Hash::Sha224),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02], Hash::Sha256),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03], Hash::Sha384),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04], Hash::Sha512),
    (&[0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x03], Hash::Sha256),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, 0x01], Hash::Sha224),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, 0x02], Hash::Sha256),
];

/// Hashes by themselves: SHA-1, SHA-256, -384, -512, -224.
const HASHES: &[(&[u8], Hash)] = &[
    (&[0x2b, 0x0e, 0x03, 0x02, 0x1a], Hash::Sha256),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01], Hash::Sha256),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02], Hash::Sha384),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03], Hash::Sha512),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x04], Hash::Sha224),
];
