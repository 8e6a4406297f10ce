//! What systemd, or a service manager like it, is told: `man 3 sd_notify`, by hand.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process;
use std::time::Duration;

use crate::lock::Moment;

/// When heimdall is ready in the eyes of the service manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::cli) enum Ready {
    // When the program has been started.
    Started,
    // Already when the lock is waited for, as on a standby.
    Waiting,
}

/// The service manager's socket.
#[derive(Debug)]
pub(super) struct Notify {
    socket: UnixDatagram,
    address: SocketAddr,
    /// How often it wants a sign of life, and when it is due next.
    watchdog: Option<(Duration, Moment)>,
    status: String,
    /// What it had no room for, the oldest first.
    unsent: Vec<String>,
}

impl Notify {
    /// Returns the socket that the environment names; `None` where there is no service manager that wants to know.
    pub(super) fn of_environment() -> Option<io::Result<Self>> {
        let name = env::var_os(SOCKET).filter(|name| !name.is_empty())?;
        Some(Self::open(&name))
    }

    fn open(name: &OsStr) -> io::Result<Self> {
        let address = match name.as_bytes().split_first() {
            #[cfg(target_os = "linux")]
            Some((b'@', name)) => {
                use std::os::linux::net::SocketAddrExt;

                SocketAddr::from_abstract_name(name)?
            }
            Some((b'/', _)) => SocketAddr::from_pathname(name)?,
            _ => return Err(io::Error::other("it names neither a path from / on nor an abstract socket")),
        };
        let socket = UnixDatagram::unbound()?;
        // A service manager that does not read must not keep heimdall from watching the lock.
        socket.set_nonblocking(true)?;
        Ok(Self { socket, address, watchdog: watchdog(), status: String::new(), unsent: Vec::new() })
    }

    /// Says that heimdall is ready.
    pub(super) fn ready(&mut self) {
        self.send("READY=1".to_owned());
    }

    /// Says what goes on.
    pub(super) fn status(&mut self, text: &str) {
        // A line feed would begin another assignment.
        let text = text.replace('\n', " ");
        if self.status != text {
            self.send(format!("STATUS={text}"));
            self.status = text;
        }
    }

    /// Says that heimdall is about to end.
    pub(super) fn stopping(&mut self) {
        self.send("STOPPING=1".to_owned());
    }

    /// Gives a sign of life, if one is due, and sends again what there was no room for; returns when there is more to do.
    pub(super) fn alive(&mut self, now: Moment) -> Option<Moment> {
        if let Some((interval, due)) = self.watchdog.as_mut().filter(|(_, due)| *due <= now) {
            *due = now.after(*interval);
            self.send("WATCHDOG=1".to_owned());
        } else {
            self.send_again();
        }
        let again = (!self.unsent.is_empty()).then(|| now.after(AGAIN));
        self.watchdog.map(|(_, due)| due).into_iter().chain(again).min()
    }

    /// Sends it after what there was no room for, but for what it makes out of date.
    fn send(&mut self, message: String) {
        self.unsent.retain(|unsent| unsent.split('=').next() != message.split('=').next());
        self.unsent.push(message);
        self.send_again();
    }

    fn send_again(&mut self) {
        let mut is_full = false;
        self.unsent.retain(|message| {
            // Of any other error there is no one else to tell: the service manager does not listen.
            is_full = is_full
                || matches!(self.socket.send_to_addr(message.as_bytes(), &self.address),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock);
            is_full
        });
    }
}

/// Half of the time after which the service manager takes heimdall for dead, if it watches.
fn watchdog() -> Option<(Duration, Moment)> {
    let number = |name| env::var(name).ok()?.parse::<u64>().ok();
    let is_ours = env::var_os(WATCHDOG_PID).is_none() || number(WATCHDOG_PID) == Some(process::id().into());
    let microseconds = number(WATCHDOG_USEC).filter(|number| is_ours && *number > 0)?;
    Some(((Duration::from_micros(microseconds) / 2).max(SHORTEST), Moment::now()))
}

/// Between two attempts to send what there was no room for.
const AGAIN: Duration = Duration::from_millis(100);

/// More often than any service manager wants it, and seldom enough for the processor.
const SHORTEST: Duration = Duration::from_millis(10);

/// What a program under heimdall is not to see, as it would speak for heimdall.
pub(in crate::cli) const VARIABLES: [&str; 3] = [SOCKET, WATCHDOG_USEC, WATCHDOG_PID];

pub(in crate::cli) const SOCKET: &str = "NOTIFY_SOCKET";
const WATCHDOG_USEC: &str = "WATCHDOG_USEC";
const WATCHDOG_PID: &str = "WATCHDOG_PID";
