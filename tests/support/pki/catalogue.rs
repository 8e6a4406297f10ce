//! Certificates as people have them, good and bad, for TLS servers and their clients.
//!
//! Each name of [`AUTHORITIES`], [`SERVERS`] and [`CLIENTS`] is a certificate and a key. [`Pki::catalogue`] adds what is no
//! certificate: revocation lists, bundles, other forms of a key, bad files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::{Pki, Recipe};

/// The certificate that all clients like, and what the others differ from.
const GOOD: Recipe = Recipe {
    issuer: "root",
    subject: "/CN=localhost",
    extensions: "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1",
    key: "rsa",
    options: "",
};

const AUTHORITY: Recipe =
    Recipe { extensions: "basicConstraints=critical,CA:TRUE|subjectKeyIdentifier=hash", ..GOOD };

const AUTHORITIES: &[(&str, Recipe)] = &[
    ("root", Recipe { issuer: "", subject: "/CN=heimdall root", key: "RSA:2048", ..AUTHORITY }),
    ("other", Recipe { issuer: "", subject: "/CN=other root", key: "RSA:2048", ..AUTHORITY }),
    ("intermediate", Recipe { subject: "/CN=heimdall intermediate", key: "p256", ..AUTHORITY }),
    ("clients", Recipe { issuer: "", subject: "/CN=heimdall clients", key: "other", ..AUTHORITY }),
];

const SERVERS: &[(&str, Recipe)] = &[
    ("good", GOOD),
    // PostgreSQL documentation, "Creating Certificates": self-signed, where req adds CA:TRUE, …
    (
        "documented",
        Recipe {
            issuer: "",
            extensions: "subjectKeyIdentifier=hash|authorityKeyIdentifier=keyid:always|basicConstraints=critical,CA:TRUE",
            ..GOOD
        },
    ),
    // … and signed by a root of one's own, where x509 before OpenSSL 3.2 makes version 1.
    ("version_1", Recipe { extensions: "", ..GOOD }),
    ("self_signed", Recipe { issuer: "", extensions: "basicConstraints=CA:FALSE", ..GOOD }),
    ("other_authority", Recipe { issuer: "other", ..GOOD }),
    ("chained", Recipe { issuer: "intermediate", ..GOOD }),
    ("unchained", Recipe { issuer: "intermediate", ..GOOD }),
    ("issued_by_a_leaf", Recipe { issuer: "good", ..GOOD }),
    // Names.
    ("name_in_cn", Recipe { extensions: "basicConstraints=CA:FALSE", ..GOOD }),
    ("capitals", Recipe { extensions: "subjectAltName=DNS:LOCALHOST", ..GOOD }),
    ("wrong_host", Recipe { subject: "/CN=db.test", extensions: "subjectAltName=DNS:db.test", ..GOOD }),
    ("wrong_names", Recipe { extensions: "subjectAltName=DNS:a.test,DNS:b.test,DNS:c.test", ..GOOD }),
    ("wildcard", Recipe { subject: "/CN=x", extensions: "subjectAltName=DNS:*.example.test", ..GOOD }),
    (
        "wildcard_in_cn",
        Recipe { subject: "/CN=*.example.test", extensions: "basicConstraints=CA:FALSE", ..GOOD },
    ),
    ("half_wildcard", Recipe { extensions: "subjectAltName=DNS:a*.example.test", ..GOOD }),
    ("bare_wildcard", Recipe { extensions: "subjectAltName=DNS:*", ..GOOD }),
    ("ip_address", Recipe { subject: "/CN=x", extensions: "subjectAltName=IP:127.0.0.1,IP:::1", ..GOOD }),
    ("ip_in_cn", Recipe { subject: "/CN=127.0.0.1", extensions: "basicConstraints=CA:FALSE", ..GOOD }),
    (
        "ip_in_cn_beside_names",
        Recipe { subject: "/CN=127.0.0.1", extensions: "subjectAltName=DNS:db.test", ..GOOD },
    ),
    (
        "ip_in_cn_beside_addresses",
        Recipe { subject: "/CN=127.0.0.1", extensions: "subjectAltName=IP:10.0.0.1", ..GOOD },
    ),
    ("ip_as_name", Recipe { subject: "/CN=x", extensions: "subjectAltName=DNS:127.0.0.1", ..GOOD }),
    // CN is the host, and the only names are of another type.
    ("cn_beside_addresses", Recipe { extensions: "subjectAltName=IP:127.0.0.1", ..GOOD }),
    ("cn_beside_email", Recipe { extensions: "subjectAltName=email:dba@db.test", ..GOOD }),
    // dNSName "localhost\0.test" (CVE-2009-4034).
    (
        "nul_in_name",
        Recipe {
            extensions: "subjectAltName=DER:30:11:82:0f:6c:6f:63:61:6c:68:6f:73:74:00:2e:74:65:73:74",
            ..GOOD
        },
    ),
    // Time, purpose, trust.
    ("expired", Recipe { options: "-startdate 20200101000000Z -enddate 20210101000000Z", ..GOOD }),
    ("not_yet_valid", Recipe { options: "-startdate 20480101000000Z -enddate 20490101000000Z", ..GOOD }),
    ("revoked", GOOD),
    (
        "for_clients",
        Recipe { extensions: "subjectAltName=DNS:localhost|extendedKeyUsage=clientAuth", ..GOOD },
    ),
    (
        "for_servers",
        Recipe {
            extensions: "subjectAltName=DNS:localhost|extendedKeyUsage=serverAuth|keyUsage=critical,digitalSignature,keyEncipherment",
            ..GOOD
        },
    ),
    (
        "unknown_critical",
        Recipe { extensions: "subjectAltName=DNS:localhost|1.2.3.4=critical,DER:05:00", ..GOOD },
    ),
    // Algorithms.
    ("sha1", Recipe { options: "-md sha1", ..GOOD }),
    ("sha384", Recipe { options: "-md sha384", ..GOOD }),
    ("sha512", Recipe { options: "-md sha512", ..GOOD }),
    ("pss_sha256", Recipe { options: "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:-1", ..GOOD }),
    (
        "pss_sha512",
        Recipe { options: "-md sha512 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:-1", ..GOOD },
    ),
    ("pss_key", Recipe { key: "rsa_pss", ..GOOD }),
    ("p256", Recipe { key: "p256", ..GOOD }),
    ("p384", Recipe { issuer: "", key: "p384", options: "-md sha384", ..GOOD }),
    ("p521", Recipe { issuer: "", key: "p521", options: "-md sha512", ..AUTHORITY_AND_SERVER }),
    ("issued_by_p521", Recipe { issuer: "p521", options: "-md sha512", ..GOOD }),
    ("ed25519", Recipe { issuer: "", key: "ed25519", options: "-md null", ..GOOD }),
    ("rsa_1024", Recipe { key: "rsa_1024", ..GOOD }),
    ("version_1_ecdsa", Recipe { extensions: "", key: "p256", ..GOOD }),
];

