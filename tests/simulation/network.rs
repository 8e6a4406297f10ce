//! Hosts and the network: what is sent arrives late, in order, or not for as long as the way is cut.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use super::dice::Dice;
use super::postgres::{Answer, Statement};
use super::time::{Clock, Time};
use super::world::{Event, World};

/// A machine with heimdalls on it.
#[derive(Debug)]
pub struct Host {
    pub clock: Clock,
    gain: i64,
    delay: Duration,
    pub between: Between,
    /// Of a thousand packets, so many are lost once.
    loss: u64,
    /// Whether packets get to the server, and from it.
    pub reaches_server: bool,
    pub is_reached: bool,
    /// Added to the delay, while the network is slow.
    pub lag: Duration,
    /// Where the whole host stands still.
    pub is_suspended: bool,
    pub is_crashed: bool,
    /// When it last went on.
    pub resumed: Time,
    /// When the network last was not as it should be.
    pub troubled: Time,
}

/// What a host's connections go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Between {
    Nothing,
    /// TCP ends there, and the server's kernel gets its answers from there.
    Proxy,
    /// So it does, and the session is someone else's once the client has left.
    Pooler,
}

/// A TCP connection, one message a segment.
#[derive(Debug)]
pub struct Connection {
    pub run: usize,
    host: usize,
    /// Which start of the server it was made to.
    pub start: u32,
    pub session: Option<usize>,
    /// How many processes on the host have it open.
    pub owners: u8,
    /// The client's kernel knows it no more.
    pub is_forgotten: bool,
    to_server: Way<ToServer>,
    to_client: Way<ToClient>,
}

#[derive(Debug)]
struct Way<M> {
    /// Not delivered, since the way is not free or something is missing before it; with their numbers.
    held: VecDeque<(u32, M)>,
    last_arrival: Time,
    sent: u32,
    delivered: u32,
}

/// What a client's kernel sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ToServer {
    /// A new connection, its login, and the statement that travels along.
    Login(Statement),
    Ask(Statement),
    Terminate,
    /// The last process that had it open has closed it.
    Close,
    /// The client's kernel knows no such connection.
    Reset,
}

/// What the server's kernel sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ToClient {
    Answer(Answer),
    /// The server has closed it, and said why or not.
    Closed,
    /// There is no such connection, or no server.
    Reset,
}

impl Host {
    pub fn any(dice: &mut Dice) -> Self {
        // At most 10 % apart.
        let gain = if dice.once_in(2) { 0 } else { dice.below(2 * MAX_GAIN + 1) as i64 - MAX_GAIN as i64 };
        let started = dice.between(Duration::from_secs(10), Duration::from_secs(1_000_000));
        Self {
            clock: Clock::new(started, gain),
            gain,
            delay: Duration::from_micros(*dice.pick(&[50, 200, 1000, 10_000, 50_000]).unwrap()),
            between: *dice
                .pick(&[Between::Nothing, Between::Nothing, Between::Proxy, Between::Pooler])
                .unwrap(),
            loss: *dice.pick(&[0, 0, 1, 20]).unwrap(),
            reaches_server: true,
            is_reached: true,
            lag: Duration::ZERO,
            is_suspended: false,
            is_crashed: false,
            resumed: Time::default(),
            troubled: Time::default(),
        }
    }

    /// Whether not everything comes through in the usual time.
    pub fn is_troubled(&self) -> bool {
        !self.is_connected() || !self.lag.is_zero()
    }

    /// Whether none of its processes runs.
    pub fn is_down(&self) -> bool {
        self.is_suspended || self.is_crashed
    }

    /// Whether packets come and go.
    fn is_connected(&self) -> bool {
        self.reaches_server && self.is_reached && !self.is_down()
    }

    fn transit(&self, dice: &mut Dice) -> Duration {
        let mut time = self.lag + self.delay + self.delay * (dice.below(100) as u32) / 100;
        let mut again = RETRANSMISSION;
        while self.loss > 0 && dice.below(1000) < self.loss {
            time += again;
            again *= 2;
        }
        time
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { gain, delay, loss, .. } = self;
        let between = match self.between {
            Between::Nothing => "",
            Between::Proxy => " behind a proxy",
            Between::Pooler => " behind a pooler",
        };
        write!(f, "a host {delay:?} away{between}, loss {loss} ‰, clock {gain:+} ‰")
    }
}

