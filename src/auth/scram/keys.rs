//! The arithmetic of SCRAM-SHA-256 (RFC 5802 §3): from password and messages to proofs.

use std::num::NonZeroU32;

use hmac::digest::Key;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// A SHA-256 hash, or an HMAC by it.
type Hash = [u8; 32];

/// `Hi(password, salt, iterations)`, which is PBKDF2 for one block: all that is ever needed of the
/// password, and nearly all of an exchange's work.
pub(super) struct SaltedPassword(Hash);

impl SaltedPassword {
    pub(super) fn new(password: &[u8], salt: &[u8], iterations: NonZeroU32) -> Self {
        // Keyed once: a clone saves two of the four compressions that each iteration would take.
        let keyed = hmac(password);
        let mut u: Hash =
            keyed.clone().chain_update(salt).chain_update(FIRST_BLOCK).finalize().into_bytes().into();
        let mut sum = u;
        for _ in 1..iterations.get() {
            u = keyed.clone().chain_update(u).finalize().into_bytes().into();
            xor(&mut sum, &u);
        }
        Self(sum)
    }

    /// `ClientProof`, which shows to the server that we know the password.
    pub(super) fn client_proof(&self, auth_message: &str) -> Hash {
        let client_key: Hash = hmac(&self.0).chain_update("Client Key").finalize().into_bytes().into();
        let stored_key = Sha256::digest(client_key);
        let mut proof = hmac(&stored_key).chain_update(auth_message).finalize().into_bytes().into();
        xor(&mut proof, &client_key);
        proof
    }

    /// `ServerSignature`, which shows to us that the server knows it: as an unfinished HMAC, so that
    /// the only thing to do with it is to compare it in constant time.
    pub(super) fn server_signature(&self, auth_message: &str) -> Hmac<Sha256> {
        let server_key = hmac(&self.0).chain_update("Server Key").finalize().into_bytes();
        hmac(&server_key).chain_update(auth_message)
    }
}

/// An HMAC that has its key. The key is fitted to a block here (RFC 2104 §2), since the
/// crate's way to do it returns an error that can't happen.
fn hmac(key: &[u8]) -> Hmac<Sha256> {
    let mut block = Key::<Hmac<Sha256>>::default();
    if key.len() > block.len() {
        let hash = Sha256::digest(key);
        block.iter_mut().zip(hash).for_each(|(byte, part)| *byte = part);
    } else {
        block.iter_mut().zip(key).for_each(|(byte, part)| *byte = *part);
    }
    Hmac::new(&block)
}

fn xor(left: &mut Hash, right: &Hash) {
    left.iter_mut().zip(right).for_each(|(left, right)| *left ^= right);
}

/// `INT(1)`: SCRAM's keys are as long as one block of PBKDF2's output.
const FIRST_BLOCK: [u8; 4] = [0, 0, 0, 1];

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    // Computed with python's hashlib.pbkdf2_hmac, which is OpenSSL's.
    #[test]
    fn salted_passwords_are_those_of_an_independent_implementation() {
        let table: [(&[u8], &[u8], u32, &str); 4] = [
            (b"password", b"salt", 1, "Eg+2z/z4syxD5yJSVsT4N6hlSMkszDVICAWYfLcL4Xs="),
            (b"password", b"salt", 4096, "xeR41ZKIyEGqUw22hFxMjZYok6ABzk4RpJY4c6qYE0o="),
            (&[b'x'; 64], b"s", 2, "JLRgkMtmMFoLfUhNwZJJbiWoUvM4f86QhzjlpfjPUcc="),
            (&[b'x'; 65], b"s", 3, "YNsYwK4YxcjkkQ4DWCzBvpVPTxgiFK/ytDdYlsGIuow="),
        ];
        for (password, salt, iterations, expected) in table {
            let salted = SaltedPassword::new(password, salt, NonZeroU32::new(iterations).unwrap());
            assert_eq!(STANDARD.encode(salted.0), expected);
        }
    }
}