const AUTHORITY_AND_SERVER: Recipe = Recipe {
    extensions: "basicConstraints=critical,CA:TRUE|subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1",
    ..GOOD
};

/// Whom `clients` vouches for, unless their name says otherwise.
const CLIENT: Recipe =
    Recipe { issuer: "clients", subject: "/CN=cert_user", extensions: "basicConstraints=CA:FALSE", ..GOOD };

const CLIENTS: &[(&str, Recipe)] = &[
    ("client", CLIENT),
    ("client_ec", Recipe { key: "p256", ..CLIENT }),
    ("client_p384", Recipe { key: "p384", ..CLIENT }),
    ("client_ed25519", Recipe { key: "ed25519", ..CLIENT }),
    ("client_version_1", Recipe { extensions: "", ..CLIENT }),
    ("client_somebody_else", Recipe { subject: "/CN=somebody else", ..CLIENT }),
    ("client_of_other_authority", Recipe { issuer: "root", ..CLIENT }),
    ("client_expired", Recipe { options: "-startdate 20200101000000Z -enddate 20210101000000Z", ..CLIENT }),
    ("client_authority", Recipe { key: "p384", ..AUTHORITY_OF_CLIENTS }),
    ("client_chained", Recipe { issuer: "client_authority", ..CLIENT }),
];

const AUTHORITY_OF_CLIENTS: Recipe =
    Recipe { issuer: "clients", subject: "/CN=heimdall clients' intermediate", ..AUTHORITY };

/// A name and a kind; many certificates share one, since RSA keys take their time.
const KEYS: &[(&str, &str)] = &[
    ("rsa", "RSA:2048"),
    ("rsa_1024", "RSA:1024"),
    ("rsa_pss", "RSA-PSS:2048"),
    ("p256", "EC:P-256"),
    ("p384", "EC:P-384"),
    ("p521", "EC:P-521"),
    ("ed25519", "ED25519"),
];

impl Pki {
    /// Fills an existing, empty folder with all of them.
    pub fn catalogue(folder: PathBuf) -> Self {
        let pki = Self::within(folder);
        pki.write("client.cnf", CLIENT_CONFIGURATION);
        for (name, kind) in KEYS {
            pki.key(name, kind);
        }
        for (name, recipe) in AUTHORITIES.iter().chain(SERVERS).chain(CLIENTS) {
            pki.issue(name, *recipe);
        }
        pki.revocation_lists();
        pki.bundles();
        pki.forms_of_keys();
        pki.bad_files();
        pki
    }

