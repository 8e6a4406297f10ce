//! Certificates as people have them, good and bad, made by the `openssl` command line (1.1.1 or later).
//!
//! Each `NAME` of [`SERVERS`] and [`CLIENTS`] is a `NAME.crt` and a `NAME.key`; each of [`AUTHORITIES`] too.
//! [`Certificates::make`] adds what is no certificate: revocation lists, bundles, other forms of a key, bad files.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A directory full of them.
pub struct Certificates {
    place: PathBuf,
}

/// How a certificate is made.
struct Recipe {
    name: &'static str,
    /// The name of an authority, or of the certificate itself, which is then self-signed.
    issuer: &'static str,
    common_name: &'static str,
    /// As in `man 5 x509v3_config`, `;` for the end of a line; empty for an X.509 v1 certificate.
    extensions: &'static str,
    /// One of [`KEYS`].
    key: &'static str,
    /// The message digest of the signature.
    digest: &'static str,
    /// Whether the signature is RSA-PSS.
    pss: bool,
    /// Valid from when to when, if it isn't now.
    dates: Option<[&'static str; 2]>,
}

/// The certificate that all clients like, and what the others differ from.
const GOOD: Recipe = Recipe {
    name: "good",
    issuer: "root",
    common_name: "localhost",
    extensions: "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1",
    key: "rsa",
    digest: "sha256",
    pss: false,
    dates: None,
};

const AUTHORITY: Recipe =
    Recipe { extensions: "basicConstraints=critical,CA:TRUE;subjectKeyIdentifier=hash", ..GOOD };

const AUTHORITIES: &[Recipe] = &[
    Recipe { name: "root", issuer: "root", common_name: "heimdall root", key: "root", ..AUTHORITY },
    Recipe { name: "other", issuer: "other", common_name: "other root", key: "other", ..AUTHORITY },
    Recipe { name: "intermediate", common_name: "heimdall intermediate", key: "p256", ..AUTHORITY },
    Recipe { name: "clients", issuer: "clients", common_name: "heimdall clients", key: "other", ..AUTHORITY },
];

const SERVERS: &[Recipe] = &[
    GOOD,
    // PostgreSQL documentation, "Creating Certificates": self-signed, where req adds CA:TRUE, …
    Recipe {
        name: "documented",
        issuer: "documented",
        extensions: "subjectKeyIdentifier=hash;authorityKeyIdentifier=keyid:always;\
                     basicConstraints=critical,CA:TRUE",
        ..GOOD
    },
    // … and signed by a root of one's own, where x509 before OpenSSL 3.2 makes version 1.
    Recipe { name: "version_1", extensions: "", ..GOOD },
    Recipe { name: "self_signed", issuer: "self_signed", extensions: "basicConstraints=CA:FALSE", ..GOOD },
    Recipe { name: "other_authority", issuer: "other", ..GOOD },
    Recipe { name: "chained", issuer: "intermediate", ..GOOD },
    Recipe { name: "unchained", issuer: "intermediate", ..GOOD },
    Recipe { name: "issued_by_a_leaf", issuer: "good", ..GOOD },
    // Names.
    Recipe { name: "name_in_cn", extensions: "basicConstraints=CA:FALSE", ..GOOD },
    Recipe { name: "capitals", extensions: "subjectAltName=DNS:LOCALHOST", ..GOOD },
    Recipe { name: "wrong_host", common_name: "db.test", extensions: "subjectAltName=DNS:db.test", ..GOOD },
    Recipe { name: "wrong_names", extensions: "subjectAltName=DNS:a.test,DNS:b.test,DNS:c.test", ..GOOD },
    Recipe { name: "wildcard", common_name: "x", extensions: "subjectAltName=DNS:*.example.test", ..GOOD },
    Recipe {
        name: "wildcard_in_cn",
        common_name: "*.example.test",
        extensions: "basicConstraints=CA:FALSE",
        ..GOOD
    },
    Recipe { name: "half_wildcard", extensions: "subjectAltName=DNS:a*.example.test", ..GOOD },
    Recipe { name: "bare_wildcard", extensions: "subjectAltName=DNS:*", ..GOOD },
    Recipe { name: "ip_address", common_name: "x", extensions: "subjectAltName=IP:127.0.0.1,IP:::1", ..GOOD },
    Recipe { name: "ip_in_cn", common_name: "127.0.0.1", extensions: "basicConstraints=CA:FALSE", ..GOOD },
    Recipe {
        name: "ip_in_cn_beside_names",
        common_name: "127.0.0.1",
        extensions: "subjectAltName=DNS:db.test",
        ..GOOD
    },
    Recipe {
        name: "ip_in_cn_beside_addresses",
        common_name: "127.0.0.1",
        extensions: "subjectAltName=IP:10.0.0.1",
        ..GOOD
    },
    Recipe { name: "ip_as_name", common_name: "x", extensions: "subjectAltName=DNS:127.0.0.1", ..GOOD },
    // CN is the host, and the only names are of another type.
    Recipe { name: "cn_beside_addresses", extensions: "subjectAltName=IP:127.0.0.1", ..GOOD },
    Recipe { name: "cn_beside_email", extensions: "subjectAltName=email:dba@db.test", ..GOOD },
    // dNSName "localhost\0.test" (CVE-2009-4034).
    Recipe {
        name: "nul_in_name",
        extensions: "subjectAltName=DER:30:11:82:0f:6c:6f:63:61:6c:68:6f:73:74:00:2e:74:65:73:74",
        ..GOOD
    },
    // Time, purpose, trust.
    Recipe { name: "expired", dates: Some(["20200101000000Z", "20210101000000Z"]), ..GOOD },
    Recipe { name: "not_yet_valid", dates: Some(["20480101000000Z", "20490101000000Z"]), ..GOOD },
    Recipe { name: "revoked", ..GOOD },
    Recipe {
        name: "for_clients",
        extensions: "subjectAltName=DNS:localhost;extendedKeyUsage=clientAuth",
        ..GOOD
    },
    Recipe {
        name: "for_servers",
        extensions: "subjectAltName=DNS:localhost;extendedKeyUsage=serverAuth;\
                     keyUsage=critical,digitalSignature,keyEncipherment",
        ..GOOD
    },
    Recipe {
        name: "unknown_critical",
        extensions: "subjectAltName=DNS:localhost;1.2.3.4=critical,DER:05:00",
        ..GOOD
    },
    // Algorithms.
    Recipe { name: "sha1", digest: "sha1", ..GOOD },
    Recipe { name: "sha384", digest: "sha384", ..GOOD },
    Recipe { name: "sha512", digest: "sha512", ..GOOD },
    Recipe { name: "pss_sha256", pss: true, ..GOOD },
    Recipe { name: "pss_sha512", pss: true, digest: "sha512", ..GOOD },
    Recipe { name: "pss_key", key: "rsa_pss", ..GOOD },
    Recipe { name: "p256", key: "p256", ..GOOD },
    Recipe { name: "p384", issuer: "p384", key: "p384", digest: "sha384", ..GOOD },
    Recipe { name: "p521", issuer: "p521", key: "p521", digest: "sha512", ..AUTHORITY_AND_SERVER },
    Recipe { name: "issued_by_p521", issuer: "p521", digest: "sha512", ..GOOD },
    Recipe { name: "ed25519", issuer: "ed25519", key: "ed25519", digest: "null", ..GOOD },
    Recipe { name: "rsa_1024", key: "rsa_1024", ..GOOD },
    Recipe { name: "version_1_ecdsa", key: "p256", extensions: "", ..GOOD },
];

const AUTHORITY_AND_SERVER: Recipe = Recipe {
    extensions: "basicConstraints=critical,CA:TRUE;subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1",
    ..GOOD
};

/// Whom `clients` vouches for, unless their name says otherwise.
const CLIENT: Recipe = Recipe {
    name: "client",
    issuer: "clients",
    common_name: "cert_user",
    extensions: "basicConstraints=CA:FALSE",
    key: "rsa",
    ..GOOD
};

const CLIENTS: &[Recipe] = &[
    CLIENT,
    Recipe { name: "client_ec", key: "p256", ..CLIENT },
    Recipe { name: "client_p384", key: "p384", ..CLIENT },
    Recipe { name: "client_ed25519", key: "ed25519", ..CLIENT },
    Recipe { name: "client_version_1", extensions: "", ..CLIENT },
    Recipe { name: "client_somebody_else", common_name: "somebody else", ..CLIENT },
    Recipe { name: "client_of_other_authority", issuer: "root", ..CLIENT },
    Recipe { name: "client_expired", dates: Some(["20200101000000Z", "20210101000000Z"]), ..CLIENT },
    Recipe { name: "client_authority", key: "p384", ..AUTHORITY_OF_CLIENTS },
    Recipe { name: "client_chained", issuer: "client_authority", ..CLIENT },
];

const AUTHORITY_OF_CLIENTS: Recipe =
    Recipe { issuer: "clients", common_name: "heimdall clients' intermediate", ..AUTHORITY };

/// A name, and what `openssl genpkey` is told; many certificates share one, since RSA keys take their time.
const KEYS: &[(&str, &str)] = &[
    ("root", "-algorithm RSA -pkeyopt rsa_keygen_bits:2048"),
    ("other", "-algorithm RSA -pkeyopt rsa_keygen_bits:2048"),
    ("rsa", "-algorithm RSA -pkeyopt rsa_keygen_bits:2048"),
    ("rsa_1024", "-algorithm RSA -pkeyopt rsa_keygen_bits:1024"),
    ("rsa_pss", "-algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048"),
    ("p256", "-algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:named_curve"),
    ("p384", "-algorithm EC -pkeyopt ec_paramgen_curve:P-384 -pkeyopt ec_param_enc:named_curve"),
    ("p521", "-algorithm EC -pkeyopt ec_paramgen_curve:P-521 -pkeyopt ec_param_enc:named_curve"),
    ("ed25519", "-algorithm ED25519"),
];

impl Certificates {
    /// Fills an existing directory.
    pub fn make(place: &Path) -> Self {
        let made = Self { place: place.to_owned() };
        made.write("openssl.cnf", CONFIGURATION);
        made.write("index.txt", "");
        made.write("client.cnf", CLIENT_CONFIGURATION);
        for (name, options) in KEYS {
            made.openssl(&format!("genpkey {options} -out {name}.pem"));
            made.openssl(&format!("req -new -key {name}.pem -subj /CN=x -out {name}.csr"));
        }
        for recipe in AUTHORITIES.iter().chain(SERVERS).chain(CLIENTS) {
            made.issue(recipe);
        }
        made.revocation_lists();
        made.bundles();
        made.forms_of_keys();
        made.bad_files();
        made
    }

