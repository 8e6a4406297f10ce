//! Any bytes in answer to SSLRequest: only a single one can be good.
#![no_main]

use heimdall::internals::negotiation::answer;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    assert!(answer(data).is_err() || data == b"S" || data == b"N");
});