    /// The keys of all certificates that a server may present.
    pub fn server_keys(&self) -> impl Iterator<Item = PathBuf> {
        SERVERS.iter().map(|(name, _)| self.path(&format!("{name}.key")))
    }

    fn revocation_lists(&self) {
        self.revoke("revoked", "root");
        self.crl("root", "root", "");
        self.crl("other", "other", "");
        // Too old by the time that someone reads it.
        self.crl("expired", "root", "-crlsec 1");
    }

    fn bundles(&self) {
        self.join("chained.crt", &["chained.crt", "intermediate.crt"]);
        self.join("client_chained.crt", &["client_chained.crt", "client_authority.crt"]);
        self.join("bundle.crt", &["other.crt", "root.crt"]);
        self.join("root_and_intermediate.crt", &["root.crt", "intermediate.crt"]);
        // What people keep beside certificates: text, and a certificate that no one can read.
        let root = self.text("root.crt");
        self.write("annotated.crt", format!("our root\nCN=x\n\n{root}\nend\n"));
        self.write("half_broken.crt", format!("{root}{}", BROKEN_PEM.replace("X509 CRL", "CERTIFICATE")));
        self.write("with_windows_line_ends.crt", root.replace('\n', "\r\n"));
    }

    fn forms_of_keys(&self) {
        for (from, to, options) in [
            ("rsa", "rsa_pkcs1.key", "-traditional"),
            ("p256", "ec_sec1.key", "-traditional"),
            ("rsa", "rsa.der", "-outform DER"),
            ("p256", "ec.der", "-outform DER"),
            ("rsa", "encrypted.key", "-aes256 -passout pass:secret"),
            ("rsa", "encrypted_pkcs1.key", "-traditional -aes256 -passout pass:secret"),
        ] {
            self.openssl(&format!("pkey -in {from}.key {options} -out {to}"));
            self.set_mode(to, 0o600);
        }
        self.openssl("x509 -in client.crt -outform DER -out client_crt.der");
        let ec_parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
        self.write("ec_with_parameters.key", format!("{ec_parameters}{}", self.text("ec_sec1.key")));
        self.set_mode("ec_with_parameters.key", 0o600);
        self.copy("other.key", "mismatching.key", 0o600);
        self.copy("rsa.key", "group_readable.key", 0o640);
        self.copy("rsa.key", "world_readable.key", 0o644);
        self.copy("rsa.key", "group_writable.key", 0o660);
    }

    fn bad_files(&self) {
        for (name, text) in [
            ("empty", ""),
            ("garbage", "\x7fELF\x02\x01\x1b[31mnot a certificate"),
            ("broken", BROKEN_PEM),
            ("broken_crt", &BROKEN_PEM.replace("X509 CRL", "CERTIFICATE")),
            ("broken_key", &BROKEN_PEM.replace("X509 CRL", "PRIVATE KEY")),
        ] {
            self.write(name, text);
            self.set_mode(name, 0o600);
        }
        fs::create_dir(self.path("directory")).unwrap();
    }

    fn copy(&self, from: &str, to: &str, mode: u32) {
        self.write(to, self.read(from));
        self.set_mode(to, mode);
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    fn set_mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }
}

/// Base64 of bytes that are no DER.
const BROKEN_PEM: &str = "-----BEGIN X509 CRL-----\nAAAAAAAAAAAAAAAA\n-----END X509 CRL-----\n";

/// What OpenSSL, since 3.2 and in Debian's 1.1, asks of certificates where nothing else is configured.
const CLIENT_CONFIGURATION: &str = "
openssl_conf = everything
[everything]
ssl_conf = tls
[tls]
system_default = usual
[usual]
CipherString = DEFAULT@SECLEVEL=2
";

#[test]
fn every_certificate_is_what_its_name_says() {
    let pki = &crate::support::postgres::tls().pki;
    for (name, words) in [
        ("good", "Version: 3 "),
        ("version_1", "Version: 1 "),
        ("version_1_ecdsa", "Version: 1 "),
        ("documented", "CA:TRUE"),
        ("sha1", "Signature Algorithm: sha1WithRSAEncryption"),
        ("pss_sha256", "Signature Algorithm: rsassaPss"),
        ("pss_key", "Public Key Algorithm: rsassaPss"),
        ("p384", "Signature Algorithm: ecdsa-with-SHA384"),
        ("p521", "Signature Algorithm: ecdsa-with-SHA512"),
        ("ed25519", "Signature Algorithm: ED25519"),
        ("expired", "Not After : Jan  1 00:00:00 2021 GMT"),
        ("not_yet_valid", "Not Before: Jan  1 00:00:00 2048 GMT"),
        ("ip_address", "X509v3 Subject Alternative Name: \n                IP Address:127.0.0.1"),
    ] {
        let description = pki.describe(name);
        assert!(description.contains(words), "{name}: {description}");
    }
}