    /// Where a file is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.place.join(name)
    }

    /// The names of all certificates that a server may present.
    pub fn servers() -> impl Iterator<Item = &'static str> {
        SERVERS.iter().map(|recipe| recipe.name)
    }

    fn issue(&self, recipe: &Recipe) {
        let Recipe { name, issuer, key, digest, .. } = recipe;
        self.copy(&format!("{key}.pem"), &format!("{name}.key"), 0o600);
        if recipe.extensions.is_empty() {
            return self.issue_version_1(recipe);
        }
        self.write(&format!("{name}.ext"), &recipe.extensions.replace(';', "\n"));
        let dates = match recipe.dates {
            Some([start, end]) => format!("-startdate {start} -enddate {end}"),
            None => "-days 30".to_owned(),
        };
        let by = if issuer == name {
            format!("-selfsign -keyfile {name}.key")
        } else {
            format!("-cert {issuer}.crt -keyfile {issuer}.key")
        };
        let padding =
            if recipe.pss { " -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:-1" } else { "" };
        let command = format!(
            "ca -batch -notext -in {key}.csr -extfile {name}.ext -out {name}.crt {dates} {by} -md {digest}{padding}"
        );
        self.run(command.split(' ').chain(["-subj", &format!("/CN={}", recipe.common_name)]));
    }

    /// Without extensions `x509` makes version 1 of itself; since OpenSSL 3.2 only `req` does, when told to.
    fn issue_version_1(&self, recipe: &Recipe) {
        let Recipe { name, issuer, key, .. } = recipe;
        let subject = format!("/CN={}", recipe.common_name);
        let authority = format!("-CA {issuer}.crt -CAkey {issuer}.key -days 30 -sha256 -out {name}.crt");
        self.run(format!("req -new -key {key}.pem -out {name}.csr -subj").split(' ').chain([&*subject]));
        self.openssl(&format!("x509 -req -in {name}.csr -CAcreateserial {authority}"));
        if !self.describe(name).contains("Version: 1 ") {
            self.openssl(&format!("req -x509 -x509v1 -in {name}.csr {authority}"));
        }
    }

    fn revocation_lists(&self) {
        self.openssl("ca -revoke revoked.crt -cert root.crt -keyfile root.key");
        self.openssl("ca -gencrl -cert root.crt -keyfile root.key -out root.crl");
        self.openssl("ca -gencrl -cert other.crt -keyfile other.key -out other.crl");
        // Too old by the time that somebody reads it.
        self.openssl("ca -gencrl -cert root.crt -keyfile root.key -crlsec 1 -out expired.crl");
    }

    fn bundles(&self) {
        self.join(&["chained.crt", "intermediate.crt"], "chained.crt");
        self.join(&["client_chained.crt", "client_authority.crt"], "client_chained.crt");
        self.join(&["other.crt", "root.crt"], "bundle.crt");
        self.join(&["root.crt", "intermediate.crt"], "root_and_intermediate.crt");
        // What people keep beside certificates: text, and a certificate that nobody can read.
        let root = self.read("root.crt");
        self.write("annotated.crt", &format!("our root\nCN=x\n\n{root}\nend\n"));
        self.write("half_broken.crt", &format!("{root}{}", BROKEN_PEM.replace("X509 CRL", "CERTIFICATE")));
        self.write("with_windows_line_ends.crt", &root.replace('\n', "\r\n"));
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
            self.openssl(&format!("pkey -in {from}.pem {options} -out {to}"));
            self.set_mode(to, 0o600);
        }
        self.openssl("x509 -in client.crt -outform DER -out client_crt.der");
        let ec_parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
        self.write("ec_with_parameters.key", &format!("{ec_parameters}{}", self.read("ec_sec1.key")));
        self.set_mode("ec_with_parameters.key", 0o600);
        self.copy("other.pem", "mismatching.key", 0o600);
        self.copy("rsa.pem", "group_readable.key", 0o640);
        self.copy("rsa.pem", "world_readable.key", 0o644);
        self.copy("rsa.pem", "group_writable.key", 0o660);
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

    /// What `openssl x509 -text` says of a certificate.
    fn describe(&self, name: &str) -> String {
        self.openssl(&format!("x509 -noout -text -in {name}.crt"))
    }

    fn openssl(&self, command: &str) -> String {
        self.run(command.split(' '))
    }

    fn run(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> String {
        let mut command = Command::new("openssl");
        command.args(arguments).current_dir(&self.place).env("OPENSSL_CONF", self.path("openssl.cnf"));
        let output = command.output().expect("these tests need the openssl command");
        assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn join(&self, from: &[&str], to: &str) {
        let text: String = from.iter().map(|name| self.read(name)).collect();
        self.write(to, &text);
    }

    fn copy(&self, from: &str, to: &str, mode: u32) {
        self.write(to, &self.read(from));
        self.set_mode(to, mode);
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn set_mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }
}

/// Base64 of bytes that are no DER.
const BROKEN_PEM: &str = "-----BEGIN X509 CRL-----\nAAAAAAAAAAAAAAAA\n-----END X509 CRL-----\n";

/// For `openssl ca`, which alone of all versions' commands makes certificates of any date.
const CONFIGURATION: &str = "
[req]
distinguished_name = nothing
[nothing]
[ca]
default_ca = authority
[authority]
database = index.txt
new_certs_dir = .
rand_serial = yes
unique_subject = no
default_md = sha256
default_crl_days = 30
policy = anything
[anything]
commonName = supplied
";

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
    let certificates = &super::postgres::tls().certificates;
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
        assert!(certificates.describe(name).contains(words), "{name}: {}", certificates.describe(name));
    }
}
