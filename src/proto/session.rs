//! The state machine of one session: which message may come when, and what is sent in answer, in one match.

use std::fmt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::authentication::Authentication;
use super::backend::{self, BackendMessage, Row, Transaction};
use super::error::{Error, Stage};
use super::frame::{self, Phase};
use super::frontend::{FrontendMessage, Query};
use super::login::Login;
use super::server::{Server, ServerMessage};
use super::text::printable;
use super::version::Version;
use crate::auth::scram;

/// What the driver of a [`Session`] has to do next, or what the server has sent. Its `Debug` has no byte of what is sent, which
/// may be a password.
#[derive(PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Send these bytes, all of them, before anything else.
    Send(Bytes),
    /// Nothing can be done before more is received.
    Receive,
    /// The server waits for a query.
    Ready,
    /// One row in answer to the running query.
    Row(Row),
    /// A statement of the running query is done; another one or [`Step::Ready`] follows.
    Done,
    /// The running query has failed, and not the session; [`Step::Ready`] follows.
    Failed(Box<ServerMessage>),
    /// A message that is no answer.
    Notice(ServerMessage),
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(bytes) => write!(f, "Send({} bytes)", bytes.len()),
            Self::Receive => f.write_str("Receive"),
            Self::Ready => f.write_str("Ready"),
            Self::Row(row) => f.debug_tuple("Row").field(row).finish(),
            Self::Done => f.write_str("Done"),
            Self::Failed(message) => f.debug_tuple("Failed").field(message).finish(),
            Self::Notice(message) => f.debug_tuple("Notice").field(message).finish(),
        }
    }
}

/// Which way a message goes; shown as `>` and `<`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Direction {
    /// To the server.
    ToServer,
    /// From the server.
    FromServer,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ToServer => ">",
            Self::FromServer => "<",
        })
    }
}

/// Called with each message, in which no secret is shown, and which way it goes.
pub type Trace = Arc<dyn Fn(Direction, &dyn fmt::Display) + Send + Sync>;

/// One conversation from `StartupMessage` to Terminate.
pub struct Session {
    login: Login,
    state: State,
    received: BytesMut,
    outgoing: BytesMut,
    first: Option<Query>,
    /// Queries that are sent and not yet answered by `ReadyForQuery`.
    unanswered: usize,
    /// As the last `ReadyForQuery` has it.
    transaction: Transaction,
    server: Server,
    /// The version that the server speaks instead of the one asked for.
    negotiated: Option<Version>,
    trace: Option<Trace>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("during", &self.state.during())
            .field("unanswered", &self.unanswered)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Begins with `StartupMessage`; `first` is sent as early as [`Login`] allows.
    #[must_use]
    pub fn new(mut login: Login, first: Option<Query>, trace: Option<Trace>) -> Self {
        // What is older would not be accepted.
        let version = login.startup.version().max(login.oldest);
        login.startup = login.startup.with_version(version);
        let mut session = Self {
            state: State::Over,
            received: BytesMut::new(),
            outgoing: BytesMut::new(),
            first,
            unanswered: 0,
            transaction: Transaction::Idle,
            server: Server::default(),
            negotiated: None,
            trace,
            login,
        };
        session.begin();
        session
    }

    fn begin(&mut self) {
        let startup = self.login.startup.clone();
        self.send(FrontendMessage::Startup(&startup));
        let scram = self.login.scram_unasked();
        match &scram {
            Some(scram) => self.send_scram_first(scram),
            None if self.login.is_unproved() => self.send_first_early(),
            None => {}
        }
        self.state = State::Starting(scram);
    }

    /// Takes bytes from the server, in any portions.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }

    /// Sends a query; it is answered by rows, [`Step::Done`] or [`Step::Failed`], and [`Step::Ready`].
    pub fn query(&mut self, query: &Query) {
        self.unanswered += 1;
        self.send(FrontendMessage::Query(query));
        if matches!(self.state, State::Idle) {
            self.state = State::Querying;
        }
    }

    /// Sends Terminate.
    pub fn terminate(&mut self) {
        self.send(FrontendMessage::Terminate);
        self.state = State::Over;
    }

    /// How many queries are sent and not yet answered by [`Step::Ready`].
    #[must_use]
    pub fn unanswered(&self) -> usize {
        self.unanswered
    }

    /// Returns whether the last query that was answered has left a transaction open.
    #[must_use]
    pub fn transaction(&self) -> Transaction {
        self.transaction
    }

    /// Returns what the server has reported so far.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Returns the next step. What is to be sent comes before anything that was received.
    ///
    /// # Errors
    /// What ends the conversation.
    pub fn poll(&mut self) -> Result<Step, Error> {
        loop {
            if let Some(bytes) = self.take_outgoing() {
                return Ok(Step::Send(bytes));
            }
            let phase = self.phase();
            let frame = frame::take(&mut self.received, phase).map_err(|error| self.blame(error))?;
            let Some(frame) = frame else { return Ok(Step::Receive) };
            let message = BackendMessage::decode(&frame)?;
            self.traced(Direction::FromServer, &message);
            if let Some(step) = self.handle(message)? {
                return Ok(step);
            }
        }
    }

