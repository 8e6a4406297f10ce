//! The parameters whose value is one of a few words, as types.

use crate::auth::policy::ChannelBinding;

/// An enumeration that is written as a word.
pub(super) trait Choice: Sized {
    /// The choice called `word`.
    fn from_word(word: &str) -> Option<Self>;
}

/// Declares enumerations together with the words for their values.
macro_rules! values {
    ($($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$value_doc])* $value,)* }

        impl Choice for $name {
            fn from_word(word: &str) -> Option<$name> {
                match word {
                    $($word => Some($name::$value),)*
                    _ => None,
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(match self { $($name::$value => $word,)* })
            }
        }
    )*};
}

values! {
    /// Whether to encrypt TCP connections, and what to verify (`sslmode`); weaker is less.
    SslMode {
        /// Never TLS.
        Disable = "disable",
        /// TLS if the server refuses to do without.
        Allow = "allow",
        /// TLS if the server has it.
        Prefer = "prefer",
        /// TLS, verified if there are root certificates.
        Require = "require",
        /// TLS with a verified certificate.
        VerifyCa = "verify-ca",
        /// TLS with a verified certificate in the host's name.
        VerifyFull = "verify-full",
    }

    /// How TLS begins (`sslnegotiation`).
    SslNegotiation {
        /// `SSLRequest` asks first.
        Postgres = "postgres",
        /// The TLS handshake comes first.
        Direct = "direct",
    }

    /// Whether to send a client certificate (`sslcertmode`).
    SslCertMode {
        /// Never.
        Disable = "disable",
        /// If there is one and the server asks.
        Allow = "allow",
        /// The server has to ask for one.
        Require = "require",
    }

    /// Which of several hosts will do (`target_session_attrs`).
    TargetSessionAttrs {
        /// Any that accepts the connection.
        Any = "any",
        /// One whose sessions can write.
        ReadWrite = "read-write",
        /// One whose sessions can't write by default.
        ReadOnly = "read-only",
        /// One that is not in recovery.
        Primary = "primary",
        /// One in recovery.
        Standby = "standby",
        /// One in recovery if there is one.
        PreferStandby = "prefer-standby",
    }

    /// In which order hosts and addresses are tried (`load_balance_hosts`).
    LoadBalanceHosts {
        /// As given.
        Disable = "disable",
        /// Shuffled.
        Random = "random",
    }

    /// A version of the wire protocol (`min_protocol_version`, `max_protocol_version`).
    ProtocolVersion {
        /// Since server version 7.4.
        V3_0 = "3.0",
        /// Since server version 18.
        V3_2 = "3.2",
    }

    /// A version of TLS (`ssl_min_protocol_version`, `ssl_max_protocol_version`), lower case here.
    TlsVersion {
        /// Older than heimdall speaks.
        V1_0 = "tlsv1",
        /// Older than heimdall speaks.
        V1_1 = "tlsv1.1",
        /// The oldest heimdall speaks.
        V1_2 = "tlsv1.2",
        /// The newest.
        V1_3 = "tlsv1.3",
    }
}

/// A rule of the login, which `auth` therefore declares.
impl Choice for ChannelBinding {
    fn from_word(word: &str) -> Option<Self> {
        word.parse().ok()
    }
}

impl ProtocolVersion {
    /// The newest version that heimdall speaks.
    pub const LATEST: ProtocolVersion = ProtocolVersion::V3_2;
}
