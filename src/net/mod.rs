//! The only folder that opens a socket: it drives a `proto::Session` over TCP, TLS or a Unix-domain socket.
//!
//! A [`Search`] tries each host and each of its addresses; [`Attempts`] says of each what went wrong. Every wait has a [`Deadline`].
//!
//! ```text
//!   search ──► place (addresses) ──► attempt ──► socket ──► tls ──► connection (proto::Session)
//! ```

mod attempt;
mod connection;
mod deadline;
mod error;
mod peer;
mod place;
mod search;
mod shuffle;
mod socket;
mod stream;
mod suitable;
#[cfg(feature = "tls")]
pub mod tls;

pub use connection::Connection;
pub use deadline::Deadline;
pub use error::{Attempt, Attempts, Error};
pub use search::{Request, Search};
