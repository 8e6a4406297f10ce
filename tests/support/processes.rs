//! Which processes there are, for those who have to end them.

use std::fs::{self, File};
use std::process::{self, Command};
use std::sync::{Arc, Once};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, getppid, setsid};

/// A process and its descendants, in whatever process group they are.
pub fn family(pid: i32) -> Vec<Pid> {
    let table = ps(&["-A", "-o", "pid=,ppid="]);
    let pairs: Vec<(i32, i32)> = table
        .lines()
        .filter_map(|line| {
            let mut ids = line.split_whitespace().map(str::parse);
            Some((ids.next()?.ok()?, ids.next()?.ok()?))
        })
        .collect();
    let mut family = vec![pid];
    let mut known = 0;
    while let Some(&parent) = family.get(known) {
        family.extend(pairs.iter().filter(|pair| pair.1 == parent).map(|pair| pair.0));
        known += 1;
    }
    family.into_iter().filter_map(Pid::from_raw).collect()
}

/// The processes, zombies aside, that were started with `NAME=VALUE` in their environment (man 5 proc).
pub fn with_environment(variable: &str) -> Vec<Pid> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap() {
        let path = entry.unwrap().path();
        let environment = fs::read(path.join("environ")).unwrap_or_default();
        if environment.split(|&byte| byte == 0).any(|pair| pair == variable.as_bytes()) {
            let pid = path.file_name().unwrap().to_string_lossy().parse();
            found.extend(pid.ok().and_then(Pid::from_raw));
        }
    }
    found
}

/// Whether it runs still; a zombie doesn't.
pub fn is_alive(pid: Pid) -> bool {
    let pid = pid.as_raw_nonzero().get().to_string();
    !matches!(ps(&["-o", "stat=", "-p", &pid]).trim().chars().next(), None | Some('Z'))
}

fn ps(arguments: &[&str]) -> String {
    let output = Command::new("ps").args(arguments).output();
    let output = output.expect("these tests need the program ps; make deps installs it");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Lets what is started from now on get the signals that the tests themselves ignore, as they do in the background of a script
/// and under nohup: a signal that is handled here has its default action in another program (man 2 execve).
pub fn do_not_pass_on_ignored_signals() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let ignored = mask.map_or(0, |mask| u64::from_str_radix(mask.trim(), 16).unwrap());
        for signal in [Signal::HUP, Signal::INT, Signal::QUIT].map(Signal::as_raw) {
            if ignored & (1 << (signal - 1)) != 0 {
                signal_hook::flag::register(signal, Arc::default()).unwrap();
            }
        }
    });
}

/// Gives up the terminal that the tests run on, so that what is started from now on behaves as it does without one. Ctrl-C
/// still reaches cargo, and when cargo is gone, so are the tests.
pub fn leave_terminal() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let cargo = getppid();
        if File::open("/dev/tty").is_ok() && setsid().is_ok() {
            thread::spawn(move || {
                while getppid() == cargo {
                    thread::sleep(Duration::from_millis(100));
                }
                process::exit(130);
            });
        }
    });
}
