//! Logins through TLS: what the server sees of them, client certificates, channel binding, and no way around.

use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::clients::{Comparison, Fate, is_decent};
use crate::support::heimdall::Heimdall;
use crate::support::holder::Holder;
use crate::support::middle::Middle;
use crate::support::postgres::{PASSWORD, TlsServer, shared, tls};
use crate::support::{poll, ports};

use Fate::{Fails, IsKinder, IsStricter, Runs, Warns};

const HOST: &str = "host=localhost hostaddr=127.0.0.1";

fn hold(server: &TlsServer, rest: &str) -> Holder {
    let place = server.pki.path("").display().to_string();
    let port = server.cluster.port();
    let conninfo = format!("{HOST} port={port} dbname=app {}", rest.replace("DIR/", &place));
    Heimdall::new().url(&conninfo).args(["--name", "tls_login"]).hold()
}

#[test]
fn the_server_sees_an_encrypted_session() {
    let server = tls().server("good");
    for (rest, seen) in [
        ("user=tls_user sslmode=require", "t|TLSv1.3|"),
        ("user=tls_user sslmode=allow", "t|TLSv1.3|"),
        ("user=tls_user", "t|TLSv1.3|"),
        ("user=tls_user sslmode=verify-full sslrootcert=DIR/root.crt", "t|TLSv1.3|"),
        ("user=tls_user sslmode=require ssl_max_protocol_version=TLSv1.2", "t|TLSv1.2|"),
        ("user=trust_user sslmode=allow", "f||"),
        ("user=trust_user sslmode=disable", "f||"),
        ("user=trust_user sslmode=prefer", "t|TLSv1.3|"),
        (
            "user=cert_user sslmode=require sslcert=DIR/client.crt sslkey=DIR/client.key",
            "t|TLSv1.3|/CN=cert_user",
        ),
    ] {
        let holder = hold(&server, rest);
        let sql = format!("select ssl, version, client_dn from pg_stat_ssl where pid = {}", holder.backend);
        assert_eq!(server.cluster.sql(&sql), seen, "{rest}");
    }
}

#[test]
fn a_bound_login_is_one_by_scram() {
    let server = tls().server("good");
    let _holder = hold(
        &server,
        &format!(
            "user=tls_scram_user password='{PASSWORD}' sslmode=verify-full sslrootcert=DIR/root.crt \
             channel_binding=require require_auth=scram-sha-256"
        ),
    );
    // Since version 14 the log says how.
    if server.cluster.version() >= 14 {
        server.wait_for_log("connection authenticated: identity=\"tls_scram_user\" method=scram-sha-256");
    }
    server.wait_for_log("connection authorized: user=tls_scram_user database=app");
    assert!(server.log().contains("SSL enabled (protocol=TLSv1.3"), "{}", server.log());
}

/// A certificate, and what becomes of `channel_binding=require` and of `prefer`.
const BINDINGS: &[(&str, Fate, Fate)] = &[
    ("good", Runs, Runs),
    ("version_1", Runs, Runs),
    ("documented", Runs, Runs),
    ("sha1", Runs, Runs),
    ("sha384", Runs, Runs),
    ("sha512", Runs, Runs),
    ("pss_sha256", Runs, Runs),
    ("pss_sha512", Runs, Runs),
    ("pss_key", Runs, Runs),
    ("p256", Runs, Runs),
    ("p384", Runs, Runs),
    ("issued_by_p521", Runs, Runs),
    ("ed25519", Fails(77, "", "channel binding"), IsKinder("", "there is nothing to bind to")),
];

const PSS_KEY: Fate = IsStricter(
    76,
    "in common with us",
    "rustls has no such signatures before TLS 1.3; docs/connecting.md says so",
);

