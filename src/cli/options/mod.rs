//! The command line: what may be typed, and what it means.

pub(super) mod duration;
pub(super) mod mistake;
pub(super) mod name;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, ValueEnum, ValueHint};
use rustix::process::Signal;

use crate::cli::exit::DEFAULT_BUSY;
use crate::cli::report::Format;
use crate::cli::report::event::Level;
use crate::cli::report::files::Paths;
use crate::cli::report::notify::Ready;
use crate::cli::report::publisher::Audience;
use crate::cli::rules::course::WaitPolicy;
use crate::cli::rules::restart::{Policy, When};
use crate::cli::show::check::CheckOptions;
use crate::cli::show::list::ListOptions;
use crate::cli::signals;
use crate::lock::{Key, Mode};
use name::{Lock, MAX_SLOTS, Name};

/// The command line as typed.
#[derive(Debug, Parser)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag that is typed or not")]
#[allow(clippy::doc_markdown, reason = "these comments are the text of --help")]
#[command(
    name = "heimdall",
    version,
    about = "Run a program while holding a PostgreSQL advisory lock",
    override_usage = "heimdall [OPTIONS] [--] PROGRAM [ARG]...\n       heimdall [OPTIONS] --check | --list | --stop | --is-held-here | --print-key | --print-conninfo",
    after_help = "A DURATION is a number of seconds, or has units: 500ms, 1.5s, 10min, 1h30m, 1d, 2w.\n\n\
                  Exit codes: the program's own; 128+N if signal N killed it;\n\
                  1 --is-held-here says no, or output could not be written; 64 usage; 69 no usable server;\n\
                  74 lock lost, program stopped; 75 lock held elsewhere, or wait timed out (with --stop: still held);\n\
                  76 protocol or TLS violation, unsuitable server; 77 authentication; 78 configuration;\n\
                  124 --timeout ran out; 126 PROGRAM can't be executed; 127 PROGRAM not found.",
    before_long_help = "",
    disable_help_flag = true,
    disable_version_flag = true
)]
pub(super) struct Args {
    /// First half of the lock's name [default: heimdall]
    #[arg(help_heading = LOCK, long, value_name = "TEXT")]
    namespace: Option<String>,
    /// Second half of the lock's name; required unless --key is given
    #[arg(help_heading = LOCK, long, value_name = "TEXT")]
    name: Option<String>,
    /// The raw key instead of a name: one signed 64-bit or two signed 32-bit integers
    #[arg(help_heading = LOCK, long, value_name = "N|A,B", allow_hyphen_values = true, conflicts_with_all = ["name", "namespace"])]
    key: Option<Key>,
    /// A shared lock: many readers, or one exclusive holder
    #[arg(help_heading = LOCK, long)]
    shared: bool,
    /// Up to N holders at once, 1 to 1000
    #[arg(help_heading = LOCK, long, value_name = "N", allow_hyphen_values = true, value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_SLOTS)),
          conflicts_with_all = ["shared", "key"])]
    slots: Option<u16>,
    /// How long after this host vanishes the server may still hold the lock
    #[arg(help_heading = LOCK, long, value_name = "DURATION", allow_hyphen_values = true, value_parser = duration::parse_lease, default_value = "60s")]
    lease: Duration,
    /// Keep trying while the lock is held elsewhere or there is no server, forever or for DURATION [default: try once]
    #[arg(help_heading = WAITING, short, long, value_name = "DURATION", value_parser = wait_policy, num_args = 0..=1, require_equals = true,
          default_missing_value = FOREVER)]
    wait: Option<WaitPolicy>,
    /// Exit code when the lock is held elsewhere
    #[arg(help_heading = WAITING, short = 'E', long, value_name = "N", allow_hyphen_values = true, default_value_t = DEFAULT_BUSY)]
    conflict_exit_code: u8,
    /// Stop the program after DURATION [default: never]
    #[arg(help_heading = PROGRAM, long, value_name = "DURATION", allow_hyphen_values = true, value_parser = duration::parse)]
    timeout: Option<Duration>,
    /// Signal that stops the program when --timeout runs out, the lock is lost or --stop asks
    #[arg(help_heading = PROGRAM, short, long, value_name = "SIGNAL", allow_hyphen_values = true, value_parser = signals::name::parse, default_value = "TERM")]
    signal: Signal,
    /// Time between that signal and SIGKILL; 0: at once
    #[arg(help_heading = PROGRAM, long, value_name = "DURATION", allow_hyphen_values = true, value_parser = duration::parse, default_value = "10s")]
    kill_after: Duration,
    /// Have /bin/sh run COMMAND at once when the lock is lost, for a quarter of the lease at most
    #[arg(help_heading = PROGRAM, long, value_name = "COMMAND", value_hint = ValueHint::CommandString)]
    on_lost: Option<OsString>,
    /// Start the program again after its end: after a lost lock, a failure too, or always [default: no; bare: always]
    #[arg(help_heading = PROGRAM, long, value_name = "WHEN", value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "always")]
    restart: Option<When>,
    /// End when the program was started again N times in a row and has never run for a minute
    #[arg(help_heading = PROGRAM, long, value_name = "N", allow_hyphen_values = true)]
    restart_limit: Option<u32>,
    /// Let others take the lock before the program is started again
    #[arg(help_heading = PROGRAM, long = "yield")]
    yields: bool,
    /// Hold the lock until the whole job has ended, not only PROGRAM
    #[arg(help_heading = PROGRAM, long)]
    drain: bool,
    /// Hold the lock for at least DURATION, for short jobs on hosts with skewed clocks
    #[arg(help_heading = PROGRAM, long, value_name = "DURATION", allow_hyphen_values = true, value_parser = duration::parse, default_value = "0")]
    min_hold: Duration,
    /// Where the server has started or been promoted less than a lease ago, start PROGRAM when a lease has passed
    #[arg(help_heading = PROGRAM, long)]
    settle: bool,
    /// Don't let the program inherit the connection; the lock is free as soon as heimdall is killed
    #[arg(help_heading = PROGRAM, short = 'o', long)]
    close: bool,
    /// Where to connect: a URI, a keyword/value string or a database name, as for psql -d [default:
    /// $HEIMDALL_DATABASE_URL, else $DATABASE_URL; what it leaves out comes from PG* variables and defaults]
    #[arg(help_heading = CONNECTION, short, long, value_name = "CONNINFO")]
    database: Option<String>,
    /// Accept a pooler in between, of sessions or of transactions
    #[arg(help_heading = CONNECTION, long)]
    allow_pooler: bool,
    /// Keep metrics for Prometheus in FILE, as its node_exporter reads them; counters go on from run to run
    #[arg(help_heading = OUTPUT, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    metrics: Option<PathBuf>,
    /// Keep heimdall's current state in FILE, as JSON
    #[arg(help_heading = OUTPUT, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    status_file: Option<PathBuf>,
    /// When to tell the service manager that heimdall is ready: when PROGRAM has started, or already while waiting
    #[arg(help_heading = OUTPUT, long, value_name = "WHEN", value_enum, default_value = "started")]
    ready: Ready,
    /// Leave it to the program to tell the service manager that it is ready
    #[arg(help_heading = OUTPUT, long, conflicts_with = "ready")]
    pass_notify: bool,
    /// Print errors only, and what heimdall does to the job
    #[arg(help_heading = OUTPUT, short, long, conflicts_with_all = ["verbose", "debug"])]
    quiet: bool,
    /// Print one line for each transition
    #[arg(help_heading = OUTPUT, short, long)]
    verbose: bool,
    /// Also print every message on the wire, secrets redacted
    #[arg(help_heading = OUTPUT, long)]
    debug: bool,
    /// Format of heimdall's own lines on standard error, and of --list and --check
    #[arg(help_heading = OUTPUT, long, value_name = "FORMAT", value_enum, default_value = "text")]
    log_format: Format,
    /// Say whether this connection is good for locking: a report, and the exit code that a run would have
    #[arg(help_heading = INSTEAD, long, conflicts_with_all = ["list", "print_key", "print_conninfo", "program", "wait", "status_file"], conflicts_with_all = OF_A_RUN)]
    check: bool,
    /// Print who holds and who waits, for the named lock or for all of the database
    #[arg(help_heading = INSTEAD, long, conflicts_with_all = ["print_key", "print_conninfo", "program", "wait", "status_file"], conflicts_with_all = OF_A_RUN)]
    list: bool,
    /// List again and again: redraw on a terminal, elsewhere print the list whenever it has changed [bare: every 2s]
    #[arg(help_heading = INSTEAD, long, value_name = "INTERVAL", value_parser = duration::parse_interval, num_args = 0..=1, require_equals = true,
          default_missing_value = "2s")]
    watch: Option<Duration>,
    /// Ask the holder, wherever it is, to stop its job and to free the lock then; wait until it has
    #[arg(help_heading = INSTEAD, long, conflicts_with_all = ["check", "is_held_here", "list", "print_key", "print_conninfo", "program", "allow_pooler", "status_file"], conflicts_with_all = OF_A_RUN)]
    stop: bool,
    /// Exit with 0 if the heimdall that keeps --status-file FILE runs its program under the lock, that of --name or --key where given,
    /// else with 1; asks no server
    #[arg(help_heading = INSTEAD, long, conflicts_with_all = ["check", "list", "print_key", "print_conninfo", "program", "wait"], conflicts_with_all = OF_A_RUN)]
    is_held_here: bool,
    /// Print the lock's key, and the SQL that finds its holder
    #[arg(help_heading = INSTEAD, long, conflicts_with_all = ["print_conninfo", "program"])]
    print_key: bool,
    /// Print every connection parameter in force and where it came from; passwords masked
    #[arg(help_heading = INSTEAD, long, conflicts_with = "program")]
    print_conninfo: bool,
    /// Print this help
    // There is no longer form, and said to be one only to save clap the time to look for it at every option.
    #[arg(help_heading = INSTEAD, short, long, action = ArgAction::HelpShort)]
    help: Option<bool>,
    /// Print the version
    #[arg(help_heading = INSTEAD, short = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,
    /// The program to run; everything after it is passed to the program
    #[arg(value_name = "PROGRAM", trailing_var_arg = true, value_hint = ValueHint::CommandWithArguments)]
    program: Vec<OsString>,
}

