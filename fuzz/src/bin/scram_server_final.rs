//! Any bytes as SCRAM's server-final-message: none of them may be taken for the proof.
#![no_main]

use heimdall::auth::scram::{Binding, ClientFirst, Nonce};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let nonce = Nonce::new("nonce").unwrap();
    let first = ClientFirst::new(b"pencil", &nonce, Binding::None);
    let last = first.receive(b"r=nonce2,s=c2FsdA==,i=1").unwrap();
    assert!(last.verify(data).is_err());
});