#[test]
fn a_login_is_bound_to_every_kind_of_certificate() {
    let mut clients = Comparison::with("good");
    for &(certificate, required, preferred) in BINDINGS {
        clients.server.present(certificate);
        for version in ["TLSv1.2", "TLSv1.3"] {
            let place = format!(
                "{HOST} user=scram_user password='{PASSWORD}' sslmode=require ssl_min_protocol_version={version} \
                 ssl_max_protocol_version={version}"
            );
            let what = format!("{certificate} {version}");
            let (required, preferred, disabled) = match (certificate, version) {
                ("pss_key", "TLSv1.2") => (PSS_KEY, PSS_KEY, PSS_KEY),
                _ => (required, preferred, Runs),
            };
            clients.check(&what, &format!("{place} channel_binding=require"), required);
            clients.check(&what, &format!("{place} channel_binding=prefer"), preferred);
            clients.check(&what, &format!("{place} channel_binding=disable"), disabled);
        }
    }
}

#[test]
fn a_binding_that_is_required_is_not_done_without() {
    let mut clients = Comparison::with("good");
    for (rest, words) in [
        ("user=scram_user sslmode=disable", "channel binding"),
        ("user=plain_user sslmode=disable", "channel binding"),
        ("user=tls_user sslmode=require", "channel binding"),
        ("user=cert_user sslmode=require sslcert=DIR/client.crt sslkey=DIR/client.key", "channel binding"),
    ] {
        let conninfo = format!("{HOST} password='{PASSWORD}' channel_binding=require {rest}");
        clients.check(rest, &conninfo, Fails(77, words, ""));
    }
    // The server refuses encryption, and without it there is nothing to bind to: both are told.
    let rest = "channel_binding=require user=plain_user sslmode=prefer";
    let outcome = clients.heimdall(&clients.complete(&format!("{HOST} {rest}")));
    assert_eq!(outcome.code, Some(77), "{}", outcome.stderr);
    assert!(is_decent(&outcome.stderr, 2), "{}", outcome.stderr);
    for words in ["no pg_hba.conf entry", "channel binding required"] {
        assert!(outcome.stderr.contains(words), "{words} in {}", outcome.stderr);
    }
    // Plain comes first, and has nothing to bind to.
    let conninfo =
        format!("{HOST} password='{PASSWORD}' channel_binding=require user=scram_user sslmode=allow");
    clients.check("allow", &conninfo, Fails(77, "channel binding", ""));
}

/// Who stands in the middle, and ends TLS on both sides, with a certificate that looks like the server's.
#[test]
fn a_man_in_the_middle_is_noticed_by_the_binding_alone() {
    let mut clients = Comparison::with("good");
    let middle = Middle::start(&clients.server, "other_authority");
    let place = format!("{HOST} port={} user=scram_user password='{PASSWORD}' sslmode=require", middle.port);
    // Before version 14 it is told that the lease ends in the middle.
    let has_lease = clients.server.cluster.version() >= 14;
    let fooled = if has_lease { Runs } else { Warns("the server's half of the lease is missing") };
    clients.check("fooled", &format!("{place} channel_binding=disable"), fooled);
    let noticed = Fails(77, "SCRAM channel binding check failed", "");
    for rest in ["channel_binding=require", "channel_binding=prefer", ""] {
        clients.check(rest, &format!("{place} {rest}"), noticed);
    }
}

