//! What a login needs, and every rule about how an identity may be proved to this server.

use bytes::Bytes;

use super::error::Error;
use super::frontend::{MAX_PASSWORD, Startup, Unsendable};
use super::text::printable;
use crate::auth::policy::{Method, RequireAuth};
use crate::auth::scram;

/// What the bytes travel through, as far as it matters for what may be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// A Unix-domain socket: nobody in between.
    Local,
    /// TCP in the clear.
    Plaintext,
}

/// All that a login needs.
pub struct Login {
    startup: Startup,
    password: Option<String>,
    require_auth: RequireAuth,
    channel: Channel,
    nonce: String,
    pipelined: bool,
}

impl Login {
    /// `nonce` is fresh, random and printable (RFC 5802 §5.1). `pipelined`: statements may travel behind
    /// messages that the server has not answered yet.
    ///
    /// # Errors
    /// A password that can't be said to a server.
    pub fn new(
        startup: Startup,
        password: Option<String>,
        require_auth: RequireAuth,
        channel: Channel,
        nonce: String,
        pipelined: bool,
    ) -> Result<Self, Unsendable> {
        match &password {
            Some(text) if text.contains('\0') => return Err(Unsendable::Nul("password".to_owned())),
            Some(text) if text.len() > MAX_PASSWORD => return Err(Unsendable::TooLong(text.len())),
            _ => {}
        }
        let password = password.filter(|text| !text.is_empty());
        Ok(Self { startup, password, require_auth, channel, nonce, pipelined })
    }

    pub(super) fn startup(&self) -> &Startup {
        &self.startup
    }

    pub(super) fn is_pipelined(&self) -> bool {
        self.pipelined
    }

    /// Nothing secret is configured, so that the login is either done at once or fails.
    pub(super) fn is_unproved(&self) -> bool {
        self.password.is_none()
    }

    /// The first SCRAM message, where SCRAM is the only method allowed and so known to be the one.
    pub(super) fn scram_unasked(&self) -> Option<scram::ClientFirst> {
        let only = self.pipelined && self.require_auth.only(Method::ScramSha256);
        let password = self.password.as_ref().filter(|_| only)?;
        Some(scram::ClientFirst::new(password.as_bytes(), &self.nonce, scram::Binding::None))
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
        self.password.as_deref().map(str::as_bytes).ok_or(Error::PasswordNeeded { method })
    }
}

const SCRAM: &str = "scram-sha-256";
