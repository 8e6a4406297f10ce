//! The answer to `AuthenticationMD5Password`, for servers that still store MD5 hashes.

use md5::{Digest, Md5};

/// What `PasswordMessage` carries: `md5` and 32 lower-case hexadecimal digits,
/// `md5(hex(md5(password ‖ user)) ‖ salt)`.
///
/// Source: PostgreSQL documentation, "Message Flow", `AuthenticationMD5Password`.
#[must_use]
pub fn response(user: &[u8], password: &[u8], salt: [u8; 4]) -> String {
    let stored = hex(&Md5::new().chain_update(password).chain_update(user).finalize());
    let answer = hex(&Md5::new().chain_update(stored).chain_update(salt).finalize());
    format!("md5{answer}")
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Computed with coreutils' md5sum, which shares no code with us.
    #[test]
    fn responses_are_those_of_an_independent_implementation() {
        assert_eq!(
            response(b"md5_user", b"open sesame", [1, 2, 3, 4]),
            "md51ab6eddbd81a46972aca21d1fa89d5a7"
        );
        assert_eq!(response(b"", b"", [0, 0, 0, 0]), "md591b86670dcd47857d222fa05653500aa");
        assert_eq!(
            response(b"j\xc3\xbcrgen", b"\xff\xfe", [255, 0, 128, 127]),
            "md5b480911e7af7c7306c54184fb0df33c1"
        );
    }
}
