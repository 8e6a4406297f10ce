//! The only folder that opens a socket: it drives a `proto::Session` over TCP or a Unix-domain socket.
//!
//! [`Connection::open`] tries each host and each of its addresses in order; [`Attempts`] says of each
//! what went wrong. Every wait has a [`Deadline`].

mod connection;
mod deadline;
mod error;
mod place;
mod socket;

pub use connection::{Connection, Request};
pub use deadline::Deadline;
pub use error::{Attempt, Attempts, Error};
