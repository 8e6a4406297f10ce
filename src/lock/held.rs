//! A held lock that a thread keeps alive, for programs without a loop of their own.

use std::fmt;
use std::io::{self, PipeReader, PipeWriter};
use std::mem;
use std::ops::Deref;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::acquire::{Outcome, acquire};
use super::error::{Error, Lost};
use super::grant::Grant;
use super::guard::{Guard, Release};
use super::lease;
use super::request::LockRequest;
use crate::net::{self, ConnectOptions, Deadline, Moment};

/// Tries once to take the lock, does the work while it is held, and gives the lock back.
///
/// Returns `None` if the lock is held elsewhere. The work has to look at [`Held::lost`] before it does what only the
/// holder may do. The lease is that of [`Guard::start_heartbeat`].
///
/// # Errors
/// As [`acquire`]; and [`Error::Lost`] where the lock was lost before the work was done, or may have been, since its release
/// met a session that had ended. The result of the work is then dropped.
pub fn run<T>(
    options: &ConnectOptions<'_>,
    request: &LockRequest,
    lease: Duration,
    work: impl FnOnce(&Held) -> T,
) -> Result<Option<T>, Error> {
    let request = request.clone().with_lease(lease);
    let guard = match acquire(options, &request, Deadline::after(None))? {
        Outcome::Held(guard) => guard,
        Outcome::Busy(contender) => {
            contender.close();
            return Ok(None);
        }
    };
    let held = guard.keep_alive(lease).map_err(Error::NoHeartbeat)?;
    // Not where it was lost before: then it has no result either.
    let result = held.lost().is_none().then(|| work(&held));
    let backend_pid = held.backend_pid();
    match held.release().map_err(Error::Lost)? {
        // An answer that does not come in time is no failure: the work is done, and the server frees the lock soon.
        Release::Confirmed | Release::Unconfirmed(Lost::Broken(net::Error::TimedOut(_))) => Ok(result),
        Release::NotHeld => Err(Error::Lost(Lost::OtherBackend(backend_pid))),
        Release::Unconfirmed(lost) => Err(Error::Lost(lost)),
    }
}

/// A held lock, and a thread that sends its heartbeats.
///
/// A thread can't be stopped from outside. So the work has to look at [`Held::lost`] before it does what only the holder
/// may do, or [`Held::on_lost`] has to end the process.
///
/// Dropping it closes the connection, and the server frees the lock soon after; [`Held::release`] waits until it has.
#[must_use = "if unused, the lock is given back at once"]
#[derive(Debug)]
pub struct Held {
    grant: Grant,
    shared: Arc<Shared>,
    /// The thread ends when this end of the pipe is closed.
    stop: PipeWriter,
    heartbeat: JoinHandle<Guard>,
}

impl Guard {
    /// Hands the guard to a thread that sends the heartbeats, in place of a loop that calls [`Guard::process`]. It calls
    /// [`Guard::start_heartbeat`] itself, with this lease. Where the lock is lost by then, [`Held::lost`] says so at once.
    ///
    /// # Errors
    /// The system has no thread or no pipe left. The connection is closed, so the server frees the lock.
    pub fn keep_alive(mut self, lease: Duration) -> io::Result<Held> {
        let lease = lease::bounded(lease);
        let (stopped, stop) = io::pipe()?;
        let started = self.start_heartbeat(lease);
        let shared = Arc::new(Shared::new(self.last_answered(), lease));
        shared.end(started);
        let grant = *self;
        let heartbeat = thread::Builder::new().name("heartbeat".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || keep_alive(self, &stopped, &shared)
        })?;
        Ok(Held { grant, shared, stop, heartbeat })
    }
}

impl Deref for Held {
    type Target = Grant;

    fn deref(&self) -> &Grant {
        &self.grant
    }
}

impl Held {
    /// Returns why the lock is lost, if it is.
    ///
    /// It counts as lost once the server has not answered for half a lease, by a clock that goes on while the host is
    /// suspended: whoever wakes up late is told so, even before the thread has run again.
    #[must_use]
    pub fn lost(&self) -> Option<&Lost> {
        self.shared.lost(Moment::now())
    }

    /// Calls `then` when the lock is lost, on the heartbeat's thread, within a second of when [`Held::lost`] tells it at the
    /// latest; if it is lost already, at once and on this one.
    ///
    /// Those that wait for a loss are called one after the other: one that takes its time holds up the next. One that panics
    /// keeps no other from being called.
    pub fn on_lost(&self, then: impl FnOnce(&Lost) + Send + 'static) {
        let mut waiting = unpoisoned(&self.shared.on_lost);
        if let Some(lost) = self.lost() {
            drop(waiting);
            then(lost);
        } else {
            waiting.push(Box::new(then));
        }
    }

