//! Service files: named sections of connection parameters.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::environment::{Environment, PlainFile, in_directory};
use crate::conninfo::error::{Error, FileFault, LineFault};
use crate::conninfo::misplaced;
use crate::conninfo::origin::Origin;
use crate::conninfo::table;
use crate::conninfo::values::is_space;

/// A service: a section of a service file.
pub(super) struct Service {
    path: String,
    section: Section,
}

impl Service {
    /// The value of a parameter, and where it stands.
    pub(super) fn get(&self, keyword: &str) -> Option<(String, Origin)> {
        let (value, line) = self.section.0.get(keyword)?;
        Some((value.clone(), Origin::ServiceFile(self.path.clone(), *line)))
    }
}

/// The parameters of a section, each with the number of its line, from 1.
#[derive(Debug, Default)]
pub struct Section(BTreeMap<&'static str, (String, usize)>);

/// Finds a service: in the user's file, and if that has no such section, in the system's. `origin` is where its name
/// stands.
pub(super) fn find(name: &str, origin: &Origin, env: &Environment) -> Result<Service, Error> {
    for variable in ["PGSERVICEFILE", "PGSYSCONFDIR"] {
        let path = env.path(variable).unwrap_or_default();
        misplaced::refuse_no_path(variable, &path.to_string_lossy())?;
    }
    let own = match env.path("PGSERVICEFILE") {
        Some(path) => match read(&path, true, name)? {
            File::Missing => {
                let error = Error::ServiceFileMissing(path.display().to_string());
                return Err(error.at(&Origin::Variable("PGSERVICEFILE")));
            }
            found => found,
        },
        None => env.in_home(".pg_service.conf").map_or(Ok(File::Missing), |path| read(&path, false, name))?,
    };
    if let File::Has(service) = own {
        return Ok(service);
    }
    let (directories, is_named) = match env.path("PGSYSCONFDIR") {
        Some(directory) => (vec![directory], true),
        None => (SYSTEM_DIRECTORIES.iter().map(PathBuf::from).collect(), false),
    };
    for directory in directories {
        if let File::Has(service) = read(&in_directory(&directory, "pg_service.conf"), is_named, name)? {
            return Ok(service);
        }
    }
    Err(Error::ServiceNotFound(name.to_owned()).at(origin))
}

/// Reads the section `name` of a service file; `None` if there is none.
///
/// # Errors
/// The first line that can't be understood, up to the end of the section: its number from 1, and why.
pub fn parse(text: &str, name: &str) -> Result<Option<Section>, (usize, LineFault)> {
    let mut section: Option<Section> = None;
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
                section = ours.then(Section::default);
            }
            (None, Some(section)) => assign(line, index + 1, section).map_err(error)?,
            (None, None) => {}
        }
    }
    Ok(section)
}

/// Stores `key=value`, unless the key has a value already.
fn assign(line: &str, number: usize, section: &mut Section) -> Result<(), LineFault> {
    if line.starts_with("ldap://") {
        return Err(LineFault::Ldap);
    }
    let (key, value) = line.split_once('=').ok_or(LineFault::Syntax)?;
    if key == "service" {
        return Err(LineFault::Nested);
    }
    if key.trim_matches(is_space) != key {
        return Err(LineFault::Syntax);
    }
    let parameter = table::find(key).ok_or_else(|| LineFault::Unknown(table::nearest(key)))?;
    section.0.entry(parameter.keyword).or_insert_with(|| (value.to_owned(), number));
    Ok(())
}

enum File {
    Missing,
    LacksIt,
    Has(Service),
}

fn read(path: &Path, is_named: bool, name: &str) -> Result<File, Error> {
    let fault = |fault| Error::ServiceFile(path.display().to_string(), fault);
    let Some(file) = PlainFile::open(path, is_named).map_err(fault)? else { return Ok(File::Missing) };
    let text = String::from_utf8(file.read().map_err(fault)?).map_err(|_| fault(FileFault::NotText))?;
    if text.contains('\0') {
        return Err(fault(FileFault::NotText));
    }
    let section = parse(&text, name)
        .map_err(|(line, fault)| Error::ServiceLine(path.display().to_string(), line, fault))?;
    let service = |section| Service { path: path.display().to_string(), section };
    Ok(section.map_or(File::LacksIt, |section| File::Has(service(section))))
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
        parse(text, "s").unwrap()?.0.get(keyword).map(|(value, _)| value.clone())
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
            ("[s]\n\nuzer=x", 3, LineFault::Unknown(Some("user"))),
            ("[s]\n=x", 2, LineFault::Unknown(None)),
            ("[s]\nfoo=1", 2, LineFault::Unknown(None)),
            ("[s]\nservice=t", 2, LineFault::Nested),
            ("[s]\nldap://ldap.example/dc=example?uniqueMember?one?(cn=app)", 2, LineFault::Ldap),
            (&format!("{long}\n[s]"), 1, LineFault::TooLong),
        ] {
            assert_eq!(parse(text, "s").err(), Some((line, fault)), "{text:?}");
        }
        assert!(parse(&long, "s").unwrap().is_none());
        assert!(parse(&format!("[s]\n[t]\n{long}\n"), "s").unwrap().is_some());
    }
}
