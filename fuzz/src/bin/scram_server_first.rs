//! Any bytes as SCRAM's server-first-message.
#![no_main]

use heimdall::auth::scram::{Binding, ClientFirst, Nonce};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    // Many iterations would only make this slow.
    let is_slow = |window: &[u8]| window.starts_with(b"i=") && window[2..].iter().all(u8::is_ascii_digit);
    if !data.windows(5).any(is_slow) {
        let nonce = Nonce::new("nonce").unwrap();
        let _ = ClientFirst::new(b"pencil", &nonce, Binding::None).receive(data);
    }
});
