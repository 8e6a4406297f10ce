//! A connected socket that never blocks: how it is opened, and what is set on it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrAny, SocketType, connect, getsockname, recv, send, sockopt,
};
#[cfg(not(target_vendor = "apple"))]
use rustix::net::{SocketFlags, socket_with};

use super::address::Address;
use super::deadline::Deadline;
use super::error::{Error, Phase, os_error_text, system};
use crate::conninfo::Config;

/// A socket, connected and non-blocking, closed when the process executes another program.
#[derive(Debug)]
pub(super) struct Socket(OwnedFd);

/// What one read from a socket, or from a stream over it, has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Received {
    /// Some bytes, all of which were handed over.
    Some,
    /// Nothing yet.
    Nothing,
    /// The end: nothing will ever come.
    End,
}

impl Socket {
    pub(super) fn open(address: &Address, config: &Config, deadline: Deadline) -> Result<Self, Error> {
        let to = match address {
            Address::Tcp { address, .. } => SocketAddrAny::from(*address),
            Address::Socket { address, .. } => address.clone().into(),
        };
        let fd = stream_socket(to.address_family()).map_err(system)?;
        if to.address_family() != AddressFamily::UNIX {
            set_options(&fd, config)?;
        }
        match connect(&fd, &to) {
            Ok(()) => {}
            Err(Errno::INPROGRESS) => {
                deadline.during(Phase::Connect).wait(&fd, PollFlags::OUT)?;
                sockopt::socket_error(&fd).map_err(system)?.map_err(system)?;
            }
            Err(errno) => return Err(system(errno)),
        }
        // Nobody listens, on a port from which the kernel lets clients call: it has given this one to the caller.
        if getsockname(&fd).is_ok_and(|own| own == to) {
            return Err(system(Errno::CONNREFUSED));
        }
        Ok(Self(fd))
    }

    /// Sends all bytes.
    pub(super) fn send_all(&self, mut bytes: &[u8], deadline: Deadline) -> Result<(), Error> {
        while !bytes.is_empty() {
            match self.send(bytes) {
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(Errno::AGAIN) => deadline.wait(self, PollFlags::OUT)?,
                Err(Errno::INTR) => {}
                // The server may have sent the reason before it closed: that is worth more than "broken pipe".
                Err(Errno::PIPE | Errno::CONNRESET) => return Ok(()),
                Err(errno) => return Err(system(errno)),
            }
        }
        Ok(())
    }

    /// Reads once, without waiting, and hands over what this has brought.
    pub(super) fn receive_some(&self, hand_over: &mut dyn FnMut(&[u8])) -> Result<Received, Error> {
        let mut buffer = [0; READ_SIZE];
        match self.receive(&mut buffer) {
            Ok(0) => Ok(Received::End),
            Ok(count) => {
                hand_over(buffer.get(..count).unwrap_or_default());
                Ok(Received::Some)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(Received::Nothing),
            Err(errno) => Err(system(errno)),
        }
    }

    /// Sends what the kernel takes at once.
    pub(super) fn send(&self, bytes: &[u8]) -> Result<usize, Errno> {
        send(&self.0, bytes, SEND_FLAGS)
    }

    /// Receives what is there; 0 is the end.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        recv(&self.0, buffer, RecvFlags::empty()).map(|(count, _)| count)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Returns a socket that does not block, is closed on exec and, together with `SEND_FLAGS`, raises no SIGPIPE.
#[cfg(not(target_vendor = "apple"))]
fn stream_socket(family: AddressFamily) -> Result<OwnedFd, Errno> {
    socket_with(family, SocketType::STREAM, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None)
}

/// As elsewhere, but one thing after the other: Apple's systems have no flags for it.
#[cfg(target_vendor = "apple")]
fn stream_socket(family: AddressFamily) -> Result<OwnedFd, Errno> {
    let fd = rustix::net::socket(family, SocketType::STREAM, None)?;
    rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&fd, true)?;
    sockopt::set_socket_nosigpipe(&fd, true)?;
    Ok(fd)
}

fn set_options(fd: &OwnedFd, config: &Config) -> Result<(), Error> {
    sockopt::set_tcp_nodelay(fd, true).map_err(system)?;
    if config.keepalives {
        sockopt::set_socket_keepalive(fd, true).map_err(system)?;
        if let Some(idle) = config.keepalives_idle {
            sockopt::set_tcp_keepidle(fd, idle).map_err(|errno| refused("keepalives_idle", errno))?;
        }
        if let Some(interval) = config.keepalives_interval {
            sockopt::set_tcp_keepintvl(fd, interval)
                .map_err(|errno| refused("keepalives_interval", errno))?;
        }
        if let Some(count) = config.keepalives_count {
            sockopt::set_tcp_keepcnt(fd, count).map_err(|errno| refused("keepalives_count", errno))?;
        }
    }
    set_user_timeout(fd, config.tcp_user_timeout).map_err(|errno| refused("tcp_user_timeout", errno))
}

/// Only the system knows its bounds.
fn refused(parameter: &str, errno: Errno) -> Error {
    Error::Unusable(format!("the system refuses the value of {parameter}: {}", os_error_text(&errno.into())))
}

#[cfg(target_os = "linux")]
fn set_user_timeout(fd: &OwnedFd, timeout: Option<Duration>) -> Result<(), Errno> {
    let Some(timeout) = timeout else { return Ok(()) };
    sockopt::set_tcp_user_timeout(fd, timeout.as_millis().try_into().unwrap_or(u32::MAX))
}

/// As in libpq, `tcp_user_timeout` is without effect where the system does not have it.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "as on Linux, where it can fail")]
fn set_user_timeout(_: &OwnedFd, _: Option<Duration>) -> Result<(), Errno> {
    Ok(())
}

#[cfg(not(target_vendor = "apple"))]
const SEND_FLAGS: SendFlags = SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
const SEND_FLAGS: SendFlags = SendFlags::empty();

/// How much is read at once; answers are far shorter.
const READ_SIZE: usize = 4096;
