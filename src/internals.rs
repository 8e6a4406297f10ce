//! What the tests, fuzz targets and tools of this repository look at besides the API: hidden, and free to change.

/// Password files.
pub mod passfile {
    pub use crate::conninfo::passfile::*;
}

/// Service files.
pub mod service {
    pub use crate::conninfo::service::*;
}

/// The verification of certificates.
#[cfg(feature = "tls")]
pub mod x509 {
    pub use crate::x509::*;
}
