//! The one test crate; this list is its contents.

mod conninfo;