    /// Returns what is to be sent now, for a driver that does not want to receive anything yet.
    pub fn take_outgoing(&mut self) -> Option<Bytes> {
        (!self.outgoing.is_empty()).then(|| self.outgoing.split().freeze())
    }

    fn phase(&self) -> Phase {
        match self.state {
            State::Starting(_) | State::ScramFirst(_) | State::ScramFinal(_) | State::AwaitingAuthOk => {
                Phase::Login
            }
            _ => Phase::Session,
        }
    }

    /// Only the first byte of all tells another protocol; later it is the type of a message that may not come.
    fn blame(&self, error: Error) -> Error {
        let is_first = matches!(self.state, State::Starting(_)) && self.negotiated.is_none();
        match error {
            Error::NotPostgres { first } if !is_first => match backend::name(first) {
                Some(name) => Error::Unexpected { message: name.to_owned(), during: self.state.during() },
                None => Error::UnknownMessage { tag: first },
            },
            error => error,
        }
    }

    /// All rules of the conversation. A state that is left is consumed; what is not listed is refused.
    fn handle(&mut self, message: BackendMessage) -> Result<Option<Step>, Error> {
        use Authentication as Auth;
        use BackendMessage as Message;
        use State::{
            AwaitingAuthOk, Completed, Failed, LoggedIn, Over, Querying, Rows, ScramFinal, ScramFirst,
            Starting,
        };

        let (state, step) = match (std::mem::replace(&mut self.state, Over), message) {
            // At any time after the login.
            (state, Message::NoticeResponse(notice)) => (state, Some(Step::Notice(notice))),
            (state, Message::NotificationResponse) => (state, None),
            (state, Message::ParameterStatus { name, value }) => {
                self.server.note(&name, &value);
                (state, None)
            }
            (state, Message::ErrorResponse(message)) => return self.fail(&state, message),

            // Once, and before anything else.
            (state @ Starting(_), Message::NegotiateProtocolVersion { version, unknown })
                if self.negotiated.is_none() =>
            {
                self.negotiated = Some(self.login.negotiated(version, &unknown)?);
                (state, None)
            }

            // Authentication.
            (Starting(_), Message::Authentication(Auth::Ok)) => {
                self.login.check_trust_allowed()?;
                self.send_first_early();
                (LoggedIn, None)
            }
            (Starting(_), Message::Authentication(Auth::CleartextPassword)) => {
                let password = self.login.cleartext()?.to_vec();
                self.server.login = Some("password");
                self.send(FrontendMessage::Password(&password));
                self.send_first_early();
                (AwaitingAuthOk, None)
            }
            (Starting(_), Message::Authentication(Auth::Md5Password(salt))) => {
                let response = self.login.md5(salt)?;
                self.server.login = Some("md5");
                self.send(FrontendMessage::Password(response.as_bytes()));
                self.send_first_early();
                (AwaitingAuthOk, None)
            }
            (Starting(None), Message::Authentication(Auth::Sasl(mechanisms))) => {
                let scram = self.login.scram(&mechanisms)?;
                self.send_scram_first(&scram);
                (ScramFirst(scram), None)
            }
            (Starting(Some(scram)), Message::Authentication(Auth::Sasl(mechanisms))) => {
                // That is what was sent already, or an error (`Login::scram_unasked`).
                self.login.choose(&mechanisms)?;
                (ScramFirst(scram), None)
            }
            (Starting(_), Message::Authentication(Auth::Unsupported(method))) => {
                return Err(Error::UnsupportedMethod { method });
            }
            (ScramFirst(scram), Message::Authentication(Auth::SaslContinue(server_first))) => {
                let mechanism = scram.mechanism();
                let scram = scram.receive(&server_first).map_err(Error::Scram)?;
                self.server.login = Some(mechanism);
                self.send(FrontendMessage::SaslResponse(scram.message().as_bytes()));
                self.send_first_early();
                (ScramFinal(scram), None)
            }
            (ScramFinal(scram), Message::Authentication(Auth::SaslFinal(server_final))) => {
                scram.verify(&server_final).map_err(Error::Scram)?;
                (AwaitingAuthOk, None)
            }
            (AwaitingAuthOk, Message::Authentication(Auth::Ok)) => (LoggedIn, None),

            // The session's facts, then queries one after the other.
            (LoggedIn, Message::BackendKeyData { pid, key_length }) if self.server.pid.is_none() => {
                let version = self.negotiated.unwrap_or(self.login.startup.version());
                version.allow_key(key_length).map_err(Error::Version)?;
                self.server.pid = Some(pid);
                (LoggedIn, None)
            }
            (LoggedIn, Message::ReadyForQuery(Transaction::Idle)) => {
                self.send_first();
                (self.next_query(), Some(Step::Ready))
            }
            (Querying | Completed, Message::RowDescription) => (Rows, None),
            (Rows, Message::DataRow(row)) => (Rows, Some(Step::Row(row))),
            (Querying | Rows | Completed, Message::CommandComplete)
            | (Querying, Message::EmptyQueryResponse) => (Completed, Some(Step::Done)),
            (Completed | Failed, Message::ReadyForQuery(transaction)) => {
                self.transaction = transaction;
                self.unanswered -= 1;
                (self.next_query(), Some(Step::Ready))
            }

            (state, message) => {
                // A row may have thousands of columns.
                let message = printable(message.to_string().as_bytes());
                return Err(Error::Unexpected { message, during: state.during() });
            }
        };
        self.state = state;
        Ok(step)
    }

