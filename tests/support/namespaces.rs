//! Two hosts for a test, each a network namespace: a server's and a client's, with a cable between them.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::did_not_run;
use super::heimdall::Heimdall;
use super::postgres::{Cluster, ClusterOptions};

/// Two network namespaces; all that runs in them is killed, and they are gone, when dropped or when the tests end,
/// however they do.
pub struct Namespaces {
    server: String,
    client: String,
    guard: Child,
}

impl Namespaces {
    /// Makes them; where this machine does not let us, says so, and that a test of this name did not run.
    pub fn for_test(name: &str) -> Option<Self> {
        match lack() {
            None => Some(Self::new()),
            Some(lack) => {
                did_not_run(name, lack);
                None
            }
        }
    }

    fn new() -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let [server, client] =
            ["server", "client"].map(|side| format!("heimdall-{}-{number}-{side}", process::id()));
        let mut guard = Command::new("sh")
            .args(["-c", GUARD, "guard", &server, &client, SERVER, CLIENT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("sh starts");
        let mut ready = String::new();
        BufReader::new(guard.stdout.as_mut().unwrap()).read_line(&mut ready).unwrap();
        let namespaces = Self { server, client, guard };
        assert_eq!(ready, "ready\n", "ip netns fails");
        namespaces
    }

    /// Starts a PostgreSQL server on the server's side, which trusts everybody.
    pub fn start_cluster(&self, options: &ClusterOptions) -> Cluster {
        let configuration = format!("listen_addresses = '127.0.0.1,{SERVER}'\n{}", options.configuration);
        let options = ClusterOptions { configuration, hba: options.hba.clone() };
        Cluster::start_within(&within(&self.server), &options)
    }

    /// `host=… port=…`: how the client reaches a server started here.
    #[allow(clippy::unused_self, reason = "it reads as what it is: an address between these two")]
    pub fn tcp(&self, cluster: &Cluster) -> String {
        format!("host={SERVER} port={}", cluster.port())
    }

    /// heimdall on the client's side.
    pub fn heimdall(&self) -> Heimdall {
        Heimdall::within(&within(&self.client))
    }

    /// A command on the server's side.
    pub fn on_server(&self, program: &str) -> Command {
        command(&self.server, program)
    }

    /// A command on the client's side.
    pub fn on_client(&self, program: &str) -> Command {
        command(&self.client, program)
    }

    /// Cuts the client off: from now on what is sent on either side vanishes without a word.
    pub fn pull_the_cable(&self) {
        self.set_link("down");
    }

    /// Undoes [`Namespaces::pull_the_cable`].
    pub fn plug_the_cable(&self) {
        self.set_link("up");
    }

    fn set_link(&self, state: &str) {
        let status = Command::new("ip").args(["-n", &self.client, "link", "set", "cable", state]).status();
        assert!(status.unwrap().success(), "ip link set cable {state}");
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// What has to be there to make a network namespace, and is not.
fn lack() -> Option<&'static str> {
    let works = |program: &str, arguments: &[&str]| {
        let status =
            Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    if !rustix::process::geteuid().is_root() {
        Some("network namespaces need root")
    } else if !works("ip", &["-V"]) {
        Some("network namespaces need the program ip, of iproute2")
    } else if !works("unshare", &["--net", "--mount", "true"]) {
        Some("this system does not let root make network namespaces")
    } else {
        None
    }
}

fn within(namespace: &str) -> [&str; 4] {
    ["ip", "netns", "exec", namespace]
}

fn command(namespace: &str, program: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(&within(namespace)[1..]).arg(program);
    command
}

/// Link-local addresses, which mean something within the two namespaces only.
const SERVER: &str = "169.254.1.1";
const CLIENT: &str = "169.254.1.2";

/// Makes the namespaces `$1` and `$2` with the addresses `$3` and `$4`, says that they are ready, and removes them
/// when standard input ends, which it does when the test process is gone.
///
/// In a process group of its own, so that Ctrl-C stops the tests and not the one who tidies up. What a PostgreSQL
/// server's own guard still has to tidy up gets five seconds.
const GUARD: &str = r#"
set -e
ip netns add "$1"
ip netns add "$2"
ip -n "$1" link add cable type veth peer name cable netns "$2"
ip -n "$1" address add "$3/30" dev cable
ip -n "$2" address add "$4/30" dev cable
for name in "$1" "$2"; do
    ip -n "$name" link set lo up
    ip -n "$name" link set cable up
done
echo ready
set +e
cat >/dev/null
for name in "$2" "$1"; do
    patience=0
    [ "$name" = "$2" ] || patience=50
    while pids=$(ip netns pids "$name") && [ -n "$pids" ] && [ $patience -gt 0 ]; do
        sleep 0.1
        patience=$((patience - 1))
    done
    [ -z "$pids" ] || kill -KILL $pids
    ip netns delete "$name"
done
"#;
