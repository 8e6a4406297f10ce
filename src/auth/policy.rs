//! What the user lets a server ask for: `require_auth` says which methods, `channel_binding` whether the login is
//! bound to the TLS channel.

use std::fmt;
use std::str::FromStr;

use super::words::words;

words! {
    /// A way for a server to authenticate a user, as `require_auth` names it.
    Method {
        /// The cleartext password.
        Password = "password",
        /// The salted MD5 hash of the stored MD5 hash.
        Md5 = "md5",
        /// Kerberos by GSSAPI.
        Gss = "gss",
        /// Kerberos by Windows SSPI.
        Sspi = "sspi",
        /// SCRAM, with or without channel binding.
        ScramSha256 = "scram-sha-256",
        /// An OAuth 2.0 bearer token.
        Oauth = "oauth",
        /// `AuthenticationOk` without any exchange (trust, peer, ident, certificate).
        None = "none",
    }

    /// The value of `channel_binding`: whether the login is tied to the TLS channel that it runs through.
    #[derive(Default)]
    ChannelBinding {
        /// Never.
        Disable = "disable",
        /// If the server offers it.
        #[default]
        Prefer = "prefer",
        /// Always: without it there is no login.
        Require = "require",
    }
}

/// The value of `require_auth`: the methods that a server may use.
///
/// The default, which is also the empty text, allows all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequireAuth {
    listed: Vec<Method>,
    negated: bool,
}

impl RequireAuth {
    /// Whether the server may use `method`.
    ///
    /// `allows(Method::None)` is whether `AuthenticationOk` may come without a completed exchange.
    #[must_use]
    pub fn allows(&self, method: Method) -> bool {
        self.listed.contains(&method) != self.negated
    }

    /// Whether the user asked for `method` by its name, be it among others.
    #[must_use]
    pub fn names(&self, method: Method) -> bool {
        !self.negated && self.listed.contains(&method)
    }

    /// Whether the user left the server no choice but `method`.
    #[must_use]
    pub fn only(&self, method: Method) -> bool {
        !self.negated && self.listed == [method]
    }
}

impl Default for RequireAuth {
    fn default() -> Self {
        Self { listed: Vec::new(), negated: true }
    }
}

impl FromStr for RequireAuth {
    type Err = RequireAuthError;

    /// Reads a comma-separated list, all plain or all with a leading `!`; spaces count, as in
    /// libpq (`fe-connect.c`, `pqConnectOptions2`).
    fn from_str(text: &str) -> Result<Self, RequireAuthError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let negated = text.starts_with('!');
        let mut listed = Vec::new();
        for part in text.split(',') {
            let name = part.strip_prefix('!');
            let method = name.unwrap_or(part).parse().map_err(|_| RequireAuthError::Unknown)?;
            match (name, negated) {
                (Some(_), false) => return Err(RequireAuthError::NegativeAfterPositive(method)),
                (None, true) => return Err(RequireAuthError::PositiveAfterNegative(method)),
                _ => {}
            }
            if listed.contains(&method) {
                return Err(RequireAuthError::Repeated(part.to_owned()));
            }
            listed.push(method);
        }
        Ok(Self { listed, negated })
    }
}

impl fmt::Display for RequireAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negated { "!" } else { "" };
        for (i, method) in self.listed.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(f, "{comma}{sign}{method}")?;
        }
        Ok(())
    }
}

/// Why a text is no `require_auth` value, in libpq's words; without the text, which may be anything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequireAuthError {
    /// No method has this name.
    #[error("expected a list of password, md5, scram-sha-256 and none, or of those with a \"!\" each")]
    Unknown,
    /// A method is listed twice; as it was written, with a `!` or without.
    #[error("require_auth method {0:?} is specified more than once")]
    Repeated(String),
    /// `!method` follows a plain one.
    #[error("negative require_auth method \"!{0}\" cannot be mixed with non-negative methods")]
    NegativeAfterPositive(Method),
    /// A plain method follows a `!method`.
    #[error("require_auth method \"{0}\" cannot be mixed with negative methods")]
    PositiveAfterNegative(Method),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(text: &str) -> RequireAuth {
        text.parse().unwrap()
    }

    const METHODS: [Method; 7] = [
        Method::Password,
        Method::Md5,
        Method::Gss,
        Method::Sspi,
        Method::ScramSha256,
        Method::Oauth,
        Method::None,
    ];

    #[test]
    fn a_list_allows_what_it_names_and_a_negated_list_all_else() {
        let table: [(&str, &[Method]); 6] = [
            ("", &METHODS),
            ("none", &[Method::None]),
            ("password,md5", &[Method::Password, Method::Md5]),
            ("scram-sha-256,none", &[Method::ScramSha256, Method::None]),
            (
                "!none",
                &[
                    Method::Password,
                    Method::Md5,
                    Method::Gss,
                    Method::Sspi,
                    Method::ScramSha256,
                    Method::Oauth,
                ],
            ),
            ("!password,!md5,!gss,!sspi,!oauth", &[Method::ScramSha256, Method::None]),
        ];
        for (text, allowed) in table {
            for method in METHODS {
                assert_eq!(policy(text).allows(method), allowed.contains(&method), "{text}: {method}");
            }
        }
    }

    #[test]
    fn only_a_plain_list_names_methods() {
        for text in ["", "!md5", "md5"] {
            assert!(!policy(text).names(Method::Password), "{text}");
            assert!(!policy(text).only(Method::Password), "{text}");
        }
        assert!(policy("password").names(Method::Password));
        assert!(policy("password").only(Method::Password));
        assert!(policy("md5,password").names(Method::Password));
        assert!(!policy("md5,password").only(Method::Password));
    }

    #[test]
    fn a_value_is_displayed_as_it_was_written() {
        for text in ["", "none", "password,md5,gss,sspi,scram-sha-256,oauth,none", "!md5,!password"] {
            assert_eq!(policy(text).to_string(), text);
        }
        assert_eq!(RequireAuth::default(), policy(""));
    }

    #[test]
    fn channel_binding_is_one_of_three_words() {
        use ChannelBinding::{Disable, Prefer, Require};

        for (text, binding) in [("disable", Disable), ("prefer", Prefer), ("require", Require)] {
            assert_eq!(text.parse(), Ok(binding));
            assert_eq!(binding.to_string(), text);
        }
        for text in ["", "Require", "require "] {
            let error = text.parse::<ChannelBinding>().unwrap_err();
            assert_eq!(error.to_string(), "expected one of disable, prefer, require");
        }
    }

    #[test]
    fn errors_are_worded_as_libpq_words_them() {
        let table = [
            ("md5,gss,md5", r#"require_auth method "md5" is specified more than once"#),
            ("!none,!none", r#"require_auth method "!none" is specified more than once"#),
            (
                "md5,!password",
                r#"negative require_auth method "!password" cannot be mixed with non-negative methods"#,
            ),
            ("!md5,password", r#"require_auth method "password" cannot be mixed with negative methods"#),
        ];
        for (text, expected) in table {
            assert_eq!(text.parse::<RequireAuth>().unwrap_err().to_string(), expected);
        }
        for text in [
            "scram",
            "MD5",
            "md5, password",
            "md5,",
            "!",
            "!!md5",
            "hunter2,md5",
            "md5,!hunter2",
            "!md5,hunter2",
        ] {
            assert_eq!(text.parse::<RequireAuth>(), Err(RequireAuthError::Unknown), "{text}");
        }
    }
}
