//! The resource for which a token is meant.

use crate::identity::caller::CallerParts;
use crate::identity::policy::TokenPolicy;

/// The audiences (`aud`) that an OAuth access token may have.
#[derive(Clone, Debug)]
pub(crate) struct AudiencePolicy {
    /// The URLs of this server. A token must name one of these URLs, by the rule of [`names`].
    pub(crate) accepted: Vec<String>,
    /// The rule for tokens without `aud`.
    pub(crate) mode: AudienceMode,
}

/// The rule for `aud`. Every mode except `Off` refuses a token that is meant for another resource.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum AudienceMode {
    /// A token without `aud` is accepted.
    IfPresent,
    /// `aud` is not checked.
    Off,
    /// An OAuth token without `aud` is refused. Session tokens need no `aud`.
    Require,
    /// The value is a time, in milliseconds since 1970. Before this time, an OAuth token without `aud` is accepted if
    /// its client is one of the allowed clients, or if the token has every scope that the server requires. From this
    /// time on the rule is the same as `Require`.
    RequireAfter(u64),
}

/// Returns true if the `audience` of a token means the `resource`, an absolute URL.
///
/// The audience and the resource are compared byte for byte, with three exceptions. The audience may have a
/// query (some clients append one: `…/mcp?client=cursor`), may include the default port of its scheme, and
/// may write scheme and host in upper or lower case (RFC 3986 §6.2.2.1 and §6.2.3). If the resource has a
/// query, there are no exceptions. The audience means another resource if its scheme, host, port or path
/// differs, if its path is encoded in another way, or if it has a fragment or a user name.
pub(crate) fn names(audience: &str, resource: &str) -> bool {
    if audience == resource {
        return true;
    }
    let (Some(audience), Some(resource)) = (Parts::of(audience), Parts::of(resource)) else {
        return false;
    };
    // If the resource has a query, only the comparison byte for byte counts.
    !resource.has_query
        && audience.scheme.eq_ignore_ascii_case(resource.scheme)
        && audience.host.eq_ignore_ascii_case(resource.host)
        && audience.port == resource.port
        && audience.path == resource.path
}

/// The parts of an http(s) URL, without decoding or resolving.
struct Parts<'a> {
    scheme: &'a str,
    host: &'a str,
    port: u16,
    path: &'a str,
    has_query: bool,
}

