//! A simulated PostgreSQL: sessions, advisory locks, transaction ids, and a kernel that gives up on silent clients.

use std::fmt;
use std::time::Duration;

use heimdall::internals::line::Turn;
use heimdall::internals::timeouts::{WAITER_TIMEOUT, heir_timeout};

use super::asked::Ringer;
use super::dice::Dice;
use super::judge::{HANDOVER, Loss};
use super::mutants::Mutant;
use super::network::{Between, ToClient, ToServer};
use super::time::{Clock, Time};
use super::world::{Event, World};

/// The server that is the primary now.
#[derive(Debug)]
pub struct Server {
    /// Counts its starts and promotions; a connection belongs to one.
    pub start: u32,
    pub state: State,
    clock: Clock,
    pub sessions: Vec<Session>,
    /// Which sessions hold which slot.
    holders: Vec<Vec<usize>>,
    /// Since when each slot is free, if it is.
    pub free: Vec<Option<Time>>,
    /// Which session holds the heir's key.
    pub heir: Option<usize>,
    /// Since when it has forgotten no lock.
    pub booted: Time,
    /// When it last could not do its work.
    pub troubled: Time,
    /// Until then no process of it runs, while its kernel does.
    pub stalled_until: Time,
    /// Grows with each promotion.
    timeline: u64,
    /// The last transaction id that was given out, and the last of which the disk knows, and the standby.
    xid: u64,
    disk_xid: u64,
    standby_xid: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Up,
    /// The host says that there is no server.
    Down,
    /// No one answers at all.
    Silent,
}

/// A process of the server for one client.
#[derive(Debug)]
pub struct Session {
    pub connection: usize,
    pub is_alive: bool,
    /// How often it has locked what, and how.
    pub locked: Option<(usize, Mode, u32)>,
    /// Who asks its client to stop.
    pub rung_by: Option<Ringer>,
    /// How often it has locked the heir's key.
    heirs: u32,
    /// For how long it may be asked nothing.
    idle_timeout: Option<Duration>,
    /// How long its client may be silent, where it has said so.
    lease: Option<Duration>,
    heard: Time,
    /// When it was last asked something.
    asked: Time,
    /// When it sent what is not acknowledged yet.
    unacknowledged: Option<Time>,
}

/// How a lock is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    Exclusive,
    Shared,
}

/// What is asked of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Statement {
    /// With it the server is told of the client's lease.
    Acquire {
        mode: Mode,
        turn: Turn,
        lease: Option<Duration>,
    },
    Settings {
        lease: Option<Duration>,
    },
    Ping,
    /// Who rings the session's bell.
    Askers,
    Release {
        slot: usize,
    },
}

/// What it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// To [`Statement::Acquire`], and whether the session is the heir now.
    Acquired(Option<Grant>, bool),
    /// To [`Statement::Settings`] and [`Statement::Ping`].
    Alive,
    /// To [`Statement::Ping`], where the session's bell rings.
    Rings,
    /// To [`Statement::Askers`], and whether one of them is to be heeded.
    Asked(bool),
    /// To [`Statement::Release`], and whether it was held.
    Released(bool),
}

/// A lock that was free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    pub slot: usize,
    pub token: u64,
    /// For how long the server had kept its locks.
    pub age: Duration,
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "slot {}, token {}.{}", self.slot + 1, self.token >> XID_BITS, self.token & XID_MASK)
    }
}

impl Server {
    pub fn new(slots: usize, dice: &mut Dice) -> Self {
        let gain = if dice.once_in(2) { 0 } else { dice.below(95) as i64 - 47 };
        Self {
            start: 0,
            state: State::Up,
            clock: Clock::new(Duration::ZERO, gain),
            sessions: Vec::new(),
            holders: vec![Vec::new(); slots],
            free: vec![Some(Time::default()); slots],
            heir: None,
            booted: Time::default(),
            troubled: Time::default(),
            stalled_until: Time::default(),
            timeline: 1,
            xid: 700,
            disk_xid: 700,
            standby_xid: 700,
        }
    }

    /// Whether anything on its host answers.
    pub fn is_reachable(&self) -> bool {
        self.state != State::Silent
    }

