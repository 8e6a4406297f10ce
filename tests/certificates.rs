//! Certificates as people have them, in a TLS handshake with heimdall's verifier, and the files they come from.

mod chains;
mod differential;
mod files;
mod handshake;
mod names;
mod random_chain;
mod rules;
mod work;

use std::path::PathBuf;
use std::sync::Arc;

use heimdall::conninfo::{
    Config, Environment, Parameters, Passwd, RootCertificates, Source, SslMode, TlsFile,
};
use heimdall::internals::tls::{self, Client, Tls};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ServerConfig, ServerConnection, SupportedProtocolVersion};

use crate::support::pki::Pki;

/// A configuration for the TCP host `db` with no files.
fn config(sslmode: SslMode) -> Config {
    let effective_user = || Some(Passwd { name: "os-user".into(), home: "/nonexistent".into() });
    let env = Environment { variable: &|_| None, effective_user: &effective_user, effective_uid: 1000 };
    let parameters = Parameters::resolve(Some((Source::Option, "host=db")), &env).unwrap();
    let mut config = Config::new(&parameters).unwrap();
    config.sslmode = sslmode;
    config
}

/// A file that the user has named.
fn explicit(path: impl Into<PathBuf>) -> TlsFile {
    TlsFile { path: path.into(), explicit: true }
}

/// Verifies with these roots.
fn trusting(sslmode: SslMode, pki: &Pki, roots: &str) -> Config {
    let mut config = config(sslmode);
    config.sslrootcert = Some(RootCertificates::File(explicit(pki.path(roots))));
    config
}

/// A server with the certificates of `chain` and the key `NAME.key`.
fn server(pki: &Pki, chain: &str, key: &str, version: &'static SupportedProtocolVersion) -> ServerConnection {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pki.read(chain)).collect();
    let key = PrivateKeyDer::from_pem_slice(&pki.read(&format!("{key}.key"))).unwrap();
    let certified = certified(chain.unwrap(), &key);
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(certified);
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    ServerConnection::new(Arc::new(config)).unwrap()
}

/// Certificates and a key, which need not be theirs.
fn certified(chain: Vec<CertificateDer<'static>>, key: &PrivateKeyDer<'_>) -> Arc<SingleCertAndKey> {
    let key = ring::sign::any_supported_type(key).unwrap();
    Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, key)))
}

/// Shakes hands in memory; what heimdall says if it does not like the server.
fn shake(client: &mut Client, server: &mut ServerConnection) -> Result<(), String> {
    let client = &mut client.connection;
    while client.is_handshaking() || server.is_handshaking() {
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        server.read_tls(&mut bytes.as_slice()).unwrap();
        // What the server does not like, it says by an alert.
        let _ = server.process_new_packets();
        let mut bytes = Vec::new();
        server.write_tls(&mut bytes).unwrap();
        client.read_tls(&mut bytes.as_slice()).unwrap();
        client.process_new_packets().map_err(|error| tls::explain(&error))?;
    }
    assert_eq!(client.alpn_protocol(), Some(&b"postgresql"[..]));
    Ok(())
}

/// What comes of a connection to `host`, whose server has the certificates of `chain`, with both versions of TLS.
fn connect(config: &Config, host: Option<&str>, pki: &Pki, chain: &str, key: &str) -> Result<(), String> {
    let tls = Tls::new(config).map_err(|error| error.to_string())?;
    let [old, new] = [&rustls::version::TLS12, &rustls::version::TLS13]
        .map(|version| shake(&mut tls.client(host).unwrap(), &mut server(pki, chain, key, version)));
    assert_eq!(old, new, "both versions of TLS verify the same");
    new
}
