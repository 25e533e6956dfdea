//! Limits the number, the deadlines and the memory of connections.
//!
//! actix-http has three gaps: it continues to read requests while the client does not read the
//! responses, it has a deadline only for the first head of a connection, and it never refuses a
//! connection. This module therefore puts its own stream between actix and the socket ([`stream`]),
//! which hands over one exchange at a time. The service tells the stream when a call begins and
//! ends ([`signals`], [`exchange`]). One future for each connection enforces its deadlines
//! ([`hold`]). One registry for each server counts the connections ([`registry`]).
//!
//! With TLS, the handshake of a connection (`handshake`) is part of the connection: it counts from the moment when the
//! connection is accepted, and has a deadline. The socket under TLS (`wire`) reports when the client does not read.
//!
//! INVARIANT: this module does not interpret requests. It decides when bytes go to actix, and only actix parses them.
//! The module reads the framing of a body only to find the beginning of the next request.

mod close;
mod exchange;
#[cfg(feature = "tls")]
mod handshake;
mod hold;
#[cfg(feature = "tls")]
mod http2;
mod limits;
mod registry;
mod scan;
mod serve;
mod signals;
mod socket;
mod stream;
#[cfg(feature = "tls")]
mod wire;
mod worker;

pub(super) use close::announce_close;
pub(crate) use limits::ConnectionLimits;
pub(crate) use serve::{Flow, SHUTDOWN_SECONDS, Signals as ProcessSignals, listen};
