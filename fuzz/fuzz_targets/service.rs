//! Any text as a service file.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &str| {
    let _ = heimdall::conninfo::service::parse(data, "app");
});
