//! Where to connect, as libpq says it.
//!
//! [`Parameters::resolve`] finds the value of every parameter and where it came from;
//! [`Config::new`] says what they mean.

mod config;
mod environment;
mod error;
mod hosts;
mod keyword_value;
mod number;
mod parameters;
pub mod passfile;
mod percent;
mod plain_file;
mod reader;
mod resolver;
mod secret;
pub mod service;
mod settings;
mod table;
#[cfg(test)]
mod testing;
mod uri;
mod values;
#[cfg(not(feature = "tls"))]
mod without_tls;

pub use crate::auth::policy::ChannelBinding;
pub use config::{Config, RootCertificates, TlsFile};
pub use environment::{Environment, Passwd};
pub use error::{Error, Excerpt};
pub use hosts::{Endpoint, Host};
pub use parameters::{Parameters, Source};
pub use plain_file::FileFault;
#[cfg(feature = "tls")]
pub(crate) use plain_file::PlainFile;
pub use secret::Secret;
pub use settings::Settings;
pub use table::{Parameter, TABLE as PARAMETERS};
pub use values::{
    LoadBalanceHosts, ProtocolVersion, SslCertMode, SslMode, SslNegotiation, TargetSessionAttrs, TlsVersion,
};
