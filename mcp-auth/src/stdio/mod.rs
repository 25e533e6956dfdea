//! MCP over stdin and stdout: one client, which started this process, and one JSON-RPC message in each line.
//!
//! This module takes the lines of stdin, verifies the caller again for each message, and writes whole messages to
//! stdout. The protocol decides and responds, as over HTTP. This module does not depend on an HTTP framework.
//!
//! INVARIANT: memory is bounded. A line may be at most as long as a body over HTTP. Reading stops while the maximum
//! number of messages is in progress. A message is in progress until its responses are written to stdout.
//!
//! Source: MCP 2026-07-28, basic/transports/stdio; MCP 2025-11-25, basic/transports, stdio.

mod connection;
mod credentials;
mod input;
mod output;
mod refusal;
mod running;
mod serve;

pub(crate) use self::credentials::Credentials;
pub(crate) use self::serve::{StdioConfig, serve};
