//! A connection URI becomes settings, by libpq's own grammar, which is not RFC 3986's.
//!
//! A `:`, `/`, `?` or `@` that is not percent-encoded cuts a password in two, and libpq takes the pieces for a host, a
//! port or a database. Wherever that may have happened the URI is refused, and no piece of it is quoted.

use super::foreign::{self, Foreign};
use super::settings::Settings;
use crate::conninfo::error::{ENCODE, Error, Excerpt};
use crate::conninfo::misplaced;
use crate::conninfo::table;
use crate::conninfo::values;

/// Returns what follows the scheme, if `text` begins with one of libpq's, whatever its case, also where it names a driver, as
/// in `postgresql+asyncpg://`.
pub(super) fn body(text: &str) -> Option<&str> {
    let (scheme, body) = text.split_once("://")?;
    let (scheme, driver) = scheme.split_once('+').unwrap_or((scheme, "any"));
    let is_word = !driver.is_empty() && driver.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let is_ours = SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme));
    (is_word && is_ours).then_some(body)
}

/// Reads a URI; `body` is what follows its scheme.
pub(super) fn parse(uri: &str, body: &str) -> Result<Settings, Error> {
    let private = body.contains('@') && body.contains(':') || misplaced::names_a_secret(body, "");
    let mut uri = Uri { text: uri, private, settings: Settings::default() };
    let rest = uri.user_and_password(body)?;
    // After the only "@" there is no piece of the password in front of it.
    let is_after_user = rest.len() < body.len();
    if is_after_user {
        uri.private = rest.contains('@') || misplaced::names_a_secret(rest, "");
    }
    let rest = uri.hosts_and_ports(rest, is_after_user)?;
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    // An empty name is not stored, so that PGDATABASE still applies.
    if let Some(dbname) = path.strip_prefix('/').filter(|dbname| !dbname.is_empty()) {
        if let Some(at) = path.find('@').filter(|at| body.len() > rest.len() || path[..*at].contains(':')) {
            return Err(uri.misplaced(&rest[at..]));
        }
        uri.set("dbname", dbname)?;
    }
    uri.query(query)?;
    // A role that is called so is given in keywords and values.
    let has_password = uri.settings.get("password").is_some_and(|password| !password.is_empty());
    if !has_password && uri.settings.get("user").is_some_and(|user| user.contains(':')) {
        return Err(Error::ColonInUser);
    }
    Ok(uri.settings)
}

/// A URI, and what has been read of it.
struct Uri<'a> {
    text: &'a str,
    /// Whether any piece may be a secret's, so that none is quoted.
    private: bool,
    settings: Settings,
}