/// Certificate, key, and what becomes of `cert_user`.
const CLIENTS: &[(&str, &str, Fate)] = &[
    ("client.crt", "client.key", Runs),
    ("client.crt", "rsa_pkcs1.key", Runs),
    ("client.crt", "rsa.der", Runs),
    ("client_ec.crt", "client_ec.key", Runs),
    ("client_ec.crt", "ec_sec1.key", Runs),
    ("client_ec.crt", "ec_with_parameters.key", Runs),
    ("client_ec.crt", "ec.der", Runs),
    ("client_p384.crt", "client_p384.key", Runs),
    ("client_ed25519.crt", "client_ed25519.key", Runs),
    ("client_version_1.crt", "client_version_1.key", Runs),
    ("client_chained.crt", "client_chained.key", Runs),
    // Files.
    ("client.crt", "no.key", Fails(78, "certificate present, but not private key file \"DIR/no.key\"", "")),
    ("no.crt", "client.key", Fails(78, "", "DIR/no.crt")),
    ("empty", "client.key", Fails(78, "could not read certificate file \"DIR/empty\"", "")),
    ("garbage", "client.key", Fails(78, "could not read certificate file \"DIR/garbage\"", "")),
    ("broken_crt", "client.key", Fails(78, "could not read certificate file \"DIR/broken_crt\"", "")),
    ("directory", "client.key", Fails(78, "could not read certificate file \"DIR/directory\"", "")),
    ("client_crt.der", "client.key", Fails(78, "could not read certificate file \"DIR/client_crt.der\"", "")),
    ("client.crt", "empty", Fails(78, "could not load private key file \"DIR/empty\"", "")),
    ("client.crt", "garbage", Fails(78, "could not load private key file \"DIR/garbage\"", "")),
    ("client.crt", "broken_key", Fails(78, "could not load private key file \"DIR/broken_key\"", "")),
    ("client.crt", "directory", Fails(78, "private key file \"DIR/directory\"", "is not a plain file")),
    ("client.crt", "mismatching.key", MISMATCH),
    ("client.crt", "client_ec.key", MISMATCH),
    ("client.crt", "world_readable.key", ACCESS),
    ("client.crt", "group_writable.key", ACCESS),
    ("client.crt", "encrypted.key", Fails(78, "\"DIR/encrypted.key\"", "encrypted")),
    ("client.crt", "encrypted_pkcs1.key", Fails(78, "\"DIR/encrypted_pkcs1.key\"", "encrypted")),
    // What the server doesn't like.
    ("client_somebody_else.crt", "client.key", Fails(77, "certificate authentication failed", "28000")),
    ("client_of_other_authority.crt", "client.key", REFUSED),
    ("client_expired.crt", "client.key", REFUSED),
];

const NO_CERTIFICATE: Fate = Fails(77, "connection requires a valid client certificate", "28000");
const MISMATCH: Fate = Fails(78, "private key file \"DIR/", "does not match");
/// By an alert, which comes behind a handshake of TLS 1.3.
const REFUSED: Fate = Fails(77, "", "certificate");
const ACCESS: Fate = Fails(78, "has group or world access", "u=rw (0600)");

#[test]
fn a_client_is_who_its_certificate_says() {
    let mut clients = Comparison::with("good");
    for (certificate, key, fate) in CLIENTS {
        let rest = format!("sslcert=DIR/{certificate} sslkey=DIR/{key}");
        let what = format!("{certificate} {key}");
        clients.check(&what, &format!("{HOST} user=cert_user sslmode=require {rest}"), *fate);
    }
    // Root's own keys may be readable by a group, as a system's are.
    let rest = "sslcert=DIR/client.crt sslkey=DIR/group_readable.key";
    let fate = if rustix::process::geteuid().is_root() { Runs } else { ACCESS };
    clients.check("group", &format!("{HOST} user=cert_user sslmode=require {rest}"), fate);
    let rest = "sslcert=DIR/client_ec.crt sslkey=DIR/client_ec.key";
    clients.check("vouched", &format!("{HOST} user=vouched_user sslmode=require {rest}"), Runs);
    clients.check("vouched", &format!("{HOST} user=vouched_user sslmode=require"), NO_CERTIFICATE);
    clients.check("nothing", &format!("{HOST} user=cert_user sslmode=require"), NO_CERTIFICATE);
}

