//! The arithmetic of SCRAM-SHA-256 (RFC 5802 §3): from password and messages to proofs.

use std::num::NonZeroU32;
use std::slice;

use hmac::{Hmac, KeyInit, Mac};
use sha2::block_api::compress256;
use sha2::{Digest, Sha256};

/// A SHA-256 hash, or an HMAC by it.
type Hash = [u8; 32];

/// `Hi(password, salt, iterations)`, which is PBKDF2 for one block: all that is ever needed of the
/// password, and nearly all of an exchange's work.
pub(super) struct SaltedPassword(Hash);

impl SaltedPassword {
    pub(super) fn new(password: &[u8], salt: &[u8], iterations: NonZeroU32) -> Self {
        let first: Hash =
            hmac(password).chain_update(salt).chain_update(FIRST_BLOCK).finalize().into_bytes().into();
        let mut rounds = Rounds::new(password);
        let mut u = words(&first);
        let mut sum = u;
        for _ in 1..iterations.get() {
            u = rounds.hmac(u);
            sum.iter_mut().zip(u).for_each(|(sum, u)| *sum ^= u);
        }
        let mut salted = Hash::default();
        put(&mut salted, sum);
        Self(salted)
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

/// HMACs of hashes by one key. What both of its hashes have to do with the key is done once, so that each HMAC takes two
/// compressions; by way of the crate for HMAC, its copying would take longer than they do.
struct Rounds {
    /// The states of the inner and of the outer hash after the block of the key.
    keyed: [State; 2],
    /// Their second and last block: a hash, which is to be filled in, and SHA-256's padding.
    block: Block,
}

impl Rounds {
    fn new(key: &[u8]) -> Self {
        let keyed = [IPAD, OPAD].map(|pad| {
            let mut state = INITIAL;
            compress256(&mut state, &[key_block(key).map(|byte| byte ^ pad)]);
            state
        });
        Self { keyed, block: PADDED }
    }

    fn hmac(&mut self, hash: State) -> State {
        self.keyed.into_iter().fold(hash, |hash, mut state| {
            put(&mut self.block, hash);
            compress256(&mut state, slice::from_ref(&self.block));
            state
        })
    }
}

/// The words of a hash.
fn words(hash: &Hash) -> State {
    let (words, _) = hash.as_chunks();
    let mut state = State::default();
    state.iter_mut().zip(words).for_each(|(word, bytes)| *word = u32::from_be_bytes(*bytes));
    state
}

/// Puts the words of a hash at the beginning of some bytes.
fn put(bytes: &mut [u8], hash: State) {
    let (words, _) = bytes.as_chunks_mut();
    words.iter_mut().zip(hash).for_each(|(bytes, word)| *bytes = word.to_be_bytes());
}

/// The state of SHA-256, and the blocks that it takes in.
type State = [u32; 8];
type Block = [u8; 64];

/// SHA-256's state before the first block (FIPS 180-4, 5.3.3).
const INITIAL: State =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// The padding of a text that ends after half of its second block: a bit, and the text's length in bits, 768.
const PADDED: Block = {
    let mut block = [0; 64];
    block[32] = 0x80;
    block[62] = 3;
    block
};

/// RFC 2104, 2.
const IPAD: u8 = 0x36;
const OPAD: u8 = 0x5c;

/// An HMAC that has its key. The key is fitted to a block here, since the crate's way to do it returns an error that can't
/// happen.
fn hmac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new(&key_block(key).into())
}

/// The key, fitted to a block (RFC 2104, 2).
fn key_block(key: &[u8]) -> Block {
    let mut block = [0; 64];
    if key.len() > block.len() {
        let hash = Sha256::digest(key);
        block.iter_mut().zip(hash).for_each(|(byte, part)| *byte = part);
    } else {
        block.iter_mut().zip(key).for_each(|(byte, part)| *byte = *part);
    }
    block
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
