//! The held lock: it keeps up its lease, listens for its loss, and is given back with a confirmation.

use std::fmt;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use super::age;
#[cfg(feature = "cli")]
use super::bell::Asker;
use super::bell::Bell;
use super::error::Lost;
use super::grant::Grant;
use super::half::{IDLE_SESSION_TIMEOUT, NotTcp, ServersHalf};
use super::heartbeat::Heartbeat;
use super::lease;
use super::request::LockRequest;
use super::settings::{Attempt, Retry, Settings};
use super::sql::{self, Mark, Owner, Statement};
use crate::net::{self, Connection, Deadline, Moment, QueryError};
use crate::proto::{Query, Row, ServerMessage, Step, Transaction};

/// A held lock. Dropping it closes the connection; once no one else has a copy of its descriptor either, the
/// server releases the lock.
#[must_use = "if unused, the lock is given back at once"]
pub struct Guard {
    connection: Connection,
    grant: Grant,
    /// When the server was asked for the lock.
    asked: Moment,
    acquired: Moment,
    /// Once [`Guard::start_heartbeat`] was called.
    heartbeat: Option<Heartbeat>,
    /// How long a client that has vanished may hold the lock, once that is known.
    lease: Option<Duration>,
    half: ServersHalf,
    settings: Option<Attempt>,
    /// When the settings were asked for that [`Guard::keep_session`] has asked for.
    kept: Option<Moment>,
    /// Where it can be asked to stop.
    bell: Option<Bell>,
}

/// What one read from the connection has brought.
#[derive(Debug)]
#[non_exhaustive]
pub enum Polled {
    /// Nothing; the descriptor becomes readable when there is more.
    Nothing,
    /// Something that needs no one's attention; there may be more.
    Progress,
    /// The server has sent a message; there may be more.
    Notice(ServerMessage),
    /// Settings that protect the session are not in force, of which a user should know; there may be more.
    NotInForce(String),
    /// The server keeps its half of the lease otherwise than [`Guard::servers_half`] has told before; there may be more.
    OtherHalf,
}

/// How giving back went.
#[must_use = "the lock may have been lost before"]
#[derive(Debug)]
#[non_exhaustive]
pub enum Release {
    /// The server has confirmed it: the next contender will find the lock free.
    Confirmed,
    /// The server answered that it was not held any more.
    NotHeld,
    /// No confirmation came; the connection was closed, so the server will release the lock.
    Unconfirmed(Lost),
}

impl Deref for Guard {
    type Target = Grant;

    fn deref(&self) -> &Grant {
        &self.grant
    }
}

impl Guard {
    /// The server was asked for the lock at that moment, or later, and has granted it.
    pub(super) fn new(
        connection: Connection,
        grant: Grant,
        asked: Moment,
        request: &LockRequest,
        half: ServersHalf,
    ) -> Self {
        // A pooler's session is anyone's, and so would be what it is asked by.
        let is_heard = request.heeds_stop() && grant.owner == Owner::Us;
        let mut guard = Self {
            connection,
            grant,
            asked,
            acquired: Moment::now(),
            heartbeat: None,
            lease: request.lease(),
            half,
            settings: None,
            kept: None,
            bell: is_heard.then(|| Bell::new(grant.key, grant.backend_pid)),
        };
        if grant.owner != Owner::Us {
            guard.settings = Some(Attempt::new(guard.wanted_settings()));
        }
        guard
    }

    /// Ends the transaction in which the lock was granted, and has its settings stay in force for the session; the answer is
    /// not waited for. A pooler's session stays inside its transaction, and so with us, for as long as the lock is held.
    pub(super) fn keep_session(&mut self) -> Result<(), net::Error> {
        if self.grant.owner != Owner::Us || self.connection.transaction() != Transaction::Open {
            return Ok(());
        }
        let settings = self.wanted_settings();
        self.settings = Some(Attempt::new(settings.clone()));
        self.kept = Some(Moment::now());
        let query = self.marked(&Statement::Keep(settings));
        self.connection.send(&query)
    }

    fn wanted_settings(&self) -> Settings {
        let version = self.connection.server().major_version();
        match self.grant.owner {
            Owner::Us => Settings::of_session(version, self.lease, &self.half, self.grant.token()),
            Owner::Unknown | Owner::Pooler => Settings::of_transaction(version, self.lease),
        }
    }

    /// Returns who has asked that what the lock protects be stopped, and the lock be freed then.
    #[cfg(feature = "cli")]
    pub(crate) fn asker(&self) -> Option<&Asker> {
        self.bell.as_ref().and_then(Bell::asker)
    }

    /// As it is sent: with what the session says of itself to those who may have it stop.
    fn marked(&self, statement: &Statement) -> Query {
        statement.marked(self.bell.as_ref().map(|bell| match bell.asker() {
            None => Mark::Heeds,
            Some(_) => Mark::Stops,
        }))
    }

