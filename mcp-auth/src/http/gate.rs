//! The first look at a request: its `Host` and its `Origin`, each against its own list.
//!
//! Both are checked because each stops what the other does not: a page that had its name rebound to
//! this address sends a foreign `Host`; a page that calls across origins sends a foreign `Origin`.
//! Nothing of `Forwarded` or `X-Forwarded-*` is looked at.

use actix_web::HttpRequest;
use actix_web::http::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use url::Url;

use crate::identity::is_loopback;

use super::refusal::Refusal;

/// Which hosts and origins are served.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    hosts: Vec<String>,
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
    /// Hosts are `name` (any port) or `name:port`.
    pub(crate) fn new(hosts: Vec<String>, origins: Origins) -> Self {
        Self { hosts, origins }
    }

    /// Checks the `Host` header and returns it.
    pub(super) fn host<'a>(&self, request: &'a HttpRequest) -> Result<&'a str, Refusal> {
        let host = single(request.headers(), &HOST).map_err(|Repeated| Refusal::Host)?;
        let host = host.ok_or(Refusal::Host)?;
        // RFC 9112 section 3.2.2: an absolute-form target must not say otherwise.
        if request
            .uri()
            .authority()
            .is_some_and(|authority| authority.as_str() != host)
        {
            return Err(Refusal::Contradiction);
        }
        let name = without_port(host);
        let known = |allowed: &String| {
            allowed.eq_ignore_ascii_case(host) || allowed.eq_ignore_ascii_case(name)
        };
        if self.hosts.iter().any(known) {
            Ok(host)
        } else {
            Err(Refusal::Host)
        }
    }

    /// Checks the `Origin` header and returns it, if there is one.
    pub(super) fn origin<'a>(&self, request: &'a HttpRequest) -> Result<Option<&'a str>, Refusal> {
        let origin = single(request.headers(), &ORIGIN).map_err(|Repeated| Refusal::Origin)?;
        let Some(origin) = origin else {
            return Ok(None);
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

/// Marks a header that was sent more than once, or is not visible ASCII.
#[derive(Debug)]
pub(super) struct Repeated;

/// The one value of a header.
pub(super) fn single<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a str>, Repeated> {
    let mut values = headers.get_all(name);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Repeated);
    }
    value.to_str().map(Some).map_err(|_| Repeated)
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
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

    fn gate() -> Gate {
        let hosts = vec!["127.0.0.1:3000".to_owned(), "mcp.example.com".to_owned()];
        Gate::new(hosts, Origins::Loopback)
    }

    fn host(headers: &[(&str, &str)]) -> Result<(), Refusal> {
        let mut request = TestRequest::get().uri("/mcp");
        for header in headers {
            request = request.append_header(*header);
        }
        gate().host(&request.to_http_request()).map(|_| ())
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
        assert_eq!(gate().host(&request), Err(Refusal::Contradiction));
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
