//! The rules of waiting for a lock that is held elsewhere: when to try, when to ask who holds it, when to give up. No
//! server, clock, randomness or terminal in here.

use std::time::Duration;

use crate::lock::{Backoff, Moment};

/// The state of a wait for a lock.
#[derive(Debug)]
pub struct Waiter {
    /// When waiting is over; `None` is never.
    until: Option<Moment>,
    backoff: Backoff,
    /// When it was asked who holds the lock.
    asked: Moment,
    /// Whether the last connection attempt was the final one.
    is_last_connection: bool,
}

/// What the last thing done came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The lock is held elsewhere.
    Busy {
        /// Whether someone looks at a line that tells who holds it.
        is_watched: bool,
    },
    /// No server answers, or none any more.
    Unavailable,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Ask who holds the lock.
    Ask,
    /// Listen to the server for `pause`, then try the lock, with that time for the answer.
    Try { pause: Duration, timeout: Option<Duration> },
    /// Connect again after `pause`, which may take that long.
    Connect { pause: Duration, timeout: Option<Duration> },
    /// The time is over.
    GiveUp,
}

impl Waiter {
    /// Begins to wait, `limit` at most, having just asked who holds the lock.
    pub fn new(limit: Option<Duration>, now: Moment) -> Self {
        Self {
            until: limit.map(|limit| now.after(limit)),
            backoff: Backoff::default(),
            asked: now,
            is_last_connection: false,
        }
    }

    /// Returns what to do next; `random` is to be another number each time.
    ///
    /// The last try is made when the time is over; a lost connection is made again within the time.
    pub fn next(&mut self, found: Found, now: Moment, random: u32) -> Next {
        let left = self.until.map(|until| until.since(now));
        let is_over = left == Some(Duration::ZERO);
        match found {
            Found::Busy { is_watched: true } if now.since(self.asked) >= ASK_AGAIN => {
                self.asked = now;
                Next::Ask
            }
            Found::Busy { .. } if is_over => Next::GiveUp,
            Found::Busy { .. } => {
                let pause = self.backoff.pause(random);
                Next::Try { pause: cut(pause, left), timeout: last_chance(left) }
            }
            Found::Unavailable if self.is_last_connection => Next::GiveUp,
            Found::Unavailable => {
                self.is_last_connection = is_over;
                let pause = self.backoff.pause(random);
                Next::Connect { pause: cut(pause, left), timeout: last_chance(left) }
            }
        }
    }
}

fn cut(pause: Duration, left: Option<Duration>) -> Duration {
    left.map_or(pause, |left| pause.min(left))
}

/// How long a server may take to answer; enough for a healthy one even when no time is left.
fn last_chance(left: Option<Duration>) -> Option<Duration> {
    left.map(|left| left.max(LAST_CHANCE))
}

const LAST_CHANCE: Duration = Duration::from_secs(1);

/// How old the news of who holds the lock may be on the screen.
const ASK_AGAIN: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    const BUSY: Found = Found::Busy { is_watched: false };
    const WATCHED: Found = Found::Busy { is_watched: true };

    /// The shortest pause there is.
    const SHORTEST: Duration = Duration::from_millis(20);

    fn milliseconds(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    /// What is done about what was found at these milliseconds after the start, where chance always says 0.
    fn play(limit: Option<u64>, schedule: &[(u64, Found, Next)]) {
        let start = Moment::now();
        let mut waiter = Waiter::new(limit.map(milliseconds), start);
        for (at, found, next) in schedule {
            let found_next = waiter.next(*found, start.after(milliseconds(*at)), 0);
            assert_eq!(found_next, *next, "{found:?} after {at} ms");
        }
    }

    #[test]
    fn without_a_limit_it_is_tried_for_ever() {
        let again = Next::Try { pause: SHORTEST, timeout: None };
        play(None, &[(0, BUSY, again), (86_400_000, BUSY, again)]);
    }

    #[test]
    fn the_last_try_is_when_the_time_is_over() {
        let within =
            |pause, timeout| Next::Try { pause: milliseconds(pause), timeout: Some(milliseconds(timeout)) };
        play(
            Some(2000),
            &[
                (0, BUSY, within(20, 2000)),
                (500, BUSY, within(20, 1500)),
                (1990, BUSY, within(10, 1000)),
                (2000, BUSY, Next::GiveUp),
            ],
        );
    }

    #[test]
    fn a_lost_connection_is_made_again_until_one_attempt_after_the_time_is_over() {
        let within = |pause, timeout| Next::Connect {
            pause: milliseconds(pause),
            timeout: Some(milliseconds(timeout)),
        };
        play(
            Some(2000),
            &[
                (0, Found::Unavailable, within(20, 2000)),
                (1990, Found::Unavailable, within(10, 1000)),
                (2990, Found::Unavailable, within(0, 1000)),
                (3990, Found::Unavailable, Next::GiveUp),
            ],
        );
        play(None, &[(86_400_000, Found::Unavailable, Next::Connect { pause: SHORTEST, timeout: None })]);
    }

    #[test]
    fn a_busy_lock_found_by_the_final_connection_is_given_up() {
        let last = Next::Connect { pause: Duration::ZERO, timeout: Some(LAST_CHANCE) };
        play(Some(2000), &[(2000, Found::Unavailable, last), (2100, BUSY, Next::GiveUp)]);
    }

    #[test]
    fn who_holds_the_lock_is_asked_again_for_those_who_watch() {
        let again = Next::Try { pause: SHORTEST, timeout: None };
        play(
            None,
            &[
                (4999, WATCHED, again),
                (5000, BUSY, again),
                (5000, WATCHED, Next::Ask),
                (5000, WATCHED, again),
                (10_000, WATCHED, Next::Ask),
            ],
        );
    }
}
