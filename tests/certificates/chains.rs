//! Which chains are trusted: those that OpenSSL trusts, asked of it here too.

use heimdall::conninfo::SslMode;

use super::{config, connect, explicit, trusting};
use crate::support::pki::{CA, Pki, Recipe};

/// A server's certificate `db.crt`, what it sends, whom the client trusts, and what comes of it.
struct Case {
    name: &'static str,
    db: Recipe<'static>,
    /// Sent behind `db.crt`.
    sent: &'static [&'static str],
    roots: &'static [&'static str],
    /// `""`: it is trusted.
    fault: &'static str,
}

const DB: Recipe = Recipe { issuer: "root", subject: "", extensions: SAN, key: "", options: "" };
const SAN: &str = "subjectAltName=DNS:db";
const CASE: Case = Case { name: "", db: DB, sent: &[], roots: &["root"], fault: "" };

const CASES: &[Case] = &[
    Case { name: "issued by the root", ..CASE },
    Case { name: "version 1", db: Recipe { extensions: "", ..DB }, ..CASE },
    Case {
        name: "version 1 below an intermediate",
        db: Recipe { extensions: "", issuer: "between", ..DB },
        sent: &["between"],
        ..CASE
    },
    Case { name: "an authority's", db: Recipe { extensions: "basicConstraints=CA:TRUE", ..DB }, ..CASE },
    Case {
        name: "its own root, an authority",
        db: Recipe { issuer: "", extensions: "basicConstraints=critical,CA:TRUE", ..DB },
        roots: &["db"],
        ..CASE
    },
    Case { name: "its own root", db: Recipe { issuer: "", ..DB }, roots: &["db"], ..CASE },
    Case {
        name: "its own root of version 1",
        db: Recipe { issuer: "", extensions: "", ..DB },
        roots: &["root", "db"],
        ..CASE
    },
    Case {
        name: "its own, not trusted",
        db: Recipe { issuer: "", ..DB },
        fault: "self-signed certificate",
        ..CASE
    },
    Case {
        name: "trusted itself, but not self-issued",
        roots: &["db"],
        fault: "unable to get local issuer certificate",
        ..CASE
    },
    Case { name: "intermediate sent", db: Recipe { issuer: "between", ..DB }, sent: &["between"], ..CASE },
    Case {
        name: "intermediate in the root file",
        db: Recipe { issuer: "between", ..DB },
        roots: &["between", "root"],
        ..CASE
    },
    Case {
        name: "intermediate missing",
        db: Recipe { issuer: "between", ..DB },
        fault: "unable to get local issuer certificate",
        ..CASE
    },
    Case {
        name: "a lone intermediate in the root file",
        db: Recipe { issuer: "between", ..DB },
        sent: &["between"],
        roots: &["between"],
        fault: "unable to get local issuer certificate",
    },
    Case {
        name: "root sent, not trusted",
        sent: &["root"],
        roots: &["other"],
        fault: "self-signed certificate in certificate chain",
        ..CASE
    },
    Case {
        name: "wrong authority",
        roots: &["other"],
        fault: "unable to get local issuer certificate",
        ..CASE
    },
    Case {
        name: "an authority of the same name",
        roots: &["impostor"],
        fault: "unable to get local issuer certificate",
        ..CASE
    },
    Case { name: "one of several roots", roots: &["other", "impostor", "root"], ..CASE },
    Case {
        name: "expired",
        db: Recipe { options: "-startdate 20200101000000Z -enddate 20210101000000Z", ..DB },
        fault: "certificate has expired",
        ..CASE
    },
    Case {
        name: "not yet valid",
        db: Recipe { options: "-startdate 20900101000000Z -enddate 20910101000000Z", ..DB },
        fault: "certificate is not yet valid",
        ..CASE
    },
    Case {
        name: "below an expired root",
        db: Recipe { issuer: "expired", ..DB },
        roots: &["expired"],
        fault: "certificate has expired",
        ..CASE
    },
    Case {
        name: "its own root, expired",
        db: Recipe { issuer: "", options: "-startdate 20200101000000Z -enddate 20210101000000Z", ..DB },
        roots: &["db"],
        fault: "certificate has expired",
        ..CASE
    },
    Case {
        name: "issued by a server",
        db: Recipe { issuer: "server", ..DB },
        sent: &["server"],
        fault: "invalid CA certificate",
        ..CASE
    },
    Case {
        name: "issued by a certificate of version 1",
        db: Recipe { issuer: "v1", ..DB },
        sent: &["v1"],
        fault: "invalid CA certificate",
        ..CASE
    },
    Case {
        name: "below a root of version 1",
        db: Recipe { issuer: "v1root", ..DB },
        roots: &["v1root"],
        ..CASE
    },
    Case {
        name: "below a root that is none",
        db: Recipe { issuer: "noroot", ..DB },
        roots: &["noroot"],
        fault: "invalid CA certificate",
        ..CASE
    },
    Case {
        name: "below an authority that may not sign",
        db: Recipe { issuer: "mute", ..DB },
        sent: &["mute"],
        fault: "invalid CA certificate",
        ..CASE
    },
    Case {
        name: "more authorities than allowed",
        db: Recipe { issuer: "below", ..DB },
        sent: &["below", "last"],
        fault: "path length constraint exceeded",
        ..CASE
    },
    Case {
        name: "as many authorities as allowed",
        db: Recipe { issuer: "last", ..DB },
        sent: &["last"],
        ..CASE
    },
    Case {
        name: "for clients",
        db: Recipe { extensions: "extendedKeyUsage=clientAuth", ..DB },
        fault: "unsuitable certificate purpose",
        ..CASE
    },
    Case {
        name: "for servers and clients",
        db: Recipe { extensions: "extendedKeyUsage=clientAuth,serverAuth|keyUsage=digitalSignature", ..DB },
        ..CASE
    },
    Case {
        name: "below an authority for clients",
        db: Recipe { issuer: "clients", ..DB },
        sent: &["clients"],
        fault: "unsuitable certificate purpose",
        ..CASE
    },
    Case {
        name: "for signing lists",
        db: Recipe { extensions: "keyUsage=cRLSign", ..DB },
        fault: "unsuitable certificate purpose",
        ..CASE
    },
    Case {
        name: "unknown critical extension",
        db: Recipe { extensions: "1.2.3.4=critical,DER:0500", ..DB },
        fault: "unhandled critical extension",
        ..CASE
    },
    Case { name: "unknown extension", db: Recipe { extensions: "1.2.3.4=DER:0500", ..DB }, ..CASE },
    Case {
        name: "within the names of its authority",
        db: Recipe { issuer: "limited", extensions: "subjectAltName=DNS:a.example.com,IP:10.1.2.3", ..DB },
        sent: &["limited"],
        ..CASE
    },
    Case {
        name: "a name beyond those of its authority",
        db: Recipe { issuer: "limited", extensions: "subjectAltName=DNS:notexample.com", ..DB },
        sent: &["limited"],
        fault: "permitted subtree violation",
        ..CASE
    },
    Case {
        name: "a common name beyond those of its authority",
        db: Recipe { issuer: "limited", extensions: "", subject: "/CN=example.org", ..DB },
        sent: &["limited"],
        fault: "permitted subtree violation",
        ..CASE
    },
    Case {
        name: "a name that its authority may not issue for",
        db: Recipe { issuer: "limited", extensions: "subjectAltName=DNS:secret.example.com", ..DB },
        sent: &["limited"],
        fault: "excluded subtree violation",
        ..CASE
    },
    Case {
        name: "an address beyond those of its authority",
        db: Recipe { issuer: "limited", extensions: "subjectAltName=DNS:example.com,IP:11.1.2.3", ..DB },
        sent: &["limited"],
        fault: "permitted subtree violation",
        ..CASE
    },
    Case { name: "RSA", db: Recipe { key: "RSA:2048", issuer: "rsa", ..DB }, roots: &["rsa"], ..CASE },
    Case { name: "P-384", db: Recipe { key: "EC:P-384", ..DB }, ..CASE },
    Case {
        name: "Ed25519",
        db: Recipe { key: "ED25519", issuer: "ed25519", ..DB },
        roots: &["ed25519"],
        ..CASE
    },
    Case { name: "SHA-384", db: Recipe { options: "-md sha384", ..DB }, ..CASE },
    Case {
        name: "RSA with SHA-512",
        db: Recipe { issuer: "rsa", options: "-md sha512", ..DB },
        roots: &["rsa"],
        ..CASE
    },
    Case {
        name: "RSA-PSS",
        db: Recipe {
            issuer: "rsa",
            options: "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32",
            ..DB
        },
        roots: &["rsa"],
        ..CASE
    },
    Case {
        name: "SHA-1",
        db: Recipe { issuer: "rsa", options: "-md sha1", ..DB },
        roots: &["rsa"],
        fault: "signature algorithm too weak or not supported",
        ..CASE
    },
    Case {
        name: "its own root with SHA-1",
        db: Recipe { issuer: "", options: "-md sha1", ..DB },
        roots: &["db"],
        ..CASE
    },
    Case {
        name: "a root with SHA-3",
        db: Recipe { issuer: "sha3", options: "-md sha256", ..DB },
        roots: &["sha3"],
        ..CASE
    },
    Case {
        name: "below a short RSA key",
        db: Recipe { issuer: "short", ..DB },
        roots: &["short"],
        fault: "certificate key too weak",
        ..CASE
    },
];

