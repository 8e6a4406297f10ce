//! libpq as the oracle: what a connection string, an environment and files in the home directory make reach the
//! server has to be the same for psql and for heimdall.
//!
//! Every row says what is expected, so that a difference is seen on whichever side it is; where they differ on
//! purpose, the row says why.

mod choices;
mod hosts;
mod keywords;
mod numbers;
mod passfiles;
mod precedence;
mod row;
mod server;
mod services;
mod stage;
mod uris;
mod variables;

use row::{Row, SINCE};
use stage::Stage;

use crate::support::postgres::psql_version;
use crate::support::{did_not_run, this_test};

/// Tells all surprises of a table at once.
fn assert_as_expected(rows: &[Row]) {
    if psql_version() < SINCE {
        did_not_run(
            &format!("psql, beside heimdall, in {}", this_test()),
            &format!("it is older than version {SINCE}"),
        );
    }
    let mut stage = Stage::new();
    let surprises: Vec<String> = rows.iter().flat_map(|row| stage.surprises(row)).collect();
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
}

#[test]
fn uris_lead_to_the_same_server() {
    assert_as_expected(uris::ROWS);
}

#[test]
fn malformed_uris_fail_in_the_same_words() {
    assert_as_expected(uris::MALFORMED);
}

#[test]
fn keywords_and_values_are_read_alike() {
    assert_as_expected(keywords::ROWS);
}

#[test]
fn every_variable_has_the_same_effect() {
    assert_as_expected(variables::ROWS);
}

#[test]
fn the_same_source_takes_precedence() {
    assert_as_expected(precedence::ROWS);
}

#[test]
fn lists_of_hosts_are_put_together_alike() {
    assert_as_expected(hosts::ROWS);
}

#[test]
fn service_files_are_read_alike() {
    assert_as_expected(services::ROWS);
}

#[test]
fn password_files_give_the_same_password() {
    assert_as_expected(passfiles::ROWS);
}

#[test]
fn numbers_are_read_alike() {
    assert_as_expected(numbers::ROWS);
}

#[test]
fn words_to_choose_from_are_the_same() {
    assert_as_expected(choices::ROWS);
}
