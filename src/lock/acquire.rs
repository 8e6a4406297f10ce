//! From a request to a held lock, in one statement that also returns all we need to know about the server.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use super::error::{Error, UnsafeServer};
use super::failure::Failure;
use super::grant::Grant;
use super::guard::Guard;
use super::half::ServersHalf;
use super::heartbeat::Heartbeat;
use super::holder::Holder;
use super::key::Key;
use super::line::{Line, Place};
use super::request::{LockRequest, Mode};
use super::row::{AcquireRow, Granted, read_sources};
use super::sql::{self, Mark, Owner, Settings, Statement, Turn};
use super::token::Sources;
use crate::net::{self, ConnectOptions, Connection, Deadline, Moment, QueryError, Rejected};
use crate::proto::Transaction;

/// The result of an attempt.
#[must_use = "if unused, the lock is given back at once"]
#[derive(Debug)]
pub enum Outcome {
    /// The lock is ours for as long as the guard lives.
    Held(Box<Guard>),
    /// Someone else has it.
    Busy(Box<Contender>),
}

impl Outcome {
    /// Where the server is.
    #[must_use]
    pub fn server_address(&self) -> &str {
        match self {
            Self::Held(guard) => guard.server_address(),
            Self::Busy(contender) => contender.server_address(),
        }
    }
}

/// Connects and tries once to take the lock; the statement is sent as early as the login allows. Of several hosts,
/// standbys are passed over, and servers that go away before they have answered. No attempt lasts longer than until
/// `limit`, or than `connect_timeout` says.
///
/// # Errors
/// No connection, no answer, or a server on which the lock would not exclude. Whatever was locked is given
/// back by closing the connection.
pub fn acquire(
    options: &ConnectOptions<'_>,
    request: &LockRequest,
    limit: Deadline,
) -> Result<Outcome, Error> {
    attempt(options, request, Turn::Any, limit)
}

/// As [`acquire`], for one who is going to wait and lets those who wait already go first: the lock is not tried where there
/// is an heir. [`Contender::take_turn`] tries again.
///
/// # Errors
/// As [`acquire`].
pub fn acquire_in_turn(
    options: &ConnectOptions<'_>,
    request: &LockRequest,
    limit: Deadline,
) -> Result<Outcome, Error> {
    attempt(options, request, Turn::First, limit)
}

fn attempt(
    options: &ConnectOptions<'_>,
    request: &LockRequest,
    turn: Turn,
    limit: Deadline,
) -> Result<Outcome, Error> {
    let owner = if options.allows_pooler() { Owner::Pooler } else { Owner::Unknown };
    let sources = Sources::ALL;
    let query = Statement::Acquire { request: request.clone(), owner, turn, sources }.query();
    net::connect(options, &query, limit, |connection, deadline| {
        let (request, asked) = (request.clone(), connection.began());
        let allows_pooler = options.allows_pooler();
        Contender { connection, request, allows_pooler, owner, turn, sources, settings: None }
            .first_answer(options, asked, deadline)
    })
}

/// A contender for a lock that is held elsewhere, which may try again.
#[must_use = "if unused, its session and its place in the line end at once"]
pub struct Contender {
    connection: Connection,
    request: LockRequest,
    allows_pooler: bool,
    owner: Owner,
    /// How it tries next, where it waits in the line.
    turn: Turn,
    sources: Sources,
    /// What is to be in force in its session while it waits, once that is known; nothing is in a pooler's.
    settings: Option<Settings>,
}

impl Contender {
    /// Where the server is.
    #[must_use]
    pub fn server_address(&self) -> &str {
        self.connection.server_address()
    }

    /// Returns the sessions that hold the lock or any of its slots, each once, as far as we may see; or, where the lock is free
    /// for us and we are behind an heir, those that have the heir's key ([`Holder::is_heir`]). One round trip.
    ///
    /// # Errors
    /// No answer.
    pub fn holders(&mut self) -> Result<Vec<Holder>, QueryError> {
        self.holders_by(Deadline::after(None))
    }

    /// The same, no later than by then.
    pub(crate) fn holders_by(&mut self, limit: Deadline) -> Result<Vec<Holder>, QueryError> {
        let limit = limit.earlier(Deadline::after(COURTESY_TIMEOUT));
        let heir = (self.place() == Place::Behind).then(|| Line::of(&self.request).heir);
        let query = Statement::Holders(self.request.keys().chain(heir).collect()).query();
        let mut holders = self.connection.run(&query, limit, Holder::read)?;
        holders.retain(|holder| holder.is_granted);
        for holder in &mut holders {
            holder.is_heir = heir == Some(holder.key);
        }
        let is_left_to_heir = heir.is_some() && is_free(&self.request, &holders);
        let mut known = BTreeSet::new();
        holders.retain(|holder| {
            holder.is_heir == is_left_to_heir && holder.pid.is_none_or(|pid| known.insert(pid))
        });
        Ok(holders)
    }