/// The authorities and others that issue the cases' certificates.
fn issuers(pki: &Pki) {
    let ca = Recipe { extensions: CA, ..Recipe::default() };
    let below_root = Recipe { issuer: "root", ..ca };
    pki.issue("root", ca);
    for (name, wanted) in [
        ("other", ca),
        ("impostor", Recipe { subject: "/CN=root", ..ca }),
        ("rsa", Recipe { key: "RSA:2048", ..ca }),
        ("sha3", Recipe { key: "RSA:2048", options: "-md sha3-256", ..ca }),
        ("short", Recipe { key: "RSA:1024", ..ca }),
        ("ed25519", Recipe { key: "ED25519", options: "-md null", ..ca }),
        ("expired", Recipe { options: "-startdate 20200101000000Z -enddate 20210101000000Z", ..ca }),
        ("v1root", Recipe { extensions: "", ..ca }),
        ("noroot", Recipe { extensions: "basicConstraints=CA:FALSE", ..ca }),
        ("between", below_root),
        ("server", Recipe { extensions: SAN, ..below_root }),
        ("v1", Recipe { extensions: "", ..below_root }),
        ("mute", Recipe { extensions: "basicConstraints=CA:TRUE|keyUsage=cRLSign", ..below_root }),
        ("last", Recipe { extensions: "basicConstraints=CA:TRUE,pathlen:0", ..below_root }),
        ("below", Recipe { issuer: "last", ..ca }),
        (
            "clients",
            Recipe { extensions: "basicConstraints=CA:TRUE|extendedKeyUsage=clientAuth", ..below_root },
        ),
        ("limited", Recipe { extensions: LIMITED, ..below_root }),
    ] {
        pki.issue(name, wanted);
    }
}

