//! What a certificate chain costs at most, counted in signatures and compared with another chain: whoever sends it has not
//! proved anything yet.

use std::cell::Cell;
use std::time::Duration;

use heimdall::internals::x509::CertificateError;
use rustix::time::{ClockId, clock_gettime};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm};

use crate::support::forge::hostile::chains;
use crate::support::forge::judges::{Chain, heimdall_with, openssl};
use crate::support::pki::Pki;

thread_local! {
    static SIGNATURES: Cell<usize> = const { Cell::new(0) };
}

/// An algorithm that counts how often it is asked.
#[derive(Debug)]
struct Counting(&'static dyn SignatureVerificationAlgorithm);

impl SignatureVerificationAlgorithm for Counting {
    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        SIGNATURES.set(SIGNATURES.get() + 1);
        self.0.verify_signature(key, message, signature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.0.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.0.signature_alg_id()
    }
}

/// The verdict, and how many signatures were verified for it.
fn counted(chain: &Chain) -> (Result<(), CertificateError>, usize) {
    let real = ring::default_provider().signature_verification_algorithms;
    let counting = |algorithm: &&'static dyn SignatureVerificationAlgorithm| {
        let counting: &'static dyn SignatureVerificationAlgorithm = Box::leak(Box::new(Counting(*algorithm)));
        counting
    };
    let all: Vec<_> = real.all.iter().map(counting).collect();
    SIGNATURES.set(0);
    let verdict = heimdall_with(chain, WebPkiSupportedAlgorithms { all: all.leak(), mapping: &[] });
    (verdict, SIGNATURES.get())
}

#[test]
fn no_chain_costs_more_signatures_than_it_has_links_and_a_bad_one_few_or_none() {
    let pki = Pki::new("work");
    for (what, chain) in chains() {
        let (verdict, signatures) = counted(&chain);
        let (expected, most) = match what {
            "ordinary"
            | "names and limits below an authority"
            | "many extensions"
            | "many alternative names"
            | "long names that differ at the end"
            | "addresses and limits for them"
            | "wildcards and long limits"
            | "long mailboxes and limits for them"
            | "a subject of many attributes" => (Ok(()), 2),
            "names and limits below several authorities" => (Ok(()), 7),
            "names and limits below no authority" => (Err(CertificateError::InvalidCa), 0),
            "more names and limits than are compared" => (Err(CertificateError::TooComplex), 2),
            "many issuers that look alike" => (Err(CertificateError::Signature), 1),
            "the longest chain, of RSA" | "the longest chain, of P-384" => (Ok(()), 19),
            "a chain that is too long" => (Err(CertificateError::TooLong), 0),
            other => panic!("{other}"),
        };
        assert_eq!(verdict, expected, "{what}");
        assert!(signatures <= most, "{what}: {signatures} signatures");
        let theirs = openssl(&pki.path(""), &chain);
        let is_stricter = expected == Err(CertificateError::TooLong);
        assert_eq!(theirs.is_ok(), expected.is_ok() || is_stricter, "{what}: {theirs:?}");
    }
}

/// The time that this thread spends on a verdict, at least: others of this machine only make it longer.
fn spent(chain: &Chain) -> Duration {
    let clock = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
    let real = ring::default_provider().signature_verification_algorithms;
    let once = || {
        let before = clock();
        let _ = heimdall_with(chain, real);
        clock().saturating_sub(before)
    };
    (0..3).map(|_| once()).min().unwrap()
}

#[test]
fn no_chain_takes_much_longer_than_a_million_short_names_that_are_compared() {
    let chains = chains();
    let short = chains.iter().find(|(what, _)| *what == "names and limits below an authority");
    let most = 4 * spent(&short.unwrap().1);
    for (what, chain) in &chains {
        let time = spent(chain);
        assert!(time < most, "{what}: {time:?}, more than {most:?}");
    }
}
