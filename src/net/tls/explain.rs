//! Says in one line why a TLS connection failed. Nothing that the peer has written gets into it.

use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible, PeerMisbehaved};

use super::verifier::VerifyError;

/// The line, in libpq's terms where it has some.
#[must_use]
pub fn explain(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(why) => verify_error(why).map_or_else(
            // All that rustls itself looks at is the signature over the handshake.
            || "the server does not have the key of its certificate: its signature does not fit".to_owned(),
            VerifyError::to_string,
        ),
        Error::AlertReceived(alert) => alert_line(*alert),
        Error::PeerIncompatible(why) => incompatible(why).to_owned(),
        // In TLS 1.2 rustls knows no keys for RSA-PSS only.
        Error::PeerMisbehaved(PeerMisbehaved::SignedKxWithWrongAlgorithm) => NO_CIPHER.to_owned(),
        Error::PeerMisbehaved(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. } => {
            "the server does not keep to the TLS protocol".to_owned()
        }
        Error::InvalidMessage(_) | Error::PeerSentOversizedRecord => {
            "the server does not speak TLS: its answer is not a TLS message".to_owned()
        }
        Error::DecryptError => "what the server sent can't be decrypted".to_owned(),
        Error::NoCertificatesPresented => "the server has not sent a certificate".to_owned(),
        Error::NoApplicationProtocol => NO_APPLICATION_PROTOCOL.to_owned(),
        Error::FailedToGetCurrentTime => "the system does not tell the time".to_owned(),
        Error::FailedToGetRandomBytes => "the system gives no random numbers".to_owned(),
        _ => "TLS failed".to_owned(),
    }
}

/// Our verifier's own error.
fn verify_error(error: &CertificateError) -> Option<&VerifyError> {
    match error {
        CertificateError::Other(other) => other.0.downcast_ref(),
        _ => None,
    }
}

/// Whether the server ended the connection because of the client certificate, or for want of one.
#[must_use]
pub fn is_about_client_certificate(error: &Error) -> bool {
    matches!(error, Error::AlertReceived(alert) if client_certificate(*alert).is_some())
}

fn alert_line(alert: AlertDescription) -> String {
    if let Some((words, why)) = client_certificate(alert) {
        return format!("SSL error: {words}: {why}");
    }
    match alert {
        AlertDescription::ProtocolVersion => NO_VERSION.to_owned(),
        AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => NO_CIPHER.to_owned(),
        AlertDescription::NoApplicationProtocol => NO_APPLICATION_PROTOCOL.to_owned(),
        AlertDescription::UnrecognisedName => {
            "the server does not know the host name (sslsni=0 would not tell it)".to_owned()
        }
        AlertDescription::InternalError => "the server has an internal error in TLS".to_owned(),
        other => format!("the server ended TLS with alert {}", u8::from(other)),
    }
}

/// Alerts that a server sends about what the client has presented (RFC 8446 §6.2): OpenSSL's words, and what they mean.
fn client_certificate(alert: AlertDescription) -> Option<(&'static str, &'static str)> {
    Some(match alert {
        AlertDescription::CertificateRequired => ("tlsv13 alert certificate required", REQUIRED),
        AlertDescription::NoCertificate => ("ssl/tls alert no certificate", REQUIRED),
        AlertDescription::BadCertificate => ("ssl/tls alert bad certificate", REFUSED),
        AlertDescription::UnsupportedCertificate => ("ssl/tls alert unsupported certificate", REFUSED),
        AlertDescription::CertificateUnknown => ("ssl/tls alert certificate unknown", REFUSED),
        AlertDescription::AccessDenied => ("tlsv1 alert access denied", REFUSED),
        AlertDescription::CertificateRevoked => ("ssl/tls alert certificate revoked", REFUSED),
        AlertDescription::CertificateExpired => ("ssl/tls alert certificate expired", REFUSED),
        AlertDescription::UnknownCA => (
            "tlsv1 alert unknown ca",
            "the server refused the client certificate: it does not know who issued it",
        ),
        _ => return None,
    })
}

const REQUIRED: &str = "the server requires a client certificate (sslcert and sslkey)";

const REFUSED: &str = "the server refused the client certificate";

fn incompatible(why: &PeerIncompatible) -> &'static str {
    match why {
        PeerIncompatible::ServerDoesNotSupportTls12Or13
        | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
        | PeerIncompatible::SupportedVersionsExtensionRequired => NO_VERSION,
        PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon => {
            "the server wants a client certificate of a kind that is not supported"
        }
        _ => NO_CIPHER,
    }
}

const NO_VERSION: &str = "the server has no TLS version in common with us: heimdall speaks TLS 1.2 and 1.3, within \
     ssl_min_protocol_version and ssl_max_protocol_version";

const NO_CIPHER: &str = "the server has no cipher, key exchange or signature algorithm in common with us: AES-GCM or \
     ChaCha20, ECDHE over P-256, X25519 or P-384, and a key of RSA from 2048 bits, P-256, P-384 or Ed25519";

const NO_APPLICATION_PROTOCOL: &str =
    "the server does not take TLS connections for PostgreSQL (ALPN \"postgresql\")";

#[cfg(test)]
mod tests {
    use rustls::InvalidMessage;

    use super::*;

    #[test]
    fn a_failure_is_one_line_that_says_whose_it_is() {
        for (error, expected) in [
            (Error::AlertReceived(AlertDescription::CertificateRequired), "requires a client certificate"),
            (
                Error::AlertReceived(AlertDescription::UnknownCA),
                "SSL error: tlsv1 alert unknown ca: the server",
            ),
            (
                Error::AlertReceived(AlertDescription::CertificateRevoked),
                "SSL error: ssl/tls alert certificate revoked",
            ),
            (Error::AlertReceived(AlertDescription::NoApplicationProtocol), "ALPN"),
            (Error::AlertReceived(AlertDescription::ProtocolVersion), "no TLS version in common"),
            (Error::AlertReceived(AlertDescription::HandshakeFailure), "no cipher"),
            (Error::AlertReceived(AlertDescription::Unknown(200)), "alert 200"),
            (Error::InvalidMessage(InvalidMessage::InvalidContentType), "does not speak TLS"),
            (Error::PeerMisbehaved(PeerMisbehaved::SelectedUnofferedCipherSuite), "does not keep to"),
            (Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13), "no TLS version"),
            (Error::General("\x1b[31m\n".to_owned()), "TLS failed"),
        ] {
            let line = explain(&error);
            assert!(line.contains(expected) && !line.contains(char::is_control), "{line}");
        }
    }

    #[test]
    fn an_alert_about_the_client_certificate_is_told_from_others() {
        for (alert, expected) in [
            (AlertDescription::CertificateRequired, true),
            (AlertDescription::UnknownCA, true),
            (AlertDescription::CertificateExpired, true),
            (AlertDescription::HandshakeFailure, false),
            (AlertDescription::InternalError, false),
        ] {
            assert_eq!(is_about_client_certificate(&Error::AlertReceived(alert)), expected, "{alert:?}");
        }
    }
}
