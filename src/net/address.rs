//! From a configured host to the addresses to try, each as error messages name it.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread;

use nix::sys::signal::SigSet;
use rustix::net::SocketAddrUnix;

use super::deadline::Deadline;
use super::error::{Error, Phase, system};
use crate::conninfo::{self, Endpoint, Host, SOCKET_DIRECTORIES, hostaddr};

/// One address to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    Tcp {
        host: String,
        address: SocketAddr,
    },
    /// A Unix socket, and what people know it by: its path or its abstract name.
    Socket {
        name: String,
        address: SocketAddrUnix,
    },
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, address } => {
                let (ip, port) = (address.ip(), address.port());
                if *host == ip.to_string() {
                    write!(f, "at \"{ip}\", port {port}")
                } else {
                    write!(f, "at \"{}\" ({ip}), port {port}", host.escape_debug())
                }
            }
            Self::Socket { name, .. } => f.write_str(name),
        }
    }
}

/// Returns how people know a host before its addresses are known.
pub(super) fn describe(host: &Host) -> String {
    match &host.endpoint {
        Endpoint::Name(name) | Endpoint::Address(name) => {
            format!("at \"{}\", port {}", name.escape_debug(), host.port)
        }
        Endpoint::Socket(directory) => on_socket(&socket_file(directory, host.port)),
        Endpoint::Abstract(name) => on_abstract_socket(&abstract_name(name, host.port)),
        Endpoint::DefaultSocket => "on the default socket".to_owned(),
    }
}

/// All addresses of a host, in the order in which they are to be tried.
pub(super) fn addresses(host: &Host, deadline: Deadline) -> Result<Vec<Address>, Error> {
    Ok(match &host.endpoint {
        Endpoint::Name(name) => {
            let fault = "could not translate host name to address";
            tcp(name, resolve(name, host.port, fault, deadline)?)
        }
        Endpoint::Address(text) => {
            let ip = hostaddr::read(text).map_err(|error| Error::Unusable(error.to_string()))?;
            let number = ip.map_or_else(|| text.clone(), |ip| ip.to_string());
            let fault = conninfo::Error::HostAddress(text.clone()).to_string();
            tcp(host.name.as_deref().unwrap_or(text), resolve(&number, host.port, &fault, deadline)?)
        }
        Endpoint::Socket(directory) => vec![socket(&socket_file(directory, host.port))?],
        Endpoint::Abstract(name) => vec![abstract_socket(&abstract_name(name, host.port))?],
        Endpoint::DefaultSocket => vec![socket(&default_socket(&SOCKET_DIRECTORIES, host.port)?)?],
    })
}

fn tcp(host: &str, addresses: Vec<SocketAddr>) -> Vec<Address> {
    addresses.into_iter().map(|address| Address::Tcp { host: host.to_owned(), address }).collect()
}

fn socket(file: &Path) -> Result<Address, Error> {
    let address = SocketAddrUnix::new(file).map_err(system)?;
    Ok(Address::Socket { name: on_socket(file), address })
}

#[cfg(target_os = "linux")]
fn abstract_socket(name: &str) -> Result<Address, Error> {
    let address = SocketAddrUnix::new_abstract_name(name.as_bytes()).map_err(system)?;
    Ok(Address::Socket { name: on_abstract_socket(name), address })
}

#[cfg(not(target_os = "linux"))]
fn abstract_socket(_: &str) -> Result<Address, Error> {
    Err(Error::Unusable("this system has no abstract sockets".to_owned()))
}

fn on_socket(file: &Path) -> String {
    format!("on socket \"{}\"", file.to_string_lossy().escape_debug())
}

fn on_abstract_socket(name: &str) -> String {
    format!("on abstract socket \"@{}\"", name.escape_debug())
}

