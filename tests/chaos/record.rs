//! The file to which everybody adds lines: jobs, contenders and the injector.
//!
//! Each line is one write to a file opened with `O_APPEND`, so the order of the lines is the order of what
//! they tell, whatever the clock says. `TIME WORD …`, with the time since boot in seconds:
//!
//! | line | who | meaning |
//! |---|---|---|
//! | `try RUN ROUTE` | contender | starts a heimdall |
//! | `begin RUN TOKEN LEADER` | job | is inside |
//! | `in RUN TOKEN LEADER` | job | is still inside, told all the time by the leader of its process group and by a child |
//! | `end RUN TOKEN LEADER` | job | is about to end by itself |
//! | `exit RUN CODE STDERR` | contender | heimdall and all of its job are gone; CODE is `killed` where SIGKILL struck it |
//! | `fault NUMBER KIND VICTIM` | injector | is about to do that to a run, a route or `all` |
//! | `down KIND` | injector | no server runs, between the two lines of a restart |
//! | `over NUMBER` | injector | has done it, and has put right what can be |

use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, process};

/// The file, which is left to those who want to know why a test has failed.
pub struct Record {
    path: PathBuf,
    faults: AtomicU32,
}

/// A job that is inside, by the last that it has told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inside {
    pub run: u32,
    /// The process that leads its process group.
    pub leader: i32,
}

impl Record {
    pub fn new() -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("chaos-{}.log", process::id()));
        File::create(&path).expect("a new file");
        Self { path, faults: AtomicU32::new(0) }
    }

    /// What a job needs to write to it: see [`JOB`].
    pub fn path(&self) -> &PathBuf {
        &self.path
    }

    pub fn note(&self, text: impl Display) {
        let uptime = fs::read_to_string("/proc/uptime").expect("/proc/uptime");
        let line = format!("{} {text}\n", uptime.split(' ').next().unwrap());
        OpenOptions::new().append(true).open(&self.path).unwrap().write_all(line.as_bytes()).unwrap();
    }

    /// Does something harmful between the two lines that tell of it.
    pub fn fault<T>(&self, kind: impl Display, victim: impl Display, harm: impl FnOnce() -> T) -> T {
        let number = self.faults.fetch_add(1, Ordering::Relaxed);
        self.note(format_args!("fault {number} {kind} {victim}"));
        let done = harm();
        self.note(format_args!("over {number}"));
        done
    }

    pub fn read(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }

    pub fn remove(&self) {
        fs::remove_file(&self.path).unwrap();
    }

    /// Who was inside when somebody was last.
    pub fn last_inside(&self) -> Option<Inside> {
        let mut file = File::open(&self.path).unwrap();
        let length = file.metadata().unwrap().len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        let tail = String::from_utf8_lossy(&bytes);
        tail.lines().rev().find_map(|line| match line.split(' ').collect::<Vec<_>>()[..] {
            [_, "in", run, _, leader] => {
                Some(Inside { run: run.parse().ok()?, leader: leader.parse().ok()? })
            }
            _ => None,
        })
    }
}

/// The job, for `bash -c JOB job FILE RUN BEATS [stubborn]`: it and a child tell that they are inside, all 10 ms.
///
/// It needs no programs, so that there is as little as possible between a look at the clock and the line.
pub const JOB: &str = r#"
file=$1 run=$2 beats=$3
[ "$4" != stubborn ] || trap '' TERM
exec {pause}<> <(:)
tell() {
    read -r now _ </proc/uptime
    printf '%s %s %s %s %s\n' "$now" "$1" "$run" "$HEIMDALL_FENCING_TOKEN" "$$" >>"$file"
}
beat() {
    for ((i = 0; i < beats; i++)); do
        tell in
        read -r -t 0.01 -u "$pause"
    done
}
tell begin
beat &
beat
wait
tell end
"#;

/// More than is written while one job says nothing.
const TAIL: u64 = 64 * 1024;
