//! Verifies a server's certificate and its signature over the handshake, for rustls.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::{DigitallySignedStruct, OtherError, SignatureScheme};
use thiserror::Error;

use super::trust::{Source, Trust};
use crate::proto::text::printable;
use crate::x509::{self, Certificate, CertificateError, HostName, NameMismatch, PresentedName};

/// What is to be verified for one host.
#[derive(Debug)]
pub struct Verifier {
    /// Who may have issued the certificate; `None`: anyone.
    pub trust: Option<Arc<Trust>>,
    /// The name that the certificate has to bear; `None`: any.
    pub host: Option<HostName>,
    /// Which signatures can be verified.
    pub algorithms: WebPkiSupportedAlgorithms,
}

/// Why a server's certificate was refused. The display is one line, libpq's and OpenSSL's words where they have some.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum VerifyError {
    /// It can't be traced to the trusted.
    #[error("SSL error: certificate verify failed: {0} ({1})")]
    Chain(CertificateError, Source),
    /// It is not this host's.
    #[error("{}", mismatch(.0, .1))]
    Name(NameMismatch, String),
    /// It can't be used for TLS at all, whoever is trusted.
    #[error("server certificate can't be used: {0}")]
    Unusable(CertificateError),
}

impl Verifier {
    /// Verifies a server's certificate; `sent` is what came with it.
    ///
    /// # Errors
    /// The first check that failed.
    pub fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        sent: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), VerifyError> {
        Certificate::read(leaf).map_err(|_| VerifyError::Unusable(CertificateError::Malformed))?;
        let Some(trust) = &self.trust else { return Ok(()) };
        let host = self.host.as_ref();
        x509::verify(leaf, sent, &trust.anchors, host, now).map_err(|error| match (error, host) {
            (CertificateError::Name(mismatch), Some(host)) => {
                VerifyError::Name(mismatch, host.as_str().to_owned())
            }
            (error, _) => VerifyError::Chain(error, trust.source.clone()),
        })
    }
}

/// The line for a certificate that is not for this host, in libpq's words.
fn mismatch(mismatch: &NameMismatch, host: &str) -> String {
    match mismatch {
        NameMismatch::Other { first, others } => {
            let first = match first {
                PresentedName::Text(name) => printable(name),
                PresentedName::Address(address) => address.to_string(),
            };
            let more = match others {
                0 => String::new(),
                1 => " (and 1 other name)".to_owned(),
                others => format!(" (and {others} other names)"),
            };
            format!("server certificate for \"{first}\"{more} does not match host name \"{host}\"")
        }
        NameMismatch::Nameless => "could not get server's host name from server certificate".to_owned(),
        NameMismatch::EmbeddedNul => "SSL certificate's name contains embedded null".to_owned(),
        NameMismatch::AddressLength(length) => {
            format!("certificate contains IP address with invalid length {length}")
        }
        _ => "the names in the server certificate can't be read".to_owned(),
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        sent: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.verify(leaf, sent, now)?;
        Ok(ServerCertVerified::assertion())
    }

    /// In TLS 1.2 a scheme does not tell the curve, so each algorithm that it can mean is tried.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let certificate = usable(certificate)?;
        let known = self.algorithms.mapping.iter().filter(|(scheme, _)| *scheme == signed.scheme);
        let is_good = known.flat_map(|(_, algorithms)| *algorithms).any(|algorithm| {
            algorithm.public_key_alg_id().as_ref() == certificate.key.algorithm
                && algorithm.verify_signature(certificate.key.bits, message, signed.signature()).is_ok()
        });
        outcome(is_good)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let key = usable(certificate)?.key;
        let pss = RSA_PSS_PSS.iter().find(|(scheme, _)| *scheme == signed.scheme);
        let Some((_, same)) = pss.filter(|_| key.is_rsa_pss()) else {
            let key = SubjectPublicKeyInfoDer::from(key.der);
            return verify_tls13_signature_with_raw_key(message, &key, signed, &self.algorithms);
        };
        let known = self.algorithms.mapping.iter().filter(|(scheme, _)| scheme == same);
        let is_good = known
            .flat_map(|(_, algorithms)| *algorithms)
            .any(|algorithm| algorithm.verify_signature(key.bits, message, signed.signature()).is_ok());
        outcome(is_good)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.algorithms.supported_schemes();
        schemes.extend(RSA_PSS_PSS.iter().map(|(scheme, _)| *scheme));
        schemes
    }
}

fn outcome(is_good: bool) -> Result<HandshakeSignatureValid, rustls::Error> {
    if is_good {
        Ok(HandshakeSignatureValid::assertion())
    } else {
        Err(rustls::CertificateError::BadSignature.into())
    }
}

/// A certificate whose key can sign a handshake. The certificate itself may be of any version, so that rustls's own
/// reader would not do.
fn usable<'a>(der: &'a CertificateDer<'_>) -> Result<Certificate<'a>, VerifyError> {
    match Certificate::read(der) {
        Ok(certificate) if certificate.key.is_weak() => Err(VerifyError::Unusable(CertificateError::WeakKey)),
        Ok(certificate) => Ok(certificate),
        Err(_) => Err(VerifyError::Unusable(CertificateError::Malformed)),
    }
}

impl From<VerifyError> for rustls::Error {
    fn from(error: VerifyError) -> rustls::Error {
        rustls::CertificateError::Other(OtherError(Arc::new(error))).into()
    }
}

/// The schemes of RSA keys that are for RSA-PSS only, `rsa_pss_pss_sha256` and so on (RFC 8446 §4.2.3), which rustls
/// does not know, and those by which other RSA keys make the same signatures.
const RSA_PSS_PSS: [(SignatureScheme, SignatureScheme); 3] = [
    (SignatureScheme::Unknown(0x0809), SignatureScheme::RSA_PSS_SHA256),
    (SignatureScheme::Unknown(0x080a), SignatureScheme::RSA_PSS_SHA384),
    (SignatureScheme::Unknown(0x080b), SignatureScheme::RSA_PSS_SHA512),
];
