//! What the SQLSTATE of an attempt that has failed says of the next one (PostgreSQL documentation, "PostgreSQL Error Codes").

/// How an attempt has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// Another may do better without a change: no function is missing.
    Passing,
    /// By a function that is missing, refused, or not supported: it will be for good.
    Lasting,
    /// Either.
    Unknown,
}

impl Failure {
    pub(super) fn of(sqlstate: &str) -> Self {
        let is_of = |classes: &[&str]| classes.iter().any(|class| sqlstate.starts_with(class));
        if is_of(&PASSING) {
            Self::Passing
        } else if is_of(&LASTING) {
            Self::Lasting
        } else {
            Self::Unknown
        }
    }
}

/// `transaction_rollback`, `insufficient_resources`, `lock_not_available`, `operator_intervention` such as `query_canceled`, and
/// `system_error` such as `io_error`.
const PASSING: [&str; 5] = ["40", "53", "55P03", "57", "58"];

/// `feature_not_supported`, `syntax_error_or_access_rule_violation` such as `undefined_function`, and `plpgsql_error` such as
/// `raise_exception`.
const LASTING: [&str; 3] = ["0A", "42", "P0"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_missing_for_good() {
        for (sqlstate, expected) in [
            ("57014", Failure::Passing),
            ("58030", Failure::Passing),
            ("55P03", Failure::Passing),
            ("55000", Failure::Unknown),
            ("XX000", Failure::Unknown),
            ("42883", Failure::Lasting),
            ("42501", Failure::Lasting),
            ("0A000", Failure::Lasting),
            ("P0001", Failure::Lasting),
            ("", Failure::Unknown),
        ] {
            assert_eq!(Failure::of(sqlstate), expected, "{sqlstate}");
        }
    }
}
