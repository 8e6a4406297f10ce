//! Refuses values that are not what their parameter asks for and may be a secret in the wrong place: what is refused here
//! is neither printed, nor looked up, nor sent to a server.

use super::error::Error;
use super::table::{self, Parameter};

/// Refuses the value of a parameter, whatever source it is from.
pub(super) fn refuse(parameter: &Parameter, value: &str) -> Result<(), Error> {
    if parameter.is_secret() {
        return Ok(());
    }
    let keyword = parameter.keyword;
    // A line of the file has four delimiters; other files have names with colons, such as fingerprints.
    if keyword == "passfile" && value.matches(':').count() >= 4 {
        return Err(Error::FileContents(keyword));
    }
    if parameter.is_file {
        return refuse_no_path(keyword, value);
    }
    // What follows "-c" in options is the server's.
    if keyword != "options" && sets_a_secret(value) {
        return Err(Error::HoldsParameters(keyword));
    }
    match keyword {
        "host" | "hostaddr" => refuse_no_host(keyword, value),
        "user" | "dbname" | "service" if ends_a_line(value) => Err(Error::TrailingNewline(keyword)),
        // Any text will do there.
        "options" | "application_name" | "fallback_application_name" => Ok(()),
        _ if is_credentials(value) => Err(Error::HoldsCredentials(keyword)),
        _ => Ok(()),
    }
}

/// Refuses what is no path of a file, but rather what stands in it: the value of a parameter or variable of this name.
pub(super) fn refuse_no_path(name: &'static str, value: &str) -> Result<(), Error> {
    if sets_a_secret(value) {
        return Err(Error::HoldsParameters(name));
    }
    // A path may have both delimiters, but not with a scheme before them.
    if value.contains("://") && is_credentials(value) {
        return Err(Error::HoldsCredentials(name));
    }
    if value.contains('\n') || ends_a_line(value) || value.contains("-----BEGIN") {
        return Err(Error::FileContents(name));
    }
    Ok(())
}

/// Whether a text has both delimiters of `user:password@host`, with or without a scheme before it.
fn is_credentials(text: &str) -> bool {
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    text.contains('@') && text.contains(':')
}

/// Whether a text has a `password=` in it, as where parameters are separated by something else than spaces.
fn sets_a_secret(text: &str) -> bool {
    names_a_secret(text, "=")
}

/// Whether a text has the name of a secret in it, with this behind it.
pub(super) fn names_a_secret(text: &str, behind: &str) -> bool {
    let text = text.to_ascii_lowercase();
    table::secrets().any(|name| {
        text.match_indices(name).any(|(at, _)| {
            let (before, rest) = text.split_at_checked(at).unwrap_or_default();
            // Words end in "pass" that name no secret, such as "bypass", and in none of the others.
            let is_name = name != "pass" || !before.ends_with(|c: char| c.is_ascii_alphabetic());
            is_name && rest.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with(behind))
        })
    })
}

/// Refuses a list of hosts in which one can't be the name of a host, a directory or an abstract socket.
fn refuse_no_host(keyword: &'static str, list: &str) -> Result<(), Error> {
    let mut position = 1;
    for host in list.split(',') {
        let is_path = host.starts_with('/') && !(host.starts_with("//") && is_credentials(host));
        if is_path && host.contains("/.s.PGSQL.") {
            return Err(Error::SocketFile(keyword));
        }
        let is_abstract = host.starts_with('@') && !is_credentials(host.get(1..).unwrap_or_default());
        let found = host.char_indices().find(|(at, c)| match c {
            '\n' | '\r' => true,
            _ if is_path || is_abstract => false,
            '@' => *at > 0,
            // An address has its scope after it.
            '%' => !host.contains(':'),
            '\0'..=' ' | '=' | '$' | '{' | '}' | '<' | '>' | '"' | '\'' => true,
            _ => false,
        });
        if let Some((at, c)) = found {
            return Err(Error::NoHost(keyword, c, position + at));
        }
        if host.starts_with('[') {
            return Err(Error::Brackets(keyword));
        }
        if let Some(at) = host.find(':').filter(|_| !is_path && !is_abstract && !is_ipv6(host)) {
            return Err(Error::PortInHost(keyword, position + at));
        }
        position += host.len() + 1;
    }
    Ok(())
}

