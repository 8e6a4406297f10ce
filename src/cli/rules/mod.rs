//! What is decided, and when: events and moments go in, and what is to be done comes out. No process, socket, clock or output
//! is in here, so a simulation plays millions of schedules on them.

pub(crate) mod action;
pub(crate) mod beside;
pub(crate) mod course;
pub(crate) mod holding;
pub(crate) mod restart;
pub(crate) mod settle;
pub(crate) mod supervision;
pub(crate) mod supervisor;
pub(crate) mod waiter;
