//! Verifies a server's certificate and its signature over the handshake, for rustls.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::{DigitallySignedStruct, OtherError, SignatureScheme};

use super::certificate::Certificate;
use super::certificate_error::CertificateError;
use super::chain::Chains;
use super::crl::Crl;
use super::name::{self, NameMismatch};
use super::trust::{Source, Trust};

/// What is to be verified for one host.
#[derive(Debug)]
pub struct Verifier {
    /// Who may have issued the certificate; `None`: anybody.
    pub trust: Option<Arc<Trust>>,
    /// The name that the certificate has to bear; `None`: any.
    pub host: Option<String>,
    /// Which signatures can be verified.
    pub algorithms: WebPkiSupportedAlgorithms,
}

/// Why a server's certificate was refused. The display is one line, libpq's and OpenSSL's words where they have some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerifyError {
    /// It can't be traced to the trusted.
    Chain(CertificateError, Source),
    /// It is not this host's.
    Name(NameMismatch, String),
    /// It can't be used for TLS at all, whoever is trusted.
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
        let leaf = Certificate::read(leaf).map_err(|_| VerifyError::Unusable(CertificateError::Malformed))?;
        if let Some(trust) = &self.trust {
            self.chain(trust, &leaf, sent, now)
                .map_err(|fault| VerifyError::Chain(fault, trust.source.clone()))?;
        }
        match &self.host {
            Some(host) => name::verify(&leaf, host).map_err(|fault| VerifyError::Name(fault, host.clone())),
            None => Ok(()),
        }
    }

    fn chain(
        &self,
        trust: &Trust,
        leaf: &Certificate<'_>,
        sent: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), CertificateError> {
        // What can't be read is no link; the system's store may have such, files of our own were checked.
        let roots: Vec<_> = trust.roots.iter().filter_map(|der| Certificate::read(der).ok()).collect();
        let sent: Vec<_> = sent.iter().filter_map(|der| Certificate::read(der).ok()).collect();
        let crls: Vec<_> = trust.crls.iter().map(|der| Crl::read(der)).collect::<Result<_, _>>()?;
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let chains = Chains { roots: &roots, sent: &sent, crls: &crls, algorithms: &self.algorithms, now };
        chains.verify(leaf)
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
            let key = SubjectPublicKeyInfoDer::from(key.whole);
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

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VerifyError::Chain(fault, source) => {
                write!(f, "certificate verify failed: {fault} ({source})")
            }
            VerifyError::Name(fault, host) => f.write_str(&fault.line(host)),
            VerifyError::Unusable(fault) => write!(f, "server certificate can't be used: {fault}"),
        }
    }
}

impl std::error::Error for VerifyError {}

/// The schemes of RSA keys that are for RSA-PSS only, `rsa_pss_pss_sha256` and so on (RFC 8446 §4.2.3), which rustls
/// does not know, and those by which other RSA keys make the same signatures.
const RSA_PSS_PSS: [(SignatureScheme, SignatureScheme); 3] = [
    (SignatureScheme::Unknown(0x0809), SignatureScheme::RSA_PSS_SHA256),
    (SignatureScheme::Unknown(0x080a), SignatureScheme::RSA_PSS_SHA384),
    (SignatureScheme::Unknown(0x080b), SignatureScheme::RSA_PSS_SHA512),
];
