//! The promises of docs/promises.md, and the tests that keep them: an index of all, and those that are about promises alone.

mod crash;
mod drain;
mod failover;
mod hidden;
mod init;
mod lease;
mod loss;
mod release;
mod reused;
mod scripted;
mod signals;
mod start;
mod stop;
mod streams;
mod surroundings;
mod suspended;
mod token;
mod tree;
mod waiting;

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::support::heimdall::Running;
use crate::support::lateness::Lateness;
use crate::support::poll;
use crate::support::postgres::{Cluster, shared};

/// The promises as docs/promises.md numbers and calls them, and the tests that keep each: of `a::b::c`, the function
/// `promise_NUMBER_c` in `tests/a/b.rs`. The page names some of them; tests/documentation.rs compares.
pub const PROMISES: [(&str, &[&str]); 16] = [
    (
        "No lock, no program.",
        &["promises::start::the_program_starts_only_after_the_server_has_said_that_the_lock_is_ours"],
    ),
    (
        "Nothing outlives the lock.",
        &[
            "promises::tree::descendants_that_left_the_group_are_stopped_when_the_lock_is_lost",
            "promises::init::as_process_1_heimdall_stops_what_the_process_table_does_not_show",
            "promises::stop::a_lost_lock_stops_the_program_and_its_children",
            "promises::stop::timeout_stops_the_program_and_its_children",
            "promises::stop::who_ignores_sigterm_is_killed_after_kill_after",
            "promises::stop::children_that_outlive_their_parent_are_stopped",
            "promises::stop::a_stopped_program_hears_sigterm_too",
            "promises::stop::a_program_that_has_closed_all_its_descriptors_is_stopped",
            "promises::streams::a_full_disk_behind_standard_error_changes_nothing",
            "promises::streams::a_closed_pipe_behind_standard_error_changes_nothing",
            "promises::streams::a_reader_of_standard_error_who_has_stopped_reading_changes_nothing",
            "promises::tree::descendants_that_left_the_group_are_stopped_by_timeout",
            "promises::tree::one_that_leaves_while_the_program_ends_is_stopped",
            "promises::tree::a_child_that_has_become_another_user_is_stopped_by_root",
            "promises::hidden::who_is_hidden_is_asked_to_end_with_the_rest",
            "promises::hidden::who_is_hidden_and_cannot_be_killed_is_told_of",
            "terminal::in_the_foreground_the_program_and_its_descendants_are_stopped",
            "terminal::job_control::a_line_that_the_terminal_stops_the_background_for_keeps_heimdall_from_nothing",
            "promises::drain::what_drains_is_stopped_when_the_lock_is_lost",
            "promises::drain::timeout_stops_what_drains",
        ],
    ),
    (
        "The lock outlives heimdall, never the job.",
        &[
            "promises::crash::the_lock_outlives_a_killed_heimdall_and_not_the_job",
            "promises::crash::holds_over_tls",
            "promises::release::a_daemon_that_the_program_leaves_behind_holds_nothing",
            "promises::surroundings::a_script_that_uses_low_descriptors_keeps_its_lock",
        ],
    ),
    (
        "A partition can't make two holders.",
        &[
            "promises::lease::by_three_quarters_of_a_lease_after_the_last_answer_the_job_is_dead",
            "partition::the_server_holds_the_lock_while_the_job_lives_and_frees_it_soon_after_a_lease",
            "partition::a_lock_whose_grant_was_never_read_is_free_soon_after_a_lease",
            "between::behind_a_proxy_the_lock_is_held_while_the_job_lives_and_is_free_after_a_lease",
            "between::behind_a_pooler_the_lock_of_one_who_is_silent_is_free_after_a_lease",
            "promises::lease::a_server_that_stands_still_is_given_up",
            "promises::scripted::a_heartbeat_that_is_answered_by_an_error_is_answered",
            "promises::scripted::a_flood_is_no_answer_and_keeps_nobody_from_signals",
        ],
    ),
    (
        "A broken connection is noticed at once",
        &[
            "promises::loss::a_closed_connection_is_noticed_at_once",
            "promises::loss::a_reset_connection_is_noticed_at_once",
            "promises::loss::a_server_that_stops_is_noticed_at_once",
            "promises::loss::a_server_that_crashes_is_noticed_at_once",
            "promises::loss::garbage_on_an_idle_connection_is_noticed_at_once",
        ],
    ),
    (
        "Release is confirmed.",
        &[
            "promises::release::release_is_confirmed_so_the_next_heimdall_finds_the_lock_free",
            "promises::release::heimdall_does_not_end_before_the_server_has_answered",
            "waiting::line::who_is_granted_the_lock_has_given_up_its_place_in_the_line",
        ],
    ),
    (
        "A waiter is in no one's way, and the heir comes next.",
        &[
            "promises::waiting::who_waits_holds_no_snapshot_that_the_holders_job_would_wait_for",
            "waiting::line::the_heir_comes_next_and_leaves_the_line_to_those_who_came_later",
            "waiting::line::who_has_the_heirs_key_and_leaves_a_free_lock_alone_is_told_of_and_overtaken",
            "waiting::line::who_comes_later_does_not_overtake_the_heir_and_takes_over_when_it_is_stopped",
            "waiting::server::who_comes_before_the_server_waits_for_it_and_while_it_starts_up",
        ],
    ),
    (
        "A server on which the lock would not exclude others is refused",
        &[
            "login::a_standby_is_refused",
            "peers::cockroachdb_is_refused",
            "pooler::a_pooler_is_refused_whatever_it_pools",
            "peers::another_backend_than_the_greeting_said_is_a_pooler",
            "pooler::load::a_refused_heimdall_leaves_nothing_behind",
            "pooler::load::through_an_allowed_pooler_no_two_hold_and_nothing_is_left_behind",
        ],
    ),
    (
        "Nothing in the settings of the role or the database runs, delays or ends anything of heimdall's.",
        &[
            "promises::lease::settings_that_would_end_the_session_are_switched_off",
            "roles::settings_that_fail_are_asked_for_again_until_they_hold",
            "roles::a_statement_timeout_does_not_keep_the_settings_from_being_in_force",
            "roles::a_statement_timeout_does_not_strike_between_the_first_transaction_and_the_settings",
            "roles::the_shortest_statement_timeout_is_switched_off_however_often_it_strikes",
            "roles::settings_that_the_server_does_not_take_are_reported",
            "roles::a_role_whose_idle_sessions_are_ended_waits_in_one_session",
            "roles::a_role_whose_transactions_wait_for_a_safe_snapshot_delays_nothing",
            "roles::nothing_that_shadows_a_name_of_pg_catalog_ever_runs",
        ],
    ),
    (
        "A signal reaches the program exactly once",
        &[
            "promises::signals::each_signal_reaches_the_program_once_and_its_end_is_ours",
            "terminal::what_is_typed_at_the_terminal_reaches_the_program_once",
            "promises::init::as_process_1_heimdall_reaps_orphans",
            "promises::signals::away_from_a_terminal_the_program_leads_a_group_of_its_own",
            "terminal::another_size_of_the_terminal_is_told_once",
            "terminal::in_the_foreground_a_signal_sent_to_heimdall_reaches_the_program_once",
            "terminal::control_c_ends_the_program_and_the_loops_and_scripts_around_it",
            "terminal::control_c_after_the_programs_end_ends_what_it_has_left_and_heimdall_and_the_script_around_it",
            "terminal::a_program_reads_from_the_terminal_is_suspended_and_goes_on",
            "terminal::a_suspended_program_goes_on_in_the_background",
            "terminal::pipelines_work",
            "terminal::two_of_one_pipeline_share_the_terminal_with_what_reads_its_keys",
            "terminal::a_program_asks_at_the_terminal_and_is_answered",
            "terminal::job_control::on_a_terminal_the_program_is_in_heimdalls_group_in_the_background_too",
            "terminal::job_control::a_program_that_was_started_in_the_background_reads_once_it_is_in_the_foreground",
            "terminal::job_control::a_signal_for_the_whole_group_reaches_the_program_once",
            "terminal::job_control::a_signal_for_heimdalls_children_reaches_the_program_once_and_takes_none_from_heimdall",
            "terminal::job_control::a_signal_for_heimdall_by_its_name_reaches_the_program_once",
            "terminal::job_control::a_program_that_ignores_the_key_that_suspends_is_not_suspended",
            "promises::signals::every_signal_that_can_be_caught_reaches_the_program_once",
            "promises::signals::a_real_time_signal_reaches_the_program_once_where_there_is_no_shell_too",
            "promises::drain::a_signal_reaches_what_drains_wherever_it_is",
            "promises::signals::a_stopped_program_hears_what_usually_ends_a_program",
            "promises::init::as_process_1_heimdall_passes_on_what_supervisors_send",
            "promises::init::as_process_1_heimdall_reaps_orphans_while_it_waits_too",
            "terminal::control_c_ends_process_1_with_its_code",
        ],
    ),
    (
        "A security parameter that can't be honoured is an error",
        &[
            "parameters::what_heimdall_does_not_have_is_refused_by_name_before_it_connects",
            "options::what_cannot_be_honoured_is_a_configuration_error",
            "parameters::security::a_security_parameter_is_honoured_or_an_error_on_every_kind_of_connection",
            "parameters::shared_url::what_a_url_asks_for_in_other_words_than_libpqs_is_an_error_that_names_libpqs",
        ],
    ),
    (
        "No text from the server controls your terminal, and no secret is printed.",
        &[
            "peers::a_servers_text_cannot_drive_the_terminal",
            "login::debug_shows_every_message_and_no_secret",
            "conninfo::secrets::no_slip_in_a_connection_string_shows_the_password",
            "conninfo::secrets::no_variable_that_holds_something_else_shows_a_password",
            "conninfo::secrets::no_slip_in_a_file_shows_the_password",
            "parameters::remedies::a_password_in_the_wrong_place_is_told_by_its_place",
            "parameters::shared_url::a_password_in_the_command_line_is_warned_of_once",
            "options::print_conninfo_tells_values_and_sources_without_passwords",
        ],
    ),
    (
        "Whoever wakes up late has lost.",
        &[
            "promises::suspended::a_job_that_wakes_up_when_its_lock_is_free_does_nothing_beside_the_next",
            "promises::suspended::a_job_that_wakes_up_late_goes_on_once_the_server_says_that_the_lock_is_still_its",
            "terminal::job_control::what_stops_heimdall_stops_the_whole_job_and_it_goes_on_with_heimdall",
            "terminal::job_control::a_job_that_was_suspended_longer_than_its_lease_goes_on_if_the_lock_is_still_its",
            "terminal::job_control::a_job_whose_lock_was_lost_while_it_was_suspended_is_stopped_when_it_goes_on",
            "promises::suspended::away_from_a_terminal_too_the_job_is_stopped_with_heimdall",
            "promises::suspended::who_is_continued_before_the_job_has_stopped_goes_on",
            "promises::suspended::who_reads_late_that_the_lock_is_granted_asks_again_before_the_program_starts",
            "promises::suspended::who_is_stopped_once_the_lock_is_granted_asks_again_before_the_program_starts",
        ],
    ),
    (
        "A failover makes no second holder.",
        &[
            "promises::failover::a_waiter_whose_session_broke_starts_when_the_last_holders_job_must_be_dead",
            "promises::failover::with_settle_a_server_that_has_started_crashed_or_been_promoted_is_given_a_lease",
            "promises::failover::a_login_that_takes_half_a_lease_is_no_silence_of_the_server_that_settles",
            "promises::failover::a_lock_that_is_lost_before_the_program_starts_is_waited_for_again",
            "promises::failover::a_signal_ends_who_waits_for_a_server_to_settle",
        ],
    ),
    (
        "The token never goes back.",
        &[
            "promises::token::the_token_grows_across_crashes_right_after_it_was_drawn",
            "promises::token::the_token_grows_when_a_standby_is_promoted_that_has_lost_transactions",
            "promises::token::the_token_grows_after_a_recovery_to_a_point_in_time",
            "promises::token::the_token_falls_back_to_the_functions_that_the_server_lets_our_role_call",
            "promises::token::a_function_that_fails_leaves_no_lock_behind",
            "promises::token::a_function_that_fails_now_and_then_makes_no_lesser_token",
            "promises::token::a_missing_function_is_as_good_as_a_refused_one",
            "promises::token::the_token_grows_across_pg_upgrade",
            "waiting::failing::a_canceled_attempt_is_made_again_for_a_whole_token_or_not_at_all",
        ],
    ),
    (
        "Who is asked to stop frees the lock last, and no stranger is heeded.",
        &[
            "stopping::the_lock_is_free_when_nothing_of_the_job_is_left_and_no_sooner_and_who_waits_has_it_next",
            "stopping::roles::who_may_end_the_holders_session_by_its_roles_rights_may_ask_and_no_one_else",
            "stopping::roles::a_stranger_who_rings_is_not_heeded_and_costs_the_holder_one_question_a_ping",
        ],
    ),
];

