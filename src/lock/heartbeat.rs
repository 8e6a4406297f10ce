//! The client's half of a lease: when to ask the server for a sign of life, and when to stop hoping for it.

use std::time::Duration;

use crate::net::Moment;

/// The pings of one held lock.
///
/// ```text
///   0          L/6                            L/2             L
///   answered ──► ping ── no answer for L/3 ──► the lock is lost … the server frees the lock
/// ```
///
/// Time is counted from when the ping was *sent* that was answered last: the server can't have heard from us later than it
/// answered. A host that was suspended counts like any other: what is not known by half a lease is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    lease: Duration,
    /// When the last ping that was answered was sent.
    last_answered: Moment,
    /// When the last ping was sent, until all are answered.
    outstanding: Option<Moment>,
    /// Whether that ping was sent before an earlier one was answered.
    is_beside_another: bool,
    /// When [`Heartbeat::renew`] was called last.
    renewed: Option<Moment>,
    /// Whether the next ping does not wait for its time.
    is_hasty: bool,
}

impl Heartbeat {
    /// Begins with a question that was asked at that moment, and answered.
    pub fn new(lease: Duration, last_answered: Moment) -> Self {
        Self {
            lease,
            last_answered,
            outstanding: None,
            is_beside_another: false,
            renewed: None,
            is_hasty: false,
        }
    }

    /// The same pings, for another lease.
    #[must_use]
    pub fn with_lease(self, lease: Duration) -> Self {
        Self { lease, ..self }
    }

    /// When the last ping was sent, until all are answered.
    pub fn outstanding(&self) -> Option<Moment> {
        self.outstanding
    }

    /// When the last ping that was answered was sent.
    pub fn last_answered(&self) -> Moment {
        self.last_answered
    }

    /// When there is something to do.
    pub fn next(&self) -> Moment {
        match self.outstanding {
            Some(_) => self.lost_at(),
            None => self.ping_at().min(self.lost_at()),
        }
    }

    /// Whether a ping is to be sent.
    pub fn is_due(&self, now: Moment) -> bool {
        self.outstanding.is_none() && now >= self.ping_at()
    }

    /// For how long the server has been silent, if that is too long.
    pub fn silence(&self, now: Moment) -> Option<Duration> {
        (now >= self.lost_at()).then(|| now.since(self.last_answered))
    }

    /// Gives the server the usual time for one more answer, however long it has been silent. What the lock protects must
    /// stand still meanwhile.
    pub fn renew(&mut self, now: Moment) {
        self.renewed = Some(now);
    }

    /// Notes that a ping was sent.
    pub fn sent(&mut self, now: Moment) {
        self.is_beside_another = self.outstanding.replace(now).is_some();
        self.is_hasty = false;
    }

    /// Has the next ping sent as soon as this one is answered.
    pub fn hasten(&mut self) {
        self.is_hasty = true;
    }

    /// Notes that all pings were answered.
    ///
    /// Where one was sent before an earlier one was answered, as after a sleep, the server counts its patience from the
    /// earlier answer, until its kernel knows that it has arrived: another ping tells it so, and that one counts.
    pub fn answered(&mut self) {
        if let Some(sent) = self.outstanding.take() {
            if self.is_beside_another {
                self.is_hasty = true;
            } else {
                self.last_answered = sent;
            }
        }
    }

    /// How long the server may take to answer.
    pub fn patience(lease: Duration) -> Duration {
        lease / ANSWER
    }

    /// Whether an answer to a question of that moment is recent enough for what the lock protects to start or go on: no older
    /// than any question whose answer is still waited for.
    pub fn is_fresh(asked: Moment, lease: Duration, now: Moment) -> bool {
        now < asked.after(Self::patience(lease))
    }

    fn ping_at(&self) -> Moment {
        let pause = if self.is_hasty { Duration::ZERO } else { MAX_PAUSE.min(self.lease / PING) };
        self.last_answered.after(pause)
    }

    fn lost_at(&self) -> Moment {
        let usual = self.last_answered.after(self.lease / LOST);
        self.renewed.map_or(usual, |renewed| usual.max(renewed.after(Self::patience(self.lease))))
    }
}

/// A ping is sent once in this part of a lease.
const PING: u32 = 6;

/// And no later than that, however long the lease is: by the answer a holder learns that it is asked to stop.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// The server has this part of a lease to answer a ping that was sent when it was due.
const ANSWER: u32 = 3;

/// Which makes this part of a lease from one answer to the loss of the lock.
const LOST: u32 = 2;

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
    fn however_long_the_lease_a_ping_is_sent_every_ten_seconds() {
        let start = Moment::now();
        let heartbeat = Heartbeat::new(LEASE * 1000, start);
        assert_eq!(heartbeat.next(), start.after(Duration::from_secs(10)));
    }

    #[test]
    fn a_host_that_wakes_up_late_is_given_no_time_again() {
        let start = Moment::now();
        let at = |seconds| start.after(Duration::from_secs(seconds));
        // Suspended before the ping, and after it.
        for pings in [&[][..], &[10], &[29]] {
            let mut heartbeat = Heartbeat::new(LEASE, start);
            for seconds in pings {
                heartbeat.sent(at(*seconds));
            }
            assert_eq!((heartbeat.silence(at(29)), heartbeat.silence(at(30))), (None, Some(LEASE / 2)));
            assert_eq!(heartbeat.silence(at(120)), Some(LEASE * 2));
        }
        let mut heartbeat = Heartbeat::new(LEASE, start);
        heartbeat.sent(at(10));
        // Read late, it is as old as it is.
        heartbeat.answered();
        assert_eq!((heartbeat.silence(at(39)), heartbeat.silence(at(40))), (None, Some(LEASE / 2)));
    }

    #[test]
    fn a_renewal_gives_time_for_one_answer_and_the_answer_counts_from_its_ping() {
        let start = Moment::now();
        let at = |seconds| start.after(Duration::from_secs(seconds));
        let mut heartbeat = Heartbeat::new(LEASE, start);
        heartbeat.renew(at(100));
        heartbeat.sent(at(100));
        assert_eq!((heartbeat.silence(at(119)), heartbeat.next()), (None, at(120)));
        assert_eq!(heartbeat.silence(at(120)), Some(LEASE * 2));
        heartbeat.answered();
        assert_eq!((heartbeat.last_answered(), heartbeat.next()), (at(100), at(110)));
        assert_eq!((heartbeat.silence(at(129)), heartbeat.silence(at(130))), (None, Some(LEASE / 2)));
    }

    #[test]
    fn a_renewal_beside_an_older_question_counts_from_one_that_was_asked_after_both_answers() {
        let start = Moment::now();
        let at = |seconds| start.after(Duration::from_secs(seconds));
        let mut heartbeat = Heartbeat::new(LEASE, start);
        heartbeat.sent(at(10));
        heartbeat.renew(at(100));
        heartbeat.sent(at(100));
        heartbeat.answered();
        assert_eq!(heartbeat.last_answered(), start);
        assert!(heartbeat.is_due(at(101)));
        heartbeat.sent(at(101));
        heartbeat.answered();
        assert_eq!((heartbeat.last_answered(), heartbeat.next()), (at(101), at(111)));
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
