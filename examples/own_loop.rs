//! Holds a lock in a program with a loop of its own, which here copies its input: the loop polls the lock's descriptor too,
//! and wakes up when a heartbeat is due.

use std::error::Error;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use heimdall::conninfo::{Config, Environment};
use heimdall::lock::{self, Key, LockRequest, Mode, Moment, Outcome};
use heimdall::net::{ConnectOptions, Deadline};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How long the server may hold the lock after this host has vanished.
const LEASE: Duration = Duration::from_secs(60);

fn main() -> Result<(), Box<dyn Error>> {
    let database = std::env::var("DATABASE_URL").unwrap_or_default();
    let config = Config::resolve(&database, &Environment::of_process())?;
    let options = ConnectOptions::new(&config).application_name("example");
    let request = LockRequest::one(Key::named("examples", "own loop"), Mode::Exclusive).with_lease(LEASE);
    let Outcome::Held(mut guard) = lock::acquire(&options, &request, Deadline::after(None))? else {
        return Err("held elsewhere".into());
    };
    println!("holding, fencing token {}", guard.token());

    guard.start_heartbeat(LEASE)?;
    let mut input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut buffer = [0; 1024];
    loop {
        let wait = guard.next_tick().map(|next| next.since(Moment::now()));
        let wait = wait.and_then(|wait| Timespec::try_from(wait).ok());
        let mut both = [PollFd::new(&input, PollFlags::IN), PollFd::new(&*guard, PollFlags::IN)];
        poll(&mut both, wait.as_ref())?;
        let [has_input, _] = both.map(|fd| !fd.revents().is_empty());
        // The lock first: an error says that it is lost.
        guard.process(Moment::now())?;
        if has_input {
            match input.read(&mut buffer)? {
                0 => break,
                count => io::stdout().write_all(buffer.get(..count).unwrap_or_default())?,
            }
        }
    }
    println!("{:?}", guard.release());
    Ok(())
}
