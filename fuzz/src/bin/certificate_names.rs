//! Distinguished names: a root that has a name has issued what calls that its issuer, and two names are the same both ways.
#![no_main]

#[path = "../chain.rs"]
mod chain;

use chain::Parts;
use heimdall::internals::x509::CertificateError::{Malformed, SelfSigned};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [one, other] = Parts::split(data);
    let issued = |authority, issuer| Parts { authority, issuer, ..Parts::default() }.verify();
    // Without a name it is like the server, which has none, and so like one that issues its own certificate.
    assert!(matches!(issued(one, one), Ok(()) | Err(Malformed | SelfSigned)));
    assert_eq!(issued(one, other).is_ok(), issued(other, one).is_ok());
});
