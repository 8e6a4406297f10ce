//! What can be wrong with the files and settings for TLS. Files are read once a server has agreed to TLS, as in libpq.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

use crate::conninfo::FileFault;

/// Why there is no TLS to be had with this configuration. The display is one line, libpq's where it has one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The server's certificate has to be verified, but it is not known where the root certificates are.
    #[error("could not get home directory to locate root certificate file; {ROOT_ADVICE}")]
    NoHome,
    /// The server's name has to be verified, but a host has only an address.
    #[error("host name must be specified for a verified SSL connection")]
    NoHostName,
    /// The system has no root certificates, or they can't be read.
    #[error(
        "could not load system root certificates; set SSL_CERT_FILE or SSL_CERT_DIR, or name a file in sslrootcert"
    )]
    NoSystemRoots,
    /// The file that stands in their place is not there.
    #[error("SSL_CERT_FILE: root certificate file \"{}\" does not exist", .0.display())]
    NoSystemFile(PathBuf),
    /// A file that is needed is not there.
    #[error("{kind} \"{path}\" does not exist{advice}", kind = .0, path = .1.display(), advice = advice(*.0))]
    Missing(TlsFileKind, PathBuf),
    /// A file can't be read.
    #[error("could not read {kind} \"{path}\": {why}", kind = .0, path = .1.display(), why = unreadable(.2))]
    Unreadable(TlsFileKind, PathBuf, FileFault),
    /// A file holds something else.
    #[error("could not {read} {kind} \"{path}\": {why}", read = .0.verb(), kind = .0, path = .1.display(), why = .2)]
    Invalid(TlsFileKind, PathBuf, &'static str),
    /// There is a client certificate without this file, its key.
    #[error("certificate present, but not private key file \"{}\"", .0.display())]
    KeyMissing(PathBuf),
    /// There is this client certificate, but it is not known where its key is.
    #[error("certificate file \"{}\" has no private key file; name it in sslkey", .0.display())]
    NoKey(PathBuf),
    /// Others could read the key.
    #[error(
        "private key file \"{}\" has group or world access; file must have permissions u=rw (0600) or less if owned \
         by the current user, or permissions u=rw,g=r (0640) or less if owned by root",
        .0.display()
    )]
    KeyExposed(PathBuf),
    /// A client certificate, and a key that belongs to another.
    #[error("certificate file \"{}\" does not match private key file \"{}\"", .0.display(), .1.display())]
    KeyMismatch(PathBuf, PathBuf),
    /// A client certificate has to be sent, but no file of one is named or usual.
    #[error("sslcertmode \"require\" needs a client certificate; name its file in sslcert")]
    NoClientCertificateFile,
    /// A client certificate has to be sent, but this file is not there.
    #[error(
        "sslcertmode \"require\" needs a client certificate, but certificate file \"{}\" does not exist",
        .0.display()
    )]
    NoClientCertificate(PathBuf),
    /// A revocation list is named, but there is no root certificate to verify anything with.
    #[error(
        "certificate revocation list file \"{}\" can't be used without root certificates; name their file in sslrootcert",
        .0.display()
    )]
    CrlWithoutRoots(PathBuf),
    /// The TLS library does not take what it is given.
    #[error("TLS can't be used: {0}")]
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

impl TlsFileKind {
    /// What libpq could not do with it.
    fn verb(self) -> &'static str {
        if self == TlsFileKind::Key { "load" } else { "read" }
    }
}

fn unreadable(why: &FileFault) -> String {
    match why {
        FileFault::Unreadable(why) => why.to_string(),
        why => format!("it {why}"),
    }
}

fn advice(kind: TlsFileKind) -> String {
    if kind == TlsFileKind::Root { format!("; {ROOT_ADVICE}") } else { String::new() }
}

/// What to do about a missing root certificate file.
const ROOT_ADVICE: &str = "either provide the file, use the system's trusted roots with sslrootcert=system, or change \
     sslmode to disable server certificate verification";
