//! The servers that other tests rely on are what they say they are.

use crate::support::postgres::{Cluster, ClusterOptions, PASSWORD, Stop, database, shared};

#[test]
fn every_user_of_the_shared_cluster_logs_in_by_its_method() {
    let cluster = shared();
    for place in [cluster.tcp(), cluster.socket()] {
        for user in ["trust_user", "password_user", "md5_user", "scram_user"] {
            let login = |password: &str| {
                cluster
                    .psql(&format!("{place} user={user} dbname=app"))
                    .env("PGPASSWORD", password)
                    .args(["-c", "select current_user"])
                    .output()
                    .unwrap()
            };
            let right = login(PASSWORD);
            assert_eq!(String::from_utf8_lossy(&right.stdout).trim(), user, "{right:?}");
            assert_eq!(login("wrong").status.success(), user == "trust_user", "{place} {user}");
        }
    }
    assert_eq!(
        cluster.sql("select rolname, left(rolpassword, 3) from pg_authid where rolcanlogin order by 1"),
        "md5_user|md5\npassword_user|SCR\npostgres|\nscram_user|SCR\ntrust_user|"
    );
}

#[test]
fn a_role_that_may_not_log_in_does_not() {
    let cluster = shared();
    let output = cluster
        .psql(&format!("{} user=nologin_role dbname=app", cluster.tcp()))
        .args(["-c", "select 1"])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("is not permitted to log in"), "{output:?}");
}

#[test]
fn a_cluster_of_ones_own_stops_and_leaves_nothing_behind() {
    let cluster =
        Cluster::start(&ClusterOptions { configuration: "work_mem = '5MB'".into(), hba: String::new() });
    cluster.wait_for("show work_mem", "5MB");
    cluster.stop(Stop::Fast);
    assert!(cluster.log().contains("database system is shut down"), "{}", cluster.log());
    let directory = cluster.socket_dir().to_owned();
    drop(cluster);
    assert!(!directory.exists());
}

#[test]
fn a_test_that_needs_just_one_server_gets_one() {
    let output = shared().psql(&database()).args(["-c", "select 42"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "42\n", "{output:?}");
}
