//! On a terminal: what a person sees and types is what the program alone would show and get.

use crate::support::heimdall::BINARY;
use crate::support::postgres::database;
use crate::support::terminal::{INTERRUPT, PROMPT, Terminal};

/// What a shell needs so that `heimdall` reaches a server.
fn bash() -> Terminal {
    Terminal::bash(&[("DATABASE_URL", &database())])
}

#[test]
fn a_command_line_typed_at_a_shell_shows_the_program_and_its_exit_code() {
    let mut terminal = bash();
    terminal
        .enter("heimdall --name typed sh -c 'echo \"the lock of $HEIMDALL_NAME\"; exit 3'; echo \"code $?\"");
    assert_eq!(terminal.wait_for("\r\n"), "the lock of typed");
    assert_eq!(terminal.wait_for("\r\n"), "code 3");
    terminal.enter("exit 5");
    assert_eq!(terminal.wait(), 5);
}

#[test]
fn without_a_shell_the_exit_code_is_the_programs() {
    let database = database();
    let words = [BINARY, "--database", &database, "--name", "no shell", "sh", "-c", "tty; exit 4"];
    let mut terminal = Terminal::start(&words, &[]);
    assert!(terminal.wait_for("\r\n").starts_with("/dev/"));
    assert_eq!(terminal.wait(), 4);
}

#[test]
fn control_c_ends_the_program_and_the_shell_goes_on() {
    let mut terminal = bash();
    terminal.enter("heimdall --name interrupted sh -c 'echo ready; exec sleep 300'");
    terminal.wait_for("ready\r\n");
    terminal.press(INTERRUPT);
    terminal.wait_for(PROMPT);
    terminal.enter("echo \"code $?\"");
    assert_eq!(terminal.wait_for("\r\n"), "code 130");
}
