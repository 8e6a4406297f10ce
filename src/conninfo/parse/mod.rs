//! A connection string becomes settings: which of its three forms it has, and the `keyword=value` form itself.

pub(crate) mod foreign;
pub(super) mod settings;
mod uri;

use crate::conninfo::error::{Error, Excerpt};
use crate::conninfo::table;
use crate::conninfo::values::is_space;
use settings::Settings;

/// Reads a connection string in any of its forms, as `psql -d` does.
pub(in crate::conninfo) fn connection_string(text: &str) -> Result<Settings, Error> {
    if text.contains('\0') {
        return Err(Error::Nul);
    }
    if let Some(body) = uri::body(text) {
        return uri::parse(text, body);
    }
    refuse_misspelt_uri(text)?;
    if text.contains('=') {
        return keywords(text);
    }
    // Rather a misspelt URI, one that is percent-encoded as a whole, a line of a password file or nothing. A database of
    // such a name is given as dbname=NAME.
    if text.contains(':') || text.contains('%') || !text.is_empty() && text.trim().is_empty() {
        return Err(Error::NoDatabase);
    }
    let mut settings = Settings::default();
    if !text.is_empty() {
        settings.set("dbname", text.to_owned());
    }
    Ok(settings)
}

/// Refuses what begins like a URI but for a slip. psql would send it as the name of a database, password and all.
fn refuse_misspelt_uri(text: &str) -> Result<(), Error> {
    let unwrapped = text.trim_start_matches(|c| is_space(c) || c == '"' || c == '\'');
    if let (Some(first), Some(_)) = (text.chars().next(), uri::body(unwrapped)) {
        return Err(Error::BeforeUri(first));
    }
    if (text.starts_with('$') || text.starts_with("{{")) && !text.contains('=') {
        return Err(Error::Unexpanded);
    }
    match text.split_once("://") {
        Some((scheme, _)) if !scheme.contains(|c| c == '=' || is_space(c)) => {
            Err(Error::Scheme(Excerpt::scheme(scheme)))
        }
        _ => Ok(()),
    }
}

/// Reads `host=h user='o\'neill'`: a later value replaces an earlier one.
fn keywords(text: &str) -> Result<Settings, Error> {
    let mut settings = Settings::default();
    // After a secret any word may be the rest of it: password=two words.
    let mut private = false;
    let mut rest = text.trim_start_matches(is_space);
    while !rest.is_empty() {
        let end = rest.find(|c| c == '=' || is_space(c)).unwrap_or(rest.len());
        let (keyword, after) = rest.split_at(end);
        let Some(after) = after.trim_start_matches(is_space).strip_prefix('=') else {
            let is_known = table::find(keyword).is_some();
            let position = text.len() - rest.len() + 1;
            return Err(Error::NoEquals(Excerpt::new(keyword, private || !is_known), position));
        };
        let (value, after) = value(after.trim_start_matches(is_space))?;
        let parameter = settings.set(keyword, value);
        let unknown = || Error::UnknownOption(Excerpt::keyword(keyword, private));
        private |= parameter.ok_or_else(unknown)?.is_secret();
        rest = after.trim_start_matches(is_space);
    }
    Ok(settings)
}

