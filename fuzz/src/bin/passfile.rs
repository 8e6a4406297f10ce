//! Any text as a password file.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &str| {
    let _ = heimdall::internals::passfile::lookup(data, "host", "5432", "app", "ann");
});
