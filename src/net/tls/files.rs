//! Reads the files that TLS is configured with: certificates, a key, revocation lists.

use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

use super::error::{ConfigError, TlsFileKind};
use crate::conninfo::{PlainFile, TlsFile};
use crate::x509::{Certificate, Crl};

/// The certificates of a PEM file; `None` if there is no such file, or, unless it is wanted, none that can be seen.
pub(super) fn certificates(
    kind: TlsFileKind,
    path: &Path,
    is_wanted: bool,
) -> Result<Option<Vec<CertificateDer<'static>>>, ConfigError> {
    let Some(bytes) = read(kind, path, is_wanted)? else { return Ok(None) };
    let invalid = |why| ConfigError::Invalid(kind, path.to_owned(), why);
    let certificates = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| invalid(BAD_PEM))?;
    if certificates.is_empty() {
        return Err(invalid("no PEM certificate in it"));
    }
    if certificates.iter().any(|der| Certificate::read(der).is_err()) {
        return Err(invalid("a certificate in it can't be read"));
    }
    Ok(Some(certificates))
}

/// The revocation lists of a PEM file; `None` if there is no such file. One that is usual, and not named, may be empty or
/// anything but PEM: a warning is added then, and it is as if there were none.
pub(super) fn crls(
    file: &TlsFile,
    warnings: &mut Vec<String>,
) -> Result<Option<Vec<CertificateRevocationListDer<'static>>>, ConfigError> {
    let path = &file.path;
    let Some(bytes) = read(TlsFileKind::Crl, path, file.explicit)? else { return Ok(None) };
    if !file.explicit && !bytes.windows(BEGIN.len()).any(|window| window == BEGIN) {
        warnings.push(format!("certificate revocation list file \"{}\" is not PEM, ignored", path.display()));
        return Ok(None);
    }
    let crls = lists(TlsFileKind::Crl, path, &bytes)?;
    if crls.is_empty() {
        return Err(ConfigError::Invalid(TlsFileKind::Crl, path.to_owned(), "no PEM revocation list in it"));
    }
    Ok(Some(crls))
}

/// The revocation lists that stand among root certificates.
pub(super) fn lists_among_roots(
    path: &Path,
) -> Result<Vec<CertificateRevocationListDer<'static>>, ConfigError> {
    let bytes = read(TlsFileKind::Root, path, true)?.unwrap_or_default();
    lists(TlsFileKind::Root, path, &bytes)
}

fn lists(
    kind: TlsFileKind,
    path: &Path,
    pem: &[u8],
) -> Result<Vec<CertificateRevocationListDer<'static>>, ConfigError> {
    let invalid = |why| ConfigError::Invalid(kind, path.to_owned(), why);
    let crls = CertificateRevocationListDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| invalid(BAD_PEM))?;
    if crls.iter().any(|der| Crl::read(der).is_err()) {
        return Err(invalid("a revocation list in it can't be read"));
    }
    Ok(crls)
}

/// The first private key of a PEM file, or that of a DER file, that no one else may read.
pub(super) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, ConfigError> {
    let unreadable = |error| ConfigError::Unreadable(TlsFileKind::Key, path.to_owned(), error);
    let invalid = |why| ConfigError::Invalid(TlsFileKind::Key, path.to_owned(), why);
    let file = PlainFile::open(path, true)
        .map_err(unreadable)?
        .ok_or_else(|| ConfigError::KeyMissing(path.to_owned()))?;
    if file.is_exposed_key() {
        return Err(ConfigError::KeyExposed(path.to_owned()));
    }
    let bytes = without_mark(file.read().map_err(unreadable)?);
    if ENCRYPTED.iter().any(|mark| bytes.windows(mark.len()).any(|window| window == *mark)) {
        return Err(invalid("encrypted private keys are not supported"));
    }
    if bytes.is_empty() {
        return Err(invalid("it is empty"));
    }
    PrivateKeyDer::from_pem_slice(&bytes)
        .or_else(|_| PrivateKeyDer::try_from(bytes))
        .map_err(|_| invalid("no private key in PEM or DER in it"))
}

fn read(kind: TlsFileKind, path: &Path, is_wanted: bool) -> Result<Option<Vec<u8>>, ConfigError> {
    let file = PlainFile::open(path, is_wanted).and_then(|file| file.map(PlainFile::read).transpose());
    let bytes = file.map_err(|error| ConfigError::Unreadable(kind, path.to_owned(), error))?;
    Ok(bytes.map(without_mark))
}

/// Takes away the mark that some editors put before a text (U+FEFF); a line of PEM begins with a dash.
fn without_mark(bytes: Vec<u8>) -> Vec<u8> {
    bytes.strip_prefix("\u{feff}".as_bytes()).map(<[u8]>::to_vec).unwrap_or(bytes)
}

/// What a PEM file has in it at least once.
const BEGIN: &[u8] = b"-----BEGIN";

const BAD_PEM: &str = "it is not valid PEM";

/// What PEM files of encrypted keys have in them: PKCS#8's label, and a header of the older formats (RFC 1421).
const ENCRYPTED: &[&[u8]] = &[b"-----BEGIN ENCRYPTED PRIVATE KEY", b"Proc-Type: 4,ENCRYPTED"];