    /// The session, for who looks at it before anything depends on the lock.
    pub(super) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Whether the session is a pooler's.
    pub(super) fn is_pooled(&self) -> bool {
        self.grant.owner == Owner::Pooler
    }

    /// When the answer was read that the lock is ours.
    #[must_use]
    pub fn acquired(&self) -> Moment {
        self.acquired
    }

    /// When the server last showed that it holds the lock for us: counted from the question that it has answered, since
    /// the answer may be read much later.
    #[must_use]
    pub fn last_answered(&self) -> Moment {
        self.heartbeat.as_ref().map_or(self.asked, Heartbeat::last_answered)
    }

    /// What has the server free the lock if this host vanishes.
    #[must_use]
    pub fn servers_half(&self) -> &ServersHalf {
        &self.half
    }

    /// Where the server is.
    #[must_use]
    pub fn server_address(&self) -> &str {
        self.connection.server_address()
    }

    /// From now on the lock is kept for as long as both sides hear from each other: the server frees it `lease` after this
    /// host has vanished, and is asked for a sign of life well before, in [`Guard::tick`]. Also switches off the settings
    /// of the session that could end it. Where the answer that granted the lock is not fresh, the server is asked first, as by
    /// [`Guard::confirm`].
    ///
    /// What the lock protects may run for as long as [`Guard::last_answered`] is less than three quarters of `lease` ago: a
    /// process that was stopped, or a host that was suspended, looks at that before anything else.
    ///
    /// A lease that is shorter than [`MIN_LEASE`](super::MIN_LEASE) or longer than [`MAX_LEASE`](super::MAX_LEASE) counts as
    /// that one. Called again, this changes the lease.
    ///
    /// # Errors
    /// The lock is lost.
    pub fn start_heartbeat(&mut self, lease: Duration) -> Result<(), Lost> {
        let lease = lease::bounded(lease);
        self.confirm(lease)?;
        self.begin_heartbeat(lease, Moment::now())
    }

    /// As [`Guard::start_heartbeat`], without waiting for the server: however old the answer is that granted the lock, it is
    /// what counts.
    pub(crate) fn begin_heartbeat(&mut self, lease: Duration, now: Moment) -> Result<(), Lost> {
        self.lease = Some(lease);
        let settings = self.wanted_settings();
        let are_new = self.settings.as_ref().is_none_or(|attempt| *attempt.settings() != settings);
        if are_new {
            self.settings = Some(Attempt::new(settings));
            self.kept = None;
        }
        let heartbeat = if let Some(begun) = self.heartbeat {
            begun.with_lease(lease)
        } else {
            let mut heartbeat = Heartbeat::new(lease, self.asked);
            self.in_flight().into_iter().for_each(|asked| heartbeat.sent(asked));
            heartbeat
        };
        self.heartbeat = Some(heartbeat);
        let are_asked =
            heartbeat.outstanding().is_some() || self.settings.as_ref().is_some_and(Attempt::is_answered);
        if are_asked && !are_new { Ok(()) } else { self.ping(now) }
    }

    /// When that was asked whose answer is still waited for.
    fn in_flight(&self) -> Option<Moment> {
        let asked = self.heartbeat.as_ref().map_or(self.kept, Heartbeat::outstanding);
        asked.filter(|_| !self.connection.is_idle())
    }

    /// Reads what the server has sent and sends a ping where that is due: all that a loop has to do when the descriptor
    /// is readable, and when [`Guard::next_tick`] has come.
    ///
    /// # Errors
    /// The lock is lost.
    pub fn process(&mut self, now: Moment) -> Result<(), Lost> {
        self.process_telling(now, |_, _| {})
    }

    /// The same; `tell` is told of what was read, and what keeps the server's half of the lease.
    pub(crate) fn process_telling(
        &mut self,
        now: Moment,
        tell: impl Fn(Polled, &ServersHalf),
    ) -> Result<(), Lost> {
        for _ in 0..LOOKS {
            match self.poll()? {
                Polled::Nothing => break,
                polled => tell(polled, &self.half),
            }
        }
        self.tick(now)
    }

    /// When [`Guard::tick`] has something to do next.
    #[must_use]
    pub fn next_tick(&self) -> Option<Moment> {
        self.heartbeat.as_ref().map(Heartbeat::next)
    }

