//! heimdall as the way to run one of something: started again, seen and stopped.

mod files;
mod here;
mod listen;
mod notify;
mod on_lost;
mod restart;
mod signal;
mod systemd;

use heimdall::lock::Key;

use crate::support::heimdall::Heimdall;
use crate::support::postgres::shared;

/// A lock of this name, on the shared server: these tests act on the server's side.
fn heimdall(name: &str) -> Heimdall {
    as_heimdall(Heimdall::new(), name)
}

/// The same, of a heimdall that is started in another way.
fn as_heimdall(program: Heimdall, name: &str) -> Heimdall {
    let conninfo = format!("{} user=trust_user dbname=app", shared().tcp());
    program.database(&conninfo).args(["--namespace", "daemon", "--name", name])
}

/// Ends the session that holds the lock of this name.
fn lose(name: &str) {
    let holder = shared().holder(Key::named("daemon", name)).expect("a holder");
    let sql = format!("select pg_terminate_backend({holder})");
    assert_eq!(shared().sql(&sql), "t");
}
