//! The only folder that opens a socket: it drives a `proto::Session` over TCP, TLS or a Unix-domain socket.
//!
//! [`open()`] tries each host and each of its addresses in order; [`Attempts`] says of each what went
//! wrong. Every wait has a [`Deadline`].
//!
//! ```text
//!   open ──► place (addresses) ──► attempt ──► socket ──► tls ──► connection (proto::Session)
//! ```

mod attempt;
mod connection;
mod deadline;
mod error;
mod open;
mod peer;
mod place;
mod shuffle;
mod socket;
mod stream;
#[cfg(feature = "tls")]
pub mod tls;

pub use connection::Connection;
pub use deadline::Deadline;
pub use error::{Attempt, Attempts, Error};
pub use open::{Request, open};
