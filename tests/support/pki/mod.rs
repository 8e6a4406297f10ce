//! Keys, certificates and revocation lists of all kinds, made by the openssl program (1.1.1 or later).

mod catalogue;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// A folder of them, gone when dropped. `NAME.crt` is a certificate, `NAME.key` its key.
pub struct Pki(PathBuf);

/// How a certificate is to be; the default is one of version 1, signed by itself, valid for a month.
#[derive(Clone, Copy, Default)]
pub struct Recipe<'a> {
    /// The certificate that issues it; `""`: itself.
    pub issuer: &'a str,
    /// As `/CN=db`; `""`: `/CN=` and its name.
    pub subject: &'a str,
    /// Lines of `man x509v3_config`, separated by `|`. `""`: none, which makes it one of version 1.
    pub extensions: &'a str,
    /// As in `openssl genpkey`: `EC:P-256` (also if `""`), `RSA:2048`, `ED25519`. Or the name of a key that is there already.
    pub key: &'a str,
    /// More for `openssl ca`: `-md sha1`, `-startdate 20200101000000Z`.
    pub options: &'a str,
}

/// What an authority's certificate says.
pub const CA: &str = "basicConstraints=critical,CA:TRUE|keyUsage=keyCertSign,cRLSign";

impl Pki {
    /// An empty folder; `name` tells it from others of this process.
    pub fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("heimdall-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self::within(folder)
    }

    /// Takes an existing, empty folder.
    pub fn within(folder: PathBuf) -> Self {
        let pki = Self(folder);
        pki.write(CONFIGURATION_FILE, CONFIGURATION);
        pki.write("index.txt", "");
        pki.write("serial", "01");
        pki
    }

    /// Where the file of this name is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    /// Reads a file.
    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Makes `NAME.key`, a PKCS#8 key.
    pub fn key(&self, name: &str, kind: &str) {
        let (algorithm, detail) = kind.split_once(':').unwrap_or((kind, ""));
        let option = match algorithm {
            "EC" => format!("-pkeyopt ec_paramgen_curve:{detail}"),
            "RSA" | "RSA-PSS" => format!("-pkeyopt rsa_keygen_bits:{detail}"),
            _ => String::new(),
        };
        self.openssl(&format!("genpkey -algorithm {algorithm} {option} -out {name}.key"));
    }

    /// Makes `NAME.crt`, and `NAME.key` if there is none yet.
    pub fn issue(&self, name: &str, recipe: Recipe<'_>) {
        let Recipe { issuer, subject, extensions, key, options } = recipe;
        let (own, other) = (self.path(&format!("{name}.key")), self.path(&format!("{key}.key")));
        if !own.exists() && other.exists() {
            // With its permissions.
            fs::copy(other, own).unwrap();
        } else if !own.exists() {
            self.key(name, if key.is_empty() { "EC:P-256" } else { key });
        }
        let subject = if subject.is_empty() { format!("/CN={name}") } else { subject.to_owned() };
        self.run("req", &format!("-new -key {name}.key -out {name}.csr"), &["-subj", &subject]);
        let by = match issuer {
            "" => format!("-selfsign -keyfile {name}.key"),
            issuer => format!("-cert {issuer}.crt -keyfile {issuer}.key"),
        };
        self.write("extensions.cnf", extensions.replace('|', "\n"));
        let extfile = if extensions.is_empty() { "" } else { "-extfile extensions.cnf" };
        let days = if options.contains("-enddate") { "" } else { "-days 30" };
        let files = format!("-in {name}.csr -out {name}.crt");
        self.openssl(&format!("ca -batch -notext {by} {extfile} {days} {options} {files}"));
        if extensions.is_empty() && !self.describe(name).contains("Version: 1 ") {
            self.issue_version_1(name, recipe);
        }
    }

    /// Since OpenSSL 3.2 this alone makes them.
    fn issue_version_1(&self, name: &str, recipe: Recipe<'_>) {
        assert_eq!(recipe.options, "", "{name}: not with this command");
        let by = match recipe.issuer {
            "" => format!("-key {name}.key"),
            issuer => format!("-CA {issuer}.crt -CAkey {issuer}.key"),
        };
        self.openssl(&format!("req -x509 -x509v1 {by} -days 30 -sha256 -in {name}.csr -out {name}.crt"));
    }

    /// Makes `NAME.crl`, the list of what `issuer` has revoked.
    pub fn crl(&self, name: &str, issuer: &str, options: &str) {
        self.openssl(&format!(
            "ca -gencrl -cert {issuer}.crt -keyfile {issuer}.key {options} -out {name}.crl"
        ));
    }

    /// Puts a certificate on the next lists.
    pub fn revoke(&self, name: &str, issuer: &str) {
        self.openssl(&format!("ca -revoke {name}.crt -cert {issuer}.crt -keyfile {issuer}.key"));
    }

    /// Makes one file of several; returns where it is.
    pub fn join(&self, name: &str, parts: &[&str]) -> PathBuf {
        let content: Vec<u8> = parts.iter().flat_map(|part| self.read(part)).collect();
        self.write(name, content)
    }

    /// What `openssl x509 -text` says of a certificate.
    pub fn describe(&self, name: &str) -> String {
        self.openssl(&format!("x509 -noout -text -in {name}.crt"))
    }

    /// Runs openssl in this folder, and returns what it prints; its arguments have no spaces.
    pub fn openssl(&self, arguments: &str) -> String {
        let (command, rest) = arguments.split_once(' ').unwrap();
        self.run(command, rest, &[])
    }

    /// Whether `openssl verify` is content.
    pub fn verify(&self, arguments: &str) -> bool {
        let mut command = Command::new("openssl");
        command.current_dir(&self.0).arg("verify").args(arguments.split_whitespace());
        command.output().expect(NEEDED).status.success()
    }

    fn run(&self, command: &str, arguments: &str, more: &[&str]) -> String {
        let output = Command::new("openssl")
            .current_dir(&self.0)
            .env("OPENSSL_CONF", CONFIGURATION_FILE)
            .arg(command)
            .args(arguments.split_whitespace())
            .args(more)
            .output()
            .expect(NEEDED);
        assert!(
            output.status.success(),
            "openssl {command} {arguments}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Pki {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const NEEDED: &str = "these tests need the program openssl; make deps installs it";

const CONFIGURATION_FILE: &str = "openssl.cnf";

/// For `openssl ca`, which alone of all versions' commands makes certificates of any date.
const CONFIGURATION: &str = "\
[req]
distinguished_name = name
[name]
[ca]
default_ca = us
[us]
database = index.txt
serial = serial
new_certs_dir = .
unique_subject = no
default_md = sha256
default_crl_days = 30
preserve = yes
policy = any
[any]
commonName = optional
organizationName = optional
";
