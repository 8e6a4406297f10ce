//! Who has to act on an error: by its SQLSTATE or, where a pooler has written it, by its words.

use super::server::ServerMessage;

/// Who has to act on an error; the exit code depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The peer breaks the protocol or is no PostgreSQL.
    Protocol,
    /// The identity was not proved, or is not allowed to do this.
    Authentication,
    /// A connection parameter names something that does not exist.
    Configuration,
    /// The server can't serve now.
    Unavailable,
}

impl ErrorKind {
    /// Returns who has to act on what a server has said, during the login or later.
    pub(super) fn of(message: &ServerMessage, is_logged_in: bool) -> Self {
        of_pooler(message).unwrap_or_else(|| of_code(&message.code, is_logged_in))
    }
}

/// By SQLSTATE (PostgreSQL documentation, appendix A).
fn of_code(code: &str, is_logged_in: bool) -> ErrorKind {
    match code {
        // insufficient_privilege: no CONNECT on the database, or no EXECUTE on a function.
        "42501" => ErrorKind::Authentication,
        // The database does not exist, or a startup parameter or its value is unknown.
        "3D000" => ErrorKind::Configuration,
        PROTOCOL_VIOLATION => ErrorKind::Protocol,
        _ => match code.get(..2) {
            // invalid_authorization_specification
            Some("28") => ErrorKind::Authentication,
            Some("22" | "42") if !is_logged_in => ErrorKind::Configuration,
            _ => ErrorKind::Unavailable,
        },
    }
}

/// Returns what a pooler means where the SQLSTATE says something else.
fn of_pooler(message: &ServerMessage) -> Option<ErrorKind> {
    let text = message.message.to_ascii_lowercase();
    let says = |(code, words, _): &&(&str, &str, ErrorKind)| *code == message.code && text.contains(words);
    WORDS.iter().find(says).map(|(_, _, kind)| *kind)
}

/// The SQLSTATE, words in lower case, and what they mean. The first that fits counts: a limit that is told in the words of
/// another error is a limit.
const WORDS: &[(&str, &str, ErrorKind)] = &[
    // PgBouncer calls everything a violation of the protocol (`disconnect_client` in its source). Of a limit that is reached,
    // the setting's name stands in the text (`man 5 pgbouncer`).
    (PROTOCOL_VIOLATION, "max_client_conn", ErrorKind::Unavailable),
    (PROTOCOL_VIOLATION, "max_db_client_connections", ErrorKind::Unavailable),
    (PROTOCOL_VIOLATION, "max_user_client_connections", ErrorKind::Unavailable),
    (PROTOCOL_VIOLATION, "query_wait_timeout", ErrorKind::Unavailable),
    (PROTOCOL_VIOLATION, "client_login_timeout", ErrorKind::Unavailable),
    (PROTOCOL_VIOLATION, "server_login_retry", ErrorKind::Unavailable),
    (PROTOCOL_VIOLATION, "too many servers in the pool", ErrorKind::Unavailable),
    (PROTOCOL_VIOLATION, "resources exhaustion", ErrorKind::Unavailable),
    (PROTOCOL_VIOLATION, "cannot connect", ErrorKind::Unavailable),
    (PROTOCOL_VIOLATION, "server conn crashed", ErrorKind::Unavailable),
    (PROTOCOL_VIOLATION, "server dns lookup failed", ErrorKind::Unavailable),
    (PROTOCOL_VIOLATION, "shutting down", ErrorKind::Unavailable),
    (PROTOCOL_VIOLATION, "database configuration changed", ErrorKind::Unavailable),
    (PROTOCOL_VIOLATION, "authentication failed", ErrorKind::Authentication),
    (PROTOCOL_VIOLATION, "no such user", ErrorKind::Authentication),
    (PROTOCOL_VIOLATION, "login rejected", ErrorKind::Authentication),
    (PROTOCOL_VIOLATION, "login failed", ErrorKind::Authentication),
    (PROTOCOL_VIOLATION, "ssl required", ErrorKind::Authentication),
    (PROTOCOL_VIOLATION, "tls connection required", ErrorKind::Authentication),
    (PROTOCOL_VIOLATION, "tls client certificate required", ErrorKind::Authentication),
    (PROTOCOL_VIOLATION, "tls certificate name mismatch", ErrorKind::Authentication),
    (PROTOCOL_VIOLATION, "no such database", ErrorKind::Configuration),
    // The same, in version 1.18.
    (PROTOCOL_VIOLATION, "\" does not exist", ErrorKind::Configuration),
    (PROTOCOL_VIOLATION, "does not allow connections", ErrorKind::Configuration),
    (PROTOCOL_VIOLATION, "is disabled", ErrorKind::Configuration),
    (PROTOCOL_VIOLATION, "unsupported startup parameter", ErrorKind::Configuration),
    (PROTOCOL_VIOLATION, "no username supplied", ErrorKind::Configuration),
    (PROTOCOL_VIOLATION, "too long", ErrorKind::Configuration),
    (PROTOCOL_VIOLATION, "bouncer config error", ErrorKind::Configuration),
    // Odyssey has PostgreSQL's codes for all but this.
    (PROTOCOL_VIOLATION, "ssl is required", ErrorKind::Authentication),
    // PgCat: a database or a user that no pool is configured for.
    (SYSTEM_ERROR, "no pool configured for database", ErrorKind::Configuration),
    // Supavisor: the name of the tenant is a part of the user's name.
    (INTERNAL_ERROR, "tenant or user not found", ErrorKind::Authentication),
    (INTERNAL_ERROR, "(enotfound)", ErrorKind::Authentication),
    (INTERNAL_ERROR, "authentication error", ErrorKind::Authentication),
    (INTERNAL_ERROR, "ssl connection is required", ErrorKind::Authentication),
];

/// SQLSTATE `protocol_violation`.
const PROTOCOL_VIOLATION: &str = "08P01";

/// SQLSTATE `system_error`.
const SYSTEM_ERROR: &str = "58000";

/// SQLSTATE `internal_error`.
const INTERNAL_ERROR: &str = "XX000";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_quotes_another_error_is_a_limit() {
        let told = |code: &str, text: &str| {
            of_pooler(&ServerMessage {
                code: code.to_owned(),
                message: text.to_owned(),
                ..ServerMessage::default()
            })
        };
        let cached = "server login has been failing, cached error: password authentication failed for user \"ann\" \
                      (server_login_retry)";
        assert_eq!(told("08P01", cached), Some(ErrorKind::Unavailable));
        assert_eq!(told("08P01", "SASL authentication failed"), Some(ErrorKind::Authentication));
        assert_eq!(told("28P01", "SASL authentication failed"), None);
        assert_eq!(told("08P01", "invalid frontend message type 112"), None);
    }
}