impl<'a> Uri<'a> {
    /// Stores what stands before the first `@`, which must come before any `/` but may follow a `?`.
    fn user_and_password(&mut self, body: &'a str) -> Result<&'a str, Error> {
        let Some((userinfo, rest)) = body.split_once('@').filter(|(userinfo, _)| !userinfo.contains('/'))
        else {
            return Ok(body);
        };
        let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
        // In ?password=pass@word libpq sees the user "?password=pass".
        if let Some(at) = user.find('?') {
            return Err(self.misplaced(&body[at..]));
        }
        // Where the ":" is lost, the password is a part of the user.
        if !user.is_empty() {
            self.settings.set("user", decode(user, true)?);
        }
        if !password.is_empty() {
            self.settings.set("password", decode(password, true)?);
        }
        // No host has an "@" inside. An abstract socket begins with it.
        let (authority, _) = until(rest, &['/', '?']);
        for (at, _) in authority.match_indices('@') {
            if !matches!(authority[..at].chars().next_back(), None | Some(',' | '[')) {
                return Err(self.misplaced(&rest[at..]));
            }
        }
        Ok(rest)
    }

    /// Stores the hosts and the ports, each joined with commas and decoded afterwards.
    fn hosts_and_ports(&mut self, mut rest: &'a str, is_after_user: bool) -> Result<&'a str, Error> {
        let (mut hosts, mut ports) = (String::new(), String::new());
        loop {
            let (element, _) = until(rest, &['/', '?', ',']);
            let host;
            (host, rest) = match rest.strip_prefix('[') {
                Some(inside) => self.bracketed(inside)?,
                None => until(rest, &[':', '/', '?', ',']),
            };
            hosts.push_str(host);
            if let Some(after) = rest.strip_prefix(':') {
                let (port, next) = until(after, &['/', '?', ',']);
                // In user:pass/word@host libpq sees the host "user" and the port "pass".
                if !is_ports(port) {
                    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
                    let remedy = if is_ipv6(element) {
                        "an IPv6 address goes in brackets: [::1]"
                    } else if after.contains('@') || !is_after_user && !is_number {
                        ENCODE
                    } else {
                        "expected 1 to 65535"
                    };
                    return Err(Error::UriPort(self.position(after), remedy));
                }
                ports.push_str(port);
                rest = next;
            }
            let Some(after) = rest.strip_prefix(',') else { break };
            hosts.push(',');
            ports.push(',');
            rest = after;
        }
        for (keyword, list) in [("host", hosts), ("port", ports)] {
            if !list.is_empty() {
                self.set(keyword, &list)?;
            }
        }
        Ok(rest)
    }

    /// Returns the address before `]`, which is not validated here, and what follows.
    fn bracketed(&self, inside: &'a str) -> Result<(&'a str, &'a str), Error> {
        let is_address = inside.chars().all(|c| c.is_ascii_hexdigit() || ":.[]/,".contains(c));
        // The text that is quoted has the password in front of an "@", however good what follows is.
        let excerpt = || Excerpt::new(self.text, self.text.contains('@') || !is_address);
        let (address, after) = inside.split_once(']').ok_or_else(|| Error::UnclosedBracket(excerpt()))?;
        if address.is_empty() {
            return Err(Error::EmptyBrackets(excerpt()));
        }
        match after.chars().next() {
            None | Some(':' | '/' | '?' | ',') => Ok((address, after)),
            Some(other) => Err(Error::AfterBracket(other, self.position(after))),
        }
    }

    /// Stores the parameters of the query, which override what stands before it.
    fn query(&mut self, mut query: &str) -> Result<(), Error> {
        // After a password, or in the rest of one that a raw "?" has cut short, any word may be secret.
        let mut private = self.private || query.contains('@');
        while !query.is_empty() {
            let (piece, next) = query.split_once('&').unwrap_or((query, ""));
            query = next;
            let (key, value) =
                piece.split_once('=').ok_or_else(|| Error::NoSeparator(Excerpt::keyword(piece, private)))?;
            let key = decode(key, private)?;
            let (key, value) = match (key.as_str(), value) {
                // What libpq takes from JDBC.
                ("ssl", "true") => ("sslmode", "require"),
                other => other,
            };
            let parameter = table::find(key);
            match foreign::find(key).filter(|_| parameter.is_none()) {
                Some(Foreign::Ignored(name)) => {
                    self.settings.ignore(name);
                    continue;
                }
                Some(Foreign::Instead(name, instead)) => return Err(Error::ForeignParameter(name, instead)),
                None => {}
            }
            if value.contains('=') {
                return Err(Error::ExtraSeparator(Excerpt::keyword(key, private)));
            }
            // A misspelt "password" is an unknown key.
            let is_secret = parameter.is_none_or(table::Parameter::is_secret);
            let value = decode(value, private || is_secret)?;
            let is_hidden = private && !table::is_respelt(key);
            let unknown = || Error::UnknownQueryParameter(Excerpt::keyword(key, is_hidden));
            self.settings.set(key, value).ok_or_else(unknown)?;
            private |= is_secret;
        }
        Ok(())
    }

    fn set(&mut self, keyword: &str, text: &str) -> Result<(), Error> {
        self.settings.set(keyword, decode(text, self.private)?);
        Ok(())
    }

    /// The error for a delimiter in the wrong place, with which `rest` begins.
    fn misplaced(&self, rest: &str) -> Error {
        Error::MisplacedDelimiter(rest.chars().next().unwrap_or_default(), self.position(rest))
    }

    /// Where `rest`, the end of the URI, begins: the number of its first byte, counted from 1.
    fn position(&self, rest: &str) -> usize {
        self.text.len() - rest.len() + 1
    }
}

/// Whether this is a port, or several joined by an encoded comma, or nothing.
fn is_ports(text: &str) -> bool {
    decode(text, true)
        .is_ok_and(|list| list.split(',').all(|port| port.is_empty() || values::port(port).is_ok()))
}

/// Whether this can only be meant as an IPv6 address.
fn is_ipv6(text: &str) -> bool {
    text.matches(':').count() > 1 && text.chars().all(|c| c.is_ascii_hexdigit() || ":.".contains(c))
}

/// Decodes one component of a URI. Spaces around it are dropped; `+` and `#` are plain data.
/// `private` forbids quoting it.
pub(super) fn decode(text: &str, private: bool) -> Result<String, Error> {
    let excerpt = || Excerpt::new(text, private);
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.trim_matches(' ').bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b' ' => return Err(Error::UnencodedSpace(excerpt())),
            b'%' => match (bytes.next().and_then(hex), bytes.next().and_then(hex)) {
                (Some(0), Some(0)) => return Err(Error::PercentNul(excerpt())),
                (Some(high), Some(low)) => decoded.push(high * 16 + low),
                _ => return Err(Error::PercentToken(excerpt())),
            },
            _ => decoded.push(byte),
        }
    }
    String::from_utf8(decoded).map_err(|_| Error::PercentNotUtf8(excerpt()))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Splits `text` before the first of `stops`.
fn until<'a>(text: &'a str, stops: &[char]) -> (&'a str, &'a str) {
    text.split_at(text.find(stops).unwrap_or(text.len()))
}

