//! Whether a server's certificate is for the host that the user named, as libpq's `fe-secure-common.c` decides it.

use std::net::Ipv6Addr;

use super::certificate::Certificate;
use super::constraints::{ADDRESS, DNS};
use super::der::{Malformed, Reader};
use crate::proto::text::printable;

/// Why a certificate is not for this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameMismatch {
    /// It is for others: the first of its names, fit to print, and how many more it has.
    Other(String, usize),
    /// It has no name.
    Nameless,
    /// A name has a NUL byte within, behind which something that does not read it so would find another host
    /// (CVE-2009-4034).
    EmbeddedNul,
    /// An IP address of so many bytes.
    AddressLength(usize),
    /// The names can't be read.
    Malformed,
}

/// Whether the certificate is for `host`, a name or the text of an address.
pub(super) fn verify(certificate: &Certificate<'_>, host: &str) -> Result<(), NameMismatch> {
    let host_tag = if ipv4(host).is_some() || ipv6(host).is_some() { ADDRESS } else { DNS };
    let mut seen = Names { first: None, count: 0 };
    let mut has_host_tag = false;
    for name in certificate.extensions()?.alternative_names.into_iter().flat_map(Reader::all) {
        let name = name?;
        has_host_tag |= name.tag == host_tag;
        let is_match = match name.tag {
            DNS => seen.text(name.contents, host)?,
            ADDRESS => seen.address(name.contents, host)?,
            _ => false,
        };
        if is_match {
            return Ok(());
        }
    }
    // The common name counts where no alternative name is of the host's kind.
    if let Some(name) = certificate.common_name()?.filter(|_| !has_host_tag)
        && seen.text(name, host)?
    {
        return Ok(());
    }
    Err(seen.first.map_or(NameMismatch::Nameless, |first| NameMismatch::Other(first, seen.count - 1)))
}

/// The names that were looked at, for the message.
struct Names {
    first: Option<String>,
    count: usize,
}

impl Names {
    /// Whether a name that is a text, which may also be that of an address, is the host's.
    fn text(&mut self, name: &[u8], host: &str) -> Result<bool, NameMismatch> {
        if name.contains(&0) {
            return Err(NameMismatch::EmbeddedNul);
        }
        self.saw(|| printable(name));
        Ok(name.eq_ignore_ascii_case(host.as_bytes()) || wildcard(name, host.as_bytes()))
    }

    fn address(&mut self, name: &[u8], host: &str) -> Result<bool, NameMismatch> {
        if let Ok(address) = <[u8; 4]>::try_from(name) {
            self.saw(|| std::net::Ipv4Addr::from(address).to_string());
            Ok(ipv4(host) == Some(address))
        } else if let Ok(address) = <[u8; 16]>::try_from(name) {
            self.saw(|| Ipv6Addr::from(address).to_string());
            Ok(ipv6(host) == Some(address))
        } else {
            Err(NameMismatch::AddressLength(name.len()))
        }
    }

    fn saw(&mut self, name: impl Fn() -> String) {
        self.first.get_or_insert_with(name);
        self.count += 1;
    }
}

/// `*.example.com` is `a.example.com`, but neither `example.com` nor `a.b.example.com`.
fn wildcard(pattern: &[u8], host: &[u8]) -> bool {
    let Some(domain) =
        pattern.strip_prefix(b"*").filter(|domain| domain.len() > 1 && domain.starts_with(b"."))
    else {
        return false;
    };
    let Some(label) = host.len().checked_sub(domain.len()).filter(|label| *label > 0) else { return false };
    let (label, rest) = host.split_at(label);
    !label.contains(&b'.') && rest.eq_ignore_ascii_case(domain)
}

/// The address that `inet_aton` reads (`man 3 inet`): one to four numbers, also octal and hexadecimal, of which the
/// last fills what is left.
fn ipv4(text: &str) -> Option<[u8; 4]> {
    let mut numbers = text.split('.').map(number).collect::<Option<Vec<u32>>>()?;
    let last = numbers.pop()?;
    let mut address = [0; 4];
    let (front, rest) = address.split_at_mut_checked(numbers.len()).filter(|(_, rest)| !rest.is_empty())?;
    for (byte, number) in front.iter_mut().zip(numbers) {
        *byte = u8::try_from(number).ok()?;
    }
    let bytes = last.to_be_bytes();
    let (unused, used) = bytes.split_at_checked(bytes.len() - rest.len())?;
    rest.copy_from_slice(used);
    unused.iter().all(|byte| *byte == 0).then_some(address)
}

fn number(text: &str) -> Option<u32> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    // A sign is no digit, but from_str_radix would take it.
    digits.chars().all(|c| c.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, radix).ok())?
}

fn ipv6(text: &str) -> Option<[u8; 16]> {
    text.parse::<Ipv6Addr>().ok().map(|address| address.octets())
}

impl NameMismatch {
    /// The line that says so, in libpq's words.
    pub(super) fn line(&self, host: &str) -> String {
        match self {
            NameMismatch::Other(name, 0) => {
                format!("server certificate for \"{name}\" does not match host name \"{host}\"")
            }
            NameMismatch::Other(name, others) => {
                let plural = if *others == 1 { "" } else { "s" };
                format!(
                    "server certificate for \"{name}\" (and {others} other name{plural}) does not match host name \"{host}\""
                )
            }
            NameMismatch::Nameless => "could not get server's host name from server certificate".to_owned(),
            NameMismatch::EmbeddedNul => "SSL certificate's name contains embedded null".to_owned(),
            NameMismatch::AddressLength(length) => {
                format!("certificate contains IP address with invalid length {length}")
            }
            NameMismatch::Malformed => "the names in the server certificate can't be read".to_owned(),
        }
    }
}

impl From<Malformed> for NameMismatch {
    fn from(_: Malformed) -> NameMismatch {
        NameMismatch::Malformed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_inet_aton() {
        for (text, expected) in [
            ("192.0.2.1", Some([192, 0, 2, 1])),
            ("192.000.002.001", Some([192, 0, 2, 1])),
            ("0xc0.0.02.1", Some([192, 0, 2, 1])),
            ("192.0.513", Some([192, 0, 2, 1])),
            ("3221225985", Some([192, 0, 2, 1])),
            ("127.1", Some([127, 0, 0, 1])),
            ("010.0.0.1", Some([8, 0, 0, 1])),
            ("256.0.0.1", None),
            ("192.0.2.256", None),
            ("192.0.2.1.", None),
            ("192.0.2.1.5", None),
            ("192.0.2.+1", None),
            ("192.0.2.08", None),
            ("0x", None),
            ("db", None),
            ("", None),
            ("4294967296", None),
        ] {
            assert_eq!(ipv4(text), expected, "{text}");
        }
    }

    #[test]
    fn a_wildcard_is_one_whole_label_at_the_front() {
        for (pattern, host, expected) in [
            ("*.example.com", "db.example.com", true),
            ("*.example.com", "DB.EXAMPLE.com", true),
            ("*.example.com", "a.b.example.com", false),
            ("*.example.com", "example.com", false),
            ("*.example.com", ".example.com", false),
            ("*.example.com", "db.example.com.", false),
            ("db.*.com", "db.example.com", false),
            ("d*.example.com", "db.example.com", false),
            ("*", "db", false),
            ("*.", "db.", false),
            ("*.*", "db.*", true),
        ] {
            assert_eq!(wildcard(pattern.as_bytes(), host.as_bytes()), expected, "{pattern} {host}");
        }
    }
}
