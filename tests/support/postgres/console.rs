//! A psql that stays, for a test that asks the same again and again.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Stdio};

use super::Cluster;

/// A session of the superuser in database `postgres`; it ends when dropped.
pub struct Console {
    psql: Child,
    answers: BufReader<ChildStdout>,
}

impl Cluster {
    pub fn console(&self) -> Console {
        let mut psql = self
            .psql(&format!("{} user=postgres dbname=postgres", self.socket()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("psql starts");
        let answers = BufReader::new(psql.stdout.take().unwrap());
        Console { psql, answers }
    }
}

impl Console {
    /// Runs statements; the rows, with `|` between columns.
    pub fn sql(&mut self, text: &str) -> String {
        let stdin = self.psql.stdin.as_mut().unwrap();
        // One that has ended tells why, below.
        let _ = write!(stdin, "{text}\n;\\echo {END}\n");
        let mut answer = String::new();
        while !answer.ends_with(&format!("{END}\n")) {
            if self.answers.read_line(&mut answer).unwrap() == 0 {
                let mut error = String::new();
                self.psql.stderr.take().unwrap().read_to_string(&mut error).unwrap();
                panic!("{text}\n{error}");
            }
        }
        answer.truncate(answer.len() - END.len() - 1);
        answer.trim_end_matches('\n').to_owned()
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        drop(self.psql.stdin.take());
        let _ = self.psql.wait();
    }
}

/// What no row consists of.
const END: &str = "--- that was all ---";
