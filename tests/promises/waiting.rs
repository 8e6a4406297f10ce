//! Who waits for a lock is in nobody's way.

use super::{ours, pid_behind};
use crate::support::heimdall::Heimdall;
use crate::support::postgres::shared;

#[test]
fn promise_7_who_waits_holds_no_snapshot_that_the_holders_job_would_wait_for() {
    let mut holder = Heimdall::new()
        .database(&ours())
        .args(["--name", "index", "sh", "-c", "echo holder $$; cat"])
        .pipe_stdin()
        .spawn();
    pid_behind(&holder, "holder");
    let waiter = Heimdall::new()
        .database(&ours())
        .args(["-v", "--name", "index", "--wait", "echo", "had its turn"])
        .env("PGAPPNAME", "waits for index")
        .spawn();
    // Its statement was answered, and the next one will be tried.
    shared().wait_for(
        "select state, backend_xmin is null, backend_xid is null from pg_stat_activity \
         where application_name = 'waits for index' and query like '%pg_try_advisory_lock%'",
        "idle|t|t",
    );
    let app = format!("{} user=postgres dbname=app", shared().socket());
    for statement in [
        "create table indexed (number integer)",
        "set statement_timeout = '30s'",
        "create index concurrently on indexed (number)",
    ] {
        let output = shared().psql(&app).args(["-c", statement]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    holder.close_stdin();
    assert_eq!(holder.wait().code, Some(0));
    let outcome = waiter.wait();
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), "had its turn\n"), "{}", outcome.stderr);
}
