//! The page's unit under a real systemd: a user's, in namespaces of its own, with no other unit.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{self, Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::support::heimdall::{BINARY, Heimdall};
use crate::support::postgres::shared;
use crate::support::{did_not_run, poll, write_program};

const PAGE: &str = include_str!("../../docs/daemon.md");

#[test]
fn systemd_takes_a_standby_for_active_shows_what_goes_on_and_starts_a_stuck_heimdall_again() {
    let Some(mut world) = World::start("standby") else { return };
    let conninfo = format!("{} user=trust_user dbname=app", shared().tcp());
    let starts = world.folder.join("starts");
    world.write("dispatcher.env", &format!("DATABASE_URL='{conninfo}'\n"));
    write_program(
        &world.folder.join("dispatcher"),
        format!("#!/bin/sh\necho $HEIMDALL_FENCING_TOKEN $$ >>'{}'\nexec sleep 1000\n", starts.display()),
    );
    let unit = PAGE.split_once("```ini\n").unwrap().1.split_once("```").unwrap().0;
    let here = |name: &str| world.folder.join(name).to_str().unwrap().to_owned();
    let unit = unit
        .replace("/usr/local/bin/heimdall", &format!("\"{BINARY}\""))
        .replace("/usr/local/bin/dispatcher", &format!("\"{}\"", here("dispatcher")))
        .replace("/etc/dispatcher.env", &here("dispatcher.env"))
        // The server may have started just now.
        .replace("--lease 20s", "--lease 2s")
        // For a test's patience.
        .replace("WatchdogSec=2min", "WatchdogSec=3s")
        .replace("RestartSec=5", "RestartSec=100ms");
    world.write("dispatcher.service", &unit);
    let holder =
        Heimdall::new().database(&conninfo).args(["--namespace", "billing", "--name", "dispatcher"]).hold();
    assert_eq!(world.run("systemctl --user start dispatcher; echo $?"), "0\n");
    let status = "systemctl --user status dispatcher";
    let waits = world.wait_for(status, "waiting for the lock billing/dispatcher, held by process ");
    assert!(waits.contains("Active: active (running)"), "{waits}");
    holder.finish();
    world.wait_for(status, ": acquired the lock billing/dispatcher, ");
    // What is stopped gives no sign of life.
    world.run("kill -STOP $(systemctl --user show dispatcher --property MainPID --value)");
    let count = format!("wc -l <'{}'", starts.display());
    world.wait_for(&count, "2");
    let starts = fs::read_to_string(starts).unwrap();
    let starts: Vec<(i64, &str)> = starts
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(token, pid)| (token.parse().unwrap(), pid))
        .collect();
    assert!(starts[1].0 > starts[0].0, "{starts:?}");
    assert_eq!(world.run(&format!("kill -0 {} 2>&- || echo dead", starts[0].1)), "dead\n");
    world.run("systemctl --user stop dispatcher");
    let end = world.run("systemctl --user show dispatcher --property Result --property ActiveState");
    assert!(end.contains("Result=success") && end.contains("ActiveState=inactive"), "{end}");
}

/// The template of the packages, as far as system calls go: what may not be called fails, and ends no job.
#[test]
fn a_job_of_the_packaged_unit_lives_on_after_what_it_may_not_do() {
    let Some(mut world) = World::start("filter") else { return };
    let unit = include_str!("../../packaging/systemd/heimdall@.service");
    let filter: Vec<&str> = unit.lines().filter(|line| line.starts_with("SystemCall")).collect();
    let file = world.folder.join("file");
    fs::write(&file, "").unwrap();
    let command = format!("/bin/sh -c 'chown 1:1 {0} || exec touch {0}.refused'", file.display());
    let unit =
        format!("[Service]\nType=oneshot\nNoNewPrivileges=yes\n{}\nExecStart={command}\n", filter.join("\n"));
    world.write("job.service", &unit);
    assert_eq!(world.run("systemctl --user start job; echo $?"), "0\n", "{}", world.log());
    assert!(file.with_extension("refused").exists(), "{}", world.log());
}

