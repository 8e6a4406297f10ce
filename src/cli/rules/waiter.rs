//! The rules of waiting, for a lock that is held elsewhere and for a server that can't be used: when to try, when to ask who
//! holds the lock, when to give up. No server, clock, randomness or terminal in here.

use std::mem;
use std::time::Duration;

use crate::lock::{Backoff, Moment, Place, heirs_pause, others_pause};

/// The state of a wait.
#[derive(Debug)]
pub struct Waiter {
    /// When waiting is over; `None` is never.
    until: Option<Moment>,
    /// Whether there is one try and no waiting.
    tries_once: bool,
    backoff: Backoff,
    /// Whether the last thing done was to connect.
    is_connecting: bool,
    /// When it was asked who holds the lock, since the last connection was made.
    asked: Option<Moment>,
    /// Since when it waits for the lock on that connection.
    entered: Option<Moment>,
    /// Since when it is the heir.
    succeeds: Option<Moment>,
    /// When it last tried the lock though it is not the heir, or was last behind no one.
    overtook: Moment,
    broken: Option<Moment>,
}

/// What the last thing done came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The lock is held elsewhere.
    Busy {
        /// Whether someone looks at a line that tells who holds it.
        is_watched: bool,
        /// Where we stand among those who wait.
        place: Place,
    },
    /// No server can be used, or none any more, for a reason that may pass.
    Unavailable,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Ask who holds the lock.
    Ask {
        /// Whether that is what is waited for from now on, or is to be said once more to those who only read what is written.
        is_news: bool,
    },
    /// Listen to the server for `pause`, then try what our place in the line allows; where it `overtakes`, also the lock itself,
    /// if that is free by now.
    Try { pause: Duration, overtakes: bool },
    /// Connect again after `pause`.
    Connect { pause: Duration },
    /// The time is over.
    GiveUp,
}

impl Waiter {
    /// Begins to wait, `limit` at most, with a first connection.
    pub fn new(limit: Option<Duration>, now: Moment) -> Self {
        Self {
            until: limit.map(|limit| now.after(limit)),
            tries_once: limit == Some(Duration::ZERO),
            backoff: Backoff::of_connections(),
            is_connecting: true,
            asked: None,
            entered: None,
            succeeds: None,
            overtook: now,
            broken: None,
        }
    }

    /// Returns how long what begins now may take, a connection or a try: as long as any where there is no waiting, and otherwise
    /// no longer than until the time is over, or what a healthy server needs.
    pub fn patience(&self, now: Moment) -> Option<Duration> {
        self.left(now).filter(|_| !self.tries_once).map(|left| left.max(LAST_CHANCE))
    }

    /// Returns when the session broke in which the lock was waited for, if one did: the lock may have been forgotten with
    /// it while the holder's job lives.
    pub fn broken(&self) -> Option<Moment> {
        self.broken
    }

    /// Returns what to do next; `random` is to be another number each time.
    ///
    /// The last try is made when the time is over, and where its connection is lost, one more is made.
    pub fn next(&mut self, found: Found, now: Moment, random: u32) -> Next {
        let left = self.left(now);
        let is_over = left == Some(Duration::ZERO);
        let was_connecting = mem::replace(&mut self.is_connecting, found == Found::Unavailable);
        if was_connecting != self.is_connecting {
            self.backoff = if self.is_connecting { Backoff::of_connections() } else { Backoff::default() };
            self.asked = None;
            self.entered = None;
            self.succeeds = None;
            self.overtook = now;
        }
        match found {
            Found::Busy { .. } if is_over => Next::GiveUp,
            Found::Busy { is_watched, .. } if self.asks(is_watched, now) => {
                Next::Ask { is_news: self.asked.replace(now).is_none() || !is_watched }
            }
            Found::Busy { place, .. } => {
                let (pause, overtakes) = self.turn(place, now, random);
                Next::Try { pause: cut(pause, left), overtakes }
            }
            Found::Unavailable if is_over && was_connecting => Next::GiveUp,
            Found::Unavailable => {
                // Whatever has ended it: until another is made, the server may have started anew unnoticed.
                if !was_connecting {
                    self.broken = Some(now);
                }
                Next::Connect { pause: cut(self.backoff.pause(random), left) }
            }
        }
    }

