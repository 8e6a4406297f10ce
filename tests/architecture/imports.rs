//! The graph of the crate's files: which file names something that another one defines.
//!
//! A name is followed through re-exports to the file that defines it. So a `mod.rs` that only offers what is beneath it imports
//! nothing, and nothing imports it. What any feature adds is part of the graph, so that it holds with and without each.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::Path;

use super::source::{is_word, tokens};

/// All files that `lib.rs` reaches by `mod`, but for those of tests.
pub struct Crate {
    /// The first is `lib.rs`.
    files: Vec<File>,
}

struct File {
    /// Below `src`.
    path: String,
    parent: usize,
    modules: BTreeMap<String, usize>,
    /// What `use` brings into scope, as it is written there.
    names: BTreeMap<String, Vec<String>>,
    /// All else that is named by a path.
    paths: Vec<Vec<String>>,
}

/// A file imports another: from, to.
pub type Import = (String, String);

impl Crate {
    /// Reads a `src` folder.
    pub fn read(source: &Path) -> Self {
        Self::new(&|path| fs::read_to_string(source.join(path)).ok())
    }

    /// From the files that `read` finds by their path.
    fn new(read: &dyn Fn(&str) -> Option<String>) -> Self {
        let mut this = Self { files: Vec::new() };
        this.add(read, "", "lib.rs", 0);
        this
    }

    fn add(
        &mut self,
        read: &dyn Fn(&str) -> Option<String>,
        folder: &str,
        path: &str,
        parent: usize,
    ) -> usize {
        let tokens = tokens(&read(path).unwrap_or_else(|| panic!("no file {path}")));
        let (names, paths) = uses_and_paths(&tokens);
        let this = self.files.len();
        self.files.push(File { path: path.to_owned(), parent, modules: BTreeMap::new(), names, paths });
        for window in tokens.windows(3).filter(|window| window[0] == "mod" && window[2] == ";") {
            let beneath = format!("{folder}{}/", window[1]);
            let [file, module] = [format!("{folder}{}.rs", window[1]), format!("{beneath}mod.rs")];
            let path = if read(&module).is_some() { module } else { file };
            let child = self.add(read, &beneath, &path, this);
            self.files[this].modules.insert(window[1].clone(), child);
        }
        this
    }

    /// Every import, with the names by which the first file names the second.
    pub fn imports(&self) -> BTreeMap<Import, BTreeSet<String>> {
        let mut found: BTreeMap<Import, BTreeSet<String>> = BTreeMap::new();
        for (number, file) in self.files.iter().enumerate() {
            for path in &file.paths {
                if let Some((to, name)) = self.definition(number, path, 0)
                    && to != number
                {
                    let import = (file.path.clone(), self.files[to].path.clone());
                    found.entry(import).or_default().insert(name);
                }
            }
        }
        found
    }

    /// All paths, by the file that names them, as they are written but for what `use` has shortened.
    pub fn paths(&self) -> impl Iterator<Item = (&str, String)> {
        self.files.iter().flat_map(|file| {
            let written = file.paths.iter().chain(file.names.values());
            written.map(|path| {
                let start =
                    file.names.get(&path[0]).filter(|_| path.len() > 1).map_or(&path[..1], |start| start);
                (&*file.path, [start, &path[1..]].concat().join("::"))
            })
        })
    }

    /// The file that defines what `path` names in a file, and its name there; `None` for a module or another crate's.
    fn definition(&self, file: usize, path: &[String], depth: usize) -> Option<(usize, String)> {
        assert!(depth < 16, "{}: {path:?} leads back to itself", self.files[file].path);
        let (mut at, mut rest) = (file, path);
        let mut is_first = true;
        while let Some((first, beneath)) = rest.split_first() {
            match &**first {
                "crate" if is_first => at = 0,
                "self" if is_first => {}
                "super" => at = self.files[at].parent,
                name => {
                    if let Some(module) = self.files[at].modules.get(name) {
                        at = *module;
                    } else if let Some(alias) =
                        self.files[at].names.get(name).filter(|alias| *alias != &[name])
                    {
                        // Not a macro of its own that the file offers by `use name;`.
                        return self.definition(at, &[alias, beneath].concat(), depth + 1);
                    } else {
                        // A first word that is neither is the file's own, or another crate's.
                        return (!is_first).then(|| (at, name.to_owned()));
                    }
                }
            }
            (rest, is_first) = (beneath, false);
        }
        None
    }
}

