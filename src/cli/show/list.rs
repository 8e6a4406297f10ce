//! `--list`: who holds and who waits, as a table or as JSON.

use std::io::{self, Write};
use std::time::Duration;

use crate::cli::options::name::{Lock, Name};
use crate::cli::report::Format;
use crate::cli::report::json::{self, Value};
use crate::cli::report::session_name::{self, Told};
use crate::lock::Holder;

/// What to list, and how often.
#[derive(Debug)]
pub(in crate::cli) struct ListOptions {
    /// `None` is every lock of the database.
    pub(in crate::cli) lock: Option<Lock>,
    pub(in crate::cli) allows_pooler: bool,
    /// Again and again, in such pauses; `None` is once.
    pub(in crate::cli) interval: Option<Duration>,
}

/// Writes a line for each, as it is made: there may be many.
pub(super) fn write(
    holders: &[Holder],
    lock: Option<&Lock>,
    format: Format,
    out: &mut impl Write,
) -> io::Result<()> {
    match format {
        Format::Json => {
            objects(holders, lock).try_for_each(|fields| writeln!(out, "{}", json::object(&fields)))
        }
        Format::Text => lines(holders, lock).try_for_each(|line| writeln!(out, "{line}")),
    }
}

/// Returns the fields of each in JSON.
pub(super) fn objects<'a>(
    holders: &'a [Holder],
    lock: Option<&'a Lock>,
) -> impl Iterator<Item = Vec<(&'static str, Value)>> {
    named(holders, lock).map(fields)
}

fn fields((holder, told, name): Named<'_>) -> Vec<(&'static str, Value)> {
    let text = |name, value: Option<String>| value.map(|value| (name, Value::Text(value)));
    let (host, process) = told.place.unzip();
    [
        text("key", Some(holder.key.to_string())),
        text("lock", name),
        text("mode", Some(mode(holder).to_owned())),
        Some(("granted", Value::Flag(holder.is_granted))),
        holder.is_heir.then_some(("heir", Value::Flag(true))),
        holder.pid.map(|pid| ("pid", Value::Number(pid.into()))),
        text("application", holder.application.clone()),
        text("host", host),
        process.map(|process| ("process", Value::Number(process.into()))),
        text("client", holder.client.clone()),
        text("since", told.since),
        text("connected", holder.connected.clone()),
        // As text, since JavaScript and others round a number of its size.
        text("token", told.token.map(|token| token.to_string())),
    ]
    .into_iter()
    .flatten()
    .collect()
}

const TITLES: [&str; COLUMNS] =
    ["KEY", "LOCK", "MODE", "STATE", "PID", "APPLICATION", "HOST", "CLIENT", "SINCE", "CONNECTED", "TOKEN"];

const COLUMNS: usize = 11;

fn cells((holder, told, name): Named<'_>) -> [Option<String>; COLUMNS] {
    // The rest of what a heimdall's says stands in other columns.
    let is_heimdall = told != Told::default();
    [
        Some(holder.key.to_string()),
        name,
        Some(mode(holder).to_owned()),
        Some(state(holder).to_owned()),
        holder.pid.map(|pid| pid.to_string()),
        if is_heimdall { Some("heimdall".to_owned()) } else { holder.application.clone() },
        told.place.map(|(host, process)| format!("{host}:{process}")),
        holder.client.clone(),
        told.since,
        holder.connected.clone(),
        told.token.map(|token| token.to_string()),
    ]
}

fn mode(holder: &Holder) -> &'static str {
    if holder.is_shared { "shared" } else { "exclusive" }
}

fn state(holder: &Holder) -> &'static str {
    match holder {
        Holder { is_granted: true, .. } => "granted",
        Holder { is_heir: true, .. } => "heir",
        _ => "waiting",
    }
}

