//! The metrics of a server, and the values of their labels. `docs/operate.md` lists them, and a test compares that page
//! with a scrape.

/// A metric, with all its series.
#[derive(Debug)]
pub(crate) struct Family {
    /// The name without its unit and without `_total`.
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: Kind,
    pub(super) labels: &'static [&'static str],
    pub(super) unit: Unit,
}

/// The type of a metric.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// The unit, if the name of the metric has one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unit {
    Bytes,
    None,
    Seconds,
}

/// Declares the metrics and the list of all of them.
macro_rules! families {
    ($($kind:ident $family:ident $name:literal $labels:tt $unit:ident $help:literal;)*) => {
        $(
            pub(crate) static $family: Family = Family {
                name: $name,
                help: $help,
                kind: Kind::$kind,
                labels: &$labels,
                unit: Unit::$unit,
            };
        )*
        #[cfg(feature = "metrics")]
        pub(super) static ALL: &[&Family] = &[$(&$family),*];
    };
}

families! {
    Counter REQUESTS "mcp_auth_requests" ["method", "outcome"] None
        "JSON-RPC messages that were read, by method and outcome";
    Counter RESPONSES "mcp_auth_http_responses" ["status"] None
        "HTTP responses of the endpoint, by status";
    Counter REFUSALS "mcp_auth_refusals" ["reason"] None
        "Requests that were refused before or instead of the response of their method, by reason";
    Counter CALLS "mcp_auth_calls" ["kind", "name", "outcome"] None
        "Calls of tools, prompts and resources, by outcome";
    Histogram CALL_DURATION "mcp_auth_call_duration" ["kind", "name"] Seconds
        "Durations of calls whose function began to run";
    Counter DENIALS "mcp_auth_denials" ["requirement"] None
        "Denials, by the kind of the requirement that the caller does not meet";
    Counter TOKENS "mcp_auth_token_verifications" ["result"] None
        "Requests with a token, by the result of its verification";
    Counter TOKENS_REFUSED "mcp_auth_tokens_refused" ["reason"] None
        "Refused tokens, by reason";
    Counter LIMITS_HIT "mcp_auth_limits_hit" ["limit"] None
        "Requests, calls and connections that exceeded a limit, by the setting of the limit";
    Counter OUTGOING "mcp_auth_clerk_requests" ["operation", "result"] None
        "Requests to Clerk, by result";
    Histogram OUTGOING_DURATION "mcp_auth_clerk_request_duration" ["operation"] Seconds
        "Durations of requests to Clerk";
    Gauge CIRCUIT_OPEN "mcp_auth_circuit_open" ["service"] None
        "1 while the circuit breaker of a service of Clerk is open";
    Counter CIRCUIT_OPENINGS "mcp_auth_circuit_openings" ["service"] None
        "How often the circuit breaker of a service of Clerk opened";
    Counter BUDGET_SPENT "mcp_auth_budget_spent" ["service"] None
        "Look-ups that were refused because the budget of requests to Clerk was used up";
    Counter AUDIT_LOST "mcp_auth_audit_records_lost" [] None
        "Records of the audit log that were lost, because a sink was too slow or failed";
    Counter KEY_REFRESHES "mcp_auth_key_refreshes" ["result"] None
        "Fetches of the issuer's keys, by result";
    Gauge KEYS "mcp_auth_keys" [] None
        "Keys of the issuer that verify tokens now";
    Gauge READY "mcp_auth_ready" [] None
        "1 if /readyz answers 200";
    Gauge CALLS_IN_FLIGHT "mcp_auth_calls_in_flight" [] None
        "Calls that run now";
    Gauge SUBSCRIPTIONS "mcp_auth_subscriptions" [] None
        "Open streams of subscriptions/listen";
    Gauge SESSIONS "mcp_auth_sessions" [] None
        "Open sessions of clients of MCP 2025-11-25 and older";
    Gauge TASKS "mcp_auth_tasks" [] None
        "Tasks that run in this process";
    Gauge CONNECTIONS "mcp_auth_connections" [] None
        "Open connections";
    Gauge CERTIFICATE_EXPIRES "mcp_auth_certificate_expires" [] Seconds
        "The time at which the certificate of the server expires, in seconds since 1970; 0 without TLS";
    Counter CERTIFICATE_RELOADS "mcp_auth_certificate_reloads" ["result"] None
        "How often the files of the certificate changed, by whether the new certificate could be used";
    Counter RECEIVED "mcp_auth_received" [] Bytes
        "Bytes that connections received, with heads and without TLS";
    Counter SENT "mcp_auth_sent" [] Bytes
        "Bytes that connections sent, with heads and without TLS";
    Counter SPANS_LOST "mcp_auth_spans_lost" ["reason"] None
        "Spans of requests that were not exported, by reason";
    Gauge BUILD_INFO "mcp_auth_build_info" ["version", "server", "server_version"] None
        "Always 1; the labels are the version of mcp-auth, and the name and version of the server";
    Gauge START_TIME "process_start_time" [] Seconds
        "The time at which the server was configured, in seconds since 1970";
}

