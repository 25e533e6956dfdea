//! Tests of the protocol, the refusals and the threats against real servers: HTTP on a free
//! loopback port, signed tokens and a local Clerk. All of them are one binary, because linking
//! takes most of the time.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod agreement;
mod argument_headers;
mod audience;
mod audit;
mod authorization;
mod authorize;
mod challenges;
mod check;
mod clients;
mod collector;
mod confirm;
mod confirmation_codes;
mod content;
mod corpus;
mod counted;
mod data;
mod discoverable;
mod discovery;
mod elicitation;
mod envelope;
mod eras;
mod explain;
mod explorer;
mod forms;
mod frames;
mod guides;
mod health;
mod hold;
mod http2;
mod in_process;
mod kinds;
mod lifecycle;
mod load;
mod local;
mod messages;
mod metrics;
mod organizations;
mod outage;

mod pages;
mod parked;
mod people;
mod plain;
mod primitives;
mod private_url;
mod process;
mod questions;
mod rates;
mod raw;
mod refusals;
mod reply;
mod restart;
mod results;
mod revocation;
mod rotation;
mod schema;
mod scopes;
mod secrets;
mod secured;
mod security_md;
mod sessions;
mod several;
mod shapes;
mod shares;
mod spans;
mod startup;
mod stdio;
mod step_up;
mod stub;
mod subscriptions;
mod support;
mod tasks;
mod threats;
mod tls;
mod tokens;
mod tools;
mod upgrade;
mod validation;
