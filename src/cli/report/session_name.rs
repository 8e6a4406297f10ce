//! What heimdall tells of itself in its session's `application_name`, which every role may read, and what it reads there of
//! other heimdalls.
//!
//! ```text
//! heimdall:NAMESPACE/NAME HOST:PROCESS @SECONDS#TOKEN      63 bytes at most, as the server cuts it
//! heimdall:KEY HOST:PROCESS @SECONDS#TOKEN                 for a raw key, and a name that is not printable ASCII
//! ```
//!
//! HOST and PROCESS are heimdall's own, and there from the login on. ` @SECONDS` is when the lock was taken, by the server's
//! clock in seconds since 1970, and TOKEN the fencing token to the base of 36: the server adds them by the statement that
//! puts the settings into force (`lock/sql.rs`). The name goes first: where little room is left there is no TOKEN, then HOST
//! loses its beginning, since the end tells hosts and pods apart, and where there is none, the name stands alone. A name that
//! the user has set (`application_name`, `PGAPPNAME`) is left as it is.

use std::process;
use std::time::{Duration, UNIX_EPOCH};

use rustix::system::uname;

use crate::cli::options::name::{Lock, MAX_SLOTS, Name};
use crate::lock::sql::{ASKER, stamp};
use crate::lock::{Holder, Key};

/// What a heimdall has told of itself, as far as the lock's key bears it out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// The lock's name, with `#i` for a slot.
    pub(in crate::cli) name: Option<String>,
    /// The host that heimdall runs on, and its process there.
    pub(in crate::cli) place: Option<(String, u32)>,
    /// When the lock was taken, in RFC 3339.
    pub(in crate::cli) since: Option<String>,
    /// The fencing token that was drawn then.
    pub(in crate::cli) token: Option<u64>,
}

/// Returns the session's name for the holder of this lock, or who waits for it.
pub(in crate::cli) fn of(lock: &Lock) -> String {
    with_place(
        &match &lock.name {
            Name::Named { namespace, name } if is_kept(namespace) && is_kept(name) => {
                format!("{PREFIX}{namespace}/{name}")
            }
            _ => format!("{PREFIX}{}", lock.key()),
        },
        &host(),
        process::id(),
    )
}

/// Whether the server keeps this in a session's name as it is. A byte that is not printable ASCII becomes `?`, or four bytes.
fn is_kept(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Returns the session's name for one who asks the holder to stop.
pub(in crate::cli) fn of_asker() -> String {
    with_place(ASKER, &host(), process::id())
}

/// Reads where one runs who asks, by its session's name: its host, and its process there.
pub(super) fn asker(application: &str) -> Option<(String, u32)> {
    without_place(application.strip_prefix(ASKER)?).1
}

fn with_place(name: &str, host: &str, process: u32) -> String {
    let mut name = name.to_owned();
    let room = stamp::ROOM.saturating_sub(name.len() + format!(" :{process}").len());
    let host = host.split('.').next().unwrap_or_default();
    if host.len() <= room {
        return format!("{name} {host}:{process}");
    }
    if let Some(end) = host.get(host.len() - room.saturating_sub(1)..).filter(|_| room >= MIN_HOST) {
        return format!("{name} ~{end}:{process}");
    }
    while name.len() > stamp::WHOLE {
        name.pop();
    }
    name
}

/// Returns this host's name, with no character but those of host names.
pub(in crate::cli) fn host() -> String {
    let name = uname();
    let name = name.nodename().to_string_lossy();
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "-._".contains(c) { c } else { '?' }).collect()
}

impl Told {
    /// Reads what the holder has told. What its key does not bear out is not believed: anyone may take such a name.
    pub(crate) fn by(holder: &Holder) -> Self {
        let Some(text) = holder.application.as_deref().and_then(|name| name.strip_prefix(PREFIX)) else {
            return Self::default();
        };
        let (rest, since, token) = without_stamp(text);
        let (lock, place) = without_place(rest);
        let is_raw = lock == holder.key.to_string();
        if let name @ Some(_) = name(holder.key, lock) {
            Self { name, place, since, token }
        } else if is_raw {
            Self { name: None, place, since, token }
        } else {
            // The name itself may look like a place.
            Self {
                name: name(holder.key, rest).or_else(|| name(holder.key, text)),
                since,
                token,
                ..Self::default()
            }
        }
    }
}

/// Cuts off ` @SECONDS#TOKEN`; if it is there several times, since the server was asked twice, the first counts.
fn without_stamp(text: &str) -> (&str, Option<String>, Option<u64>) {
    let stamp = text.rsplit_once(" @").and_then(|(rest, stamp)| {
        let (digits, token) =
            stamp.split_once('#').map_or((stamp, None), |(digits, token)| (digits, Some(token)));
        let seconds = digits.parse().ok().filter(|_| digits.len() == stamp::MOMENT - " @".len())?;
        Some((rest, seconds, token.and_then(|token| u64::from_str_radix(token, 36).ok())))
    });
    let Some((rest, seconds, token)) = stamp else { return (text, None, None) };
    let (rest, earlier, earlier_token) = without_stamp(rest);
    let moment = UNIX_EPOCH + Duration::from_secs(seconds);
    let since = earlier.or_else(|| Some(humantime::format_rfc3339_seconds(moment).to_string()));
    (rest, since, earlier_token.or(token))
}

