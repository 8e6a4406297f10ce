//! What each sslmode makes of each certificate, against heimdall and psql on the same server.

use std::fs;
use std::path::Path;

use crate::support::clients::{Comparison, Fate, is_decent};
use crate::support::heimdall::Heimdall;
use crate::support::postgres::tls;

use Fate::{Fails, IsStricter, Runs, Warns};

/// A certificate, the host's name, the root file, and what verify-ca and verify-full make of it.
type Situation = (&'static str, &'static str, &'static str, Fate, Fate);

const SITUATIONS: &[Situation] = &[
    ("good", "localhost", "root.crt", Runs, Runs),
    ("good", "LocalHost", "root.crt", Runs, Runs),
    ("good", "127.0.0.1", "root.crt", Runs, Runs),
    (
        "good",
        "localhost.",
        "root.crt",
        Runs,
        mismatch(
            "server certificate for \"localhost\" (and 2 other names) does not match host name \"localhost.\"",
        ),
    ),
    ("good", "localhost", "bundle.crt", Runs, Runs),
    ("good", "localhost", "annotated.crt", Runs, Runs),
    ("good", "localhost", "half_broken.crt", UNREADABLE, UNREADABLE),
    ("good", "localhost", "with_windows_line_ends.crt", Runs, Runs),
    ("good", "localhost", "other.crt", UNTRUSTED, UNTRUSTED),
    ("good", "localhost", "good.crt", UNTRUSTED, UNTRUSTED),
    ("good", "localhost", "empty", UNREADABLE, UNREADABLE),
    ("good", "localhost", "garbage", UNREADABLE, UNREADABLE),
    ("good", "localhost", "broken", UNREADABLE, UNREADABLE),
    ("good", "localhost", "broken_crt", UNREADABLE, UNREADABLE),
    ("good", "localhost", "directory", UNREADABLE, UNREADABLE),
    ("documented", "localhost", "documented.crt", Runs, Runs),
    ("documented", "localhost", "root.crt", UNTRUSTED, UNTRUSTED),
    ("version_1", "localhost", "root.crt", Runs, Runs),
    ("version_1", "localhost", "other.crt", UNTRUSTED, UNTRUSTED),
    (
        "version_1",
        "db.test",
        "root.crt",
        Runs,
        mismatch("server certificate for \"localhost\" does not match host name \"db.test\""),
    ),
    ("version_1_ecdsa", "localhost", "root.crt", Runs, Runs),
    ("self_signed", "localhost", "self_signed.crt", Runs, Runs),
    ("self_signed", "localhost", "root.crt", UNTRUSTED, UNTRUSTED),
    ("other_authority", "localhost", "root.crt", UNTRUSTED, UNTRUSTED),
    ("other_authority", "localhost", "bundle.crt", Runs, Runs),
    ("chained", "localhost", "root.crt", Runs, Runs),
    ("chained", "localhost", "intermediate.crt", UNTRUSTED, UNTRUSTED),
    ("unchained", "localhost", "root.crt", UNTRUSTED, UNTRUSTED),
    ("unchained", "localhost", "intermediate.crt", UNTRUSTED, UNTRUSTED),
    ("unchained", "localhost", "root_and_intermediate.crt", Runs, Runs),
    ("issued_by_a_leaf", "localhost", "root.crt", UNTRUSTED, UNTRUSTED),
    ("issued_by_a_leaf", "localhost", "good.crt", UNTRUSTED, UNTRUSTED),
    ("name_in_cn", "localhost", "root.crt", Runs, Runs),
    ("capitals", "localhost", "root.crt", Runs, Runs),
    (
        "wrong_host",
        "localhost",
        "root.crt",
        Runs,
        mismatch("server certificate for \"db.test\" does not match host name \"localhost\""),
    ),
    (
        "wrong_names",
        "localhost",
        "root.crt",
        Runs,
        mismatch(
            "server certificate for \"a.test\" (and 2 other names) does not match host name \"localhost\"",
        ),
    ),
    ("wildcard", "a.example.test", "root.crt", Runs, Runs),
    ("wildcard", "A.Example.Test", "root.crt", Runs, Runs),
    (
        "wildcard",
        "a.b.example.test",
        "root.crt",
        Runs,
        mismatch("server certificate for \"*.example.test\" does not match host name \"a.b.example.test\""),
    ),
    (
        "wildcard",
        "example.test",
        "root.crt",
        Runs,
        mismatch("server certificate for \"*.example.test\" does not match host name \"example.test\""),
    ),
    (
        "wildcard",
        "a.example.test.",
        "root.crt",
        Runs,
        mismatch("server certificate for \"*.example.test\" does not match host name \"a.example.test.\""),
    ),
    (
        "wildcard",
        ".example.test",
        "root.crt",
        Runs,
        mismatch("server certificate for \"*.example.test\" does not match host name \".example.test\""),
    ),
    ("wildcard", "*.example.test", "root.crt", Runs, Runs),
    ("wildcard", "-x.example.test", "root.crt", Runs, Runs),
    ("wildcard", "under_score.example.test", "root.crt", Runs, Runs),
    ("wildcard_in_cn", "a.example.test", "root.crt", Runs, Runs),
    (
        "wildcard_in_cn",
        "a.b.example.test",
        "root.crt",
        Runs,
        mismatch("server certificate for \"*.example.test\" does not match host name \"a.b.example.test\""),
    ),
    (
        "half_wildcard",
        "ab.example.test",
        "root.crt",
        Runs,
        mismatch("server certificate for \"a*.example.test\" does not match host name \"ab.example.test\""),
    ),
    (
        "bare_wildcard",
        "localhost",
        "root.crt",
        Runs,
        mismatch("server certificate for \"*\" does not match host name \"localhost\""),
    ),
    ("ip_address", "127.0.0.1", "root.crt", Runs, Runs),
    ("ip_address", "127.000.000.001", "root.crt", Runs, Runs),
    ("ip_address", "127.1", "root.crt", Runs, Runs),
    ("ip_address", "0x7f.1", "root.crt", Runs, Runs),
    ("ip_address", "::1", "root.crt", Runs, Runs),
    ("ip_address", "0:0:0:0:0:0:0:1", "root.crt", Runs, Runs),
    (
        "ip_address",
        "::1%lo",
        "root.crt",
        Runs,
        mismatch(
            "server certificate for \"127.0.0.1\" (and 2 other names) does not match host name \"::1%lo\"",
        ),
    ),
    (
        "ip_address",
        "10.0.0.1",
        "root.crt",
        Runs,
        mismatch(
            "server certificate for \"127.0.0.1\" (and 1 other name) does not match host name \"10.0.0.1\"",
        ),
    ),
    (
        "ip_address",
        "localhost",
        "root.crt",
        Runs,
        mismatch(
            "server certificate for \"127.0.0.1\" (and 2 other names) does not match host name \"localhost\"",
        ),
    ),
    ("ip_in_cn", "127.0.0.1", "root.crt", Runs, Runs),
    (
        "ip_in_cn",
        "127.1",
        "root.crt",
        Runs,
        mismatch("server certificate for \"127.0.0.1\" does not match host name \"127.1\""),
    ),
    ("ip_in_cn_beside_names", "127.0.0.1", "root.crt", Runs, Runs),
    (
        "ip_in_cn_beside_addresses",
        "127.0.0.1",
        "root.crt",
        Runs,
        mismatch("server certificate for \"10.0.0.1\" does not match host name \"127.0.0.1\""),
    ),
    ("ip_as_name", "127.0.0.1", "root.crt", Runs, Runs),
    ("cn_beside_addresses", "localhost", "root.crt", Runs, Runs),
    ("cn_beside_email", "localhost", "root.crt", Runs, Runs),
    ("nul_in_name", "localhost", "root.crt", Runs, NUL),
    ("expired", "localhost", "root.crt", EXPIRED, EXPIRED),
    ("expired", "localhost", "expired.crt", EXPIRED, EXPIRED),
    ("not_yet_valid", "localhost", "root.crt", NOT_YET_VALID, NOT_YET_VALID),
    ("revoked", "localhost", "root.crt", Runs, Runs),
    ("for_clients", "localhost", "root.crt", UNTRUSTED, UNTRUSTED),
    ("for_servers", "localhost", "root.crt", Runs, Runs),
    ("unknown_critical", "localhost", "root.crt", UNTRUSTED, UNTRUSTED),
    ("sha1", "localhost", "root.crt", UNTRUSTED, UNTRUSTED),
    ("sha384", "localhost", "root.crt", Runs, Runs),
    ("sha512", "localhost", "root.crt", Runs, Runs),
    ("pss_sha256", "localhost", "root.crt", Runs, Runs),
    ("pss_sha512", "localhost", "root.crt", Runs, Runs),
    ("pss_key", "localhost", "root.crt", Runs, Runs),
    ("p256", "localhost", "root.crt", Runs, Runs),
    ("p384", "localhost", "p384.crt", Runs, Runs),
    ("p521", "localhost", "p521.crt", NO_P521, NO_P521),
    ("issued_by_p521", "localhost", "p521.crt", NO_P521, NO_P521),
    ("ed25519", "localhost", "ed25519.crt", Runs, Runs),
    ("rsa_1024", "localhost", "root.crt", UNTRUSTED, UNTRUSTED),
];

const UNTRUSTED: Fate = Fails(76, "SSL error: certificate verify failed", "");
const EXPIRED: Fate = Fails(76, "SSL error: certificate verify failed", "expired");
const NOT_YET_VALID: Fate = Fails(76, "SSL error: certificate verify failed", "not yet valid");
const NUL: Fate = Fails(76, "SSL certificate's name contains embedded null", "");
const UNREADABLE: Fate = Fails(78, "could not read root certificate file \"DIR/", "");
/// Where no signature could be verified, a connection would be as good as none.
const NO_P521: Fate = IsStricter(76, "", "ring has no P-521");
const NO_RSA_1024: Fate = IsStricter(76, "", "ring has no RSA of fewer than 2048 bits");

const fn mismatch(words: &'static str) -> Fate {
    Fails(76, words, "")
}

/// What becomes of require without a root file, where anything goes.
fn unverified(certificate: &str) -> Fate {
    match certificate {
        "p521" => NO_P521,
        "rsa_1024" => NO_RSA_1024,
        _ => Runs,
    }
}

#[test]
fn each_mode_makes_the_same_of_each_certificate_as_psql() {
    let mut clients = Comparison::with("good");
    for &(certificate, host, root, chain, full) in SITUATIONS {
        clients.server.present(certificate);
        let what = format!("{certificate} for {host} with {root}");
        let place = format!("user=tls_user host={host} hostaddr=127.0.0.1");
        clients.check(&what, &format!("{place} sslmode=require"), unverified(certificate));
        let place = format!("{place} sslrootcert=DIR/{root}");
        clients.check(&what, &format!("{place} sslmode=verify-ca"), chain);
        // Since version 15 libpq looks for addresses among the names.
        let since = if certificate.contains("ip_") || certificate.contains("beside") { 15 } else { 0 };
        clients.check_since(since, &what, &format!("{place} sslmode=verify-full"), full);
    }
}

/// A certificate, and the rest of a connection string.
type Attempt = (&'static str, &'static str, Fate);

/// HOME has no files.
const WITHOUT_FILES: &[Attempt] = &[
    ("good", "user=trust_user sslmode=disable", Runs),
    ("good", "user=trust_user sslmode=disable sslrootcert=DIR/garbage sslcert=DIR/garbage", Runs),
    ("good", "user=plain_user sslmode=disable", Runs),
    ("good", "user=tls_user sslmode=disable", NO_ENTRY),
    ("good", "user=plain_user sslmode=allow", Runs),
    ("good", "user=tls_user sslmode=allow", Runs),
    ("good", "user=plain_user sslmode=prefer", Runs),
    ("good", "user=tls_user sslmode=prefer", Runs),
    ("good", "user=tls_user", Runs),
    ("good", "user=plain_user sslmode=require", NO_ENTRY),
    ("good", "user=tls_user sslmode=require", Runs),
    ("good", "user=tls_user sslmode=verify-ca", NO_ROOT),
    ("good", "user=tls_user sslmode=verify-full", NO_ROOT),
    // An explicit file.
    ("good", "user=tls_user sslmode=require sslrootcert=DIR/no.crt", Warns("DIR/no.crt")),
    ("good", "user=tls_user sslmode=verify-ca sslrootcert=DIR/no.crt", NO_SUCH_ROOT),
    ("good", "user=tls_user sslmode=verify-full sslrootcert=DIR/no.crt", NO_SUCH_ROOT),
    ("good", "user=tls_user sslmode=require sslrootcert=DIR/root.crt", Runs),
    ("good", "user=tls_user sslmode=require sslrootcert=DIR/other.crt", UNTRUSTED),
    ("good", "user=tls_user sslmode=require sslrootcert=DIR/broken", UNREADABLE),
    ("good", "user=tls_user sslmode=require sslrootcert=DIR/empty", UNREADABLE),
    // Below verify-full the name is nothing.
    ("wrong_host", "user=tls_user sslmode=require sslrootcert=DIR/root.crt", Runs),
    ("wrong_host", "user=tls_user sslmode=verify-ca sslrootcert=DIR/root.crt", Runs),
    // TLS first, then plain: not where a certificate was wrong.
    ("good", "user=trust_user sslmode=prefer sslrootcert=DIR/root.crt", Runs),
    ("good", "user=trust_user sslmode=prefer sslrootcert=DIR/other.crt", NO_RETRY),
    ("expired", "user=trust_user sslmode=prefer sslrootcert=DIR/root.crt", NO_RETRY),
    ("wrong_host", "user=trust_user sslmode=prefer sslrootcert=DIR/root.crt", Runs),
    ("good", "user=trust_user sslmode=prefer sslrootcert=DIR/broken", NO_RETRY_WITHOUT_FILE),
    // Plain first, then TLS.
    ("good", "user=trust_user sslmode=allow sslrootcert=DIR/other.crt", Runs),
    // The parameter, not an option of this test.
    ("good", "user=tls_user sslmode=verify-full sslrootcert=DIR/root.crt host=''", NO_HOST),
    (
        "good",
        "user=tls_user sslmode=verify-full sslrootcert=DIR/root.crt host=localhost, hostaddr=127.0.0.1,127.0.0.1",
        Runs,
    ),
];

/// HOME has `.postgresql/root.crt`, the right one.
const WITH_ROOT: &[Attempt] = &[
    ("good", "user=tls_user sslmode=allow", Runs),
    ("good", "user=tls_user sslmode=prefer", Runs),
    ("good", "user=tls_user sslmode=require", Runs),
    ("good", "user=tls_user sslmode=verify-ca", Runs),
    ("good", "user=tls_user sslmode=verify-full", Runs),
    ("documented", "user=tls_user sslmode=require", UNTRUSTED),
    ("wrong_host", "user=tls_user sslmode=require", Runs),
    ("wrong_host", "user=tls_user sslmode=verify-full", WRONG_HOST),
    ("good", "user=tls_user sslmode=require sslrootcert=DIR/other.crt", UNTRUSTED),
    ("good", "user=tls_user sslmode=require sslrootcert=''", Runs),
    ("good", "user=tls_user sslmode=verify-ca sslrootcert=DIR/no.crt", NO_SUCH_ROOT),
    ("revoked", "user=tls_user sslmode=verify-ca", Runs),
];

/// HOME has `.postgresql/root.crt`, and it is another authority's.
const WITH_ANOTHER_ROOT: &[Attempt] = &[
    ("good", "user=trust_user sslmode=disable", Runs),
    ("good", "user=trust_user sslmode=allow", Runs),
    ("good", "user=trust_user sslmode=prefer", NO_RETRY),
    ("good", "user=tls_user sslmode=require", UNTRUSTED),
    ("good", "user=tls_user sslmode=verify-ca", UNTRUSTED),
    ("good", "user=tls_user sslmode=verify-full sslrootcert=DIR/root.crt", Runs),
];

/// HOME has the right `.postgresql/root.crt`, and `root.crl` beside it.
const WITH_CRL: &[Attempt] = &[
    ("good", "user=tls_user sslmode=verify-full", Runs),
    ("revoked", "user=tls_user sslmode=verify-full", REVOKED),
    ("revoked", "user=tls_user sslmode=require", REVOKED),
    ("revoked", "user=trust_user sslmode=prefer", NO_RETRY),
];

const NO_ENTRY: Fate = Fails(77, "no pg_hba.conf entry", "28000");
const NO_ROOT: Fate = Fails(78, "root certificate file \"HOME/.postgresql/root.crt\" does not exist", "");
const NO_SUCH_ROOT: Fate = Fails(78, "root certificate file \"DIR/no.crt\" does not exist", "");
const NO_HOST: Fate = Fails(78, "host name must be specified", "");
const WRONG_HOST: Fate =
    mismatch("server certificate for \"db.test\" does not match host name \"localhost\"");
const REVOKED: Fate = Fails(76, "SSL error: certificate verify failed", "revoked");
const NO_RETRY: Fate = IsStricter(
    76,
    "SSL error: certificate verify failed",
    "on purpose: never plain after a failed verification",
);
const NO_RETRY_WITHOUT_FILE: Fate =
    IsStricter(78, "could not read root certificate file", "on purpose: never plain after a failed check");

#[test]
fn the_presence_of_a_root_file_decides_as_in_psql() {
    for (home, files, attempts) in [
        ("without_files", &[][..], WITHOUT_FILES),
        ("with_root", &[("root.crt", "root.crt")], WITH_ROOT),
        ("with_another_root", &[("other.crt", "root.crt")], WITH_ANOTHER_ROOT),
        ("with_crl", &[("root.crt", "root.crt"), ("root.crl", "root.crl")], WITH_CRL),
    ] {
        let mut clients = Comparison::with("good");
        clients.with_home(home, files);
        for (certificate, rest, fate) in attempts {
            clients.server.present(certificate);
            let conninfo = format!("host=localhost hostaddr=127.0.0.1 {rest}");
            clients.check(&format!("{certificate} {home}"), &conninfo, *fate);
        }
    }
}

#[test]
fn the_mode_means_nothing_on_a_unix_socket() {
    let mut clients = Comparison::with("good");
    let socket = clients.server.cluster.socket_dir().display();
    for mode in ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] {
        clients.check("socket", &format!("user=plain_user host={socket} sslmode={mode}"), Runs);
    }
}

