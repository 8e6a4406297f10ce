//! What else a handshake decides: the server's key, versions, the client certificate, the channel's binding.

use std::sync::Arc;

use heimdall::conninfo::{Config, SslMode, TlsVersion};
use heimdall::internals::tls::{Client, Tls, explain};
use heimdall::internals::x509::server_end_point;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, ServerConfig, ServerConnection,
    SignatureScheme, version,
};

use super::{config, explicit, server, shake};
use crate::support::pki::{CA, Pki, Recipe};

#[test]
fn a_server_without_the_key_of_its_certificate_is_refused_also_where_nothing_is_verified() {
    let pki = Pki::new("stolen");
    pki.issue("db", Recipe { extensions: CA, ..Recipe::default() });
    pki.issue("rsa", Recipe { key: "RSA:2048", ..Recipe::default() });
    pki.key("thief", "EC:P-256");
    pki.key("rsathief", "RSA:2048");
    for (certificate, key) in [("db.crt", "thief"), ("rsa.crt", "rsathief"), ("rsa.crt", "thief")] {
        for version in [&version::TLS12, &version::TLS13] {
            let tls = Tls::new(&config(SslMode::Require)).unwrap();
            let error = shake(&mut tls.client(None).unwrap(), &mut server(&pki, certificate, key, version));
            assert_eq!(
                error.unwrap_err(),
                "the server does not have the key of its certificate: its signature does not fit"
            );
        }
    }
}

#[test]
fn the_version_is_within_the_limits() {
    let pki = Pki::new("versions");
    pki.issue("db", Recipe::default());
    for (min, max, old, new) in [
        (TlsVersion::V1_2, None, true, true),
        (TlsVersion::V1_2, Some(TlsVersion::V1_2), true, false),
        (TlsVersion::V1_3, None, false, true),
        (TlsVersion::V1_3, Some(TlsVersion::V1_3), false, true),
    ] {
        let mut limited = config(SslMode::Require);
        (limited.ssl_min_protocol_version, limited.ssl_max_protocol_version) = (min, max);
        let tls = Tls::new(&limited).unwrap();
        for (version, expected) in [(&version::TLS12, old), (&version::TLS13, new)] {
            let result = shake(&mut tls.client(None).unwrap(), &mut server(&pki, "db.crt", "db", version));
            match result {
                Ok(()) => assert!(expected, "{min} {max:?} {version:?}"),
                Err(error) => {
                    assert!(!expected, "{min} {max:?} {version:?}: {error}");
                    assert!(error.starts_with("the server has no TLS version in common with us"), "{error}");
                }
            }
        }
    }
}

#[test]
fn the_server_is_told_a_name_where_there_is_one_to_tell() {
    let pki = Pki::new("sni");
    pki.issue("db", Recipe::default());
    for (host, sslsni, expected) in [
        (Some("db.example.com"), true, Some("db.example.com")),
        (Some("db.example.com"), false, None),
        (Some("my_db"), true, Some("my_db")),
        (Some("192.0.2.1"), true, None),
        (Some("192.000.002.001"), true, None),
        (Some("2001:db8::1"), true, None),
        (Some("-x"), true, None),
        (Some(""), true, None),
        (None, true, None),
    ] {
        let mut wanted = config(SslMode::Require);
        wanted.sslsni = sslsni;
        let mut server = server(&pki, "db.crt", "db", &version::TLS13);
        shake(&mut Tls::new(&wanted).unwrap().client(host).unwrap(), &mut server).unwrap();
        assert_eq!(server.server_name(), expected, "{host:?}");
    }
}

#[test]
fn a_client_certificate_is_sent_to_a_server_that_asks() {
    let pki = Pki::new("clients");
    pki.issue("db", Recipe::default());
    // Of version 1, as PostgreSQL's documentation makes them.
    pki.issue("ann", Recipe { issuer: "db", ..Recipe::default() });
    for version in [&version::TLS12, &version::TLS13] {
        for (certificate, asks, expected) in [
            (true, false, (false, false)),
            (true, true, (true, true)),
            (false, true, (true, false)),
            (false, false, (false, false)),
        ] {
            let mut presenting = config(SslMode::Require);
            if certificate {
                presenting.sslcert = Some(explicit(pki.path("ann.crt")));
                presenting.sslkey = Some(explicit(pki.path("ann.key")));
            }
            let mut server = if asks {
                asking(&pki, version, Asks { mandatory: false, refuses: false })
            } else {
                server(&pki, "db.crt", "db", version)
            };
            let mut client = connect(&presenting, &mut server).unwrap();
            client.connection.process_new_packets().unwrap();
            let certificate = client.certificate;
            assert_eq!((certificate.was_requested(), certificate.was_sent()), expected, "{version:?}");
            assert_eq!(server.peer_certificates().is_some(), expected.1);
        }
    }
}