fn without_place(text: &str) -> (&str, Option<(String, u32)>) {
    let place = text.rsplit_once(' ').and_then(|(lock, place)| {
        let (host, process) = place.rsplit_once(':')?;
        Some((lock, (host.to_owned(), process.parse().ok()?)))
    });
    place.map_or((text, None), |(lock, place)| (lock, Some(place)))
}

/// Returns the name in `NAMESPACE/NAME` if it is that of this key.
fn name(key: Key, text: &str) -> Option<String> {
    text.match_indices('/').find_map(|(at, _)| {
        let (namespace, name) = text.split_at_checked(at)?;
        known(key, namespace, name.strip_prefix('/')?)
    })
}

/// Returns the name, with the number of the slot, if the key is that of one of its slots.
pub(in crate::cli) fn known(key: Key, namespace: &str, name: &str) -> Option<String> {
    if !key.is_in(namespace) {
        return None;
    }
    let slot = (1..=MAX_SLOTS).find(|slot| Key::slot(namespace, name, *slot) == key)?;
    let number = if slot == 1 { String::new() } else { format!("#{slot}") };
    Some(format!("{}/{}{number}", namespace.escape_debug(), name.escape_debug()))
}

const PREFIX: &str = "heimdall:";

/// With less of it, the host can't be told from others.
const MIN_HOST: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_goes_first_and_the_host_loses_its_beginning() {
        let of = |name: &str, host: &str| with_place(name, host, 4711);
        assert_eq!(of("heimdall:a/b", "db1.example.org"), "heimdall:a/b db1:4711");
        let pod = "dispatcher-7d9c5b6f4-x2x7k";
        let short = of("heimdall:billing/dispatcher", pod);
        assert_eq!(short, "heimdall:billing/dispatcher ~r-7d9c5b6f4-x2x7k:4711");
        assert_eq!(short.len(), stamp::ROOM);
        let long = format!("heimdall:billing/{}", "x".repeat(30));
        assert_eq!(of(&long, pod), long);
        assert_eq!(of(&"ü".repeat(40), pod), "ü".repeat(31));
    }

    #[test]
    fn a_name_is_believed_where_the_key_bears_it_out() {
        let of = |key, application| Told::by(&Holder::example(key, application)).name;
        for suffix in ["", " db1:4711", " db1:4711 @1790000000", " @1790000000", " db1:4711 @1790000000#zz"] {
            let of = |key, application: &str| {
                Told::by(&Holder::example(key, &format!("{application}{suffix}"))).name
            };
            assert_eq!(of(Key::named("a/b", "c"), "heimdall:a/b/c").as_deref(), Some("a/b/c"));
            assert_eq!(of(Key::slot("a", "b", 7), "heimdall:a/b").as_deref(), Some("a/b#7"));
            assert_eq!(of(Key::named("a", "c"), "heimdall:a/b"), None);
            assert_eq!(of(Key::named("a", "b"), "psql"), None);
            assert_eq!(of(Key::Single(1), "heimdall:1"), None);
        }
        assert_eq!(of(Key::named("a", "b c:1"), "heimdall:a/b c:1").as_deref(), Some("a/b c:1"));
    }

    #[test]
    fn place_and_moment_are_read() {
        let place = Some(("db1".to_owned(), 4711));
        let since = Some("2026-09-21T14:13:20Z".to_owned());
        let told = |key, text| Told::by(&Holder::example(key, text));
        let named = Key::named("a", "b");
        let all = Told {
            name: Some("a/b".to_owned()),
            place: place.clone(),
            since: since.clone(),
            token: Some(46655),
        };
        assert_eq!(told(named, "heimdall:a/b db1:4711 @1790000000#zzz"), all);
        assert_eq!(told(named, "heimdall:a/b db1:4711 @1790000000#zzz @1790000009"), all);
        let all = Told { token: None, ..all };
        assert_eq!(told(named, "heimdall:a/b db1:4711 @1790000000"), all);
        // More than a token.
        assert_eq!(told(named, "heimdall:a/b db1:4711 @1790000000#zzzzzzzzzzzzzz"), all);
        assert_eq!(
            told(Key::Pair(1, -2), "heimdall:1,-2 db1:4711 @1790000000#1"),
            Told { name: None, place, since, token: Some(1) }
        );
        assert_eq!(told(named, "heimdall:a/c db1:4711").place, None);
        assert_eq!(told(named, "psql"), Told::default());
    }
}
