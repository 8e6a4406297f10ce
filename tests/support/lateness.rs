//! How late this machine is: what a test that measures time has to allow for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Measures from its start on how late a thread wakes up that does nothing but sleep.
pub struct Lateness(Arc<Shared>);

#[derive(Default)]
struct Shared {
    worst: AtomicU64,
    is_over: AtomicBool,
}

impl Lateness {
    pub fn measure() -> Self {
        let shared = Arc::new(Shared::default());
        let measured = Arc::clone(&shared);
        thread::spawn(move || {
            while !measured.is_over.load(Ordering::Relaxed) {
                let start = Instant::now();
                thread::sleep(NAP);
                let late = start.elapsed().saturating_sub(NAP);
                measured.worst.fetch_max(late.as_micros() as u64, Ordering::Relaxed);
            }
        });
        Self(shared)
    }

    /// What `expected` may become where several processes, each as late as the latest nap, wait for each other, some of
    /// them twice: heimdall, what it kills, the kernel, heimdall again, who looks.
    pub fn allow(&self, expected: Duration) -> Duration {
        const PROCESSES: u32 = 8;
        expected + Duration::from_micros(self.0.worst.load(Ordering::Relaxed)) * PROCESSES
    }
}

impl Drop for Lateness {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Relaxed);
    }
}

const NAP: Duration = Duration::from_millis(5);