/// The resolver of the operating system knows no deadline, so it runs in a thread that is abandoned
/// when the time is up. A plain address needs neither.
fn resolve(name: &str, port: u16, fault: &str, deadline: Deadline) -> Result<Vec<SocketAddr>, Error> {
    if let Ok(ip) = name.parse() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let failed = |why: &str| Error::Resolve(format!("{fault}: {why}"));
    let name = name.to_owned();
    let answer = Arc::new(OnceLock::new());
    let look_up = {
        let (answer, waiting) = (Arc::clone(&answer), thread::current());
        move || {
            // Signals are not the business of a thread that may be left behind.
            let _ = SigSet::all().thread_block();
            let addresses = (name.as_str(), port).to_socket_addrs().map(Vec::from_iter);
            // It is set only here.
            let _ = answer.set(addresses.map_err(|error| resolver_text(&error.to_string())));
            waiting.unpark();
        }
    };
    thread::Builder::new().spawn(look_up).map_err(|error| failed(&error.to_string()))?;
    let deadline = deadline.during(Phase::Resolve);
    let answer = loop {
        if let Some(answer) = answer.get() {
            break answer;
        }
        deadline.check()?;
        deadline.slice().map_or_else(thread::park, thread::park_timeout);
    };
    let addresses = answer.clone().map_err(|why| failed(&why))?;
    if addresses.is_empty() { Err(failed("it has no address")) } else { Ok(addresses) }
}

/// The resolver's own text, without what the standard library puts before it.
fn resolver_text(error: &str) -> String {
    error.strip_prefix("failed to lookup address information: ").unwrap_or(error).to_owned()
}

/// The socket in the first directory that exists, whether the socket does or not: the next directory may be one in which any
/// user can listen, and a server that is down must not have us give them the password.
fn default_socket(directories: &[&str], port: u16) -> Result<PathBuf, Error> {
    let directory = directories.iter().map(Path::new).find(|directory| directory.is_dir());
    let missing = match directory.map(|directory| socket_file(directory, port)) {
        Some(file) if file.exists() => return Ok(file),
        Some(file) => format!("\"{}\"", file.display()),
        None => format!("in {}", directories.join(" or ")),
    };
    Err(Error::NoSocket(format!(
        "no host is given and there is no socket {missing}; name a server, or the directory of its socket as host, in \
         --database or DATABASE_URL (a word by itself is the name of a database there)"
    )))
}

fn socket_file(directory: &Path, port: u16) -> PathBuf {
    directory.join(format!(".s.PGSQL.{port}"))
}

fn abstract_name(name: &str, port: u16) -> String {
    format!("{name}/.s.PGSQL.{port}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_socket_is_in_the_first_directory_that_exists_and_in_no_other() {
        let home = std::env::temp_dir().join(format!("heimdall-default-socket-{}", std::process::id()));
        let [missing, first, second] =
            ["missing", "first", "second"].map(|name| home.join(name).to_str().unwrap().to_owned());
        for directory in [&first, &second] {
            std::fs::create_dir_all(directory).unwrap();
        }
        let file = |directory: &str| socket_file(Path::new(directory), 5433);
        let found = |directories: &[&String]| {
            let directories: Vec<&str> = directories.iter().map(|directory| directory.as_str()).collect();
            default_socket(&directories, 5433).map_err(|error| error.to_string())
        };
        // Whoever listens in the second one need not be the server.
        std::fs::write(file(&second), "").unwrap();
        let error = found(&[&missing, &first, &second]).unwrap_err();
        let words = format!("no host is given and there is no socket \"{}\"; name", file(&first).display());
        assert!(error.starts_with(&words), "{error}");
        assert_eq!(found(&[&missing, &second]), Ok(file(&second)));
        std::fs::write(file(&first), "").unwrap();
        assert_eq!(found(&[&first, &second]), Ok(file(&first)));
        std::fs::remove_dir_all(&home).unwrap();
    }

    #[test]
    fn where_no_directory_of_sockets_exists_all_are_named() {
        let error = default_socket(&["/nonexistent/a", "/nonexistent/b"], 5433).unwrap_err().to_string();
        assert!(error.contains("no socket in /nonexistent/a or /nonexistent/b; name a server"), "{error}");
    }

    #[test]
    fn an_address_shows_its_name_and_number() {
        let address = Address::Tcp { host: "db".to_owned(), address: "127.0.0.1:5432".parse().unwrap() };
        assert_eq!(address.to_string(), "at \"db\" (127.0.0.1), port 5432");
        let address = Address::Tcp { host: "::1".to_owned(), address: "[::1]:5432".parse().unwrap() };
        assert_eq!(address.to_string(), "at \"::1\", port 5432");
    }
}
