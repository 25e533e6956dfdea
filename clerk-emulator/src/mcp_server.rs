//! The URLs of registered MCP servers. The module decides which URLs can be registered, and which `resource` names a
//! registered server.
//!
//! In Clerk's dashboard the servers are under *Agents → MCP servers*. The module compares URLs as text. A URL parser
//! would treat `/a/../mcp` as `/mcp` and `0x7f.1` as `127.0.0.1`. It is not known whether Clerk does so.

use url::{Host, Url};

use crate::error::McpServerError;

/// Checks a URL that is about to be registered.
pub(crate) fn check(url: &str) -> Result<(), McpServerError> {
    match problem(url) {
        None => Ok(()),
        Some(problem) => Err(McpServerError::Url {
            url: String::from(url),
            problem,
        }),
    }
}

/// Returns true if `resource` names the registered `server`. The comparison ignores a query in `resource`, an explicit
/// default port, and the case of scheme and host.
pub(crate) fn is_same(server: &str, resource: &str) -> bool {
    comparable(server).is_some_and(|server| Some(server) == comparable(resource))
}

fn problem(url: &str) -> Option<&'static str> {
    if url.len() > MAX_LENGTH {
        return Some("it is longer than 1024 bytes");
    }
    if !url.bytes().all(|byte| byte.is_ascii_graphic()) || url.contains('\\') {
        return Some("it has a character that a URL cannot have");
    }
    let parsed = match Url::parse(url) {
        Ok(parsed) if matches!(parsed.scheme(), "https" | "http") && url.contains("://") => parsed,
        Ok(_) | Err(_) => return Some("it is not an absolute https or http URL"),
    };
    if parsed.scheme() == "http" && !is_loopback(&parsed) {
        return Some("http is for loopback addresses only");
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Some("it has a user name");
    }
    if url.contains('?') {
        return Some("it has a query");
    }
    if url.contains('#') {
        return Some("it has a fragment");
    }
    (parsed.path() != "/" && url.ends_with('/')).then_some("it has a trailing slash")
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Scheme and authority in lower case and without a default port, and the path unchanged.
fn comparable(url: &str) -> Option<(String, String, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let rest = rest.split('?').next()?;
    let (authority, path) = match rest.find('/') {
        Some(index) => rest.split_at_checked(index)?,
        // RFC 3986 section 6.2.3: an empty path is `/`.
        None => (rest, "/"),
    };
    let authority = authority.to_ascii_lowercase();
    let implied = match scheme.as_str() {
        "https" => ":443",
        "http" => ":80",
        _ => return None,
    };
    let authority = match authority.strip_suffix(implied) {
        Some(host) => String::from(host),
        None => authority,
    };
    Some((scheme, authority, path))
}

const MAX_LENGTH: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_https_or_loopback_url_without_query_fragment_and_trailing_slash_can_be_registered() {
        for url in [
            "https://mcp.example.com/mcp",
            "https://mcp.example.com:8443/mcp",
            "https://mcp.example.com",
            "https://mcp.example.com/",
            "http://localhost:3000/mcp",
            "http://127.0.0.1:3000/mcp",
            "http://[::1]:3000/mcp",
        ] {
            assert_eq!(problem(url), None, "{url}");
        }
        let long = format!("https://mcp.example.com/{}", "x".repeat(MAX_LENGTH));
        for (url, expected) in [
            ("", "not an absolute"),
            ("mcp", "not an absolute"),
            ("mcp.example.com/mcp", "not an absolute"),
            ("https:mcp.example.com", "not an absolute"),
            ("ftp://mcp.example.com/mcp", "not an absolute"),
            ("http://mcp.example.com/mcp", "loopback addresses only"),
            (
                "http://localhost.evil.example/mcp",
                "loopback addresses only",
            ),
            ("https://user@mcp.example.com/mcp", "user name"),
            ("https://mcp.example.com/mcp?client=cursor", "query"),
            ("https://mcp.example.com/mcp?", "query"),
            ("https://mcp.example.com/mcp#a", "fragment"),
            ("https://mcp.example.com/mcp/", "trailing slash"),
            ("https://mcp.example.com\\mcp", "character"),
            ("https://mcp.example.com/m cp", "character"),
            ("https://mcp.example.com/\u{e9}", "character"),
            (long.as_str(), "longer than 1024"),
        ] {
            let found = problem(url).unwrap_or_else(|| panic!("{url} can be registered"));
            assert!(found.contains(expected), "{url}: {found}");
        }
    }

    #[test]
    fn a_resource_is_a_server_apart_from_query_implied_port_and_case_of_scheme_and_host() {
        let server = "https://mcp.example.com/mcp";
        for resource in [
            server,
            "https://mcp.example.com/mcp?client=cursor",
            "https://mcp.example.com/mcp?next=https://other.example.com/",
            "https://mcp.example.com:443/mcp",
            "HTTPS://MCP.example.com/mcp",
        ] {
            assert!(is_same(server, resource), "{resource}");
        }
        for resource in [
            "https://mcp.example.com/mcp/",
            "https://mcp.example.com/MCP",
            "https://mcp.example.com/other",
            "https://mcp.example.com/a/../mcp",
            "https://mcp.example.com/%6dcp",
            "https://mcp.example.com",
            "https://mcp.example.com:8443/mcp",
            "https://mcp.example.com:80/mcp",
            "https://mcp.example.com.evil.example/mcp",
            "https://user@mcp.example.com/mcp",
            "http://mcp.example.com/mcp",
            "https:mcp.example.com/mcp",
        ] {
            assert!(!is_same(server, resource), "{resource}");
        }
        let local = "http://127.0.0.1:3000/mcp";
        assert!(!is_same(local, "http://localhost:3000/mcp"));
        assert!(!is_same(local, "http://0x7f.1:3000/mcp"));
        assert!(is_same("http://localhost/mcp", "http://LOCALHOST:80/mcp"));
        assert!(is_same(
            "https://mcp.example.com",
            "https://mcp.example.com/"
        ));
        assert!(is_same(
            "https://mcp.example.com/",
            "https://mcp.example.com?a=1"
        ));
    }
}
