//! The rules of holding the lock while no program runs: until when, and when it is sure that a program may start under it. No
//! server and no clock in here.

use std::time::Duration;

use crate::lock::Moment;
use crate::lock::heartbeat::Heartbeat;

/// A lock that is held.
pub trait Kept {
    /// Why it is lost.
    type Lost;

    /// When the server was asked what it has answered last.
    fn last_answered(&self) -> Moment;

    /// When the server is to be asked for the next sign of life; `None` where that has not begun.
    fn next_tick(&self) -> Option<Moment>;

    /// Begins to ask for signs of life.
    ///
    /// # Errors
    /// The lock is lost.
    fn start_heartbeat(&mut self, now: Moment) -> Result<(), Self::Lost>;

    /// Reads what the server has sent, and asks it for a sign of life where that is due.
    ///
    /// # Errors
    /// The lock is lost.
    fn process(&mut self, now: Moment) -> Result<(), Self::Lost>;

    /// Whether someone who may do so has asked that the lock be freed.
    fn is_asked(&self) -> bool;
}

/// For how long a lock is held before a program starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    pub lease: Duration,
    pub until: Moment,
}

/// What to do after a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Wait for the server to say something, and for that moment.
    Wait(Option<Moment>),
    /// Get another answer than the one that has granted the lock, which was asked for too long ago; then look again.
    Confirm,
    /// A program may start.
    Start,
    /// Give the lock back, and start no program: someone has asked for that.
    GiveBack,
}

impl Holding {
    /// Looks at everything once.
    ///
    /// # Errors
    /// The lock is lost.
    pub fn round<K: Kept>(self, kept: &mut K, now: Moment) -> Result<Then, K::Lost> {
        if kept.next_tick().is_none() {
            // Before heartbeats begin: they would take the time that the login took for the server's silence.
            if !Heartbeat::is_fresh(kept.last_answered(), self.lease, now) {
                return Ok(Then::Confirm);
            }
            if self.until <= now {
                return Ok(Then::Start);
            }
            kept.start_heartbeat(now)?;
        }
        let processed = kept.process(now);
        // Also where the lock is lost with the answer that told of it: who is waited for to end must not wait for the lock
        // again.
        if kept.is_asked() {
            return Ok(Then::GiveBack);
        }
        processed?;
        if self.until <= now && Heartbeat::is_fresh(kept.last_answered(), self.lease, now) {
            return Ok(Then::Start);
        }
        // An answer that is awaited comes by the descriptor.
        let until = Some(self.until).filter(|until| now < *until);
        Ok(Then::Wait(until.into_iter().chain(kept.next_tick()).min()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::START.after(Duration::from_secs(seconds))
    }

    /// A server that answers at once, unless it is silent.
    struct Server {
        heartbeat: Option<Heartbeat>,
        is_silent: bool,
        is_asked: bool,
    }

    const LEASE: Duration = Duration::from_secs(60);

    impl Kept for Server {
        type Lost = ();

        fn last_answered(&self) -> Moment {
            self.heartbeat.map_or(at(0), |heartbeat| heartbeat.last_answered())
        }

        fn next_tick(&self) -> Option<Moment> {
            self.heartbeat.as_ref().map(Heartbeat::next)
        }

        fn start_heartbeat(&mut self, _: Moment) -> Result<(), ()> {
            self.heartbeat = Some(Heartbeat::new(LEASE, at(0)));
            Ok(())
        }

        fn process(&mut self, now: Moment) -> Result<(), ()> {
            let heartbeat = self.heartbeat.as_mut().unwrap();
            if heartbeat.silence(now).is_some() {
                return Err(());
            }
            if heartbeat.is_due(now) {
                heartbeat.sent(now);
                if !self.is_silent {
                    heartbeat.answered();
                }
            }
            Ok(())
        }

        fn is_asked(&self) -> bool {
            self.is_asked
        }
    }

    #[test]
    fn who_is_asked_to_free_the_lock_starts_no_program_also_where_the_moment_has_come() {
        let mut server = Server { heartbeat: None, is_silent: false, is_asked: false };
        let holding = Holding { lease: LEASE, until: at(25) };
        assert_eq!(holding.round(&mut server, at(1)), Ok(Then::Wait(Some(at(10)))));
        server.is_asked = true;
        assert_eq!(holding.round(&mut server, at(25)), Ok(Then::GiveBack));
    }

    #[test]
    fn who_is_asked_to_free_the_lock_and_has_lost_it_waits_for_no_other() {
        let mut server = Server { heartbeat: None, is_silent: true, is_asked: false };
        let holding = Holding { lease: LEASE, until: at(90) };
        assert_eq!(holding.round(&mut server, at(1)), Ok(Then::Wait(Some(at(10)))));
        server.is_asked = true;
        assert_eq!(holding.round(&mut server, at(60)), Ok(Then::GiveBack));
    }

    #[test]
    fn a_grant_that_is_not_fresh_is_confirmed_before_a_program_starts_and_before_heartbeats_begin() {
        for (until, now, then) in [
            (0, 19, Then::Start),
            (0, 20, Then::Confirm),
            (90, 20, Then::Confirm),
            (90, 30, Then::Confirm),
            (90, 1000, Then::Confirm),
        ] {
            let mut server = Server { heartbeat: None, is_silent: false, is_asked: false };
            let holding = Holding { lease: LEASE, until: at(until) };
            assert_eq!(holding.round(&mut server, at(now)), Ok(then), "{until} {now}");
            assert!(server.heartbeat.is_none());
        }
    }

    #[test]
    fn the_lock_is_kept_alive_until_the_moment_has_come_and_an_answer_is_fresh() {
        let holding = Holding { lease: LEASE, until: at(25) };
        let mut server = Server { heartbeat: None, is_silent: false, is_asked: false };
        assert_eq!(holding.round(&mut server, at(1)), Ok(Then::Wait(Some(at(10)))));
        assert_eq!(holding.round(&mut server, at(10)), Ok(Then::Wait(Some(at(20)))));
        assert_eq!(holding.round(&mut server, at(20)), Ok(Then::Wait(Some(at(25)))));
        assert_eq!(holding.round(&mut server, at(25)), Ok(Then::Start));
    }

    #[test]
    fn a_silent_server_lets_no_program_start() {
        let holding = Holding { lease: LEASE, until: at(25) };
        let mut server = Server { heartbeat: None, is_silent: true, is_asked: false };
        assert_eq!(holding.round(&mut server, at(1)), Ok(Then::Wait(Some(at(10)))));
        assert_eq!(holding.round(&mut server, at(25)), Ok(Then::Wait(Some(at(30)))));
        assert_eq!(holding.round(&mut server, at(30)), Err(()));
    }
}
