//! Whoever asks a simulated heimdall to stop, and what is to come of it: as `cli::stop` does it, or a stranger.

use std::time::Duration;

use super::network::Between;
use super::postgres::State;
use super::run::{Halt, Stage};
use super::time::Time;
use super::world::{Event, World};

/// Who rings the bell of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ringer {
    Stranger,
    /// Who may have the holder stop.
    Entitled,
}

impl World {
    /// Someone rings the bell of the session that holds the lock.
    pub fn ring(&mut self, run: usize, ringer: Ringer) {
        let Some(connection) = self.runs[run].connection else { return };
        if self.server.state != State::Up || self.between(connection) == Between::Pooler {
            return;
        }
        let Some(session) = self.session_of(connection) else { return };
        if self.server.sessions[session].locked.is_none() {
            return;
        }
        let rings = &mut self.server.sessions[session].rung_by;
        *rings = (*rings).max(Some(ringer));
        if ringer == Ringer::Entitled {
            self.runs[run].was_asked = true;
            let host = self.hosts[self.runs[run].host].clock;
            let longest = host.takes(self.setting.lease / 6 + self.runs[run].options.kill_after);
            self.schedule(longest + MOMENTS, Event::JudgeAsked(run, connection, self.now));
        }
    }

    /// A heimdall has understood that it is to stop.
    pub fn heed(&mut self, run: usize) {
        self.tell(|_| format!("heimdall {run} is asked to stop"));
        let this = &mut self.runs[run];
        (this.is_asked, this.is_hurried) = (true, true);
        if !this.was_asked {
            self.complain(format!("heimdall {run} heeds a stranger"));
        }
    }

    /// Who was asked at that time has stopped by now, unless something has come in between.
    pub fn judge_asked(&mut self, run: usize, connection: usize, since: Time) {
        let this = &self.runs[run];
        let host = &self.hosts[this.host];
        let is_well = this.halt == Halt::None && !this.is_closed && !this.is_lost && !host.is_troubled();
        let disturbed = host.troubled.max(self.server.troubled).max(this.resumed).max(host.resumed);
        let is_same = this.connection == Some(connection) && self.session_of(connection).is_some();
        let is_late = matches!(this.stage, Stage::Supervising { .. } | Stage::Holding { .. });
        if is_late && is_same && is_well && disturbed < since && self.server.stalled_until < since {
            self.complain(format!("heimdall {run} was asked to stop at {since}, and goes on"));
        }
    }
}

/// For what a slow network and processes on their way out take, a few times.
const MOMENTS: Duration = Duration::from_secs(1);
