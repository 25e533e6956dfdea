//! Connections: their number, their deadlines, and their memory.
//!
//! actix-http reads on while its answers are not taken, knows a deadline for the first head of a connection only,
//! and never refuses a connection. This module puts a stream of its own between actix and the socket
//! ([`stream`]), which hands over one exchange at a time. The service tells the stream when a call begins and ends
//! ([`signals`], [`exchange`]). One future per connection holds its deadlines ([`hold`]); one registry per
//! server counts the connections ([`registry`]).
//!
//! INVARIANT: this module does not interpret requests. It decides when bytes go to actix, and only
//! actix parses them. The framing of a body is followed only to find the beginning of the next
//! request.

mod close;
mod exchange;
mod hold;
mod limits;
mod registry;
mod scan;
mod serve;
mod signals;
mod stream;

pub(super) use close::announce_close;
pub(crate) use limits::ConnectionLimits;
pub(crate) use serve::{Flow, SHUTDOWN_SECONDS, Signals as ProcessSignals, listen};
