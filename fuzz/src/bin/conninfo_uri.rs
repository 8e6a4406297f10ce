//! Any text as what follows the scheme of a connection URI.
#![no_main]

use heimdall::conninfo::{Config, Environment, Parameters, Source};

libfuzzer_sys::fuzz_target!(|data: &str| {
    let environment = Environment { variable: &|_| None, effective_user: &|| None, effective_uid: 0 };
    for text in [format!("postgres://{data}"), format!("postgresql://ann@h/app?{data}")] {
        if let Ok(parameters) = Parameters::resolve(Some((Source::Option, &text)), &environment) {
            let _ = (Config::new(&parameters), parameters.to_string());
        }
    }
});