/// Splits `text` after the value that it begins with.
fn value(text: &str) -> Result<(String, &str), Error> {
    let (mut chars, quoted) = match text.strip_prefix('\'') {
        Some(inside) => (inside.chars(), true),
        None => (text.chars(), false),
    };
    let mut value = String::new();
    loop {
        match chars.next() {
            None if quoted => return Err(Error::UnterminatedQuote),
            None => break,
            Some('\'') if quoted => break,
            Some(c) if !quoted && is_space(c) => break,
            Some('\\') => value.extend(chars.next()),
            Some(c) => value.push(c),
        }
    }
    Ok((value, chars.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dbname(text: &str) -> Option<String> {
        connection_string(text).unwrap().get("dbname").map(str::to_owned)
    }

    #[test]
    fn the_form_is_told_by_the_prefix_then_by_an_equals_sign() {
        for scheme in
            ["postgres", "postgresql", "POSTGRES", "postgresql+asyncpg", "postgres+psycopg_async", "PostGIS"]
        {
            assert_eq!(dbname(&format!("{scheme}:///a=b")).as_deref(), Some("a=b"), "{scheme}");
        }
        assert_eq!(dbname("dbname=postgres://h/db").as_deref(), Some("postgres://h/db"));
        assert_eq!(dbname(" my db ").as_deref(), Some(" my db "));
        assert_eq!(dbname("dbname=postgres:/db").as_deref(), Some("postgres:/db"));
        assert_eq!(dbname(""), None);
    }

    #[test]
    fn a_misspelt_uri_is_no_database_and_its_password_stays_unseen() {
        for misspelt in [
            "postgress://u:hunter2@h/db",
            "jdbc:postgresql://u:hunter2@h/db?ssl=true",
            "postgres%3A%2F%2Fu%3Ahunter2%40h%2Fdb",
            "postgres%3a%2f%2fh%2fdb%3fpassword%3dhunter2",
            "h:5432:db:u:hunter2",
            "*:*:*:*:hunter2",
            "user:u password:hunter2",
            "127.0.0.1:5432/hunter2",
            "{{ hunter2 }}",
            " ",
        ] {
            let error = connection_string(misspelt).err().unwrap();
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn nul_is_refused_in_every_form() {
        for text in ["a\0b", "user=a\0b", "postgres://a\0b"] {
            assert_eq!(connection_string(text).err(), Some(Error::Nul));
        }
    }

    #[test]
    fn values_are_bare_or_quoted_and_backslash_escapes_in_both() {
        let table = [
            ("user=ann", "ann"),
            (" user = ann ", "ann"),
            ("\tuser\n=\x0bann\r", "ann"),
            ("user=ann user=bob", "bob"),
            ("user=", ""),
            ("user= \t", ""),
            ("user=''", ""),
            ("user='a b'", "a b"),
            ("user='a b'port=1", "a b"),
            (r"user='o\'neill'", "o'neill"),
            (r"user='a\\b\c'", r"a\bc"),
            (r"user=a\ b", "a b"),
            (r"user=o\'neill", "o'neill"),
            ("user=o'neill'", "o'neill'"),
            (r"user=a\", "a"),
            ("user=a=b", "a=b"),
            ("user=ünï", "ünï"),
            ("user= host=x", "host=x"),
        ];
        for (text, expected) in table {
            assert_eq!(keywords(text).unwrap().get("user"), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn requiressl_is_an_old_word_for_sslmode() {
        for (text, expected) in
            [("requiressl=1", "require"), ("requiressl=0", "prefer"), ("requiressl=", "prefer")]
        {
            assert_eq!(keywords(text).unwrap().get("sslmode"), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn what_is_malformed_is_told() {
        let table = [
            ("user", "missing \"=\" after \"user\" in connection info string"),
            ("user=a host", "missing \"=\" after \"host\" in connection info string"),
            (
                "us er=a",
                "missing \"=\" after the word at position 1 in connection info string (a value with spaces needs quotes)",
            ),
            ("user='a", "unterminated quoted string in connection info string"),
            (r"user='a\'", "unterminated quoted string in connection info string"),
            (r"user='a\", "unterminated quoted string in connection info string"),
            ("uzer=a", "invalid connection option \"uzer\""),
            ("=a", "invalid connection option \"\""),
            ("USER=a", "invalid connection option \"USER\""),
            ("a\u{1b}[2Jb=c", "invalid connection option (a value with spaces needs quotes)"),
        ];
        for (text, expected) in table {
            let error = keywords(text).err().unwrap().to_string();
            assert!(error.starts_with(expected), "{text:?}: {error}");
        }
    }

    #[test]
    fn words_after_a_password_are_not_quoted() {
        for text in ["password=two hunter2", "password=two hunter2=x", "password='it's hunter2' port=1"] {
            let error = keywords(text).err().unwrap();
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
