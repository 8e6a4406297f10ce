//! A row of a table: what a client is given, and what becomes of it.

/// What both clients are given, besides what [`Stage`](super::stage::Stage) gives to all, and what is expected.
///
/// In all texts, these are replaced: `{a}` and `{b}`, directories with sockets, `{%a}` and `{%b}` the same for a
/// URI; `{port}` and `{port2}` of 127.0.0.1; `{home}`; `{user}`, the operating system's; `{long}`, more than
/// 1,100 characters.
pub struct Row {
    pub conninfo: &'static str,
    pub variables: &'static [(&'static str, &'static str)],
    pub files: &'static [File],
    pub fate: Fate,
    /// Words that both say besides.
    pub words: &'static str,
    /// libpq's first major version that knows this; one before is not asked, and heimdall is tried alone.
    pub since: u32,
}

/// Before, libpq does not look at HOME, so that the files of the tests are not found.
pub const SINCE: u32 = 15;

/// A file below the home directory: its name, its permissions and its text.
pub type File = (&'static str, u32, &'static str);

/// What becomes of a connection string.
///
/// A login is written as where it arrived, user, database, password (`-` without one), and the other parameters of
/// the `StartupMessage` as `name=value`: `a:5432 ann app secret options=-cx=y`. Places are `a:PORT` and `b:PORT`
/// for the sockets, `tcp` and `tcp2`.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    /// Both log in like this.
    Reaches(&'static str),
    /// Neither gets to a server: heimdall's exit code, and words that both say.
    Fails(i32, &'static str),
    /// Neither gets to a server: what psql says, and heimdall's exit code and better words.
    FailsOtherwise(&'static str, i32, &'static str),
    /// psql logs in like this and heimdall doesn't: its exit code, its words, and why.
    IsStricter(&'static str, i32, &'static str, &'static str),
    /// heimdall logs in like this and psql doesn't: what psql says, and why.
    IsKinder(&'static str, &'static str, &'static str),
    /// psql logs in like this, heimdall like that, and why.
    Differs(&'static str, &'static str, &'static str),
}

/// What is to become of one client.
#[derive(Debug)]
pub enum Expected {
    Login(&'static str),
    Failure(Option<i32>, &'static str),
}

pub const fn row(conninfo: &'static str, fate: Fate) -> Row {
    Row { conninfo, variables: &[], files: &[], fate, words: "", since: SINCE }
}

impl Row {
    /// These are in the environment, over those that are there in all rows.
    pub const fn with(self, variables: &'static [(&'static str, &'static str)]) -> Self {
        Self { variables, ..self }
    }

    pub const fn files(self, files: &'static [File]) -> Self {
        Self { files, ..self }
    }

    pub const fn saying(self, words: &'static str) -> Self {
        Self { words, ..self }
    }

    pub const fn since(self, since: u32) -> Self {
        Self { since, ..self }
    }
}

impl Fate {
    /// Why the two differ, where they do.
    pub fn reason(self) -> &'static str {
        match self {
            Fate::Reaches(_) | Fate::Fails(..) | Fate::FailsOtherwise(..) => "the same for both",
            Fate::IsStricter(.., why) | Fate::IsKinder(.., why) | Fate::Differs(.., why) => why,
        }
    }

    pub fn of_psql(self) -> Expected {
        match self {
            Fate::Reaches(login) | Fate::IsStricter(login, ..) | Fate::Differs(login, ..) => {
                Expected::Login(login)
            }
            Fate::Fails(_, words) | Fate::FailsOtherwise(words, ..) | Fate::IsKinder(_, words, _) => {
                Expected::Failure(None, words)
            }
        }
    }

    pub fn of_heimdall(self) -> Expected {
        match self {
            Fate::Reaches(login) | Fate::IsKinder(login, ..) | Fate::Differs(_, login, _) => {
                Expected::Login(login)
            }
            Fate::Fails(code, words)
            | Fate::FailsOtherwise(_, code, words)
            | Fate::IsStricter(_, code, words, _) => Expected::Failure(Some(code), words),
        }
    }
}