    /// As the statement of `lock::sql` does it: who is granted the lock gives the heir's key up.
    fn acquire(
        &mut self,
        id: usize,
        mode: Mode,
        turn: Turn,
        mutant: Option<Mutant>,
    ) -> (Option<usize>, bool) {
        let tries_key = match turn {
            Turn::Any | Turn::First => false,
            Turn::Enter | Turn::Stay { .. } => true,
            Turn::Heir => mutant == Some(Mutant::TriesItsOwnKey),
        };
        if tries_key && self.heir.is_none_or(|heir| heir == id) {
            self.heir = Some(id);
            self.sessions[id].heirs += 1;
        }
        let is_heir = self.heir == Some(id);
        let may_try = match turn {
            Turn::Any | Turn::Stay { overtakes: true } => true,
            Turn::First => self.heir.is_none(),
            Turn::Enter | Turn::Stay { .. } | Turn::Heir => is_heir,
        };
        let slot = if may_try { self.try_lock(id, mode) } else { None };
        if slot.is_none() {
            return (None, is_heir);
        }
        if is_heir && mutant != Some(Mutant::KeepsTheHeirsKey) {
            self.sessions[id].heirs -= 1;
            if self.sessions[id].heirs == 0 {
                self.heir = None;
            }
        }
        (slot, self.heir == Some(id))
    }

    /// Tries each slot once.
    fn try_lock(&mut self, id: usize, mode: Mode) -> Option<usize> {
        let is_free = |holders: &Vec<usize>| {
            holders.iter().all(|holder| {
                let is_shared =
                    self.sessions[*holder].locked.is_some_and(|(_, held, _)| held == Mode::Shared);
                *holder == id || is_shared && mode == Mode::Shared
            })
        };
        let slot = self.holders.iter().position(is_free)?;
        let locked = &mut self.sessions[id].locked;
        *locked = Some((slot, mode, locked.map_or(0, |(_, _, times)| times) + 1));
        if !self.holders[slot].contains(&id) {
            self.holders[slot].push(id);
        }
        self.free[slot] = None;
        Some(slot)
    }

    fn unlock(&mut self, id: usize, slot: usize) -> bool {
        let locked = &mut self.sessions[id].locked;
        match *locked {
            Some((held, mode, times)) if held == slot => {
                *locked = (times > 1).then_some((held, mode, times - 1));
                if times == 1 {
                    self.holders[slot].retain(|holder| *holder != id);
                }
                true
            }
            _ => false,
        }
    }

    /// The fencing token, as `lock::sql` draws it: of the timeline and a transaction id that is on the disk before the
    /// answer.
    fn draw_token(&mut self, mutant: Option<Mutant>, dice: &mut Dice) -> u64 {
        self.xid += 1 + dice.below(3);
        if mutant != Some(Mutant::DoesNotFlushTheToken) {
            self.disk_xid = self.xid;
        }
        if dice.once_in(2) {
            self.standby_xid = self.disk_xid;
        }
        let timeline = if mutant == Some(Mutant::TakesTheXidForTheToken) { 0 } else { self.timeline };
        timeline << XID_BITS | self.xid
    }

    /// Forgets what was not written down, somewhere between the last of which is known and the last of all.
    fn lose_transactions(&mut self, known: u64, dice: &mut Dice) {
        self.xid = known + dice.below(self.xid - known + 1);
        self.disk_xid = self.xid;
        self.standby_xid = self.standby_xid.min(self.xid);
    }
}

impl World {
    /// The server gets to what has arrived before, unless it has crashed since.
    pub fn serve_late(&mut self, id: usize, message: ToServer, start: u32) {
        if self.server.state == State::Up && self.server.start == start {
            self.serve(id, message);
        }
    }

    /// What has arrived is for the server, or for the kernel of its host.
    pub fn serve(&mut self, id: usize, message: ToServer) {
        if self.server.state != State::Up {
            return self.reply(id, ToClient::Reset, Duration::ZERO);
        }
        if self.server.stalled_until > self.now {
            if let Some(session) = self.session_of(id) {
                self.server.sessions[session].heard = self.now;
            }
            return self.schedule_at(self.server.stalled_until, Event::Serve(id, message, self.server.start));
        }
        if let ToServer::Login(first) = message {
            let session = Session {
                connection: id,
                is_alive: true,
                locked: None,
                rung_by: None,
                heirs: 0,
                idle_timeout: None,
                lease: None,
                heard: self.now,
                asked: self.now,
                unacknowledged: None,
            };
            self.server.sessions.push(session);
            self.connections[id].session = Some(self.server.sessions.len() - 1);
            self.connections[id].start = self.server.start;
            return self.answer(id, self.server.sessions.len() - 1, first);
        }
        let Some(session) = self.session_of(id) else {
            if message == ToServer::Reset {
                return;
            }
            return self.reply(id, ToClient::Reset, Duration::ZERO);
        };
        match message {
            ToServer::Ask(statement) => self.answer(id, session, statement),
            ToServer::Terminate | ToServer::Close => self.end_session(session, Loss::Left),
            ToServer::Reset => self.end_session(session, Loss::Taken),
            ToServer::Login(_) => {}
        }
    }

