//! `--list --watch`: lists again and again. On a terminal the list is redrawn in its place, elsewhere it is written whenever it
//! has changed.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::iter;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, SystemTime};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use signal_hook::low_level::pipe;

use super::list::{self, ListOptions};
use super::{not_written, on_stdout};
use crate::cli::connect::{self, failed};
use crate::cli::exit::Exit;
use crate::cli::options::name::Lock;
use crate::cli::report::event::Event;
use crate::cli::report::json;
use crate::cli::report::terminal::{self, can_draw, is_foreground};
use crate::cli::report::{Format, Report, os_error_text};
use crate::cli::wait::random;
use crate::lock::{self, Backoff, Holder, Lister, LockRequest, Moment};
use crate::net::{ConnectOptions, Deadline};

/// Lists until it is interrupted, or no one reads it any more. A server that goes away is waited for.
///
/// # Errors
/// No server has answered yet, or what keeps us from one does not pass.
pub(in crate::cli) fn watch(
    options: &ListOptions,
    interval: Duration,
    database: Option<&str>,
    format: Format,
    report: &Report,
) -> Result<Exit, Exit> {
    let config = connect::config(database, report)?;
    let connect = connect::options(&config, "heimdall --list", options.allows_pooler, report);
    let lock = options.lock.as_ref();
    let request = lock.map(Lock::request);
    let mut alarm = Alarm::new().map_err(|error| {
        report.error(format_args!("cannot watch the terminal: {}", os_error_text(&error)));
        Exit::NotExecutable
    })?;
    let mut view = View {
        options,
        format,
        draws: format == Format::Text && can_draw(),
        database: &config.dbname,
        interval,
        listed: None,
        trouble: None,
        was_drawn: false,
    };
    let mut session = None;
    let mut backoff = Backoff::of_connections();
    loop {
        let pause = match look(&mut session, &connect, request.as_ref()) {
            Ok(holders) => {
                backoff = Backoff::of_connections();
                let server = session.as_ref().map_or("", Lister::server_address);
                view.listed(&holders, server)
            }
            Err(error) if view.listed.is_none() || !error.may_pass() => return Err(failed(report, &error)),
            Err(error) => view.failed(&error, report),
        }
        .map(|()| if session.is_some() { interval } else { backoff.pause(random()) });
        let next = match pause {
            Ok(pause) => Moment::now().after(pause),
            Err(error) => return Ok(not_written(&error, report)),
        };
        loop {
            match alarm.wait(session.as_mut(), next) {
                Woken::Due => break,
                Woken::Drawable => {
                    if let Err(error) = view.draw() {
                        return Ok(not_written(&error, report));
                    }
                }
                Woken::Unread => return Ok(Exit::Success),
            }
        }
    }
}

/// Lists, in the session of the last time where that goes on. That it has ended says nothing of the server: it may be idle for
/// too long for the server's taste.
fn look(
    session: &mut Option<Lister>,
    connect: &ConnectOptions<'_>,
    request: Option<&LockRequest>,
) -> Result<Vec<Holder>, lock::Error> {
    if let Some(mut lister) = session.take()
        && let Ok(holders) = lister.again()
    {
        *session = Some(lister);
        return Ok(holders);
    }
    let (lister, holders) = Lister::connect(connect, request, Deadline::after(None))?;
    *session = Some(lister);
    Ok(holders)
}

/// What is seen.
struct View<'a> {
    options: &'a ListOptions,
    format: Format,
    /// Whether it is drawn on a terminal.
    draws: bool,
    database: &'a str,
    interval: Duration,
    listed: Option<Listed>,
    /// What keeps us from listing again.
    trouble: Option<String>,
    was_drawn: bool,
}

/// What was listed last.
struct Listed {
    /// By which another list is known: a list and the next would take much memory together.
    hash: u64,
    /// What of its lines may be drawn, and how many more there are.
    lines: Vec<String>,
    more: usize,
    server: String,
    at: SystemTime,
}

