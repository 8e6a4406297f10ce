//! Every connection parameter there is, in one table: keyword, environment variable, default, class.

use super::spelling;

/// One connection parameter.
#[derive(Debug)]
pub struct Parameter {
    /// Its name in a connection string, a URI's query and a service file.
    pub keyword: &'static str,
    /// The environment variable that may give it.
    pub variable: Option<&'static str>,
    /// Its value where nothing gives it, unless that depends on others or on the user.
    pub default: Option<&'static str>,
    /// Whether an empty value asks for the default; otherwise it is a value, mostly a wrong one.
    pub(super) empty_is_default: bool,
    /// How much of its value may be seen.
    pub(super) shown: Shown,
    /// Whether its value is the path of a file or of a directory of files.
    pub(super) is_file: bool,
    /// Why asking for it is an error, for the parameters that heimdall does not have.
    pub unsupported: Option<&'static str>,
}

/// How much of a value may be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// All of it.
    Whole,
    /// The names of settings of the server, whose values may be secrets.
    Settings,
    /// Nothing: it is a secret.
    Nothing,
}

/// Returns the parameter called `keyword`.
pub(super) fn find(keyword: &str) -> Option<&'static Parameter> {
    TABLE.iter().find(|parameter| parameter.keyword == keyword)
}

/// Whether this is a keyword but for its case and its separators.
pub(super) fn is_respelt(word: &str) -> bool {
    TABLE.iter().any(|parameter| spelling::is_same(parameter.keyword, word))
}

/// Returns the keyword that a misspelt or foreign one was most likely meant to be.
pub(super) fn nearest(word: &str) -> Option<&'static str> {
    let word = word.to_ascii_lowercase();
    if let Some((_, keyword)) = FOREIGN.iter().find(|(foreign, _)| *foreign == word) {
        return Some(keyword);
    }
    spelling::nearest(&word, TABLE.iter().map(|parameter| parameter.keyword))
}

/// The names by which a secret is given, in lower case: libpq's, and what other programs call them.
pub(super) fn secrets() -> impl Iterator<Item = &'static str> {
    let ours = TABLE.iter().filter(|parameter| parameter.is_secret()).map(|parameter| parameter.keyword);
    ours.chain(FOREIGN.iter().filter(|(_, keyword)| *keyword == "password").map(|(foreign, _)| *foreign))
}

/// What other programs call it.
const FOREIGN: [(&str, &str); 10] = [
    ("database", "dbname"),
    ("db", "dbname"),
    ("hostname", "host"),
    ("server", "host"),
    ("username", "user"),
    ("pass", "password"),
    ("passwd", "password"),
    ("pwd", "password"),
    ("ssl", "sslmode"),
    ("timeout", "connect_timeout"),
];

