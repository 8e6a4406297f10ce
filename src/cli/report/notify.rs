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
        Ok(Self { socket, address, watchdog: watchdog(), status: String::new() })
    }

    /// Says that heimdall is ready.
    pub(super) fn ready(&self) {
        self.send("READY=1");
    }

    /// Says what goes on.
    pub(super) fn status(&mut self, text: &str) {
        // A line feed would begin another assignment.
        let text = text.replace('\n', " ");
        if self.status != text {
            self.send(&format!("STATUS={text}"));
            self.status = text;
        }
    }

    /// Says that heimdall is about to end.
    pub(super) fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// Gives a sign of life, if one is due; returns when the next one is.
    pub(super) fn alive(&mut self, now: Moment) -> Option<Moment> {
        let (interval, due) = self.watchdog?;
        if now < due {
            return Some(due);
        }
        let next = now.after(interval);
        self.watchdog = Some((interval, next));
        self.send("WATCHDOG=1");
        Some(next)
    }

    fn send(&self, message: &str) {
        // There is no one else to tell that the service manager does not listen.
        let _ = self.socket.send_to_addr(message.as_bytes(), &self.address);
    }
}

/// Half of the time after which the service manager takes heimdall for dead, if it watches.
fn watchdog() -> Option<(Duration, Moment)> {
    let number = |name| env::var(name).ok()?.parse::<u64>().ok();
    let is_ours = env::var_os(WATCHDOG_PID).is_none() || number(WATCHDOG_PID) == Some(process::id().into());
    let microseconds = number(WATCHDOG_USEC).filter(|number| is_ours && *number > 0)?;
    Some(((Duration::from_micros(microseconds) / 2).max(SHORTEST), Moment::now()))
}

/// More often than any service manager wants it, and seldom enough for the processor.
const SHORTEST: Duration = Duration::from_millis(10);

/// What a program under heimdall is not to see, as it would speak for heimdall.
pub(in crate::cli) const VARIABLES: [&str; 3] = [SOCKET, WATCHDOG_USEC, WATCHDOG_PID];

pub(in crate::cli) const SOCKET: &str = "NOTIFY_SOCKET";
const WATCHDOG_USEC: &str = "WATCHDOG_USEC";
const WATCHDOG_PID: &str = "WATCHDOG_PID";
