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

mod agreement;
mod authorization;
mod authorize;
mod content;
mod data;
mod discovery;
mod envelope;
mod eras;
mod in_process;
mod lifecycle;
mod pages;
mod parked;
mod plain;
mod process;
mod raw;
mod refusals;
mod reply;
mod results;
mod schema;
mod scopes;
mod secrets;
mod security_md;
mod several;
mod startup;
mod stub;
mod support;
mod threats;
mod tools;
mod validation;