    /// Returns how long to pause, and whether to overtake the heir, which may be stopped.
    fn turn(&mut self, place: Place, now: Moment, random: u32) -> (Duration, bool) {
        let entered = *self.entered.get_or_insert(now);
        match place {
            Place::Outside => (self.backoff.pause(random), false),
            Place::Heir => {
                self.overtook = now;
                let succeeds = *self.succeeds.get_or_insert(now);
                (heirs_pause(now.since(succeeds), random), false)
            }
            Place::Behind => {
                let overtakes = now.since(self.overtook) >= OVERTAKE;
                if overtakes {
                    self.overtook = now;
                }
                (others_pause(now.since(entered), random), overtakes)
            }
        }
    }

    fn left(&self, now: Moment) -> Option<Duration> {
        self.until.map(|until| until.since(now))
    }

    fn asks(&self, is_watched: bool, now: Moment) -> bool {
        self.asked.is_none_or(|asked| now.since(asked) >= if is_watched { ASK_AGAIN } else { TELL_AGAIN })
    }
}

fn cut(pause: Duration, left: Option<Duration>) -> Duration {
    left.map_or(pause, |left| pause.min(left))
}

/// How long a server may take to answer when no time is left: enough for a healthy one.
const LAST_CHANCE: Duration = Duration::from_secs(1);

/// How often the lock is tried by one who is not the heir: whoever has the heir's key may leave the lock alone, and not every
/// server ends such a session.
const OVERTAKE: Duration = Duration::from_secs(60);

/// How long nothing may be said where what is written goes to a file or a pipeline: those end a job that says nothing for ten
/// minutes or more.
pub const TELL_AGAIN: Duration = Duration::from_secs(300);

