//! One attempt at one address: socket, negotiation, TLS, login.

#[cfg(feature = "tls")]
use {
    crate::conninfo::{SslMode, SslNegotiation},
    crate::proto::Direction,
    crate::proto::frontend::FrontendMessage,
    crate::proto::negotiation::{Answer, answer},
    crate::x509,
    bytes::BytesMut,
    rustix::event::PollFlags,
};

use super::address::Address;
use super::connection::Connection;
use super::deadline::Deadline;
use super::error::Error;
#[cfg(feature = "tls")]
use super::error::{Phase, system};
use super::options::ConnectOptions;
use super::peercred;
use super::socket::Socket;
use super::stream::Stream;
#[cfg(feature = "tls")]
use super::tls::{Tls, stream::TlsStream};
use crate::conninfo::{Host, ProtocolVersion, Secret, SslCertMode};
use crate::proto::{Channel, ErrorKind, Login, Nonce, Password, Query, Session, Startup, Version};

/// Whether bytes are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encryption {
    /// They are not.
    None,
    /// By TLS.
    Tls,
}

/// Tries addresses, one at a time; nothing is kept from one attempt to the next but the files read for TLS.
pub(super) struct Handshake<'a> {
    options: &'a ConnectOptions<'a>,
    first: &'a Query,
    was_encrypted: bool,
    /// What was verified of the server in the last attempt, and by what.
    verified: Option<String>,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
}

