//! One connection string, tried by heimdall and by psql: what becomes of it has to be the same.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, mem, thread};

use super::heimdall::{Heimdall, Outcome};
use super::postgres::{TlsServer, psql_version, tls};

/// What is to become of an attempt to connect.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    /// Both log in.
    Runs,
    /// Both log in, and heimdall says one line with these words.
    Warns(&'static str),
    /// Neither does: heimdall's exit code, words that both say, and words that heimdall says besides.
    Fails(i32, &'static str, &'static str),
    /// psql logs in and heimdall doesn't: its exit code, its words, and why.
    IsStricter(i32, &'static str, &'static str),
    /// heimdall logs in and psql doesn't: what psql says, and why.
    IsKinder(&'static str, &'static str),
}

/// Attempts and what became of them; all that was not as expected is told, and fails, when this is dropped.
///
/// In a connection string and in words, `DIR` is the directory of the certificates, and `HOME` the home directory.
pub struct Comparison {
    pub server: TlsServer,
    home: PathBuf,
    variable: Option<(&'static str, PathBuf)>,
    surprises: String,
}

impl Comparison {
    /// With a server that presents the certificate of this name.
    pub fn with(certificate: &str) -> Self {
        let server = tls().server(certificate);
        let home = home(&server, "empty", &[]);
        Self { server, home, variable: None, surprises: String::new() }
    }

    /// From now on, HOME has a `.postgresql` with these files: a certificate's or key's name there, and the name
    /// that libpq looks for.
    pub fn with_home(&mut self, name: &str, files: &[(&str, &str)]) {
        self.home = home(&self.server, name, files);
    }

    /// From now on, this is in the environment.
    pub fn with_variable(&mut self, name: &'static str, value: &Path) {
        self.variable = Some((name, value.to_owned()));
    }

    /// Has both connect to the server, as `conninfo` says.
    pub fn check(&mut self, what: &str, conninfo: &str, fate: Fate) {
        let conninfo = self.complete(conninfo);
        let (psql, heimdall) = thread::scope(|scope| {
            let psql = scope.spawn(|| self.psql(&conninfo));
            (psql.join().unwrap(), self.heimdall(&conninfo))
        });
        self.judge_psql(what, &conninfo, &psql, fate);
        self.judge_heimdall(what, &conninfo, &heimdall, fate);
    }

    /// As [`Comparison::check`], where libpq knows this since a major version; before, heimdall alone.
    pub fn check_since(&mut self, version: u32, what: &str, conninfo: &str, fate: Fate) {
        if psql_version() >= version {
            return self.check(what, conninfo, fate);
        }
        let conninfo = self.complete(conninfo);
        self.judge_heimdall(what, &conninfo, &self.heimdall(&conninfo), fate);
    }

    fn judge_psql(&mut self, what: &str, conninfo: &str, result: &Result<(), String>, fate: Fate) {
        let fits = match (result, fate) {
            (Ok(()), Fate::Runs | Fate::Warns(_) | Fate::IsStricter(..)) => true,
            (Err(said), Fate::Fails(_, words, _) | Fate::IsKinder(words, _)) => {
                said.contains(&self.spell_out(words))
            }
            _ => false,
        };
        if !fits {
            self.surprise(&format!("psql, {what}: {conninfo}\n  {result:?}\n  is not {fate:?}"));
        }
    }

    fn judge_heimdall(&mut self, what: &str, conninfo: &str, outcome: &Outcome, fate: Fate) {
        let (code, words, lines) = match fate {
            Fate::Runs | Fate::IsKinder(..) => (0, ["", ""], 0),
            Fate::Warns(words) => (0, [words, ""], 1),
            Fate::Fails(code, words, more) => (code, [words, more], 1),
            Fate::IsStricter(code, words, _) => (code, [words, ""], 1),
        };
        let printed = if code == 0 { "ran\n" } else { "" };
        let fits = (outcome.code, outcome.stdout.as_str()) == (Some(code), printed)
            && words.iter().all(|words| outcome.stderr.contains(&self.spell_out(words)))
            && is_decent(&outcome.stderr, lines);
        if !fits {
            self.surprise(&format!("heimdall, {what}: {conninfo}\n  {outcome:?}\n  is not {fate:?}"));
        }
    }

    /// heimdall alone, in the environment as it is now.
    pub fn heimdall(&self, conninfo: &str) -> Outcome {
        let heimdall = Heimdall::new().env("HOME", &self.home).url(conninfo);
        let heimdall = match &self.variable {
            Some((name, value)) => heimdall.env(name, value),
            None => heimdall,
        };
        heimdall.args(["--name", conninfo, "echo", "ran"]).run()
    }

    /// psql alone, in the environment as it is now; what it said where it did not log in.
    pub fn psql(&self, conninfo: &str) -> Result<(), String> {
        let mut psql: Command = self.server.cluster.psql(conninfo);
        psql.args(["-c", "select 1"])
            .env("HOME", &self.home)
            .env("OPENSSL_CONF", self.server.pki.path("client.cnf"))
            .envs(self.variable.as_ref().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        let output = psql.output().expect("psql starts");
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Adds what all connection strings have.
    pub fn complete(&self, conninfo: &str) -> String {
        let port = self.server.cluster.port();
        format!("port={port} dbname=app connect_timeout=20 {}", self.spell_out(conninfo))
    }

    fn spell_out(&self, text: &str) -> String {
        let place = self.server.pki.path("").display().to_string();
        text.replace("DIR/", &place).replace("HOME/", &format!("{}/", self.home.display()))
    }

    fn surprise(&mut self, text: &str) {
        writeln!(self.surprises, "{text}\n").unwrap();
    }
}

impl Drop for Comparison {
    fn drop(&mut self) {
        let surprises = mem::take(&mut self.surprises);
        assert!(surprises.is_empty() || thread::panicking(), "{surprises}");
    }
}

/// Whether this is so many lines for a person, and nothing to drive a terminal with.
pub fn is_decent(text: &str, lines: usize) -> bool {
    text.lines().count() == lines && text.chars().all(|c| c == '\n' || !c.is_control())
}

/// A home directory whose `.postgresql` has copies of these certificates and keys: its name, their name there.
pub fn home(server: &TlsServer, name: &str, files: &[(&str, &str)]) -> PathBuf {
    let home = server.cluster.folder(&format!("homes/{name}"));
    if !files.is_empty() {
        server.cluster.folder(&format!("homes/{name}/.postgresql"));
    }
    for (from, to) in files {
        // With its permissions.
        fs::copy(server.pki.path(from), home.join(".postgresql").join(to)).unwrap();
    }
    home
}
