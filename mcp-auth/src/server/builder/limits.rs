//! What a caller, a peer and a request may take of the server.

use std::time::Duration;

use super::ServerBuilder;

/// Limits.
impl ServerBuilder {
    /// Sets how many calls a principal may have in flight, 256 by default; 503 beyond.
    ///
    /// A principal is a user with one client in one organization; all callers without a token are
    /// one together.
    ///
    /// Source: MCP 2026-07-28, server/tools, "Security considerations".
    pub fn calls_in_flight(mut self, most: usize) -> Self {
        self.calls_in_flight = most;
        self
    }

    /// Sets how many tools that are plain `fn`s may run at once, 64 by default; further calls wait
    /// for a thread, within their time-out.
    ///
    /// A plain function cannot be interrupted: one whose caller has been told of a time-out, or has
    /// gone away, occupies its thread until it returns, and counts among the caller's
    /// [`calls_in_flight`](Self::calls_in_flight) for as long. Where functions may hang, keep that below
    /// the number of threads, or one principal can occupy them all.
    ///
    /// ```
    /// let builder = mcp_auth::server!().tool_threads(8);
    /// ```
    pub fn tool_threads(mut self, most: usize) -> Self {
        self.tool_threads = most;
        self
    }

    /// Sets how many bad tokens a peer (an IPv6 /64) may present in a minute, 1000 by default; 429
    /// beyond. Callers whose token is known already are not held up.
    ///
    /// The peer is that of the connection: behind a proxy all clients are one.
    pub fn failed_authentications_per_minute(mut self, most: u32) -> Self {
        self.failures_per_minute = most;
        self
    }

    /// Sets the longest body in bytes, 4 MiB by default; 413 beyond.
    ///
    /// Without a token it is 64 KiB at most; 401 beyond.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Sets how long a body may take to arrive, 30 s by default; 408 beyond.
    pub fn body_deadline(mut self, deadline: Duration) -> Self {
        self.body_deadline = deadline;
        self
    }

    /// Sets how long a tool may run, 60 s by default; `#[mcp_tool(timeout = …)]` wins.
    ///
    /// Then its future is dropped, and the answer is an `isError` result with a reference.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}
