//! Advisory locks of PostgreSQL, and the protocol library that they stand on.
//!
//! The program `heimdall` runs a command while it holds a lock; this crate is that program as a library. It speaks
//! PostgreSQL's protocol itself: no other driver, no async runtime, no unsafe code.
//!
//! ```text
//!   lock        keys, acquiring, the held lock and its heartbeat
//!     │
//!   net         a session over TCP, TLS or a Unix socket
//!     ├────────────────────┐
//!   proto                conninfo     connection strings, service files, PG* variables
//!     │  the conversation, │
//!     │  bytes in, steps   │
//!     │  out: no socket    │
//!   auth  ◄────────────────┘          MD5, SCRAM, and which of them are allowed
//! ```
//!
//! It has three doors, and each opens without the ones before it. The programs in `examples/` go through them.
//!
//! # Take a lock
//!
//! [`lock::run`] calls a function while a lock is held, and a thread sends the heartbeats:
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use heimdall::conninfo::{Config, Environment};
//! use heimdall::lock::{self, Key, LockRequest, Mode};
//! use heimdall::net::ConnectOptions;
//!
//! # fn rebuild_the_index() {}
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config::resolve("postgres://app@db.example/app", &Environment::of_process())?;
//! let options = ConnectOptions::new(&config).application_name("nightly");
//! let request = LockRequest::one(Key::named("billing", "nightly"), Mode::Exclusive);
//!
//! let done = lock::run(&options, &request, Duration::from_secs(60), |held| {
//!     println!("fencing token {}", held.token());
//!     rebuild_the_index();
//! })?;
//! if done.is_none() {
//!     println!("held elsewhere");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`lock::acquire`] returns a [`lock::Guard`] for programs with a loop of their own or, if the lock is held elsewhere, a
//! [`lock::Contender`], which knows by whom and can try again.
//!
//! # Log in over any transport
//!
//! [`proto::Session`] says what to send and when to receive; whoever has the transport does it. Here the server is two
//! strings of bytes:
//!
//! ```
//! use heimdall::proto::{Channel, Login, Nonce, Password, Session, Startup, Step};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let startup = Startup::new([("user", "ann"), ("database", "app")])?;
//! // SCRAM needs a nonce that is random; this server asks for the password in clear.
//! let mut login = Login::new(startup, Channel::Local, Nonce::of_random([0; 18]));
//! login.password = Password::new("pencil")?;
//! let mut session = Session::new(login, None, None);
//!
//! let mut server = [
//!     &b"R\0\0\0\x08\0\0\0\x03"[..], // AuthenticationCleartextPassword
//!     b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I", // AuthenticationOk, ReadyForQuery
//! ]
//! .into_iter();
//! let mut sent = Vec::new();
//! loop {
//!     match session.poll()? {
//!         Step::Send(bytes) => sent.push(bytes),
//!         Step::Receive => session.receive(server.next().ok_or("the server is gone")?),
//!         Step::Ready => break,
//!         _ => {}
//!     }
//! }
//! assert_eq!(sent[1], &b"p\0\0\0\x0bpencil\0"[..]);
//! # Ok(())
//! # }
//! ```
//!
//! This is no general driver: queries can be sent by [`lock`] alone.
//!
//! # Read a connection string as libpq does
//!
//! [`conninfo::Config::resolve`] takes a URI, keywords and values, or the name of a database. What it leaves out comes from
//! the service file, the environment, the password file and defaults:
//!
//! ```
//! use heimdall::conninfo::{Config, Endpoint, Environment, SslMode};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let uri = "postgres://ann@db1,db2:6432/app?sslmode=verify-full";
//! let config = Config::resolve(uri, &Environment::of_process())?;
//! assert_eq!(config.user, "ann");
//! assert_eq!(config.sslmode, SslMode::VerifyFull);
//! assert_eq!(config.hosts[1].endpoint, Endpoint::Name("db2".to_owned()));
//! assert_eq!(config.hosts[1].port, 6432);
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `cli`, a default | the program, and clap, signal-hook and humantime for it |
//! | `tls`, a default | TLS by rustls, with certificates verified as OpenSSL does it for psql |
//!
//! A library wants `default-features = false`, and `features = ["tls"]` unless all its servers are local. It runs on Unix.
//!
//! # What stays
//!
//! Versions follow [Semantic Versioning](https://semver.org/): before 1.0, a change that breaks callers comes with a new
//! minor version. Enumerations and structures that may grow are `#[non_exhaustive]`. No part of the API are the texts of
//! errors, and the hidden modules `cli` and `internals`, which are for the program, its tests and its fuzz targets.
//!
//! The oldest Rust that compiles it is 1.88. Only a new minor version asks for a newer one.
//!
//! Of other crates' types, [`bytes::Bytes`] alone is part of the API, in [`proto::Step::Send`] and
//! [`proto::Session::take_outgoing`]. rustls and rustix are not: an error holds the text, or a [`std::io::Error`].

pub mod auth;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
pub mod conninfo;
#[doc(hidden)]
pub mod internals;
pub mod lock;
pub mod net;
pub mod proto;
#[cfg(feature = "tls")]
mod x509;
