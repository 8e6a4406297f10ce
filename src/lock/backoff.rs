//! How long to pause between tries: of the lock by its heir, of the heir's key by those behind it, of the lock where no one
//! stands in line, and of a server that is not there. Never in step with others.

use std::time::Duration;

/// Decorrelated jitter, for one who tries without a place in the line: each pause is random, between the shortest and three
/// times the one before.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    last: Duration,
    longest: Duration,
}

/// For tries of a lock.
impl Default for Backoff {
    fn default() -> Self {
        Self { last: SHORTEST, longest: LONGEST }
    }
}

impl Backoff {
    /// Returns the pauses between attempts at a connection, each of which costs a server a process.
    #[must_use]
    pub fn of_connections() -> Self {
        Self { longest: CONNECTIONS_LONGEST, ..Self::default() }
    }

    /// Returns the next pause; `random` is any number, and another one each time.
    #[must_use]
    pub fn pause(&mut self, random: u32) -> Duration {
        let most = (self.last * 3).min(self.longest);
        self.last = between(SHORTEST, most, random);
        self.last
    }
}

/// Returns the heir's next pause, so long after it has become the heir.
#[must_use]
pub fn heirs_pause(waited: Duration, random: u32) -> Duration {
    around((waited / 300).clamp(HEIRS_SHORTEST, HEIRS_LONGEST), random)
}

/// Returns the next pause of one behind the heir, so long after it has entered the line.
#[must_use]
pub fn others_pause(waited: Duration, random: u32) -> Duration {
    around((waited.saturating_mul(9) / 2).clamp(SHORTEST, OTHERS_LONGEST), random)
}

/// Within a third of the usual pause.
fn around(usual: Duration, random: u32) -> Duration {
    between(usual * 2 / 3, usual * 4 / 3, random)
}

fn between(least: Duration, most: Duration, random: u32) -> Duration {
    least + most.saturating_sub(least) * (random % (STEPS + 1)) / STEPS
}

/// Fine enough for no two waiters to keep step.
const STEPS: u32 = 10_000;

/// A holder that is about to end is met soon after.
const SHORTEST: Duration = Duration::from_millis(20);

/// Short enough for a waiter to find a free lock soon, and long enough for a server not to notice fifty of them.
const LONGEST: Duration = Duration::from_secs(1);

/// A server that comes back after a minute is found some seconds later, by a thousand who do not keep it from starting up.
const CONNECTIONS_LONGEST: Duration = Duration::from_secs(5);

/// Less than twelve tries a second: half of it and a round trip is what a handover takes. `make bench` measures this and the
/// next two.
const HEIRS_SHORTEST: Duration = Duration::from_millis(84);

/// After a minute. Who has waited that long waits a tenth of a second more, and costs the server half.
const HEIRS_LONGEST: Duration = Duration::from_millis(200);

/// After a second. A thousand of them make 220 tries a second, and so one finds the heir's key free at once.
const OTHERS_LONGEST: Duration = Duration::from_millis(4500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_random_and_bounded_on_both_sides() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.pause(STEPS), SHORTEST * 3);
        assert_eq!(backoff.pause(STEPS), SHORTEST * 9);
        for _ in 0..10 {
            let _ = backoff.pause(STEPS);
        }
        assert_eq!(backoff.pause(STEPS), LONGEST);
        assert_eq!(backoff.pause(0), SHORTEST);
        let mut backoff = Backoff::of_connections();
        assert_eq!(backoff.pause(STEPS), SHORTEST * 3);
        let pauses = std::iter::repeat_with(|| backoff.pause(STEPS));
        assert_eq!(pauses.take(10).last(), Some(CONNECTIONS_LONGEST));
    }

    #[test]
    fn the_heir_tries_often_and_the_others_soon_seldom() {
        let (seconds, millis) = (Duration::from_secs, Duration::from_millis);
        for (waited, heir, others) in [
            (seconds(0), [56, 112], [13, 26]),
            (millis(200), [56, 112], [600, 1200]),
            (seconds(2), [56, 112], [3000, 6000]),
            (seconds(45), [100, 200], [3000, 6000]),
            (seconds(60), [133, 266], [3000, 6000]),
            (seconds(1_000_000), [133, 266], [3000, 6000]),
            (Duration::MAX, [133, 266], [3000, 6000]),
        ] {
            let both = [0, STEPS];
            assert_eq!(both.map(|random| heirs_pause(waited, random).as_millis()), heir, "{waited:?}");
            assert_eq!(both.map(|random| others_pause(waited, random).as_millis()), others, "{waited:?}");
        }
        assert_eq!(heirs_pause(millis(0), STEPS / 2), HEIRS_SHORTEST);
    }
}
