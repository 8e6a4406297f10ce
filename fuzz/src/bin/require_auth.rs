//! Any text as require_auth: what is understood is given back as it was.
#![no_main]

use heimdall::auth::policy::RequireAuth;

libfuzzer_sys::fuzz_target!(|data: &str| {
    if let Ok(policy) = data.parse::<RequireAuth>() {
        assert_eq!(policy.to_string(), data);
    }
});
