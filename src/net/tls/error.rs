//! What can be wrong with the files and settings for TLS; all of it is found before connecting.

use std::fmt;
use std::path::PathBuf;

use crate::conninfo::FileFault;

/// Why there is no TLS to be had with this configuration. The display is one line, libpq's where it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// The server's certificate has to be verified, but nobody knows where the root certificates are.
    NoHome,
    /// The server's name has to be verified, but a host has only an address.
    NoHostName,
    /// The system has no root certificates, or they can't be read.
    NoSystemRoots,
    /// A file that is needed is not there.
    Missing(TlsFileKind, PathBuf),
    /// A file can't be read.
    Unreadable(TlsFileKind, PathBuf, FileFault),
    /// A file holds something else.
    Invalid(TlsFileKind, PathBuf, &'static str),
    /// There is a client certificate without this file, its key.
    KeyMissing(PathBuf),
    /// There is this client certificate, but nobody knows where its key is.
    NoKey(PathBuf),
    /// Others could read the key.
    KeyExposed(PathBuf),
    /// A client certificate, and a key that belongs to another.
    KeyMismatch(PathBuf, PathBuf),
    /// A client certificate has to be sent, but there is none.
    NoClientCertificate(Option<PathBuf>),
    /// The TLS library does not take what it is given.
    Library(String),
}

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFileKind {
    /// `sslrootcert`
    Root,
    /// `sslcert`
    Certificate,
    /// `sslkey`
    Key,
    /// `sslcrl`
    Crl,
}

impl fmt::Display for TlsFileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TlsFileKind::Root => "root certificate file",
            TlsFileKind::Certificate => "certificate file",
            TlsFileKind::Key => "private key file",
            TlsFileKind::Crl => "certificate revocation list file",
        })
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::NoHome => {
                write!(f, "could not get home directory to locate root certificate file; {ROOT_ADVICE}")
            }
            ConfigError::NoHostName => {
                write!(f, "host name must be specified for a verified SSL connection")
            }
            ConfigError::NoSystemRoots => {
                write!(
                    f,
                    "could not load system root certificates; set SSL_CERT_FILE or SSL_CERT_DIR, or name a file in sslrootcert"
                )
            }
            ConfigError::Missing(TlsFileKind::Root, path) => {
                write!(f, "root certificate file \"{}\" does not exist; {ROOT_ADVICE}", path.display())
            }
            ConfigError::Missing(kind, path) => {
                write!(f, "{kind} \"{}\" does not exist", path.display())
            }
            ConfigError::Unreadable(kind, path, FileFault::Unreadable(why)) => {
                write!(f, "could not read {kind} \"{}\": {why}", path.display())
            }
            ConfigError::Unreadable(kind, path, fault) => {
                write!(f, "could not read {kind} \"{}\": it {fault}", path.display())
            }
            ConfigError::Invalid(TlsFileKind::Key, path, why) => {
                write!(f, "could not load private key file \"{}\": {why}", path.display())
            }
            ConfigError::Invalid(kind, path, why) => {
                write!(f, "could not read {kind} \"{}\": {why}", path.display())
            }
            ConfigError::KeyMissing(path) => {
                write!(f, "certificate present, but not private key file \"{}\"", path.display())
            }
            ConfigError::NoKey(path) => write!(
                f,
                "certificate file \"{}\" has no private key file; name it in sslkey",
                path.display()
            ),
            ConfigError::KeyExposed(path) => write!(
                f,
                "private key file \"{}\" has group or world access; file must have permissions u=rw (0600) or less \
                 if owned by the current user, or permissions u=rw,g=r (0640) or less if owned by root",
                path.display()
            ),
            ConfigError::KeyMismatch(certificate, key) => write!(
                f,
                "certificate file \"{}\" does not match private key file \"{}\"",
                certificate.display(),
                key.display()
            ),
            ConfigError::NoClientCertificate(None) => {
                write!(f, "sslcertmode \"require\" needs a client certificate; name its file in sslcert")
            }
            ConfigError::NoClientCertificate(Some(path)) => write!(
                f,
                "sslcertmode \"require\" needs a client certificate, but certificate file \"{}\" does not exist",
                path.display()
            ),
            ConfigError::Library(why) => write!(f, "TLS can't be used: {why}"),
        }
    }
}

impl std::error::Error for ConfigError {}

/// What to do about a missing root certificate file.
const ROOT_ADVICE: &str = "either provide the file, use the system's trusted roots with sslrootcert=system, or change \
     sslmode to disable server certificate verification";