impl<'a> Parts<'a> {
    /// Returns `Some` only for an http(s) URL that has no fragment and no credentials.
    fn of(url: &'a str) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'\\');
        if !url.bytes().all(is_plain) {
            return None;
        }
        let (url, has_query) = match url.split_once('?') {
            Some((url, _)) => (url, true),
            None => (url, false),
        };
        let (scheme, rest) = url.split_once("://")?;
        let default_port = match () {
            () if scheme.eq_ignore_ascii_case("https") => 443,
            () if scheme.eq_ignore_ascii_case("http") => 80,
            () => return None,
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        // An IPv6 address in brackets has colons.
        let end_of_host = authority.rfind(']').map_or(0, |bracket| bracket + 1);
        let (host, port) = match authority.get(end_of_host..)?.find(':') {
            Some(colon) => {
                let (host, port) = authority.split_at(end_of_host + colon);
                (host, port_number(port.strip_prefix(':')?)?)
            }
            None => (authority, default_port),
        };
        (!host.is_empty() && !host.contains('@')).then_some(Self {
            scheme,
            host,
            port,
            path,
            has_query,
        })
    }
}

/// Parses a port without leading zeros.
fn port_number(text: &str) -> Option<u16> {
    let port: u16 = text.parse().ok()?;
    (port.to_string() == text).then_some(port)
}

impl TokenPolicy {
    /// Returns true if the server may accept a token without `aud` until a date that the operator set. Without `aud`,
    /// the tokens of all OAuth applications of an instance look alike, so the client or the scopes must show
    /// that the token is meant for this server.
    pub(crate) fn may_lack_audience(&self, parts: &CallerParts) -> bool {
        // A client that is not on the list is refused when the claims are verified.
        let of_known_client = self.allowed_clients.is_some();
        let mut required = self.required_scopes.iter();
        of_known_client
            || (!self.required_scopes.is_empty()
                && required.all(|scope| self.scopes.has(&parts.scopes, scope)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "https://mcp.example.com/mcp";

    #[test]
    fn a_query_a_default_port_and_the_case_of_the_host_do_not_name_another_resource() {
        for audience in [
            HERE,
            "https://mcp.example.com/mcp?client=cursor",
            "https://mcp.example.com/mcp?",
            "https://mcp.example.com/mcp?next=https://other.example.com/?a",
            "https://mcp.example.com:443/mcp",
            "HTTPS://MCP.Example.com/mcp",
            "https://MCP.example.com:443/mcp?client=a&org=b",
        ] {
            assert!(names(audience, HERE), "{audience}");
        }
    }

    #[test]
    fn another_path_host_port_scheme_a_fragment_or_credentials_name_another_resource() {
        for audience in [
            "",
            "mcp",
            "https://",
            "https://mcp.example.com",
            "https://mcp.example.com/",
            "https://mcp.example.com/mcp/",
            "https://mcp.example.com/MCP",
            "https://mcp.example.com/mcp2",
            "https://mcp.example.com//mcp",
            "https://mcp.example.com/./mcp",
            "https://mcp.example.com/x/../mcp",
            "https://mcp.example.com/%6dcp",
            "https://mcp.example.com/other?/mcp",
            "https://mcp.example.com?/mcp",
            "https://mcp.example.com:8443/mcp",
            "https://mcp.example.com:0443/mcp",
            "https://mcp.example.com:/mcp",
            "https://mcp.example.com:+443/mcp",
            "https://mcp.example.com:443:443/mcp",
            "https://mcp.example.com./mcp",
            "https://mcp.example.com.evil.example/mcp",
            "https://evil.example/mcp.example.com/mcp",
            "https://evil.example?https://mcp.example.com/mcp",
            "https://evil.example#https://mcp.example.com/mcp",
            "https://evil.example\\@mcp.example.com/mcp",
            "https://mcp.example.com@evil.example/mcp",
            "https://evil@mcp.example.com/mcp",
            "http://mcp.example.com/mcp",
            "http://mcp.example.com:443/mcp",
            "ftp://mcp.example.com/mcp",
            "//mcp.example.com/mcp",
            "https:/mcp.example.com/mcp",
            "https://mcp.example.com/mcp#",
            "https://mcp.example.com/mcp#a",
            "https://mcp.example.com/mcp?a#b",
            " https://mcp.example.com/mcp",
            "https://mcp.example.com/mcp ",
            "https://mcp.example.com/mcp?a b",
            "https://mcp.example.com/mcp\n",
            "https://mcp.ex\u{e4}mple.com/mcp",
            "https://[mcp.example.com]/mcp",
        ] {
            assert!(!names(audience, HERE), "{audience}");
        }
    }

    #[test]
    fn ports_and_addresses_are_compared_as_numbers_and_texts() {
        for (audience, resource, same) in [
            ("http://localhost:80/mcp", "http://localhost/mcp", true),
            ("http://localhost/mcp", "http://localhost:80/mcp", true),
            (
                "http://LOCALHOST:3000/mcp?a",
                "http://localhost:3000/mcp",
                true,
            ),
            ("http://[::1]:3000/mcp?a", "http://[::1]:3000/mcp", true),
            ("http://[::1]:80/mcp", "http://[::1]/mcp", true),
            ("http://[::1]:3001/mcp", "http://[::1]:3000/mcp", false),
            ("http://[::2]:3000/mcp", "http://[::1]:3000/mcp", false),
            (
                "http://localhost:3000/mcp",
                "http://127.0.0.1:3000/mcp",
                false,
            ),
        ] {
            assert_eq!(names(audience, resource), same, "{audience} {resource}");
        }
    }

    #[test]
    fn a_resource_with_a_query_of_its_own_and_one_that_is_no_url_are_compared_byte_for_byte() {
        let tenant = "https://mcp.example.com/mcp?tenant=a";
        assert!(names(tenant, tenant));
        for audience in [
            HERE,
            "https://mcp.example.com/mcp?tenant=b",
            "https://mcp.example.com:443/mcp?tenant=a",
        ] {
            assert!(!names(audience, tenant), "{audience}");
        }
        assert!(names("documents", "documents"));
        assert!(!names("Documents", "documents") && !names("documents?a", "documents"));
    }
}
