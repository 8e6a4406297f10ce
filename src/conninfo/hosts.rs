//! The hosts to try, in order: `host`, `hostaddr` and `port` put side by side.

use std::path::PathBuf;

use super::error::Error;
use super::number;
use super::parameters::Parameters;
use super::secret::Secret;

/// One host to try.
#[derive(Clone, Debug)]
pub struct Host {
    /// `host` as it was given, if it was; the name a certificate has to bear, also with `hostaddr`.
    pub name: Option<String>,
    /// Where that is.
    pub place: Endpoint,
    /// The TCP port, or the last part of the socket's name; never 0.
    pub port: u16,
    /// The password that the password file has for this host; never empty.
    pub password: Option<Secret>,
}

impl Host {
    /// What a password file calls this host: its name, else its address, else nothing.
    pub(super) fn key(&self) -> &str {
        match (&self.name, &self.place) {
            (Some(name), _) => name,
            (None, Endpoint::Address(address)) => address,
            (None, _) => "",
        }
    }
}

/// Where a host is to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// TCP, at the addresses of this name; it may also be the text of an address.
    Name(String),
    /// TCP, at this address (`hostaddr`): the text of an IP literal, not checked here.
    Address(String),
    /// The Unix socket `.s.PGSQL.PORT` in this directory.
    Socket(PathBuf),
    /// The abstract Unix socket of this name, the leading `@` removed, with `/.s.PGSQL.PORT` behind it.
    Abstract(String),
    /// The Unix socket in the usual directory, whichever that is on this system.
    DefaultSocket,
}

impl Endpoint {
    /// Whether this is a Unix socket, where TLS settings and keepalives mean nothing.
    #[must_use]
    pub fn is_local(&self) -> bool {
        matches!(self, Endpoint::Socket(_) | Endpoint::Abstract(_) | Endpoint::DefaultSocket)
    }
}

/// The hosts that the parameters name; the default socket where they name none.
pub(super) fn list(parameters: &Parameters) -> Result<Vec<Host>, Error> {
    let names = elements(parameters.get("host"));
    let addresses = elements(parameters.get("hostaddr"));
    let ports = elements(parameters.get("port"));
    let count = addresses.len().max(names.len()).max(1);
    if !addresses.is_empty() && !names.is_empty() && names.len() != addresses.len() {
        return Err(Error::HostCount(names.len(), addresses.len()));
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(Error::PortCount(ports.len(), count));
    }
    // One port is for all; an empty place in any list is as if nothing were given there.
    let shared_port = if ports.len() == 1 { ports.first().copied() } else { None };
    let hosts = (0..count).map(|index| {
        host(at(&names, index), at(&addresses, index), shared_port.unwrap_or(at(&ports, index)))
    });
    hosts.collect()
}

fn elements(list: Option<&str>) -> Vec<&str> {
    list.filter(|list| !list.is_empty()).map(|list| list.split(',').collect()).unwrap_or_default()
}

fn at<'a>(list: &[&'a str], index: usize) -> &'a str {
    list.get(index).copied().unwrap_or_default()
}

fn host(name: &str, address: &str, port: &str) -> Result<Host, Error> {
    let place = if !address.is_empty() {
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
    let name = Some(name.to_owned()).filter(|name| !name.is_empty());
    let port = if port.is_empty() { DEFAULT_PORT } else { number::port(port)? };
    Ok(Host { name, place, port, password: None })
}

const DEFAULT_PORT: u16 = 5432;

#[cfg(test)]
mod tests {
    use super::super::testing::parameters;
    use super::*;

    fn places(text: &str) -> Vec<(Option<String>, Endpoint, u16)> {
        let hosts = list(&parameters(text)).unwrap();
        hosts.into_iter().map(|host| (host.name, host.place, host.port)).collect()
    }

    #[test]
    fn the_kind_of_place_is_told_by_how_it_is_given() {
        let name = |text: &str| Some(text.to_owned());
        assert_eq!(places(""), [(None, Endpoint::DefaultSocket, 5432)]);
        assert_eq!(places("host=h"), [(name("h"), Endpoint::Name("h".into()), 5432)]);
        assert_eq!(places("host=::1"), [(name("::1"), Endpoint::Name("::1".into()), 5432)]);
        assert_eq!(places("host=/run/x"), [(name("/run/x"), Endpoint::Socket("/run/x".into()), 5432)]);
        assert_eq!(places("host=@x"), [(name("@x"), Endpoint::Abstract("x".into()), 5432)]);
        assert_eq!(places("hostaddr=::1"), [(None, Endpoint::Address("::1".into()), 5432)]);
        assert_eq!(places("host=h hostaddr=::1"), [(name("h"), Endpoint::Address("::1".into()), 5432)]);
        assert_eq!(places("port=6000"), [(None, Endpoint::DefaultSocket, 6000)]);
    }

    #[test]
    fn lists_are_put_side_by_side() {
        let ports = |text| places(text).into_iter().map(|(_, _, port)| port).collect::<Vec<_>>();
        assert_eq!(ports("host=a,b,c port=1"), [1, 1, 1]);
        assert_eq!(ports("host=a,b,c port=1,,3"), [1, 5432, 3]);
        assert_eq!(ports("host=a,b port=''"), [5432, 5432]);
        let expected =
            [Endpoint::Address("1.1.1.1".into()), Endpoint::Name("b".into()), Endpoint::DefaultSocket];
        let found = places("host=a,b, hostaddr=1.1.1.1,,");
        assert_eq!(found.into_iter().map(|(_, place, _)| place).collect::<Vec<_>>(), expected);
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
            assert_eq!(list(&parameters(text)).unwrap_err().to_string(), expected, "{text}");
        }
    }
}
