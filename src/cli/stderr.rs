//! Standard error, whose reader may be slow: a stuck pager or a stopped terminal must not keep heimdall from watching the lock.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

/// A thread that does nothing but write, and how far it has got. Polling for room would not do: another writer may fill the
/// pipe in between.
struct Writer {
    texts: SyncSender<String>,
    /// How many texts were handed over.
    given: Mutex<u64>,
    /// How many were written.
    written: Mutex<u64>,
    progress: Condvar,
}

static WRITER: OnceLock<Writer> = OnceLock::new();

/// Writes the text, after those before it; if that takes longer than [`WRITE_TIMEOUT`], it returns first.
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

/// How long to wait for the reader.
const WRITE_TIMEOUT: Duration = Duration::from_millis(100);

/// More lines than heimdall writes on a quiet connection; what is more than that behind is lost.
const MAX_WAITING: usize = 100;

/// It calls nothing but write(2).
const STACK: usize = 64 * 1024;
