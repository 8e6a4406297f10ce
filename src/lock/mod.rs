//! Keys, every SQL statement, acquiring, and the held lock.
//!
//! ```text
//!   Key ──► LockRequest ──► acquire ──► Outcome::Held(Guard) ──► keep_alive: Held, with a thread … release
//!                              ▲   │               └───────────► start_heartbeat … process … release
//!                              │   └──► Outcome::Busy(Contender) ──► holders
//!                              └── Backoff ── retry ──┘
//! ```
//!
//! [`run`] does all of it for a function that is to run under a lock. To wait for a lock is to try again, in pauses such as
//! [`Backoff`] makes where there are many who wait:
//!
//! ```no_run
//! # use std::time::Duration;
//! # use heimdall::{lock::{self, Guard, LockRequest, Outcome}, net::{ConnectOptions, Deadline}};
//! # fn wait(options: &ConnectOptions<'_>, request: &LockRequest) -> Result<Box<Guard>, lock::Error> {
//! let mut outcome = lock::acquire(options, request, Deadline::after(None))?;
//! loop {
//!     match outcome {
//!         Outcome::Held(guard) => return Ok(guard),
//!         Outcome::Busy(contender) => outcome = contender.retry(Duration::from_millis(500), None)?,
//!     }
//! }
//! # }
//! ```
//!
//! Such a program takes the lock whenever it finds it free. One that waits as `heimdall --wait` does, in a line behind others,
//! begins with [`acquire_in_turn`] and goes on with [`Contender::take_turn`], in pauses of [`heirs_pause`] or [`others_pause`].
//!
//! Once a [`Guard`] exists, the only thing that can happen to the lock without our doing is [`Lost`]. What is to happen
//! then is for the program to say, for instance that it ends:
//!
//! ```no_run
//! # use std::time::Duration;
//! # fn keep(guard: heimdall::lock::Guard) -> std::io::Result<()> {
//! let held = guard.keep_alive(Duration::from_secs(60))?;
//! held.on_lost(|lost| {
//!     eprintln!("the lock is lost: {lost}");
//!     std::process::exit(74);
//! });
//! # Ok(())
//! # }
//! ```

pub(crate) mod acquire;
mod age;
mod backoff;
pub(crate) mod bell;
mod check;
mod error;
mod failure;
mod grant;
pub(crate) mod guard;
mod half;
#[allow(missing_docs, clippy::must_use_candidate, reason = "public for `internals` alone")]
pub(crate) mod heartbeat;
mod held;
mod holder;
mod key;
mod lease;
pub(crate) mod line;
mod lister;
mod request;
mod row;
pub(crate) mod settings;
pub(crate) mod sql;
#[cfg(feature = "cli")]
pub(crate) mod stop;
pub(crate) mod token;
pub(crate) mod turn;

pub use acquire::{Contender, Outcome, acquire, acquire_in_turn};
pub use backoff::{Backoff, heirs_pause, others_pause};
pub use check::{Checked, check};
pub use error::{Error, Lost, UnsafeServer};
pub use grant::Grant;
pub use guard::{Guard, Polled, Release};
pub use half::{NotTcp, ServersHalf};
pub use held::{Held, run};
pub use holder::Holder;
pub use key::{InvalidKey, Key};
pub use lease::{MAX_LEASE, MIN_LEASE};
pub use line::Place;
pub use lister::{Lister, list};
pub use request::{LockRequest, Mode};
pub use token::{Flush, Sources};

pub use crate::net::Moment;