    /// Listens to the server for so long, then tries once more; one round trip, for which the server has no longer than
    /// `patience`, nor than a third of the lease of [`LockRequest::with_lease`]. Nothing is held in between, neither a
    /// transaction nor a snapshot: a waiter inside `pg_advisory_lock` would have one, for which `CREATE INDEX CONCURRENTLY`
    /// of the holder waits. If this host vanishes, the server ends the session after that lease. Where TCP does not end at the
    /// server, it ends it after the lease, or a minute where that is more, also of one that only pauses for so long.
    ///
    /// # Errors
    /// The connection is lost, or the server has become one on which the lock would not exclude.
    pub fn retry(mut self, pause: Duration, patience: Option<Duration>) -> Result<Outcome, Error> {
        self.listen(pause)?;
        self.bind();
        match self.try_again(Turn::Any, patience) {
            Ok((row, asked)) => self.judge(&row, asked),
            Err(error) => Err(self.give_up(error)),
        }
    }

    /// Returns where it stands in the line of those who wait, if it was [`acquire_in_turn`] that found the lock busy.
    #[must_use]
    pub fn place(&self) -> Place {
        self.turn.place()
    }

    /// Listens to the server for so long.
    ///
    /// # Errors
    /// The connection is lost.
    pub fn listen(&mut self, pause: Duration) -> Result<(), Error> {
        self.connection.listen(Deadline::after(pause)).map_err(|error| self.failed(error))
    }

    /// Tries what it may try where it stands in the line: the lock as the heir, otherwise to become the heir; also the lock
    /// where it `overtakes`. One round trip, for which the server has no longer than `patience`, nor than a third of the
    /// lease of [`LockRequest::with_lease`]. If this host vanishes, the server ends the session after that lease; that of an
    /// heir which does not try for five seconds, or for a lease that is shorter, it ends as well.
    ///
    /// # Errors
    /// As [`Contender::retry`].
    pub fn take_turn(mut self, overtakes: bool, patience: Option<Duration>) -> Result<Outcome, Error> {
        match self.try_again(self.turn.again(overtakes), patience) {
            Ok((row, asked)) => self.judge(&row, asked),
            Err(error) => Err(self.give_up(error)),
        }
    }

    fn try_again(
        &mut self,
        turn: Turn,
        patience: Option<Duration>,
    ) -> Result<(AcquireRow, Moment), QueryError> {
        let asked = Moment::now();
        self.ask_again(turn);
        let silence = self.request.lease().map(Heartbeat::patience);
        let deadline = Deadline::after(ANSWER_TIMEOUT)
            .earlier(Deadline::after(patience))
            .earlier(Deadline::after(silence));
        Ok((self.answer(deadline, &mut false)?, asked))
    }

    fn ask_again(&mut self, turn: Turn) {
        let Self { request, owner, sources, .. } = self;
        let attempt = Statement::Acquire { request: request.clone(), owner: *owner, turn, sources: *sources };
        // Until the program has started, it is the last that is known of the session.
        let is_heard = request.heeds_stop() && *owner == Owner::Us;
        self.connection.ask(&attempt.marked(is_heard.then_some(Mark::Heeds)));
    }

