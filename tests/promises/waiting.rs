//! Who waits for a lock is in nobody's way.

use super::ours;
use crate::support::heimdall::Heimdall;
use crate::support::postgres::{client, shared};

#[test]
fn promise_7_who_waits_holds_no_snapshot_that_the_holders_job_would_wait_for() {
    let app = format!("{} user=postgres dbname=app", shared().socket());
    let output = shared().psql(&app).args(["-c", "create table indexed (number integer)"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let job = "echo holding; read go; \
               exec \"$0\" -X -v ON_ERROR_STOP=1 -c \"set statement_timeout = '30s'\" \
               -c 'create index concurrently on indexed (number)' \"$1\"";
    let mut holder = Heimdall::new()
        .database(&ours())
        .args(["--name", "index", "sh", "-c", job])
        .arg(client("psql"))
        .arg(&app)
        .pipe_stdin()
        .spawn();
    holder.wait_for_stdout_line("holding");
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
    holder.write("go\n");
    let outcome = holder.wait();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(outcome.stdout.ends_with("CREATE INDEX\n"), "{outcome:?}");
    let outcome = waiter.wait();
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), "had its turn\n"), "{}", outcome.stderr);
}
