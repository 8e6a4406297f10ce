//! `--stop`: asks the holders of a lock to stop their jobs and to free it then, and waits until they have.

use std::time::Duration;

use super::connect::{self, failed};
use super::exit::Exit;
use super::options::StopOptions;
use super::report::Report;
use super::report::event::Event;
use super::report::session_name;
use super::report::who::who_holds;
use super::rules::course::WaitPolicy;
use crate::conninfo::Config;
use crate::lock::bell::bell;
use crate::lock::sql::Mark;
use crate::lock::stop::{self, Asking, Says, Stoppable};
use crate::lock::{Error, Holder, Key, Moment};
use crate::net::Deadline;

/// Asks those who hold the lock now, and no one who takes it later.
///
/// # Errors
/// How heimdall ends where it could not ask.
pub(super) fn stop(options: &StopOptions, database: Option<&str>, report: &Report) -> Result<Exit, Exit> {
    let config = connect::config(database, report)?;
    let start = Moment::now();
    let mut asking = connect(options, &config, start, report)?;
    let holders = asking.holders().and_then(|seen| Ok((seen, asking.others(options.lock.all_slots())?)));
    let (seen, others) = holders.map_err(|error| failed(report, &error))?;
    let exit = ask(&mut asking, seen, &others, options, start, report).map_err(|error| {
        report.error(format_args!("{error}; what became of the job is not known"));
        error.kind().into()
    });
    asking.close();
    exit
}

/// Connects; with `--wait`, also to a server that is not there yet.
fn connect(options: &StopOptions, config: &Config, start: Moment, report: &Report) -> Result<Asking, Exit> {
    let name = session_name::of_asker();
    let connect = connect::options(config, &name, false, report);
    let request = options.lock.request();
    let mut is_told = false;
    loop {
        let left = match options.wait {
            WaitPolicy::None | WaitPolicy::Endless => None,
            WaitPolicy::Limited(limit) => Some(start.after(limit).since(Moment::now())),
        };
        let error = match stop::connect(&connect, &request, Deadline::after(left)) {
            Ok(asking) => return Ok(asking),
            Err(error) => error,
        };
        let is_over = match options.wait {
            WaitPolicy::None => true,
            WaitPolicy::Limited(limit) => Moment::now().after(RETRY) >= start.after(limit),
            WaitPolicy::Endless => false,
        };
        if is_over || !error.may_pass() {
            return Err(failed(report, &error));
        }
        if !std::mem::replace(&mut is_told, true) {
            report.event(&Event::Unavailable { reason: &error.to_string().replace('\n', "; ") });
        }
        std::thread::sleep(RETRY);
    }
}

/// One who held the lock at the beginning.
struct Target {
    key: Key,
    pid: Option<i32>,
    holder: Holder,
    state: State,
    /// Whether its bell rings.
    rings: bool,
    /// Whether it has said that it is about to stop.
    has_said: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It may have been granted the lock just now, and not have said yet that it can be asked.
    New,
    /// It is asked, as soon as no one else has its bell.
    Asked,
    /// It is about to stop.
    Stops,
    Gone,
    /// We may not have it stop.
    Forbids,
    /// It knows of no one who may.
    Deaf,
}

/// Asks the holders that were seen first, beside which others may have further slots.
fn ask(
    asking: &mut Asking,
    mut seen: Vec<Stoppable>,
    others: &[Holder],
    options: &StopOptions,
    start: Moment,
    report: &Report,
) -> Result<Exit, Error> {
    let asked = Moment::now();
    let further = options.lock.further_slots(others);
    match &further {
        Some(text) => report.error(text),
        None if seen.is_empty() => report.event(&Event::Free),
        None => {}
    }
    let exit = |targets: &[Target]| exit(targets, further.is_some(), options);
    let mut targets: Vec<Target> = seen.iter().map(Target::new).collect();
    loop {
        let now = Moment::now();
        for target in &mut targets {
            let found = seen.iter().find(|stoppable| target.is(&stoppable.holder));
            let state = target.next(found, now.since(asked));
            if state != target.state {
                target.come_to(state, found, now.since(start), report);
            }
        }
        if targets.iter().all(Target::is_done) {
            return Ok(exit(&targets));
        }
        let is_silent = |target: &&mut Target| target.state == State::Asked && !target.rings;
        let silent: Vec<&mut Target> = targets.iter_mut().filter(is_silent).collect();
        let bells: Vec<(Key, i32)> = silent.iter().map(|target| (target.key, target.backend())).collect();
        for (target, rings) in silent.into_iter().zip(asking.ring(&bells)?) {
            target.rings = rings;
            if rings {
                report.event(&Event::Asking { holder: &target.holder });
            }
        }
        // After a try at least, however short the time is.
        if let Some(limit) = overdue(&targets, options.wait, now.since(start), now.since(asked)) {
            for target in &targets {
                target.complain(limit, report);
            }
            return Ok(exit(&targets));
        }
        asking.pause(PAUSE)?;
        seen = asking.holders()?;
    }
}

/// Returns how long has been waited, if that is long enough: as long as `--wait` says or, without it, for as long as a holder
/// that is well may take to answer. For who has begun to stop there is no limit then: its own `--kill-after` is one.
fn overdue(targets: &[Target], wait: WaitPolicy, waited: Duration, asked: Duration) -> Option<Duration> {
    let is_unanswered = targets.iter().any(|target| matches!(target.state, State::New | State::Asked));
    match wait {
        WaitPolicy::Endless => None,
        WaitPolicy::Limited(limit) => (waited >= limit).then_some(waited),
        WaitPolicy::None => (is_unanswered && asked >= PATIENCE).then_some(asked),
    }
}

