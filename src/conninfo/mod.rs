//! A connection string, read as libpq reads it.
//!
//! ```text
//!  connection string      URI, keyword/value or database name
//!         │ parse         connection_string.rs, uri.rs
//!         ▼
//!     Settings            what it says, and no more: settings.rs
//!         │ resolve       parameters.rs; with environment.rs, service.rs, passfile.rs
//!         ▼
//!    Parameters           every value in force, and where it came from: parameters.rs
//!         │ interpret     interpret.rs; with hosts.rs, values.rs
//!         ▼
//!      Config             the values as types, checked: config.rs
//! ```
//!
//! What may be a secret in the wrong place goes no further than its source: misplaced.rs and the URI's grammar see to that.
//!
//! [`Config::resolve`] does all of it. [`Parameters::resolve`] and [`Config::new`] do it in two steps, for who wants to
//! see the values and where each is from. `table.rs` lists every parameter, `spelling.rs` knows which one a misspelt one was
//! meant to be, `foreign.rs` which are other programs', `error.rs` what can be wrong with them.

mod config;
mod connection_string;
mod environment;
mod error;
pub(crate) mod foreign;
mod hosts;
mod interpret;
mod misplaced;
mod parameters;
pub(crate) mod passfile;
pub(crate) mod service;
mod settings;
pub(crate) mod spelling;
mod table;
mod uri;
mod values;

pub use crate::auth::policy::ChannelBinding;
pub use config::{Config, RootCertificates, TlsFile};
#[cfg(feature = "tls")]
pub(crate) use environment::PlainFile;
pub use environment::{Environment, Passwd};
pub use error::{Error, Excerpt, FileFault, LineFault};
pub use hosts::{Endpoint, Host, SOCKET_DIRECTORIES};
pub use parameters::Parameters;
pub use settings::{Origin, Source};
pub use table::{Parameter, TABLE as PARAMETERS};
pub use values::{
    LoadBalanceHosts, ProtocolVersion, Secret, SslCertMode, SslMode, SslNegotiation, TargetSessionAttrs,
    TlsVersion,
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
