//! What a caller, a peer and a request may take of the server.

use std::time::Duration;

use crate::tool::Rate;

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

    /// Sets how often a caller may call tools, all of them together; `6000/min per user` by default. Beyond,
    /// a call is answered with an `isError` result that says when to retry.
    ///
    /// Every call of a known tool counts, also a call that the guard denies. A call that a limit refuses
    /// does not count. [`Rate`] says whose calls count together; `#[mcp_tool(rate = …)]` limits one tool.
    /// The counts are in the memory of the process, and begin anew with it.
    ///
    /// ```
    /// use mcp_auth::Rate;
    ///
    /// const RATES: [Rate; 2] = [Rate::new("600/min per user"), Rate::new("100000/day per org")];
    ///
    /// let builder = mcp_auth::server!().rates(RATES);
    /// # let _ = builder;
    /// ```
    ///
    /// Source: MCP 2026-07-28, server/tools, "Security considerations": servers must limit the rate of tool
    /// invocations.
    pub fn rates(mut self, rates: impl IntoIterator<Item = Rate>) -> Self {
        self.rates = rates.into_iter().collect();
        self
    }

    /// Lets callers call tools as often as they like, except for tools that declare a `rate`.
    ///
    /// # Security
    ///
    /// Then something in front of the server has to limit how often tools are called.
    pub fn without_rates(self) -> Self {
        self.rates([])
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

/// An average of 100 calls a second: more than clients that people use send, and no limit for a client that runs
/// away.
pub(super) const DEFAULT_RATE: Rate = Rate::new("6000/min per user");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_default_a_caller_may_call_six_thousand_times_a_minute() {
        let builder = ServerBuilder::of_package("package", "0");
        assert_eq!(builder.rates, [Rate::new("6000/min per user")]);
        assert!(builder.without_rates().rates.is_empty());
    }
}
