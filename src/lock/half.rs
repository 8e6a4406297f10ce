//! The server's half of a lease: what has it free the lock of a client that has vanished.

use crate::net::Ends;

/// What has the server free the lock of a client that has vanished.
///
/// Where TCP ends at the server, the session lasts for as long as any process has the connection open, and the kernel of the
/// client's host answers for it. Where it does not, the server can go by the heartbeats alone: it also frees the lock of a
/// client that sends none any more while its job, which has inherited the connection, runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServersHalf {
    /// TCP, after a lease in which nothing of the client's host has arrived.
    Tcp,
    /// The Unix socket, as soon as no process has it open any more.
    Socket,
    /// `idle_session_timeout`, after a lease without a heartbeat.
    IdleSession(NotTcp),
    /// `idle_in_transaction_session_timeout`, after a lease without a heartbeat: a pooler is in between.
    IdleTransaction,
    /// Nothing: there is no `idle_session_timeout` before PostgreSQL 14.
    Nothing(NotTcp),
}

/// Why TCP does not do it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotTcp {
    /// It ends at a proxy, which is the client that the server sees: at this address and port, or on a Unix socket.
    Proxy(Option<String>),
    /// The server's system has no such time-outs; what it has instead.
    NoTimeouts(String),
}

impl ServersHalf {
    /// For a session of our own, on a server of this major version. `ours` are the ends of our connection, if it is of TCP;
    /// `servers` are those of the server's, as it has told.
    pub(super) fn of_session(version: u32, ours: Option<Ends>, servers: Option<&str>) -> Self {
        let theirs = servers.and_then(Ends::parse);
        let reason = match (ours, theirs) {
            (Some(_), None) if servers == Some("") => NotTcp::Proxy(None),
            (Some(ours), Some(theirs)) if Ends::is_one_connection(ours, theirs) => return Self::Tcp,
            (_, Some(theirs)) => NotTcp::Proxy(Some(theirs.client().to_string())),
            (Some(_), None) => return Self::Tcp,
            (None, None) => return Self::Socket,
        };
        if version >= IDLE_SESSION_TIMEOUT { Self::IdleSession(reason) } else { Self::Nothing(reason) }
    }

    /// Whether the server's time-outs of TCP are set: its connection may be a proxy's, whose host can vanish as well.
    pub(super) fn has_tcp(&self) -> bool {
        matches!(
            self,
            Self::Tcp | Self::IdleSession(NotTcp::Proxy(Some(_))) | Self::Nothing(NotTcp::Proxy(Some(_)))
        )
    }
}

/// The first version that has it.
pub(super) const IDLE_SESSION_TIMEOUT: u32 = 14;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tcp_keeps_the_lease_where_it_ends_at_the_server_and_silence_elsewhere() {
        let here = Ends::parse("10.0.0.5 40000 192.0.2.1 5432");
        let of = |ours, servers| ServersHalf::of_session(14, ours, servers);
        let proxy = |at: &str| ServersHalf::IdleSession(NotTcp::Proxy(Some(at.to_owned())));
        assert_eq!(of(here, Some("10.0.0.5 40000 192.0.2.1 5432")), ServersHalf::Tcp);
        assert_eq!(of(here, Some("10.0.0.7 1 10.0.0.1 5432")), proxy("10.0.0.7, port 1"));
        assert_eq!(of(None, Some("10.0.0.7 1 10.0.0.1 5432")), proxy("10.0.0.7, port 1"));
        assert_eq!(of(here, Some("")), ServersHalf::IdleSession(NotTcp::Proxy(None)));
        assert_eq!(of(None, Some("")), ServersHalf::Socket);
        // Where it is not known, as if there were nothing in between.
        assert_eq!([of(here, None), of(None, None)], [ServersHalf::Tcp, ServersHalf::Socket]);
        let old = ServersHalf::of_session(13, here, Some(""));
        assert_eq!(old, ServersHalf::Nothing(NotTcp::Proxy(None)));
        assert!(proxy("").has_tcp() && !old.has_tcp());
    }
}
