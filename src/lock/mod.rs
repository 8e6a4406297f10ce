//! Keys, every SQL statement, acquiring, and the held lock.
//!
//! ```text
//!   names or --key ──► Key ──► LockRequest ──► acquire ──► Outcome::Held(Guard) ──► start_heartbeat … tick … poll … release
//!                                            ▲    └──► Outcome::Busy(Contender) ──► holders
//!                                            └── Backoff ── retry ──┘
//! ```
//!
//! Once a [`Guard`] exists, the only thing that can happen to the lock without our doing is [`Lost`].

mod acquire;
mod backoff;
mod error;
mod guard;
mod heartbeat;
mod holder;
mod key;
mod request;
pub(crate) mod sql;

pub use acquire::{Contender, Outcome, acquire};
pub use backoff::Backoff;
pub use error::{Error, Lost, UnsafeServer};
pub use guard::{Guard, Polled, Release};
pub use holder::{Holder, list};
pub use key::{InvalidKey, Key};
pub use request::{LockRequest, Mode};

pub use crate::net::Moment;
