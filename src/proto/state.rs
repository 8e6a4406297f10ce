//! How far a conversation has come.

use crate::auth::scram;

/// What may come next, and what it would mean.
pub(super) enum State {
    /// `StartupMessage` is out, and `SASLInitialResponse` behind it where nothing else can be asked for.
    Starting(Option<scram::ClientFirst>),
    /// `SASLInitialResponse` is out and asked for.
    ScramFirst(scram::ClientFirst),
    /// The last SCRAM message of ours is out.
    ScramFinal(scram::ClientFinal),
    /// The identity is proved as far as we can; `AuthenticationOk` must follow.
    AwaitingAuthOk,
    /// `AuthenticationOk` was received.
    LoggedIn,
    /// The server waits for a statement.
    Idle,
    /// A statement is out.
    Querying,
    /// A statement has failed or is done; `ReadyForQuery` must follow.
    Finishing,
    /// Nothing more may be said or heard.
    Over,
}

impl State {
    /// As messages say it.
    pub(super) fn during(&self) -> &'static str {
        match self {
            Self::Starting(_) => "in answer to StartupMessage",
            Self::ScramFirst(_) | Self::ScramFinal(_) => "during SCRAM authentication",
            Self::AwaitingAuthOk => "in answer to the password",
            Self::LoggedIn => "before the session is ready",
            Self::Idle => "while the session is idle",
            Self::Querying | Self::Finishing => "in answer to a statement",
            Self::Over => "after the end of the session",
        }
    }
}
