//! Keys and signatures that nothing here can verify.

use super::Openssl::{Agrees, Trusts};
use crate::support::forge::judges::{Chain, heimdall_today};
use crate::support::pki::{CA, Pki, Recipe};

#[test]
fn what_nothing_here_can_verify_is_refused_by_name() {
    let pki = Pki::new("unsupported");
    pki.issue("root", Recipe { extensions: CA, key: "RSA:2048", ..Recipe::default() });
    for (key, options, expected, agrees) in [
        ("EC:P-521", "", "certificate key of a kind that is not supported", Trusts),
        ("EC:secp256k1", "", "certificate key of a kind that is not supported", Trusts),
        ("EC:P-192", "", "certificate key of a kind that is not supported", Agrees),
        ("RSA:1024", "", "certificate key too weak", Agrees),
        (
            "",
            "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:20",
            "signature algorithm too weak or not supported",
            Trusts,
        ),
        ("", "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32", "", Agrees),
        ("", "-md sha224", "signature algorithm too weak or not supported", Trusts),
    ] {
        let leaf = format!("leaf{key}{}", options.len()).replace([':', '-'], "");
        pki.issue(
            &leaf,
            Recipe { issuer: "root", extensions: "subjectAltName=DNS:db", key, options, ..Recipe::default() },
        );
        let der = |name: &str| {
            pki.openssl(&format!("x509 -in {name}.crt -outform DER -out {name}.der"));
            pki.read(&format!("{name}.der"))
        };
        let chain = Chain { leaf: der(&leaf), roots: vec![der("root")], ..Chain::default() };
        let said = heimdall_today(&chain);
        let said = said.map_or_else(|error| error.to_string(), |()| String::new());
        assert!(
            said.starts_with(expected) && said.is_empty() == expected.is_empty(),
            "{key} {options}: {said}"
        );
        let openssl = pki.verify(&format!("-purpose sslserver -auth_level 2 -CAfile root.crt {leaf}.crt"));
        assert_eq!(openssl, expected.is_empty() || agrees == Trusts, "{key} {options}");
    }
}
