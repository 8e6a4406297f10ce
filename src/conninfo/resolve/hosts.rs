//! The hosts to try, in order: `host`, `hostaddr` and `port` put side by side.

use std::path::PathBuf;

use super::hostaddr;
use crate::conninfo::error::{Error, MAX_SOCKET_PATH};
use crate::conninfo::values::{self, Secret};

/// One host to try.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Host {
    /// `host` as it was given, if it was; the name that a certificate must have, also with `hostaddr`.
    pub name: Option<String>,
    /// Where it listens.
    pub endpoint: Endpoint,
    /// The TCP port, or the last part of the socket's name; never 0.
    pub port: u16,
    /// The password that the password file has for this host; never empty.
    pub password: Option<Secret>,
}

impl Host {
    /// Returns what a password file calls this host: its name, else its address, else nothing.
    pub(super) fn key(&self) -> &str {
        match (&self.name, &self.endpoint) {
            (Some(name), _) => name,
            (None, Endpoint::Address(address)) => address,
            (None, _) => "",
        }
    }
}

/// Where a host listens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Endpoint {
    /// TCP, at the addresses of this name; it may also be the text of an address.
    Name(String),
    /// TCP, at this address (`hostaddr`): the text of an IP literal.
    Address(String),
    /// The Unix socket `.s.PGSQL.PORT` in this directory.
    Socket(PathBuf),
    /// The abstract Unix socket of this name, the leading `@` removed, followed by `/.s.PGSQL.PORT`.
    Abstract(String),
    /// The Unix socket in the first of [`SOCKET_DIRECTORIES`] that exists.
    DefaultSocket,
}

impl Endpoint {
    /// Whether this is a Unix socket, where TLS settings and keepalives mean nothing.
    #[must_use]
    pub fn is_local(&self) -> bool {
        matches!(self, Endpoint::Socket(_) | Endpoint::Abstract(_) | Endpoint::DefaultSocket)
    }
}

/// Where the usual builds of PostgreSQL put their socket; libpq knows one, chosen when it was built.
pub const SOCKET_DIRECTORIES: [&str; 3] = ["/run/postgresql", "/var/run/postgresql", "/tmp"];

/// The hosts that the parameters `host`, `hostaddr` and `port` name; the default socket where they name none.
pub(super) fn list(
    host: Option<&str>,
    hostaddr: Option<&str>,
    port: Option<&str>,
) -> Result<Vec<Host>, Error> {
    let names = elements(host);
    let addresses = elements(hostaddr);
    let ports = elements(port);
    let count = addresses.len().max(names.len()).max(1);
    if !addresses.is_empty() && !names.is_empty() && names.len() != addresses.len() {
        return Err(Error::HostCount(names.len(), addresses.len()));
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(Error::PortCount(ports.len(), count));
    }
    // One port is for all; an empty element of a list is as if nothing were given there.
    let shared_port = if ports.len() == 1 { ports.first().copied() } else { None };
    let hosts = (0..count)
        .map(|index| one(at(&names, index), at(&addresses, index), shared_port.unwrap_or(at(&ports, index))));
    hosts.collect()
}

fn elements(list: Option<&str>) -> Vec<&str> {
    list.filter(|list| !list.is_empty()).map(|list| list.split(',').collect()).unwrap_or_default()
}

fn at<'a>(list: &[&'a str], index: usize) -> &'a str {
    list.get(index).copied().unwrap_or_default()
}

fn one(name: &str, address: &str, port: &str) -> Result<Host, Error> {
    let endpoint = if !address.is_empty() {
        hostaddr::read(address)?;
        Endpoint::Address(address.to_owned())
    } else if let Some(name) = name.strip_prefix('@') {
        Endpoint::Abstract(name.to_owned())
    } else if name.starts_with('/') {
        Endpoint::Socket(PathBuf::from(name))
    } else if name.is_empty() {
        Endpoint::DefaultSocket
    } else {
        Endpoint::Name(name.to_owned())
    };
    let port = if port.is_empty() { DEFAULT_PORT } else { values::port(port)? };
    let socket = format!("{name}/.s.PGSQL.{port}");
    if endpoint.is_local() && socket.len() > MAX_SOCKET_PATH {
        return Err(Error::SocketPath(socket));
    }
    let name = Some(name.to_owned()).filter(|name| !name.is_empty());
    Ok(Host { name, endpoint, port, password: None })
}

