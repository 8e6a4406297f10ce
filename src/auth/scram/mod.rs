//! SCRAM-SHA-256 (RFC 5802, RFC 7677), also bound to the TLS channel (-PLUS), as steps that consume
//! themselves, so none is skipped or repeated.
//!
//! ```text
//! ClientFirst ── message ──► server
//!      │ receive ◄────────── server-first
//! ClientFinal ── message ──► server
//!      │ verify  ◄────────── server-final
//! Verified                   the server knows the password too
//! ```

mod binding;
mod keys;
mod message;
mod nonce;

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::saslprep;
use keys::SaltedPassword;
use message::ServerFirst;

pub use binding::{Binding, MECHANISM, MECHANISM_PLUS};
pub use message::{Error, MAX_ITERATIONS};
pub use nonce::Nonce;

/// The exchange before the server has spoken.
pub struct ClientFirst {
    /// After SASLprep.
    password: Vec<u8>,
    nonce: String,
    binding: Binding,
    /// client-first-message-bare: what the proofs cover of our first message.
    bare: String,
}

/// The exchange after the server's challenge, answered but not yet acknowledged.
pub struct ClientFinal {
    message: String,
    signature: Hmac<Sha256>,
}

/// The server has proved that it knows the password's verifier; only [`ClientFinal::verify`] makes one.
#[derive(Debug, PartialEq, Eq)]
pub struct Verified(());

impl fmt::Debug for ClientFirst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientFirst").field("bare", &self.bare).finish_non_exhaustive()
    }
}

impl ClientFirst {
    /// Starts an exchange for `password`, as the user typed it, with a fresh `nonce`.
    ///
    /// The user name is empty: PostgreSQL takes the one of `StartupMessage`.
    #[must_use]
    pub fn new(password: &[u8], nonce: &Nonce, binding: Binding) -> Self {
        Self::named("", password, nonce, binding)
    }

    fn named(user: &str, password: &[u8], nonce: &Nonce, binding: Binding) -> Self {
        let nonce = nonce.as_str();
        Self {
            password: saslprep::normalize(password).into_owned(),
            nonce: nonce.to_owned(),
            binding,
            bare: format!("n={user},r={nonce}"),
        }
    }

    /// The mechanism, for `SASLInitialResponse`.
    #[must_use]
    pub fn mechanism(&self) -> &'static str {
        self.binding.mechanism()
    }

    /// client-first-message, for `SASLInitialResponse`.
    #[must_use]
    pub fn message(&self) -> String {
        format!("{}{}", self.binding.header(), self.bare)
    }

    /// Answers the server-first-message of `AuthenticationSASLContinue`.
    ///
    /// # Errors
    ///
    /// Everything but [`Error::Refused`] and [`Error::Signature`].
    pub fn receive(self, server_first: &[u8]) -> Result<ClientFinal, Error> {
        let first = ServerFirst::parse(server_first)?;
        if !first.nonce.strip_prefix(&self.nonce).is_some_and(is_nonce) {
            return Err(Error::Nonce);
        }
        let without_proof = format!("c={},r={}", STANDARD.encode(self.binding.input()), first.nonce);
        let auth_message = format!("{},{},{without_proof}", self.bare, first.raw);
        let salted = SaltedPassword::new(&self.password, &first.salt, first.iterations);
        let proof = STANDARD.encode(salted.client_proof(&auth_message));
        Ok(ClientFinal {
            message: format!("{without_proof},p={proof}"),
            signature: salted.server_signature(&auth_message),
        })
    }
}

impl fmt::Debug for ClientFinal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientFinal").finish_non_exhaustive()
    }
}

impl ClientFinal {
    /// client-final-message, for `SASLResponse`.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Checks the server-final-message of `AuthenticationSASLFinal`, in constant time.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`], [`Error::MandatoryExtension`], [`Error::Refused`], [`Error::Signature`].
    pub fn verify(self, server_final: &[u8]) -> Result<Verified, Error> {
        let signature = message::server_signature(server_final)?;
        self.signature.verify_slice(&signature).map_err(|_| Error::Signature)?;
        Ok(Verified(()))
    }
}

