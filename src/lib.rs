//! heimdall runs a program while it holds a PostgreSQL advisory lock.

pub mod auth;
#[cfg(feature = "cli")]
pub mod cli;
pub mod conninfo;
pub mod lock;
pub mod net;
pub mod proto;
#[cfg(feature = "tls")]
pub mod x509;