/// The headings of `--help`, in order.
const LOCK: &str = "Lock";
const WAITING: &str = "Waiting";
const PROGRAM: &str = "Program";
const CONNECTION: &str = "Connection";
const OUTPUT: &str = "Output";
const INSTEAD: &str = "Instead of running a program";

/// What says how a program runs, and is refused where it would have no meaning and seem to have one.
const OF_A_RUN: [&str; 14] = [
    "timeout",
    "signal",
    "kill_after",
    "on_lost",
    "restart",
    "restart_limit",
    "yields",
    "drain",
    "min_hold",
    "settle",
    "close",
    "metrics",
    "ready",
    "pass_notify",
];

/// What to do.
#[derive(Debug)]
pub(super) enum Action {
    /// Run a program under a lock.
    Run(Box<RunOptions>),
    /// Say whether a connection is good for locking.
    Check(CheckOptions),
    /// Print who holds and who waits.
    List(ListOptions),
    /// Say whether the heimdall that keeps this file runs its program under the lock; under this one, if it is named.
    IsHeldHere(PathBuf, Option<Lock>),
    /// Ask the holder of a lock to stop.
    Stop(StopOptions),
    /// Print a lock's key.
    PrintKey(Lock),
    /// Print the connection parameters.
    PrintConninfo,
}