#[test]
fn a_client_certificate_lies_where_libpq_looks_for_it() {
    let place = format!("{HOST} user=cert_user sslmode=require");
    let both = [("client.crt", "postgresql.crt"), ("client.key", "postgresql.key")];
    let mut clients = Comparison::with("good");
    clients.with_home("client", &both);
    clients.check("both", &place, Runs);
    clients.check("sslkey alone", &format!("{place} sslkey=DIR/rsa.der"), Runs);
    clients.check("another", &format!("{place} sslcert=DIR/client_ec.crt sslkey=DIR/client_ec.key"), Runs);
    clients.check("wrong", &format!("{place} sslcert=DIR/client_ec.crt"), HOME_MISMATCH);
    clients.check_since(16, "never", &format!("{place} sslcertmode=disable"), NO_CERTIFICATE);
    clients.check_since(16, "always", &format!("{place} sslcertmode=require"), Runs);
    clients.with_home("certificate_alone", &both[..1]);
    clients.check("no key", &place, NO_KEY);
    clients.with_home("key_alone", &both[1..]);
    clients.check("no certificate", &place, NO_CERTIFICATE);
    clients.with_home("readable", &[both[0], ("world_readable.key", "postgresql.key")]);
    clients.check("access", &place, ACCESS);
}

const HOME_MISMATCH: Fate = Fails(78, "private key file \"HOME/.postgresql/", "does not match");
const NO_KEY: Fate =
    Fails(78, "certificate present, but not private key file \"HOME/.postgresql/postgresql.key\"", "");

#[test]
fn a_certificate_that_must_be_asked_for_is_missed() {
    let place = format!("{HOST} user=tls_user sslmode=require sslcertmode=require");
    let with = format!("{place} sslcert=DIR/client.crt sslkey=DIR/client.key");
    let mut clients = Comparison::with("good");
    clients.check_since(16, "asked", &with, Runs);
    clients.check_since(16, "without", &place, Fails(78, "sslcertmode", ""));
    clients.server.present_with("good", "ssl_ca_file = '';");
    clients.check_since(16, "not asked", &with, Fails(77, "server did not request an SSL certificate", ""));
    clients.check("not asked", &with.replace(" sslcertmode=require", ""), Runs);
}