/// libpq's own, and that by which Rails and Django ask for `PostGIS`.
const SCHEMES: [&str; 3] = ["postgresql", "postgres", "postgis"];

#[cfg(test)]
mod tests {
    use super::*;

    fn read(uri: &str) -> Result<Settings, Error> {
        parse(uri, body(uri).unwrap())
    }

    #[test]
    fn libpqs_grammar_in_its_corners() {
        let table: &[(&str, &[(&str, &str)])] = &[
            ("postgres://u:a:b@h", &[("user", "u"), ("password", "a:b"), ("host", "h")]),
            ("postgres://u:@h", &[("user", "u"), ("host", "h")]),
            ("postgres://u%3Av:p@h", &[("user", "u:v"), ("password", "p"), ("host", "h")]),
            ("postgres://u:%2f%40%3a@h", &[("user", "u"), ("password", "/@:"), ("host", "h")]),
            ("postgres://a%2Cb", &[("host", "a,b")]),
            ("postgres://h1,h2:5433", &[("host", "h1,h2"), ("port", ",5433")]),
            ("postgres://h1,h2", &[("host", "h1,h2"), ("port", ",")]),
            ("postgres://[::1],h:1/d", &[("host", "::1,h"), ("port", ",1"), ("dbname", "d")]),
            ("postgres://h/a/b/c", &[("host", "h"), ("dbname", "a/b/c")]),
            ("postgres:///a@b", &[("dbname", "a@b")]),
            ("postgres://h/a%40b", &[("host", "h"), ("dbname", "a@b")]),
            ("postgres://@abstract", &[("host", "abstract")]),
            ("postgres://u:p@@abstract", &[("user", "u"), ("password", "p"), ("host", "@abstract")]),
            ("postgres://%40abstract", &[("host", "@abstract")]),
            ("postgres://h/d#x+y", &[("host", "h"), ("dbname", "d#x+y")]),
            ("postgres://h1/a?host=h2&host=h3&dbname=b", &[("host", "h3"), ("dbname", "b")]),
            ("postgres://?ssl=true", &[("sslmode", "require")]),
            ("postgres://?requiressl=1", &[("sslmode", "require")]),
            ("postgres://?user=a&", &[("user", "a")]),
            ("postgres://?user=", &[("user", "")]),
        ];
        for (uri, expected) in table {
            let settings = read(uri).unwrap();
            let found: Vec<_> =
                table::TABLE.iter().filter_map(|p| Some((p.keyword, settings.get(p.keyword)?))).collect();
            let mut expected = expected.to_vec();
            expected.sort_by_key(|(keyword, _)| table::TABLE.iter().position(|p| p.keyword == *keyword));
            assert_eq!(found, expected, "{uri}");
        }
    }

