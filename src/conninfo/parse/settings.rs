//! What a connection string says: keywords and their values, each as it was given.

use std::collections::BTreeMap;

use crate::conninfo::table::{self, Parameter};

/// The parameters that a connection string names.
#[derive(Default)]
pub(in crate::conninfo) struct Settings {
    values: BTreeMap<&'static str, String>,
    /// What other programs read there, in the order of its first appearance.
    pub(in crate::conninfo) ignored: Vec<&'static str>,
}

impl Settings {
    /// Stores a value, over an earlier one; returns its parameter, `None` if there is none of this name.
    pub(in crate::conninfo) fn set(&mut self, keyword: &str, value: String) -> Option<&'static Parameter> {
        // Before 7.4 sslmode was a yes or no.
        let (keyword, value) = match keyword {
            "requiressl" if value.starts_with('1') => ("sslmode", "require".to_owned()),
            "requiressl" => ("sslmode", "prefer".to_owned()),
            _ => (keyword, value),
        };
        let parameter = table::find(keyword)?;
        self.values.insert(parameter.keyword, value);
        Some(parameter)
    }

    /// Notes a parameter that says nothing to us.
    pub(in crate::conninfo) fn ignore(&mut self, name: &'static str) {
        if !self.ignored.contains(&name) {
            self.ignored.push(name);
        }
    }

    /// Returns the value of a parameter, unmasked; an empty one is a value.
    pub(in crate::conninfo) fn get(&self, keyword: &str) -> Option<&str> {
        self.values.get(keyword).map(String::as_str)
    }
}
