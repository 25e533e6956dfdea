//! Limits on the resources that a caller, a network and a request may use.

use std::time::Duration;

use crate::http::ANONYMOUS_BODY;
use crate::limits::Shares;
use crate::primitive::Rate;

use super::super::finding::{Finding, Findings};
use super::super::setting::Source;
use super::ServerBuilder;

/// The limits that are set in code.
#[derive(Debug)]
pub(in crate::server) struct LimitOptions {
    calls: Option<usize>,
    calls_per_user: Option<usize>,
    anonymous_calls: Option<usize>,
    anonymous_calls_per_network: Option<usize>,
    threads: Option<usize>,
    pub(in crate::server) subscriptions: Option<usize>,
    body_bytes: Option<usize>,
    body_bytes_per_user: Option<usize>,
    pub(in crate::server) rates: Vec<Rate>,
    pub(in crate::server) new_opaque_tokens: Option<usize>,
    pub(in crate::server) membership_look_ups: Option<usize>,
    pub(in crate::server) failures_per_minute: u32,
    pub(in crate::server) body_limit: usize,
    pub(in crate::server) body_deadline: Duration,
    pub(in crate::server) timeout: Duration,
    pub(in crate::server) page_size: usize,
    pub(in crate::server) progress_interval: Duration,
}

impl Default for LimitOptions {
    fn default() -> Self {
        Self {
            calls: None,
            calls_per_user: None,
            anonymous_calls: None,
            anonymous_calls_per_network: None,
            threads: None,
            subscriptions: None,
            body_bytes: None,
            body_bytes_per_user: None,
            rates: vec![DEFAULT_RATE],
            new_opaque_tokens: None,
            membership_look_ups: None,
            failures_per_minute: 1000,
            body_limit: 4 * MIB,
            body_deadline: Duration::from_secs(30),
            timeout: Duration::from_secs(60),
            page_size: 100,
            progress_interval: Duration::from_millis(50),
        }
    }
}

/// The methods that set limits.
impl ServerBuilder {
    /// Sets how many calls a principal may have in flight; 64 by default. The server answers a call
    /// beyond the limit with 503 and `Retry-After`.
    ///
    /// A principal is a user with one client in one organization. Zero, and a number above
    /// [`calls_in_flight_per_user`](Self::calls_in_flight_per_user), are start-up errors.
    ///
    /// Source: MCP 2026-07-28, server/tools, "Security considerations".
    pub fn calls_in_flight(mut self, most: usize) -> Self {
        self.limits.calls = Some(most);
        self
    }

    /// Sets how often a caller may call tools, counted over all tools; `6000/min per user` by
    /// default. The server answers a call beyond the rate with an `isError` result that says when
    /// to retry.
    ///
    /// Every call of an existing tool counts, including calls that the guard denies. Requests for prompts, resources
    /// and completions count too, also for unknown names. Beyond the rate they get the JSON-RPC error 429. A call that
    /// a limit refuses does not count. A [`Rate`] also says whose calls count together, such as `per user`.
    /// `#[mcp_tool(rate = …)]` limits one tool. The counts are in memory, so a restart resets them.
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
    /// Source: MCP 2026-07-28, server/tools, "Security considerations": servers must limit the rate
    /// of tool invocations.
    pub fn rates(mut self, rates: impl IntoIterator<Item = Rate>) -> Self {
        self.limits.rates = rates.into_iter().collect();
        self
    }

    /// Removes the server's rate limit. The `rate` of a single tool still applies.
    ///
    /// # Security
    ///
    /// A gateway in front of the server must then limit how often callers may call tools.
    pub fn dangerous_without_rates(self) -> Self {
        self.rates([])
    }

    /// Sets how many calls a user or a machine may have in flight, over all clients and
    /// organizations. The server answers a call beyond the limit with 503 and `Retry-After`.
    ///
    /// The default is 256, or [`calls_in_flight`](Self::calls_in_flight) if that is more. The limit is needed because a
    /// user can register any number of clients, and so evade a limit for each client. Zero is a start-up error.
    ///
    /// ```
    /// let builder = mcp_auth::server!().calls_in_flight(16).calls_in_flight_per_user(32);
    /// # let _ = builder;
    /// ```
    pub fn calls_in_flight_per_user(mut self, most: usize) -> Self {
        self.limits.calls_per_user = Some(most);
        self
    }

