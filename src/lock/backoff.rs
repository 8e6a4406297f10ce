//! How long to wait between tries: first little, then up to a second, and never in step with others.

use std::time::Duration;

/// Decorrelated jitter: each pause is random, between the shortest and three times the one before.
#[derive(Debug, Clone, Copy)]
pub struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(SHORTEST)
    }
}

impl Backoff {
    /// The next pause; `random` is any number, and another one each time.
    pub fn pause(&mut self, random: u32) -> Duration {
        let steps = random % (STEPS + 1);
        let most = (self.0 * 3).min(LONGEST);
        self.0 = SHORTEST + most.saturating_sub(SHORTEST) * steps / STEPS;
        self.0
    }
}

/// Fine enough for no two waiters to keep step.
const STEPS: u32 = 10_000;

/// A holder that is about to end is met soon after.
const SHORTEST: Duration = Duration::from_millis(20);

/// Short enough for a waiter to find a free lock soon, and long enough for a server not to notice fifty of them: `make
/// bench` measures both.
const LONGEST: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_random_and_bounded_on_both_sides() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.pause(STEPS), SHORTEST * 3);
        assert_eq!(backoff.pause(STEPS), SHORTEST * 9);
        for _ in 0..10 {
            backoff.pause(STEPS);
        }
        assert_eq!(backoff.pause(STEPS), LONGEST);
        assert_eq!(backoff.pause(0), SHORTEST);
    }
}
