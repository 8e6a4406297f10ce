//! How long a lease can be.

use std::time::Duration;

/// The shortest lease: the server's TCP sends its first keepalive probe after a second, and gives up a second later.
pub const MIN_LEASE: Duration = Duration::from_secs(2);

/// The longest lease: `tcp_user_timeout` is a number of milliseconds in 31 bits.
pub const MAX_LEASE: Duration = Duration::from_secs(24 * 24 * 60 * 60);

/// The lease that is meant: one that the server can't count is the nearest that it can.
pub(super) fn bounded(lease: Duration) -> Duration {
    lease.clamp(MIN_LEASE, MAX_LEASE)
}