/// A program and the lock to run it under.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag that is typed or not")]
pub(super) struct RunOptions {
    pub(super) lock: Lock,
    pub(super) program: OsString,
    pub(super) arguments: Vec<OsString>,
    pub(super) conflict_exit_code: u8,
    pub(super) wait: WaitPolicy,
    pub(super) allows_pooler: bool,
    /// `None` is never.
    pub(super) timeout: Option<Duration>,
    /// What the program is stopped by.
    pub(super) signal: Signal,
    pub(super) kill_after: Duration,
    pub(super) restart: Policy,
    /// What the shell runs when the lock is lost.
    pub(super) on_lost: Option<OsString>,
    pub(super) min_hold: Duration,
    /// Whether the lock is held until the whole job has ended.
    pub(super) drains: bool,
    /// Whether a fresh server is given a lease before the program is started.
    pub(super) settles: bool,
    pub(super) lease: Duration,
    pub(super) audience: Audience,
    /// Whether the program inherits the connection.
    pub(super) inherits: bool,
}

/// Whom to ask, and for how long.
#[derive(Debug)]
pub(super) struct StopOptions {
    pub(super) lock: Lock,
    pub(super) wait: WaitPolicy,
    pub(super) conflict_exit_code: u8,
}

/// What the command line means.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) database: Option<String>,
    pub(super) level: Level,
    pub(super) format: Format,
    pub(super) action: Action,
}