/// systemd, and a shell beside it that takes commands; all of it is gone when dropped.
struct World {
    shell: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Where its units are.
    folder: PathBuf,
}

impl World {
    /// Where this system does not let us, says so.
    fn start(name: &str) -> Option<Self> {
        if let Some(lack) = lack(name) {
            did_not_run("the unit under systemd", lack);
            return None;
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("systemd-{name}"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let cgroup = format!("heimdall-{name}-{}", process::id());
        let mut shell = Command::new("sh")
            .args(["-c", OUTSIDE, "outside", &cgroup, INSIDE])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (commands, answers) = (shell.stdin.take().unwrap(), shell.stdout.take().unwrap());
        let mut world = Self { shell, commands, answers: BufReader::new(answers), folder };
        // Without them systemd starts no service.
        for target in ["default", "basic", "shutdown", "network-online"] {
            world.write(&format!("{target}.target"), "[Unit]\n");
        }
        assert_eq!(world.run("start_systemd"), "running\n", "{}", world.log());
        Some(world)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.join(name), text).unwrap();
    }

    /// Returns what a command prints.
    fn run(&mut self, command: &str) -> String {
        self.commands.write_all(format!("{command}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        while !answer.ends_with(END) {
            let length = self.answers.read_line(&mut answer).unwrap();
            assert!(length > 0, "the shell is gone after {answer:?}: {}", self.log());
        }
        answer.truncate(answer.len() - END.len());
        answer
    }

    /// Runs a command until it prints this text; returns all that it has printed then.
    fn wait_for(&mut self, command: &str, text: &str) -> String {
        let mut last = String::new();
        let found = poll(Duration::from_secs(60), || {
            last = self.run(command);
            last.contains(text).then_some(())
        });
        assert!(found.is_some(), "no {text:?} in {last}: {}", self.log());
        last
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.commands.write_all(b"exit\n");
        let _ = self.shell.wait();
    }
}

/// What has to be there, and is not.
fn lack(name: &str) -> Option<&'static str> {
    if !Path::new("/lib/systemd/systemd").exists() {
        return Some("there is no systemd");
    }
    let works = Command::new("unshare")
        .args(["--mount", "--pid", "--fork", "--mount-proc", "--cgroup", "sh", "-c"])
        .arg("mount -t cgroup2 none /sys/fs/cgroup && mkdir /sys/fs/cgroup/$0 && rmdir /sys/fs/cgroup/$0")
        .arg(format!("heimdall-try-{name}-{}", process::id()))
        .stderr(Stdio::null())
        .status();
    let works = works.is_ok_and(|status| status.success());
    (!works).then_some("this system does not let us make namespaces and control groups")
}

/// Gives the control group `$1` to a world, in which the shell runs `$2` with `$3`.
const OUTSIDE: &str = r#"
root=/sys/fs/cgroup/unified
[ -d $root ] || root=/sys/fs/cgroup
own=$root$(sed -n 's/^0:://p' /proc/self/cgroup)
mkdir "$own/$1" && echo $$ >"$own/$1/cgroup.procs" || exit
unshare --mount --pid --fork --kill-child --mount-proc --cgroup sh -c "$2" inside "$3"
echo $$ >"$own/cgroup.procs"
find "$own/$1" -depth -type d -exec rmdir {} \;
"#;

/// Reads commands; `start_systemd` is one, which finds its units in the folder `$1`.
const INSIDE: &str = r#"
mount -t tmpfs none /run && mount -t tmpfs none /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup || exit
# As on a system that was booted with systemd.
mkdir -p /run/systemd/system /run/user
export XDG_RUNTIME_DIR=/run/user SYSTEMD_UNIT_PATH="$1"
folder=$1
start_systemd() {
    /lib/systemd/systemd --user --unit=default.target --log-target=console >"$folder/log" 2>&1 &
    tries=0
    until systemctl --user is-active --quiet default.target 2>&-; do
        tries=$((tries + 1))
        [ $tries -lt 300 ] || return
        sleep 0.1
    done
    echo running
}
while read -r line; do
    eval "$line"
    echo end of answer
done
"#;

const END: &str = "end of answer\n";