impl<M: Copy> Way<M> {
    fn new() -> Self {
        Self { held: VecDeque::new(), last_arrival: Time::default(), sent: 0, delivered: 0 }
    }

    /// The number of something that is sent.
    fn number(&mut self) -> u32 {
        self.sent += 1;
        self.sent
    }

    /// Keeps what did not arrive, in the order in which it was sent.
    fn hold(&mut self, number: u32, message: M) {
        let at = self.held.partition_point(|(held, _)| *held < number);
        self.held.insert(at, (number, message));
    }

    /// What has its turn, if it is there.
    fn next(&mut self) -> Option<M> {
        let (number, message) = *self.held.front()?;
        if number != self.delivered + 1 {
            return None;
        }
        self.delivered = number;
        self.held.pop_front();
        Some(message)
    }

    /// When something arrives that is sent now: not before what was sent earlier.
    fn arrival(&mut self, now: Time, transit: Duration) -> Time {
        self.last_arrival = self.last_arrival.max(now.after(transit));
        self.last_arrival
    }
}

impl World {
    /// Opens a connection for a run; its login ends after that time, and this statement travels along.
    pub fn connect(&mut self, run: usize, login: Duration, first: Statement) -> usize {
        let id = self.connections.len();
        self.connections.push(Connection {
            run,
            host: self.runs[run].host,
            start: self.server.start,
            session: None,
            owners: 1,
            is_forgotten: false,
            to_server: Way::new(),
            to_client: Way::new(),
        });
        self.schedule(login, Event::Login(id, first));
        id
    }

    /// The login ends, unless it was given up.
    pub fn log_in(&mut self, id: usize, first: Statement) {
        if self.connections[id].owners > 0 {
            self.send(id, ToServer::Login(first));
        }
    }

    /// Sends to the server.
    pub fn send(&mut self, id: usize, message: ToServer) {
        let connection = &mut self.connections[id];
        if connection.is_forgotten {
            return;
        }
        let host = &self.hosts[connection.host];
        let number = connection.to_server.number();
        if host.reaches_server && connection.to_server.held.is_empty() {
            let arrival = connection.to_server.arrival(self.now, host.transit(&mut self.dice));
            self.schedule_at(arrival, Event::AtServer(id, number, message));
        } else {
            connection.to_server.hold(number, message);
        }
    }

    /// Sends to the client.
    pub fn reply(&mut self, id: usize, message: ToClient, after: Duration) {
        let connection = &mut self.connections[id];
        let host = &self.hosts[connection.host];
        if message == ToClient::Reset {
            // It waits for nothing, and whoever sends it knows nothing of what was sent before. If it is lost, the next
            // thing that the client sends draws another one.
            let arrival = connection.to_client.arrival(self.now, host.transit(&mut self.dice));
            return self.schedule_at(arrival, Event::AtClient(id, ON_ITS_OWN, message));
        }
        let number = connection.to_client.number();
        if connection.to_client.held.is_empty() {
            let transit = after + host.transit(&mut self.dice);
            let arrival = connection.to_client.arrival(self.now, transit);
            self.schedule_at(arrival, Event::AtClient(id, number, message));
        } else {
            connection.to_client.hold(number, message);
        }
    }

    pub fn arrive_at_server(&mut self, id: usize, number: u32, message: ToServer) {
        let connection = &mut self.connections[id];
        if number == ON_ITS_OWN {
            return self.serve(id, message);
        }
        connection.to_server.hold(number, message);
        if self.hosts[connection.host].reaches_server && self.server.is_reachable() {
            while let Some(message) = self.connections[id].to_server.next() {
                self.serve(id, message);
            }
        }
    }

