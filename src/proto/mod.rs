//! The conversation with a server, without its socket: bytes in, steps out.
//!
//! [`Session`] is the state machine; it is driven by the owner of a socket:
//!
//! ```text
//!   received bytes ──► Session::receive ──► frame ──► backend ──┐
//!                                                               ▼
//!   Session::poll ◄── Step::{Send, Receive, Ready, Row, Done, Failed, Notice} ◄── one match (state, message)
//!                                                               │
//!   bytes to send ◄── Step::Send ◄────────── frontend ◄─────────┘
//! ```
//!
//! Names of messages are PostgreSQL's own (protocol documentation, "Message Formats"). Nothing here
//! reads a clock, an environment or randomness, so a whole conversation can be replayed in a test.

mod authentication;
pub(crate) mod backend;
mod error;
mod error_kind;
pub(crate) mod frame;
pub(crate) mod frontend;
mod login;
pub(crate) mod negotiation;
mod reader;
mod server;
mod session;
pub(crate) mod text;
mod version;

pub use crate::auth::scram::Nonce;
pub use backend::{Row, Transaction};
pub use error::{Error, Stage, Unbound};
pub use error_kind::ErrorKind;
pub use frontend::{Query, Startup, Unsendable};
pub use login::{Channel, Login, Password};
pub use reader::Malformed;
pub use server::{Server, ServerMessage};
pub use session::{Direction, Session, Step, Trace};
pub use version::{NegotiationError, Version};
