//! The protocol, the refusals and the threats, against real servers: HTTP on a free port of
//! loopback, tokens with real signatures, a local Clerk. One binary, because linking is what costs.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that meets the unexpected has failed"
)]

mod authorization;
mod discovery;
mod envelope;
mod eras;
mod lifecycle;
mod parked;
mod process;
mod raw;
mod refusals;
mod reply;
mod results;
mod schema;
mod secrets;
mod startup;
mod stub;
mod support;
mod threats;
mod tools;
