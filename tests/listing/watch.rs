//! `--list --watch`: redrawn on a terminal, written elsewhere when it has changed.

use std::process::Stdio;
use std::time::{Duration, Instant};

use super::Database;
use crate::support::heimdall::{BINARY, Heimdall};
use crate::support::postgres::{Cluster, ClusterOptions, Stop, shared};
use crate::support::terminal::{INTERRUPT, PROMPT, SUSPEND, Terminal};

/// A shell on a terminal that can be drawn on, where heimdall finds this database.
fn shell(conninfo: &str) -> Terminal {
    Terminal::bash(&[("TERM", "xterm"), ("HEIMDALL_DATABASE_URL", conninfo)])
}

/// Waits for what is drawn until it has this text, and returns its lines.
fn screen_with(terminal: &mut Terminal, text: &str) -> Vec<String> {
    screen_that(terminal, |lines| lines.iter().any(|line| line.contains(text)))
}

fn screen_that(terminal: &mut Terminal, is_it: impl Fn(&[String]) -> bool) -> Vec<String> {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        terminal.wait_for("\x1b[H");
        let screen = terminal.wait_for("\x1b[J");
        let lines: Vec<String> = screen.split_terminator("\x1b[K\r\n").map(str::to_owned).collect();
        if is_it(&lines) {
            return lines;
        }
        assert!(Instant::now() < end, "{screen}");
    }
}

/// Ends it as a person does; the shell has its terminal back as it was.
fn interrupt(terminal: &mut Terminal, before: &str) {
    terminal.press(INTERRUPT);
    terminal.wait_for(PROMPT);
    terminal.enter("echo code $?");
    assert_eq!(terminal.wait_for("\r\n"), "code 130");
    terminal.wait_for(PROMPT);
    terminal.enter("stty -a");
    assert_eq!(terminal.wait_for(PROMPT), before);
    // No mode was changed, such as to hide the cursor.
    assert!(!terminal.all().contains("\x1b[?"), "{}", terminal.all());
}

fn settings(terminal: &mut Terminal) -> String {
    terminal.enter("stty -a");
    terminal.wait_for(PROMPT)
}

#[test]
fn a_terminal_shows_what_is_and_is_in_order_afterwards() {
    let database = Database::new("watch_terminal");
    let mut terminal = shell(&database.conninfo("trust_user"));
    let before = settings(&mut terminal);
    terminal.enter("heimdall --list --watch=100ms");
    let nothing = screen_with(&mut terminal, "KEY");
    let title = format!("Z  watch_terminal at \"127.0.0.1\", port {}, every", shared().port());
    assert!(nothing[0].contains(&title), "{nothing:?}");
    assert_eq!(nothing.len(), 2, "{nothing:?}");
    let holder = database.hold("trust_user", &["--namespace", "a", "--name", "seen"]);
    let one = screen_with(&mut terminal, " a/seen ");
    assert!(one[2].contains(&holder.backend), "{one:?}");
    holder.finish();
    screen_that(&mut terminal, |lines| lines.len() == 2);
    // The shell stops it, and lets it go on.
    terminal.press(SUSPEND);
    terminal.wait_for("Stopped");
    terminal.wait_for(PROMPT);
    terminal.enter("fg");
    screen_with(&mut terminal, "KEY");
    interrupt(&mut terminal, &before);
}

#[test]
fn what_does_not_fit_on_the_terminal_is_cut() {
    let database = Database::new("watch_cut");
    let _holders = ["one", "two", "three"].map(|name| database.hold("trust_user", &["--name", name]));
    let mut terminal = shell(&database.conninfo("trust_user"));
    // Long pauses: it is the terminal's other size that has it drawn anew.
    terminal.enter("heimdall --list --watch=1h");
    let whole = screen_with(&mut terminal, "KEY");
    assert!(whole.len() == 5 && whole.iter().all(|line| line.chars().count() < 80), "{whole:?}");
    terminal.resize(5, 40);
    let cut = screen_with(&mut terminal, "more");
    assert!(cut.len() == 4 && cut.iter().all(|line| line.chars().count() < 40), "{cut:?}");
    assert_eq!(cut[3], "... and 2 lines more");
    terminal.press(INTERRUPT);
    terminal.wait_for(PROMPT);
}