    fn fail(&mut self, before: &State, message: ServerMessage) -> Result<Option<Step>, Error> {
        let message = Box::new(message);
        let stage = match before {
            State::Querying | State::Rows | State::Completed if !message.is_fatal() => {
                self.state = State::Failed;
                return Ok(Some(Step::Failed(message)));
            }
            State::Starting(_) => Stage::Greeting,
            State::Idle | State::Querying | State::Rows | State::Completed | State::Failed => Stage::Session,
            _ => Stage::Login,
        };
        Err(Error::Server { message, stage })
    }

    fn next_query(&self) -> State {
        if self.unanswered == 0 { State::Idle } else { State::Querying }
    }

    /// Sends the first query before the server is known to wait for it, where that is allowed.
    fn send_first_early(&mut self) {
        if self.login.pipelined {
            self.send_first();
        }
    }

    /// Sends the first query, unless that was done before.
    fn send_first(&mut self) {
        if let Some(query) = self.first.take() {
            self.query(&query);
        }
    }

    fn send_scram_first(&mut self, scram: &scram::ClientFirst) {
        self.send(FrontendMessage::SaslInitialResponse {
            mechanism: scram.mechanism(),
            response: scram.message().as_bytes(),
        });
    }

    fn send(&mut self, message: FrontendMessage<'_>) {
        self.traced(Direction::ToServer, &message);
        message.encode(&mut self.outgoing);
    }

    fn traced(&mut self, direction: Direction, message: &dyn fmt::Display) {
        if let Some(trace) = &mut self.trace {
            trace(direction, message);
        }
    }
}

/// How far the conversation has come.
enum State {
    /// `StartupMessage` is out, and `SASLInitialResponse` after it where nothing else can be asked for.
    Starting(Option<scram::ClientFirst>),
    /// `SASLInitialResponse` is out and asked for.
    ScramFirst(scram::ClientFirst),
    /// The last SCRAM message of ours is out.
    ScramFinal(scram::ClientFinal),
    /// Our part of the authentication is done; `AuthenticationOk` must follow.
    AwaitingAuthOk,
    /// `AuthenticationOk` was received.
    LoggedIn,
    /// The server waits for a query.
    Idle,
    /// A query is out.
    Querying,
    /// `RowDescription` has been received, so rows may follow.
    Rows,
    /// A statement of the query is done; another one may follow.
    Completed,
    /// The query has failed; `ReadyForQuery` must follow.
    Failed,
    /// Nothing more may be sent or received.
    Over,
}

impl State {
    /// As error messages name it.
    fn during(&self) -> &'static str {
        match self {
            Self::Starting(_) => "in answer to StartupMessage",
            Self::ScramFirst(_) | Self::ScramFinal(_) => "during SCRAM authentication",
            Self::AwaitingAuthOk => "in answer to the password",
            Self::LoggedIn => "before the session is ready",
            Self::Idle => "while the session is idle",
            Self::Querying | Self::Rows | Self::Completed | Self::Failed => "in answer to a query",
            Self::Over => "after the end of the session",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::scram::Nonce;
    use crate::proto::frontend::Startup;
    use crate::proto::login::{Channel, Password};

    #[test]
    fn no_step_shows_a_password() {
        let mut login =
            Login::new(Startup::new([("user", "ann")]).unwrap(), Channel::Local, Nonce::of_random([0; 18]));
        login.password = Password::new("hunter2").unwrap();
        let mut session = Session::new(login, None, None);
        assert!(matches!(session.poll(), Ok(Step::Send(_))));
        session.receive(b"R\0\0\0\x08\0\0\0\x03");
        let step = session.poll().unwrap();
        assert!(matches!(&step, Step::Send(bytes) if bytes.ends_with(b"hunter2\0")));
        assert_eq!(format!("{step:?}"), "Send(13 bytes)");
    }

    #[test]
    fn an_unexpected_message_is_told_in_no_more_words_than_a_person_reads() {
        let login =
            Login::new(Startup::new([("user", "ann")]).unwrap(), Channel::Local, Nonce::of_random([0; 18]));
        let mut session = Session::new(login, None, None);
        let null = (-1_i32).to_be_bytes();
        let row = [&b"D\0\0\xfa\x06\x3e\x80"[..], &null.repeat(16_000)].concat();
        session.receive(&[&b"R\0\0\0\x08\0\0\0\0"[..], &row].concat());
        assert!(matches!(session.poll(), Ok(Step::Send(_))));
        let error = session.poll().unwrap_err().to_string();
        assert!(error.starts_with("unexpected DataRow NULL") && error.len() < 1100, "{}", error.len());
        assert!(error.ends_with("… before the session is ready"), "{error}");
    }
}
