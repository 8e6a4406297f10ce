//! The main job: one holder at a time, everybody else is turned away.

use crate::support::heimdall::Heimdall;
use crate::support::holder::Holder;
use crate::support::postgres::{database, shared};

fn hold(options: &[&str]) -> Holder {
    Heimdall::new().url(&database()).args(options).hold()
}

#[test]
fn a_second_contender_is_turned_away_and_gets_the_lock_afterwards() {
    let named = ["--namespace", "exclusion", "--name", "turned away"];
    let holder = hold(&named);
    let second = Heimdall::new().url(&database()).args(named).args(["echo", "ran"]).run();
    assert_eq!((second.code, second.stdout.as_str()), (Some(75), ""));
    assert_eq!(second.stderr.lines().count(), 1);
    assert!(second.stderr.contains("exclusion/turned away"), "{}", second.stderr);
    assert!(second.stderr.contains("is held elsewhere"), "{}", second.stderr);

    holder.finish();
    // Release is confirmed, so not even the next moment meets the old lock.
    let third = Heimdall::new().url(&database()).args(named).args(["echo", "ran"]).run();
    assert_eq!((third.code, third.stdout.as_str()), (Some(0), "ran\n"));
}

#[test]
fn the_exit_code_of_a_busy_lock_can_be_chosen_and_the_line_left_out() {
    let _holder = hold(&["--name", "chosen code"]);
    let contend = |options: &[&str]| {
        Heimdall::new().url(&database()).args(["--name", "chosen code"]).args(options).arg("true").run()
    };
    assert_eq!(contend(&["-E", "0"]).code, Some(0));
    assert_eq!(contend(&["--conflict-exit-code=42"]).code, Some(42));
    let quiet = contend(&["-q"]);
    assert_eq!((quiet.code, quiet.stderr.as_str()), (Some(75), ""));
}

#[test]
fn other_names_and_other_kinds_of_keys_do_not_exclude() {
    let _holder = hold(&["--namespace", "one", "--name", "two"]);
    let _single = hold(&["--key", "7"]);
    for options in [&["--namespace", "one", "--name", "three"][..], &["--name", "two"], &["--key", "0,7"]] {
        let other = Heimdall::new().url(&database()).args(options).arg("true").run();
        assert_eq!(other.code, Some(0), "{options:?}: {}", other.stderr);
    }
    assert_eq!(Heimdall::new().url(&database()).args(["--key", "7", "true"]).run().code, Some(75));
}

#[test]
fn the_lock_is_the_one_of_the_go_program() {
    let _holder = Heimdall::new()
        .database(&format!("{} user=trust_user dbname=app", shared().socket()))
        .args(["--namespace", "joker", "--name", "test", "sleep", "60"])
        .spawn();
    shared().wait_for(
        "select objsubid, mode, granted from pg_locks where locktype = 'advisory' \
         and classid = 856429646 and objid = 3157003241",
        "2|ExclusiveLock|t",
    );
    // What any other client does with that key is turned away too, and sees whose lock it is.
    assert_eq!(shared().sql("select pg_try_advisory_lock(856429646, -1137964055)"), "t", "another database");
    let app = shared()
        .psql(&format!("{} user=postgres dbname=app", shared().socket()))
        .args(["-XAtqc", "select pg_try_advisory_lock(856429646, -1137964055)"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&app.stdout), "f\n");
    shared().wait_for(
        "select count(*) from pg_stat_activity where application_name like 'heimdall:joker/test%'",
        "1",
    );
}

#[test]
fn the_sql_of_print_key_finds_the_holder_and_does_no_harm() {
    let holder = Heimdall::new()
        .database(&format!("{} user=trust_user dbname=app", shared().socket()))
        .args(["--key", "-5,6"])
        .hold();
    let printed = Heimdall::new().args(["--key", "-5,6", "--print-key"]).run();
    let [key, comment, find] = printed.stdout.lines().collect::<Vec<&str>>().try_into().unwrap();
    assert_eq!((key, comment), ("-5,6", "-- who holds the lock with key -5,6:"));
    let ask = |sql: &str| {
        let mut psql = shared().psql(&format!("{} user=postgres dbname=app", shared().socket()));
        let answer = psql.args(["-XAtqc", sql]).output().unwrap();
        String::from_utf8(answer.stdout).unwrap().trim().to_owned()
    };
    let found = ask(find);
    assert!(found.starts_with(&format!("{}|trust_user|heimdall:-5,6 ", holder.backend)), "{found}");
    // Whatever psql makes of the whole of it, the holder lives.
    ask(&printed.stdout);
    holder.finish();
}

#[test]
fn the_token_grows_from_holder_to_holder() {
    let token = || {
        let run = Heimdall::new()
            .url(&database())
            .args(["--name", "token", "sh", "-c", "echo $HEIMDALL_FENCING_TOKEN"])
            .run();
        run.stdout.trim().parse::<u64>().expect("a number")
    };
    let (first, second) = (token(), token());
    assert!(first < second, "{first} {second}");
}
