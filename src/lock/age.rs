//! Since when a server has kept its locks: how fresh it is after a start, a crash or a promotion, all of which forget them.

use std::time::Duration;

use super::sql;
use super::token;
use crate::proto::Row;

/// What a server tells of itself.
#[derive(Debug, Clone, Copy)]
struct Told {
    start: Duration,
    /// Whether it has recovered since then, or was promoted.
    has_recovered: bool,
    /// When the last checkpoint began.
    checkpoint: Duration,
    /// Whether that was on the timeline of now.
    is_of_this_timeline: bool,
}

/// Returns for how long a server has kept its locks, at least, by the row that answers [`sql::Statement::Age`].
pub(super) fn read(row: &Row) -> Option<Duration> {
    // A clock that was set back: as if it were now. One that was set forward can't be told from one that went on.
    let since = |column| {
        row.parse::<i64>(column).map(|age| Duration::from_millis(age.try_into().unwrap_or_default()))
    };
    let timeline: u32 = row.parse(sql::age::CHECKPOINT_TIMELINE)?;
    let told = Told {
        start: since(sql::age::START)?,
        has_recovered: row.flag(sql::age::HAS_RECOVERED)?,
        checkpoint: since(sql::age::CHECKPOINT)?,
        is_of_this_timeline: token::timeline(row.text(sql::age::WAL_FILE)?)? == timeline,
    };
    Some(told.age())
}

impl Told {
    /// When it has recovered or was promoted, it does not tell an ordinary role; but it was before its last checkpoint, if
    /// that is on the timeline of now.
    fn age(self) -> Duration {
        match self {
            Self { has_recovered: false, start, .. } => start,
            Self { is_of_this_timeline: false, .. } => Duration::ZERO,
            Self { start, checkpoint, .. } => start.min(checkpoint.saturating_sub(CHECKPOINT_UNIT)),
        }
    }
}

/// A checkpoint's time is known to the second.
const CHECKPOINT_UNIT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_as_old_as_its_start_or_as_the_first_checkpoint_after_a_recovery_is_at_least() {
        let age = |start, has_recovered, checkpoint, is_of_this_timeline| {
            let [start, checkpoint] = [start, checkpoint].map(Duration::from_secs);
            Told { start, has_recovered, checkpoint, is_of_this_timeline }.age().as_secs()
        };
        assert_eq!(age(100, false, 3, true), 100, "its checkpoints say nothing");
        assert_eq!(age(5, false, 3000, true), 5, "the one when it was stopped neither");
        assert_eq!(age(100, true, 30, false), 0, "promoted, and no checkpoint since");
        assert_eq!(age(100, true, 30, true), 29, "promoted or recovered before the last checkpoint");
        assert_eq!(age(100, true, 300, true), 100);
    }
}