/// All parameters, in libpq's order.
pub const TABLE: &[Parameter] = &[
    named("service").variable("PGSERVICE"),
    named("user").variable("PGUSER").optional(),
    named("password").variable("PGPASSWORD").optional().masked(),
    named("passfile").variable("PGPASSFILE").optional().file(),
    named("channel_binding").variable("PGCHANNELBINDING").default("prefer"),
    // libpq waits forever by default; design: 30 seconds.
    named("connect_timeout").variable("PGCONNECT_TIMEOUT").default("30"),
    named("dbname").variable("PGDATABASE").optional(),
    named("host").variable("PGHOST").optional(),
    named("hostaddr").variable("PGHOSTADDR").optional(),
    named("port").variable("PGPORT").default("5432").optional(),
    named("client_encoding").variable("PGCLIENTENCODING").optional(),
    named("options").variable("PGOPTIONS").optional().settings(),
    // Empty is a value here: it asks for no application name, not even the fallback.
    named("application_name").variable("PGAPPNAME"),
    named("fallback_application_name"),
    named("keepalives").default("1"),
    named("keepalives_idle"),
    named("keepalives_interval"),
    named("keepalives_count"),
    named("tcp_user_timeout"),
    named("sslmode").variable("PGSSLMODE").default("prefer"),
    named("sslnegotiation").variable("PGSSLNEGOTIATION").default("postgres"),
    named("sslcompression").variable("PGSSLCOMPRESSION").default("0"),
    named("sslcert").variable("PGSSLCERT").optional().file(),
    named("sslkey").variable("PGSSLKEY").optional().file(),
    named("sslcertmode").variable("PGSSLCERTMODE").default("allow"),
    named("sslpassword").masked().unsupported("encrypted private keys are not supported"),
    named("sslrootcert").variable("PGSSLROOTCERT").optional().file(),
    named("sslcrl").variable("PGSSLCRL").optional().file(),
    named("sslcrldir")
        .variable("PGSSLCRLDIR")
        .file()
        .unsupported("directories of revocation lists are not supported"),
    named("sslsni").variable("PGSSLSNI").default("1"),
    named("requirepeer").variable("PGREQUIREPEER").optional(),
    named("require_auth").variable("PGREQUIREAUTH").optional(),
    named("min_protocol_version").variable("PGMINPROTOCOLVERSION").default("3.0"),
    named("max_protocol_version").variable("PGMAXPROTOCOLVERSION").default("3.0"),
    named("ssl_min_protocol_version").variable("PGSSLMINPROTOCOLVERSION").default("TLSv1.2").optional(),
    named("ssl_max_protocol_version").variable("PGSSLMAXPROTOCOLVERSION").optional(),
    named("gssencmode").variable("PGGSSENCMODE").default("prefer"),
    named("krbsrvname").variable("PGKRBSRVNAME").optional(),
    named("gsslib").variable("PGGSSLIB").optional(),
    named("gssdelegation").variable("PGGSSDELEGATION").optional(),
    named("replication").unsupported("replication connections are not supported"),
    named("target_session_attrs").variable("PGTARGETSESSIONATTRS").default("any"),
    named("load_balance_hosts").variable("PGLOADBALANCEHOSTS").default("disable"),
    named("scram_client_key").masked().unsupported("SCRAM keys are not supported, only passwords"),
    named("scram_server_key").masked().unsupported("SCRAM keys are not supported, only passwords"),
    named("oauth_issuer").unsupported("OAuth is not supported"),
    named("oauth_client_id").unsupported("OAuth is not supported"),
    named("oauth_client_secret").masked().unsupported("OAuth is not supported"),
    named("oauth_scope").unsupported("OAuth is not supported"),
    named("sslkeylogfile").unsupported("logging TLS secrets is not supported"),
];

const fn named(keyword: &'static str) -> Parameter {
    Parameter {
        keyword,
        variable: None,
        default: None,
        empty_is_default: false,
        shown: Shown::Whole,
        is_file: false,
        unsupported: None,
    }
}

impl Parameter {
    /// Whether its value is a secret.
    pub(super) fn is_secret(&self) -> bool {
        self.shown == Shown::Nothing
    }

    const fn variable(self, variable: &'static str) -> Parameter {
        Parameter { variable: Some(variable), ..self }
    }

    const fn default(self, default: &'static str) -> Parameter {
        Parameter { default: Some(default), ..self }
    }

    const fn optional(self) -> Parameter {
        Parameter { empty_is_default: true, ..self }
    }

    const fn masked(self) -> Parameter {
        Parameter { shown: Shown::Nothing, ..self }
    }

    const fn settings(self) -> Parameter {
        Parameter { shown: Shown::Settings, ..self }
    }

    const fn file(self) -> Parameter {
        Parameter { is_file: true, ..self }
    }

    const fn unsupported(self, reason: &'static str) -> Parameter {
        Parameter { unsupported: Some(reason), empty_is_default: true, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_and_variables_are_unique() {
        let mut names: Vec<&str> =
            TABLE.iter().flat_map(|p| [Some(p.keyword), p.variable]).flatten().collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn a_misspelt_or_foreign_keyword_is_taken_for_the_nearest() {
        for (word, expected) in [
            ("uzer", Some("user")),
            ("USER", Some("user")),
            ("sslmod", Some("sslmode")),
            ("conect_timeout", Some("connect_timeout")),
            ("sslrootcet", Some("sslrootcert")),
            ("applicationname", Some("application_name")),
            ("database", Some("dbname")),
            ("Username", Some("user")),
            ("schema", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(word), expected, "{word}");
        }
    }

    #[test]
    fn everything_that_is_secret_is_masked() {
        let masked: Vec<&str> = TABLE.iter().filter(|p| p.is_secret()).map(|p| p.keyword).collect();
        assert_eq!(
            masked,
            ["password", "sslpassword", "scram_client_key", "scram_server_key", "oauth_client_secret"]
        );
        let with_settings: Vec<&str> =
            TABLE.iter().filter(|p| p.shown == Shown::Settings).map(|p| p.keyword).collect();
        assert_eq!(with_settings, ["options"]);
    }
}
