//! What a session's bytes are sent through: the bare socket, or TLS over it.

use std::os::fd::{AsFd, BorrowedFd};

use super::deadline::Deadline;
use super::error::Error;
use super::socket::{Received, Socket};
#[cfg(feature = "tls")]
use super::tls::stream::TlsStream;

/// A connected stream of bytes.
pub(super) enum Stream {
    /// In the clear.
    Plain(Socket),
    /// Encrypted.
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream>),
}

impl Stream {
    /// Sends all bytes.
    pub(super) fn send(&mut self, bytes: &[u8], deadline: Deadline) -> Result<(), Error> {
        match self {
            Self::Plain(socket) => socket.send_all(bytes, deadline),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.send(bytes, deadline),
        }
    }

    /// Reads once, without waiting, and hands over all that this has brought.
    pub(super) fn receive(&mut self, hand_over: &mut dyn FnMut(&[u8])) -> Result<Received, Error> {
        match self {
            Self::Plain(socket) => socket.receive_some(hand_over),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.receive(hand_over),
        }
    }

    /// The version and the cipher of TLS, where there is TLS.
    pub(super) fn encryption(&self) -> Option<String> {
        match self {
            Self::Plain(_) => None,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.encryption(),
        }
    }

    /// Whether nothing more will come, though the last read has still brought something; no event would report it.
    pub(super) fn has_ended(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.has_ended(),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Plain(socket) => socket.as_fd(),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.as_fd(),
        }
    }
}
