//! Limits of what a caller, a peer and a request may take of the server.

use std::time::Duration;

use crate::tool::Rate;

use super::ServerBuilder;

/// Limits.
impl ServerBuilder {
    /// Sets how many calls a principal may have in flight, 64 by default; 503 with `Retry-After` beyond.
    ///
    /// A principal is a user with one client in one organization. Zero, and more than
    /// [`calls_in_flight_per_user`](Self::calls_in_flight_per_user), is a start-up error.
    ///
    /// Source: MCP 2026-07-28, server/tools, "Security considerations".
    pub fn calls_in_flight(mut self, most: usize) -> Self {
        self.load.calls = Some(most);
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

    /// Sets how many calls a user or a machine may have in flight over all clients and organizations; 503 with
    /// `Retry-After` beyond.
    ///
    /// By default it is 256, or [`calls_in_flight`](Self::calls_in_flight) if that is more. A user can register
    /// as many clients as they like, so a limit for each client alone bounds nothing. Zero is a start-up error.
    ///
    /// ```
    /// let builder = mcp_auth::server!().calls_in_flight(16).calls_in_flight_per_user(32);
    /// # let _ = builder;
    /// ```
    pub fn calls_in_flight_per_user(mut self, most: usize) -> Self {
        self.load.calls_per_user = Some(most);
        self
    }

    /// Sets how many calls without a token may be in flight, 64 by default; 503 with `Retry-After` beyond.
    ///
    /// They count apart from the calls of signed-in callers. The networks of one IPv4 /24 or one IPv6 /48 may
    /// have half of them together. Zero, and less than
    /// [`anonymous_calls_in_flight_per_network`](Self::anonymous_calls_in_flight_per_network), is a start-up
    /// error.
    pub fn anonymous_calls_in_flight(mut self, most: usize) -> Self {
        self.load.anonymous_calls = Some(most);
        self
    }

    /// Sets how many calls without a token a network (an IPv4 address, an IPv6 /64) may have in flight, 16 by
    /// default; 503 with `Retry-After` beyond. Zero is a start-up error.
    ///
    /// A call of MCP 2025-11-25 or older goes on after its client hung up, and counts until it ends.
    ///
    /// ```
    /// let builder = mcp_auth::server!()
    ///     .anonymous_calls_in_flight(32)
    ///     .anonymous_calls_in_flight_per_network(4);
    /// # let _ = builder;
    /// ```
    pub fn anonymous_calls_in_flight_per_network(mut self, most: usize) -> Self {
        self.load.anonymous_calls_per_network = Some(most);
        self
    }

    /// Sets how many tools that are plain `fn`s may run at once, 64 by default. Zero is a start-up error.
    ///
    /// One user or machine gets at most half of the threads, and all callers without a token at most a quarter:
    /// of that quarter one IPv4 /24 or IPv6 /48 gets half, and one network (an IPv4 address, an IPv6 /64) a
    /// quarter. Each share is one thread at least, so with fewer than 4 threads callers without a token can
    /// occupy a larger part.
    ///
    /// A call waits for a thread for 5 s at most, and no longer than its time-out. Then the answer is 503 with
    /// `Retry-After`, and the tool has not run. The time-out of the tool begins when it has its thread.
    ///
    /// A plain function cannot be interrupted: one whose caller was told of a time-out, or hung up, occupies its
    /// thread until it returns, and counts among the caller's calls in flight for as long.
    ///
    /// ```
    /// let builder = mcp_auth::server!().tool_threads(8);
    /// # let _ = builder;
    /// ```
    pub fn tool_threads(mut self, most: usize) -> Self {
        self.load.threads = Some(most);
        self
    }

    /// Sets how many bytes of request bodies the server holds at once; 503 with `Retry-After` beyond.
    ///
    /// By default it is 64 MiB, or four times
    /// [`body_bytes_in_flight_per_user`](Self::body_bytes_in_flight_per_user) if that is more. A declared length
    /// counts before the first byte of the body is read, a body of unknown length counts as it arrives. Both
    /// count until the call has ended. A body of at most 16 KiB does not count, as
    /// the number of connections bounds how many there are. Callers without a token get at most a quarter, of which one IPv4 /24 or IPv6 /48 gets half and one
    /// network (an IPv4 address, an IPv6 /64) a quarter.
    ///
    /// Less than `body_bytes_in_flight_per_user` or [`body_limit`](Self::body_limit) is a start-up error.
    pub fn body_bytes_in_flight(mut self, bytes: usize) -> Self {
        self.load.body_bytes = Some(bytes);
        self
    }

    /// Sets how many bytes of request bodies the server holds at once for one user or machine, over all clients;
    /// 503 with `Retry-After` beyond.
    ///
    /// By default it is 16 MiB, or [`body_limit`](Self::body_limit) if that is more. Less than `body_limit` is a
    /// start-up error: the longest body could never be read.
    ///
    /// ```
    /// let builder = mcp_auth::server!()
    ///     .body_limit(1024 * 1024)
    ///     .body_bytes_in_flight(32 * 1024 * 1024)
    ///     .body_bytes_in_flight_per_user(4 * 1024 * 1024);
    /// # let _ = builder;
    /// ```
    pub fn body_bytes_in_flight_per_user(mut self, bytes: usize) -> Self {
        self.load.body_bytes_per_user = Some(bytes);
        self
    }

    /// Sets how many bad tokens a network (an IPv4 address or an IPv6 /64) may present in a minute, 1000 by
    /// default. Beyond that its bad tokens get a 429 with `Retry-After` instead of a 401.
    ///
    /// A JWT that the issuer signed is accepted all the same, whatever others of its network did, and so is a
    /// token that was accepted before. New opaque tokens of the network get a 429, because each costs a
    /// question to Clerk.
    ///
    /// A bad token is one that the issuer never made. A token that the issuer signed or confirmed and that is
    /// refused for another reason (it expired, it names another audience, its user is banned) is a 401 and
    /// does not count: its client has to learn that it must sign in again. So the end of a transition for tokens
    /// without an audience does not lock a network out.
    ///
    /// The network is that of the peer; behind a proxy all clients are one, unless
    /// [`trusted_proxies`](Self::trusted_proxies) names the proxy.
    pub fn failed_authentications_per_minute(mut self, most: u32) -> Self {
        self.failures_per_minute = most;
        self
    }

    /// Sets about how many new opaque tokens Clerk is asked in any ten seconds; by default a tenth of the limit of
    /// the instance: 100 in production, 10 in development. A token is new if Clerk never confirmed it to this
    /// process.
    ///
    /// A network (an IPv4 address or an IPv6 /64) may have ten questions that are in flight or that Clerk
    /// answered with no, and one a second more. A token that Clerk confirms gives the question back. The questions of
    /// one site (an IPv4 /24 or an IPv6 /48) leave half of the budget to others. A request that finds no question
    /// waits up to 5 s for its turn, in a queue of 256, and is a 503 with `Retry-After` if no turn comes. With zero
    /// no new opaque token gets in.
    ///
    /// Source: <https://clerk.com/docs/guides/how-clerk-works/system-limits>.
    pub fn new_opaque_tokens_per_10s(mut self, most: usize) -> Self {
        self.new_opaque_tokens = Some(most);
        self
    }

    /// Sets how many memberships Clerk is asked for in any ten seconds; by default half of the limit of the
    /// instance: 500 in production, 50 in development.
    ///
    /// A look-up beyond that waits up to 30 s for its turn, first come first served, in a queue of three times this
    /// number. The request that needs it waits up to 8 s and is then a 503 with `Retry-After`; the look-up keeps
    /// its turn. While half of the budget is free, a membership in use is looked up again when it is 20 s old, so
    /// that no request waits for it. With zero no membership is looked up, and whatever needs one is a 503.
    ///
    /// Source: <https://clerk.com/docs/guides/how-clerk-works/system-limits>.
    pub fn membership_look_ups_per_10s(mut self, most: usize) -> Self {
        self.membership_look_ups = Some(most);
        self
    }

    /// Sets the longest body in bytes, 4 MiB by default; 413 beyond. Zero is a start-up error.
    ///
    /// Without a token it is 64 KiB at most; 401 beyond.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Sets how long a body may take to arrive, 30 s by default; 408 beyond.
    ///
    /// In each sixth of that time (5 s by default) at least 16 KiB have to arrive, or the end of the body; 408
    /// otherwise. So a longer deadline also serves slower clients.
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
