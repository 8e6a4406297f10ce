//! Keys, every SQL statement, acquiring, and the held lock.
//!
//! ```text
//!   names or --key ──► Key ──► LockRequest ──► acquire ──► Outcome::Held(Guard) ──► Guard::start_heartbeat … tick … heard … release
//!                                            ▲    └──► Outcome::Busy(Contender) ──► holders
//!                                            └── Backoff ── retry ──┘
//! ```
//!
//! Once a [`Guard`] exists, the only thing that can happen to the lock behind our back is [`Lost`].

mod acquire;
mod backoff;
mod clock;
mod error;
mod guard;
mod heartbeat;
mod holder;
mod key;
mod request;
pub mod sql;

pub use acquire::{Contender, Outcome, acquire};
pub use backoff::Backoff;
pub use clock::Moment;
pub use error::{Error, Lost, UnsafeServer};
pub use guard::{Guard, Heard, Release};
pub use holder::{Holder, list};
pub use key::{InvalidKey, Key};
pub use request::{LockRequest, Mode};
