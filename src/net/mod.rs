//! The only folder that opens a socket: it drives a `proto::Session` over TCP, TLS or a Unix-domain socket.
//!
//! A [`Connector`] tries each host and each of its addresses; [`ConnectFailures`] says of each what went wrong. Every wait has a [`Deadline`].
//!
//! ```text
//!   search ──► place (addresses) ──► attempt ──► socket ──► tls ──► connection (proto::Session)
//! ```

mod address;
mod connection;
mod connector;
mod deadline;
mod error;
mod handshake;
mod peercred;
mod session_attrs;
mod shuffle;
mod socket;
mod stream;
#[cfg(feature = "tls")]
pub mod tls;

pub use connection::Connection;
pub use connector::{ConnectOptions, Connector};
pub use deadline::Deadline;
pub use error::{ConnectFailure, ConnectFailures, Error};