/// The shortest circle through each file that is on one, beginning with the least of its files, as the imports on it.
pub fn circles(imports: &BTreeSet<Import>) -> BTreeSet<Vec<Import>> {
    imports.iter().filter_map(|(from, _)| shortest_circle(imports, from)).collect()
}

fn shortest_circle(imports: &BTreeSet<Import>, start: &str) -> Option<Vec<Import>> {
    let mut reached: BTreeMap<&str, Vec<&Import>> = BTreeMap::new();
    let mut queue = VecDeque::from([(start, Vec::new())]);
    while let Some((file, way)) = queue.pop_front() {
        for import in imports.iter().filter(|(from, _)| from == file) {
            let way = [&way[..], &[import]].concat();
            if import.1 == start {
                let mut circle: Vec<Import> = way.into_iter().cloned().collect();
                let least = (0..circle.len()).min_by_key(|at| circle[*at].0.clone()).unwrap_or(0);
                circle.rotate_left(least);
                return Some(circle);
            }
            if !reached.contains_key(&*import.1) {
                reached.insert(&import.1, way.clone());
                queue.push_back((&import.1, way));
            }
        }
    }
    None
}

/// What `use` brings into scope, and all paths; those of a re-export only where the file uses the name itself.
fn uses_and_paths(tokens: &[String]) -> (BTreeMap<String, Vec<String>>, Vec<Vec<String>>) {
    let (mut names, mut paths) = (BTreeMap::new(), Vec::new());
    let (mut words, mut offered) = (BTreeSet::new(), Vec::new());
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at] == "use" {
            let is_offered = at > 0 && ["pub", ")"].contains(&&*tokens[at - 1]);
            let end = at + tokens[at..].iter().position(|token| token == ";").expect("use ends");
            for (name, path) in use_tree(&tokens[at + 1..end]) {
                if is_offered {
                    offered.push(name.clone());
                } else {
                    paths.push(path.clone());
                }
                names.insert(name, path);
            }
            at = end;
        } else if is_word(&tokens[at]) {
            let path = path_at(&tokens[at..]);
            words.insert(path[0].clone());
            at += 2 * path.len() - 1;
            if path.len() > 1 {
                paths.push(path);
            }
        } else {
            at += 1;
        }
    }
    paths.extend(
        offered.iter().filter(|name| words.contains(*name)).map(|name| vec!["self".into(), name.clone()]),
    );
    (names, paths)
}

/// Words with `::` between them.
fn path_at(tokens: &[String]) -> Vec<String> {
    let mut path = vec![tokens[0].clone()];
    while let [mark, word, ..] = &tokens[2 * path.len() - 1..]
        && mark == "::"
        && is_word(word)
    {
        path.push(word.clone());
    }
    path
}

/// The names that `a::{self, b as c, d::*}` brings into scope, with their paths: `a`, `c` and `d::*`.
fn use_tree(tokens: &[String]) -> Vec<(String, Vec<String>)> {
    if tokens.is_empty() {
        return Vec::new();
    }
    if tokens[0] == "*" {
        return vec![("*".to_owned(), tokens.to_vec())];
    }
    if tokens[0] == "{" {
        return members(&tokens[1..tokens.len() - 1]).into_iter().flat_map(use_tree).collect();
    }
    let path = path_at(tokens);
    let last = path.last().expect("a word").clone();
    match &tokens[2 * path.len() - 1..] {
        [] if last == "self" => vec![(String::new(), Vec::new())],
        [] => vec![(last, path)],
        [as_, name] if as_ == "as" => vec![(name.clone(), path)],
        [_, beneath @ ..] => use_tree(beneath)
            .into_iter()
            .map(|(name, rest)| {
                let name = if rest.is_empty() { last.clone() } else { name };
                (name, [&path[..], &rest].concat())
            })
            .collect(),
    }
}

