//! Whether a server's certificate is for the host that the user named, as libpq's `fe-secure-common.c` decides it.

use core::net::{IpAddr, Ipv4Addr};

use super::certificate::Certificate;
use super::error::{NameMismatch, PresentedName};
use super::general_name::GeneralName;
use super::name::COMMON_NAME;

/// A host as the user has named it: a name, or the text of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName {
    text: String,
    address: Option<IpAddr>,
}

impl HostName {
    /// The host of this name, or with the address of this text.
    #[must_use]
    pub fn new(text: &str) -> HostName {
        let ipv6 = || text.parse().ok().map(IpAddr::V6);
        HostName { text: text.to_owned(), address: ipv4(text).map(IpAddr::V4).or_else(ipv6) }
    }

    /// The address, if the text is that of one.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// As the user has written it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the certificate is for this host.
    pub(super) fn verify(&self, certificate: &Certificate<'_>) -> Result<(), NameMismatch> {
        let extensions = certificate.extensions.as_ref().map_err(|_| NameMismatch::Malformed)?;
        let mut seen = Names { first: None, count: 0 };
        let mut has_own_kind = false;
        for name in &extensions.alternative_names {
            let (is_match, is_address) = match name {
                GeneralName::Dns(name) => (seen.text(name, self)?, false),
                GeneralName::Address(name) => (seen.address(name)? == self.address, true),
                _ => continue,
            };
            if is_match {
                return Ok(());
            }
            has_own_kind |= is_address == self.address.is_some();
        }
        // The common name counts where no alternative name is of the host's kind.
        let common_name =
            certificate.subject.attributes().iter().find(|attribute| attribute.kind == COMMON_NAME);
        // Its bytes are compared, as libpq does it. Where those are not its text, it would be another name to the constraints
        // of the authorities, which are about text.
        let common_name = common_name.filter(|name| !has_own_kind && name.is_of_bytes());
        if let Some(name) = common_name
            && seen.text(name.value.contents, self)?
        {
            return Ok(());
        }
        let Some(first) = seen.first else { return Err(NameMismatch::Nameless) };
        Err(NameMismatch::Other { first, others: seen.count - 1 })
    }
}

/// The names that were looked at, for the message.
struct Names {
    first: Option<PresentedName>,
    count: usize,
}

impl Names {
    /// Whether a name that is a text, which may also be that of an address, is the host's.
    fn text(&mut self, name: &[u8], host: &HostName) -> Result<bool, NameMismatch> {
        if name.contains(&0) {
            return Err(NameMismatch::EmbeddedNul);
        }
        self.saw(|| PresentedName::Text(name.to_vec()));
        // The labels of an address are none.
        let is_below = || host.address.is_none() && wildcard(name, host.text.as_bytes());
        Ok(name.eq_ignore_ascii_case(host.text.as_bytes()) || is_below())
    }

    fn address(&mut self, name: &[u8]) -> Result<Option<IpAddr>, NameMismatch> {
        let v4 = <[u8; 4]>::try_from(name).map(IpAddr::from);
        let v6 = <[u8; 16]>::try_from(name).map(IpAddr::from);
        let address = v4.or(v6).map_err(|_| NameMismatch::AddressLength(name.len()))?;
        self.saw(|| PresentedName::Address(address));
        Ok(Some(address))
    }

    fn saw(&mut self, name: impl Fn() -> PresentedName) {
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
fn ipv4(text: &str) -> Option<Ipv4Addr> {
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
    unused.iter().all(|byte| *byte == 0).then_some(Ipv4Addr::from(address))
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
            assert_eq!(ipv4(text), expected.map(Ipv4Addr::from), "{text}");
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