    fn answer(&mut self, id: usize, session: usize, statement: Statement) {
        self.server.sessions[session].heard = self.now;
        self.server.sessions[session].asked = self.now;
        let answer = match statement {
            Statement::Acquire { mode, turn, lease } => {
                let between = self.between(id);
                self.set_lease(session, lease);
                let was_heir = self.server.heir == Some(session);
                let (slot, is_heir) = self.server.acquire(session, mode, turn, self.mutant);
                let age = self.server.clock.counts(self.now.since(self.server.booted));
                let token = slot.map(|_| self.server.draw_token(self.mutant, &mut self.dice));
                let grant = slot.zip(token).map(|(slot, token)| Grant { slot, token, age });
                if let Some(grant) = grant {
                    self.judge_grant(self.connections[id].run, session, grant, is_heir);
                    // Until it says what is in between.
                    self.bind(session, self.lease_of_server());
                } else if is_heir && !was_heir && !self.has(Mutant::DoesNotBindTheHeir) {
                    let lease = self.setting.lease;
                    self.server.sessions[session].idle_timeout = Some(heir_timeout(Some(lease)));
                } else if let Some(lease) = lease.filter(|_| between == Between::Proxy && !is_heir) {
                    self.bind(session, Some(lease.max(WAITER_TIMEOUT)));
                }
                Answer::Acquired(grant, is_heir)
            }
            Statement::Settings { lease } => {
                self.set_lease(session, lease);
                self.bind(session, lease.filter(|_| self.between(id) != Between::Nothing));
                Answer::Alive
            }
            Statement::Ping if self.server.sessions[session].rung_by.is_some() => Answer::Rings,
            Statement::Ping => Answer::Alive,
            Statement::Askers => {
                Answer::Asked(self.server.sessions[session].rung_by == Some(Ringer::Entitled))
            }
            Statement::Release { slot } => {
                let was_held = self.server.unlock(session, slot);
                self.note_free(slot);
                Answer::Released(was_held)
            }
        };
        if let Some(limit) = self.server.sessions[session].idle_timeout {
            self.schedule(self.server.clock.takes(limit), Event::CheckIdle(session));
        }
        self.server.sessions[session].unacknowledged.get_or_insert(self.now);
        let work = self.dice.between(Duration::from_micros(30), Duration::from_millis(1));
        self.reply(id, ToClient::Answer(answer), work);
    }

    /// For how long a session may be asked nothing.
    fn bind(&mut self, session: usize, timeout: Option<Duration>) {
        let is_direct = self.between(self.server.sessions[session].connection) == Between::Nothing;
        let goes_by_tcp = !is_direct && self.has(Mutant::GoesByTcpBehindAProxy);
        self.server.sessions[session].idle_timeout = timeout.filter(|_| !goes_by_tcp);
    }

    fn set_lease(&mut self, session: usize, lease: Option<Duration>) {
        if let Some(lease) = lease.filter(|_| self.server.sessions[session].lease != lease) {
            self.server.sessions[session].lease = Some(lease);
            let pause = self.server.clock.takes(lease / 2);
            self.schedule(pause, Event::CheckSession(session));
        }
    }

    /// The session that a connection has, if the server knows it.
    pub fn session_of(&self, id: usize) -> Option<usize> {
        let connection = &self.connections[id];
        let is_known = |session: &usize| {
            connection.start == self.server.start && self.server.sessions[*session].is_alive
        };
        connection.session.filter(is_known)
    }

    /// An answer has come to the client's kernel, which says so if it can.
    pub fn acknowledge(&mut self, id: usize, reaches_server: bool) {
        if let Some(session) = self.session_of(id).filter(|_| reaches_server) {
            let session = &mut self.server.sessions[session];
            (session.heard, session.unacknowledged) = (self.now, None);
        }
    }

    /// What TCP does on Linux (`man 7 tcp`): with `TCP_USER_TIMEOUT`, what is sent must be acknowledged within that time,
    /// and a client that says nothing is probed from half of it on, every sixth of it.
    pub fn check_session(&mut self, id: usize) {
        let session = &self.server.sessions[id];
        // Otherwise its kernel hears of the proxy alone.
        let is_direct = self.between(session.connection) == Between::Nothing;
        let Some(lease) = session.lease.filter(|_| session.is_alive && is_direct) else { return };
        let lease = self.server.clock.takes(lease);
        let silent = self.now.since(session.heard);
        let waiting = session.unacknowledged.map_or(Duration::ZERO, |sent| self.now.since(sent));
        let next = match self.probe(session.connection) {
            _ if silent < lease / 2 && waiting.is_zero() => (lease / 2).saturating_sub(silent),
            None => return self.end_session(id, Loss::Taken),
            Some(true) => {
                let session = &mut self.server.sessions[id];
                (session.heard, session.unacknowledged) = (self.now, None);
                lease / 2
            }
            Some(false) if silent >= lease || waiting >= lease => {
                let run = self.connections[session.connection].run;
                let connection = session.connection;
                self.tell(|_| format!("the server gives up on heimdall {run}, which is silent"));
                self.give_up(connection);
                return self.end_session(id, Loss::Expired);
            }
            Some(false) => (lease / 6).min(lease.saturating_sub(silent.max(waiting))),
        };
        self.schedule(next, Event::CheckSession(id));
    }

