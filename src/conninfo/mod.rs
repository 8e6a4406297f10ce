//! A connection string, read as libpq reads it.
//!
//! ```text
//!  connection string      URI, keyword/value or database name
//!         │ parse
//!         ▼
//!     Settings            what it says, and no more
//!         │ resolve       with environment, service file and password file
//!         ▼
//!    Parameters           every value in force, and where it came from
//!         │ interpret
//!         ▼
//!      Config             the values as types, checked
//! ```
//!
//! [`Config::resolve`] does all of it. [`Parameters::resolve`] and [`Config::new`] do it in two steps, for who wants to
//! see the values and where each is from. [`Config::of_pairs`] takes keywords and values that need no quotes.
//!
//! Each step is a folder. What they share is beside them: `table.rs` lists every parameter, `spelling.rs` knows which one a
//! misspelt one was meant to be, `values.rs` has the types of values, `origin.rs` says where one stands, `error.rs` what can be
//! wrong with it. What may be a secret in the wrong place goes no further than its source: `misplaced.rs` and the URI's grammar
//! see to that.

mod error;
mod interpret;
mod misplaced;
mod origin;
pub(crate) mod parse;
pub(crate) mod resolve;
pub(crate) mod spelling;
mod table;
mod values;

pub use crate::auth::policy::ChannelBinding;
pub use error::{Error, Excerpt, FileFault, LineFault};
pub use interpret::{Config, RootCertificates, TlsFile};
pub use origin::{Origin, Source};
pub use resolve::Parameters;
#[cfg(feature = "tls")]
pub(crate) use resolve::environment::PlainFile;
pub use resolve::environment::{Environment, Passwd};
pub(crate) use resolve::hostaddr;
pub use resolve::hosts::{Endpoint, Host, SOCKET_DIRECTORIES};
pub use table::{Parameter, TABLE as PARAMETERS};
pub use values::{
    LoadBalanceHosts, ProtocolVersion, Secret, ServerOptions, SslCertMode, SslMode, SslNegotiation,
    TargetSessionAttrs, TlsVersion,
};

/// What the unit tests of this folder share.
#[cfg(test)]
mod testing {
    use super::{Config, Environment, Error, Passwd};

    /// What a connection string means to the user `os-user` in an empty environment.
    pub(super) fn config(text: &str) -> Result<Config, Error> {
        let effective_user = || Some(Passwd { name: "os-user".into(), home: "/no/such/home".into() });
        let env = Environment { variable: &|_| None, effective_user: &effective_user, effective_uid: 1000 };
        Config::resolve(text, &env).map_err(|error| error.mistake().clone())
    }
}
