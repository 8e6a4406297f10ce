//! The files for TLS: which are taken, and what is said of the others.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use heimdall::conninfo::{Config, Environment, Passwd, RootCertificates, SslCertMode, SslMode, TlsFile};
use heimdall::internals::tls::{ConfigError, Tls};

use super::{config, explicit, trusting};
use crate::support::pki::{CA, Pki, Recipe};

/// What is said of a configuration, with the folder's name replaced by `DIR`.
fn line(config: &Config, pki: &Pki) -> String {
    let error = Tls::new(config).map(drop).unwrap_err().to_string();
    assert!(!error.contains('\n'), "{error}");
    error.replace(&pki.path("").display().to_string(), "DIR/")
}

/// A configuration with a client certificate.
fn presenting(pki: &Pki, certificate: &str, key: &str) -> Config {
    let mut config = config(SslMode::Require);
    config.sslcert = Some(explicit(pki.path(certificate)));
    config.sslkey = Some(explicit(pki.path(key)));
    config
}

/// Files that are no certificates, and one that is.
fn folder(name: &str) -> Pki {
    let pki = Pki::new(name);
    pki.issue("root", Recipe { extensions: CA, ..Recipe::default() });
    pki.write("empty", "");
    pki.write("text", "no certificate\n");
    pki.write("cut", "-----BEGIN CERTIFICATE-----\nMIIB\n");
    pki.write("broken", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    pki.write("huge", vec![b'\n'; 2 * 1024 * 1024]);
    fs::create_dir(pki.path("folder")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(pki.path("pipe")).status().unwrap().success());
    pki
}

#[test]
fn a_root_certificate_file_has_certificates_or_is_refused() {
    let pki = folder("roots");
    for (file, expected) in [
        ("empty", "could not read root certificate file \"DIR/empty\": no PEM certificate in it"),
        ("text", "could not read root certificate file \"DIR/text\": no PEM certificate in it"),
        ("cut", "could not read root certificate file \"DIR/cut\": it is not valid PEM"),
        ("broken", "could not read root certificate file \"DIR/broken\": a certificate in it can't be read"),
        ("huge", "could not read root certificate file \"DIR/huge\": it is larger than 1048576 bytes"),
        ("folder", "could not read root certificate file \"DIR/folder\": it is not a plain file"),
        ("pipe", "could not read root certificate file \"DIR/pipe\": it is not a plain file"),
        (
            "missing",
            "root certificate file \"DIR/missing\" does not exist; either provide the file, use the system's trusted \
             roots with sslrootcert=system, or change sslmode to disable server certificate verification",
        ),
    ] {
        assert_eq!(line(&trusting(SslMode::VerifyCa, &pki, file), &pki), expected);
        if file != "missing" {
            assert_eq!(line(&trusting(SslMode::Prefer, &pki, file), &pki), expected);
        }
    }
    let mut nowhere = config(SslMode::VerifyFull);
    nowhere.sslrootcert = None;
    assert!(
        line(&nowhere, &pki).starts_with("could not get home directory to locate root certificate file; ")
    );
}

#[test]
fn a_missing_root_certificate_file_goes_unverified_below_verify_ca_and_a_named_one_is_warned_of() {
    let pki = folder("warned");
    let named = Tls::new(&trusting(SslMode::Require, &pki, "missing")).unwrap();
    assert_eq!(named.warnings().len(), 1);
    assert!(
        named.warnings()[0].contains("missing\" does not exist: the server's certificate is not verified")
    );
    let mut default = trusting(SslMode::Require, &pki, "missing");
    default.sslrootcert =
        Some(RootCertificates::File(TlsFile { path: pki.path("missing"), explicit: false }));
    assert!(Tls::new(&default).unwrap().warnings().is_empty());
    assert!(Tls::new(&trusting(SslMode::Require, &pki, "root.crt")).unwrap().warnings().is_empty());
}

#[test]
fn verify_full_needs_the_name_of_the_host_that_is_tried_and_of_no_other() {
    let pki = folder("nameless");
    let mut nameless = trusting(SslMode::VerifyFull, &pki, "root.crt");
    nameless.hosts[0].name = None;
    let tls = Tls::new(&nameless).unwrap();
    assert_eq!(tls.client(None).unwrap_err(), ConfigError::NoHostName);
    tls.client(Some("db.test")).unwrap();
    nameless.sslmode = SslMode::VerifyCa;
    Tls::new(&nameless).unwrap().client(None).unwrap();
}

#[test]
fn a_revocation_list_that_is_named_has_to_be_there() {
    let pki = folder("lists");
    let mut with_list = trusting(SslMode::VerifyCa, &pki, "root.crt");
    for (file, expected) in [
        ("missing", "certificate revocation list file \"DIR/missing\" does not exist"),
        (
            "root.crt",
            "could not read certificate revocation list file \"DIR/root.crt\": no PEM revocation list in it",
        ),
        ("pipe", "could not read certificate revocation list file \"DIR/pipe\": it is not a plain file"),
    ] {
        with_list.sslcrl = Some(explicit(pki.path(file)));
        assert_eq!(line(&with_list, &pki), expected);
    }
    with_list.sslcrl = Some(TlsFile { path: pki.path("missing"), explicit: false });
    Tls::new(&with_list).unwrap();
}

#[test]
fn keys_are_read_in_all_usual_forms() {
    let pki = Pki::new("keys");
    pki.issue("rsa", Recipe { key: "RSA:2048", ..Recipe::default() });
    pki.issue("ec", Recipe { key: "EC:P-384", extensions: CA, ..Recipe::default() });
    pki.issue("ed", Recipe { key: "ED25519", options: "-md null", ..Recipe::default() });
    pki.openssl("rsa -in rsa.key -traditional -out rsa.pkcs1");
    pki.openssl("rsa -in rsa.key -traditional -outform DER -out rsa.der");
    pki.openssl("ec -in ec.key -out ec.sec1");
    pki.openssl("ec -in ec.key -outform DER -out ec.der");
    pki.openssl("pkcs8 -in ec.key -topk8 -nocrypt -outform DER -out ec.p8");
    // As `openssl ecparam -genkey` writes it.
    pki.openssl("ecparam -name secp384r1 -out ec.parameters");
    pki.join("ec.both", &["ec.parameters", "ec.sec1"]);
    for (certificate, key) in [
        ("rsa.crt", "rsa.key"),
        ("rsa.crt", "rsa.pkcs1"),
        ("rsa.crt", "rsa.der"),
        ("ec.crt", "ec.key"),
        ("ec.crt", "ec.sec1"),
        ("ec.crt", "ec.both"),
        ("ec.crt", "ec.der"),
        ("ec.crt", "ec.p8"),
        ("ed.crt", "ed.key"),
    ] {
        fs::set_permissions(pki.path(key), Permissions::from_mode(0o600)).unwrap();
        Tls::new(&presenting(&pki, certificate, key)).unwrap_or_else(|error| panic!("{key}: {error}"));
    }
}

#[test]
fn a_key_that_is_no_use_is_refused_by_name() {
    let pki = folder("badkeys");
    pki.key("other", "EC:P-256");
    pki.issue("p521", Recipe { key: "EC:P-521", ..Recipe::default() });
    pki.openssl("pkcs8 -in root.key -topk8 -passout pass:x -out encrypted.key");
    pki.openssl("ec -in root.key -aes128 -passout pass:x -out older.key");
    for (certificate, key, expected) in [
        ("root.crt", "missing", "certificate present, but not private key file \"DIR/missing\""),
        ("root.crt", "folder", "could not read private key file \"DIR/folder\": it is not a plain file"),
        ("root.crt", "pipe", "could not read private key file \"DIR/pipe\": it is not a plain file"),
        ("root.crt", "empty", "could not load private key file \"DIR/empty\": it is empty"),
        (
            "root.crt",
            "text",
            "could not load private key file \"DIR/text\": no private key in PEM or DER in it",
        ),
        (
            "root.crt",
            "encrypted.key",
            "could not load private key file \"DIR/encrypted.key\": encrypted private keys are not supported",
        ),
        (
            "root.crt",
            "older.key",
            "could not load private key file \"DIR/older.key\": encrypted private keys are not supported",
        ),
        (
            "root.crt",
            "other.key",
            "certificate file \"DIR/root.crt\" does not match private key file \"DIR/other.key\"",
        ),
        (
            "p521.crt",
            "p521.key",
            "could not load private key file \"DIR/p521.key\": not an RSA (2048 bits or more), P-256, P-384 or \
             Ed25519 key, or a damaged one",
        ),
        ("missing", "root.key", "certificate file \"DIR/missing\" does not exist"),
        (
            "broken",
            "root.key",
            "could not read certificate file \"DIR/broken\": a certificate in it can't be read",
        ),
    ] {
        if pki.path(key).is_file() {
            fs::set_permissions(pki.path(key), Permissions::from_mode(0o600)).unwrap();
        }
        assert_eq!(line(&presenting(&pki, certificate, key), &pki), expected);
    }
}

#[test]
fn a_key_may_be_read_by_its_owner_alone_or_also_by_a_group_of_roots() {
    let pki = folder("modes");
    let is_roots = fs::metadata(pki.path("root.key")).unwrap().uid() == 0;
    for (mode, is_fine) in [
        (0o600, true),
        (0o400, true),
        (0o640, is_roots),
        (0o660, false),
        (0o650, false),
        (0o604, false),
        (0o644, false),
        (0o777, false),
    ] {
        fs::set_permissions(pki.path("root.key"), Permissions::from_mode(mode)).unwrap();
        let tls = Tls::new(&presenting(&pki, "root.crt", "root.key"));
        assert_eq!(tls.is_ok(), is_fine, "{mode:o}");
        if let Err(error) = tls {
            let error = error.to_string();
            assert!(
                error.ends_with(
                    "root.key\" has group or world access; file must have permissions u=rw (0600) or less \
                     if owned by the current user, or permissions u=rw,g=r (0640) or less if owned by root"
                ),
                "{error}"
            );
        }
    }
}

#[test]
fn sslcertmode_says_whether_there_has_to_be_a_certificate() {
    let pki = folder("certmode");
    let mut config = presenting(&pki, "missing", "missing");
    config.sslcertmode = SslCertMode::Disable;
    Tls::new(&config).unwrap();
    config.sslcert = Some(TlsFile { path: pki.path("missing"), explicit: false });
    config.sslcertmode = SslCertMode::Allow;
    Tls::new(&config).unwrap();
    config.sslcertmode = SslCertMode::Require;
    assert_eq!(
        line(&config, &pki),
        "sslcertmode \"require\" needs a client certificate, but certificate file \"DIR/missing\" does not exist"
    );
}

#[test]
fn the_systems_certificates_are_where_the_surroundings_say_and_not_the_process() {
    let variable = |name: &str| (name == "SSL_CERT_FILE").then(|| "/nonexistent/roots.pem".into());
    let effective_user = || Some(Passwd { name: "os-user".into(), home: "/nonexistent".into() });
    let env = Environment { variable: &variable, effective_user: &effective_user, effective_uid: 1000 };
    let config = Config::resolve("host=db sslrootcert=system", &env).unwrap();
    let error = Tls::new(&config).unwrap_err();
    assert_eq!(error, ConfigError::NoSystemFile("/nonexistent/roots.pem".into()));
}
