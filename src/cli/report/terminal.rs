//! The terminal: whether we are in its foreground, and what is redrawn in place there: a line, or a whole screen.

use std::env;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;

use nix::unistd::{getpgrp, tcgetpgrp};
use rustix::termios::tcgetwinsize;

/// Whether we have a controlling terminal: then a shell there may give it to our process group, now or later.
pub(in crate::cli) fn is_there() -> bool {
    // Fails with ENXIO where there is none.
    File::open("/dev/tty").is_ok()
}

/// Whether our process group is the foreground process group of our controlling terminal: then what is typed there reaches
/// the whole group, and a process that leaves the group can't read from the terminal.
pub(in crate::cli) fn is_foreground() -> bool {
    // Fails with ENXIO where there is no controlling terminal.
    let Ok(terminal) = File::open("/dev/tty") else { return false };
    // Both may be 0, a group of the PID namespace outside, for which rustix has no value.
    tcgetpgrp(terminal) == Ok(getpgrp())
}

/// Returns what draws a line in place of the one drawn before, cut to the terminal's width.
pub(super) fn in_place(text: &str) -> String {
    format!("\r{CLEAR_LINE}{}", cut(text, width()))
}

/// Returns how many columns standard error's terminal has.
pub(super) fn width() -> usize {
    size(io::stderr()).columns
}

/// How much fits on a terminal.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Size {
    pub(in crate::cli) rows: usize,
    pub(in crate::cli) columns: usize,
}

/// Returns a terminal's size.
pub(in crate::cli) fn size(terminal: impl AsFd) -> Size {
    let (rows, columns) =
        tcgetwinsize(terminal).map_or((0, 0), |size| (usize::from(size.ws_row), usize::from(size.ws_col)));
    // Some terminals don't know it, and say 0.
    let or = |count, usual| if count == 0 { usual } else { count };
    Size { rows: or(rows, USUAL_ROWS), columns: or(columns, USUAL_WIDTH) }
}

/// Whether what is written to standard output is seen on a terminal that can be drawn on.
pub(in crate::cli) fn can_draw() -> bool {
    let kind = env::var("TERM").unwrap_or_default();
    io::stdout().is_terminal() && !["", "dumb"].contains(&kind.as_str())
}

/// Returns what draws these lines, and how many more there are, in place of all that the terminal shows, in one go and so without flicker. They are cut to
/// its size; the last row is the cursor's. No mode of the terminal is changed: whoever kills us, at any moment, leaves it in
/// order.
pub(in crate::cli) fn screen<'a>(lines: impl Iterator<Item = &'a str>, more: usize, size: Size) -> String {
    let lines: Vec<&str> = lines.collect();
    let all = lines.len() + more;
    let rows = size.rows.saturating_sub(1).max(2);
    let shown = if all <= rows { lines.len() } else { lines.len().min(rows - 1) };
    let mut screen = HOME.to_owned();
    let mut draw = |line: &str| screen += &[&cut(line, size.columns), CLEAR_LINE, "\n"].concat();
    lines.iter().take(shown).for_each(|line| draw(line));
    if all > shown {
        draw(&format!("... and {} lines more", all - shown));
    }
    screen + CLEAR_BELOW
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

/// Returns the lines in which all of the text fits on a terminal.
pub(in crate::cli) fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = text;
    loop {
        let line = cut(rest, columns.max(LEAST_WIDTH));
        rest = rest.get(line.len()..).unwrap_or_default().trim_start();
        lines.push(line);
        if rest.is_empty() {
            return lines;
        }
    }
}

/// Room for one character, however wide, and the cursor.
const LEAST_WIDTH: usize = 3;

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
const USUAL_ROWS: usize = 24;

// ECMA-48: CUP, EL and ED.
const HOME: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";

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
    fn a_screen_is_no_larger_than_its_terminal() {
        let of = |more, rows, columns| {
            screen(["one", "two", "three"].into_iter(), more, Size { rows, columns }).replace("\x1b[", "^")
        };
        let drawn = |rows, columns| of(0, rows, columns);
        assert_eq!(drawn(24, 80), "^Hone^K\ntwo^K\nthree^K\n^J");
        assert_eq!(drawn(4, 4), "^Hone^K\ntwo^K\nthr^K\n^J");
        assert_eq!(drawn(3, 80), "^Hone^K\n... and 2 lines more^K\n^J");
        assert_eq!(drawn(1, 1), "^H^K\n^K\n^J");
        assert_eq!(of(7, 4, 80), "^Hone^K\ntwo^K\n... and 8 lines more^K\n^J");
        assert_eq!(of(7, 9, 80), "^Hone^K\ntwo^K\nthree^K\n... and 7 lines more^K\n^J");
    }

    #[test]
    fn a_text_takes_as_many_lines_as_it_needs() {
        for (text, columns, expected) in [
            ("", 80, &[""][..]),
            ("waiting", 80, &["waiting"]),
            ("waiting for it", 9, &["waiting ", "for it"]),
            ("☃☃", 0, &["☃", "☃"]),
        ] {
            assert_eq!(wrapped(text, columns), expected, "{columns}");
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
