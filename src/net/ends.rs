//! The two ends of a TCP connection, as one of them sees them: do both see the same one?

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;

use rustix::net::{SocketAddrAny, getpeername, getsockname};

/// Who is connected with whom, as the client or the server sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ends {
    client: End,
    server: End,
}

/// An address and a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End(IpAddr, u16);

impl Ends {
    /// Returns what this host sees of its own socket; `None` where that is not of TCP.
    pub(super) fn of_socket(socket: impl AsFd) -> Option<Self> {
        let [ours, peer] = [getsockname(&socket).ok()?, getpeername(&socket).ok()??];
        Some(Self { client: End::of(ours)?, server: End::of(peer)? })
    }

    /// Reads what a server sees: the client's address and port, and its own, with spaces in between.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let mut end =
            || Some(End(words.next()?.parse::<IpAddr>().ok()?.to_canonical(), words.next()?.parse().ok()?));
        let ends = Self { client: end()?, server: end()? };
        words.next().is_none().then_some(ends)
    }

    pub(crate) fn client(&self) -> End {
        self.client
    }

    /// Whether the connection that the server sees is the one that the client sees, and not another one, made by a proxy in
    /// between, which has a port of its own. A translation of addresses on the way (NAT) is no end: it either keeps the
    /// client's port, or is on the client's side, where the client reaches the server at the server's own address. None makes
    /// a client of another host one of the server's own, as a proxy there does.
    pub(crate) fn is_one_connection(client_sees: Self, server_sees: Self) -> bool {
        let End(client, port) = client_sees.client;
        let End(seen, seen_port) = server_sees.client;
        let is_translated = seen != client && seen.is_loopback() == client.is_loopback();
        seen_port == port || is_translated && server_sees.server == client_sees.server
    }
}

impl End {
    fn of(address: SocketAddrAny) -> Option<Self> {
        let address = SocketAddr::try_from(address).ok()?;
        Some(Self(address.ip().to_canonical(), address.port()))
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, port {}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(text: &str) -> Ends {
        Ends::parse(text).unwrap()
    }

    #[test]
    fn a_proxy_is_told_from_a_translation_of_addresses() {
        let ours = ends("10.0.0.5 40000 192.0.2.1 5432");
        for (server_sees, expected, what) in [
            ("10.0.0.5 40000 192.0.2.1 5432", true, "nothing in between"),
            (
                "10.0.0.5 40000 172.17.0.2 5432",
                true,
                "a published port of a container, or a service of Kubernetes",
            ),
            ("203.0.113.9 40000 192.0.2.1 5432", true, "a translation of the client's address"),
            ("203.0.113.9 1024 192.0.2.1 5432", true, "one that has chosen another port"),
            ("10.0.0.7 51000 172.17.0.2 5432", false, "a proxy"),
            ("10.0.0.5 51000 172.17.0.2 5432", false, "a proxy on this host"),
            ("127.0.0.6 51000 192.0.2.1 5432", false, "a proxy beside the server, as of a service mesh"),
            (
                "10.0.0.5 51000 192.0.2.1 5432",
                false,
                "a proxy beside the client that is not seen, as of a service mesh",
            ),
        ] {
            assert_eq!(Ends::is_one_connection(ours, ends(server_sees)), expected, "{what}");
        }
    }

    #[test]
    fn what_a_server_sees_is_read_strictly() {
        assert_eq!(ends("::ffff:10.0.0.5 1 ::1 2"), ends("10.0.0.5 1 ::1 2"));
        assert_eq!(ends("fe80::1 1 ::1 5432").client().to_string(), "fe80::1, port 1");
        for text in
            ["", "10.0.0.5", "10.0.0.5 1 ::1", "10.0.0.5 1 ::1 2 3", "10.0.0.5 70000 ::1 2", "a 1 b 2"]
        {
            assert_eq!(Ends::parse(text), None, "{text}");
        }
    }
}
