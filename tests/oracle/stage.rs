//! Where rows are played: sockets and ports to connect to, and a new home directory for each.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::{User, geteuid};

use super::row::{Expected, Row};
use super::server::Arrivals;
use crate::support::heimdall::Heimdall;
use crate::support::postgres::{Directory, client, psql_version};

/// Servers that note what reaches them, at several endpoints.
pub struct Stage {
    directory: Directory,
    arrivals: Arrivals,
    ports: [u16; 2],
    homes: usize,
}

impl Stage {
    pub fn new() -> Self {
        let (directory, arrivals) = (Directory::new(), Arrivals::default());
        for (name, ports) in [("a", &[1, 5432, 5433, 6432, 65535][..]), ("b", &[5432, 6432])] {
            let folder = directory.folder(name);
            for port in ports {
                arrivals.listen_locally(&folder, *port);
            }
        }
        let ports = [arrivals.listen("tcp"), arrivals.listen("tcp2")];
        Self { directory, arrivals, ports, homes: 0 }
    }

    /// Gives the row to both clients; what was not as expected.
    pub fn surprises(&mut self, row: &Row) -> Vec<String> {
        self.homes += 1;
        let home = self.directory.folder(&format!("homes/{}", self.homes));
        for (name, mode, text) in row.files {
            let path = home.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, self.fill(text, &home)).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(*mode)).unwrap();
        }
        let conninfo = self.fill(row.conninfo, &home);
        let variables: Vec<(&str, String)> = self.variables(row, &home);
        let mut surprises = Vec::new();
        let mut judge = |client: &str, expected: Expected, (code, said): (Option<i32>, String)| {
            let wanted = match expected {
                Expected::Login(login) => self.fill(login, &home),
                Expected::Failure(..) => String::new(),
            };
            let arrived = self.arrivals.take(&wanted);
            let fits = match expected {
                Expected::Login(login) => code != Some(0) && !login.is_empty(),
                Expected::Failure(wanted, words) => {
                    (wanted.is_none() || code == wanted)
                        && !words.is_empty()
                        && said.contains(&self.fill(words, &home))
                }
            };
            if !fits || arrived != wanted || !said.contains(&self.fill(row.words, &home)) {
                surprises.push(format!(
                    "{client}: {conninfo:?} {:?} {:?}\n  reached {arrived:?}, exit code {code:?}: {said}\
                     \n  and not {expected:?} {:?} ({})\n",
                    row.variables,
                    row.files,
                    row.words,
                    row.fate.reason()
                ));
            }
        };
        if psql_version() >= row.since {
            judge("psql", row.fate.of_psql(), psql(&conninfo, &variables, &home));
        }
        judge("heimdall", row.fate.of_heimdall(), heimdall(&conninfo, &variables, &home));
        surprises
    }

    /// By default, `postgres://` is enough to get somewhere.
    fn variables<'a>(&self, row: &Row, home: &Path) -> Vec<(&'a str, String)> {
        let common = [("HOME", "{home}"), ("PGHOST", "{a}"), ("PGUSER", "ann"), ("PGDATABASE", "app")];
        let variables = common.iter().chain(row.variables);
        variables.map(|(name, value)| (*name, self.fill(value, home))).collect()
    }

    fn fill(&self, text: &str, home: &Path) -> String {
        let mut text = text.to_owned();
        for name in ["a", "b"] {
            let path = self.directory.path().join(name).display().to_string();
            text = text.replace(&format!("{{{name}}}"), &path);
            text = text.replace(&format!("{{%{name}}}"), &path.replace('/', "%2F"));
        }
        for (name, value) in [
            ("{port}", self.ports[0].to_string()),
            ("{port2}", self.ports[1].to_string()),
            ("{home}", home.display().to_string()),
            ("{user}", User::from_uid(geteuid()).unwrap().expect("a user in passwd").name),
            ("{long}", "long".repeat(300)),
        ] {
            text = text.replace(name, &value);
        }
        text
    }
}

/// Both run in the home directory, as in one that may be a stranger's; the exit code, and all that is said.
fn psql(conninfo: &str, variables: &[(&str, String)], home: &Path) -> (Option<i32>, String) {
    let output = Command::new(client("psql"))
        .current_dir(home)
        .env_clear()
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .args(["-Xw", "-c", "select 1", "-d", conninfo])
        .stdin(Stdio::null())
        .output()
        .expect("psql starts");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn heimdall(conninfo: &str, variables: &[(&str, String)], home: &Path) -> (Option<i32>, String) {
    let heimdall = Heimdall::new().directory(home).database(conninfo).args(["--name", "oracle", "true"]);
    let outcome = variables.iter().fold(heimdall, |heimdall, (name, value)| heimdall.env(name, value)).run();
    (outcome.code, outcome.stderr)
}