/// What stands between the commas that are in no braces.
fn members(tokens: &[String]) -> Vec<&[String]> {
    let mut depth = 0;
    tokens
        .split(|token| {
            depth += i32::from(token == "{") - i32::from(token == "}");
            depth == 0 && token == ","
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The imports between files that are given as paths and their text, as `from → to: names`.
    fn imports(files: &[(&str, &str)]) -> Vec<String> {
        let read = |path: &str| files.iter().find(|file| file.0 == path).map(|file| file.1.to_owned());
        let imports = Crate::new(&read).imports();
        imports.iter().map(|((from, to), names)| format!("{from} → {to}: {}", join(names))).collect()
    }

    fn join(names: &BTreeSet<String>) -> String {
        names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn a_name_is_followed_to_the_file_that_defines_it() {
        for (text, expected) in [
            ("use super::b::X;", "a.rs → b/mod.rs: X"),
            ("use crate::b::{c::{self, Y}, Y as Z};", "a.rs → b/c.rs: Y"),
            ("use crate::b::c; fn f() -> c::Y { c::Y }", "a.rs → b/c.rs: Y"),
            ("fn f() -> crate::b::c::Y {}", "a.rs → b/c.rs: Y"),
            // Offered by b, defined in c.
            ("use super::b::Y;", "a.rs → b/c.rs: Y"),
            ("use super::b::Renamed;", "a.rs → b/c.rs: Y"),
            ("use crate::b::c::*;", "a.rs → b/c.rs: *"),
            ("#[cfg(feature = \"x\")] use crate::b::c::Y;", "a.rs → b/c.rs: Y"),
            ("use super::f;", "a.rs → lib.rs: f"),
        ] {
            let files = [
                ("lib.rs", "mod a; mod b; fn f() {}"),
                ("a.rs", text),
                ("b/mod.rs", "mod c; pub use c::Y; pub(crate) use self::c::Y as Renamed; pub struct X;"),
                ("b/c.rs", "pub struct Y;"),
            ];
            assert_eq!(imports(&files), [expected], "{text}");
        }
    }

    #[test]
    fn what_is_no_import_is_none() {
        for text in [
            "use std::a::Y; fn f(x: Z) { x.b::<Y>() }",
            "// use crate::b::X;\n const S: &str = \"crate::b::X\";",
            "#[cfg(test)] use crate::b::X; #[cfg(test)] mod tests { use crate::b::X; }",
            "#[cfg(test)] mod t;",
            "pub use crate::b::X;",
            "use crate::b;",
        ] {
            let files = [
                ("lib.rs", "mod a; mod b;"),
                ("a.rs", text),
                ("b.rs", "pub struct X;"),
                ("a/t.rs", "use crate::b::X;"),
            ];
            assert_eq!(imports(&files), [""; 0], "{text}");
        }
    }

    #[test]
    fn a_file_that_uses_what_it_offers_imports_it() {
        let files =
            [("lib.rs", "mod a; pub use a::{X, Y}; fn f(x: X) {}"), ("a.rs", "pub struct X; pub struct Y;")];
        assert_eq!(imports(&files), ["lib.rs → a.rs: X"]);
    }

    #[test]
    fn a_circle_is_found_from_each_of_its_files_and_told_once() {
        let import = |(from, to): (&str, &str)| (from.to_owned(), to.to_owned());
        let all = [("d", "a"), ("a", "b"), ("b", "c"), ("c", "a"), ("b", "e"), ("f", "f2"), ("f2", "f")];
        let expected = [&[("a", "b"), ("b", "c"), ("c", "a")][..], &[("f", "f2"), ("f2", "f")]]
            .map(|circle| circle.iter().copied().map(import).collect());
        assert_eq!(circles(&all.map(import).into()), expected.into());
    }
}
