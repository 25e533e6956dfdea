//! Checks the `Host` and the `Origin` of a request, each against its own list.
//!
//! Each of the two checks stops an attack that the other check does not stop. In a DNS rebinding attack, the page's own
//! host name resolves to this server, so the request has a foreign `Host`. A page that sends a cross-origin request has
//! a foreign `Origin`. This module does not read `Forwarded` and `X-Forwarded-*`.

use std::sync::Arc;

use actix_web::http::Uri;
use url::Url;

use crate::identity::{Clock, LogThrottle};
use crate::loopback;
use crate::protocol::Header;

use super::head::Fields;

use super::listed::{AllowedHost, split};
use super::refusal::Refusal;

/// The accepted hosts and origins.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    hosts: Vec<AllowedHost>,
    origins: Origins,
}

/// The origins of web pages that may call the server.
#[derive(Clone, Debug)]
pub(crate) enum Origins {
    /// The listed origins, in the form that browsers send.
    Listed(Vec<String>),
    /// All origins on loopback: pages on the local machine.
    Loopback,
}

impl Gate {
    pub(crate) fn new(hosts: Vec<AllowedHost>, origins: Origins) -> Self {
        Self { hosts, origins }
    }

    /// Checks the `Host` header, and returns its value.
    pub(super) fn host<'a>(&self, host: Header<'a>, target: &Uri) -> Result<&'a str, Refusal> {
        let Header::Value(host) = host else {
            return Err(Refusal::Host);
        };
        // If the target is in absolute form, it must name the same host (RFC 9112 section 3.2.2).
        if target
            .authority()
            .is_some_and(|authority| authority.as_str() != host)
        {
            return Err(Refusal::Contradiction);
        }
        let is_listed = |(name, port)| self.hosts.iter().any(|allowed| allowed.is(name, port));
        if split(host).is_some_and(is_listed) {
            Ok(host)
        } else {
            Err(Refusal::Host)
        }
    }

    /// Checks the `Origin` header, and returns its value if there is one.
    pub(super) fn origin<'a>(&self, origin: Header<'a>) -> Result<Option<&'a str>, Refusal> {
        let origin = match origin {
            Header::Absent => return Ok(None),
            Header::Malformed => return Err(Refusal::Origin),
            Header::Value(origin) => origin,
        };
        let known = match &self.origins {
            Origins::Listed(origins) => origins.iter().any(|allowed| allowed == origin),
            Origins::Loopback => is_loopback_origin(origin),
        };
        if known {
            Ok(Some(origin))
        } else {
            Err(Refusal::Origin)
        }
    }
}

/// Logs requests that the gate refuses, at most one line a minute for hosts and one for origins.
#[derive(Debug)]
pub(super) struct GateLog {
    clock: Arc<dyn Clock>,
    hosts: LogThrottle,
    origins: LogThrottle,
}

impl GateLog {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            hosts: LogThrottle::default(),
            origins: LogThrottle::default(),
        }
    }

    /// Counts a refusal. The log line has the refused value, escaped and shortened, and the name of
    /// the setting that lists the accepted values.
    #[cold]
    pub(super) fn count(&self, refusal: &Refusal, fields: &Fields<'_>) {
        let (throttle, reason, sent, setting) = match refusal {
            Refusal::Host => (
                &self.hosts,
                "the host is not served",
                fields.host,
                "MCP_ALLOWED_HOSTS",
            ),
            Refusal::Origin => (
                &self.origins,
                "the origin is not allowed",
                fields.origin,
                "MCP_ALLOWED_ORIGINS",
            ),
            _ => return,
        };
        if let Some(requests) = throttle.due(self.clock.uptime()) {
            let sent = match sent {
                Header::Value(value) => value.chars().take(MAX_LOGGED_CHARS).collect(),
                Header::Absent | Header::Malformed => String::new(),
            };
            tracing::info!(target: "mcp_auth", reason, ?sent, setting, requests, "request refused");
        }
    }
}

const MAX_LOGGED_CHARS: usize = 64;