    #[test]
    fn what_is_malformed_is_told() {
        for (uri, expected) in [
            ("postgres://?ssl=false", "invalid URI query parameter: \"ssl\""),
            ("postgres://?&user=a", "missing key/value separator \"=\" in URI query parameter: \"\""),
            (
                "postgres://h h",
                "unexpected spaces found in \"h h\", use percent-encoded spaces (%20) instead",
            ),
            ("postgres://%ff", "percent-encoded value is not valid UTF-8: \"%ff\""),
            (
                "postgres://u:hunter2@[",
                "end of string reached when looking for matching \"]\" in IPv6 host address in URI",
            ),
            (
                "postgres://h:x",
                &format!("invalid value for connection option \"port\" at position 14 in URI; {ENCODE}"),
            ),
            (
                "postgres://h:1,g:0/",
                "invalid value for connection option \"port\" at position 18 in URI; expected 1 to 65535",
            ),
            (
                "postgres://fe80::1/",
                "invalid value for connection option \"port\" at position 17 in URI; an IPv6 address goes in brackets: [::1]",
            ),
            ("postgres://u@h@g", &format!("malformed URI: unexpected \"@\" at position 15; {ENCODE}")),
            ("postgres://h/d@e", &format!("malformed URI: unexpected \"@\" at position 15; {ENCODE}")),
            ("postgres:///u:p@e", &format!("malformed URI: unexpected \"@\" at position 16; {ENCODE}")),
            ("postgres://h?a@b", &format!("malformed URI: unexpected \"?\" at position 13; {ENCODE}")),
            (
                "postgres://u@[::1]\t",
                "unexpected character \"\\t\" at position 19 in URI (expected \":\" or \"/\")",
            ),
        ] {
            let error = read(uri).err().unwrap().to_string();
            assert!(error.starts_with(expected), "{uri}: {error}");
        }
    }

    #[test]
    fn no_error_quotes_a_password_not_even_one_with_delimiters_in_it() {
        for uri in [
            "postgres://u:%hunter2@h",
            "postgres://u:x hunter2@h",
            "postgres://u%3Ahunter2@h",
            "postgres://u%3ahunter2:@h",
            "postgres://h/d?user=u:hunter2",
            "postgres://u:hunter2%00@h",
            "postgres://u:x@hunter2@h",
            "postgres://u:x@hunter2%zz@h",
            "postgres://u:x@[hunter2@h",
            "postgres://u:x@[hunter2]hunter2@h",
            "postgres://u:hunter2/x@h",
            "postgres://u:x@y:hunter2@h",
            "postgres://u:hunter2/x@h?user=a",
            "postgres://u:x@y?hunter2@h",
            "postgres://u@h:hunter2@h:1/d",
            "postgres://u:hunter2/d",
            "postgres://u:hunter2:1/d",
            "postgres://a:hunter2@h:1,g:hunter2/d",
            "postgres://u/r:hunter2@h:1/d",
            "postgres://u:p@x/hunter2@h/d",
            "postgres://u/hunter2@h/d",
            "postgres://u:1/hunter2@h/d",
            "postgres://h?password=hunter2@x",
            "postgres://u:123456/hunter2",
            "postgres://[u:hunter2/d",
            "postgres://u:1/x?hunter2@h",
            "postgres://h?password=x&hunter2",
            "postgres://h?password=x&hunter2=1",
            "postgres://h?password=%hunter2",
            "postgres://h?p%61ssword=x&hunter2=%",
            "postgres://ann:hunter2@[]:5432",
            "postgres://ann:hunter2@[::1/db",
            "postgres://ann:hunter2@h,[]/db",
            "postgres://hunter2@[]",
            "postgres://[::1?password=hunter2",
            "postgres://[::1]z?password=hunter2",
        ] {
            let error = read(uri).err().unwrap();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{uri}: {error}");
        }
    }

    #[test]
    fn tokens_become_bytes() {
        for (text, expected) in [
            ("", ""),
            ("  ", ""),
            ("a+b#c", "a+b#c"),
            ("%41%c3%BC", "Aü"),
            (" %20a%20 ", " a "),
            ("%25%32%35", "%25"),
            ("ü", "ü"),
        ] {
            assert_eq!(decode(text, false).unwrap(), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_token_is_an_error_that_keeps_secrets() {
        for (text, expected) in [
            ("%", "invalid percent-encoded token"),
            ("a%4", "invalid percent-encoded token"),
            ("a%+4", "invalid percent-encoded token"),
            ("%%%", "invalid percent-encoded token"),
            ("%ü", "invalid percent-encoded token"),
            ("a%00", "forbidden value %00 in percent-encoded value"),
            ("%ff", "percent-encoded value is not valid UTF-8"),
        ] {
            let [private, public] =
                [true, false].map(|private| decode(text, private).unwrap_err().to_string());
            assert!(private.starts_with(expected) && !private.contains(&format!(": {text:?}")), "{private}");
            assert!(public.starts_with(&format!("{expected}: {text:?}")), "{public}");
        }
        assert!(!decode("hunter2 x", true).unwrap_err().to_string().contains("hunter2"));
    }
}
