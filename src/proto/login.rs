//! What a login needs, and every rule about how an identity may be proved to this server.

use std::fmt;

use bytes::Bytes;

use super::error::{Error, Unbound};
use super::frontend::{MAX_PASSWORD, Startup, Unsendable};
use super::text::printable;
use super::version::Version;
use crate::auth::mask::MASK;
use crate::auth::policy::{ChannelBinding, Method, RequireAuth};
use crate::auth::scram::{self, Binding, Nonce};

/// All that a login needs. Its `Debug` shows no password.
#[derive(Debug)]
#[non_exhaustive]
pub struct Login {
    /// The contents of `StartupMessage`.
    pub startup: Startup,
    /// The oldest version of the protocol that the user allows. One above that of `startup` is asked for instead of it.
    pub oldest: Version,
    /// The password, empty where none is configured.
    pub password: Password,
    /// Which methods the user allows.
    pub require_auth: RequireAuth,
    /// Whether the user wants the login tied to the channel.
    pub channel_binding: ChannelBinding,
    /// The channel.
    pub channel: Channel,
    /// What makes a SCRAM exchange unlike every other; see [`Login::new`].
    pub nonce: Nonce,
    /// Whether messages may travel after others that the server has not answered yet.
    pub pipelined: bool,
}

/// What the bytes are sent through, as far as it decides what may be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Channel {
    /// A Unix-domain socket: no one is in between.
    Local,
    /// TCP in the clear.
    Plaintext,
    /// TLS.
    Encrypted {
        /// The hash of the server's certificate for `tls-server-end-point` (RFC 5929 §4.1). There is none for
        /// a certificate whose signature algorithm has no hash function of its own, such as Ed25519.
        end_point: Option<Vec<u8>>,
    },
}

/// A password that can be sent to a server.
#[derive(Default)]
pub struct Password(String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() { "none" } else { MASK })
    }
}

