//! A connected socket that never blocks: how it is opened, and what is set on it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrAny, SocketFlags, SocketType, connect, recv, send,
    socket_with, sockopt,
};

use super::address::Address;
use super::deadline::Deadline;
use super::error::Error;
use super::stream::Received;
use crate::conninfo::Config;

/// A socket, connected and non-blocking, closed when the process executes another program.
#[derive(Debug)]
pub(super) struct Socket(OwnedFd);

impl Socket {
    pub(super) fn open(address: &Address, config: &Config, deadline: Deadline) -> Result<Self, Error> {
        let to = match address {
            Address::Tcp { address, .. } => SocketAddrAny::from(*address),
            Address::Socket { address, .. } => address.clone().into(),
        };
        let fd = socket_with(
            to.address_family(),
            SocketType::STREAM,
            SocketFlags::NONBLOCK | SocketFlags::CLOEXEC,
            None,
        )?;
        if to.address_family() != AddressFamily::UNIX {
            set_options(&fd, config)?;
        }
        match connect(&fd, &to) {
            Ok(()) => {}
            Err(Errno::INPROGRESS) => {
                if !deadline.wait(&fd, PollFlags::OUT)? {
                    return Err(Error::TimedOut("the connection to be accepted"));
                }
                sockopt::socket_error(&fd)??;
            }
            Err(errno) => return Err(errno.into()),
        }
        Ok(Self(fd))
    }

    /// Sends all bytes; `waiting` is what a deadline that passes is told with.
    pub(super) fn send_all(
        &self,
        mut bytes: &[u8],
        deadline: Deadline,
        waiting: &'static str,
    ) -> Result<(), Error> {
        while !bytes.is_empty() {
            match self.send(bytes) {
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(Errno::AGAIN) => {
                    if !deadline.wait(self, PollFlags::OUT)? {
                        return Err(Error::TimedOut(waiting));
                    }
                }
                Err(Errno::INTR) => {}
                // The server may have said why before it closed: that is worth more than "broken pipe".
                Err(Errno::PIPE | Errno::CONNRESET) => return Ok(()),
                Err(errno) => return Err(errno.into()),
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
            Err(errno) => Err(errno.into()),
        }
    }

    /// Sends what the kernel takes at once.
    pub(super) fn send(&self, bytes: &[u8]) -> Result<usize, Errno> {
        send(&self.0, bytes, SendFlags::NOSIGNAL)
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

fn set_options(fd: &OwnedFd, config: &Config) -> Result<(), Errno> {
    sockopt::set_tcp_nodelay(fd, true)?;
    if config.keepalives {
        sockopt::set_socket_keepalive(fd, true)?;
        if let Some(idle) = config.keepalives_idle {
            sockopt::set_tcp_keepidle(fd, idle)?;
        }
        if let Some(interval) = config.keepalives_interval {
            sockopt::set_tcp_keepintvl(fd, interval)?;
        }
        if let Some(count) = config.keepalives_count {
            sockopt::set_tcp_keepcnt(fd, count)?;
        }
    }
    set_user_timeout(fd, config.tcp_user_timeout)
}

#[cfg(target_os = "linux")]
fn set_user_timeout(fd: &OwnedFd, timeout: Option<Duration>) -> Result<(), Errno> {
    let milliseconds = timeout.and_then(|timeout| u32::try_from(timeout.as_millis()).ok());
    milliseconds.map_or(Ok(()), |milliseconds| sockopt::set_tcp_user_timeout(fd, milliseconds))
}

/// As in libpq, `tcp_user_timeout` is without effect where the system does not have it.
#[cfg(not(target_os = "linux"))]
fn set_user_timeout(_: &OwnedFd, _: Option<Duration>) -> Result<(), Errno> {
    Ok(())
}

/// How much is read at once; answers are far shorter.
const READ_SIZE: usize = 4096;
