//! How long a server can keep heimdall busy with certificates, before it has proved anything.

use std::process::Stdio;

use crate::support::forge::hostile::chains;
use crate::support::forge::judges::{Presenter, write};
use crate::support::pki::Pki;
use crate::{bare, children, median, milliseconds, timed_anyway};

pub fn hostile() {
    const RUNS: u32 = 20;
    let pki = Pki::new("bench-chains");
    let presenter = Presenter::start();
    let roots = pki.path("roots.pem");
    let database =
        format!("{} sslmode=verify-ca sslrootcert={} connect_timeout=10", presenter.tcp(), roots.display());
    println!("one run against a server whose certificates fill a message, mean CPU and median of {RUNS}:");
    let mut ordinary = None;
    for (what, chain) in chains() {
        presenter.present(&chain);
        write(&pki.path(""), &chain);
        let run = || {
            let mut command = bare(env!("CARGO_BIN_EXE_heimdall"));
            command.args(["--database", &database, "--name", "bench", "true"]).stderr(Stdio::null());
            command
        };
        let wall = median(RUNS as usize, || timed_anyway(&mut run()));
        let processor = children(RUNS, || run().status());
        // The first is an ordinary chain.
        let more = (processor - *ordinary.get_or_insert(processor)) * 1000.0;
        println!(
            "  {what:42} {:5.1} ms CPU, {more:5.1} more than the first (at most 50); {:6.1} ms",
            processor * 1000.0,
            milliseconds(wall)
        );
    }
}