    /// Sets how many calls without a token may be in flight; 64 by default. The server answers a
    /// call beyond the limit with 503 and `Retry-After`.
    ///
    /// Calls of signed-in callers do not count. All clients in one IPv4 /24 or one IPv6 /48
    /// together get at most half of the limit. Zero, and a number below
    /// [`anonymous_calls_in_flight_per_network`](Self::anonymous_calls_in_flight_per_network), are
    /// start-up errors.
    pub fn anonymous_calls_in_flight(mut self, most: usize) -> Self {
        self.limits.anonymous_calls = Some(most);
        self
    }

    /// Sets how many calls without a token a network (an IPv4 address or an IPv6 /64) may have in
    /// flight; 16 by default. The server answers a call beyond the limit with 503 and
    /// `Retry-After`. Zero is a start-up error.
    ///
    /// A call of MCP 2025-11-25 or older continues after its client closes the connection, and
    /// counts until the call ends.
    ///
    /// ```
    /// let builder = mcp_auth::server!()
    ///     .anonymous_calls_in_flight(32)
    ///     .anonymous_calls_in_flight_per_network(4);
    /// # let _ = builder;
    /// ```
    pub fn anonymous_calls_in_flight_per_network(mut self, most: usize) -> Self {
        self.limits.anonymous_calls_per_network = Some(most);
        self
    }

    /// Sets how many calls of plain (not `async`) tool functions may run at once; 64 by default. Zero is a start-up
    /// error.
    ///
    /// A call of a plain function runs on a thread of its own. One user or machine gets at most half of the threads.
    /// All callers without a token together get at most a quarter of the threads. Within that quarter, the clients in
    /// one IPv4 /24 or IPv6 /48 get at most half, and one network (an IPv4 address or an IPv6 /64) at most a quarter.
    /// Each share is at least one thread. With fewer than 4 threads, callers without a token can therefore occupy more
    /// than a quarter.
    ///
    /// A call waits for a thread for at most 5 s, and no longer than the tool's time-out. If the
    /// call gets no thread in that time, the server answers with 503 and `Retry-After`, and the
    /// tool does not run. The tool's time-out begins when the tool starts on a thread.
    ///
    /// A plain function cannot be interrupted. After a time-out, or after the caller closes the
    /// connection, the function occupies its thread until it returns. Until then the call counts as
    /// one of the caller's calls in flight.
    ///
    /// ```
    /// let builder = mcp_auth::server!().tool_threads(8);
    /// # let _ = builder;
    /// ```
    pub fn tool_threads(mut self, most: usize) -> Self {
        self.limits.threads = Some(most);
        self
    }

    /// Sets how many subscriptions (`subscriptions/listen`) may be open at once. The server answers a request beyond
    /// the limit with 503 and `Retry-After`. Zero is a start-up error.
    ///
    /// The default is half of [`connections`](Self::connections), and at most 5000, because a subscription occupies its
    /// connection. A user with one client in one organization gets at most 16 subscriptions, and a user or a machine at
    /// most 64. Callers without a token get at most a quarter of the limit, and one network (an IPv4 address or an IPv6
    /// /64) at most 64. A subscription may have at most 256 URIs.
    ///
    /// In sessions, a stream that was opened with a GET and a call that waits for a person count as a subscription.
    ///
    /// ```
    /// let builder = mcp_auth::server!().subscriptions(500);
    /// # let _ = builder;
    /// ```
    pub fn subscriptions(mut self, most: usize) -> Self {
        self.limits.subscriptions = Some(most);
        self
    }