/// Returns true if an origin is on loopback. `null` is not on loopback.
fn is_loopback_origin(origin: &str) -> bool {
    let Ok(url) = Url::parse(origin) else {
        return false;
    };
    loopback::is_url(&url)
        && matches!(url.scheme(), "http" | "https")
        && url.origin().ascii_serialization() == origin
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use actix_web::test::TestRequest;
    use tracing::Level;

    use super::*;
    use crate::identity::{ManualClock, test_support};

    fn gate() -> Gate {
        let hosts = ["127.0.0.1:3000", "mcp.example.com"];
        let hosts = hosts.map(|host| AllowedHost::parse(host).unwrap());
        Gate::new(hosts.to_vec(), Origins::Loopback)
    }

    fn host(headers: &[(&str, &str)]) -> Result<(), Refusal> {
        let mut request = TestRequest::get().uri("/mcp");
        for header in headers {
            request = request.append_header(*header);
        }
        let request = request.to_http_request();
        let host = Fields::of(request.head()).host;
        gate().host(host, request.uri()).map(|_| ())
    }

    #[test]
    fn only_listed_hosts_pass() {
        for good in ["127.0.0.1:3000", "mcp.example.com", "MCP.example.com:8443"] {
            assert_eq!(host(&[("Host", good)]), Ok(()), "{good}");
        }
        for bad in [
            "evil.example",
            "127.0.0.1",
            "127.0.0.1:3001",
            "mcp.example.com.evil",
            "",
        ] {
            assert_eq!(host(&[("Host", bad)]), Err(Refusal::Host), "{bad}");
        }
        assert_eq!(host(&[]), Err(Refusal::Host));
        let two = [("Host", "mcp.example.com"), ("Host", "mcp.example.com")];
        assert_eq!(host(&two), Err(Refusal::Host));
    }

    #[test]
    fn forwarding_headers_are_not_believed() {
        for header in ["Forwarded", "X-Forwarded-Host", "X-Original-Host"] {
            let value = if header == "Forwarded" {
                "host=mcp.example.com"
            } else {
                "mcp.example.com"
            };
            assert_eq!(
                host(&[("Host", "evil"), (header, value)]),
                Err(Refusal::Host),
                "{header}"
            );
        }
    }

    #[test]
    fn an_absolute_target_must_name_the_same_host() {
        let request = TestRequest::get()
            .uri("http://evil.example/mcp")
            .insert_header(("Host", "mcp.example.com"))
            .to_http_request();
        let host = Fields::of(request.head()).host;
        assert_eq!(
            gate().host(host, request.uri()),
            Err(Refusal::Contradiction)
        );
    }

    #[test]
    fn only_local_pages_are_loopback_origins() {
        for good in [
            "http://localhost:6274",
            "http://127.0.0.1",
            "https://[::1]:8443",
        ] {
            assert!(is_loopback_origin(good), "{good}");
        }
        for bad in [
            "null",
            "http://localhost.evil.example",
            "http://evil.example",
            "file://",
            "localhost",
            "http://localhost/",
            "http://localhost:6274/path",
            "http://u@localhost",
        ] {
            assert!(!is_loopback_origin(bad), "{bad}");
        }
    }

    #[test]
    fn a_refused_host_or_origin_has_a_line_a_minute_with_a_count_and_the_setting() {
        let clock = test_support::clock();
        let log = GateLog::new(Arc::<ManualClock>::clone(&clock));
        let head = TestRequest::default()
            .insert_header(("host", "evil.example"))
            .insert_header(("origin", "https://evil.example"))
            .to_http_request();
        let fields = Fields::of(head.head());
        let written = test_support::logged_at(Level::INFO, || {
            for _ in 0..3 {
                log.count(&Refusal::Host, &fields);
            }
            log.count(&Refusal::Origin, &fields);
            log.count(&Refusal::Busy, &fields);
            clock.advance(Duration::from_secs(60));
            log.count(&Refusal::Host, &fields);
        });
        let lines: Vec<_> = written.lines().collect();
        assert_eq!(lines.len(), 3, "{written}");
        let origin = r#"reason="the origin is not allowed" sent="https://evil.example" setting="MCP_ALLOWED_ORIGINS" requests=1"#;
        assert!(lines[1].contains(origin), "{written}");
        for (line, requests) in [(lines[0], 1), (lines[2], 3)] {
            let setting = format!("setting=\"MCP_ALLOWED_HOSTS\" requests={requests}");
            assert!(line.contains(&setting), "{line}");
        }
    }
}
