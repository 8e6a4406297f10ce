//! The fencing token grows from holder to holder.

use crate::support::heimdall::Heimdall;
use crate::support::postgres::{Cluster, ClusterOptions, Stop};

/// A role whose commits don't wait for the disk would lose the last ones.
#[test]
fn the_token_grows_across_crashes_right_after_it_was_drawn() {
    let cluster = Cluster::start(&ClusterOptions::default());
    cluster.sql("alter role postgres set synchronous_commit = off");
    let database = format!("{} user=postgres dbname=postgres", cluster.tcp());
    let script = "echo $HEIMDALL_FENCING_TOKEN; exec sleep 60";
    let mut last = 0;
    for crash in 1..=20 {
        let holder =
            Heimdall::new().database(&database).args(["--name", "token", "sh", "-c", script]).spawn();
        let token: u64 = holder.wait_for_stdout_line("").parse().unwrap();
        cluster.stop(Stop::Immediate);
        assert!(token > last, "before crash {crash}: {token} after {last}");
        last = token;
        assert_eq!(holder.wait().code, Some(74));
        cluster.start_again();
    }
}
