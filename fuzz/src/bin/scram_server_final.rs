//! Any bytes as SCRAM's server-final-message: none of them may be taken for the proof.
#![no_main]

use heimdall::auth::scram::{Binding, ClientFirst};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let last =
        ClientFirst::new(b"pencil", "nonce", Binding::None).receive(b"r=nonce2,s=c2FsdA==,i=1").unwrap();
    assert!(last.verify(data).is_err());
});