/// Whether a text ends as a line of a file does, also of one from Windows.
pub(super) fn ends_a_line(text: &str) -> bool {
    matches!(text.as_bytes(), [.., b'\n' | b'\r'])
}

/// Whether this has the form of an IPv6 address, with or without a scope: groups of at most four digits, and perhaps an
/// IPv4 address. libpq leaves it to the resolver whether they are digits.
fn is_ipv6(host: &str) -> bool {
    let (address, _) = host.split_once('%').unwrap_or((host, ""));
    let is_group = |group: &str| group.len() <= 4 || group.chars().all(|c| c.is_ascii_digit() || c == '.');
    address.matches(':').count() > 1 && address.split(':').all(is_group)
}

#[cfg(test)]
mod tests {
    use super::super::table;
    use super::*;

    fn refused(keyword: &str, value: &str) -> Option<String> {
        refuse(table::find(keyword).unwrap(), value).err().map(|error| error.to_string())
    }

    #[test]
    fn what_may_be_a_secret_in_the_wrong_place_is_refused_without_quoting_it() {
        for (keyword, value) in [
            ("host", "h,port=1,user=u,password=hunter2"),
            ("host", "h;hunter2=x"),
            ("host", "u:hunter2@h"),
            ("host", "/run;password=hunter2"),
            ("host", "//u:hunter2@h/d"),
            ("host", "u:hunter2"),
            ("host", "u:hunter2:1"),
            ("host", "[hunter2]"),
            ("host", "/hunter2/.s.PGSQL.5432"),
            ("host", "hunter2\n"),
            ("host", "/hunter2\r"),
            ("host", "${hunter2}"),
            ("host", "h<hunter2>"),
            ("host", "u%3Ahunter2"),
            ("host", "@u:hunter2@h"),
            ("host", "@h;password=hunter2"),
            ("host", "@hunter2\n"),
            ("host", "h,hunter2 "),
            ("user", "hunter2\n"),
            ("user", "hunter2\r"),
            ("dbname", "hunter2\n"),
            ("service", "hunter2\n"),
            ("hostaddr", "127.0.0.1&x=hunter2"),
            ("port", "1;password=hunter2"),
            ("user", "u:hunter2@h"),
            ("user", "u password = hunter2"),
            ("user", "u;Password=hunter2"),
            ("user", "u;PGPASSWORD=hunter2"),
            ("user", "u;db_pass=hunter2"),
            ("dbname", "d;PWD = hunter2"),
            ("host", "/run;pass=hunter2"),
            ("sslkey", "k;Passwd=hunter2"),
            ("dbname", "postgres://u:hunter2@h/d"),
            ("dbname", "d&password=hunter2"),
            ("application_name", "a;sslpassword=hunter2"),
            ("sslkey", "-----BEGIN PRIVATE KEY----- hunter2"),
            ("sslkey", "hunter2\nhunter2"),
            ("sslcert", "-----BEGIN CERTIFICATE-----"),
            ("sslrootcert", "a\n"),
            ("sslrootcert", "postgres://u:hunter2@h/d"),
            ("sslcrl", "a\n"),
            ("sslcrldir", "a\n"),
            ("passfile", "*:*:*:*:hunter2\n"),
            ("passfile", "/hunter2\r"),
            ("passfile", "db:5432:app:ann:hunter2"),
            ("passfile", "*:*:*:*:hunter2"),
            ("passfile", r"\:\:1:5432:app:ann:hunter\:2"),
        ] {
            let error = refused(keyword, value).expect(value);
            assert!(error.contains(keyword) && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn what_is_in_its_place_is_not_refused() {
        for (keyword, value) in [
            ("password", "password=x@y:z\n-----BEGIN"),
            ("host", "@a=b%c@d,h,/a =b@c:1${d},@abstract {:1,::1,fe80::1%eth0,::ffff:10.0.0.1,"),
            ("user", "ann@example.com"),
            ("dbname", "a:b"),
            ("dbname", "postgres://ann@h/x"),
            ("options", "-c a.password=x"),
            ("application_name", "password"),
            ("application_name", "bypass=1, compass = x"),
            ("sslrootcert", "/srv/bypass=1/root.crt"),
            ("dbname", "a=password"),
            ("sslkey", "/a b/=@:"),
            ("sslcert", "/a:b:c:d:e"),
            ("passfile", "/a:b:c:d"),
        ] {
            assert_eq!(refused(keyword, value), None, "{keyword}={value}");
        }
    }
}
