//! heimdall runs a program while it holds a PostgreSQL advisory lock.

pub mod auth;
pub mod cli;
pub mod conninfo;
pub mod lock;
pub mod net;
pub mod proto;