    /// Reads the answer to an attempt. One that has failed leaves no lock behind, and is made again: some times as it was,
    /// where that may be enough, otherwise with another token, as a function may be missing, or refused to our role. Such a
    /// token is less than those before it, so it is for what lasts.
    fn answer(&mut self, deadline: Deadline, has_begun: &mut bool) -> Result<AcquireRow, QueryError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let (request, sources) = (&self.request, self.sources);
            let mut granted = None;
            let answer = self.connection.answer_row(deadline, |row| {
                *has_begun = true;
                let row = AcquireRow::read(row, request, sources)?;
                granted = row.granted.map(|granted| (row.pid, granted.key));
                Some(row)
            });
            if let (Err(QueryError::Failed(_)), Some((pid, key))) = (&answer, granted)
                && self.owner_of(pid) == Owner::Pooler
            {
                // What comes after the attempt has failed, as where it was cancelled at the very end: the pooler's session
                // has the lock. If it is given to another client meanwhile, there is nothing more to do.
                let _ = self.give_back(key);
            }
            let failure = match &answer {
                Err(QueryError::Failed(message)) if !*has_begun => Failure::of(&message.code),
                _ => return answer,
            };
            let passes = failure == Failure::Passing;
            let is_last = if passes { tries == TRIES } else { self.sources == Sources::NONE };
            if is_last || UnsafeServer::reported(self.connection.server()).is_some() {
                return answer;
            }
            let others = self.other_sources(deadline, failure == Failure::Unknown && tries < TRIES)?;
            // A token that lacks something is less than the last one, which may have had it.
            if !passes {
                self.sources = others;
            }
            if self.turn == Turn::Heir {
                // It is bound as the heir, which may be another by now.
                self.bind();
            }
            self.turn = self.turn.after_failure();
            self.ask_again(self.turn);
        }
    }

    /// Returns what the server lets us draw a token from or, where it has failed with just that for good, the least there is.
    fn other_sources(&mut self, deadline: Deadline, may_pass: bool) -> Result<Sources, QueryError> {
        self.end_transaction()?;
        self.connection.send(&Statement::Sources(self.owner).query())?;
        match self.connection.answer_row(deadline, read_sources) {
            Ok(sources) if may_pass || self.sources == Sources::ALL && sources != Sources::ALL => Ok(sources),
            Ok(_) => Ok(Sources::NONE),
            // Whose session has a place in the line keeps it then.
            Err(QueryError::Failed(_)) if self.turn.is_outside() => {
                Ok(if may_pass { self.sources } else { Sources::NONE })
            }
            Err(error) => Err(error),
        }
    }

    /// Gives up, and closes the connection.
    pub fn close(self) {
        self.connection.close();
    }

    /// Reads the answer to the statement that was sent with the login.
    fn first_answer(
        mut self,
        options: &ConnectOptions<'_>,
        asked: Moment,
        deadline: Deadline,
    ) -> Result<Outcome, Rejected<Error>> {
        let mut has_begun = false;
        let answer = self.answer(deadline, &mut has_begun);
        let row = answer.as_ref().ok();
        let server = self.connection.server();
        let suits = options.check_session(
            server,
            row.map(|row| row.is_standby),
            row.and_then(|row| row.is_read_only),
        );
        match (answer, suits) {
            (Ok(row), Ok(())) => self.judge(&row, asked).map_err(Rejected::Stop),
            (answer, Err(error)) => {
                self.leave(answer.ok().as_ref());
                Err(Rejected::PassOver(error))
            }
            (Err(error), Ok(())) => {
                if let Some(reason) = UnsafeServer::reported(self.connection.server()) {
                    // It need not even know what the statement names.
                    return Err(Rejected::Stop(self.refuse(None, reason)));
                }
                let error = net::Error::from(error);
                // Not once the server has begun to answer: then it is not the connection that has failed.
                if !has_begun && error.is_of_this_server() {
                    self.connection.close();
                    return Err(Rejected::PassOver(error));
                }
                Err(Rejected::Stop(self.give_up(error)))
            }
        }
    }

    fn judge(mut self, row: &AcquireRow, asked: Moment) -> Result<Outcome, Error> {
        self.owner = self.owner_of(row.pid);
        if let Some(reason) = self.unsafe_server(row) {
            return Err(self.refuse(Some(row), reason));
        }
        let tried = self.turn;
        self.turn = tried.next(row.is_heir, self.owner != Owner::Us);
        let Some(Granted { key, slot, token }) = row.granted else {
            if self.owner == Owner::Us && self.settings.is_none() {
                let version = self.connection.server().major_version();
                let half = self.servers_half(row);
                self.settings = Some(Settings::of_waiter(version, self.request.lease(), &half));
            }
            let is_entering = (tried, self.turn) == (Turn::First, Turn::Enter);
            let ended = if is_entering { self.keep_lease() } else { self.end_transaction() };
            ended.map_err(|error| self.failed(error))?;
            return Ok(Outcome::Busy(Box::new(self)));
        };
        let grant =
            Grant { key, mode: self.request.mode(), owner: self.owner, slot, backend_pid: row.pid, token };
        let half = self.servers_half(row);
        let mut guard = Guard::new(self.connection, grant, asked, &self.request, half);
        let server_address = guard.server_address().to_owned();
        guard.keep_session().map_err(|error| Error::Acquiring { server_address, error })?;
        Ok(Outcome::Held(Box::new(guard)))
    }

    /// The process that answers is the one named at login, unless a pooler is in between.
    fn owner_of(&self, answers: i32) -> Owner {
        if self.connection.server().pid == Some(answers) { Owner::Us } else { Owner::Pooler }
    }

    fn servers_half(&self, row: &AcquireRow) -> ServersHalf {
        match self.owner {
            Owner::Us | Owner::Unknown => {
                let version = self.connection.server().major_version();
                ServersHalf::of_session(version, self.connection.ends(), row.ends.as_deref())
            }
            Owner::Pooler => ServersHalf::IdleTransaction,
        }
    }

    fn unsafe_server(&self, row: &AcquireRow) -> Option<UnsafeServer> {
        let is_in_transaction = self.connection.transaction() == Transaction::Open;
        if let Some(reason) = UnsafeServer::reported(self.connection.server()) {
            Some(reason)
        } else if row.is_standby {
            Some(UnsafeServer::Standby)
        } else if self.owner == Owner::Pooler && !(self.allows_pooler && is_in_transaction) {
            Some(UnsafeServer::Pooler)
        } else if row.is_already_held {
            Some(UnsafeServer::PoolerHolds(row.pid))
        } else {
            None
        }
    }

    fn refuse(self, row: Option<&AcquireRow>, reason: UnsafeServer) -> Error {
        let server_address = self.server_address().to_owned();
        let reason = match (row, self.leave(row)) {
            (Some(row), false) if reason == UnsafeServer::Pooler => UnsafeServer::PoolerKeeps(row.pid),
            _ => reason,
        };
        Error::Unsafe { server_address, reason }
    }

    /// Ends the transaction that an attempt has left open. A server's answer to that is not waited for; a pooler's is,
    /// since it throws a session away that a client leaves in the middle of something.
    fn end_transaction(&mut self) -> Result<(), QueryError> {
        if self.connection.transaction() == Transaction::Open {
            self.connection.send(&Statement::Commit.query())?;
            if self.owner == Owner::Pooler {
                self.connection.answer(Deadline::after(GIVE_BACK_TIMEOUT), |_| None::<()>)?;
            }
        }
        Ok(())
    }

    /// Ends the transaction of the first attempt, in which the server was told of the lease, and has that stay in force for the
    /// session. It is not waited for: the answer to the next query comes after.
    fn keep_lease(&mut self) -> Result<(), QueryError> {
        if let Some(settings) = &self.settings {
            self.connection.send(&Statement::Keep(settings.clone()).query())?;
        }
        Ok(())
    }

    /// Has the same put into force by what is sent next.
    fn bind(&mut self) {
        if let Some(settings) = &self.settings {
            self.connection.ask(&Statement::Settings(settings.clone()).query());
        }
    }

    /// Leaves a server that is not used; returns whether nothing of ours stays there. A pooler keeps its session to the
    /// server, and the lock with it, when we leave; a server does not. That session is ours until the transaction ends,
    /// so the lock is given back in it.
    fn leave(mut self, row: Option<&AcquireRow>) -> bool {
        let is_clean = match row.map(|row| (self.owner_of(row.pid), row.granted)) {
            Some((Owner::Pooler, Some(granted))) => matches!(self.give_back(granted.key), Ok(true)),
            Some((Owner::Pooler, None)) => self.end_transaction().is_ok(),
            _ => true,
        };
        self.connection.close();
        is_clean
    }

    fn give_back(&mut self, key: Key) -> Result<bool, QueryError> {
        let release = Statement::Release { key, mode: self.request.mode(), owner: Owner::Pooler };
        self.connection.send(&release.query())?;
        self.connection.answer_row(Deadline::after(GIVE_BACK_TIMEOUT), |row| row.flag(sql::release::WAS_HELD))
    }

    /// Says goodbye, where the server still listens.
    fn give_up(self, error: impl Into<net::Error>) -> Error {
        let error = self.failed(error);
        self.connection.close();
        error
    }

    fn failed(&self, error: impl Into<net::Error>) -> Error {
        Error::Acquiring { server_address: self.server_address().to_owned(), error: error.into() }
    }
}

impl fmt::Debug for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contender")
            .field("request", &self.request)
            .field("server_address", &self.server_address())
            .finish_non_exhaustive()
    }
}

/// Whether one of the keys is held by no one, or by those alone who share it with us.
fn is_free(request: &LockRequest, holders: &[Holder]) -> bool {
    let excludes = |holder: &Holder| !(holder.is_shared && request.mode() == Mode::Shared);
    request.keys().any(|key| !holders.iter().any(|holder| holder.key == key && excludes(holder)))
}

/// How often an attempt is made in a row, where that may be enough.
const TRIES: u32 = 3;

/// As long as for any release.
const GIVE_BACK_TIMEOUT: Duration = Duration::from_secs(5);

/// Who holds the lock is not worth a longer wait.
const COURTESY_TIMEOUT: Duration = Duration::from_secs(5);

/// Longer than any healthy server takes, and as long as a login may take.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
