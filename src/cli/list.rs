//! `--list`: who holds and who waits, as a table or as JSON.

use super::json::{self, Value};
use super::name::{Lock, Name};
use super::options::MAX_SLOTS;
use super::report::Format;
use crate::lock::{Holder, Key};

/// Returns the text to print.
pub(super) fn text(holders: &[Holder], lock: Option<&Lock>, format: Format) -> String {
    match format {
        Format::Json => holders.iter().map(|holder| json::object(&fields(holder, lock)) + "\n").collect(),
        Format::Text => table(&holders.iter().map(|holder| cells(holder, lock)).collect::<Vec<_>>()),
    }
}

fn fields(holder: &Holder, lock: Option<&Lock>) -> Vec<(&'static str, Value)> {
    let text = |name, value: Option<String>| value.map(|value| (name, Value::Text(value)));
    [
        text("key", Some(holder.key.to_string())),
        text("lock", name(holder, lock)),
        text("mode", Some(mode(holder).to_owned())),
        Some(("granted", Value::Flag(holder.is_granted))),
        holder.pid.map(|pid| ("pid", Value::Number(pid.into()))),
        text("application", holder.application.clone()),
        text("client", holder.client.clone()),
        text("since", holder.since.clone()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

const TITLES: [&str; 8] = ["KEY", "LOCK", "MODE", "STATE", "PID", "APPLICATION", "CLIENT", "SINCE"];

fn cells(holder: &Holder, lock: Option<&Lock>) -> [Option<String>; 8] {
    [
        Some(holder.key.to_string()),
        name(holder, lock),
        Some(mode(holder).to_owned()),
        Some(if holder.is_granted { "granted" } else { "waiting" }.to_owned()),
        holder.pid.map(|pid| pid.to_string()),
        holder.application.clone(),
        holder.client.clone(),
        holder.since.clone(),
    ]
}

fn mode(holder: &Holder) -> &'static str {
    if holder.is_shared { "shared" } else { "exclusive" }
}

/// Columns are as wide as their widest cell; one of which nothing is known is left out.
fn table(rows: &[[Option<String>; 8]]) -> String {
    let mut lines = vec![String::new(); rows.len() + 1];
    for (column, title) in TITLES.into_iter().enumerate() {
        let cells: Vec<Option<&String>> =
            rows.iter().map(|row| row.get(column).and_then(Option::as_ref)).collect();
        if !rows.is_empty() && cells.iter().all(Option::is_none) {
            continue;
        }
        let cells: Vec<&str> = std::iter::once(title)
            .chain(cells.into_iter().map(|cell| cell.map_or("-", String::as_str)))
            .collect();
        let width = cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0);
        for (line, cell) in lines.iter_mut().zip(cells) {
            let gap = " ".repeat(width - cell.chars().count() + 2);
            line.extend([cell, &gap]);
        }
    }
    lines.iter().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// Returns the lock's name: that asked for, or what the heimdall that holds it says in its `application_name`, if the key
/// is really that name's.
fn name(holder: &Holder, lock: Option<&Lock>) -> Option<String> {
    if let Some(Name::Named { namespace, name }) = lock.map(|lock| &lock.name) {
        return known(holder.key, namespace, name);
    }
    let text = holder.application.as_deref()?.strip_prefix("heimdall:")?;
    text.match_indices('/').find_map(|(at, _)| {
        let (namespace, name) = text.split_at_checked(at)?;
        known(holder.key, namespace, name.strip_prefix('/')?)
    })
}

fn known(key: Key, namespace: &str, name: &str) -> Option<String> {
    let slot = (1..=MAX_SLOTS).find(|slot| Key::slot(namespace, name, *slot) == key)?;
    let number = if slot == 1 { String::new() } else { format!("#{slot}") };
    Some(format!("{}/{}{number}", namespace.escape_debug(), name.escape_debug()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(key: Key, application: &str) -> Holder {
        Holder {
            key,
            is_shared: false,
            is_granted: true,
            pid: Some(42),
            application: Some(application.to_owned()),
            client: None,
            since: None,
        }
    }

    #[test]
    fn a_name_is_believed_where_the_key_bears_it_out() {
        let of = |key, application| name(&holder(key, application), None);
        assert_eq!(of(Key::named("a/b", "c"), "heimdall:a/b/c").as_deref(), Some("a/b/c"));
        assert_eq!(of(Key::slot("a", "b", 7), "heimdall:a/b").as_deref(), Some("a/b#7"));
        assert_eq!(of(Key::named("a", "c"), "heimdall:a/b"), None);
        assert_eq!(of(Key::named("a", "b"), "psql"), None);
        assert_eq!(of(Key::Single(1), "heimdall:1"), None);
    }

    #[test]
    fn columns_that_may_not_be_seen_are_left_out() {
        let rows = [holder(Key::Pair(1, 2), "psql"), holder(Key::Single(3), "")];
        let expected = "KEY  MODE       STATE    PID  APPLICATION\n\
                        1,2  exclusive  granted  42   psql\n\
                        3    exclusive  granted  42\n";
        assert_eq!(text(&rows, None, Format::Text), expected);
        assert!(text(&[], None, Format::Text).starts_with("KEY  LOCK  MODE"));
    }
}