/// Returns how heimdall ends where the targets have come so far, and others hold further slots or not.
fn exit(targets: &[Target], has_others: bool, options: &StopOptions) -> Exit {
    let all_are = |state| targets.iter().all(|target| target.state == state);
    if targets.iter().any(|target| target.state == State::Forbids) {
        Exit::Authentication
    } else if all_are(State::Gone) && !has_others {
        Exit::Success
    } else {
        Exit::Busy(options.conflict_exit_code)
    }
}

impl Target {
    fn new(stoppable: &Stoppable) -> Self {
        let holder = stoppable.holder.clone();
        Self { key: holder.key, pid: holder.pid, holder, state: State::New, rings: false, has_said: false }
    }

    /// Its server process; one that has none, a prepared transaction, is never asked.
    fn backend(&self) -> i32 {
        self.pid.unwrap_or_default()
    }

    fn is(&self, holder: &Holder) -> bool {
        (self.key, self.pid) == (holder.key, holder.pid)
    }

    /// Where it stands now, so long after it was first seen.
    fn next(&self, found: Option<&Stoppable>, waited: Duration) -> State {
        match (self.state, found) {
            (state @ (State::Gone | State::Forbids | State::Deaf), _) => state,
            (_, None) => State::Gone,
            // A prepared transaction.
            (_, Some(found)) if found.holder.pid.is_none() => State::Deaf,
            // Its session has ended between the server's looks at its locks and at its sessions; the next look tells.
            (state, Some(Stoppable { role: None, says: Says::Unknown, .. })) => state,
            (_, Some(found)) if !found.may_be_stopped => State::Forbids,
            (_, Some(Stoppable { says: Says::Mark(Mark::Stops), .. })) => State::Stops,
            (State::New, Some(Stoppable { says: Says::Nothing, .. })) if waited < GRACE => State::New,
            (State::New, Some(Stoppable { says: Says::Nothing, .. })) => State::Deaf,
            (State::New, Some(_)) => State::Asked,
            (state, Some(_)) => state,
        }
    }

    fn is_done(&self) -> bool {
        matches!(self.state, State::Gone | State::Forbids | State::Deaf)
    }

    /// Notes and tells where it stands, so long after the beginning.
    fn come_to(&mut self, state: State, found: Option<&Stoppable>, waited: Duration, report: &Report) {
        self.state = state;
        let who = || who_holds(&self.holder);
        match state {
            State::New | State::Asked => {}
            State::Stops => self.has_said = true,
            State::Gone if self.has_said => report.event(&Event::Stopped { holder: &self.holder, waited }),
            // Its session may have ended in another way, and the job run on.
            State::Gone => report.event(&Event::Gone { holder: &self.holder, waited }),
            State::Forbids => {
                let role = found.and_then(|found| found.role.as_deref()).unwrap_or("which is gone");
                report.error(format_args!(
                    "the lock is held by {}: only its role, {role}, roles that have the privileges of that one, and superusers \
                     may have it stop",
                    who()
                ));
            }
            State::Deaf => report.error(format_args!(
                "the lock is held by {}, which can't be asked to stop: it is no heimdall that knows of --stop, or a connection \
                 pooler is in between",
                who()
            )),
        }
    }

    fn complain(&self, waited: Duration, report: &Report) {
        let who = who_holds(&self.holder);
        match self.state {
            State::New => report.error(format_args!(
                "could not ask {who}, for {waited:.1?}, since it has not said of itself yet that it can be asked"
            )),
            State::Asked if !self.rings => report.error(format_args!(
                "could not ask {who}, for {waited:.1?}, since another session keeps the key {} to itself, which is for that",
                bell(self.key, self.backend())
            )),
            State::Asked => report.error(format_args!(
                "no answer for {waited:.1?} from {who}: heimdall may have been killed there, or stand still; its job may run, and \
                 keeps the lock"
            )),
            State::Stops => {
                report.error(format_args!("still waiting after {waited:.1?} for the job of {who}, which was told to end"));
            }
            State::Gone | State::Forbids | State::Deaf => {}
        }
    }
}

/// Between two looks. A holder keeps what it says of itself there for longer (`SEEN`).
const PAUSE: Duration = Duration::from_millis(100);

/// Between two attempts to connect.
const RETRY: Duration = Duration::from_secs(1);

/// How long a holder may say nothing of itself that was granted the lock just now.
const GRACE: Duration = Duration::from_secs(1);

/// A holder asks the server for a sign of life every ten seconds at least, and learns by the answer that it is asked.
const PATIENCE: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_ends_between_two_looks_of_the_server_forbids_nothing() {
        let holder = Holder::example(Key::named("a", "b"), "");
        let ended = Stoppable { holder, role: None, may_be_stopped: false, says: Says::Unknown };
        let stranger = Stoppable { role: Some("other".to_owned()), says: Says::Nothing, ..ended.clone() };
        for state in [State::New, State::Asked, State::Stops] {
            let target = Target { state, ..Target::new(&ended) };
            assert_eq!(target.next(Some(&ended), GRACE), state);
            assert_eq!(target.next(None, GRACE), State::Gone);
            assert_eq!(target.next(Some(&stranger), GRACE), State::Forbids);
        }
    }
}
