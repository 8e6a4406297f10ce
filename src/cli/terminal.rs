//! Whether we are in the foreground of a terminal.

use std::fs::File;

use nix::unistd::{getpgrp, tcgetpgrp};

/// Whether the foreground process group of our controlling terminal is ours: then what is typed there reaches the
/// whole group, and whoever leaves it can't read from the terminal any more.
pub(super) fn is_foreground() -> bool {
    // Fails with ENXIO where there is no controlling terminal.
    let Ok(terminal) = File::open("/dev/tty") else { return false };
    // Both may be 0, a group of the PID namespace outside, for which rustix has no value.
    tcgetpgrp(terminal) == Ok(getpgrp())
}