#[test]
fn a_server_that_refuses_the_client_certificate_is_told_from_one_that_fails() {
    let pki = Pki::new("refused");
    pki.issue("db", Recipe::default());
    let mut presenting = config(SslMode::Require);
    for version in [&version::TLS12, &version::TLS13] {
        presenting.sslcert = None;
        let mut server = asking(&pki, version, Asks { mandatory: true, refuses: false });
        let error = connect(&presenting, &mut server).map(drop).unwrap_err();
        assert!(
            error == "SSL error: tlsv13 alert certificate required: the server requires a client certificate (sslcert and sslkey)"
                // What TLS 1.2 has for it (RFC 5246 §7.4.6).
                || version.version == rustls::ProtocolVersion::TLSv1_2 && error.starts_with("the server has no cipher"),
            "{error}"
        );
        presenting.sslcert = Some(explicit(pki.path("db.crt")));
        presenting.sslkey = Some(explicit(pki.path("db.key")));
        let mut server = asking(&pki, version, Asks { mandatory: true, refuses: true });
        let error = connect(&presenting, &mut server).map(drop).unwrap_err();
        assert_eq!(
            error,
            "SSL error: tlsv1 alert unknown ca: the server refused the client certificate: it does not know who issued it"
        );
    }
}

#[test]
fn the_channel_is_bound_to_the_certificate_by_the_hash_of_its_signature() {
    let pki = Pki::new("binding");
    pki.issue("rsa", Recipe { key: "RSA:2048", extensions: CA, ..Recipe::default() });
    pki.issue("ec", Recipe { key: "EC:P-521", extensions: CA, ..Recipe::default() });
    pki.issue("ed", Recipe { key: "ED25519", options: "-md null", ..Recipe::default() });
    let pss = "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:20 -md";
    for (issuer, options, expected) in [
        ("rsa", "-md md5", "sha256"),
        ("rsa", "-md sha1", "sha256"),
        ("rsa", "-md sha224", "sha224"),
        ("rsa", "-md sha256", "sha256"),
        ("rsa", "-md sha384", "sha384"),
        ("rsa", "-md sha512", "sha512"),
        ("rsa", &format!("{pss} sha1"), "sha256"),
        ("rsa", &format!("{pss} sha256"), "sha256"),
        ("rsa", &format!("{pss} sha384"), "sha384"),
        ("rsa", &format!("{pss} sha512"), "sha512"),
        ("ec", "-md sha1", "sha256"),
        ("ec", "-md sha256", "sha256"),
        ("ec", "-md sha384", "sha384"),
        ("ec", "-md sha512", "sha512"),
    ] {
        pki.issue("db", Recipe { issuer, options, ..Recipe::default() });
        pki.openssl("x509 -in db.crt -outform DER -out db.der");
        pki.openssl(&format!("dgst -{expected} -binary -out db.hash db.der"));
        assert_eq!(server_end_point(&pki.read("db.der")), Some(pki.read("db.hash")), "{issuer} {options}");
    }
    pki.openssl("x509 -in ed.crt -outform DER -out ed.der");
    assert_eq!(server_end_point(&pki.read("ed.der")), None);
    assert_eq!(server_end_point(b"no certificate"), None);
}

/// Shakes hands and reads what the server says right behind: with TLS 1.3 it judges the client's certificate last.
fn connect(config: &Config, server: &mut ServerConnection) -> Result<Client, String> {
    let mut client = Tls::new(config).unwrap().client(None).unwrap();
    shake(&mut client, server)?;
    let mut bytes = Vec::new();
    client.connection.write_tls(&mut bytes).unwrap();
    server.read_tls(&mut bytes.as_slice()).unwrap();
    let _ = server.process_new_packets();
    bytes.clear();
    server.write_tls(&mut bytes).unwrap();
    client.connection.read_tls(&mut bytes.as_slice()).unwrap();
    match client.connection.process_new_packets() {
        Ok(_) => Ok(client),
        Err(error) => Err(explain(&error)),
    }
}

/// A server that asks for client certificates.
fn asking(pki: &Pki, version: &'static rustls::SupportedProtocolVersion, asks: Asks) -> ServerConnection {
    let certificate = CertificateDer::from_pem_slice(&pki.read("db.crt")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(&pki.read("db.key")).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_client_cert_verifier(Arc::new(asks))
        .with_cert_resolver(super::certified(vec![certificate], &key));
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    ServerConnection::new(Arc::new(config)).unwrap()
}

/// How a server thinks of client certificates.
#[derive(Debug)]
struct Asks {
    mandatory: bool,
    refuses: bool,
}

impl ClientCertVerifier for Asks {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn verify_client_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _sent: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if self.refuses {
            return Err(CertificateError::UnknownIssuer.into());
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
