//! The terminal: whether we are in its foreground, and a line that is redrawn in place.

use std::fs::File;
use std::io;

use nix::unistd::{getpgrp, tcgetpgrp};
use rustix::termios::tcgetwinsize;

/// Whether we have a controlling terminal: then a shell there may give it to our process group, now or later.
pub(super) fn is_there() -> bool {
    // Fails with ENXIO where there is none.
    File::open("/dev/tty").is_ok()
}

/// Whether our process group is the foreground process group of our controlling terminal: then what is typed there reaches
/// the whole group, and a process that leaves the group can't read from the terminal.
pub(super) fn is_foreground() -> bool {
    // Fails with ENXIO where there is no controlling terminal.
    let Ok(terminal) = File::open("/dev/tty") else { return false };
    // Both may be 0, a group of the PID namespace outside, for which rustix has no value.
    tcgetpgrp(terminal) == Ok(getpgrp())
}

/// Returns what draws a line in place of the one drawn before, cut to the terminal's width.
pub(super) fn in_place(text: &str) -> String {
    format!("\r\x1b[K{}", cut(text, width()))
}

/// Returns how many columns standard error's terminal has.
pub(super) fn width() -> usize {
    // Some terminals don't know it, and say 0.
    let width = tcgetwinsize(io::stderr()).map_or(0, |size| usize::from(size.ws_col));
    if width == 0 { USUAL_WIDTH } else { width }
}

/// Returns a text that is no longer than so many characters, with "…" in place of its middle; not shorter than what can be
/// recognized.
pub(super) fn shortened(text: &str, most: usize) -> String {
    let most = most.max(LEAST_NAME);
    let length = text.chars().count();
    if length <= most {
        return text.to_owned();
    }
    let end = most / 2;
    let begin: String = text.chars().take(most - 1 - end).collect();
    format!("{begin}…{}", text.chars().skip(length - end).collect::<String>())
}

const LEAST_NAME: usize = 8;

/// Cuts a text to what fits into one line of a terminal.
fn cut(text: &str, width: usize) -> String {
    let mut left = width.saturating_sub(1);
    text.chars()
        .take_while(|character| {
            // Some characters beyond ASCII are two columns wide.
            let columns = if character.is_ascii() { 1 } else { 2 };
            let fits = columns <= left;
            left = left.saturating_sub(columns);
            fits
        })
        .collect()
}

const USUAL_WIDTH: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fits_into_its_terminal() {
        for (text, width, expected) in [
            ("waiting", 80, "waiting"),
            ("waiting", 8, "waiting"),
            ("waiting", 7, "waitin"),
            ("a☃b", 4, "a☃"),
            ("a☃b", 3, "a"),
            ("waiting", 1, ""),
        ] {
            assert_eq!(cut(text, width), expected, "{width}");
        }
    }

    #[test]
    fn a_name_that_is_too_long_loses_its_middle() {
        for (text, most, expected) in [
            ("billing/nightly", 15, "billing/nightly"),
            ("billing/nightly", 14, "billin…nightly"),
            ("billing/nightly", 8, "bil…htly"),
            ("billing/nightly", 0, "bil…htly"),
            ("a/b", 0, "a/b"),
        ] {
            assert_eq!(shortened(text, most), expected, "{most}");
        }
    }
}