    /// Asks the server for a sign of life, where that is due.
    ///
    /// # Errors
    /// The lock is lost: the last ping was not answered in time, or by what the server has sent.
    pub fn tick(&mut self, now: Moment) -> Result<(), Lost> {
        // If this process was stopped meanwhile, the answer may be there unread.
        let is_late = |heartbeat: &Heartbeat| heartbeat.silence(now).is_some();
        for _ in 0..LOOKS {
            if !self.heartbeat.as_ref().is_some_and(is_late) {
                break;
            }
            self.poll()?;
        }
        let Some(heartbeat) = &self.heartbeat else { return Ok(()) };
        if let Some(silence) = heartbeat.silence(now) {
            return Err(Lost::Silent(silence));
        }
        if self.connection.is_idle()
            && let Some(bell) = self.bell.as_ref().filter(|bell| bell.has_rung())
        {
            let question = Statement::Askers(bell.key);
            return self.ask(&question, now, Bell::sent_question);
        }
        if heartbeat.is_due(now) { self.ping(now) } else { Ok(()) }
    }

    /// Asks the server for a fresh sign of life, for which it has a third of the lease, however long it has been silent: for
    /// a host that wakes up so late that what the lock protects has been stopped, and stays so until the answer.
    ///
    /// # Errors
    /// The lock is lost.
    pub fn renew(&mut self, now: Moment) -> Result<(), Lost> {
        self.heartbeat.iter_mut().for_each(|heartbeat| heartbeat.renew(now));
        self.ping(now)
    }

    /// Makes sure that the lock is still ours, before anything that it protects is started: where the answer that granted it
    /// is older than a third of the lease, because the login took that long, or we were stopped or suspended, the server is
    /// asked again, and has as long to answer.
    ///
    /// # Errors
    /// The lock is lost: no answer came in time, or by what the server has sent.
    pub fn confirm(&mut self, lease: Duration) -> Result<(), Lost> {
        // Once more where we were stopped again before we read the answer.
        while !Heartbeat::is_fresh(self.last_answered(), lease, Moment::now()) {
            // One question at a time: the server counts its patience from the first answer of which it does not know that it
            // has arrived.
            let in_flight = self.in_flight();
            let asked = in_flight.unwrap_or_else(Moment::now);
            if in_flight.is_none() {
                self.ping(asked)?;
            }
            let patience = Heartbeat::patience(lease);
            let backends: Result<Vec<i32>, _> =
                self.connection.answer(Deadline::after(patience), |row| row.parse(sql::settings::PID));
            match backends {
                Ok(backends) if backends.iter().any(|backend| *backend != self.grant.backend_pid) => {
                    return Err(Lost::OtherBackend(self.grant.backend_pid));
                }
                Ok(_) | Err(QueryError::Failed(_)) => self.check_transaction()?,
                Err(QueryError::Ended(net::Error::TimedOut(_))) => {
                    return Err(Lost::Silent(Moment::now().since(self.last_answered())));
                }
                Err(QueryError::Ended(error)) => return Err(error.into()),
            }
            self.asked = asked;
            self.heartbeat.iter_mut().for_each(Heartbeat::answered);
        }
        Ok(())
    }

    /// Returns for how long the server has kept its locks, at least, since a start, a crash or a promotion has it forget
    /// them: who held this lock before may not know yet that it is lost. Zero if the server does not tell. To be asked before
    /// [`Guard::start_heartbeat`]; one round trip, for which the server has a third of `lease`.
    ///
    /// # Errors
    /// The lock is lost.
    pub fn server_age(&mut self, lease: Duration) -> Result<Duration, Lost> {
        let query = self.marked(&Statement::Age(self.grant.owner));
        let deadline = Deadline::after(Heartbeat::patience(lease));
        match self.connection.run(&query, deadline, age::read) {
            Ok(ages) => Ok(ages.first().copied().unwrap_or_default()),
            Err(QueryError::Failed(_)) => Ok(Duration::ZERO),
            Err(QueryError::Ended(net::Error::TimedOut(_))) => {
                Err(Lost::Silent(Moment::now().since(self.asked)))
            }
            Err(QueryError::Ended(error)) => Err(error.into()),
        }
    }

    /// Asks for a sign of life: by the settings until they are in force, then by an empty query, or by the question whether
    /// the bell rings. In a pooler's session the settings end with their transaction, which each ping begins anew, so that
    /// none gets old.
    fn ping(&mut self, now: Moment) -> Result<(), Lost> {
        match &self.settings {
            Some(attempt) if !attempt.is_answered() || self.grant.owner != Owner::Us => {
                self.ask(&Statement::Settings(attempt.settings().clone()), now, Bell::sent_other)
            }
            // Who was asked to stop only says so.
            _ => {
                let bell = self.bell.as_ref().filter(|bell| bell.asker().is_none());
                self.ask(&Statement::Ping(bell.map(|bell| bell.key)), now, Bell::sent_ping)
            }
        }
    }

    /// Asks something whose answer is a sign of life.
    fn ask(&mut self, statement: &Statement, now: Moment, note: fn(&mut Bell)) -> Result<(), Lost> {
        let query = self.marked(statement);
        self.heartbeat.iter_mut().for_each(|heartbeat| heartbeat.sent(now));
        self.bell.iter_mut().for_each(note);
        Ok(self.connection.send(&query)?)
    }

