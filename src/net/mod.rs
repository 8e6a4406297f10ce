//! The only folder that connects to a server: it drives a `proto::Session` over TCP, TLS or a Unix-domain socket.
//!
//! [`ConnectOptions`] say what to connect to. Each host and each of its addresses is tried; [`ConnectFailures`] lists what
//! went wrong with each. Every wait has a [`Deadline`].
//!
//! ```text
//!   connector ──► address ──► handshake ──► socket ──► tls ──► connection (proto::Session)
//! ```

mod address;
mod connection;
mod connector;
mod deadline;
mod ends;
mod error;
mod handshake;
mod moment;
mod options;
mod peercred;
mod session_attrs;
mod shuffle;
mod socket;
mod stream;
#[cfg(feature = "tls")]
pub(crate) mod tls;

pub(crate) use connection::Connection;
pub use connection::QueryError;
pub(crate) use connector::{Rejected, connect};
pub use deadline::Deadline;
pub(crate) use ends::Ends;
pub(crate) use error::os_error_text;
pub use error::{ConnectFailure, ConnectFailures, Error, Phase};
pub use moment::Moment;
pub use options::ConnectOptions;