#[test]
fn the_systems_authorities_are_those_of_the_environment() {
    let mut clients = Comparison::with("good");
    let place = "host=localhost hostaddr=127.0.0.1 user=tls_user sslrootcert=system";
    let weak = "weak sslmode \"require\" may not be used with sslrootcert=system";
    clients.check_since(16, "weak", &format!("{place} sslmode=require"), Fails(78, weak, ""));
    let named = Fails(76, "SSL error: certificate verify failed", "(the root certificates of SSL_CERT_FILE)");
    for (file, fate) in [("root.crt", Runs), ("other.crt", named)] {
        clients.with_variable("SSL_CERT_FILE", &tls().pki.path(file));
        clients.check_since(16, file, place, fate);
        clients.check_since(16, file, &format!("{place} sslmode=verify-full"), fate);
    }
    // In a directory those that OpenSSL would look up, whatever lies beside them.
    let folder = clients.server.cluster.folder("authorities");
    clients.with_variable("SSL_CERT_DIR", &folder);
    let hash = |name: &str| tls().pki.openssl(&format!("x509 -noout -hash -in {name}.crt")).trim().to_owned();
    let (root, other) = (hash("root"), hash("other"));
    for (file, name, fate) in [
        ("other.crt", format!("{other}.0"), UNTRUSTED),
        ("root.crt", "root.pem".to_owned(), UNTRUSTED),
        ("root.crt", format!("{root}.pem"), UNTRUSTED),
        ("root.crt", format!("{root}."), UNTRUSTED),
        ("empty", format!("{other}.1"), UNTRUSTED),
        ("root.crt", format!("{root}.0"), Runs),
    ] {
        fs::copy(tls().pki.path(file), folder.join(&name)).unwrap();
        clients.check_since(16, &name, place, fate);
    }
    clients.with_variable("SSL_CERT_FILE", &tls().pki.path("root.crt"));
    // libpq has no use for a list here: heimdall has for one that is named.
    clients.with_home("other_list", &[("other.crl", "root.crl")]);
    clients.check_since(16, "usual list", place, Runs);
    let refused = IsStricter(76, "certificate verify failed", "psql accepts what the list revokes");
    clients.check_since(16, "named list", &format!("{place} sslcrl=DIR/other.crl"), refused);
    clients.server.present("wrong_host");
    clients.check_since(16, "wrong host", place, WRONG_HOST);
}

