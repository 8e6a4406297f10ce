//! Any text as a keyword/value string or a database name.
#![no_main]

use heimdall::conninfo::{Config, Environment, Parameters, Source};

libfuzzer_sys::fuzz_target!(|data: &str| {
    let environment = Environment { variable: &|_| None, effective_user: &|| None, effective_uid: 0 };
    for text in [data.to_owned(), format!("user=ann {data}")] {
        if let Ok(parameters) = Parameters::resolve(Some((Source::Option, &text)), &environment) {
            let _ = (Config::new(&parameters), parameters.to_string());
        }
    }
});
