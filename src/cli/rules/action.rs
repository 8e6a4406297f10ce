//! The words between the rules of supervision and who acts on them: what has happened, what is to be done, and why. Plain data, so
//! that a test can play any schedule.

use std::time::Duration;

pub use rustix::process::Signal;

use crate::cli::exit::Status;
use crate::lock::Moment;

/// What a run is to keep to.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option that is given or not")]
pub struct Terms {
    /// From the start to the end of the program; `None` is never.
    pub timeout: Option<Duration>,
    /// From SIGTERM to SIGKILL.
    pub kill_after: Duration,
    /// How long the server holds the lock once it hears nothing of us.
    pub lease: Duration,
    /// From the start of the program to the release of the lock, at least.
    pub min_hold: Duration,
    /// Whether the lock is held until the whole job has ended, and not only the program.
    pub drains: bool,
    /// Whether what the program has left is stopped at its end, since another one follows.
    pub sweeps: bool,
    /// Whether the program is in heimdall's process group, so that a shell takes both for one.
    pub is_group_shared: bool,
    /// Whether there is a command to be run when the lock is lost.
    pub has_command: bool,
}

/// What can happen while the program runs, and after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// heimdall looks at the clock before all that has come: this host may have been suspended.
    Woken,
    /// Time has passed, and what had come by then is told.
    Tick,
    /// A signal came for heimdall alone.
    Signal(Signal),
    /// A signal was typed at the terminal, whose whole foreground got it, the program too.
    Typed(Signal),
    /// The same, of a signal that stops who gets it.
    TypedStop(Signal),
    /// A signal came for heimdall alone that asks it to stop.
    Stop(Signal),
    /// A SIGCONT came that the program has got too.
    StopTakenBack,
    /// heimdall goes on after [`Action::StopOurselves`].
    Continued,
    /// The program has been stopped, by this signal.
    Stopped(Signal),
    /// The program has ended.
    Ended(Status),
    /// Another child has ended.
    Reaped,
    /// The server has answered what it was asked at that moment: it held the lock for us then.
    Answered(Moment),
    /// The lock is lost.
    Lost,
    /// Someone who may do so has asked that the job be stopped, and the lock be freed then.
    Asked,
    /// The answer to [`Action::Look`].
    Left(Left),
    /// Another program follows under the same lock.
    Followed,
}

/// Whether a process of the job is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    No,
    Yes,
    /// The process table can't be read, or does not show what is left.
    Unknown,
}

/// What to do now, in this order, and what after that.
#[derive(Debug, PartialEq, Eq)]
pub struct Actions {
    pub now: Vec<Action>,
    pub then: Then,
}

/// One thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Pass the signal on to the program.
    Signal(Signal),
    /// Pass a signal that was typed on to those that the program has left and that are not in heimdall's process group, which
    /// has got it.
    SignalElsewhere(Signal),
    /// Note that this signal was typed when no program was left to get it: heimdall is to die of it in the end.
    Note(Signal),
    /// Let the program go on, if it is stopped.
    Wake,
    /// Stop the whole job, so that it does nothing until [`Action::Resume`].
    Stop,
    /// Let the processes go on that [`Action::Stop`] has stopped.
    Resume,
    /// Stop heimdall itself; when it goes on, the event is [`Event::Continued`].
    StopOurselves(Signal),
    /// Ask the server for a fresh answer, however long it has been silent.
    Renew,
    /// Ask the whole job to end; who is stopped goes on.
    Terminate,
    /// Ask those to end that [`Action::Terminate`] has missed, and that have lost their parent since.
    TerminateOrphans,
    /// Kill the whole job.
    Kill,
    /// See whether a process of the job is left.
    Look,
    /// See whether another program follows this end under the same lock; if so, the event is [`Event::Followed`].
    Follow(ExitReason),
    /// Tell the user.
    Tell(News),
}

/// What the user is told, always after it was done: the reader of standard error may be slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    Signalled(Signal),
    Exited {
        status: Status,
        ran: Duration,
    },
    /// What the program has left is asked to end.
    Swept,
    /// heimdall waits for processes that the program has left.
    Draining,
    Lost,
    /// The job is stopped.
    Suspended(Why),
    /// The job goes on, after it was stopped for this reason.
    Resumed(Why),
    Terminated(Cause),
    Killed(Reason),
    /// heimdall waits for processes that it can't see.
    Blind,
}

/// What to do once nothing is left to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Wait for an event; where none comes by that moment, the event is [`Event::Tick`].
    Wait(Option<Moment>),
    /// All is over.
    Exit(ExitReason),
}

/// How the supervision ended; in all cases but the first no process of the job is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitReason {
    /// The program ended by itself, or by a signal that was not ours.
    Ended(Status),
    /// heimdall has ended the job, and the program so.
    Stopped(Cause, Status),
}

/// Why the job is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// heimdall is about to be stopped by this signal.
    Signal(Signal),
    /// The server has not been heard of for so long.
    Silence(Duration),
}

/// Why the job is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// `--timeout` ran out.
    TimedOut,
    /// The lock was lost.
    Lost,
    /// Someone has asked for it.
    Asked,
}

/// Why the job is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It did not end after SIGTERM.
    Stubborn,
    /// It has no time left in which to end by itself.
    Late,
}