#[test]
fn a_certificate_that_is_asked_for_with_other_signatures_than_its_key_makes_is_missed_too() {
    let clients = Comparison::with("good");
    let (pki, port) = (clients.server.pki, ports::free());
    let mut server = Command::new("openssl")
        .args(["s_server", "-quiet", "-alpn", "postgresql", "-verify", "1"])
        .args(["-client_sigalgs", "ECDSA+SHA256", "-accept", &format!("127.0.0.1:{port}")])
        .arg("-cert")
        .arg(pki.path("good.crt"))
        .arg("-key")
        .arg(pki.path("good.key"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    poll(Duration::from_secs(30), || TcpStream::connect(("127.0.0.1", port)).ok()).expect("openssl listens");
    let rest =
        format!("{HOST} port={port} user=ann sslmode=require sslnegotiation=direct sslcertmode=require");
    let rest = format!("{rest} sslcert=DIR/client.crt sslkey=DIR/client.key");
    let outcome = clients.heimdall(&clients.complete(&rest));
    server.kill().unwrap();
    server.wait().unwrap();
    let words = "server accepted connection without a valid SSL certificate (sslcertmode=require)";
    assert!(outcome.code == Some(77) && outcome.stderr.contains(words), "{outcome:?}");
}

#[test]
fn a_revoked_certificate_is_refused_by_who_has_the_list() {
    let mut clients = Comparison::with("good");
    let revoked = Fails(76, "SSL error: certificate verify failed", "revoked");
    for (certificate, list, fate) in [
        ("good", "root.crl", Runs),
        ("chained", "root.crl", NO_LIST),
        ("revoked", "root.crl", revoked),
        ("good", "other.crl", NO_LIST),
        ("good", "expired.crl", NO_LIST),
        // libpq goes on without a list that it can't read.
        ("revoked", "no.crl", UNUSABLE_LIST),
        ("revoked", "empty", UNUSABLE_LIST),
        ("revoked", "garbage", UNUSABLE_LIST),
        ("revoked", "broken", UNUSABLE_LIST),
        ("revoked", "directory", UNUSABLE_LIST),
    ] {
        clients.server.present(certificate);
        let place = format!("{HOST} user=tls_user sslrootcert=DIR/root.crt sslcrl=DIR/{list}");
        for mode in ["require", "verify-full"] {
            clients.check(&format!("{certificate} {list}"), &format!("{place} sslmode={mode}"), fate);
        }
    }
    // A list among the roots counts where there is any.
    tls().pki.join("roots_and_list.pem", &["root.crt", "root.crl"]);
    for (certificate, list, fate) in [
        ("good", " sslcrl=DIR/other.crl", Runs),
        ("revoked", " sslcrl=DIR/other.crl", revoked),
        ("revoked", "", Runs),
    ] {
        clients.server.present(certificate);
        let place =
            format!("{HOST} user=tls_user sslmode=verify-full sslrootcert=DIR/roots_and_list.pem{list}");
        clients.check(&format!("{certificate} by roots{list}"), &place, fate);
    }
    // Without a root file libpq verifies nothing.
    clients.server.present("revoked");
    let without = format!("{HOST} user=tls_user sslmode=require sslcrl=DIR/root.crl");
    clients.check("no root", &without, UNUSABLE_LIST);
}

const NO_LIST: Fate = Fails(76, "SSL error: certificate verify failed", "");
const UNUSABLE_LIST: Fate = IsStricter(78, "DIR/", "no security parameter is ignored");

#[test]
fn ciphers_and_curves_have_to_overlap() {
    let mut clients = Comparison::with("good");
    let why = "rustls has no others; docs/connecting.md says so";
    for (settings, fate) in [
        ("ssl_ecdh_curve = 'secp384r1';", Runs),
        ("ssl_ecdh_curve = 'secp521r1';", IsStricter(76, "in common with us: AES-GCM", why)),
        (
            "ssl_max_protocol_version = 'TLSv1.2'; ssl_ciphers = 'AES256-GCM-SHA384:ECDHE-RSA-AES256-SHA384';",
            IsStricter(76, "in common with us: AES-GCM", why),
        ),
    ] {
        clients.server.present_with("good", settings);
        clients.check(settings, &format!("{HOST} user=tls_user sslmode=require"), fate);
    }
}

#[test]
fn versions_have_to_overlap() {
    let mut clients = Comparison::with("good");
    for (server, client, fate) in [
        ("1.2", "ssl_max_protocol_version=TLSv1.2", Runs),
        ("1.2", "ssl_min_protocol_version=tlsv1.2", Runs),
        ("1.2", "", Runs),
        ("1.2", "ssl_min_protocol_version=TLSv1.3", NO_VERSION),
        ("1.3", "ssl_min_protocol_version=TLSv1.3", Runs),
        ("1.3", "", Runs),
        ("1.3", "ssl_max_protocol_version=TLSv1.2", NO_VERSION),
        ("1.1", "", NO_VERSION),
        ("1.1", "sslrootcert=DIR/root.crt", NO_VERSION),
        ("1.3", "ssl_min_protocol_version=TLSv1.3 ssl_max_protocol_version=TLSv1.2", WRONG_RANGE),
    ] {
        let versions =
            format!("ssl_min_protocol_version = 'TLSv{server}'; ssl_max_protocol_version = 'TLSv{server}';");
        clients.server.present_with("good", &versions);
        let what = format!("server {server}, {client}");
        clients.check(&what, &format!("{HOST} user=tls_user sslmode=require {client}"), fate);
    }
}

const NO_VERSION: Fate = Fails(76, "", "version");
const WRONG_RANGE: Fate = Fails(78, "invalid SSL protocol version range", "");

#[test]
fn a_plain_retry_follows_a_refusal_to_encrypt_and_nothing_else() {
    let mut clients = Comparison::with("good");
    // No entry for encrypted connections: SQLSTATE 28000.
    clients.check("refused", &format!("{HOST} user=plain_user sslmode=prefer"), Runs);
    assert!(clients.server.log().contains("no pg_hba.conf entry"), "{}", clients.server.log());
    // No entry for plain ones.
    clients.check("allow", &format!("{HOST} user=tls_user sslmode=allow"), Runs);

    clients.server.present("good");
    for mode in ["prefer", "require"] {
        let outcome = clients.heimdall(
            &clients.complete(&format!("{HOST} user=scram_user password='close sesame' sslmode={mode}")),
        );
        assert_eq!(outcome.code, Some(77), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("password authentication failed for user \"scram_user\" [28P01]"));
        assert!(is_decent(&outcome.stderr, 1) && !outcome.stderr.contains("sesame"), "{}", outcome.stderr);
    }
    let attempts = clients.server.log().matches("password authentication failed").count();
    assert_eq!(attempts, 2, "{}", clients.server.log());

    clients.server.present("expired");
    let outcome = clients.heimdall(
        &clients.complete(&format!("{HOST} user=trust_user sslmode=prefer sslrootcert=DIR/root.crt")),
    );
    assert_eq!(outcome.code, Some(76), "{}", outcome.stderr);
    assert!(
        !clients.server.log().contains("connection authorized: user=trust_user"),
        "{}",
        clients.server.log()
    );
}

#[test]
fn a_server_without_tls_is_told() {
    let place = format!("{HOST} port={} dbname=app user=trust_user", shared().port());
    let mut clients = Comparison::with("good");
    for mode in ["disable", "allow", "prefer"] {
        clients.check(mode, &format!("{place} sslmode={mode}"), Runs);
    }
    clients.check("default", &place, Runs);
    // Who is refused in the clear, and then asks for TLS in vain.
    let nobody = place.replace("trust_user", "nobody_at_all");
    clients.check("refused", &format!("{nobody} sslmode=allow"), Fails(77, "nobody_at_all", "[28000]"));
    for mode in ["require", "verify-ca", "verify-full"] {
        let fate = Fails(76, "server does not support SSL, but SSL was required", "");
        clients.check(mode, &format!("{place} sslmode={mode} sslrootcert=DIR/root.crt"), fate);
    }
}

#[test]
fn the_message_names_the_host_the_check_and_the_file() {
    let clients = Comparison::with("good");
    let rest = format!("{HOST} user=tls_user sslmode=verify-full sslrootcert=DIR/other.crt");
    let outcome = clients.heimdall(&clients.complete(&rest));
    let file = clients.server.pki.path("other.crt").display().to_string();
    for word in ["at \"localhost\" (127.0.0.1), port", "certificate verify failed", &file] {
        assert!(outcome.stderr.contains(word), "{word} in {}", outcome.stderr);
    }
}

#[test]
fn a_check_says_whether_and_by_what_the_server_was_verified() {
    let server = tls().server("good");
    let place = server.pki.path("").display().to_string();
    let place = place.trim_end_matches('/');
    let login =
        format!("user=tls_scram_user password='{PASSWORD}' dbname=app port={}", server.cluster.port());
    let by = format!("by root certificate file \"{place}/root.crt\"");
    for (rest, verified) in [
        (format!("sslmode=verify-full sslrootcert={place}/root.crt"), format!("chain and host name, {by}")),
        (format!("sslmode=verify-ca sslrootcert={place}/root.crt"), format!("chain, and no name, {by}")),
        ("sslmode=require".to_owned(), "nothing: sslmode=verify-full makes sure".to_owned()),
    ] {
        let outcome = Heimdall::new().database(&format!("{HOST} {login} {rest}")).arg("--check").run();
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        for words in [
            "encryption  TLSv1.3, TLS13_",
            &format!("verified    {verified}"),
            "SCRAM-SHA-256-PLUS, database",
        ] {
            assert!(outcome.stdout.contains(words), "{rest}: {words:?} in {}", outcome.stdout);
        }
    }
}