/// Why there is nothing to do.
#[derive(Debug)]
pub(super) enum EarlyExit {
    /// A text to print: help or version.
    Print(String),
    /// One line that says what is wrong, and its format.
    Usage(String, Format),
}

/// Reads the command line, which begins with heimdall's own name.
pub(super) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, EarlyExit> {
    let mut words: Vec<OsString> = arguments.into_iter().collect();
    if words.len() < 2 {
        return Err(EarlyExit::Usage(FORM.to_owned(), Format::Text));
    }
    let mut command = Args::command();
    let own = mistake::own_words(&words, &command);
    for word in words.iter_mut().take(own) {
        if let Some(understood) = mistake::with_equals(word, &command) {
            *word = understood;
        }
    }
    let args = command
        .try_get_matches_from_mut(&words)
        .and_then(|mut matches| Args::from_arg_matches_mut(&mut matches))
        .map_err(|error| early_exit(&error, &words, own))?;
    let format = args.log_format;
    Command::try_from(args).map_err(|text| EarlyExit::Usage(text, format))
}

impl TryFrom<Args> for Command {
    /// One line that says what is wrong.
    type Error = String;

    fn try_from(args: Args) -> Result<Self, String> {
        let level = match (args.quiet, args.verbose, args.debug) {
            (true, ..) => Level::Quiet,
            (_, _, true) => Level::Debug,
            (_, true, _) => Level::Verbose,
            _ => Level::Normal,
        };
        let wait_policy = args.wait.unwrap_or(WaitPolicy::None);
        let mode = if args.shared { Mode::Shared } else { Mode::Exclusive };
        if let Some(slip) = slip(&args) {
            return Err(slip.to_owned());
        }
        let part_of_lock = args.namespace.is_some() || args.slots.is_some() || args.shared;
        let name = Name::from_typed(args.key, args.namespace, args.name);
        if name.as_ref().is_some_and(Name::is_empty) {
            return Err("the name in --name is empty, as from a variable that is not set".to_owned());
        }
        let lock = name.map(|name| Lock { name, mode, slots: args.slots.unwrap_or(1) });
        if args.program.first().is_some_and(|program| program.is_empty()) {
            return Err("the program is empty, as from a variable that is not set".to_owned());
        }
        let mut words = args.program.into_iter();
        let action = match (words.next(), lock) {
            _ if args.print_conninfo => Action::PrintConninfo,
            (_, lock) if args.is_held_here && (lock.is_some() || !part_of_lock) => Action::IsHeldHere(
                args.status_file.ok_or(
                    "--is-held-here reads what a heimdall keeps with --status-file: give the same --status-file FILE",
                )?,
                lock,
            ),
            _ if args.check => Action::Check(CheckOptions {
                allows_pooler: args.allow_pooler,
                lease: args.lease,
                conflict_exit_code: args.conflict_exit_code,
            }),
            (_, None) if args.list && part_of_lock => {
                return Err("the lock has no name: give --name, or nothing for all locks".to_owned());
            }
            (_, lock) if args.list => Action::List(ListOptions {
                lock,
                allows_pooler: args.allow_pooler,
                interval: args.watch,
            }),
            (Some(word), _) if matches!(wait_policy, WaitPolicy::Endless) && is_duration(&word) => {
                let word = word.to_string_lossy();
                return Err(format!(
                    "to wait for {word}, write --wait={word}; to run a program, write ./{word}"
                ));
            }
            (Some(word), _)
                if args.restart == Some(When::Always)
                    && When::from_str(&word.to_string_lossy(), false).is_ok() =>
            {
                let word = word.to_string_lossy();
                return Err(format!(
                    "--restart takes a value after = alone: write --restart={word}, or ./{word} to run a program"
                ));
            }
            (Some(_), None) if words.any(|word| is_lock_option(&word)) => {
                return Err(
                    "heimdall's own options stand before PROGRAM, and --name or --key among them".to_owned()
                );
            }
            (_, None) => return Err("the lock has no name: give --name or --key".to_owned()),
            (_, Some(lock)) if args.print_key => Action::PrintKey(lock),
            (_, Some(lock)) if args.stop => Action::Stop(StopOptions {
                lock,
                wait: wait_policy,
                conflict_exit_code: args.conflict_exit_code,
            }),
            (None, _) => return Err("no PROGRAM to run is given".to_owned()),
            (Some(program), Some(lock)) => Action::Run(Box::new(RunOptions {
                lock,
                program,
                arguments: words.collect(),
                conflict_exit_code: args.conflict_exit_code,
                wait: wait_policy,
                allows_pooler: args.allow_pooler,
                timeout: args.timeout.filter(|timeout| !timeout.is_zero()),
                signal: args.signal,
                kill_after: args.kill_after,
                restart: Policy {
                    when: args.restart.unwrap_or(When::No),
                    limit: args.restart_limit,
                    yields: args.yields,
                },
                on_lost: args.on_lost,
                min_hold: args.min_hold,
                drains: args.drain,
                settles: args.settle,
                lease: args.lease,
                audience: Audience {
                    files: Paths { status: args.status_file, metrics: args.metrics },
                    ready: args.ready,
                    passes_notify: args.pass_notify,
                },
                inherits: !args.close,
            })),
        };
        Ok(Self { database: args.database, level, format: args.log_format, action })
    }
}

