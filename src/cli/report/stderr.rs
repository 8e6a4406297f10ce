//! Standard error, whose reader may be slow: a stuck pager or a stopped terminal must not keep heimdall from watching the lock.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, SigmaskHow};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// What waits to be written, by a thread that does nothing else. Polling for room and writing then would not do: another
/// writer may fill the pipe in between.
#[derive(Debug)]
struct Queue {
    texts: VecDeque<String>,
    bytes: usize,
    is_writing: bool,
    has_thread: bool,
}

static QUEUE: Mutex<Queue> =
    Mutex::new(Queue { texts: VecDeque::new(), bytes: 0, is_writing: false, has_thread: false });
static CHANGED: Condvar = Condvar::new();

/// Has the text written after those before it, without waiting for that.
pub(super) fn write(text: String) {
    let mut queue = queue();
    if queue.bytes + text.len() > MAX_BYTES {
        return;
    }
    queue.bytes += text.len();
    queue.texts.push_back(text);
    if !queue.has_thread {
        queue.has_thread = start_quiet_thread(STACK, run).is_ok();
    }
    if queue.has_thread {
        CHANGED.notify_all();
    } else {
        queue.write_what_fits(Duration::ZERO);
    }
}

/// Waits until all is written, no longer than that.
pub(super) fn flush(limit: Duration) {
    let mut queue = queue();
    if queue.has_thread {
        let is_busy = |queue: &mut Queue| queue.is_writing || !queue.texts.is_empty();
        // Whether it was written or not, there is nothing more to do.
        drop(CHANGED.wait_timeout_while(queue, limit, is_busy));
    } else {
        queue.write_what_fits(limit);
    }
}

fn queue() -> MutexGuard<'static, Queue> {
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a thread that gets no signals: those are the main thread's business. Above all SIGTTOU, which is sent for writing to
/// a terminal from the background (`stty tostop`) unless it is blocked.
pub(super) fn start_quiet_thread(stack: usize, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let mask = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    let started = thread::Builder::new().stack_size(stack).spawn(run);
    mask.thread_set_mask()?;
    started.map(drop)
}

fn run() {
    let mut queue = queue();
    loop {
        while let Some(text) = queue.take() {
            queue.is_writing = true;
            drop(queue);
            // There is nowhere to report that standard error is closed or full, and the program must go on.
            drop(io::stderr().write_all(text.as_bytes()));
            queue = self::queue();
            queue.is_writing = false;
            CHANGED.notify_all();
        }
        queue = CHANGED.wait(queue).unwrap_or_else(PoisonError::into_inner);
    }
}

impl Queue {
    fn take(&mut self) -> Option<String> {
        let text = self.texts.pop_front()?;
        self.bytes -= text.len();
        Some(text)
    }

    /// Writes as long as there is room, where the system lets us have no thread, and waits for room no longer than that.
    fn write_what_fits(&mut self, limit: Duration) {
        let end = Instant::now() + limit;
        while let Some(text) = self.take() {
            let mut rest = text.as_bytes();
            while !rest.is_empty() {
                let (chunk, after) = rest.split_at(rest.len().min(PIPE_BUF));
                if !has_room(end.saturating_duration_since(Instant::now())) {
                    let rest = String::from_utf8_lossy(rest).into_owned();
                    self.bytes += rest.len();
                    return self.texts.push_front(rest);
                }
                drop(io::stderr().write_all(chunk));
                rest = after;
            }
        }
    }
}

fn has_room(limit: Duration) -> bool {
    let limit = Timespec::try_from(limit).ok();
    let stderr = io::stderr();
    let mut polled = [PollFd::new(&stderr, PollFlags::OUT)];
    matches!(poll(&mut polled, limit.as_ref()), Ok(1..))
}

/// More than heimdall writes on a quiet connection, and little enough for memory; what comes after that is lost.
const MAX_BYTES: usize = 1024 * 1024;

/// A pipe with room takes as much at once (`man 7 pipe`; POSIX's least).
const PIPE_BUF: usize = 512;

/// It calls nothing but write(2).
const STACK: usize = 64 * 1024;
