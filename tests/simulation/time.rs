//! Time in a simulated world: the true one, and what a host's clock makes of it.

use std::fmt;
use std::time::Duration;

use heimdall::lock::Moment;

/// How long after the beginning of the world, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Time(u64);

impl Time {
    pub const NEVER: Self = Self(u64::MAX);

    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_nanos() as u64))
    }

    /// Zero where it is before.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:11.6} s", Duration::from_nanos(self.0).as_secs_f64())
    }
}

/// A clock that may be fast or slow, and began to run long before the world.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: u64,
    /// What it gains in a thousand seconds.
    gain: i64,
}

impl Clock {
    pub fn new(started: Duration, gain: i64) -> Self {
        Self { started: started.as_nanos() as u64, gain }
    }

    /// What it shows.
    pub fn at(self, time: Time) -> Moment {
        let ran = (i128::from(time.0) * i128::from(1000 + self.gain) / 1000) as u64;
        Moment::START.after(Duration::from_nanos(self.started + ran))
    }

    /// When it shows this, or has just shown it.
    pub fn when(self, moment: Moment) -> Time {
        let shown = moment.since(Moment::START).as_nanos() as u64;
        let ran = i128::from(shown.saturating_sub(self.started));
        Time((ran * 1000 / i128::from(1000 + self.gain)) as u64 + 1)
    }

    /// What it counts in that time.
    pub fn counts(self, time: Duration) -> Duration {
        time * u32::try_from(1000 + self.gain).unwrap() / 1000
    }

    /// How long it really takes until it has counted this.
    pub fn takes(self, counted: Duration) -> Duration {
        counted * 1000 / u32::try_from(1000 + self.gain).unwrap()
    }
}
