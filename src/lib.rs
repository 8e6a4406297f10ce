//! heimdall runs a program while it holds a PostgreSQL advisory lock.

pub mod auth;
#[cfg(feature = "cli")]
pub mod cli;
pub mod conninfo;
#[doc(hidden)]
pub mod internals;
pub mod lock;
pub mod net;
pub mod proto;
#[cfg(feature = "tls")]
mod x509;