    pub fn arrive_at_client(&mut self, id: usize, number: u32, message: ToClient) {
        let connection = &mut self.connections[id];
        let host = &self.hosts[connection.host];
        let is_reached = host.is_reached && !host.is_down();
        if number == ON_ITS_OWN {
            if is_reached && !connection.is_forgotten {
                let (run, host) = (connection.run, connection.host);
                self.receive(run, id, message);
                self.forget(id, host);
            }
            return;
        }
        connection.to_client.hold(number, message);
        if is_reached {
            while let Some(message) = self.connections[id].to_client.next() {
                self.deliver_to_client(id, message);
            }
        }
    }

    fn deliver_to_client(&mut self, id: usize, message: ToClient) {
        let connection = &self.connections[id];
        let host = &self.hosts[connection.host];
        if connection.is_forgotten {
            // The kernel of a host that knows nothing of the connection says so.
            let transit = host.transit(&mut self.dice);
            return self.schedule(transit, Event::AtServer(id, ON_ITS_OWN, ToServer::Reset));
        }
        let (run, reaches_server) = (connection.run, host.reaches_server);
        if matches!(message, ToClient::Answer(_)) {
            self.acknowledge(id, reaches_server);
        }
        self.receive(run, id, message);
    }

    /// Sends again what was not delivered, some time after the way has become free.
    pub fn retransmit(&mut self, host: usize, outage: Duration) {
        for id in 0..self.connections.len() {
            if self.connections[id].host != host {
                continue;
            }
            let pause = self.dice.between(Duration::ZERO, (outage / 2).clamp(RETRANSMISSION, MAX_PAUSE));
            if self.hosts[host].reaches_server && self.server.is_reachable() {
                for (number, message) in std::mem::take(&mut self.connections[id].to_server.held) {
                    let transit = pause + self.hosts[host].transit(&mut self.dice);
                    let arrival = self.connections[id].to_server.arrival(self.now, transit);
                    self.schedule_at(arrival, Event::AtServer(id, number, message));
                }
            }
            if self.hosts[host].is_reached && !self.hosts[host].is_down() {
                for (number, message) in std::mem::take(&mut self.connections[id].to_client.held) {
                    let transit = pause + self.hosts[host].transit(&mut self.dice);
                    let arrival = self.connections[id].to_client.arrival(self.now, transit);
                    self.schedule_at(arrival, Event::AtClient(id, number, message));
                }
            }
        }
    }

    /// What a connection goes through.
    pub fn between(&self, id: usize) -> Between {
        self.hosts[self.connections[id].host].between
    }

    /// Whether a probe of the server's kernel is answered; `None` where the answer is that there is no connection.
    pub fn probe(&self, id: usize) -> Option<bool> {
        let connection = &self.connections[id];
        match self.hosts[connection.host].is_connected() {
            true if connection.is_forgotten => None,
            is_connected => Some(is_connected),
        }
    }

    /// The client's kernel loses all that it knew.
    pub fn forget(&mut self, id: usize, host: usize) {
        let connection = &mut self.connections[id];
        if connection.host != host || std::mem::replace(&mut connection.is_forgotten, true) {
            return;
        }
        connection.to_server.held.clear();
        if let Some(session) = connection.session {
            self.abandon_session(session);
        }
    }

    /// The server's kernel has given the connection up: what was not delivered is not sent again.
    pub fn give_up(&mut self, id: usize) {
        self.connections[id].to_client.held.clear();
    }

    /// One process less has the connection open.
    pub fn close(&mut self, id: usize) {
        let connection = &mut self.connections[id];
        connection.owners = connection.owners.saturating_sub(1);
        if connection.owners == 0 {
            self.send(id, ToServer::Close);
        }
    }
}

/// In parts of a thousand: 1.047 to 0.953 is a tenth.
const MAX_GAIN: u64 = 47;

/// The number of a segment that belongs to no connection that its sender knows.
const ON_ITS_OWN: u32 = u32::MAX;

/// TCP's shortest time until it sends again what was lost, on Linux.
const RETRANSMISSION: Duration = Duration::from_millis(200);

/// And the longest.
const MAX_PAUSE: Duration = Duration::from_secs(120);
