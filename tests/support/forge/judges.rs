//! Who judges a chain: heimdall, `openssl verify` and psql.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use heimdall::internals::x509::{self, Anchors, Certificate, CertificateError, Crl, HostName};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ServerConfig, ServerConnection, Stream};

use super::keys;
use crate::support::ports;
use crate::support::postgres::client;

/// 2027-01-15, when good certificates are valid, as they are today.
pub const NOW: u64 = 1_800_000_000;

/// What a server presents and what its client trusts.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    pub leaf: Vec<u8>,
    /// Which of the keys is the leaf's.
    pub leaf_key: usize,
    pub sent: Vec<Vec<u8>>,
    pub roots: Vec<Vec<u8>>,
    pub crls: Vec<Vec<u8>>,
    /// Whether an extension is no DER.
    pub is_damaged: bool,
    /// What was done to it.
    pub story: Vec<String>,
}

/// heimdall's verdict, the reading of the files included.
pub fn heimdall(chain: &Chain) -> Result<(), CertificateError> {
    heimdall_with(chain, ring::default_provider().signature_verification_algorithms)
}

/// The same, with other algorithms for signatures.
pub fn heimdall_with(chain: &Chain, algorithms: WebPkiSupportedAlgorithms) -> Result<(), CertificateError> {
    verdict(chain, algorithms, None, UnixTime::since_unix_epoch(Duration::from_secs(NOW)))
}

/// The same, for a server of this name.
pub fn heimdall_for(chain: &Chain, host: &HostName) -> Result<(), CertificateError> {
    let algorithms = ring::default_provider().signature_verification_algorithms;
    verdict(chain, algorithms, Some(host), UnixTime::since_unix_epoch(Duration::from_secs(NOW)))
}

/// The same, for certificates that the openssl program has made just now.
pub fn heimdall_today(chain: &Chain) -> Result<(), CertificateError> {
    verdict(chain, ring::default_provider().signature_verification_algorithms, None, UnixTime::now())
}

fn verdict(
    chain: &Chain,
    algorithms: WebPkiSupportedAlgorithms,
    host: Option<&HostName>,
    now: UnixTime,
) -> Result<(), CertificateError> {
    chain.roots.iter().try_for_each(|der| Certificate::read(der).map(drop))?;
    chain.crls.iter().try_for_each(|der| Crl::read(der).map(drop))?;
    let anchors = Anchors {
        roots: chain.roots.iter().cloned().map(Into::into).collect(),
        crls: chain.crls.iter().cloned().map(Into::into).collect(),
        algorithms,
    };
    let sent: Vec<_> = chain.sent.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
    x509::verify(&chain.leaf, &sent, &anchors, host, now)
}

/// What `openssl verify` says that is wrong. The files are written to `folder`.
pub fn openssl(folder: &Path, chain: &Chain) -> Result<(), String> {
    write(folder, chain);
    let mut command = Command::new("openssl");
    command.current_dir(folder).args(["verify", "-no-CAstore", "-no-CApath", "-purpose", "sslserver"]);
    command.args(["-auth_level", "2", "-attime", &NOW.to_string(), "-CAfile", "roots.pem"]);
    if !chain.crls.is_empty() {
        command.args(["-crl_check_all", "-CRLfile", "crls.pem"]);
    }
    if !chain.sent.is_empty() {
        command.args(["-untrusted", "sent.pem"]);
    }
    let output = command.arg("leaf.pem").output().expect("the openssl program is needed");
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = text.lines().find_map(|line| line.split_once(" lookup: ")).map(|(_, why)| why.to_owned());
    Err(line.unwrap_or(text))
}

/// Writes the files that openssl and psql read.
pub fn write(folder: &Path, chain: &Chain) {
    let all = |label: &str, ders: &[Vec<u8>]| ders.iter().map(|der| pem(label, der)).collect::<String>();
    fs::write(folder.join("leaf.pem"), pem("CERTIFICATE", &chain.leaf)).unwrap();
    fs::write(folder.join("sent.pem"), all("CERTIFICATE", &chain.sent)).unwrap();
    fs::write(folder.join("roots.pem"), all("CERTIFICATE", &chain.roots)).unwrap();
    fs::write(folder.join("crls.pem"), all("X509 CRL", &chain.crls)).unwrap();
}

/// What PEM files have between their marks.
fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// A server of TLS that presents what it is told, and says no more once hands are shaken.
pub struct Presenter {
    port: u16,
    config: Arc<Mutex<Option<Arc<ServerConfig>>>>,
    /// Of each connection, whether its client has trusted the server with the first byte.
    trusted: Receiver<bool>,
}

impl Presenter {
    pub fn start() -> Self {
        let listener = ports::listen();
        let port = listener.local_addr().unwrap().port();
        let config: Arc<Mutex<Option<Arc<ServerConfig>>>> = Arc::default();
        let shared = Arc::clone(&config);
        let (sender, trusted) = channel();
        // It ends with the process.
        thread::spawn(move || {
            for socket in listener.incoming() {
                let config = shared.lock().unwrap_or_else(PoisonError::into_inner).clone();
                // Who presents may not want to know.
                let _ = sender.send(serve(socket.unwrap(), config.unwrap()).is_ok());
            }
        });
        Self { port, config, trusted }
    }

    /// Presents the certificates of this chain from now on.
    pub fn present(&self, chain: &Chain) {
        let certificates = std::iter::once(&chain.leaf).chain(&chain.sent).cloned().map(Into::into).collect();
        let certified = CertifiedKey::new(certificates, Arc::clone(&keys()[chain.leaf_key].signing));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(config));
    }

    /// A connection string for it.
    pub fn tcp(&self) -> String {
        format!("host=127.0.0.1 port={} user=ann dbname=ann", self.port)
    }

    /// Whether psql trusts the server; the files of [`write`] are in `folder`.
    pub fn psql(&self, folder: &Path, chain: &Chain) -> Result<(), String> {
        self.present(chain);
        let file = |name: &str| folder.join(name).display().to_string();
        let crls = if chain.crls.is_empty() { String::new() } else { format!("sslcrl={}", file("crls.pem")) };
        let database = format!("{} sslmode=verify-ca sslrootcert={} {crls}", self.tcp(), file("roots.pem"));
        let mut psql = Command::new(client("psql"));
        psql.env_clear().args(["-X", "-w", "-d", &database]);
        let output = psql.output().expect("psql starts");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let is_trusted = self.trusted.recv_timeout(Duration::from_secs(30)).expect("psql has come");
        if is_trusted { Ok(()) } else { Err(text) }
    }
}

/// Shakes hands with one client.
fn serve(mut socket: TcpStream, config: Arc<ServerConfig>) -> std::io::Result<()> {
    let mut request = [0; 8];
    socket.read_exact(&mut request)?;
    socket.write_all(b"S")?;
    let mut tls = ServerConnection::new(config).unwrap();
    while tls.is_handshaking() {
        tls.complete_io(&mut socket)?;
    }
    // Until it has said who it is.
    Stream::new(&mut tls, &mut socket).read_exact(&mut [0])
}
