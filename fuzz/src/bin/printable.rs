//! Any bytes as a server's text: nothing that drives a terminal is left of it.
#![no_main]

use heimdall::internals::text::printable;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    assert!(!printable(data).chars().any(char::is_control));
});
