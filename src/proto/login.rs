//! What a login needs, and every rule about how an identity may be proved to this server.

use bytes::Bytes;

use super::error::Error;
use super::frontend::{MAX_PASSWORD, Startup, Unsendable};
use super::text::printable;
use crate::auth::policy::{Method, RequireAuth};
use crate::auth::scram;

/// All that a login needs.
pub struct Login {
    /// What `StartupMessage` says.
    pub startup: Startup,
    /// The password, empty where none is configured.
    pub password: Password,
    /// Which methods the user allows.
    pub require_auth: RequireAuth,
    /// The channel.
    pub channel: Channel,
    /// Fresh, random and printable, without a comma (RFC 5802 §5.1).
    pub nonce: String,
    /// Whether messages may travel behind others that the server has not answered yet.
    pub pipelined: bool,
}

/// What the bytes travel through, as far as it matters for what may be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// A Unix-domain socket: nobody in between.
    Local,
    /// TCP in the clear.
    Plaintext,
}

/// A password that can be said to a server.
#[derive(Default)]
pub struct Password(String);

impl Password {
    /// An empty one counts as none, as in libpq.
    ///
    /// # Errors
    /// A NUL, and more bytes than a server reads.
    pub fn new(text: &str) -> Result<Self, Unsendable> {
        if text.contains('\0') {
            Err(Unsendable::Nul("password".to_owned()))
        } else if text.len() > MAX_PASSWORD {
            Err(Unsendable::TooLong(text.len()))
        } else {
            Ok(Self(text.to_owned()))
        }
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Login {
    /// Nothing secret is configured, so that the login is either done at once or fails.
    pub(super) fn is_unproved(&self) -> bool {
        self.password.is_empty()
    }

    /// The first SCRAM message, where SCRAM is the only method allowed and so known to be the one.
    pub(super) fn scram_unasked(&self) -> Option<scram::ClientFirst> {
        let only = self.pipelined && self.require_auth.only(Method::ScramSha256);
        let password = self.password(SCRAM).ok().filter(|_| only)?;
        Some(scram::ClientFirst::new(password, &self.nonce, scram::Binding::None))
    }

    /// The password, in answer to `AuthenticationCleartextPassword`.
    pub(super) fn cleartext(&self) -> Result<&[u8], Error> {
        self.allow(Method::Password, "password")?;
        if self.channel == Channel::Plaintext && !self.require_auth.names(Method::Password) {
            return Err(Error::CleartextRefused);
        }
        self.password("password")
    }

    /// The answer to `AuthenticationMD5Password`.
    pub(super) fn md5(&self, salt: [u8; 4]) -> Result<String, Error> {
        self.allow(Method::Md5, "md5")?;
        let user = self.startup.get("user").unwrap_or_default();
        Ok(crate::auth::md5::response(user.as_bytes(), self.password("md5")?, salt))
    }

    /// The first SCRAM message, in answer to `AuthenticationSASL`.
    pub(super) fn scram(&self, mechanisms: &[Bytes]) -> Result<scram::ClientFirst, Error> {
        self.choose(mechanisms)?;
        Ok(scram::ClientFirst::new(self.password(SCRAM)?, &self.nonce, scram::Binding::None))
    }

    /// Checks that a mechanism we have is allowed and offered.
    pub(super) fn choose(&self, mechanisms: &[Bytes]) -> Result<(), Error> {
        if !mechanisms.iter().any(|offered| offered == scram::MECHANISM) {
            let offered: Vec<String> = mechanisms.iter().map(|name| printable(name)).collect();
            return Err(Error::NoMechanism { offered: offered.join(", ") });
        }
        self.allow(Method::ScramSha256, SCRAM)
    }

    /// `AuthenticationOk` without any exchange.
    pub(super) fn none(&self) -> Result<(), Error> {
        self.allow(Method::None, "none")
    }

    fn allow(&self, method: Method, name: &'static str) -> Result<(), Error> {
        if self.require_auth.allows(method) {
            Ok(())
        } else {
            Err(Error::NotAllowed { method: name, policy: self.require_auth.clone() })
        }
    }

    fn password(&self, method: &'static str) -> Result<&[u8], Error> {
        let Password(text) = &self.password;
        if text.is_empty() { Err(Error::PasswordNeeded { method }) } else { Ok(text.as_bytes()) }
    }
}

const SCRAM: &str = "scram-sha-256";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_what_can_be_said() {
        assert_eq!(Password::new("a\0b").err(), Some(Unsendable::Nul("password".to_owned())));
        let long = "x".repeat(MAX_PASSWORD + 1);
        assert_eq!(Password::new(&long).err(), Some(Unsendable::TooLong(MAX_PASSWORD + 1)));
        assert!(Password::new("").unwrap().is_empty());
    }
}
