//! The manual page: options from the command line's definition, all else from README.md and docs/.

use std::io;

use clap_mangen::Man;

use super::markdown;

/// heimdall(1), as man(7) has it.
pub(super) fn page() -> io::Result<String> {
    let command = heimdall::cli::command();
    let usage = command.clone().render_usage().to_string();
    let man = Man::new(command);
    let mut head = Vec::new();
    man.render_name_section(&mut head)?;
    let mut options = Vec::new();
    man.render_options_section(&mut options)?;

    let mut page = TITLE.to_owned();
    page += &String::from_utf8_lossy(&head);
    page += ".SH SYNOPSIS\n";
    for line in usage.lines() {
        let line = line.trim_start_matches("Usage:").trim();
        page += &format!("{}\n.br\n", markdown::inline(line));
    }
    page += ".SH DESCRIPTION\n";
    page += &markdown::blocks(section("# heimdall")?);
    page += &below_options(&String::from_utf8_lossy(&options));
    for (title, headings) in SECTIONS {
        page += &format!(".SH \"{title}\"\n");
        for heading in *headings {
            if headings.len() > 1 {
                page += &format!(".SS \"{}\"\n", heading.trim_start_matches(['#', ' ']));
            }
            page += &markdown::blocks(section(heading)?);
        }
    }
    page += ".SH \"SEE ALSO\"\n";
    page += SEE_ALSO;
    Ok(page)
}

/// clap makes each heading of `--help` a section beside OPTIONS, in capitals.
fn below_options(text: &str) -> String {
    let mut page = String::new();
    for line in text.lines() {
        page += &match line.strip_prefix(".SH ").map(|title| title.trim_matches('"')) {
            Some(title) if title != "OPTIONS" => {
                let (first, rest) = title.split_at(1);
                format!(".SS \"{first}{}\"\n", rest.to_lowercase())
            }
            _ => format!("{line}\n"),
        };
    }
    page
}

/// Without a date, so that the same source makes the same page.
const TITLE: &str =
    concat!(".TH HEIMDALL 1 \"\" \"heimdall ", env!("CARGO_PKG_VERSION"), "\" \"User Commands\"\n");

const PAGES: &str = concat!(
    include_str!("../../README.md"),
    include_str!("../../docs/recipes.md"),
    include_str!("../../docs/usage.md"),
    include_str!("../../docs/daemon.md"),
    include_str!("../../docs/stop.md"),
    include_str!("../../docs/server.md"),
    include_str!("../../docs/connecting.md"),
    include_str!("../../docs/waiting.md"),
    include_str!("../../docs/failures.md"),
    include_str!("../../docs/poolers.md"),
    include_str!("../../docs/promises.md"),
    include_str!("../../docs/locks.md"),
);

/// The page's sections after OPTIONS, and the headings whose text each is made of.
const SECTIONS: &[(&str, &[&str])] = &[
    (
        "EXAMPLES",
        &[
            "## Cron",
            "## A migration step",
            "## A script that locks itself",
            "## A singleton daemon",
            "## Readers and a writer",
            "## N workers",
        ],
    ),
    ("DURATIONS", &["## Durations"]),
    ("EXIT STATUS", &["## Exit codes"]),
    ("ENVIRONMENT", &["## What heimdall reads", "## What the program sees", "## The fencing token"]),
    ("CONNECTING", &["## Which server", "## Several hosts", "## TLS", "## Which database"]),
    ("WAITING", &["# How does it wait for a lock?"]),
    ("LEASES", &["# What happens when the network or a host fails?"]),
    (
        "DAEMONS",
        &[
            "## Started again",
            "## When the lock is lost",
            "## Under a service manager",
            "## Metrics",
            "## The status file",
            "## A readiness probe",
        ],
    ),
    ("STOPPING", &["# How do I stop a job, wherever it runs?", "## Who may"]),
    ("POOLERS", &["# Does it work through a connection pooler?"]),
    ("GUARANTEES", &["# What is promised, and which test proves it?"]),
    ("LIMITS", &["## What it does not promise"]),
    ("THE LOCK ON THE SERVER", &["## What it does on the server", "## Who holds it?", "## Names and keys"]),
];

const SEE_ALSO: &str = "\\fBflock\\fR(1), \\fBtimeout\\fR(1), \\fBenv\\fR(1), \\fBpsql\\fR(1)
.PP
The documentation of heimdall: \\fIdocs/\\fR in its source and its archives, \\fI/usr/share/doc/heimdall\\-lock/docs/\\fR where a
package has installed it
.PP
PostgreSQL documentation: \"Explicit Locking\", \"libpq: Connection Strings\", \"The pg_locks view\"
";

/// What stands between a heading and the next one.
fn section(heading: &str) -> io::Result<&'static str> {
    let missing = || io::Error::other(format!("no page has {heading:?}"));
    let (_, rest) = PAGES.split_once(&format!("{heading}\n")).ok_or_else(missing)?;
    Ok(["\n# ", "\n## ", "\n### "]
        .iter()
        .filter_map(|next| rest.split_once(next))
        .map(|(section, _)| section)
        .min_by_key(|section| section.len())
        .unwrap_or(rest))
}
