//! Chains by chance, judged by heimdall, by `openssl verify` and, some of them, by psql: all say the same, but for a list.

use std::env;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use heimdall::internals::x509::CertificateError;

use super::random_chain::random;
use crate::support::der::oid;
use crate::support::dice::Dice;
use crate::support::forge::judges::{Chain, Presenter, heimdall, openssl, write};
use crate::support::pki::Pki;

/// How many chains where `X509_CHAINS` does not say so.
const FEW: u64 = 250;

/// Which of them psql judges too, at least; it takes four times as long as `openssl verify`.
const PSQL_EVERY: u64 = 25;

#[test]
fn a_chain_by_chance_is_trusted_where_openssl_trusts_it() {
    let seed = number("X509_SEED")
        .unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into());
    let count = number("X509_CHAINS").unwrap_or(FEW);
    println!("X509_SEED={seed} X509_CHAINS={count}");
    let start = Instant::now();
    let next = AtomicUsize::new(0);
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let tally = thread::scope(|scope| {
        let worker = |at| {
            let (next, seed) = (&next, seed);
            scope.spawn(move || work(seed, count, next, at))
        };
        let workers: Vec<_> = (0..workers).map(worker).collect();
        workers.into_iter().fold(Tally::default(), |all, worker| all.add(worker.join().unwrap()))
    });
    println!("{tally:#?}\n{:.1} s", start.elapsed().as_secs_f64());
    assert!(tally.disagreements.is_empty(), "X509_SEED={seed}\n{}", tally.disagreements.join("\n\n"));
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|text| text.parse().expect(variable))
}

#[derive(Debug, Default)]
struct Tally {
    trusted: u64,
    refused: u64,
    /// Judged by psql too.
    by_psql: u64,
    /// Refused by heimdall alone, for a reason that is listed.
    stricter: u64,
    disagreements: Vec<String>,
}

impl Tally {
    fn add(mut self, other: Tally) -> Tally {
        self.trusted += other.trusted;
        self.refused += other.refused;
        self.by_psql += other.by_psql;
        self.stricter += other.stricter;
        self.disagreements.extend(other.disagreements);
        self
    }
}

/// Judges chains until all are judged. Each has dice of its own, so that one of them can be made again alone.
fn work(seed: u64, count: u64, next: &AtomicUsize, worker: usize) -> Tally {
    let pki = Pki::new(&format!("differential-{worker}"));
    let presenter = Presenter::start();
    let mut tally = Tally::default();
    loop {
        let at = next.fetch_add(1, Ordering::Relaxed) as u64;
        if at >= count {
            return tally;
        }
        let chain = random(&mut Dice::new(seed.wrapping_mul(1_000_003).wrapping_add(at)));
        let before = tally.disagreements.len();
        tally.judge(at, &chain, &pki.path(""), &presenter);
        if let Ok(folder) = env::var("X509_KEEP")
            && tally.disagreements.len() > before
        {
            let folder = Path::new(&folder).join(format!("{seed}-{at}"));
            fs::create_dir_all(&folder).unwrap();
            write(&folder, &chain);
        }
    }
}

impl Tally {
    /// `openssl verify` passes over a certificate in a file that it can't read, psql refuses a server that sends one: psql
    /// decides. It is asked about some chains, and about all on which the other two differ.
    fn judge(&mut self, at: u64, chain: &Chain, folder: &Path, presenter: &Presenter) {
        let ours = heimdall(chain);
        let openssl = openssl(folder, chain);
        let mut theirs = openssl.clone();
        if at.is_multiple_of(PSQL_EVERY) || ours.is_ok() != theirs.is_ok() {
            theirs = presenter.psql(folder, chain);
            self.by_psql += 1;
        }
        match ours {
            Ok(()) => self.trusted += 1,
            Err(_) => self.refused += 1,
        }
        if ours.is_ok() == theirs.is_ok() {
            return;
        }
        if is_known(&ours, chain) {
            self.stricter += 1;
        } else {
            let story = chain.story.join("\n  ");
            self.disagreements
                .push(format!("{at}: {ours:?}, openssl {openssl:?}, psql {theirs:?}\n  {story}"));
        }
    }
}

/// What heimdall refuses and OpenSSL does not, as docs/connecting.md lists it.
fn is_known(ours: &Result<(), CertificateError>, chain: &Chain) -> bool {
    let has = |part: &[u8]| {
        let mut all = std::iter::once(&chain.leaf).chain(&chain.sent).chain(&chain.roots).chain(&chain.crls);
        all.any(|der| der.windows(part.len()).any(|window| window == part))
    };
    let is_spelt = |text: &str| [1, 2, 4].iter().any(|width| has(&wide(text, *width)));
    match ours {
        Err(CertificateError::TooLong) => true,
        // Networks' numbers (RFC 3779).
        Err(CertificateError::CriticalExtension) => has(&oid("1.3.6.1.5.5.7.1.7")),
        // Changes to lists, and lists for several issuers.
        Err(CertificateError::CrlExtension) => has(&oid("2.5.29.27")) || has(&oid("2.5.29.29")),
        // URIs whose host is not the same to all versions of OpenSSL.
        Err(CertificateError::NameSyntax) => {
            let uris = [b"://db.example.com?x".as_slice(), b"://ann@", b"://[", b"/a:b", b"\x11://"];
            // A limit on addresses that is none, for a common name that is one.
            uris.iter().any(|uri| has(uri)) || ADDRESSES.iter().any(|name| is_spelt(name))
        }
        // `*.example.com` where `db.example.com` or the like is excluded, or as a common name where that is limited at all; an
        // address as a common name, where addresses are limited.
        Err(
            CertificateError::Excluded | CertificateError::NotPermitted | CertificateError::ConstraintDepth,
        ) => is_spelt("*.") || ADDRESSES.iter().any(|name| is_spelt(name)),
        // OpenSSL reads some that is no DER, such as a sequence with the tag of a simple value.
        Err(CertificateError::Malformed | CertificateError::NoIssuer) => chain.is_damaged,
        _ => false,
    }
}

/// What the random chains have for common names that are addresses.
const ADDRESSES: [&str; 2] = ["10.1.2.3", "192.0.2.1"];

/// A text of so many bytes a character, but for the zeros before the first.
fn wide(text: &str, width: usize) -> Vec<u8> {
    let character = |c: u8| [vec![0; width - 1], vec![c]].concat();
    let bytes: Vec<u8> = text.bytes().flat_map(character).collect();
    bytes[width - 1..].to_vec()
}
