//! Servers over stdin and stdout. Each test starts the program `stdio` and speaks to it. The client expects that every
//! line is a message of the published schema of its revision.

mod bounds;
mod callers;
mod client;
mod ending;
mod messages;
mod questions;