/// What the server adds to the nonce: something, and printable (RFC 5802 §7; the comma never gets here).
fn is_nonce(added: &str) -> bool {
    !added.is_empty() && added.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7677 §3; the only exchange here with a user name in it.
    #[test]
    fn the_exchange_of_rfc_7677_is_ours() {
        let first = ClientFirst::named("user", b"pencil", &nonce(NONCE), Binding::None);
        assert_eq!(first.message(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let last = first
            .receive(
                b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            )
            .ok()
            .unwrap();
        assert_eq!(
            last.message(),
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert_eq!(last.verify(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), Ok(Verified(())));
    }

    fn nonce(text: &str) -> Nonce {
        Nonce::new(text).unwrap()
    }

    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const SERVER_FIRST: &[u8] =
        b"r=rOprNGfwEbeRWgbNEkqOjaDqdLYxJAyGDDy4FYZnb/QN,s=uKoVddv9vu5f/xO7ZuTuaw==,i=4096";
    const SERVER_FINAL: &[u8] = b"v=Au5iql7X8/hYe3FQCgXzXJ2hRi0+Pxb4O1PCywVROjk=";

    /// After the challenge of an exchange that was recorded with PostgreSQL 15.
    fn recorded(password: &str) -> ClientFinal {
        let first = ClientFirst::new(password.as_bytes(), &nonce(NONCE), Binding::None);
        first.receive(SERVER_FIRST).ok().unwrap()
    }

    #[test]
    fn an_exchange_recorded_with_postgresql_is_ours() {
        assert_eq!(
            ClientFirst::new(b"", &nonce(NONCE), Binding::None).message(),
            "n,,n=,r=rOprNGfwEbeRWgbNEkqO"
        );
        let last = recorded("I\u{ad}X ☃");
        assert_eq!(
            last.message(),
            "c=biws,r=rOprNGfwEbeRWgbNEkqOjaDqdLYxJAyGDDy4FYZnb/QN,\
             p=mSAW0VCOIke1E2QLz5uvSGCAYyPGvaZgD4d84W9esX0="
        );
        assert_eq!(last.verify(SERVER_FINAL), Ok(Verified(())));
    }

    /// The SHA-256 hash of the self-signed certificate of that server.
    const END_POINT: [u8; 32] = [
        0x62, 0xce, 0xce, 0x38, 0x05, 0x67, 0x23, 0xb2, 0x76, 0x36, 0x30, 0x3b, 0x04, 0xfa, 0x73, 0x67, 0xfd,
        0xb7, 0x62, 0x81, 0x64, 0x7a, 0xe7, 0x96, 0xee, 0xf4, 0xba, 0xd5, 0xd6, 0x4b, 0xd8, 0x27,
    ];

    // PostgreSQL 15 with ssl=on, which took this proof and no other binding.
    #[test]
    fn a_bound_exchange_recorded_with_postgresql_is_ours() {
        let first =
            ClientFirst::new(b"pencil", &nonce(NONCE), Binding::TlsServerEndPoint(END_POINT.to_vec()));
        assert_eq!(first.mechanism(), "SCRAM-SHA-256-PLUS");
        assert_eq!(first.message(), "p=tls-server-end-point,,n=,r=rOprNGfwEbeRWgbNEkqO");
        let last = first
            .receive(b"r=rOprNGfwEbeRWgbNEkqOEZIhIv1gzdvnGAb4laoiUWJA,s=s6q31h1BF4TDb2RBQZlpNQ==,i=4096")
            .ok()
            .unwrap();
        assert_eq!(
            last.message(),
            "c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsYs7OOAVnI7J2NjA7BPpzZ/23YoFkeueW7vS61dZL2Cc=,\
             r=rOprNGfwEbeRWgbNEkqOEZIhIv1gzdvnGAb4laoiUWJA,\
             p=MCwMUWhQf8dAHK/ADTE5KJ8P3b2xxzdMyr36vY3Jr60="
        );
        assert_eq!(last.verify(b"v=MGcNO9HDq4VSmiQEB5qSuyFFWjdg8LLCPtNdLNJc6Ig="), Ok(Verified(())));
    }

    #[test]
    fn both_messages_of_ours_say_the_same_of_the_channel() {
        for (binding, mechanism, header, c) in [
            (Binding::None, "SCRAM-SHA-256", "n,,", "c=biws,"),
            (Binding::Unoffered, "SCRAM-SHA-256", "y,,", "c=eSws,"),
            (
                Binding::TlsServerEndPoint(vec![0xff; 2]),
                "SCRAM-SHA-256-PLUS",
                "p=tls-server-end-point,,",
                "c=cD10bHMtc2VydmVyLWVuZC1wb2ludCws//8=,",
            ),
        ] {
            let first = ClientFirst::new(b"", &nonce("abc"), binding);
            assert_eq!(first.mechanism(), mechanism);
            assert_eq!(first.message(), format!("{header}n=,r=abc"));
            let last = first.receive(b"r=abcd,s=AAAA,i=1").ok().unwrap();
            assert!(last.message().starts_with(c), "{}", last.message());
        }
    }

    #[test]
    fn a_server_without_the_password_is_not_believed() {
        assert_eq!(recorded("another").verify(SERVER_FINAL), Err(Error::Signature));
        assert_eq!(recorded("IX ☃").verify(b"v=Au5i"), Err(Error::Signature));
        assert_eq!(
            recorded("IX ☃").verify(b"e=invalid-proof"),
            Err(Error::Refused("invalid-proof".to_owned()))
        );
    }

    #[test]
    fn the_servers_nonce_must_continue_ours() {
        for theirs in ["abc", "ab", "abd", "Abcd", "xabcd", "abc d", "abc\u{e9}", "abc\u{7f}"] {
            let message = format!("r={theirs},s=AAAA,i=1");
            let result = ClientFirst::new(b"", &nonce("abc"), Binding::None).receive(message.as_bytes());
            assert_eq!(result.err(), Some(Error::Nonce), "{theirs}");
        }
    }
}
