//! Service files: named sections of connection parameters.

use std::path::{Path, PathBuf};

use super::environment::{Environment, in_directory};
use super::error::{Error, LineFault};
use super::file::{FileFault, PlainFile};
use super::misplaced;
use super::settings::Settings;
use super::table;
use super::values::is_space;

/// Finds a service: in the user's file, and if that has no such section, in the system's.
pub(super) fn find(name: &str, env: &Environment) -> Result<Settings, Error> {
    for variable in ["PGSERVICEFILE", "PGSYSCONFDIR"] {
        let path = env.path(variable).unwrap_or_default();
        misplaced::refuse_no_path(variable, &path.to_string_lossy())?;
    }
    let own = match env.path("PGSERVICEFILE") {
        Some(path) => match read(&path, name)? {
            File::Missing => return Err(Error::ServiceFileMissing(path.display().to_string())),
            found => found,
        },
        None => env.in_home(".pg_service.conf").map_or(Ok(File::Missing), |path| read(&path, name))?,
    };
    if let File::Has(settings) = own {
        return Ok(settings);
    }
    let directories = match env.path("PGSYSCONFDIR") {
        Some(directory) => vec![directory],
        None => SYSTEM_DIRECTORIES.iter().map(PathBuf::from).collect(),
    };
    for directory in directories {
        if let File::Has(settings) = read(&in_directory(&directory, "pg_service.conf"), name)? {
            return Ok(settings);
        }
    }
    Err(Error::ServiceNotFound(name.to_owned()))
}

/// Reads the section `name` of a service file; `None` if there is none.
///
/// # Errors
/// The first line that can't be understood, up to the end of the section: its number from 1, and why.
pub fn parse(text: &str, name: &str) -> Result<Option<Settings>, (usize, LineFault)> {
    let mut section: Option<Settings> = None;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let error = |fault| (index + 1, fault);
        if line.len() > MAX_LINE_BYTES {
            return Err(error(LineFault::TooLong));
        }
        let line = line.trim_matches(is_space);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match (line.strip_prefix('['), &mut section) {
            (Some(_), Some(_)) => break,
            (Some(header), None) => {
                let ours = header.strip_prefix(name).is_some_and(|rest| rest.starts_with(']'));
                section = ours.then(Settings::default);
            }
            (None, Some(settings)) => assign(line, settings).map_err(error)?,
            (None, None) => {}
        }
    }
    Ok(section)
}

/// Stores `key=value`, unless the key has a value already.
fn assign(line: &str, settings: &mut Settings) -> Result<(), LineFault> {
    let (key, value) = line.split_once('=').ok_or(LineFault::Syntax)?;
    if key == "service" {
        return Err(LineFault::Nested);
    }
    let parameter = table::find(key).ok_or(LineFault::Syntax)?;
    settings.set_first(parameter, value);
    Ok(())
}

enum File {
    Missing,
    LacksIt,
    Has(Settings),
}

fn read(path: &Path, name: &str) -> Result<File, Error> {
    let fault = |fault| Error::ServiceFile(path.display().to_string(), fault);
    let Some(file) = PlainFile::open(path).map_err(fault)? else { return Ok(File::Missing) };
    let text = String::from_utf8(file.read().map_err(fault)?).map_err(|_| fault(FileFault::NotText))?;
    if text.contains('\0') {
        return Err(fault(FileFault::NotText));
    }
    let section = parse(&text, name)
        .map_err(|(line, fault)| Error::ServiceLine(path.display().to_string(), line, fault))?;
    Ok(section.map_or(File::LacksIt, File::Has))
}

/// With the newline; libpq would cut a longer line in two.
const MAX_LINE_BYTES: usize = 1022;

/// libpq knows one, chosen when it was built: Debian, Fedora, others, and the project's own default.
const SYSTEM_DIRECTORIES: [&str; 4] =
    ["/etc/postgresql-common", "/etc/sysconfig/pgsql", "/etc/postgresql", "/usr/local/pgsql/etc"];

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, keyword: &str) -> Option<String> {
        parse(text, "s").unwrap()?.get(keyword).map(str::to_owned)
    }

    #[test]
    fn a_section_is_found_by_its_exact_name_and_ends_at_the_next() {
        for (text, expected) in [
            ("[s]\nhost=x", Some("x")),
            ("  [s]  \n  host=x\r\n", Some("x")),
            ("[s] trailing\nhost=x", Some("x")),
            ("[t]\nhost=y\n[s]\nhost=x\n[u]\nhost=z", Some("x")),
            ("[t]\nnonsense\n[s]\n\n# comment\n  # comment\nhost=x", Some("x")),
            ("[s]\nhost=x\n[s]\nport=1", Some("x")),
            ("[s]\nhost=x\n[t]\nnonsense", Some("x")),
            ("[s]\nhost=x\nhost=y", Some("x")),
            ("host=y\n[s]", None),
            ("[S]\nhost=x", None),
            ("[ s]\nhost=x", None),
            ("[ss]\nhost=x", None),
            ("[]\nhost=x", None),
            ("", None),
        ] {
            assert_eq!(value(text, "host").as_deref(), expected, "{text:?}");
        }
        assert_eq!(value("[s]\nhost=x\n[s]\nport=1", "port"), None);
    }

    #[test]
    fn a_value_keeps_leading_spaces_quotes_and_backslashes() {
        for (line, expected) in
            [("user= a ", " a"), ("user='a'", "'a'"), (r"user=a\b", r"a\b"), ("user=a=b", "a=b")]
        {
            assert_eq!(value(&format!("[s]\n{line}"), "user").as_deref(), Some(expected), "{line:?}");
        }
        assert_eq!(value("[s]\nuser=", "user").as_deref(), Some(""));
    }

    #[test]
    fn wrong_lines_are_told_by_number() {
        let long = format!("# {}", "x".repeat(1020));
        for (text, line, fault) in [
            ("[s]\nhost", 2, LineFault::Syntax),
            ("[s]\nhost =x", 2, LineFault::Syntax),
            ("[s]\n\nuzer=x", 3, LineFault::Syntax),
            ("[s]\nrequiressl=1", 2, LineFault::Syntax),
            ("[s]\nservice=t", 2, LineFault::Nested),
            (&format!("{long}\n[s]"), 1, LineFault::TooLong),
        ] {
            assert_eq!(parse(text, "s").err(), Some((line, fault)), "{text:?}");
        }
        assert!(parse(&long, "s").unwrap().is_none());
        assert!(parse(&format!("[s]\n[t]\n{long}\n"), "s").unwrap().is_some());
    }
}
