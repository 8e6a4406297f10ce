//! What SCRAM says about the channel it runs through, and the two mechanisms that follow from it.

/// What an exchange says about the channel it runs through (RFC 5802 §6). The proofs of both sides cover
/// it, so a man in the middle can't change it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Binding {
    /// `p`: it is the channel to the server whose certificate has this hash (RFC 5929 §4), and so of no use
    /// in another one.
    TlsServerEndPoint(Vec<u8>),
    /// `y`: we would bind, but the server does not offer to. One that did offer ends the exchange, since a
    /// man in the middle must have removed its offer.
    Unoffered,
    /// `n`: we bind nothing.
    None,
}

impl Binding {
    /// The mechanism that says it.
    #[must_use]
    pub fn mechanism(&self) -> &'static str {
        match self {
            Self::TlsServerEndPoint(_) => MECHANISM_PLUS,
            Self::Unoffered | Self::None => MECHANISM,
        }
    }

    /// gs2-header, always without an authzid.
    pub(super) fn header(&self) -> &'static str {
        match self {
            Self::TlsServerEndPoint(_) => "p=tls-server-end-point,,",
            Self::Unoffered => "y,,",
            Self::None => "n,,",
        }
    }

    /// cbind-input, for the attribute `c`.
    pub(super) fn input(&self) -> Vec<u8> {
        let data: &[u8] = match self {
            Self::TlsServerEndPoint(hash) => hash,
            Self::Unoffered | Self::None => &[],
        };
        [self.header().as_bytes(), data].concat()
    }
}

/// The mechanism's name in `AuthenticationSASL` and `SASLInitialResponse`.
pub const MECHANISM: &str = "SCRAM-SHA-256";

/// Its name where the exchange is bound to the channel.
pub const MECHANISM_PLUS: &str = "SCRAM-SHA-256-PLUS";
