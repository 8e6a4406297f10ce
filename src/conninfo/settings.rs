//! What one connection string or service file says: keywords and their values.

use std::collections::BTreeMap;

use super::error::{Error, Excerpt};
use super::table::{self, Parameter};
use super::{keyword_value, uri};

/// The parameters that one source names.
#[derive(Default)]
pub struct Settings(BTreeMap<&'static str, String>);

impl Settings {
    /// Reads a connection string in any of its forms, as `psql -d` does.
    pub(super) fn parse(text: &str) -> Result<Settings, Error> {
        if text.contains('\0') {
            return Err(Error::Nul);
        }
        if let Some(body) = uri::body(text) {
            return uri::parse(text, body);
        }
        // "postgre://user:secret@host/db" is a slip, never a database; psql would send it as one.
        if text.contains('=') || text.contains("://") {
            return keyword_value::parse(text);
        }
        let mut settings = Settings::default();
        if !text.is_empty() {
            settings.set("dbname", text.to_owned(), false)?;
        }
        Ok(settings)
    }

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
            table::find(keyword).ok_or_else(|| Error::UnknownOption(Excerpt::new(keyword, private)))?;
        self.0.insert(parameter.keyword, value);
        Ok(parameter)
    }

    /// Stores a value unless there is one.
    pub(super) fn set_first(&mut self, parameter: &'static Parameter, value: &str) {
        self.0.entry(parameter.keyword).or_insert_with(|| value.to_owned());
    }

    /// The value of a parameter; an empty one is a value. Unmasked.
    #[must_use]
    pub fn get(&self, keyword: &str) -> Option<&str> {
        self.0.get(keyword).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dbname(text: &str) -> Option<String> {
        Settings::parse(text).unwrap().get("dbname").map(str::to_owned)
    }

    #[test]
    fn the_form_is_told_by_the_prefix_then_by_an_equals_sign() {
        assert_eq!(dbname("postgres:///a=b").as_deref(), Some("a=b"));
        assert_eq!(dbname("dbname=postgres://h/db").as_deref(), Some("postgres://h/db"));
        assert_eq!(dbname(" my db ").as_deref(), Some(" my db "));
        assert_eq!(dbname("postgres:/db").as_deref(), Some("postgres:/db"));
        assert_eq!(dbname(""), None);
    }

    #[test]
    fn a_misspelt_scheme_is_no_database_and_its_password_stays_unseen() {
        for slip in ["Postgres://u:hunter2@h/db", "jdbc:postgresql://u:hunter2@h/db?ssl=true"] {
            let error = Settings::parse(slip).err().unwrap();
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn nul_is_refused_in_every_form() {
        for text in ["a\0b", "user=a\0b", "postgres://a\0b"] {
            assert_eq!(Settings::parse(text).err(), Some(Error::Nul));
        }
    }
}