#[test]
fn a_file_of_the_systems_authorities_may_be_missing_where_a_directory_has_some_and_is_named_where_none_has() {
    let server = tls().server("good");
    let folder = server.cluster.folder("some_authorities");
    let hash = tls().pki.openssl("x509 -noout -hash -in root.crt");
    fs::copy(tls().pki.path("root.crt"), folder.join(format!("{}.0", hash.trim()))).unwrap();
    // As OpenSSL, which looks no further after a gap.
    let behind_a_gap = server.cluster.folder("authorities_behind_a_gap");
    fs::copy(tls().pki.path("root.crt"), behind_a_gap.join(format!("{}.1", hash.trim()))).unwrap();
    let missing = folder.join("missing");
    let place = format!("host=localhost hostaddr=127.0.0.1 port={}", server.cluster.port());
    let conninfo = format!("{place} user=tls_user dbname=app sslrootcert=system");
    let run = |directory: &Path| {
        let heimdall = Heimdall::new().url(&conninfo).env("SSL_CERT_FILE", &missing);
        heimdall.env("SSL_CERT_DIR", directory).args(["--name", "some authorities", "true"]).run()
    };
    let outcome = run(&folder);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    let outcome = run(&behind_a_gap);
    assert_eq!(outcome.code, Some(78), "{}", outcome.stderr);
    let outcome = run(&missing);
    let words = format!("SSL_CERT_FILE: root certificate file \"{}\" does not exist\n", missing.display());
    assert_eq!(outcome.code, Some(78), "{}", outcome.stderr);
    assert!(outcome.stderr.ends_with(&words), "{}", outcome.stderr);
}

