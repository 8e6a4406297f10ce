//! What the user is told of what the server sends while the lock is held, whether a program runs or not.

use super::report::{Report, half};
use crate::lock::{Guard, Polled};

/// Tells of what was read last.
pub(super) fn tell(polled: Polled, guard: &Guard, report: &Report) {
    match polled {
        Polled::Nothing | Polled::Progress => {}
        Polled::Notice(notice) => report.notice(notice),
        Polled::OtherHalf => half::tell(guard.servers_half(), report),
        Polled::NotInForce(what) => {
            report.warning(format_args!("the session's settings are not in force as they should be: {what}"));
        }
    }
}