impl View<'_> {
    fn listed(&mut self, holders: &[Holder], server: &str) -> io::Result<()> {
        let mut hasher = DefaultHasher::new();
        holders.hash(&mut hasher);
        let (hash, at) = (hasher.finish(), SystemTime::now());
        let is_back = self.trouble.take().is_some();
        let is_news = is_back || self.listed.as_ref().is_none_or(|before| before.hash != hash);
        if is_news && !self.draws {
            self.write(holders, &rfc_3339(at))?;
        }
        let lines: Vec<_> = match self.options.lock.as_ref() {
            lock if self.draws => list::lines(holders, lock).take(MOST_ROWS).collect(),
            _ => Vec::new(),
        };
        let more = (holders.len() + 1).saturating_sub(lines.len());
        self.listed = Some(Listed { hash, lines, more, server: server.to_owned(), at });
        self.draw()
    }

    fn write(&self, holders: &[Holder], time: &str) -> io::Result<()> {
        let lock = self.options.lock.as_ref();
        on_stdout(|out| match self.format {
            Format::Text => {
                writeln!(out, "{time}")?;
                list::write(holders, lock, Format::Text, out)?;
                writeln!(out)
            }
            Format::Json => json::write_list(("time", time), "locks", list::objects(holders, lock), out),
        })
    }

    /// Shows why there is nothing new; elsewhere than on a terminal it is told once.
    fn failed(&mut self, error: &lock::Error, report: &Report) -> io::Result<()> {
        let reason = error.to_string().replace('\n', "; ");
        let event = Event::Unavailable { reason: &reason };
        let text = report.text(&event);
        if self.trouble.as_ref() != Some(&text) && !self.draws {
            report.event(&event);
        }
        self.trouble = Some(text);
        self.draw()
    }

    /// Draws all anew, unless another process group has the terminal.
    fn draw(&mut self) -> io::Result<()> {
        let Some(Listed { lines, more, server, at, .. }) = self.listed.as_ref().filter(|_| self.draws) else {
            return Ok(());
        };
        if !is_foreground() {
            return Ok(());
        }
        let interval = humantime::format_duration(self.interval);
        let title = format!("{}  {} {server}, every {interval}", rfc_3339(*at), self.database);
        let size = terminal::size(io::stdout());
        let trouble = self.trouble.iter().flat_map(|text| terminal::wrapped(text, size.columns));
        let trouble: Vec<String> = trouble.collect();
        let lines = iter::once(&title).chain(&trouble).chain(lines).map(String::as_str);
        let screen = terminal::screen(lines, *more, size);
        // What was there before scrolls away, and stays.
        let room = if self.was_drawn { String::new() } else { "\n".repeat(size.rows) };
        self.was_drawn = true;
        on_stdout(|out| out.write_all((room + &screen).as_bytes()))
    }
}

/// More than any terminal has.
const MOST_ROWS: usize = 1000;

fn rfc_3339(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

/// Wakes us up.
struct Alarm {
    /// Has a byte in it when the terminal has another size, or we have been stopped and go on.
    changes: UnixStream,
}

/// Why we have been woken up.
enum Woken {
    /// The moment has come, or the session has ended.
    Due,
    /// The terminal may show something else than what was drawn.
    Drawable,
    /// No one reads standard output any more.
    Unread,
}

impl Alarm {
    fn new() -> io::Result<Self> {
        let (changes, writer) = UnixStream::pair()?;
        changes.set_nonblocking(true)?;
        for signal in [Signal::WINCH, Signal::CONT] {
            pipe::register(signal.as_raw(), writer.try_clone()?)?;
        }
        Ok(Self { changes })
    }

    fn wait(&mut self, mut session: Option<&mut Lister>, until: Moment) -> Woken {
        loop {
            let left = until.since(Moment::now());
            if left.is_zero() {
                return Woken::Due;
            }
            let stdout = io::stdout();
            let mut polled =
                vec![PollFd::new(&self.changes, PollFlags::IN), PollFd::new(&stdout, PollFlags::empty())];
            polled.extend(
                session.iter().map(|session| PollFd::from_borrowed_fd(session.as_fd(), PollFlags::IN)),
            );
            let found = poll(&mut polled, Timespec::try_from(left).ok().as_ref());
            let ready: Vec<bool> =
                polled.iter().map(|fd| found.is_ok() && !fd.revents().is_empty()).collect();
            match ready.as_slice() {
                [_, true, ..] => return Woken::Unread,
                [true, ..] => {
                    // However many there are.
                    while matches!(io::Read::read(&mut self.changes, &mut [0; 64]), Ok(1..)) {}
                    return Woken::Drawable;
                }
                [_, _, true] if session.as_mut().is_some_and(|session| session.poll().is_err()) => {
                    return Woken::Due;
                }
                _ => {}
            }
        }
    }
}
