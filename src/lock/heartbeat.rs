//! The client's half of a lease: when to ask the server for a sign of life, and when to stop hoping for it.

use std::time::Duration;

use super::clock::Moment;

/// The ping of one held lock.
///
/// ```text
///   0         L/6                          L/2          7L/10            L
///   answered ─► asked ── no answer for L/3 ─► lost, TERM ─► KILL at last …  the server frees the lock
/// ```
///
/// Time is counted from when the server was *asked*: it can't have heard of us later than it answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Heartbeat {
    lease: Duration,
    /// When the last question that was answered was asked.
    alive: Moment,
    /// When the question was asked that is not yet answered.
    asked: Option<Moment>,
}

impl Heartbeat {
    pub(super) fn new(lease: Duration, now: Moment) -> Self {
        Self { lease, alive: now, asked: None }
    }

    /// When there is something to do.
    pub(super) fn next(&self) -> Moment {
        match self.asked {
            Some(asked) => asked.after(self.lease / ANSWER),
            None => self.alive.after(self.lease / PING),
        }
    }

    /// Whether the server is to be asked.
    pub(super) fn is_due(&self, now: Moment) -> bool {
        self.asked.is_none() && now >= self.next()
    }

    /// For how long the server has been silent, if that is too long.
    pub(super) fn silence(&self, now: Moment) -> Option<Duration> {
        self.asked.filter(|_| now >= self.next()).map(|_| now.since(self.alive))
    }

    pub(super) fn ask(&mut self, now: Moment) {
        self.asked = Some(now);
    }

    pub(super) fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    pub(super) fn answered(&mut self) {
        if let Some(asked) = self.asked.take() {
            self.alive = asked;
        }
    }
}

/// The server is asked once in this part of a lease.
const PING: u32 = 6;

/// It has this part of a lease to answer.
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
        heartbeat.ask(at(10));
        assert!(!heartbeat.is_due(at(11)), "one question at a time");
        heartbeat.answered();
        assert_eq!(heartbeat.next(), at(20));
        heartbeat.ask(at(20));
        assert_eq!((heartbeat.silence(at(39)), heartbeat.next()), (None, at(40)));
        assert_eq!(heartbeat.silence(at(40)), Some(LEASE / 2));
    }

    #[test]
    fn after_a_late_answer_the_next_question_is_due_at_once() {
        let start = Moment::now();
        let mut heartbeat = Heartbeat::new(LEASE, start);
        heartbeat.ask(start);
        heartbeat.answered();
        assert!(heartbeat.is_due(start.after(Duration::from_secs(15))));
    }
}
