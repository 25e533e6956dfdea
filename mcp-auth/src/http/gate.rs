//! The first look at a request: its `Host` and its `Origin`, each against its own list.
//!
//! Both are checked because each stops what the other does not: a page that had its name rebound to
//! this address sends a foreign `Host`; a page that calls across origins sends a foreign `Origin`.
//! Nothing of `Forwarded` or `X-Forwarded-*` is looked at.

use actix_web::http::Uri;
use url::Url;

use crate::identity::is_loopback;
use crate::protocol::Header;

use super::listed::{AllowedHost, split};
use super::refusal::Refusal;

/// Which hosts and origins are served.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    hosts: Vec<AllowedHost>,
    origins: Origins,
}

/// Which browser origins may call.
#[derive(Clone, Debug)]
pub(crate) enum Origins {
    /// These, as a browser spells them.
    Listed(Vec<String>),
    /// Pages served from the local machine.
    Loopback,
}

impl Gate {
    pub(crate) fn new(hosts: Vec<AllowedHost>, origins: Origins) -> Self {
        Self { hosts, origins }
    }

    /// Checks the `Host` header and returns it.
    pub(super) fn host<'a>(&self, host: Header<'a>, target: &Uri) -> Result<&'a str, Refusal> {
        let Header::Value(host) = host else {
            return Err(Refusal::Host);
        };
        // RFC 9112 section 3.2.2: an absolute-form target must not say otherwise.
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

    /// Checks the `Origin` header and returns it, if there is one.
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

/// Whether an origin is a page of the local machine. `null` is not.
fn is_loopback_origin(origin: &str) -> bool {
    let Ok(url) = Url::parse(origin) else {
        return false;
    };
    is_loopback(&url)
        && matches!(url.scheme(), "http" | "https")
        && url.origin().ascii_serialization() == origin
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;
    use crate::http::head::Fields;

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
}