    /// Sets how many bytes of request bodies the server holds at once. The server answers a request
    /// beyond the limit with 503 and `Retry-After`.
    ///
    /// The default is 64 MiB, or four times
    /// [`body_bytes_in_flight_per_user`](Self::body_bytes_in_flight_per_user) if that is more. A
    /// body with a `Content-Length` counts in full before its first byte is read; a body of unknown
    /// length counts as it arrives. A body counts until its call ends. Bodies of at most 16 KiB do
    /// not count, because the limit on connections also bounds them. Callers without a token
    /// together get at most a quarter of the limit. Within that quarter, the clients in one IPv4
    /// /24 or IPv6 /48 get at most half, and one network (an IPv4 address or an IPv6 /64) at most a
    /// quarter.
    ///
    /// A number below `body_bytes_in_flight_per_user` or [`body_limit`](Self::body_limit) is a
    /// start-up error.
    pub fn body_bytes_in_flight(mut self, bytes: usize) -> Self {
        self.limits.body_bytes = Some(bytes);
        self
    }

    /// Sets how many bytes of request bodies the server holds at once for one user or machine, over
    /// all clients. The server answers a request beyond the limit with 503 and `Retry-After`.
    ///
    /// The default is 16 MiB, or [`body_limit`](Self::body_limit) if that is more. A number below
    /// `body_limit` is a start-up error, because a body of the permitted length could then be refused.
    ///
    /// ```
    /// let builder = mcp_auth::server!()
    ///     .body_limit(1024 * 1024)
    ///     .body_bytes_in_flight(32 * 1024 * 1024)
    ///     .body_bytes_in_flight_per_user(4 * 1024 * 1024);
    /// # let _ = builder;
    /// ```
    pub fn body_bytes_in_flight_per_user(mut self, bytes: usize) -> Self {
        self.limits.body_bytes_per_user = Some(bytes);
        self
    }

    /// Sets how many bad tokens a network (an IPv4 address or an IPv6 /64) may present in a minute;
    /// 1000 by default. Beyond the limit the server answers the network's bad tokens with 429 and
    /// `Retry-After` instead of 401.
    ///
    /// Beyond the limit the server still accepts JWTs that the issuer signed, and tokens that it
    /// accepted before. It answers new opaque tokens of the network with 429, because each of them
    /// costs a request to Clerk.
    ///
    /// A bad token is a token that the issuer never made. A token that the issuer signed or confirmed may still be
    /// refused, because it expired, names another audience, or belongs to a banned user. The server answers this token
    /// with 401 and does not count it, so that its client signs in again. The end of a transition
    /// ([`AudiencePolicy::RequiredAfter`](crate::AudiencePolicy::RequiredAfter)) therefore does not lock a network out.
    ///
    /// The network is the network of the peer, the other end of the connection. Behind a proxy all
    /// clients count as one network, unless [`trusted_proxies`](Self::trusted_proxies) names the
    /// proxy.
    pub fn failed_authentications_per_minute(mut self, most: u32) -> Self {
        self.limits.failures_per_minute = most;
        self
    }

    /// Sets about how many new opaque tokens the server verifies at Clerk in any ten seconds. The
    /// default is a tenth of the instance's own rate limit: 100 in production, 10 in development. A
    /// token is new until Clerk has confirmed it to this process.
    ///
    /// Each network (an IPv4 address or an IPv6 /64) has a token bucket of ten requests, which refills by one request a
    /// second. A request to Clerk takes one request from the bucket while it is in flight. If Clerk confirms the token,
    /// the bucket gets this request back. The clients in one IPv4 /24 or IPv6 /48 together get at most half of the
    /// budget. A request beyond the budget waits up to 5 s in a queue of 256 requests. After this time the server
    /// answers with 503 and `Retry-After`. With zero the server accepts no new opaque token.
    ///
    /// Source: <https://clerk.com/docs/guides/how-clerk-works/system-limits>.
    pub fn new_opaque_tokens_per_10s(mut self, most: usize) -> Self {
        self.limits.new_opaque_tokens = Some(most);
        self
    }

