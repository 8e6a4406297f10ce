//! `--check`: is this connection good for locking? A report, and the exit code that a run would have.

use std::process;
use std::time::Duration;

use crate::cli::connect::{self, failed};
use crate::cli::exit::Exit;
use crate::cli::report::half;
use crate::cli::report::json::{self, Value};
use crate::cli::report::session_name::host;
use crate::cli::report::{Format, Report};
use crate::lock::{self, Checked, Key, LockRequest, Mode, NotTcp, ServersHalf};

/// How to check.
#[derive(Debug)]
pub(in crate::cli) struct CheckOptions {
    pub(in crate::cli) allows_pooler: bool,
    pub(in crate::cli) lease: Duration,
    pub(in crate::cli) conflict_exit_code: u8,
}

/// Connects, takes and frees a lock of its own, and prints what it has found.
pub(in crate::cli) fn check(
    options: &CheckOptions,
    database: Option<&str>,
    format: Format,
    report: &Report,
) -> Result<Exit, Exit> {
    let config = connect::config(database, report)?;
    let connect = connect::options(&config, "heimdall --check", options.allows_pooler, report);
    // Those who check at the same time are in no one's way.
    let probe = format!("{} {}", host(), process::id());
    let request = LockRequest::one(Key::named("heimdall --check", &probe), Mode::Exclusive);
    let checked = lock::check(&connect, &request, options.lease).map_err(|error| failed(report, &error))?;
    let Ok(checked) = checked else {
        report.error("the probe's lock is held elsewhere; try again");
        return Err(Exit::Busy(options.conflict_exit_code));
    };
    let facts = facts(&checked, &config.user, &config.dbname, options.lease);
    Ok(super::text(
        &match format {
            Format::Text => lines(&facts),
            Format::Json => {
                json::object(&fields(&checked, &config.user, &config.dbname, options.lease)) + "\n"
            }
        },
        report,
    ))
}

/// What a person reads: a title and a line for each.
fn facts(checked: &Checked, user: &str, database: &str, lease: Duration) -> Vec<(&'static str, String)> {
    let version = checked.version.as_deref().unwrap_or("of an unknown version");
    let encryption = match (&checked.encryption, checked.is_local) {
        (Some(tls), _) => tls.clone(),
        (None, true) => "none is needed on a Unix socket".to_owned(),
        (None, false) => "none: anyone on the network path can read and change everything".to_owned(),
    };
    let verified = match (&checked.verified, checked.is_local) {
        (Some(what), _) => what.clone(),
        (None, true) => "nothing; requirepeer names the user that it must run as".to_owned(),
        (None, false) => "nothing: sslmode=verify-full makes sure that it is the server".to_owned(),
    };
    let lease = humantime::format_duration(lease);
    vec![
        ("server", format!("PostgreSQL {version}, {}", checked.server_address)),
        ("primary", "yes".to_owned()),
        ("encryption", encryption),
        ("verified", verified),
        (
            "login",
            format!("{user}, {}", checked.login.unwrap_or("without a password"))
                + &format!(", database {database}"),
        ),
        ("pooler", if checked.is_pooled { "yes, and allowed" } else { "none" }.to_owned()),
        ("round trip", format!("{:.1?}", checked.round_trip)),
        (
            "lease",
            match (&checked.servers_half, &checked.not_in_force) {
                (_, Some(what)) => format!("{lease}, on this side alone: {what}"),
                (ServersHalf::Socket, None) => {
                    format!("{lease}, on this side; the server sees at once when the socket is closed")
                }
                (half @ ServersHalf::Nothing(_), None) => {
                    format!("{lease}, on this side alone: {}", half::lack(half))
                }
                (half, None) => {
                    let cost = half::cost(half).map(|cost| format!("; {cost}")).unwrap_or_default();
                    format!("{lease}, on both sides{cost}")
                }
            },
        ),
        (
            "settings",
            if checked.settings.is_empty() {
                "none that would matter".to_owned()
            } else {
                format!("{}; heimdall overrides them for its own session", checked.settings.join(", "))
            },
        ),
        ("token", token(checked)),
        ("lock", "taken and freed".to_owned()),
    ]
}

fn token(checked: &Checked) -> String {
    let cluster =
        checked.system_identifier.map(|cluster| format!(", of cluster {cluster}")).unwrap_or_default();
    let lacks = checked.token_sources.to_string();
    let lacks = if lacks.is_empty() { lacks } else { format!(" (made without: {lacks})") };
    format!("{}{lacks}{cluster}", checked.token)
}

/// Who keeps the lease.
fn keepers(checked: &Checked) -> &'static str {
    match (&checked.servers_half, &checked.not_in_force) {
        (ServersHalf::Socket, None) => "socket",
        (ServersHalf::Nothing(_), _) | (_, Some(_)) => "heimdall",
        (_, None) => "both",
    }
}

fn has_proxy(half: &ServersHalf) -> bool {
    matches!(half, ServersHalf::IdleSession(NotTcp::Proxy(_)) | ServersHalf::Nothing(NotTcp::Proxy(_)))
}

fn lines(facts: &[(&'static str, String)]) -> String {
    facts.iter().fold(String::new(), |lines, (title, text)| lines + &format!("{title:<12}{text}\n"))
}

fn fields(checked: &Checked, user: &str, database: &str, lease: Duration) -> Vec<(&'static str, Value)> {
    let text = |name, value: Option<&str>| value.map(|value| (name, Value::from(value)));
    [
        text("server", Some(&checked.server_address)),
        text("version", checked.version.as_deref()),
        Some(("primary", Value::Flag(true))),
        text("encryption", checked.encryption.as_deref()),
        text("verified", checked.verified.as_deref()),
        text("user", Some(user)),
        text("database", Some(database)),
        text("login", checked.login),
        Some(("pooler", Value::Flag(checked.is_pooled))),
        Some(("proxy", Value::Flag(has_proxy(&checked.servers_half)))),
        i128::try_from(checked.round_trip.as_micros())
            .ok()
            .map(|micros| ("round_trip_microseconds", Value::Number(micros))),
        Some(("lease", Value::Seconds(lease))),
        text("lease_kept_by", Some(keepers(checked))),
        text("servers_half", half::setting(&checked.servers_half).filter(|_| checked.not_in_force.is_none())),
        text("not_in_force", checked.not_in_force.as_deref()),
        text("settings", Some(&checked.settings.join(", "))),
        // A number of this size is rounded where numbers are floating-point, as in JavaScript.
        text("token", Some(&checked.token.to_string())),
        text(
            "token_lacks",
            Some(&checked.token_sources.to_string()).filter(|lacks| !lacks.is_empty()).map(String::as_str),
        ),
        text("system_identifier", checked.system_identifier.map(|cluster| cluster.to_string()).as_deref()),
    ]
    .into_iter()
    .flatten()
    .collect()
}
