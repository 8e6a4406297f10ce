//! What the user is told of what the server sends while the lock is held, whether a program runs or not.

use super::{Report, half};
use crate::lock::{Polled, ServersHalf};

/// Tells of what was read last.
pub(in crate::cli) fn tell(polled: Polled, servers_half: &ServersHalf, report: &Report) {
    match polled {
        Polled::Nothing | Polled::Progress => {}
        Polled::Notice(notice) => report.notice(notice),
        Polled::OtherHalf => half::tell(servers_half, report),
        Polled::NotInForce(what) => {
            report.warning(format_args!("the session's settings are not in force as they should be: {what}"));
        }
    }
}
