//! Chance that can be repeated: `SplitMix64` (Steele, Lea, Flood 2014) from a seed, or what a fuzzer has chosen.

use std::time::Duration;

/// A stream of random numbers; the same beginning gives the same stream.
#[derive(Debug, Clone)]
pub struct Dice {
    state: u64,
    /// What comes first, the last byte before all others.
    chosen: Vec<u8>,
}

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self { state: seed, chosen: Vec::new() }
    }

    /// Dice that fall as these bytes say, as far as they go.
    pub fn chosen(bytes: &[u8]) -> Self {
        Self { state: 0, chosen: bytes.iter().rev().copied().collect() }
    }

    /// Dice of its own for someone who throws at the same time.
    pub fn split(&mut self) -> Self {
        Self::new(self.next())
    }

    /// One of `0..end`.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    /// Whether something happens that does so once in `times`.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of `from..to`, to the microsecond.
    pub fn between(&mut self, from: Duration, to: Duration) -> Duration {
        let span = u64::try_from(to.saturating_sub(from).as_micros()).unwrap();
        from + Duration::from_micros(self.below(span.max(1)))
    }

    /// One of them, if there is one.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let count = from.len() as u64;
        (count > 0).then(|| &from[self.below(count) as usize])
    }

    pub fn shuffle<T>(&mut self, what: &mut [T]) {
        for end in (1..what.len()).rev() {
            what.swap(end, self.below(end as u64 + 1) as usize);
        }
    }

    /// Any number.
    pub fn next(&mut self) -> u64 {
        if let Some(first) = self.chosen.pop() {
            let second = self.chosen.pop().unwrap_or_default();
            return u64::from_be_bytes([first, second, 0, 0, 0, 0, 0, 0]);
        }
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
