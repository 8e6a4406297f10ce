//! Any bytes, and a real certificate with some of its bytes changed, as a server's certificate, as what it sends along,
//! as root and as revocation list.
#![no_main]

use std::sync::Arc;

use heimdall::net::tls::{Source, Trust, Verifier, server_end_point};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, UnixTime};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut changed = include_bytes!("../seeds/certificate.der").to_vec();
    for change in data.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([change[0], change[1]])) % changed.len();
        changed[at] = change[2];
    }
    verify(data);
    verify(&changed);
});

fn verify(der: &[u8]) {
    let trust = Trust { source: Source::System, roots: vec![der.to_vec().into()], crls: Vec::new() };
    let revoking = Trust { source: Source::System, roots: vec![der.to_vec().into()], crls: vec![der.to_vec().into()] };
    for trust in [None, Some(trust), Some(revoking)] {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        let verifier = Verifier { trust: trust.map(Arc::new), host: Some("192.0.2.1".to_owned()), algorithms };
        let certificate = CertificateDer::from(der);
        let sent = [certificate.clone(), certificate.clone()];
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_800_000_000));
        let _ = verifier.verify(&certificate, &sent, now);
    }
    let _ = server_end_point(der);
}
