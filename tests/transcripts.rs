//! Whole conversations as text, played to a session once message by message and once byte by byte.

use crate::support::transcript::play_all;

#[test]
fn logins_go_as_written() {
    play_all(include_str!("transcripts/login.txt"));
}

#[test]
fn versions_are_negotiated_as_written() {
    play_all(include_str!("transcripts/version.txt"));
}

#[test]
fn scram_goes_as_written() {
    play_all(include_str!("transcripts/scram.txt"));
}

#[test]
fn logins_are_bound_to_their_channel_as_written() {
    play_all(include_str!("transcripts/channel_binding.txt"));
}

#[test]
fn sessions_go_as_written() {
    play_all(include_str!("transcripts/session.txt"));
}
