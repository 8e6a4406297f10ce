//! The `keyword=value` form of a connection string.

use super::error::{Error, Excerpt};
use super::settings::Settings;

/// Reads `host=h user='o\'neill'`: a later value replaces an earlier one.
pub(super) fn parse(text: &str) -> Result<Settings, Error> {
    let mut settings = Settings::default();
    // Behind a secret any word may be the rest of it: password=two words.
    let mut private = false;
    let mut rest = text.trim_start_matches(is_space);
    while !rest.is_empty() {
        let end = rest.find(|c| c == '=' || is_space(c)).unwrap_or(rest.len());
        let (keyword, behind) = rest.split_at(end);
        // An address with a misspelt scheme lands here, password and all.
        let private_keyword = private || keyword.contains('@');
        let Some(behind) = behind.trim_start_matches(is_space).strip_prefix('=') else {
            return Err(Error::NoEquals(Excerpt::new(keyword, private_keyword)));
        };
        let (value, behind) = value(behind.trim_start_matches(is_space))?;
        private |= settings.set(keyword, value, private_keyword)?.masked;
        rest = behind.trim_start_matches(is_space);
    }
    Ok(settings)
}

/// The value that `text` begins with, and what is left behind it.
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

/// C's `isspace`: what libpq takes for space.
pub(super) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t'..='\r')
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(parse(text).unwrap().get("user"), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn requiressl_is_an_old_word_for_sslmode() {
        for (text, expected) in
            [("requiressl=1", "require"), ("requiressl=0", "prefer"), ("requiressl=", "prefer")]
        {
            assert_eq!(parse(text).unwrap().get("sslmode"), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn what_is_malformed_is_told() {
        let table = [
            ("user", "missing \"=\" after \"user\" in connection info string"),
            ("user=a host", "missing \"=\" after \"host\" in connection info string"),
            ("us er=a", "missing \"=\" after \"us\" in connection info string"),
            ("user='a", "unterminated quoted string in connection info string"),
            (r"user='a\'", "unterminated quoted string in connection info string"),
            (r"user='a\", "unterminated quoted string in connection info string"),
            ("uzer=a", "invalid connection option \"uzer\""),
            ("=a", "invalid connection option \"\""),
            ("USER=a", "invalid connection option \"USER\""),
            ("a\u{1b}[2Jb=c", "invalid connection option \"a\\u{1b}[2Jb\""),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text).err().unwrap().to_string(), expected, "{text:?}");
        }
    }

    #[test]
    fn words_behind_a_password_are_not_quoted() {
        for text in ["password=two hunter2", "password=two hunter2=x", "password='it's hunter2' port=1"] {
            let error = parse(text).err().unwrap();
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