/// The methods of MCP that a server of this crate answers. The last value stands for every other method.
pub(super) const METHODS: &[&str] = &[
    "completion/complete",
    "initialize",
    "logging/setLevel",
    "notifications/cancelled",
    "notifications/initialized",
    "notifications/progress",
    "notifications/roots/list_changed",
    "ping",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/subscribe",
    "resources/templates/list",
    "resources/unsubscribe",
    "server/discover",
    "subscriptions/listen",
    "tasks/cancel",
    "tasks/get",
    "tasks/update",
    "tools/call",
    "tools/list",
    "other",
];

/// The outcomes of a JSON-RPC message.
pub(super) const REQUEST_OUTCOMES: &[&str] = &["accepted", "cancelled", "error", "ok", "refused"];

/// The outcomes of a call. The call of an unknown name has the outcome `unknown`, which no declared primitive has.
pub(super) const OUTCOMES: &[&str] = &[
    "allowed",
    "asked",
    "cancelled",
    "declined",
    "denied",
    "invalid",
    "limited",
    "panicked",
    "timed_out",
    "unauthenticated",
    "unavailable",
    "failed",
];

/// The outcomes of calls whose function began to run.
pub(super) const RAN: &[&str] = &[
    "allowed",
    "asked",
    "cancelled",
    "declined",
    "failed",
    "panicked",
    "timed_out",
];

/// The results of the verification of a token.
pub(super) const TOKEN_RESULTS: &[&str] = &[
    "accepted",
    "cached",
    "limited",
    "misconfigured",
    "refused",
    "unavailable",
];

/// The limits, by the names of their settings.
pub(super) const LIMITS: &[&str] = &[
    "anonymous_calls_in_flight",
    "anonymous_calls_in_flight_per_network",
    "body_bytes_in_flight",
    "body_deadline",
    "body_limit",
    "calls_in_flight",
    "calls_in_flight_per_user",
    "concurrency",
    "connections",
    "connections_per_network",
    "failed_authentications_per_minute",
    "rates",
    "subscriptions",
    "tool_threads",
];

/// The statuses of the endpoint's responses. The last value stands for every other status.
pub(super) const STATUSES: &[&str] = &[
    "200", "202", "204", "400", "401", "403", "404", "405", "406", "408", "413", "415", "429",
    "500", "503", "other",
];

/// Returns a method as the value of a label.
pub(crate) fn method(name: &str) -> &'static str {
    let known = METHODS.iter().find(|known| **known == name);
    known.copied().unwrap_or("other")
}

/// Returns a status as the value of a label.
pub(super) fn status(status: u16) -> &'static str {
    let mut digits = [b'0'; 3];
    let mut rest = status;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
    }
    let known = STATUSES.iter().find(|known| known.as_bytes() == digits);
    known.copied().unwrap_or("other")
}
