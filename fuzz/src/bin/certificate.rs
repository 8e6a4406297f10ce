//! Any bytes, and a real certificate with some of its bytes changed, as a server's certificate, as what it sends along,
//! as root and as revocation list.
#![no_main]

use heimdall::internals::x509::{self, Anchors, HostName, server_end_point};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut changed = include_bytes!("../../seeds/certificate.der").to_vec();
    for change in data.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([change[0], change[1]])) % changed.len();
        changed[at] = change[2];
    }
    verify(data);
    verify(&changed);
});

fn verify(der: &[u8]) {
    let crl = CertificateRevocationListDer::from(der.to_vec());
    for crls in [vec![], vec![crl]] {
        let roots = vec![der.to_vec().into()];
        let anchors = Anchors { roots, crls, algorithms: ring::default_provider().signature_verification_algorithms };
        let host = HostName::new("192.0.2.1");
        let sent = [CertificateDer::from(der), CertificateDer::from(der)];
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_800_000_000));
        let _ = x509::verify(der, &sent, &anchors, Some(&host), now);
    }
    let _ = server_end_point(der);
}