impl<'a> Handshake<'a> {
    pub(super) fn new(options: &'a ConnectOptions<'a>, first: &'a Query) -> Self {
        Self {
            options,
            first,
            was_encrypted: false,
            verified: None,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Whether the last attempt got as far as an encrypted login.
    pub(super) fn was_encrypted(&self) -> bool {
        self.was_encrypted
    }

    /// Refuses what would be refused whichever server is there, or be read by none.
    pub(super) fn check(&self, host: &Host) -> Result<(), Error> {
        match self.options.config().fault() {
            Some((_, error)) => Err(unusable(error)),
            None => self.credentials(host).map(drop),
        }
    }

    /// Connects and logs in.
    pub(super) fn connect(
        &mut self,
        host: &Host,
        address: &Address,
        encryption: Encryption,
        deadline: Deadline,
    ) -> Result<Connection, Error> {
        self.was_encrypted = false;
        self.verified = None;
        let socket = Socket::open(address, self.options.config(), deadline)?;
        let (stream, channel) = match encryption {
            Encryption::Tls => self.encrypt(socket, host, deadline)?,
            Encryption::None if matches!(address, Address::Tcp { .. }) => {
                (Stream::Plain(socket), Channel::Plaintext)
            }
            Encryption::None => {
                if let Some(user) = &self.options.config().requirepeer {
                    peercred::require(user, &socket)?;
                    self.verified = Some(format!("it runs as \"{user}\", by requirepeer"));
                }
                (Stream::Plain(socket), Channel::Local)
            }
        };
        if self.options.config().sslcertmode == SslCertMode::Require
            && !matches!(channel, Channel::Encrypted { .. })
        {
            let what = "did not request an SSL certificate, since the connection does not use TLS";
            return Err(certificate_needed(what));
        }
        let first = Some(self.first.clone());
        let session = Session::new(self.login(host, channel)?, first, self.options.tracer().cloned());
        Connection::log_in(stream, session, address, self.verified.take(), deadline)
    }

    /// Asks for TLS, unless it is to begin at once. With a server that has none the connection stays in the clear where
    /// `sslmode` allows that.
    #[cfg(feature = "tls")]
    fn encrypt(
        &mut self,
        socket: Socket,
        host: &Host,
        deadline: Deadline,
    ) -> Result<(Stream, Channel), Error> {
        let config = self.options.config();
        let is_direct = config.sslnegotiation == SslNegotiation::Direct;
        if !is_direct && self.negotiate(&socket, deadline)? == Answer::Refused {
            // With `allow` it has refused that before, and is about to say why again.
            return if config.sslmode < SslMode::Require {
                Ok((Stream::Plain(socket), Channel::Plaintext))
            } else {
                Err(Error::Insecure("server does not support SSL, but SSL was required".to_owned()))
            };
        }
        let tls = match self.tls.take() {
            Some(tls) => tls,
            None => Tls::new(config).map_err(unusable)?,
        };
        let tls = self.tls.insert(tls);
        tls.warnings().iter().for_each(|warning| self.options.warn_of(warning));
        let client = tls.client(host.name.as_deref()).map_err(unusable)?;
        let stream = TlsStream::handshake(socket, client.connection, deadline)?;
        if is_direct && stream.application_protocol() != Some(b"postgresql") {
            return Err(Error::Insecure(
                "direct SSL connection was established without ALPN protocol negotiation extension"
                    .to_owned(),
            ));
        }
        if config.sslcertmode == SslCertMode::Require && !client.certificate.was_sent() {
            // Asked for with signatures that its key can't make, it stays here.
            return Err(certificate_needed(if client.certificate.was_requested() {
                "accepted connection without a valid SSL certificate"
            } else {
                "did not request an SSL certificate"
            }));
        }
        let end_point = stream.server_certificate().and_then(x509::server_end_point);
        self.was_encrypted = true;
        self.verified = tls.verifies();
        Ok((Stream::Tls(Box::new(stream)), Channel::Encrypted { end_point }))
    }

    /// Where a configuration that did not come from a connection string insists on TLS.
    #[cfg(not(feature = "tls"))]
    #[allow(clippy::unused_self, reason = "it stands in for the one above")]
    fn encrypt(&mut self, _: Socket, _: &Host, _: Deadline) -> Result<(Stream, Channel), Error> {
        Err(Error::Insecure("this heimdall was built without TLS".to_owned()))
    }

    /// Sends `SSLRequest` and reads the answer. A server sends nothing after it before the handshake, which the client
    /// begins: whatever is there was slipped in.
    #[cfg(feature = "tls")]
    fn negotiate(&self, socket: &Socket, deadline: Deadline) -> Result<Answer, Error> {
        let deadline = deadline.during(Phase::NegotiateTls);
        let mut request = BytesMut::new();
        FrontendMessage::SslRequest.encode(&mut request);
        self.traced(Direction::ToServer, &FrontendMessage::SslRequest);
        socket.send_all(&request, deadline)?;
        deadline.wait(socket, PollFlags::IN)?;
        let mut received = [0; 2];
        let count = match socket.receive(&mut received).map_err(|errno| deadline.reset(system(errno)))? {
            0 => return Err(deadline.closed()),
            count => count,
        };
        let answer = answer(received.get(..count).unwrap_or_default())?;
        self.traced(Direction::FromServer, &format_args!("{answer:?}"));
        Ok(answer)
    }

    fn login(&self, host: &Host, channel: Channel) -> Result<Login, Error> {
        let config = self.options.config();
        let (startup, password) = self.credentials(host)?;
        Ok(Login {
            startup: startup.with_version(version(config.max_protocol_version)),
            oldest: version(config.min_protocol_version),
            password,
            require_auth: config.require_auth.clone(),
            channel_binding: config.channel_binding,
            channel,
            nonce: nonce()?,
            pipelined: !self.options.allows_pooler(),
        })
    }

    /// What we say of ourselves at this host.
    fn credentials(&self, host: &Host) -> Result<(Startup, Password), Error> {
        let config = self.options.config();
        let mut parameters = vec![
            ("user", config.user.as_str()),
            ("database", config.dbname.as_str()),
            ("client_encoding", config.client_encoding.as_deref().unwrap_or("UTF8")),
            ("application_name", self.options.session_name()),
        ];
        parameters.extend(config.options.as_ref().map(|options| ("options", options.expose())));
        let password = config.password_for(host).map(Secret::expose).unwrap_or_default();
        let startup = Startup::new(parameters.into_iter().filter(|(_, value)| !value.is_empty()));
        Ok((startup.map_err(unusable)?, Password::new(password).map_err(unusable)?))
    }

    #[cfg(feature = "tls")]
    fn traced(&self, direction: Direction, message: &dyn std::fmt::Display) {
        if let Some(trace) = self.options.tracer() {
            trace(direction, message);
        }
    }
}

fn version(version: ProtocolVersion) -> Version {
    match version {
        ProtocolVersion::V3_0 => Version::V3_0,
        ProtocolVersion::V3_2 => Version::V3_2,
    }
}

/// Why `sslcertmode=require` is not fulfilled, in libpq's words.
fn certificate_needed(what: &str) -> Error {
    let line = format!("server {what} (sslcertmode=require)");
    Error::Tls(line, ErrorKind::Authentication)
}

fn unusable(error: impl std::fmt::Display) -> Error {
    Error::Unusable(error.to_string())
}

/// Draws what no one can guess.
fn nonce() -> Result<Nonce, Error> {
    let mut random = [0; 18];
    getrandom::fill(&mut random)
        .map_err(|error| Error::Unusable(format!("the system gives no random numbers: {error}")))?;
    Ok(Nonce::of_random(random))
}
