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

pub mod authentication;
pub mod backend;
pub mod error;
pub mod frame;
pub mod frontend;
pub mod login;
pub mod negotiation;
pub mod reader;
pub mod server;
pub mod session;
pub mod text;
pub mod version;

pub use error::{Error, ErrorKind, Stage, Unbound};
pub use frontend::{Query, Startup};
pub use login::{Channel, Login, Password};
pub use server::{Server, ServerMessage};
pub use session::{Session, Step};
pub use version::Version;