    /// Sets how many memberships the server looks up at Clerk in any ten seconds. The default is 500 in production and 50 in
    /// development, which is half of the instance's own rate limit.
    ///
    /// A look-up beyond the budget waits up to 30 s in a queue of three times this number, first come first served. A
    /// request that needs the look-up waits up to 8 s. After this time the server answers the request with 503 and
    /// `Retry-After`, but the look-up stays in the queue. While at least half of the budget is free, the server
    /// refreshes each cached membership that is in use. It does so 20 s after the last look-up, so that no request
    /// waits for the refresh. With zero the server looks up no membership, and answers each request that needs a
    /// membership with 503.
    ///
    /// Source: <https://clerk.com/docs/guides/how-clerk-works/system-limits>.
    pub fn membership_look_ups_per_10s(mut self, most: usize) -> Self {
        self.limits.membership_look_ups = Some(most);
        self
    }

    /// Sets the largest length of a request body in bytes; 4 MiB by default. The server answers a
    /// longer body with 413. Zero is a start-up error.
    ///
    /// Without a token a body may have at most 64 KiB. The server answers a longer body without a
    /// token with 401.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.limits.body_limit = bytes;
        self
    }

    /// Sets how long a body may take to arrive; 30 s by default. The server answers a slower body
    /// with 408.
    ///
    /// In each sixth of that time (5 s by default), at least 16 KiB or the end of the body must
    /// arrive; otherwise the server also answers with 408. A longer deadline therefore also permits
    /// a slower connection.
    pub fn body_deadline(mut self, deadline: Duration) -> Self {
        self.limits.body_deadline = deadline;
        self
    }

    /// Sets how long a tool may run; 60 s by default. `#[mcp_tool(timeout = …)]` sets another time for one tool.
    /// `extend_on_progress` lets a tool that reports progress run longer.
    ///
    /// After that time the server drops the tool's future, and answers with an `isError` result
    /// that has an error id (`Internal error, reference …`). A prompt and a resource have the same time-out, and answer
    /// with a JSON-RPC error.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.limits.timeout = timeout;
        self
    }

    /// Sets the shortest time between two progress messages of a call; 50 ms by default. If a function reports faster,
    /// the server sends only the newest report. It sends the last report of a call at once.
    ///
    /// [`Context::progress`](crate::Context::progress) reports progress.
    ///
    /// Source: MCP 2026-07-28, basic/patterns/progress: both parties should limit the rate.
    pub fn progress_interval(mut self, interval: Duration) -> Self {
        self.limits.progress_interval = interval;
        self
    }

    /// Sets the largest number of entries on a page of `tools/list`, `prompts/list`,
    /// `resources/list` and `resources/templates/list`; 100 by default. Zero is a start-up error.
    ///
    /// A list with more entries has a `nextCursor`. A cursor is encrypted and authenticated. It is valid for an hour,
    /// only for the same caller and the same list, only while the caller sees the same entries, and only in a process
    /// with the key that made it ([`state_keys`](Self::state_keys)). The server answers any other cursor with the
    /// JSON-RPC error -32602.
    ///
    /// Source: MCP 2026-07-28, server/utilities/pagination.
    pub fn page_size(mut self, entries: usize) -> Self {
        self.limits.page_size = entries;
        self
    }
}

/// The resolved limits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Load {
    /// The limit of a principal's calls in flight.
    pub(crate) calls: usize,
    /// The limit of calls in flight of a user or a machine, over all clients.
    pub(crate) calls_per_user: usize,
    /// The limits of calls in flight without a token.
    pub(crate) anonymous_calls: Shares,
    /// The limits of threads for tools that are plain functions.
    pub(crate) threads: Shares,
    /// The limits of bytes of request bodies.
    pub(crate) bytes: Shares,
    /// The limit of open subscriptions.
    pub(crate) subscriptions: usize,
}

