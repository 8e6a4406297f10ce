//! A server that takes over the data of one of an earlier major version.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::binaries;
use super::directory::Directory;
use super::{Cluster, ClusterOptions, path_text};

/// The programs of a later major version than that of the tests' servers, `pg_upgrade` among them: those that
/// `HEIMDALL_PG_UPGRADE_BIN` names, or of a package. `None` where there are none, or the tests' server lacks programs itself
/// that `pg_upgrade` needs.
pub fn later_version() -> Option<&'static Path> {
    static LATER: OnceLock<Option<PathBuf>> = OnceLock::new();
    let find = || {
        let ours = binaries::bin();
        let is_later =
            |bin: &PathBuf| major(bin) > major(ours) && has(bin, &["initdb", "pg_upgrade", "pg_dump"]);
        let named =
            env::var_os("HEIMDALL_PG_UPGRADE_BIN").filter(|value| !value.is_empty()).map(PathBuf::from);
        let found = named.into_iter().chain(binaries::packages()).find(is_later)?;
        has(ours, &["pg_controldata", "pg_ctl", "pg_resetwal"]).then_some(found)
    };
    LATER.get_or_init(find).as_deref()
}

fn has(bin: &Path, programs: &[&str]) -> bool {
    programs.iter().all(|program| bin.join(program).is_file())
}

fn major(bin: &Path) -> Option<u32> {
    let output = Command::new(bin.join("postgres")).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split(|c: char| !c.is_ascii_digit()).find(|number| !number.is_empty())?.parse().ok()
}

impl Cluster {
    /// Starts a server of the version of these programs on the data of this one, which has to be stopped.
    pub fn start_upgraded(&self, bin: &'static Path) -> Self {
        let directory = Directory::new();
        let run = |program: &str, arguments: &[&str]| {
            let output =
                directory.command(&bin.join(program)).args(arguments).output().expect("a program starts");
            let (out, err) =
                (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success(), "{program}: {out}{err}");
            out.into_owned()
        };
        let [from, to] = [&self.directory, &directory].map(|place| path_text(place).to_owned() + "/data");
        let options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"];
        // Which version 18 has by default, and earlier ones have not.
        let no_checksums = "--no-data-checksums";
        let has_option = run("initdb", &["--help"]).contains(no_checksums);
        run("initdb", &[&options[..], &[no_checksums][..usize::from(has_option)], &["-D", &to]].concat());
        let place = path_text(&directory);
        run(
            "pg_upgrade",
            &[
                "-U",
                "postgres",
                "-b",
                self.bin.to_str().unwrap(),
                "-B",
                bin.to_str().unwrap(),
                "-d",
                &from,
                "-D",
                &to,
                "-s",
                place,
            ],
        );
        Self::launch(&[], bin, directory, &ClusterOptions::default()).expect("a port that stays free")
    }
}
