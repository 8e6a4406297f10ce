//! Keys, every SQL statement, acquiring, and the held lock.
//!
//! ```text
//!   names or --key ──► Key ──► acquire ──► Outcome::Held(Guard) ──► Guard::keep … tick … heard … Guard::release
//!                                     └──► Outcome::Busy
//! ```
//!
//! Once a [`Guard`] exists, the only thing that can happen to the lock behind our back is [`Lost`].

mod acquire;
mod clock;
mod error;
mod guard;
mod key;
mod pulse;
pub mod sql;

pub use acquire::{Outcome, acquire};
pub use clock::Moment;
pub use error::{Error, Lost, Refusal};
pub use guard::{Guard, Heard, Release};
pub use key::{InvalidKey, Key};
