//! TLS over a socket that never blocks: the handshake, then bytes in both directions.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::PollFlags;
use rustls::{ClientConnection, ProtocolVersion};

use super::explain::{explain, is_about_client_certificate};
use crate::net::deadline::Deadline;
use crate::net::error::{Error, Phase};
use crate::net::socket::{Received, Socket};
use crate::proto::ErrorKind;

/// An encrypted stream. The last message of the handshake leaves with the first bytes that are sent.
pub(in crate::net) struct TlsStream {
    socket: Socket,
    tls: ClientConnection,
    /// The server has closed the stream; the last look may still have brought bytes.
    has_ended: bool,
}

impl TlsStream {
    /// Shakes hands until the server has proved its identity.
    pub(in crate::net) fn handshake(
        socket: Socket,
        mut tls: ClientConnection,
        deadline: Deadline,
    ) -> Result<Self, Error> {
        // What is sent is in memory as a whole already; a limit would have its end refused.
        tls.set_buffer_limit(None);
        let deadline = deadline.during(Phase::TlsHandshake);
        let mut stream = Self { socket, tls, has_ended: false };
        while stream.tls.is_handshaking() {
            stream.flush(deadline)?;
            deadline.wait(&stream.socket, PollFlags::IN)?;
            // Also where there is something to read: a server that never stops talking gets no more time.
            deadline.check()?;
            if stream.read().map_err(|error| deadline.reset(error))? == Received::End {
                return Err(deadline.closed());
            }
        }
        Ok(stream)
    }

    /// The certificate that the server has proved to own, in DER.
    pub(in crate::net) fn server_certificate(&self) -> Option<&[u8]> {
        self.tls.peer_certificates()?.first().map(AsRef::as_ref)
    }

    /// The version and the cipher, such as `TLSv1.3, TLS13_AES_256_GCM_SHA384`.
    pub(in crate::net) fn encryption(&self) -> Option<String> {
        let version = match self.tls.protocol_version()? {
            ProtocolVersion::TLSv1_2 => "TLSv1.2",
            _ => "TLSv1.3",
        };
        let cipher = self.tls.negotiated_cipher_suite()?.suite();
        Some(format!("{version}, {}", cipher.as_str().unwrap_or("unknown cipher")))
    }

    /// The application protocol that the server has agreed to (ALPN).
    pub(in crate::net) fn application_protocol(&self) -> Option<&[u8]> {
        self.tls.alpn_protocol()
    }

    pub(in crate::net) fn send(&mut self, bytes: &[u8], deadline: Deadline) -> Result<(), Error> {
        self.tls.writer().write_all(bytes).map_err(Error::System)?;
        self.flush(deadline)
    }

    /// Reads once, and hands over all that can be decrypted: the socket does not become readable again for what is
    /// left in the buffer.
    pub(in crate::net) fn receive(&mut self, hand_over: &mut dyn FnMut(&[u8])) -> Result<Received, Error> {
        let mut received = match self.read()? {
            Received::End => Received::End,
            Received::Some | Received::Nothing => Received::Nothing,
        };
        let mut buffer = [0; READ_SIZE];
        loop {
            match self.tls.reader().read(&mut buffer) {
                Ok(0) => self.has_ended = true,
                Ok(count) => {
                    hand_over(buffer.get(..count).unwrap_or_default());
                    received = Received::Some;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // The end without close_notify: PostgreSQL's own messages say whether they are whole.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => self.has_ended = true,
                Err(error) => return Err(Error::System(error)),
            }
            return Ok(if self.has_ended && received == Received::Nothing {
                Received::End
            } else {
                received
            });
        }
    }

    /// Whether nothing more will come, though the last look has still brought something.
    pub(in crate::net) fn has_ended(&self) -> bool {
        self.has_ended
    }

    fn read(&mut self) -> Result<Received, Error> {
        let received = match self.tls.read_tls(&mut Wire(&self.socket)) {
            Ok(0) => Received::End,
            Ok(_) => Received::Some,
            Err(error) if is_later(&error) => return Ok(Received::Nothing),
            Err(error) => return Err(Error::System(error)),
        };
        if let Err(error) = self.tls.process_new_packets() {
            // The alert tells the server why; whether it arrives changes nothing for us.
            let _ = self.tls.write_tls(&mut Wire(&self.socket));
            return Err(failed(&error));
        }
        Ok(received)
    }

    fn flush(&mut self, deadline: Deadline) -> Result<(), Error> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut Wire(&self.socket)) {
                Ok(_) => {}
                Err(error) if is_later(&error) => deadline.wait(&self.socket, PollFlags::OUT)?,
                // The server may have said why before it closed.
                Err(error) if is_gone(&error) => return Ok(()),
                Err(error) => return Err(Error::System(error)),
            }
        }
        Ok(())
    }
}

impl AsFd for TlsStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The socket as rustls wants to read and write it.
struct Wire<'a>(&'a Socket);

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.0.receive(buffer)?)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(self.0.send(bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn is_later(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

fn failed(error: &rustls::Error) -> Error {
    let kind =
        if is_about_client_certificate(error) { ErrorKind::Authentication } else { ErrorKind::Protocol };
    Error::Tls(explain(error), kind)
}

/// How much is decrypted at once.
const READ_SIZE: usize = 4096;