#[test]
fn a_restart_of_the_server_is_said_and_waited_for() {
    let cluster = Cluster::start(&ClusterOptions::default());
    let conninfo = format!("{} user=postgres dbname=postgres", cluster.tcp());
    let mut terminal = shell(&conninfo);
    let before = settings(&mut terminal);
    let watch = || Heimdall::new().database(&conninfo).args(["--list", "--watch=100ms"]);
    let elsewhere = watch().spawn();
    elsewhere.wait_for_stdout_line("KEY");
    terminal.enter("heimdall --list --watch=100ms");
    screen_with(&mut terminal, "KEY");
    cluster.stop(Stop::Fast);
    // Of which no end is cut off.
    let waiting = screen_with(&mut terminal, "Connection refused");
    assert!(waiting[1].starts_with("waiting for the server: "), "{waiting:?}");
    assert!(waiting.last().unwrap().starts_with("KEY"), "{waiting:?}");
    elsewhere.wait_for_stderr_line("heimdall: waiting for the server: ");
    cluster.start_again();
    let holder = Heimdall::new().database(&conninfo).args(["--name", "after"]).hold();
    let back = screen_with(&mut terminal, " heimdall/after ");
    assert!(back[1].starts_with("KEY"), "{back:?}");
    elsewhere.wait_for_stdout_line(" heimdall/after ");
    holder.finish();
    cluster.stop(Stop::Fast);
    screen_with(&mut terminal, "waiting for the server: ");
    interrupt(&mut terminal, &before);
    elsewhere.signal(15);
    assert_eq!(elsewhere.wait().signal, Some(15));
    // Before it has ever answered, a server that is not there is an error, as for --list.
    assert_eq!(watch().run().code, Some(69));
}

#[test]
fn elsewhere_than_on_a_terminal_the_list_is_written_whenever_it_has_changed() {
    let database = Database::new("watch_pipe");
    let watch = |options: &[&str]| {
        let heimdall = Heimdall::new().database(&database.conninfo("trust_user"));
        heimdall.args(["--list", "--watch=100ms"]).args(options)
    };
    let (text, json) = (watch(&[]).spawn(), watch(&["--log-format=json", "--name", "seen"]).spawn());
    text.wait_for_stdout_line("KEY");
    json.wait_for_stdout_line("\"locks\":[]");
    let holder = database.hold("trust_user", &["--name", "seen"]);
    text.wait_for_stdout_line(" heimdall/seen ");
    let line = json.wait_for_stdout_line(&format!("\"pid\":{}", holder.backend));
    let kind = shared().sql(&format!(
        "select json_typeof(j -> 'locks'), j -> 'locks' -> 0 ->> 'lock', now() - (j ->> 'time')::timestamptz < '1 hour' \
         from (select $j${line}$j$::json) as l(j)"
    ));
    assert_eq!(kind, "array|heimdall/seen|t");
    // The holder's stamp may have come after it was seen first.
    let waiter = database.psql(&format!("select pg_advisory_lock({})", holder.key));
    json.wait_for_stdout_line("\"granted\":false");
    let (text, json) = [text, json]
        .map(|running| {
            running.signal(2);
            running.wait()
        })
        .into();
    drop(waiter);
    holder.finish();
    for outcome in [&text, &json] {
        assert_eq!((outcome.signal, outcome.stderr.as_str()), (Some(2), ""));
        assert!(!outcome.stdout.contains('\x1b'), "{}", outcome.stdout);
    }
    let lists: Vec<&str> = json.stdout.lines().map(|line| line.split_once("\"locks\"").unwrap().1).collect();
    assert!(lists.len() <= 4 && lists.windows(2).all(|two| two[0] != two[1]), "{}", json.stdout);
    let blocks: Vec<&str> = text.stdout.split_terminator("\n\n").collect();
    assert!(blocks.len() <= 4, "{}", text.stdout);
    for block in blocks {
        let lines: Vec<&str> = block.lines().collect();
        assert!(
            lines[0].starts_with("20") && lines[0].ends_with('Z') && lines[1].starts_with("KEY"),
            "{block}"
        );
    }
}

#[test]
fn who_reads_no_more_ends_it_though_nothing_changes() {
    let database = Database::new("watch_head");
    let mut command = std::process::Command::new("sh");
    let script = "{ \"$0\" --list --watch=1h; echo code $? >&2; } | head -n 1";
    command.args(["-c", script, BINARY]).env("HEIMDALL_DATABASE_URL", database.conninfo("trust_user"));
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let ended = crate::support::poll(Duration::from_secs(30), || child.try_wait().unwrap());
    if ended.is_none() {
        child.kill().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "code 0\n");
}

#[test]
fn a_terminal_that_can_not_be_drawn_on_is_written_to() {
    let database = Database::new("watch_dumb");
    let mut terminal = Terminal::start(
        &["heimdall", "--list", "--watch"],
        &[("TERM", "dumb"), ("HEIMDALL_DATABASE_URL", &database.conninfo("trust_user"))],
    );
    terminal.wait_for("KEY");
    terminal.press(INTERRUPT);
    assert_eq!(terminal.wait(), 130);
    assert!(!terminal.all().contains('\x1b'), "{}", terminal.all());
}