impl LimitOptions {
    /// Returns the limits, with a finding for each setting that contradicts another setting. `connections` is the limit
    /// of connections, if this limit is known.
    pub(in crate::server) fn resolve(
        &self,
        connections: Option<usize>,
        findings: &mut Findings,
    ) -> Load {
        self.check(|result| findings.extend(result.err()));
        let (calls, calls_per_user) = pair(self.calls, self.calls_per_user, (64, 256));
        let (network, anonymous) = pair(
            self.anonymous_calls_per_network,
            self.anonymous_calls,
            (16, 64),
        );
        let threads = self.threads.unwrap_or(64);
        let per_user = self.body_bytes_per_user.unwrap_or_else(|| {
            let default = self.body_limit.max(16 * MIB);
            default.min(self.body_bytes.unwrap_or(usize::MAX))
        });
        let body_bytes = self.body_bytes;
        let body_bytes = body_bytes.unwrap_or_else(|| per_user.saturating_mul(4).max(64 * MIB));
        Load {
            calls,
            calls_per_user,
            anonymous_calls: Shares::of_strangers(anonymous, network),
            threads: Shares::of(threads, (threads / 2).max(1), 1),
            bytes: Shares::of(body_bytes, per_user, ANONYMOUS_BODY),
            subscriptions: self.subscriptions.unwrap_or_else(|| {
                let half = connections.map_or(MOST_SUBSCRIPTIONS, |all| all / 2);
                half.clamp(1, MOST_SUBSCRIPTIONS)
            }),
        }
    }

    /// Compares each setting with its least permitted value, and passes each result to `result`.
    fn check(&self, mut result: impl FnMut(Result<(), Finding>)) {
        let (body_limit, page_size) = (Some(self.body_limit), Some(self.page_size));
        let one = Some(1);
        let at_least_one = "it must be at least 1";
        let at_least_calls =
            "it must not be less than `calls_in_flight`, the limit for one client of the user";
        let at_least_network = "it must not be less than `anonymous_calls_in_flight_per_network`";
        let at_least_limit = "it must not be less than `body_limit`, because the longest body could otherwise never be read";
        let at_least_user = "it must not be less than `body_bytes_in_flight_per_user`";
        let (calls, per_user) = (self.calls, self.calls_per_user);
        let (anonymous, network) = (self.anonymous_calls, self.anonymous_calls_per_network);
        let (bytes, bytes_per_user) = (self.body_bytes, self.body_bytes_per_user);
        for (method, value, least, expected) in [
            ("calls_in_flight", calls, one, at_least_one),
            ("calls_in_flight_per_user", per_user, one, at_least_one),
            ("anonymous_calls_in_flight", anonymous, one, at_least_one),
            (
                "anonymous_calls_in_flight_per_network",
                network,
                one,
                at_least_one,
            ),
            ("tool_threads", self.threads, one, at_least_one),
            ("subscriptions", self.subscriptions, one, at_least_one),
            ("body_limit", body_limit, one, at_least_one),
            ("page_size", page_size, one, at_least_one),
            ("calls_in_flight_per_user", per_user, calls, at_least_calls),
            (
                "anonymous_calls_in_flight",
                anonymous,
                network,
                at_least_network,
            ),
            (
                "body_bytes_in_flight_per_user",
                bytes_per_user,
                body_limit,
                at_least_limit,
            ),
            ("body_bytes_in_flight", bytes, body_limit, at_least_limit),
            ("body_bytes_in_flight", bytes, bytes_per_user, at_least_user),
        ] {
            if let (Some(value), Some(least)) = (value, least) {
                result(Source::Code(method).at_least(value, &least, expected));
            }
        }
    }
}

/// The limit of a part and the limit of the whole. If only one of the two is set, the default of the other limit is
/// adjusted so that the part is not larger than the whole.
fn pair(part: Option<usize>, whole: Option<usize>, defaults: (usize, usize)) -> (usize, usize) {
    match (part, whole) {
        (Some(part), Some(whole)) => (part, whole),
        (Some(part), None) => (part, part.max(defaults.1)),
        (None, Some(whole)) => (whole.min(defaults.0), whole),
        (None, None) => defaults,
    }
}

/// 100 calls a second on average. A client that a person uses sends fewer calls.
const DEFAULT_RATE: Rate = Rate::new("6000/min per user");
const MOST_SUBSCRIPTIONS: usize = 5_000;
const MIB: usize = 1024 * 1024;

#[cfg(test)]
mod tests;