const DEFAULT_PORT: u16 = 5432;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conninfo::testing::config;

    fn endpoints(text: &str) -> Vec<(Option<String>, Endpoint, u16)> {
        let hosts = config(text).unwrap().hosts;
        hosts.into_iter().map(|host| (host.name, host.endpoint, host.port)).collect()
    }

    #[test]
    fn the_kind_of_endpoint_is_told_by_how_it_is_given() {
        let name = |text: &str| Some(text.to_owned());
        assert_eq!(endpoints(""), [(None, Endpoint::DefaultSocket, 5432)]);
        assert_eq!(endpoints("host=h"), [(name("h"), Endpoint::Name("h".into()), 5432)]);
        assert_eq!(endpoints("host=::1"), [(name("::1"), Endpoint::Name("::1".into()), 5432)]);
        assert_eq!(endpoints("host=/run/x"), [(name("/run/x"), Endpoint::Socket("/run/x".into()), 5432)]);
        assert_eq!(endpoints("host=@x"), [(name("@x"), Endpoint::Abstract("x".into()), 5432)]);
        assert_eq!(endpoints("hostaddr=::1"), [(None, Endpoint::Address("::1".into()), 5432)]);
        assert_eq!(endpoints("host=h hostaddr=::1"), [(name("h"), Endpoint::Address("::1".into()), 5432)]);
        assert_eq!(endpoints("port=6000"), [(None, Endpoint::DefaultSocket, 6000)]);
    }

    #[test]
    fn lists_are_put_side_by_side() {
        let ports = |text| endpoints(text).into_iter().map(|(_, _, port)| port).collect::<Vec<_>>();
        assert_eq!(ports("host=a,b,c port=1"), [1, 1, 1]);
        assert_eq!(ports("host=a,b,c port=1,,3"), [1, 5432, 3]);
        assert_eq!(ports("host=a,b port=''"), [5432, 5432]);
        let expected =
            [Endpoint::Address("1.1.1.1".into()), Endpoint::Name("b".into()), Endpoint::DefaultSocket];
        let found = endpoints("host=a,b, hostaddr=1.1.1.1,,");
        assert_eq!(found.into_iter().map(|(_, endpoint, _)| endpoint).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn lists_of_different_length_are_refused() {
        for (text, expected) in [
            ("host=a,b hostaddr=1.1.1.1", "could not match 2 host names to 1 hostaddr values"),
            ("host=a hostaddr=1.1.1.1,", "could not match 1 host names to 2 hostaddr values"),
            ("host=a,b,c port=1,2", "could not match 2 port numbers to 3 hosts"),
            ("port=1,2", "could not match 2 port numbers to 1 hosts"),
            ("host=a,b port=1,x", "invalid integer value \"x\" for connection option \"port\""),
            ("host=a port=0", "invalid port number: \"0\""),
        ] {
            let error = config(text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_host_that_is_nowhere_is_a_mistake_wherever_it_stands_in_the_list() {
        let long = "x".repeat(MAX_SOCKET_PATH - "/.s.PGSQL.5432".len());
        for (host, hostaddr, expected) in [
            ("a,b", "1.1.1.1,x.y", "could not parse network address \"x.y\" (hostaddr)"),
            ("a,b", "x.y,1.1.1.1", "could not parse network address \"x.y\" (hostaddr)"),
            (&format!("a,/{long}"), "", "Unix-domain socket path \"/x"),
            (&format!("@{long},a"), "", "Unix-domain socket path \"@x"),
        ] {
            let error = config(&format!("host={host} hostaddr={hostaddr}")).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
        assert!(config(&format!("host=a,/{}", &long[1..])).is_ok());
    }
}
