//! What the tests, fuzz targets and tools of this repository look at besides the API: hidden, and free to change.

/// Password files.
pub mod passfile {
    pub use crate::conninfo::resolve::passfile::*;
}

/// Parameters of other programs in a connection URI.
pub mod foreign {
    pub use crate::conninfo::parse::foreign::*;
}

/// Service files.
pub mod service {
    pub use crate::conninfo::resolve::service::*;
}

/// Messages of the server, cut out of what was received.
pub mod frame {
    pub use crate::proto::frame::*;
}

/// What the messages of the server say.
pub mod backend {
    pub use crate::proto::backend::*;
}

/// The answer to `SSLRequest`.
pub mod negotiation {
    pub use crate::proto::negotiation::*;
}

/// Text that is fit to print.
pub mod text {
    pub use crate::proto::text::*;
}

/// How a fencing token is made.
pub mod token {
    pub use crate::lock::token::number;
}

/// Every statement.
pub mod sql {
    pub use crate::lock::sql::*;
}

/// TLS without the socket.
#[cfg(feature = "tls")]
pub mod tls {
    pub use crate::net::tls::*;
}

/// The verification of certificates.
#[cfg(feature = "tls")]
pub mod x509 {
    pub use crate::x509::*;
}

/// The rules of the lease.
pub mod heartbeat {
    pub use crate::lock::heartbeat::*;
}

/// The line of those who wait.
pub mod line {
    pub use crate::lock::line::*;
    pub use crate::lock::turn::*;
}

/// For how long something is waited for, and who waits for a lock may say nothing.
pub mod timeouts {
    pub use crate::lock::acquire::ANSWER_TIMEOUT;
    pub use crate::lock::guard::RELEASE_TIMEOUT;
    pub use crate::lock::settings::{WAITER_TIMEOUT, heir_timeout};
}

/// How a holder is asked to stop.
pub mod bell {
    pub use crate::lock::bell::bell;
}

/// The rules of waiting and of supervision.
#[cfg(feature = "cli")]
pub mod rules {
    pub use crate::cli::exit::Status;
    pub use crate::cli::rules::action::*;
    pub use crate::cli::rules::supervision::*;
    pub use crate::cli::rules::supervisor::*;
    pub use crate::cli::rules::waiter::*;
}

/// The rule of a failover.
#[cfg(feature = "cli")]
pub mod settle {
    pub use crate::cli::rules::settle::*;
}

/// The rules of holding the lock while no program runs.
#[cfg(feature = "cli")]
pub mod holding {
    pub use crate::cli::rules::holding::*;
}

/// What follows what in a run.
#[cfg(feature = "cli")]
pub mod course {
    pub use crate::cli::rules::course::*;
}

/// The rules of starting a program again.
#[cfg(feature = "cli")]
pub mod restart {
    pub use crate::cli::rules::restart::*;
}

/// Who holds a lock, by a row of the server's, and what its session tells of itself.
#[cfg(feature = "cli")]
pub mod holder {
    use crate::cli::report::session_name::Told;
    use crate::lock::Holder;
    use crate::proto::Row;

    /// Reads a row of the answer to [`Statement::Holders`](super::sql::Statement::Holders).
    #[must_use]
    pub fn read(row: &Row) -> Option<(Holder, impl std::fmt::Debug + use<>)> {
        let holder = Holder::read(row)?;
        let told = Told::by(&holder);
        Some((holder, told))
    }
}
