//! The client's half of a lease: when to ask the server for a sign of life, and when to stop hoping for it.

use std::time::Duration;

use crate::net::Moment;

/// The pings of one held lock.
///
/// ```text
///   0         L/6                          L/2          7L/10            L
///   answered ─► ping ─── no answer for L/3 ─► lost, TERM ─► KILL at last …  the server frees the lock
/// ```
///
/// Time is counted from when a ping was *sent*: the server can't have heard of us later than it answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Heartbeat {
    lease: Duration,
    /// When the last ping that was answered was sent.
    last_answered: Moment,
    /// When the ping was sent that is not yet answered.
    outstanding: Option<Moment>,
}

impl Heartbeat {
    pub(super) fn new(lease: Duration, now: Moment) -> Self {
        Self { lease, last_answered: now, outstanding: None }
    }

    /// When there is something to do.
    pub(super) fn next(&self) -> Moment {
        match self.outstanding {
            Some(sent) => sent.after(self.lease / ANSWER),
            None => self.last_answered.after(self.lease / PING),
        }
    }

    /// Whether a ping is to be sent.
    pub(super) fn is_due(&self, now: Moment) -> bool {
        self.outstanding.is_none() && now >= self.next()
    }

    /// For how long the server has been silent, if that is too long.
    pub(super) fn silence(&self, now: Moment) -> Option<Duration> {
        self.outstanding.filter(|_| now >= self.next()).map(|_| now.since(self.last_answered))
    }

    /// Notes that a ping was sent.
    pub(super) fn sent(&mut self, now: Moment) {
        self.outstanding = Some(now);
    }

    /// Notes that all pings were answered.
    pub(super) fn answered(&mut self) {
        if let Some(sent) = self.outstanding.take() {
            self.last_answered = sent;
        }
    }
}

/// A ping is sent once in this part of a lease.
const PING: u32 = 6;

/// The server has this part of a lease to answer.
const ANSWER: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(60);

    #[test]
    fn silence_is_known_half_a_lease_after_the_last_sign_of_life() {
        let start = Moment::now();
        let at = |seconds| start.after(Duration::from_secs(seconds));
        let mut heartbeat = Heartbeat::new(LEASE, start);
        assert!(!heartbeat.is_due(at(9)) && heartbeat.is_due(at(10)));
        heartbeat.sent(at(10));
        assert!(!heartbeat.is_due(at(11)), "one ping at a time");
        heartbeat.answered();
        assert_eq!(heartbeat.next(), at(20));
        heartbeat.sent(at(20));
        assert_eq!((heartbeat.silence(at(39)), heartbeat.next()), (None, at(40)));
        assert_eq!(heartbeat.silence(at(40)), Some(LEASE / 2));
    }

    #[test]
    fn after_a_late_answer_the_next_ping_is_due_at_once() {
        let start = Moment::now();
        let mut heartbeat = Heartbeat::new(LEASE, start);
        heartbeat.sent(start);
        heartbeat.answered();
        assert!(heartbeat.is_due(start.after(Duration::from_secs(15))));
    }
}