impl Password {
    /// An empty one counts as none, as in libpq.
    ///
    /// # Errors
    /// A NUL, and more bytes than a server reads.
    pub fn new(text: &str) -> Result<Self, Unsendable> {
        if text.contains('\0') {
            Err(Unsendable::Nul("password".to_owned()))
        } else if text.len() > MAX_PASSWORD {
            Err(Unsendable::PasswordTooLong(text.len()))
        } else {
            Ok(Self(text.to_owned()))
        }
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Login {
    /// Returns a login with libpq's defaults and no password: by any method that the server asks for, bound to the
    /// channel if the server offers that, and in version 3.0. Nothing is sent before the server asks for it.
    ///
    /// The `nonce` is for SCRAM, and has to be a fresh one for each login.
    #[must_use]
    pub fn new(startup: Startup, channel: Channel, nonce: Nonce) -> Self {
        Self {
            startup,
            oldest: Version::V3_0,
            password: Password::default(),
            require_auth: RequireAuth::default(),
            channel_binding: ChannelBinding::default(),
            channel,
            nonce,
            pipelined: false,
        }
    }

    /// The version to go on with, where the server does not speak the one asked for.
    pub(super) fn negotiated(&self, offered: Version, unknown: &[Bytes]) -> Result<Version, Error> {
        self.startup.version().negotiated(self.oldest, offered, unknown).map_err(Error::Version)
    }

    /// Nothing secret is configured, so that the login is either done at once or fails. Where it has to be
    /// bound it can only fail.
    pub(super) fn is_unproved(&self) -> bool {
        self.password.is_empty() && self.channel_binding != ChannelBinding::Require
    }

    /// The first SCRAM message, where SCRAM is the only method allowed and its binding can be only one.
    pub(super) fn scram_unasked(&self) -> Option<scram::ClientFirst> {
        // Nothing else binds a login to its channel.
        let must_bind = self.channel_binding == ChannelBinding::Require;
        let is_only = self.require_auth.only(Method::ScramSha256)
            || (must_bind && self.require_auth.allows(Method::ScramSha256));
        if !self.pipelined || !is_only {
            return None;
        }
        // What the server offers is not known yet: it may make no other difference than to be refused.
        let binding = match (self.binding(true), self.binding(false)) {
            (Ok(offered), Ok(unoffered)) if offered != unoffered => return None,
            (Ok(binding), _) | (_, Ok(binding)) => binding,
            (Err(_), Err(_)) => return None,
        };
        self.scram_with(binding).ok()
    }

    /// The password, in answer to `AuthenticationCleartextPassword`.
    pub(super) fn cleartext(&self) -> Result<&[u8], Error> {
        self.allow(Method::Password)?;
        if self.channel == Channel::Plaintext && !self.require_auth.names(Method::Password) {
            return Err(Error::CleartextRefused);
        }
        self.password(Method::Password)
    }

    /// The answer to `AuthenticationMD5Password`.
    pub(super) fn md5(&self, salt: [u8; 4]) -> Result<String, Error> {
        self.allow(Method::Md5)?;
        let user = self.startup.get("user").unwrap_or_default();
        Ok(crate::auth::md5::response(user.as_bytes(), self.password(Method::Md5)?, salt))
    }

    /// The first SCRAM message, in answer to `AuthenticationSASL`.
    pub(super) fn scram(&self, mechanisms: &[Bytes]) -> Result<scram::ClientFirst, Error> {
        self.scram_with(self.choose(mechanisms)?)
    }

    /// Checks that a mechanism we have is allowed and offered, and returns how it is bound to the channel.
    pub(super) fn choose(&self, mechanisms: &[Bytes]) -> Result<Binding, Error> {
        let offers = |name: &str| mechanisms.iter().any(|offered| offered == name);
        let binding = self.binding(offers(scram::MECHANISM_PLUS))?;
        if !offers(binding.mechanism()) {
            let offered: Vec<String> = mechanisms.iter().map(|name| printable(name)).collect();
            return Err(Error::NoMechanism { offered: offered.join(", ") });
        }
        self.allow(Method::ScramSha256)?;
        Ok(binding)
    }

    /// How SCRAM is bound to the channel (RFC 5802 §6), where SCRAM-SHA-256-PLUS is offered or not.
    fn binding(&self, is_offered: bool) -> Result<Binding, Error> {
        use ChannelBinding::{Disable, Prefer, Require};

        match (&self.channel, self.channel_binding) {
            (Channel::Local | Channel::Plaintext, Require) => Err(Error::Unbound(Unbound::NoTls)),
            // The server sees TLS where we see none.
            (Channel::Local | Channel::Plaintext, _) if is_offered => Err(Error::PlusWithoutTls),
            (Channel::Local | Channel::Plaintext, _) | (Channel::Encrypted { .. }, Disable) => {
                Ok(Binding::None)
            }
            (Channel::Encrypted { end_point: Some(hash) }, _) if is_offered => {
                Ok(Binding::TlsServerEndPoint(hash.clone()))
            }
            (Channel::Encrypted { end_point: Some(_) }, Prefer) => Ok(Binding::Unoffered),
            (Channel::Encrypted { end_point: Some(_) }, Require) => Err(Error::Unbound(Unbound::NotOffered)),
            (Channel::Encrypted { end_point: None }, Prefer) => Ok(Binding::None),
            (Channel::Encrypted { end_point: None }, Require) => Err(Error::Unbound(Unbound::NoEndPoint)),
        }
    }

    fn scram_with(&self, binding: Binding) -> Result<scram::ClientFirst, Error> {
        Ok(scram::ClientFirst::new(self.password(Method::ScramSha256)?, &self.nonce, binding))
    }

    /// `AuthenticationOk` without any exchange.
    pub(super) fn check_trust_allowed(&self) -> Result<(), Error> {
        self.allow(Method::None)
    }

    fn allow(&self, method: Method) -> Result<(), Error> {
        if !self.require_auth.allows(method) {
            let policy = self.require_auth.clone();
            return Err(match method {
                Method::None => Error::NoneAsked { policy },
                _ => Error::NotAllowed { method: method.as_str(), policy },
            });
        }
        match (self.channel_binding, method, &self.channel) {
            // Whether that is bound is decided by `binding`.
            (_, Method::ScramSha256, _) | (ChannelBinding::Disable | ChannelBinding::Prefer, ..) => Ok(()),
            (_, Method::None, _) => Err(Error::Unbound(Unbound::NoExchange)),
            (.., Channel::Local | Channel::Plaintext) => Err(Error::Unbound(Unbound::NoTls)),
            (.., Channel::Encrypted { .. }) => Err(Error::Unbound(Unbound::OtherMethod)),
        }
    }

    fn password(&self, method: Method) -> Result<&[u8], Error> {
        let Password(text) = &self.password;
        if text.is_empty() {
            Err(Error::PasswordNeeded { method: method.as_str() })
        } else {
            Ok(text.as_bytes())
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::proto::frontend::FrontendMessage;

    fn login(channel: &Channel, channel_binding: ChannelBinding, require_auth: &str) -> Login {
        Login {
            startup: Startup::new([("user", "ann")]).unwrap(),
            oldest: Version::V3_0,
            password: Password::new("pencil").unwrap(),
            require_auth: require_auth.parse().unwrap(),
            channel_binding,
            channel: channel.clone(),
            nonce: Nonce::new("NONCE").unwrap(),
            pipelined: true,
        }
    }

    /// The flag of a gs2-header, or the reason why there is none.
    fn flag(binding: Result<Binding, Error>) -> &'static str {
        match binding {
            Ok(Binding::TlsServerEndPoint(hash)) => {
                assert_eq!(hash, HASH);
                "p"
            }
            Ok(Binding::Unoffered) => "y",
            Ok(Binding::None) => "n",
            Err(Error::PlusWithoutTls) => "plus without TLS",
            Err(Error::Unbound(Unbound::NoTls)) => "no TLS",
            Err(Error::Unbound(Unbound::NoEndPoint)) => "no end point",
            Err(Error::Unbound(Unbound::NotOffered)) => "not offered",
            Err(error) => panic!("{error}"),
        }
    }

    // RFC 5802 §6; the errors are those of libpq's `fe-auth.c`, `pg_SASL_init`.
    #[test]
    fn the_gs2_flag_follows_from_channel_policy_and_offer() {
        use ChannelBinding::{Disable, Prefer, Require};
        let (tls, ed25519) =
            (Channel::Encrypted { end_point: Some(HASH.to_vec()) }, Channel::Encrypted { end_point: None });
        // Where SCRAM-SHA-256-PLUS is offered, where it is not, and what is sent before anything is offered if
        // SCRAM is required.
        for (channel, policy, offered, unoffered, unasked) in [
            (&Channel::Local, Disable, "plus without TLS", "n", Some("n")),
            (&Channel::Local, Prefer, "plus without TLS", "n", Some("n")),
            (&Channel::Local, Require, "no TLS", "no TLS", None),
            (&Channel::Plaintext, Disable, "plus without TLS", "n", Some("n")),
            (&Channel::Plaintext, Prefer, "plus without TLS", "n", Some("n")),
            (&Channel::Plaintext, Require, "no TLS", "no TLS", None),
            (&tls, Disable, "n", "n", Some("n")),
            (&tls, Prefer, "p", "y", None),
            (&tls, Require, "p", "not offered", Some("p")),
            (&ed25519, Disable, "n", "n", Some("n")),
            (&ed25519, Prefer, "n", "n", Some("n")),
            (&ed25519, Require, "no end point", "no end point", None),
        ] {
            let login = login(channel, policy, "scram-sha-256");
            let case = format!("{channel:?} {policy}");
            assert_eq!(flag(login.binding(true)), offered, "{case}");
            assert_eq!(flag(login.binding(false)), unoffered, "{case}");
            let first = login.scram_unasked().map(|first| first.message());
            assert_eq!(first.as_deref().map(|message| &message[..1]), unasked, "{case}");
        }
    }

    #[test]
    fn scram_is_begun_unasked_only_where_nothing_else_may_follow() {
        use ChannelBinding::{Disable, Prefer, Require};
        let tls = Channel::Encrypted { end_point: Some(HASH.to_vec()) };
        for (policy, require_auth, expected) in [
            (Disable, "", None),
            (Disable, "scram-sha-256,none", None),
            (Prefer, "", None),
            (Require, "", Some("SCRAM-SHA-256-PLUS")),
            (Require, "!none", Some("SCRAM-SHA-256-PLUS")),
            (Require, "md5", None),
            (Require, "!scram-sha-256", None),
        ] {
            let first = login(&tls, policy, require_auth).scram_unasked();
            let mechanism = first.map(|first| first.mechanism());
            assert_eq!(mechanism, expected, "{policy} {require_auth}");
        }
        let careful = Login { pipelined: false, ..login(&tls, Require, "") };
        assert!(careful.scram_unasked().is_none());
        let without = Login { password: Password::default(), ..login(&tls, Require, "") };
        assert!(without.scram_unasked().is_none());
    }

    #[test]
    fn no_debug_shows_a_password() {
        let login = login(&Channel::Local, ChannelBinding::Prefer, "");
        assert!(
            format!("{login:?}").contains("password: ********") && !format!("{login:?}").contains("pencil")
        );
        let session = format!("{:?}", crate::proto::Session::new(login, None, None));
        assert!(!session.contains("pencil"), "{session}");
    }

    #[test]
    fn a_password_is_what_can_be_said() {
        assert_eq!(Password::new("a\0b").err(), Some(Unsendable::Nul("password".to_owned())));
        let long = "x".repeat(MAX_PASSWORD + 1);
        assert_eq!(Password::new(&long).err(), Some(Unsendable::PasswordTooLong(MAX_PASSWORD + 1)));
        assert!(Password::new("").unwrap().is_empty());
        let mut message = BytesMut::new();
        FrontendMessage::Password(&long.as_bytes()[1..]).encode(&mut message);
        // After its type byte.
        assert_eq!(message.len() - 1, 65_535);
    }

    const HASH: [u8; 32] = [7; 32];
}
