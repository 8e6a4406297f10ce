//! Any bytes as a revocation list, and as the entries and extensions of the root's: one without any revokes nothing.
#![no_main]

#[path = "../chain.rs"]
mod chain;

use chain::Parts;
use heimdall::internals::x509::Crl;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = Crl::read(data);
    let list: [&[u8]; 2] = Parts::split(data);
    let verdict = Parts { authority: ROOT, issuer: ROOT, list: Some(list), ..Parts::default() }.verify();
    assert!(verdict.is_ok() || list.iter().any(|part| !part.is_empty()));
});

/// `CN=root`, without its outer tag and length.
const ROOT: &[u8] = b"\x31\x0d\x30\x0b\x06\x03\x55\x04\x03\x0c\x04root";
