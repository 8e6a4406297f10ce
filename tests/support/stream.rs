//! What a program prints, read as it comes, so that a test can wait for it.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

/// A pipe's or a terminal's contents.
pub struct Stream(Arc<(Mutex<Collected>, Condvar)>);

#[derive(Default)]
struct Collected {
    bytes: Vec<u8>,
    ended: bool,
}

impl Stream {
    pub fn collect(mut pipe: impl Read + Send + 'static) -> Self {
        let shared = Arc::new((Mutex::new(Collected::default()), Condvar::new()));
        let stream = Self(Arc::clone(&shared));
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                let length = pipe.read(&mut buffer).unwrap_or(0);
                let mut collected = shared.0.lock().unwrap();
                collected.bytes.extend(&buffer[..length]);
                collected.ended = length == 0;
                shared.1.notify_all();
                if length == 0 {
                    return;
                }
            }
        });
        stream
    }

    pub fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.0.0.lock().unwrap().bytes).into_owned()
    }

    /// `None` when 30 seconds have passed, or nothing more will come.
    pub fn wait_for_line(&self, text: &str) -> Option<String> {
        let find = |collected: &Collected| {
            String::from_utf8_lossy(&collected.bytes)
                .split_inclusive('\n')
                .filter_map(|line| line.strip_suffix('\n'))
                .find(|line| line.contains(text))
                .map(str::to_owned)
        };
        let collected = self.wait_while(Instant::now() + Duration::from_secs(30), |collected| {
            !collected.ended && find(collected).is_none()
        });
        find(&collected)
    }

    /// What stands between the first `start` bytes and the next `text`, and where that ends; `None` when 60 seconds
    /// have passed, or nothing more will come.
    pub fn read_until(&self, start: usize, text: &str) -> Option<(String, usize)> {
        let find = |collected: &Collected| {
            let rest = &collected.bytes[start..];
            let length = rest.windows(text.len()).position(|window| window == text.as_bytes())?;
            let read = String::from_utf8_lossy(&rest[..length]).into_owned();
            Some((read, start + length + text.len()))
        };
        let collected = self.wait_while(Instant::now() + Duration::from_secs(60), |collected| {
            !collected.ended && find(collected).is_none()
        });
        find(&collected)
    }

    pub fn wait_for_end(&self, limit: Instant) -> String {
        String::from_utf8_lossy(&self.wait_while(limit, |collected| !collected.ended).bytes).into_owned()
    }

    fn wait_while(
        &self,
        limit: Instant,
        condition: impl Fn(&Collected) -> bool,
    ) -> MutexGuard<'_, Collected> {
        let left = limit.saturating_duration_since(Instant::now());
        let (mutex, changed) = &*self.0;
        changed.wait_timeout_while(mutex.lock().unwrap(), left, |collected| condition(collected)).unwrap().0
    }
}
