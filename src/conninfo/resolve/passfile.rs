//! The password file, `~/.pgpass`: lines of `host:port:database:user:password`.

use std::path::Path;

use super::environment::PlainFile;
use super::hosts::{Host, SOCKET_DIRECTORIES};
use crate::conninfo::values::Secret;

/// The contents of a password file.
pub(super) struct Passfile(String);

impl Passfile {
    /// Reads a password file. One that can't be trusted or read is as if it were not there, but
    /// leaves a warning; one that is missing is nothing to speak of.
    pub(super) fn read(path: &Path, is_named: bool, warnings: &mut Vec<String>) -> Option<Passfile> {
        let name = path.display().to_string();
        let mut ignore = |why: &str| {
            warnings.push(format!("password file {name:?} {why}"));
            None
        };
        let file = match PlainFile::open(path, is_named) {
            Ok(file) => file?,
            Err(fault) => return ignore(&fault.to_string()),
        };
        if file.is_exposed() {
            return ignore("has group or world access; permissions should be u=rw (0600) or less");
        }
        let bytes = match file.read() {
            Ok(bytes) => bytes,
            Err(fault) => return ignore(&fault.to_string()),
        };
        let mut text = String::with_capacity(bytes.len());
        for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            match std::str::from_utf8(line) {
                Ok(line) if !line.contains('\0') => {
                    text.push_str(line);
                    text.push('\n');
                }
                _ => warnings
                    .push(format!("password file {name:?}: line {} is not UTF-8 text, ignored", index + 1)),
            }
        }
        Some(Passfile(text))
    }

    /// The password for a host.
    pub(super) fn password(&self, host: &Host, dbname: &str, user: &str) -> Option<Secret> {
        let password = lookup(&self.0, host.key(), &host.port.to_string(), dbname, user)?;
        // The first match decides, also where it says that there is none.
        Some(password).filter(|password| !password.is_empty()).map(Secret::new)
    }
}

/// The password in the first line of `text` that matches. An empty `host` is the default socket.
#[must_use]
pub fn lookup(text: &str, host: &str, port: &str, dbname: &str, user: &str) -> Option<String> {
    let is_default = host.is_empty() || SOCKET_DIRECTORIES.contains(&host);
    text.split('\n').filter(|line| !line.starts_with('#')).find_map(|line| {
        let line = line.trim_end_matches('\r');
        let rest = match field(line, host).filter(|_| !host.is_empty()) {
            None if is_default => field(line, "localhost"),
            found => found,
        }?;
        // A port is the same however it is written: ours is without zeros in front.
        Some(unescape(field(field(field(rest.trim_start_matches('0'), port)?, dbname)?, user)?))
    })
}

/// What follows the field that `line` begins with, if it matches. A `:` in `value` needs no escape.
fn field<'a>(line: &'a str, value: &str) -> Option<&'a str> {
    if let Some(rest) = line.strip_prefix("*:") {
        return Some(rest);
    }
    let mut chars = line.chars();
    for expected in value.chars() {
        let found = match chars.next()? {
            '\\' => chars.next()?,
            other => other,
        };
        if found != expected {
            return None;
        }
    }
    chars.as_str().strip_prefix(':')
}

/// The last field, which an unescaped `:` ends.
fn unescape(field: &str) -> String {
    let mut password = String::new();
    let mut chars = field.chars();
    while let Some(c) = chars.next().filter(|c| *c != ':') {
        password.push(if c == '\\' { chars.next().unwrap_or(c) } else { c });
    }
    password
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str, host: &str) -> Option<String> {
        lookup(text, host, "5432", "db", "ann")
    }

    #[test]
    fn the_first_line_that_matches_wins() {
        for (text, expected) in [
            ("h:5432:db:ann:pw", Some("pw")),
            ("h:5432:db:ann:pw\r\n", Some("pw")),
            ("h:5432:db:ann:pw\r\r\n", Some("pw")),
            ("g:5432:db:ann:no\nh:5432:db:ann:pw\n*:*:*:*:no", Some("pw")),
            ("*:*:*:*:pw", Some("pw")),
            ("h:05432:db:ann:pw", Some("pw")),
            ("h:54320:db:ann:pw", None),
            ("#h:5432:db:ann:no\n\nh:*:*:*:pw", Some("pw")),
            (" #\nh:*:*:*:pw", Some("pw")),
            ("h:*:*:*:\nh:*:*:*:pw", Some("")),
            ("h:5433:db:ann:pw", None),
            ("h:5432:dbx:ann:pw", None),
            ("h:5432:db:an:pw", None),
            ("h*:*:*:*:pw", None),
            ("**:*:*:*:pw", None),
            (r"\*:*:*:*:pw", None),
            ("h:*:*:*", None),
            (" h:*:*:*:pw", None),
            ("H:*:*:*:pw", None),
            ("", None),
        ] {
            assert_eq!(password(text, "h").as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn backslash_escapes_and_a_colon_ends_the_password() {
        for (line, expected) in [
            (r"*:*:*:*:a\:b", "a:b"),
            (r"*:*:*:*:a\\b\c", r"a\bc"),
            (r"*:*:*:*:a\", r"a\"),
            ("*:*:*:*:a:b", "a"),
            ("*:*:*:*: a ", " a "),
            ("*:*:*:*:ünï", "ünï"),
        ] {
            assert_eq!(password(line, "h").as_deref(), Some(expected), "{line:?}");
        }
    }

    #[test]
    fn an_address_matches_with_and_without_escapes() {
        for line in ["::1:*:*:*:pw", r"\:\:1:*:*:*:pw", r":\:1:*:*:*:pw"] {
            assert_eq!(password(line, "::1").as_deref(), Some("pw"), "{line:?}");
        }
        assert_eq!(password("::12:*:*:*:pw", "::1"), None);
        assert_eq!(password(r"h\:*:*:*:pw", "h"), None);
    }

    #[test]
    fn localhost_stands_for_the_default_socket_too() {
        for host in ["", "localhost", "/run/postgresql", "/var/run/postgresql", "/tmp"] {
            assert_eq!(password("localhost:*:*:*:pw\n*:*:*:*:no", host).as_deref(), Some("pw"), "{host:?}");
        }
        assert_eq!(password("/tmp:*:*:*:pw", "/tmp").as_deref(), Some("pw"));
        assert_eq!(password("localhost:*:*:*:pw", "/run/other"), None);
        assert_eq!(password(":*:*:*:pw", ""), None);
    }
}
