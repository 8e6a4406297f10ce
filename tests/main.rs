//! The one test crate; this list is its contents.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    reason = "a test that panics has done its work"
)]
#![allow(unreachable_pub, reason = "in one crate `pub` says what a helper offers to the tests")]

mod architecture;
mod audit;
mod between;
#[cfg(feature = "tls")]
mod certificates;
mod chaos;
mod check;
mod cluster;
mod conninfo;
mod daemon;
mod demo;
mod documentation;
mod events;
mod exclusion;
mod flights;
mod holders;
mod hosts;
mod library;
mod listing;
mod login;
mod manual;
mod memory;
mod mistakes;
mod options;
#[cfg(feature = "tls")]
mod oracle;
mod parameters;
mod partition;
mod peers;
mod pooler;
mod program;
mod promises;
mod recipes;
mod released;
mod roles;
mod sharing;
mod simulation;
mod stopping;
mod support;
mod terminal;
#[cfg(feature = "tls")]
mod tls_login;
#[cfg(feature = "tls")]
mod tls_modes;
#[cfg(feature = "tls")]
mod tls_peers;
mod transcripts;
mod waiting;
