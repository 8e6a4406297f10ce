//! Whom to trust: the root certificates and revocation lists that the settings name.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::CertificateDer;

use super::error::{ConfigError, TlsFileKind};
use super::files;
use crate::conninfo::{Config, RootCertificates, SslMode, TlsFile};
use crate::x509::Anchors;

/// Root certificates, and what their issuers have revoked.
#[derive(Debug)]
pub struct Trust {
    /// Where they are from.
    pub source: Source,
    /// What they say.
    pub anchors: Anchors,
}

/// Where root certificates were found, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// In the system's store.
    System,
    /// Where these variables say that they are.
    Variables(&'static str),
    /// In a file.
    File(PathBuf),
}

impl Trust {
    /// `None` where the server's certificate is not to be verified; then, if the user should know, a warning is added.
    pub(super) fn load(
        config: &Config,
        algorithms: WebPkiSupportedAlgorithms,
        warnings: &mut Vec<String>,
    ) -> Result<Option<Trust>, ConfigError> {
        let Some((source, roots)) = roots(config, warnings)? else {
            // Nothing is verified, so nothing would be looked up in it.
            return match &config.sslcrl {
                Some(file) if file.explicit => Err(ConfigError::CrlWithoutRoots(file.path.clone())),
                _ => Ok(None),
            };
        };
        // libpq reads none where the roots are the system's, but one that is named is meant.
        let is_read = |file: &&TlsFile| file.explicit || matches!(source, Source::File(_));
        let mut crls = match config.sslcrl.as_ref().filter(is_read) {
            None => Vec::new(),
            Some(file) => match files::crls(file, warnings)? {
                Some(crls) => crls,
                None if file.explicit => {
                    return Err(ConfigError::Missing(TlsFileKind::Crl, file.path.clone()));
                }
                None => Vec::new(),
            },
        };
        // To OpenSSL one list is as good as another, wherever it stands.
        if let Source::File(path) = &source
            && !crls.is_empty()
        {
            crls.extend(files::lists_among_roots(path)?);
        }
        Ok(Some(Trust { source, anchors: Anchors { roots, crls, algorithms } }))
    }
}

/// The root certificates, and where they are from; `None` where the server's certificate is not to be verified.
fn roots(
    config: &Config,
    warnings: &mut Vec<String>,
) -> Result<Option<(Source, Vec<CertificateDer<'static>>)>, ConfigError> {
    let file = match &config.sslrootcert {
        Some(RootCertificates::System) => return system(config).map(Some),
        Some(RootCertificates::File(file)) => file,
        None if config.sslmode >= SslMode::VerifyCa => return Err(ConfigError::NoHome),
        None => return Ok(None),
    };
    // From there on, whoever has such a file relies on it.
    let is_wanted = file.explicit || config.sslmode >= SslMode::Require;
    match files::certificates(TlsFileKind::Root, &file.path, is_wanted)? {
        Some(roots) => Ok(Some((Source::File(file.path.clone()), roots))),
        None if config.sslmode >= SslMode::VerifyCa => {
            Err(ConfigError::Missing(TlsFileKind::Root, file.path.clone()))
        }
        None => {
            warnings.extend(file.explicit.then(|| {
                format!(
                    "root certificate file \"{}\" does not exist: the server's certificate is not verified; \
                     sslmode=verify-full would make sure of it",
                    file.path.display()
                )
            }));
            Ok(None)
        }
    }
}

/// The system's root certificates: those of a file, and those of directories where OpenSSL would look them up. As to OpenSSL,
/// one may be missing where the other is not.
fn system(config: &Config) -> Result<(Source, Vec<CertificateDer<'static>>), ConfigError> {
    let (file, directories) = (config.ssl_cert_file.clone(), config.ssl_cert_dir.clone());
    let source = match (&file, &directories) {
        (None, None) => Source::System,
        (Some(_), None) => Source::Variables("SSL_CERT_FILE"),
        (None, Some(_)) => Source::Variables("SSL_CERT_DIR"),
        (Some(_), Some(_)) => Source::Variables("SSL_CERT_FILE and SSL_CERT_DIR"),
    };
    let (file, directories) = if source == Source::System {
        usual()
    } else {
        // Where only one is set, OpenSSL adds what is usual for the other, but where that is, it knows from its build.
        (file, directories.unwrap_or_default())
    };
    let of_file = file.map_or(Ok(Vec::new()), |file| {
        files::certificates(TlsFileKind::Root, &file, true)?.ok_or(ConfigError::NoSystemFile(file))
    });
    let mut roots = of_file.as_deref().unwrap_or_default().to_vec();
    for directory in directories.as_bytes().split(|byte| *byte == b':') {
        for root in by_hash(Path::new(OsStr::from_bytes(directory))) {
            // Often the same as in the file.
            if !roots.contains(&root) {
                roots.push(root);
            }
        }
    }
    if roots.is_empty() {
        return Err(of_file.err().unwrap_or(ConfigError::NoSystemRoots));
    }
    Ok((source, roots))
}

/// The file and the directory that this system has for them.
fn usual() -> (Option<PathBuf>, OsString) {
    let file = openssl_probe::probe().cert_file.unwrap_or_else(|| OTHER_FILE.into());
    let directory = openssl_probe::candidate_cert_dirs().next().unwrap_or(Path::new(""));
    (file.exists().then_some(file), directory.into())
}

/// The certificates in a directory whose files have the names by which OpenSSL finds them: the hash of the subject and a
/// number, counted from 0, as `openssl rehash` links them. Anything may lie beside those. What can't be read is not there, as
/// to OpenSSL.
fn by_hash(directory: &Path) -> Vec<CertificateDer<'static>> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let names: Vec<OsString> = entries.map(|entry| entry.file_name()).collect();
    let mut hashes: Vec<&str> = names.iter().filter_map(|name| hash(name.to_str()?)).collect();
    hashes.sort_unstable();
    let mut roots = Vec::new();
    for hash in hashes {
        let path = |number: u32| directory.join(format!("{hash}.{number}"));
        let read = |number| files::certificates(TlsFileKind::Root, &path(number), false);
        // OpenSSL looks no further where one is missing.
        (0..).map_while(|number| read(number).ok().flatten()).for_each(|some| roots.extend(some));
    }
    roots
}

/// The hash in the name of the first file of it.
fn hash(name: &str) -> Option<&str> {
    let hash = name.strip_suffix(".0")?;
    let is_hash = hash.len() == 8 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_hash.then_some(hash)
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::System => write!(f, "the system's root certificates"),
            Source::Variables(names) => write!(f, "the root certificates of {names}"),
            Source::File(path) => write!(f, "root certificate file \"{}\"", path.display()),
        }
    }
}

/// What macOS keeps up to date for programs that read files.
const OTHER_FILE: &str = "/etc/ssl/cert.pem";