#[test]
fn a_direct_start_needs_a_server_that_knows_it_and_a_mode_that_insists() {
    let mut clients = Comparison::with("good");
    let place = "host=localhost hostaddr=127.0.0.1 user=tls_user sslnegotiation=direct";
    for mode in ["disable", "allow", "prefer"] {
        let words = "may not be used with sslnegotiation=direct";
        clients.check_since(17, mode, &format!("{place} sslmode={mode}"), Fails(78, words, ""));
    }
    if clients.server.cluster.version() >= 17 {
        clients.check_since(17, "require", &format!("{place} sslmode=require"), Runs);
        let verified = format!("{place} sslmode=verify-full sslrootcert=DIR/");
        clients.check_since(17, "verify-full", &format!("{verified}root.crt"), Runs);
        clients.check_since(17, "verify-full", &format!("{verified}other.crt"), UNTRUSTED);
    } else {
        let outcome = clients.heimdall(&clients.complete(&format!("{place} sslmode=require")));
        assert!(matches!(outcome.code, Some(69 | 76)), "{}", outcome.stderr);
        assert!(is_decent(&outcome.stderr, 1), "{}", outcome.stderr);
        let why = " during the TLS handshake; a server before PostgreSQL 17, or one without TLS, does not know \
                   sslnegotiation=direct\n";
        assert!(outcome.stderr.ends_with(why), "{}", outcome.stderr);
    }
}
