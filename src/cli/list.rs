//! `--list`: who holds and who waits, as a table or as JSON.

use std::io::{self, Write};

use super::json::{self, Value};
use super::name::{Lock, Name};
use super::options::MAX_SLOTS;
use super::report::Format;
use crate::lock::{Holder, Key};

/// Writes a line for each, as it is made: there may be many.
pub(super) fn write(
    holders: &[Holder],
    lock: Option<&Lock>,
    format: Format,
    out: &mut impl Write,
) -> io::Result<()> {
    match format {
        Format::Json => {
            holders.iter().try_for_each(|holder| writeln!(out, "{}", json::object(&fields(holder, lock))))
        }
        Format::Text => table(|| holders.iter().map(|holder| cells(holder, lock)), out),
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
fn table<R: Iterator<Item = [Option<String>; 8]>>(
    rows: impl Fn() -> R,
    out: &mut impl Write,
) -> io::Result<()> {
    let titles = TITLES.map(|title| Some(title.to_owned()));
    let mut widths = [0; 8];
    for row in rows() {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.map_or(0, |cell| cell.chars().count()));
        }
    }
    let is_empty = widths.iter().all(|width| *width == 0);
    for row in std::iter::once(titles).chain(rows()) {
        let mut line = String::new();
        for ((width, title), cell) in widths.iter().zip(TITLES).zip(row) {
            if is_empty || *width > 0 {
                let cell = cell.as_deref().unwrap_or("-");
                let width = title.len().max(*width);
                let padded = format!("{cell:width$}  ");
                line += &padded;
            }
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
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
    if !key.is_in(namespace) {
        return None;
    }
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

    fn text(holders: &[Holder]) -> String {
        let mut out = Vec::new();
        write(holders, None, Format::Text, &mut out).unwrap();
        String::from_utf8(out).unwrap()
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
        assert_eq!(text(&rows), expected);
        assert!(text(&[]).starts_with("KEY  LOCK  MODE"));
    }
}