    /// Gives the lock back and waits for the server's answer, 5 seconds at most; before that, for the functions of
    /// [`Held::on_lost`] that still run.
    ///
    /// # Errors
    /// The lock was lost before.
    ///
    /// # Panics
    /// The thread of the heartbeats has.
    pub fn release(self) -> Result<Release, Lost> {
        // Whoever comes late has lost, whatever the thread thinks.
        if let Some(lost) = self.lost()
            && self.heartbeat.thread().id() == thread::current().id()
        {
            // Called by what is told of the loss: that the thread ends can't be waited for on it.
            return Err(lost.again());
        }
        drop(self.stop);
        let guard = self.heartbeat.join().unwrap_or_else(|panic| panic::resume_unwind(panic));
        // Nothing else has a share of it once the thread has ended.
        match Arc::into_inner(self.shared).and_then(|shared| shared.lost.into_inner()) {
            Some(lost) => Err(lost),
            None => Ok(guard.release()),
        }
    }
}

/// What the thread and the holder both know.
struct Shared {
    lost: OnceLock<Lost>,
    /// As [`Guard::last_answered`].
    last_answered: Mutex<Moment>,
    /// How long after that the lock counts as lost.
    patience: Duration,
    on_lost: Mutex<Vec<OnLost>>,
}

type OnLost = Box<dyn FnOnce(&Lost) + Send>;

impl Shared {
    fn new(last_answered: Moment, lease: Duration) -> Self {
        Self {
            lost: OnceLock::new(),
            last_answered: Mutex::new(last_answered),
            patience: lease / 2,
            on_lost: Mutex::default(),
        }
    }

    /// How long the server has been silent, if that is too long.
    fn silence(&self, now: Moment) -> Option<Duration> {
        Some(now.since(*unpoisoned(&self.last_answered))).filter(|silence| *silence >= self.patience)
    }

    /// As [`Held::lost`], at that moment.
    fn lost(&self, now: Moment) -> Option<&Lost> {
        if let Some(silence) = self.silence(now) {
            self.lost.get_or_init(|| Lost::Silent(silence));
        }
        self.lost.get()
    }

    /// Notes when the server was asked what it has answered last; returns whether the lock is still held. What is lost stays
    /// so: the holder may have seen that it is, before the thread could read a late answer.
    fn answered(&self, asked: Moment) -> bool {
        *unpoisoned(&self.last_answered) = asked;
        self.lost.get().is_none()
    }

    /// No heartbeat follows: no one else tells those who wait that the lock is lost.
    fn end(&self, result: Result<(), Lost>) {
        if let Err(lost) = result {
            self.lost.get_or_init(|| lost);
        }
        let Some(lost) = self.lost.get() else { return };
        let waiting = mem::take(&mut *unpoisoned(&self.on_lost));
        for then in waiting {
            // The panic has been told of, as any is.
            let _ = panic::catch_unwind(AssertUnwindSafe(|| then(lost)));
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("lost", &self.lost).finish_non_exhaustive()
    }
}

/// Returns the guard when the holder is done with it, or the lock is lost. Either way the connection stays open until
/// then, so that the server frees the lock no sooner than it must while someone may still be at work: also where the caller's
/// trace has panicked.
fn keep_alive(mut guard: Guard, stopped: &PipeReader, shared: &Shared) -> Guard {
    let sent = panic::catch_unwind(AssertUnwindSafe(|| send_heartbeats(&mut guard, stopped, shared)));
    shared.end(sent.unwrap_or(Err(Lost::Unwatched)));
    guard
}

fn send_heartbeats(guard: &mut Guard, stopped: &PipeReader, shared: &Shared) -> Result<(), Lost> {
    while shared.answered(guard.last_answered()) && !is_stopped(guard, stopped)? {
        guard.process(Moment::now())?;
    }
    Ok(())
}

/// Waits until there is something to do; returns whether the holder has closed its end of the pipe.
fn is_stopped(guard: &Guard, stopped: &PipeReader) -> Result<bool, Lost> {
    let wait = guard.next_tick().map_or(LOOK_AGAIN, |next| next.since(Moment::now()));
    let timeout = Timespec::try_from(wait.min(LOOK_AGAIN)).ok();
    let mut both = [PollFd::new(stopped, PollFlags::IN), PollFd::new(guard, PollFlags::IN)];
    match poll(&mut both, timeout.as_ref()) {
        Ok(_) => Ok(both.first().is_some_and(|stopped| !stopped.revents().is_empty())),
        Err(Errno::INTR) => Ok(false),
        Err(errno) => Err(net::Error::System(errno.into()).into()),
    }
}

/// A panic while it was locked has left nothing half done: each change is a single step.
fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The timeout of poll(2) stands still while the host is suspended, so the thread looks at its clock this often.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_to_be_told_of_a_loss_is_told_also_where_the_holder_has_seen_it_before_the_thread() {
        let at = |seconds| Moment::START.after(Duration::from_secs(seconds));
        let shared = Shared::new(at(0), Duration::from_secs(60));
        let (sender, told) = std::sync::mpsc::channel();
        let then = move |lost: &Lost| sender.send(lost.to_string()).unwrap();
        unpoisoned(&shared.on_lost).push(Box::new(then));
        assert!(shared.lost(at(29)).is_none() && shared.answered(at(1)));
        assert!(shared.lost(at(31)).is_some());
        // The thread reads an answer that came late, and its end is all that is left to do.
        assert!(!shared.answered(at(30)));
        shared.end(Ok(()));
        assert!(told.recv().unwrap().contains("silent"));
    }
}
