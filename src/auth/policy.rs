//! What the user lets a server ask for: `require_auth` says by which methods, `channel_binding` whether
//! only through the channel to its certificate.

use std::fmt;
use std::str::FromStr;

/// A way for a server to have the user proved, as `require_auth` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `password`: the cleartext password.
    Password,
    /// `md5`: the salted MD5 hash of the stored MD5 hash.
    Md5,
    /// `gss`: Kerberos by GSSAPI.
    Gss,
    /// `sspi`: Kerberos by Windows SSPI.
    Sspi,
    /// `scram-sha-256`: SCRAM, with or without channel binding.
    ScramSha256,
    /// `oauth`: an OAuth 2.0 bearer token.
    Oauth,
    /// `none`: `AuthenticationOk` without any exchange (trust, peer, ident, certificate).
    None,
}

/// The value of `require_auth`, decided once and asked often.
///
/// The default, which is also the empty text, lets a server ask for anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequireAuth {
    listed: Vec<Method>,
    negated: bool,
}

/// The value of `channel_binding`: whether the login is tied to the TLS channel that it runs through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChannelBinding {
    /// Never.
    Disable,
    /// If the server offers it.
    #[default]
    Prefer,
    /// Or there is no login.
    Require,
}

/// Why a text is no `require_auth` or `channel_binding` value; `Display` has libpq's wording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyError {
    /// No method has this name.
    Unknown(String),
    /// A method is listed twice; as it was written the second time.
    Repeated(String),
    /// `!method` follows a plain one.
    NegativeAfterPositive(String),
    /// A plain method follows a `!method`.
    PositiveAfterNegative(String),
    /// No value of `channel_binding` has this name.
    UnknownBinding(String),
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
    type Err = PolicyError;

    /// Reads a comma-separated list, all plain or all with a leading `!`; spaces count, as in
    /// libpq (`fe-connect.c`, `pqConnectOptions2`).
    fn from_str(text: &str) -> Result<Self, PolicyError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let negated = text.starts_with('!');
        let mut listed = Vec::new();
        for part in text.split(',') {
            let name = match (part.strip_prefix('!'), negated) {
                (Some(name), true) => name,
                (None, false) => part,
                (Some(_), false) => return Err(PolicyError::NegativeAfterPositive(part.to_owned())),
                (None, true) => return Err(PolicyError::PositiveAfterNegative(part.to_owned())),
            };
            let method = METHODS
                .into_iter()
                .find(|method| method.name() == name)
                .ok_or_else(|| PolicyError::Unknown(name.to_owned()))?;
            if listed.contains(&method) {
                return Err(PolicyError::Repeated(part.to_owned()));
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

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Md5 => "md5",
            Self::Gss => "gss",
            Self::Sspi => "sspi",
            Self::ScramSha256 => "scram-sha-256",
            Self::Oauth => "oauth",
            Self::None => "none",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ChannelBinding {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        BINDINGS
            .into_iter()
            .find(|binding| binding.name() == text)
            .ok_or_else(|| PolicyError::UnknownBinding(text.to_owned()))
    }
}

impl ChannelBinding {
    fn name(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
        }
    }
}

impl fmt::Display for ChannelBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => write!(f, "invalid require_auth value: \"{name}\""),
            Self::Repeated(part) => write!(f, "require_auth method \"{part}\" is specified more than once"),
            Self::NegativeAfterPositive(part) => {
                write!(f, "negative require_auth method \"{part}\" cannot be mixed with non-negative methods")
            }
            Self::PositiveAfterNegative(part) => {
                write!(f, "require_auth method \"{part}\" cannot be mixed with negative methods")
            }
            Self::UnknownBinding(text) => write!(f, "invalid channel_binding value: \"{text}\""),
        }
    }
}

impl std::error::Error for PolicyError {}

const METHODS: [Method; 7] = [
    Method::Password,
    Method::Md5,
    Method::Gss,
    Method::Sspi,
    Method::ScramSha256,
    Method::Oauth,
    Method::None,
];

const BINDINGS: [ChannelBinding; 3] =
    [ChannelBinding::Disable, ChannelBinding::Prefer, ChannelBinding::Require];

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(text: &str) -> RequireAuth {
        text.parse().unwrap()
    }

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
        for (text, binding) in ["disable", "prefer", "require"].into_iter().zip(BINDINGS) {
            assert_eq!(text.parse(), Ok(binding));
            assert_eq!(binding.to_string(), text);
        }
        for text in ["", "Require", "require "] {
            let error = text.parse::<ChannelBinding>().unwrap_err();
            assert_eq!(error.to_string(), format!("invalid channel_binding value: \"{text}\""));
        }
    }

    #[test]
    fn errors_are_worded_as_libpq_words_them() {
        let table = [
            ("scram", r#"invalid require_auth value: "scram""#),
            ("MD5", r#"invalid require_auth value: "MD5""#),
            ("md5, password", r#"invalid require_auth value: " password""#),
            ("md5,", r#"invalid require_auth value: """#),
            ("!", r#"invalid require_auth value: """#),
            ("!!md5", r#"invalid require_auth value: "!md5""#),
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
    }
}
