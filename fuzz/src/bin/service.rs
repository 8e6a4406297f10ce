//! Any text as a service file.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &str| {
    let _ = heimdall::internals::service::parse(data, "app");
});