    /// Reads a bit of what the server has sent, without waiting; to be called when the descriptor is readable.
    ///
    /// # Errors
    /// The lock is lost.
    pub fn poll(&mut self) -> Result<Polled, Lost> {
        Ok(match self.connection.poll()? {
            None => Polled::Nothing,
            Some(Step::Notice(notice)) => Polled::Notice(notice),
            // Others are of settings that were asked for before those.
            Some(Step::Row(row)) if self.connection.unanswered() == 1 => self.read_row(&row)?,
            // The query has failed and not the session: that is a sign of life too.
            Some(Step::Failed(message)) => self.settings_failed(*message),
            Some(Step::Ready) if self.connection.is_idle() => {
                self.check_transaction()?;
                self.heartbeat.iter_mut().for_each(Heartbeat::answered);
                Polled::Progress
            }
            Some(_) => Polled::Progress,
        })
    }

    fn read_row(&mut self, row: &Row) -> Result<Polled, Lost> {
        self.check_backend(row)?;
        if self.bell.as_mut().is_some_and(|bell| bell.read(row)) {
            if self.bell.as_ref().is_some_and(|bell| bell.asker().is_some()) {
                // Who has asked learns at once that it was heard, by the mark of the next ping.
                self.heartbeat.iter_mut().for_each(Heartbeat::hasten);
            }
            return Ok(Polled::Progress);
        }
        self.read_settings(row)
    }

    fn check_backend(&self, row: &Row) -> Result<(), Lost> {
        if row.parse(sql::settings::PID) != Some(self.grant.backend_pid) {
            return Err(Lost::OtherBackend(self.grant.backend_pid));
        }
        Ok(())
    }

    pub(super) fn read_settings(&mut self, row: &Row) -> Result<Polled, Lost> {
        self.check_backend(row)?;
        let Some(attempt) = &mut self.settings else { return Ok(Polled::Progress) };
        let mut differences = attempt.answered(row, sql::settings::FIRST_VALUE);
        if self.half != ServersHalf::Tcp {
            // What TCP does is not what it depends on.
            differences.of_tcp = None;
        } else if self.connection.server().major_version() >= IDLE_SESSION_TIMEOUT
            && let Some(what) = differences.of_tcp
        {
            self.half = ServersHalf::IdleSession(NotTcp::NoTimeouts(what));
            self.settings = Some(Attempt::new(self.wanted_settings()));
            self.heartbeat.iter_mut().for_each(Heartbeat::hasten);
            return Ok(Polled::OtherHalf);
        }
        Ok(differences.text().map_or(Polled::Progress, Polled::NotInForce))
    }

    fn settings_failed(&mut self, message: ServerMessage) -> Polled {
        match (self.settings.as_mut().and_then(Attempt::failed), &mut self.heartbeat) {
            (Some(Retry::AtOnce), Some(heartbeat)) => heartbeat.hasten(),
            (Some(Retry::Later { is_news: true }), _) => return Polled::NotInForce(message.to_string()),
            _ => {}
        }
        Polled::Notice(message)
    }

    /// A pooler's session that is not inside a transaction may be anyone's next.
    fn check_transaction(&self) -> Result<(), Lost> {
        match (self.grant.owner, self.connection.transaction()) {
            (Owner::Pooler, Transaction::Idle) => Err(Lost::OtherBackend(self.grant.backend_pid)),
            _ => Ok(()),
        }
    }

    /// Gives the lock back and waits for the answer, 5 seconds at most, then closes the connection.
    pub fn release(mut self) -> Release {
        let release = match self.give_back() {
            Ok(true) => Release::Confirmed,
            Ok(false) => Release::NotHeld,
            Err(error) => Release::Unconfirmed(error.into()),
        };
        self.connection.close();
        release
    }

    /// Ends the connection at once, also for those who have inherited it: for a lock that is lost, since a server that was silent
    /// may hold it for us still.
    pub fn close(self) {
        self.connection.close();
    }

    fn give_back(&mut self) -> Result<bool, net::Error> {
        let Grant { key, mode, owner, .. } = self.grant;
        self.connection.send(&Statement::Release { key, mode, owner }.query())?;
        let deadline = Deadline::after(RELEASE_TIMEOUT);
        Ok(self.connection.answer_row(deadline, |row| row.flag(sql::release::WAS_HELD))?)
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("grant", &self.grant)
            .field("server_address", &self.server_address())
            .finish_non_exhaustive()
    }
}

impl AsFd for Guard {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }
}

/// Longer than any healthy server takes, and short enough for a person to wait.
pub const RELEASE_TIMEOUT: Duration = Duration::from_secs(5);

/// How many messages may stand before an answer that is late; a server that never stops sending does not answer.
const LOOKS: usize = 1000;