/// On the shared server, also where `DATABASE_URL` is set: these tests act on the server's side.
fn ours() -> String {
    format!("{} user=trust_user dbname=app", shared().tcp())
}

/// Prints its process id, and that of a child of its own, and stays.
const FAMILY: &str = "sleep 300 & echo $$ $!; wait";

/// Ends the session that holds the lock of this name in the default namespace.
fn terminate_backend(name: &str) {
    let sql = format!(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'heimdall:heimdall/{name}%'"
    );
    assert_eq!(shared().sql(&sql), "t");
}

fn pids(line: &str) -> Vec<Pid> {
    line.split(' ').map(|pid| Pid::from_raw(pid.parse().unwrap()).unwrap()).collect()
}

/// The number behind this word on standard output.
fn pid_behind(running: &Running, word: &str) -> Pid {
    let line = running.wait_for_stdout_line(&format!("{word} "));
    Pid::from_raw(line.split(' ').nth(1).unwrap().parse().unwrap()).unwrap()
}

/// A stopped process, which goes on when this is dropped.
struct Stopped(Pid);

impl Stopped {
    fn stop(pid: Pid) -> Self {
        kill_process(pid, Signal::STOP).unwrap();
        Self(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::CONT);
    }
}

/// Asserts that the server was given up for a silence of half of this lease.
fn assert_silent_for_half(lease: Duration, stderr: &str, lateness: &Lateness) {
    let (_, told) =
        stderr.split_once("the server has been silent for ").unwrap_or_else(|| panic!("{stderr}"));
    let seconds: f64 = told.split_once('s').unwrap().0.parse().unwrap();
    let (silence, bound) =
        (Duration::from_secs_f64(seconds), lateness.allow(lease / 2 + Duration::from_secs(1)));
    assert!(silence >= lease / 2 && silence < bound, "{silence:?}, not {bound:?}");
}

fn kill(pid: Pid) {
    kill_process(pid, Signal::KILL).unwrap();
}

fn assert_gone(pids: &[Pid]) {
    for pid in pids {
        let gone = poll(Duration::from_secs(10), || test_kill_process(*pid).is_err().then_some(()));
        assert!(gone.is_some(), "process {pid:?} is left");
    }
}

/// Asserts that nothing is left now, as heimdall says.
fn assert_stopped(pids: &[Pid]) {
    for pid in pids {
        assert!(test_kill_process(*pid).is_err(), "process {pid:?} is left");
    }
}

/// Counts who holds this name's lock in the default namespace, or waits for it.
fn holders(name: &str) -> String {
    let (class, key, sub) = heimdall::lock::Key::named("heimdall", name).in_pg_locks();
    format!(
        "select count(*) from pg_locks where locktype = 'advisory' \
         and classid = {class} and objid = {key} and objsubid = {sub}"
    )
}

fn wait_for_no_holder(cluster: &Cluster, name: &str) {
    cluster.wait_for(&holders(name), "0");
}
