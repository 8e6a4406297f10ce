//! The numeric addresses that `hostaddr` may be, as the resolver reads them when it is asked for no name.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::conninfo::error::Error;

/// Reads an address; `None` is one with a scope (`fe80::1%eth0`), which only the system knows.
///
/// # Errors
/// It is none: a resolver would take it for a name, and ask name servers for it.
pub(crate) fn read(text: &str) -> Result<Option<IpAddr>, Error> {
    if text.split_once('%').is_some_and(|(number, _)| number.parse::<Ipv6Addr>().is_ok()) {
        return Ok(None);
    }
    let ipv6 = text.parse().ok().map(IpAddr::V6);
    let address = ipv6.or_else(|| inet_aton(text).map(IpAddr::V4));
    address.map(Some).ok_or_else(|| Error::HostAddress(text.to_owned()))
}

/// Reads the forms of `inet_aton` (`man 3 inet`): one to four numbers, also octal and hexadecimal, the last of which fills what
/// the bytes before it leave. `x509/hostname`, which imports nothing, reads them in certificates; a test compares the two.
fn inet_aton(text: &str) -> Option<Ipv4Addr> {
    let numbers = text.split('.').map(number).collect::<Option<Vec<u32>>>()?;
    let (last, bytes) = numbers.split_last()?;
    let (mut address, mut left) = (*last, 32_u32);
    for byte in bytes {
        left = left.checked_sub(8)?;
        address |= u32::from(u8::try_from(*byte).ok()?) << left;
    }
    (left > 0 && u64::from(*last) < 1 << left).then(|| Ipv4Addr::from(address))
}

fn number(text: &str) -> Option<u32> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    // from_str_radix takes a sign.
    u32::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with('+'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostaddr_is_a_number_and_nothing_that_a_name_server_would_be_asked_for() {
        for (text, expected) in [
            ("127.0.0.1", "127.0.0.1"),
            ("127.1", "127.0.0.1"),
            ("0x7F.1", "127.0.0.1"),
            ("0X7f.0.1", "127.0.0.1"),
            ("2130706433", "127.0.0.1"),
            ("0177.0.0.01", "127.0.0.1"),
            ("0", "0.0.0.0"),
            ("4294967295", "255.255.255.255"),
            ("1.16777215", "1.255.255.255"),
            ("::1", "::1"),
            ("::ffff:10.0.0.1", "::ffff:10.0.0.1"),
        ] {
            assert_eq!(read(text), Ok(Some(expected.parse().unwrap())), "{text}");
        }
        assert_eq!(read("fe80::1%eth0"), Ok(None));
        for text in
            "127. .1 1.2.3.4.5 1.2.3.4.0 0x 127.0.0.x db -1 +1 0x+1 10.0.0.256 1.2.3.999 256.1 1.16777216 \
             127.0.0.08 4294967296 10.0.0.1%eth0 db%eth0 ::1:: fe80::g"
                .split(' ')
                .chain(["", "1 "])
        {
            assert_eq!(read(text), Err(Error::HostAddress(text.to_owned())));
        }
    }
}
