//! Who holds the lock and who asks for it, as a person and a program are told.

use std::fmt;
use std::time::{Duration, SystemTime};

use super::json::Value;
use super::session_name::{self, Told};
use crate::lock::Holder;
use crate::lock::bell::Asker;

/// Returns what is known of one holder, such as `process 4711 on db1 (server process 42, from 10.0.0.1, holder since …)`.
pub(in crate::cli) fn who_holds(holder: &Holder) -> String {
    Held("", std::slice::from_ref(holder)).to_string().trim_start_matches(" by ").to_owned()
}

fn from(client: &str) -> String {
    match client {
        "local" => "from the server's own host".to_owned(),
        client => format!("from {client}"),
    }
}

/// Returns what a line on a terminal says while the lock is waited for: who has it, and for how long.
pub(in crate::cli) fn held_briefly(holders: &[Holder], now: SystemTime) -> String {
    let Some((first, others)) = holders.split_first() else { return String::new() };
    let told = Told::by(first);
    let who = match (&told.place, first.pid, &first.application) {
        (Some((host, process)), ..) => format!("{host}:{process}"),
        (None, _, Some(application)) => application.clone(),
        (None, Some(pid), None) => format!("server process {pid}"),
        (None, None, None) => "a prepared transaction".to_owned(),
    };
    let moment = |text: &Option<String>| humantime::parse_rfc3339(text.as_deref()?).ok();
    // The two clocks may differ.
    let past = |moment| coarse(now.duration_since(moment).unwrap_or_default());
    let time = match (moment(&told.since), moment(&first.connected)) {
        (Some(since), _) => format!(" for {}", past(since)),
        (None, Some(connected)) => format!(", connected for {}", past(connected)),
        (None, None) => String::new(),
    };
    let others = if others.is_empty() { String::new() } else { format!(", and by {} more", others.len()) };
    format!(", {} by {who}{time}{others}", held_or_kept("held", holders))
}

/// Returns a duration in seconds for a minute or two, then in minutes, then in hours.
pub(super) fn coarse(duration: Duration) -> humantime::FormattedDuration {
    let seconds = duration.as_secs();
    let unit = match seconds {
        0..120 => 1,
        120..7200 => 60,
        _ => 3600,
    };
    humantime::format_duration(Duration::from_secs(seconds / unit * unit))
}

/// Returns the word for a lock that these hold, or the one for a lock of which they have the heir's key alone.
pub(super) fn held_or_kept<'a>(held: &'a str, holders: &[Holder]) -> &'a str {
    if holders.first().is_some_and(|first| first.is_heir) { "kept for the heir" } else { held }
}

/// Shows `: by process 4711 on db1 (server process 42, from 10.0.0.1, holder since …); and by 2 more`, as far as it is known,
/// after the text that it begins with.
pub(super) struct Held<'a>(pub(super) &'a str, pub(super) &'a [Holder]);

impl fmt::Display for Held<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, others)) = self.1.split_first() else { return Ok(()) };
        let told = Told::by(first);
        f.write_str(self.0)?;
        let first_of_all = match (first.pid, &told.place) {
            (Some(pid), Some((host, process))) => {
                write!(f, " by process {process} on {host}")?;
                Some(format!("server process {pid}"))
            }
            (Some(pid), None) => {
                write!(f, " by server process {pid}")?;
                first.application.clone()
            }
            (None, _) => {
                f.write_str(" by a prepared transaction")?;
                None
            }
        };
        let time = match (&told.since, &first.connected) {
            (Some(since), _) => Some(format!("holder since {since}")),
            (None, connected) => connected.as_ref().map(|connected| format!("connected since {connected}")),
        };
        let details = [first_of_all, first.client.as_deref().map(from), time];
        let details: Vec<String> = details.into_iter().flatten().collect();
        if !details.is_empty() {
            write!(f, " ({})", details.join(", "))?;
        }
        if others.is_empty() { Ok(()) } else { write!(f, "; and by {} more", others.len()) }
    }
}

/// Returns what is known of the one who asks, such as `process 4711 on db1 (server process 42, from 10.0.0.1)`.
pub(super) fn who_asks(asker: &Asker) -> String {
    let place = session_name::asker(&asker.application);
    let from = asker.client.as_deref().map(|client| format!(", {}", from(client))).unwrap_or_default();
    place.map_or_else(
        || format!("server process {}{from}", asker.pid),
        |(host, process)| format!("process {process} on {host} (server process {}{from})", asker.pid),
    )
}

/// Returns the fields in JSON of a holder, or of who has the heir's key.
pub(super) fn holder_fields(holder: &Holder) -> Vec<(&'static str, Value)> {
    if holder.is_heir {
        return holder.pid.map(|pid| ("heir_pid", Value::Number(pid.into()))).into_iter().collect();
    }
    let text = |name, value: Option<String>| value.map(|value| (name, Value::Text(value)));
    let told = Told::by(holder);
    let (host, process) = told.place.unzip();
    [
        holder.pid.map(|pid| ("holder_pid", Value::Number(pid.into()))),
        text("holder_application", holder.application.clone()),
        text("holder_host", host),
        process.map(|process| ("holder_process", Value::Number(process.into()))),
        text("holder_client", holder.client.clone()),
        text("holder_since", told.since),
        text("holder_connected", holder.connected.clone()),
        text("holder_token", told.token.map(|token| token.to_string())),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Returns the fields of one who asks in JSON.
pub(super) fn asker_fields(asker: &Asker) -> Vec<(&'static str, Value)> {
    let (host, process) = session_name::asker(&asker.application).unzip();
    [
        Some(("asker_pid", Value::Number(asker.pid.into()))),
        Some(("asker_role", Value::from(asker.role.as_str()))),
        host.map(|host| ("asker_host", Value::Text(host))),
        process.map(|process| ("asker_process", Value::Number(process.into()))),
        asker.client.as_deref().map(|client| ("asker_client", Value::from(client))),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::Key;

    #[test]
    fn a_line_on_a_terminal_says_who_and_for_how_long() {
        let holder = |application: &str| Holder {
            connected: Some("2026-09-21T14:13:20Z".to_owned()),
            ..Holder::example(Key::named("a", "b"), application)
        };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000 + 7500);
        let told = |holders: &[Holder]| held_briefly(holders, now);
        assert_eq!(told(&[]), "");
        assert_eq!(told(&[holder("heimdall:a/b db1:7 @1790007440")]), ", held by db1:7 for 1m");
        assert_eq!(told(&[holder("heimdall:a/b db1:7 @1799999999")]), ", held by db1:7 for 0s");
        assert_eq!(told(&[holder("psql"), holder("")]), ", held by psql, connected for 2h, and by 1 more");
        assert_eq!(told(&[holder("")]), ", held by server process 42, connected for 2h");
    }
}
