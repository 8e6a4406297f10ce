//! Standard error, whose reader may take his time: a stuck pager or a stopped terminal keeps nobody from watching the lock.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

/// A thread that does nothing but write, and how far it has come. To poll for room would not do: somebody else may
/// fill the pipe in between.
struct Writer {
    texts: SyncSender<String>,
    /// How many texts were handed over.
    given: Mutex<u64>,
    /// How many were written.
    written: Mutex<u64>,
    progress: Condvar,
}

static WRITER: OnceLock<Writer> = OnceLock::new();

/// Writes the text, in order and before it returns, unless that takes longer than a moment; then later, if ever.
pub(super) fn write(text: String) {
    let writer = WRITER.get_or_init(|| {
        let (texts, receiver) = sync_channel(MAX_WAITING);
        // Where there can be no thread the receiver is gone, and all texts are lost with it.
        let _ = thread::Builder::new().stack_size(STACK).spawn(move || run(&receiver));
        Writer { texts, given: Mutex::new(0), written: Mutex::new(0), progress: Condvar::new() }
    });

    let number = {
        let mut given = writer.given.lock().unwrap_or_else(PoisonError::into_inner);
        if writer.texts.try_send(text).is_err() {
            return;
        }
        *given += 1;
        *given
    };
    let written = writer.written.lock().unwrap_or_else(PoisonError::into_inner);
    // Whether it was written or not, there is nothing more to do.
    drop(writer.progress.wait_timeout_while(written, WRITE_TIMEOUT, |written| *written < number));
}

fn run(texts: &Receiver<String>) {
    for text in texts {
        // Nowhere is left to tell that standard error is closed or full, and the program must go on.
        drop(io::stderr().write_all(text.as_bytes()));
        if let Some(writer) = WRITER.get() {
            *writer.written.lock().unwrap_or_else(PoisonError::into_inner) += 1;
            writer.progress.notify_all();
        }
    }
}

/// How long a reader may be busy with something else.
const WRITE_TIMEOUT: Duration = Duration::from_millis(100);

/// More lines than heimdall has to say on a quiet connection; what a reader leaves unread beyond that is lost.
const MAX_WAITING: usize = 100;

/// It calls nothing but write(2).
const STACK: usize = 64 * 1024;