/// Returns what is wrong with options that are well by themselves.
fn slip(args: &Args) -> Option<&'static str> {
    [
        (
            args.on_lost.as_ref().is_some_and(|command| command.is_empty()),
            "the command in --on-lost is empty, as from a variable that is not set",
        ),
        (args.watch.is_some() && !args.list, "--watch needs --list"),
        (args.yields && args.restart.is_none(), "--yield needs --restart"),
        (args.restart_limit.is_some() && args.restart.is_none(), "--restart-limit needs --restart"),
        (
            args.metrics.is_some() && args.metrics == args.status_file,
            "--metrics and --status-file name the same file",
        ),
    ]
    .into_iter()
    .find_map(|(is_wrong, text)| is_wrong.then_some(text))
}

/// What `--wait` without a value means.
const FOREVER: &str = "forever";

fn wait_policy(text: &str) -> Result<WaitPolicy, String> {
    match text {
        FOREVER => Ok(WaitPolicy::Endless),
        text => duration::parse(text)
            .map(|limit| if limit.is_zero() { WaitPolicy::None } else { WaitPolicy::Limited(limit) }),
    }
}

/// Whether this word was meant for `--wait`, which takes its value only after `=`.
fn is_duration(word: &OsString) -> bool {
    word.to_str().is_some_and(|word| duration::parse(word).is_ok())
}

/// Whether this word was meant to name the lock.
fn is_lock_option(word: &OsString) -> bool {
    let option = word.to_str().and_then(|word| word.split('=').next());
    matches!(option, Some("--name" | "--key"))
}

/// What a command looks like, for who has typed nothing yet.
const FORM: &str = "a command is heimdall [OPTIONS] --name NAME PROGRAM [ARG]..., for example: heimdall --name nightly ./nightly-run";

fn early_exit(error: &clap::Error, words: &[OsString], own: usize) -> EarlyExit {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return EarlyExit::Print(error.render().to_string());
    }
    let own = words.get(..own).unwrap_or_default();
    EarlyExit::Usage(mistake::line(error, &Args::command(), own), format_of(words))
}

/// Returns what `--log-format` says among words that contain a mistake.
fn format_of(words: &[OsString]) -> Format {
    let understood = Args::command().ignore_errors(true).try_get_matches_from(words);
    let format = understood.ok().and_then(|matches| matches.get_one("log_format").copied());
    format.unwrap_or(Format::Text)
}
