//! Who waits on a terminal sees one line, drawn again and again in its place.

use super::heimdall;
use crate::support::heimdall::BINARY;
use crate::support::holder::host;
use crate::support::postgres::shared;
use crate::support::terminal::{INTERRUPT, Terminal};

fn waiter(name: &str, options: &[&str]) -> Terminal {
    let database = database();
    let words = [BINARY, "--database", &database, "--namespace", "waiting", "--name", name];
    Terminal::start(&[&words, options, &["--wait", "echo", "mine"]].concat(), &[])
}

fn database() -> String {
    format!("{} user=trust_user dbname=app", shared().tcp())
}

/// What takes the line away that was drawn before.
const ERASE: &str = "\r\x1b[K";

#[test]
fn on_a_terminal_one_line_is_redrawn_in_its_place_and_taken_away() {
    // Of a name that leaves room for the lock's.
    let holder = heimdall("drawn").env("PGAPPNAME", "ours").hold();
    let mut terminal = waiter("drawn", &[]);
    let mut wait_until = |second: u32| {
        let mut drawn = 0;
        while drawn < second {
            terminal.wait_for(&format!("{ERASE}heimdall: "));
            drawn = terminal.wait_for("s waiting for wai").parse().unwrap();
        }
        drawn
    };
    let seconds = wait_until(1);
    wait_until(seconds + 1);
    terminal.resize(24, 40);
    for _ in 0..2 {
        terminal.wait_for("s waiting");
    }
    holder.finish();
    assert_eq!(terminal.wait(), 0);
    let all = terminal.all();
    let (drawn, rest) = all.rsplit_once(ERASE).unwrap();
    assert_eq!(rest, "mine\r\n", "{all:?}");
    assert!(!drawn.contains('\n'), "{all:?}");
    let lines: Vec<&str> = drawn.split(ERASE).skip(1).collect();
    let columns = |line: &&str| line.chars().count();
    assert!(lines.iter().all(|line| columns(line) <= 79), "{lines:?}");
    assert!(columns(lines.last().unwrap()) <= 39, "{lines:?}");
}

#[test]
fn on_80_columns_the_line_tells_the_lock_who_holds_it_and_for_how_long() {
    let holder = heimdall("told").hold();
    let place = format!("{}:{}", host("heimdall:waiting/told", holder.pid()), holder.pid());
    let mut terminal = waiter("told", &[]);
    terminal.wait_for(&format!("told, held by {place} for "));
    terminal.wait_for(ERASE);
    // A name that leaves no room for the rest gives way in its middle.
    let long = "x".repeat(80);
    let _holder = heimdall(&long).env("PGAPPNAME", "a job of ours").hold();
    let mut terminal = waiter(&long, &[]);
    terminal.wait_for("waiting for waiti…xxx");
    let line = terminal.wait_for(ERASE);
    assert!(line.contains(", held by a job of ours, connected for "), "{line}");
    let lines = terminal.all();
    assert!(lines.split(ERASE).all(|line| line.chars().count() <= 79), "{lines}");
}

#[test]
fn quietly_nothing_is_drawn() {
    let holder = heimdall("undrawn").hold();
    let mut terminal = waiter("undrawn", &["-q"]);
    shared().wait_for(
        "select count(*) from pg_stat_activity where application_name like 'heimdall:waiting/undrawn%'",
        "2",
    );
    holder.finish();
    assert_eq!(terminal.wait(), 0);
    assert_eq!(terminal.all(), "mine\r\n");
}

#[test]
fn control_c_ends_the_wait() {
    let _holder = heimdall("interrupted").env("PGAPPNAME", "ours").hold();
    let mut terminal = waiter("interrupted", &[]);
    terminal.wait_for("waiting/interrupted, held by ours");
    terminal.press(INTERRUPT);
    assert_eq!(terminal.wait(), 130);
}

#[test]
fn in_the_background_nothing_is_drawn_over_the_shell() {
    let holder = heimdall("background").hold();
    let mut terminal = Terminal::bash(&[("DATABASE_URL", &database())]);
    terminal.enter("heimdall --namespace waiting --name background --wait echo mine &");
    terminal.wait_for("heimdall: waiting for the lock waiting/background, held by ");
    terminal.wait_for("\r\n");
    holder.finish();
    terminal.wait_for("heimdall: acquired the lock ");
    terminal.wait_for("mine\r\n");
    assert!(!terminal.all().contains(ERASE), "{}", terminal.all());
}