const LIMITED: &str = "basicConstraints=CA:TRUE|nameConstraints=critical,permitted;DNS:example.com,permitted;IP:10.0.0.0/255.0.0.0,excluded;DNS:secret.example.com";

#[test]
fn a_chain_is_trusted_where_openssl_trusts_it() {
    let pki = Pki::new("chains");
    issuers(&pki);
    for case in CASES {
        let name = case.name;
        let _ = std::fs::remove_file(pki.path("db.key"));
        pki.issue("db", case.db);
        let files = |names: &[&str]| names.iter().map(|name| format!("{name}.crt")).collect::<Vec<_>>();
        let join = |file: &str, names: &[String]| {
            pki.join(file, &names.iter().map(String::as_str).collect::<Vec<_>>());
        };
        join("sent.pem", &files(case.sent));
        join("chain.pem", &[files(&["db"]), files(case.sent)].concat());
        join("roots.pem", &files(case.roots));

        let verified =
            connect(&trusting(SslMode::VerifyCa, &pki, "roots.pem"), Some("x"), &pki, "chain.pem", "db");
        let expected = if case.fault.is_empty() {
            Ok(())
        } else {
            let roots = pki.path("roots.pem");
            Err(format!(
                "SSL error: certificate verify failed: {} (root certificate file \"{}\")",
                case.fault,
                roots.display()
            ))
        };
        assert_eq!(verified, expected, "{name}");
        let openssl = "-no-CAstore -no-CApath -purpose sslserver -auth_level 2 -CAfile roots.pem";
        let sent = if case.sent.is_empty() { "" } else { "-untrusted sent.pem" };
        assert_eq!(pki.verify(&format!("{openssl} {sent} db.crt")), expected.is_ok(), "openssl: {name}");

        // With no roots all of them will do: libpq asks OpenSSL not to verify.
        let unverified = connect(&config(SslMode::Require), Some("x"), &pki, "chain.pem", "db");
        assert_eq!(unverified, Ok(()), "{name}, not verified");
    }
}