    /// Its client is gone without a word: where the server was not told of a lease, it finds that out in two hours
    /// (`man 7 tcp`, `tcp_keepalive_time`), or a proxy does at some time.
    pub fn abandon_session(&mut self, id: usize) {
        let session = &self.server.sessions[id];
        let is_bound = match self.between(session.connection) {
            Between::Nothing => session.lease.is_some(),
            Between::Proxy => session.idle_timeout.is_some(),
            // What holds nothing is the pooler's own matter.
            Between::Pooler => session.idle_timeout.is_some() || session.locked.is_none(),
        };
        if session.is_alive && !is_bound {
            self.judge_abandoned(self.connections[session.connection].run);
        }
    }

    /// A session is over: what it held is free.
    pub fn end_session(&mut self, id: usize, loss: Loss) {
        let session = &mut self.server.sessions[id];
        if !std::mem::replace(&mut session.is_alive, false) {
            return;
        }
        session.heirs = 0;
        if self.server.heir == Some(id) {
            self.server.heir = None;
        }
        if let Some((slot, _, _)) = self.server.sessions[id].locked.take() {
            self.server.holders[slot].retain(|holder| *holder != id);
            self.note_free(slot);
        }
        let session = &self.server.sessions[id];
        let run = self.connections[session.connection].run;
        self.judge_loss(run, id, loss);
    }

    /// The server ends a session that is asked nothing for too long.
    pub fn check_idle(&mut self, id: usize) {
        let session = &self.server.sessions[id];
        let Some(limit) = session.idle_timeout.filter(|_| session.is_alive) else { return };
        if self.server.stalled_until > self.now {
            return self.schedule_at(self.server.stalled_until, Event::CheckIdle(id));
        }
        if self.now >= session.asked.after(self.server.clock.takes(limit)) {
            let (connection, holds) = (session.connection, session.locked.is_some());
            let run = self.connections[connection].run;
            let (what, loss) = if holds {
                ("holds the lock and is silent", Loss::Expired)
            } else {
                ("waits and does not try", Loss::Taken)
            };
            self.tell(|_| format!("the server ends the session of heimdall {run}, which {what}"));
            self.terminate_session(id, loss);
        }
    }

    /// Where no one holds a slot any more, someone who waits is to take it soon.
    fn note_free(&mut self, slot: usize) {
        if self.server.holders[slot].is_empty() {
            self.server.free[slot] = Some(self.now);
            self.schedule(HANDOVER, Event::CheckSlot(slot));
        }
    }

    /// The server ends a session, by itself or since an administrator has it do so; the client is told.
    pub fn terminate_session(&mut self, id: usize, loss: Loss) {
        let connection = self.server.sessions[id].connection;
        self.end_session(id, loss);
        self.reply(connection, ToClient::Closed, Duration::ZERO);
    }

    /// All sessions end; the clients are told by the kernel unless that is gone too. Transactions may be lost.
    pub fn stop_server(&mut self, state: State, is_clean: bool) {
        self.server.state = state;
        self.server.stalled_until = self.now;
        for id in 0..self.server.sessions.len() {
            if !self.server.sessions[id].is_alive {
                continue;
            }
            let connection = self.server.sessions[id].connection;
            self.end_session(id, Loss::Forgotten);
            if state != State::Silent {
                self.reply(connection, ToClient::Closed, Duration::ZERO);
            }
        }
        let server = &mut self.server;
        match (state, is_clean) {
            // A standby takes over.
            (State::Silent, _) => {
                server.timeline += 1;
                server.lose_transactions(server.standby_xid, &mut self.dice);
            }
            (_, true) => (server.disk_xid, server.standby_xid) = (server.xid, server.xid),
            (_, false) => server.lose_transactions(server.disk_xid, &mut self.dice),
        }
    }

    /// A server is there again, at the same address.
    pub fn start_server(&mut self) {
        self.server.start += 1;
        self.server.troubled = self.now;
        self.server.booted = self.now;
        self.server.state = State::Up;
        for host in 0..self.hosts.len() {
            self.retransmit(host, Duration::from_secs(1));
        }
    }

    /// Whether the server's half of the lease is set as it should be.
    pub fn lease_of_server(&self) -> Option<Duration> {
        let lease = self.setting.lease;
        match self.mutant {
            Some(Mutant::ServerIsNotTold) => None,
            Some(Mutant::ServerIsImpatient) => Some(lease / 2),
            _ => Some(lease),
        }
    }
}

/// Where the timeline stands in a token.
const XID_BITS: u32 = 32;
const XID_MASK: u64 = (1 << XID_BITS) - 1;
