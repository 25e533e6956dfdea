//! Serves connections with HTTP/2 (RFC 9113).
//!
//! The crate `h2` implements the protocol. This module keeps HTTP/2 within the limits of HTTP/1.1. The dispatcher of
//! actix-http for HTTP/2 is not used, because it limits neither the requests of a connection nor the time that a response
//! may wait for its client. This module ends a connection that sends many frames without a use, or that cancels many
//! requests ([`serve`]). It counts each further request as a connection ([`seats`]), ends a response that the client does
//! not read ([`exchange`]), and reads nothing while the client does not read ([`io`]).
//!
//! INVARIANT: a request of HTTP/2 gets the same service as a request of HTTP/1.1, and this module makes no decision about
//! it.

mod convert;
mod exchange;
mod io;
mod seats;
mod serve;

pub(super) use serve::{Peer, Services, serve};
