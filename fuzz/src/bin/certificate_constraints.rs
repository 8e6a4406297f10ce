//! Name constraints against names of all kinds: a limit never makes a certificate good that is not good without it.
#![no_main]

#[path = "../chain.rs"]
mod chain;

use chain::Parts;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [constraints, subject, names] = Parts::split(data);
    let free = Parts { subject, names, ..Parts::default() };
    let limited = Parts { constraints: Some(constraints), ..free };
    assert!(limited.verify().is_err() || free.verify().is_ok());
});
