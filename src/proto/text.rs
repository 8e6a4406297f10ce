//! Makes text of a peer fit to print: no control characters, and no more of it than a person reads.

/// The most characters kept of one piece of a server's text; PostgreSQL's own messages are far shorter.
pub const MAX_TEXT: usize = 1000;

/// `bytes` as text without control characters (line ends become spaces) and without characters that
/// change the direction or visibility of what follows; invalid UTF-8 becomes U+FFFD.
#[must_use]
pub fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut kept: String = text.chars().filter_map(fit).take(MAX_TEXT).collect();
    if text.chars().filter_map(fit).nth(MAX_TEXT).is_some() {
        kept.push('…');
    }
    kept
}

fn fit(character: char) -> Option<char> {
    match character {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => Some(' '),
        // Bidirectional and invisible formatting characters (of Unicode's general category Cf) that a hostile text
        // could use to make a line read differently.
        '\u{AD}'
        | '\u{61C}'
        | '\u{180E}'
        | '\u{200B}'..='\u{200F}'
        | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}'
        | '\u{FEFF}'
        | '\u{FFF9}'..='\u{FFFB}'
        | '\u{E0001}'..='\u{E007F}' => None,
        other if other.is_control() => None,
        other => Some(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_cannot_drive_the_terminal() {
        for (input, expected) in [
            (&b"role \"ann\" does not exist"[..], "role \"ann\" does not exist"),
            (b"\x1b]0;owned\x07red \x1b[31m", "]0;ownedred [31m"),
            (b"one\ntwo\r\nthree", "one two  three"),
            (b"\xff\xfe", "\u{FFFD}\u{FFFD}"),
            ("a\u{202E}b\u{9b}c".as_bytes(), "abc"),
            ("a\u{ad}\u{61c}\u{180e}\u{200b}\u{2060}\u{206f}\u{feff}\u{fff9}\u{e0041}b".as_bytes(), "ab"),
        ] {
            assert_eq!(printable(input), expected);
        }
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(printable(&[b'x'; 5000]).chars().count(), MAX_TEXT + 1);
    }
}
