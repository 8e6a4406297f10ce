//! Keys, every SQL statement, acquiring, and the held lock.
//!
//! ```text
//!   names or --key ──► Key ──► acquire ──► Outcome::Held(Guard) ──► Guard::heard … Guard::release
//!                                     └──► Outcome::Busy
//! ```
//!
//! Once a [`Guard`] exists, the only thing that can happen to the lock behind our back is [`Lost`].

mod acquire;
mod error;
mod guard;
mod key;
pub mod sql;

pub use acquire::{Outcome, acquire};
pub use error::{Error, Lost, Refusal};
pub use guard::{Guard, Release};
pub use key::{InvalidKey, Key};