#[test]
fn what_an_issuer_has_revoked_is_refused_and_every_issuer_needs_a_list() {
    let pki = Pki::new("revocation");
    let ca = Recipe { extensions: CA, ..Recipe::default() };
    pki.issue("root", ca);
    pki.issue("between", Recipe { issuer: "root", ..ca });
    pki.issue("good", Recipe { issuer: "between", extensions: SAN, ..Recipe::default() });
    pki.issue("bad", Recipe { issuer: "between", extensions: SAN, ..Recipe::default() });
    pki.crl("root", "root", "");
    pki.crl("old", "between", "-crl_lastupdate 20200101000000Z -crl_nextupdate 20200102000000Z");
    pki.crl("early", "between", "-crl_lastupdate 20900101000000Z -crl_nextupdate 20910102000000Z");
    pki.crl("before", "between", "-crl_lastupdate 20200101000000Z -crl_nextupdate 20900101000000Z");
    pki.revoke("bad", "between");
    pki.crl("between", "between", "");
    for (server, lists, expected) in [
        ("good", &["root.crl", "between.crl"][..], ""),
        ("bad", &["root.crl", "between.crl"], "certificate revoked"),
        ("bad", &["root.crl", "before.crl"], ""),
        ("bad", &["root.crl", "before.crl", "between.crl"], "certificate revoked"),
        ("good", &["between.crl"], "unable to get certificate CRL"),
        ("good", &["root.crl"], "unable to get certificate CRL"),
        ("good", &["root.crl", "old.crl"], "CRL has expired"),
        ("good", &["root.crl", "early.crl"], "CRL is not yet valid"),
        ("good", &["root.crl", "old.crl", "between.crl"], ""),
    ] {
        pki.join("lists.pem", lists);
        pki.join("chain.pem", &[&format!("{server}.crt"), "between.crt"]);
        let mut config = trusting(SslMode::VerifyCa, &pki, "root.crt");
        config.sslcrl = Some(explicit(pki.path("lists.pem")));
        let verified = connect(&config, Some("x"), &pki, "chain.pem", server);
        match verified {
            Ok(()) => assert_eq!("", expected, "{server} {lists:?}"),
            Err(error) => assert!(
                error.starts_with(&format!("SSL error: certificate verify failed: {expected} (")),
                "{server} {lists:?}: {error}"
            ),
        }
        let openssl = "-no-CAstore -no-CApath -purpose sslserver -CAfile root.crt -untrusted between.crt -crl_check_all";
        let trusted = pki.verify(&format!("{openssl} -CRLfile lists.pem {server}.crt"));
        assert_eq!(trusted, expected.is_empty(), "openssl: {server} {lists:?}");
    }
}
