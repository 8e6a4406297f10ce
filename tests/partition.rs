//! Two hosts, and the network between them: what a lock is worth when it fails.

use heimdall::lock::Key;

use crate::support::namespaces::Namespaces;
use crate::support::postgres::ClusterOptions;

#[test]
fn a_lock_taken_on_another_host_is_held_and_released_on_the_server() {
    let Some(hosts) = Namespaces::for_test("a lock taken on another host") else { return };
    let cluster = hosts.start_cluster(&ClusterOptions::default());
    let key = Key::named("partition", "another host");
    let mut running = hosts
        .heimdall()
        .database(&format!("{} user=postgres dbname=postgres", hosts.tcp(&cluster)))
        .args(["--namespace", "partition", "--name", "another host"])
        .args(["sh", "-c", "echo $HEIMDALL_BACKEND_PID; cat"])
        .pipe_stdin()
        .spawn();
    let pid = running.wait_for_stdout_line("");
    assert_eq!(cluster.holder(key).map(|pid| pid.to_string()), Some(pid));
    assert_eq!(cluster.sql("select count(*) from pg_stat_activity where client_addr = '169.254.1.2'"), "1");
    running.close_stdin();
    assert_eq!(running.wait().code, Some(0));
    cluster.wait_for_holders(key, 0);
}

#[test]
fn a_pulled_cable_is_no_news_to_the_server() {
    let Some(hosts) = Namespaces::for_test("a pulled cable") else { return };
    let cluster = hosts.start_cluster(&ClusterOptions::default());
    let conninfo = format!("{} user=postgres dbname=postgres connect_timeout=2", hosts.tcp(&cluster));
    let holder =
        hosts.heimdall().database(&conninfo).args(["--key", "7", "sh", "-c", "echo up; cat"]).pipe_stdin();
    let holder = holder.spawn();
    holder.wait_for_stdout_line("up");
    hosts.pull_the_cable();
    let cut_off = hosts.heimdall().database(&conninfo).args(["--key", "8", "true"]).run();
    assert_eq!(cut_off.code, Some(69), "{}", cut_off.stderr);
    assert!(cluster.holder(Key::Single(7)).is_some());
    hosts.plug_the_cable();
    let back = hosts.heimdall().database(&conninfo).args(["--key", "8", "true"]).run();
    assert_eq!(back.code, Some(0), "{}", back.stderr);
}