/// Returns the lines of a table. Columns are as wide as their widest cell; one of which nothing is known is left out.
pub(super) fn lines<'a>(holders: &'a [Holder], lock: Option<&'a Lock>) -> impl Iterator<Item = String> {
    let rows = || named(holders, lock).map(cells);
    let titles = TITLES.map(|title| Some(title.to_owned()));
    let mut widths = [0; COLUMNS];
    for row in rows() {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.map_or(0, |cell| cell.chars().count()));
        }
    }
    let is_empty = widths.iter().all(|width| *width == 0);
    std::iter::once(titles).chain(rows()).map(move |row| {
        let mut line = String::new();
        for ((width, title), cell) in widths.iter().zip(TITLES).zip(row) {
            if is_empty || *width > 0 {
                let cell = cell.as_deref().unwrap_or("-");
                let width = title.len().max(*width);
                let padded = format!("{cell:width$}  ");
                line += &padded;
            }
        }
        line.truncate(line.trim_end().len());
        line
    })
}

/// A holder, what it tells of itself, and its lock's name: that asked for, or what it or any other heimdall that holds the
/// lock or waits for it says.
type Named<'a> = (&'a Holder, Told, Option<String>);

fn named<'a>(holders: &'a [Holder], lock: Option<&'a Lock>) -> impl Iterator<Item = Named<'a>> {
    let asked = lock.and_then(|lock| match &lock.name {
        Name::Named { namespace, name } => Some((namespace, name)),
        Name::Key(_) => None,
    });
    // Those of one key stand side by side.
    holders.chunk_by(|one, other| one.key == other.key).flat_map(move |same| {
        let name = match asked {
            Some((namespace, name)) => {
                same.first().and_then(|holder| session_name::known(holder.key, namespace, name))
            }
            None => same.iter().find_map(|holder| Told::by(holder).name),
        };
        same.iter().map(move |holder| {
            let told = Told::by(holder);
            let own = told.name.clone().filter(|_| asked.is_none());
            (holder, told, own.or_else(|| name.clone()))
        })
    })
}

#[cfg(test)]
mod tests {
    use rustix::time::{ClockId, clock_gettime};

    use super::*;
    use crate::lock::Key;

    fn text(holders: &[Holder]) -> String {
        let mut out = Vec::new();
        write(holders, None, Format::Text, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_that_may_not_be_seen_are_left_out() {
        let rows = [Holder::example(Key::Pair(1, 2), "psql"), Holder::example(Key::Single(3), "")];
        let expected = "KEY  MODE       STATE    PID  APPLICATION\n\
                        1,2  exclusive  granted  42   psql\n\
                        3    exclusive  granted  42   -\n";
        assert_eq!(text(&rows), expected);
        assert!(text(&[]).starts_with("KEY  LOCK  MODE"));
    }

    #[test]
    fn what_a_heimdall_tells_of_itself_has_columns_of_its_own_and_names_the_lock_for_others() {
        let key = Key::named("a", "b");
        let rows = [Holder::example(key, "heimdall:a/b db1:7 @1790000000#z"), Holder::example(key, "psql")];
        let lines = text(&rows);
        let cells: Vec<Vec<&str>> = lines.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(cells[0][1..], ["LOCK", "MODE", "STATE", "PID", "APPLICATION", "HOST", "SINCE", "TOKEN"]);
        assert_eq!(
            cells[1][1..],
            ["a/b", "exclusive", "granted", "42", "heimdall", "db1:7", "2026-09-21T14:13:20Z", "35"]
        );
        assert_eq!(cells[2][1..], ["a/b", "exclusive", "granted", "42", "psql", "-", "-", "-"]);
    }

    #[test]
    fn a_line_takes_as_long_however_many_there_are() {
        let clock = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
        let of_one = |count: i32| {
            let rows: Vec<_> = (0..count).map(|at| Holder::example(Key::Pair(1, at), "psql")).collect();
            let before = clock();
            assert_eq!(lines(&rows, None).count(), rows.len() + 1);
            clock().saturating_sub(before) / count.unsigned_abs()
        };
        // Others of this machine only make it longer.
        let at_least = |count| (0..3).map(|_| of_one(count)).min().unwrap();
        let (few, many) = (at_least(500), at_least(20_000));
        assert!(many < 4 * few, "{few:?} {many:?}");
    }
}
