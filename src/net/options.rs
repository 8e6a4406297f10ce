//! What to connect to and how, besides the configuration: the caller's name, poolers, who is told what.

use std::fmt;
use std::sync::Arc;

use super::error::Error;
use super::session_attrs;
use crate::conninfo::Config;
use crate::proto::{Direction, Server, Trace};

/// What to connect to, and how.
///
/// ```
/// # use heimdall::{conninfo::{Config, Environment}, net::ConnectOptions};
/// # let config = Config::resolve("postgres://ann@db/app", &Environment::of_process())?;
/// let options = ConnectOptions::new(&config).application_name("nightly").allow_pooler(true);
/// # Ok::<(), heimdall::conninfo::Error>(())
/// ```
#[derive(Clone)]
pub struct ConnectOptions<'a> {
    config: &'a Config,
    application_name: &'a str,
    allows_pooler: bool,
    trace: Option<Trace>,
    warn: Arc<dyn Fn(&str) + Send + Sync + 'a>,
}

impl fmt::Debug for ConnectOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectOptions")
            .field("config", self.config)
            .field("application_name", &self.application_name)
            .field("allows_pooler", &self.allows_pooler)
            .finish_non_exhaustive()
    }
}

impl<'a> ConnectOptions<'a> {
    /// Connects as configured, to a server and not to a pooler, and reports to no one.
    #[must_use]
    pub fn new(config: &'a Config) -> Self {
        Self {
            config,
            application_name: "heimdall",
            allows_pooler: false,
            trace: None,
            warn: Arc::new(|_| {}),
        }
    }

    /// The name that others see in `pg_stat_activity`, where none is configured.
    #[must_use]
    pub fn application_name(self, application_name: &'a str) -> Self {
        Self { application_name, ..self }
    }

    /// Whether a connection pooler may answer in the server's place. Then nothing is sent before it is asked for.
    #[must_use]
    pub fn allow_pooler(self, allows_pooler: bool) -> Self {
        Self { allows_pooler, ..self }
    }

    /// Calls `trace` with each message, in which no secret is shown, and which way it goes: on the thread that sends or has
    /// received it, which is that of the heartbeats where a lock [is kept alive](crate::lock::Guard::keep_alive) by one. A
    /// panic there, as by a `println!` whose reader is gone, is the loss of the lock.
    #[must_use]
    pub fn trace(self, trace: impl Fn(Direction, &dyn fmt::Display) + Send + Sync + 'static) -> Self {
        Self { trace: Some(Arc::new(trace)), ..self }
    }

    /// Calls `warn` with what a user should know though the connection works.
    #[must_use]
    pub fn warn(self, warn: impl Fn(&str) + Send + Sync + 'a) -> Self {
        Self { warn: Arc::new(warn), ..self }
    }

    /// Whether a connection pooler may answer in the server's place.
    #[must_use]
    pub(crate) fn allows_pooler(&self) -> bool {
        self.allows_pooler
    }

    /// Refuses a server that is not what `target_session_attrs` asks for, by what it has reported at login and by what it
    /// has answered since: not all of them report that at login. With `any`, a standby that is the only host is not refused
    /// here.
    ///
    /// # Errors
    /// What the server is, in libpq's own text.
    pub(crate) fn check_session(
        &self,
        server: &Server,
        is_standby: Option<bool>,
        is_read_only: Option<bool>,
    ) -> Result<(), Error> {
        let wanted = self.config.target_session_attrs;
        if is_standby == Some(true) && self.config.hosts.len() > 1 {
            return Err(session_attrs::standby(wanted));
        }
        let is_standby = is_standby.or(server.in_hot_standby);
        session_attrs::check(wanted, is_standby, server.default_transaction_read_only.or(is_read_only))
    }

    pub(super) fn config(&self) -> &'a Config {
        self.config
    }

    pub(super) fn session_name(&self) -> &str {
        self.config.application_name.as_deref().unwrap_or(self.application_name)
    }

    pub(super) fn tracer(&self) -> Option<&Trace> {
        self.trace.as_ref()
    }

    #[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "only TLS has something to warn of"))]
    pub(super) fn warn_of(&self, text: &str) {
        (self.warn)(text);
    }
}
