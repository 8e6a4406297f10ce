//! What a connection string says: keywords and their values, each as it was given.

use std::collections::BTreeMap;

use super::error::{Error, Excerpt};
use super::table::{self, Parameter};

/// The parameters that a connection string names.
#[derive(Default)]
pub(super) struct Settings(BTreeMap<&'static str, String>);

impl Settings {
    /// Stores a value, over an earlier one. `private` forbids quoting an unknown keyword.
    pub(super) fn set(
        &mut self,
        keyword: &str,
        value: String,
        private: bool,
    ) -> Result<&'static Parameter, Error> {
        // Before 7.4 sslmode was a yes or no.
        let (keyword, value) = match keyword {
            "requiressl" if value.starts_with('1') => ("sslmode", "require".to_owned()),
            "requiressl" => ("sslmode", "prefer".to_owned()),
            _ => (keyword, value),
        };
        let parameter =
            table::find(keyword).ok_or_else(|| Error::UnknownOption(Excerpt::keyword(keyword, private)))?;
        self.0.insert(parameter.keyword, value);
        Ok(parameter)
    }

    /// Returns the value of a parameter, unmasked; an empty one is a value.
    pub(super) fn get(&self, keyword: &str) -> Option<&str> {
        self.0.get(keyword).map(String::as_str)
    }
}