/// How old the news of who holds the lock may be on the screen.
const ASK_AGAIN: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    const BUSY: Found = Found::Busy { is_watched: false, place: Place::Outside };
    const WATCHED: Found = Found::Busy { is_watched: true, place: Place::Outside };

    const NEWS: Next = Next::Ask { is_news: true };

    /// The shortest pause there is.
    const SHORTEST: Duration = Duration::from_millis(20);

    fn milliseconds(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    fn connect(pause: u64) -> Next {
        Next::Connect { pause: milliseconds(pause) }
    }

    fn again(pause: u64) -> Next {
        Next::Try { pause: milliseconds(pause), overtakes: false }
    }

    /// What is done about what was found at these milliseconds after the start, where chance always says 0.
    fn play(limit: Option<u64>, schedule: &[(u64, Found, Next)]) {
        let start = Moment::START;
        let mut waiter = Waiter::new(limit.map(milliseconds), start);
        for (at, found, next) in schedule {
            let found_next = waiter.next(*found, start.after(milliseconds(*at)), 0);
            assert_eq!(found_next, *next, "{found:?} after {at} ms");
        }
    }

    #[test]
    fn without_a_limit_it_is_tried_for_ever() {
        let schedule = [
            (0, BUSY, NEWS),
            (0, BUSY, again(20)),
            (86_400_000, BUSY, NEWS),
            (86_400_000, BUSY, again(20)),
            (86_400_000, Found::Unavailable, connect(20)),
        ];
        play(None, &schedule);
        assert_eq!(Waiter::new(None, Moment::START).patience(Moment::START), None);
    }

    #[test]
    fn the_last_try_is_when_the_time_is_over() {
        play(
            Some(2000),
            &[
                (0, BUSY, NEWS),
                (0, BUSY, again(20)),
                (500, BUSY, again(20)),
                (1990, BUSY, again(10)),
                (2000, BUSY, Next::GiveUp),
            ],
        );
    }

    #[test]
    fn what_begins_ends_with_the_time_or_when_a_healthy_server_has_answered() {
        let waiter = Waiter::new(Some(milliseconds(2000)), Moment::START);
        for (at, patience) in [(0, 2000), (700, 1300), (1500, 1000), (2000, 1000), (9000, 1000)] {
            let at = Moment::START.after(milliseconds(at));
            assert_eq!(waiter.patience(at), Some(milliseconds(patience)), "{at:?}");
        }
    }

    #[test]
    fn a_server_is_waited_for_until_one_attempt_when_the_time_is_over() {
        play(
            Some(2000),
            &[
                (0, Found::Unavailable, connect(20)),
                (1990, Found::Unavailable, connect(10)),
                (2001, Found::Unavailable, Next::GiveUp),
            ],
        );
        // Silence has lasted until then.
        play(Some(2000), &[(2000, Found::Unavailable, Next::GiveUp)]);
    }

    #[test]
    fn a_connection_that_is_lost_in_the_last_try_is_made_once_more() {
        let found = [
            (1990, BUSY, NEWS),
            (1990, BUSY, again(10)),
            (2500, Found::Unavailable, connect(0)),
            (2600, Found::Unavailable, Next::GiveUp),
        ];
        play(Some(2000), &found);
        play(Some(2000), &[&found[..3], &[(2600, BUSY, Next::GiveUp)]].concat());
    }

    #[test]
    fn without_waiting_there_is_one_try_which_takes_as_long_as_any() {
        assert_eq!(Waiter::new(Some(Duration::ZERO), Moment::START).patience(Moment::START), None);
        play(Some(0), &[(0, BUSY, Next::GiveUp)]);
        play(Some(0), &[(0, Found::Unavailable, Next::GiveUp)]);
    }

    #[test]
    fn when_the_session_broke_is_known_and_who_holds_the_lock_is_news_again_after_it() {
        let at = |milliseconds| Moment::START.after(Duration::from_millis(milliseconds));
        let mut waiter = Waiter::new(None, at(0));
        waiter.next(Found::Unavailable, at(0), 0);
        waiter.next(BUSY, at(10), 0);
        assert_eq!(waiter.broken(), None);
        waiter.next(Found::Unavailable, at(20), 0);
        waiter.next(Found::Unavailable, at(30), 0);
        assert_eq!(waiter.next(BUSY, at(40), 0), NEWS);
        assert_eq!(waiter.broken(), Some(at(20)));
    }

    #[test]
    fn the_heir_tries_often_and_those_behind_it_overtake_it_once_a_minute() {
        let found = |place| Found::Busy { is_watched: false, place };
        let behind = found(Place::Behind);
        let again = |pause, overtakes| Next::Try { pause: milliseconds(pause), overtakes };
        let first = Next::Try { pause: SHORTEST * 2 / 3, overtakes: false };
        play(
            None,
            &[
                (0, behind, NEWS),
                (3000, behind, first),
                (59_999, behind, again(3000, false)),
                (70_000, behind, again(3000, true)),
                (129_999, behind, again(3000, false)),
                (130_000, behind, again(3000, true)),
                (200_000, found(Place::Heir), again(56, false)),
                (245_000, found(Place::Heir), again(100, false)),
                (260_000, behind, again(3000, false)),
            ],
        );
    }

    #[test]
    fn who_holds_the_lock_is_asked_again_for_those_who_watch() {
        play(
            None,
            &[
                (0, WATCHED, NEWS),
                (4999, WATCHED, again(20)),
                (5000, BUSY, again(20)),
                (5000, WATCHED, Next::Ask { is_news: false }),
                (5000, WATCHED, again(20)),
                (10_000, WATCHED, Next::Ask { is_news: false }),
            ],
        );
    }

    #[test]
    fn who_does_not_watch_is_told_every_five_minutes() {
        play(
            None,
            &[
                (0, BUSY, NEWS),
                (299_999, BUSY, again(20)),
                (300_000, BUSY, NEWS),
                (599_999, BUSY, again(20)),
                (600_000, BUSY, NEWS),
            ],
        );
    }
}
