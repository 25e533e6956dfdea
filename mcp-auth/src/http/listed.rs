//! Origins and hosts as a configuration lists them, in the form in which requests name them.
//!
//! An entry whose meaning is clear is normalised. Any other entry is an error: it would never match a
//! request, and nobody would learn why.

use std::net::Ipv6Addr;

use url::{Host, Url};

/// Why an entry of a list cannot be used, and what to do.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct BadEntry {
    /// Completes the sentence that begins with the entry.
    pub(crate) problem: &'static str,
    pub(crate) remedy: String,
}

impl BadEntry {
    fn new(problem: &'static str, remedy: impl Into<String>) -> Self {
        Self {
            problem,
            remedy: remedy.into(),
        }
    }
}

/// Returns an origin as browsers write it (RFC 6454 section 6.2): scheme and host in lower case, a name with
/// letters beyond ASCII in Punycode, without the default port.
///
/// # Errors
///
/// If the entry is empty, is not an origin or is more than an origin, has a wildcard or no scheme, or is
/// `null`.
pub(crate) fn origin(entry: &str) -> Result<String, BadEntry> {
    let entry = entry.trim();
    check_text(entry, LIKE_ORIGIN)?;
    if entry.eq_ignore_ascii_case("null") {
        let problem = "is the origin of every page that hides its own";
        return Err(BadEntry::new(problem, LIKE_ORIGIN));
    }
    let Some((scheme, rest)) = entry.split_once("://") else {
        let is_host = AllowedHost::parse(entry).is_ok() && !entry.ends_with('/');
        let remedy = if is_host {
            format!("write https://{entry}, or http://{entry}")
        } else {
            LIKE_ORIGIN.to_owned()
        };
        return Err(BadEntry::new("has no scheme", remedy));
    };
    let not_one = || BadEntry::new("is not an origin", LIKE_ORIGIN);
    let url = Url::parse(entry).map_err(|_| not_one())?;
    let origin = url.origin();
    let is_alone = is_authority(rest.strip_suffix('/').unwrap_or(rest));
    match url.scheme() {
        "http" | "https" if is_alone => {
            let listed = origin.ascii_serialization();
            // `%2A` is an asterisk.
            check_text(&listed, LIKE_ORIGIN)?;
            Ok(listed)
        }
        "http" | "https" => Err(BadEntry::new(
            "is more than an origin",
            format!("write {}", origin.ascii_serialization()),
        )),
        // Extensions and apps have origins of their own: `chrome-extension://…`, `tauri://localhost`.
        other if is_alone && !origin.is_tuple() && other.eq_ignore_ascii_case(scheme) => {
            // Browsers write the rest as the app does.
            let rest = rest.strip_suffix('/').unwrap_or(rest);
            Ok(format!("{}://{rest}", scheme.to_ascii_lowercase()))
        }
        _ => Err(not_one()),
    }
}

/// A host that is served.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct AllowedHost {
    /// In lower case; an IPv6 address in brackets.
    name: String,
    /// `None` for any port.
    port: Option<u16>,
}

impl AllowedHost {
    /// `name` and `port` as a URL has them.
    pub(super) fn new(name: String, port: Option<u16>) -> Self {
        Self { name, port }
    }

    /// Reads `name`, `name:port`, or an origin, whose port is then that of its scheme if it names none.
    ///
    /// # Errors
    ///
    /// If the entry is empty, is not a host or is more than a host, or has a wildcard.
    pub(crate) fn parse(entry: &str) -> Result<Self, BadEntry> {
        let entry = entry.trim();
        check_text(entry, LIKE_HOST)?;
        let not_one = || BadEntry::new("is not a host", LIKE_HOST);
        let (default_port, rest) = match entry.split_once("://") {
            None => (None, entry),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (Some(443), rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (Some(80), rest),
            Some(_) => return Err(not_one()),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if !is_authority(rest) {
            let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
            let host = authority.rsplit('@').next().unwrap_or_default();
            let is_host = is_authority(host) && Self::parse(host).is_ok();
            return Err(if is_host {
                BadEntry::new("is more than a host", format!("write {host}"))
            } else {
                not_one()
            });
        }
        if let Ok(address) = rest.parse::<Ipv6Addr>() {
            return Ok(Self::new(format!("[{address}]"), None));
        }
        let (name, port) = split(rest).ok_or_else(not_one)?;
        let name = Host::parse(name).map_err(|_| not_one())?.to_string();
        // `%2A` is an asterisk.
        check_text(&name, LIKE_HOST)?;
        Ok(Self::new(name, port.or(default_port)))
    }

    /// Whether a `Host` header, split into name and port, names this host. A client leaves the port out if it
    /// is the default of the scheme, which the header does not tell.
    pub(super) fn is(&self, name: &str, port: Option<u16>) -> bool {
        let is_port = match (self.port, port) {
            (None, _) | (Some(80 | 443), None) => true,
            (Some(own), port) => port == Some(own),
        };
        is_port && self.name.eq_ignore_ascii_case(name)
    }
}

/// Splits a host into its name and its port; `None` if the port is not a number. An empty port is none
/// (RFC 3986 section 3.2.3).
pub(super) fn split(host: &str) -> Option<(&str, Option<u16>)> {
    // An IPv6 address has colons inside its brackets.
    let end_of_name = host.rfind(']').map_or(0, |bracket| bracket + 1);
    let Some((_, port)) = host.get(end_of_name..)?.split_once(':') else {
        return Some((host, None));
    };
    let name = host.get(..host.len() - port.len() - 1)?;
    if port.is_empty() {
        return Some((name, None));
    }
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse().ok().filter(|_| is_number)?;
    Some((name, Some(port)))
}

fn check_text(entry: &str, like: &str) -> Result<(), BadEntry> {
    if entry.is_empty() {
        return Err(BadEntry::new("is empty", "take it out"));
    }
    if entry.contains('*') {
        let remedy = format!("name each one; {like}");
        return Err(BadEntry::new("has a wildcard", remedy));
    }
    Ok(())
}

/// Whether a text is no more than host and port.
fn is_authority(text: &str) -> bool {
    let ends = |character: char| {
        matches!(character, '/' | '?' | '#' | '@' | '\\')
            || character.is_whitespace()
            || character.is_control()
    };
    !text.is_empty() && !text.contains(ends)
}

const LIKE_ORIGIN: &str = "write it like https://app.example.com";
const LIKE_HOST: &str = "write it like mcp.example.com or mcp.example.com:8443";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_normalised_to_what_browsers_send() {
        for (entry, expected) in [
            ("https://app.example.com", "https://app.example.com"),
            ("https://app.example.com/", "https://app.example.com"),
            (" https://app.example.com ", "https://app.example.com"),
            ("HTTPS://App.Example.COM", "https://app.example.com"),
            ("https://app.example.com:443", "https://app.example.com"),
            ("http://app.example.com:80/", "http://app.example.com"),
            ("http://app.example.com:443", "http://app.example.com:443"),
            (
                "https://app.example.com:8443",
                "https://app.example.com:8443",
            ),
            (
                "https://b\u{fc}cher.example",
                "https://xn--bcher-kva.example",
            ),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://[::1]:3000/", "http://[::1]:3000"),
            ("http://[0:0::1]", "http://[::1]"),
            (
                "chrome-extension://mfgccjchihfkkindfppnaooecgfneiii/",
                "chrome-extension://mfgccjchihfkkindfppnaooecgfneiii",
            ),
            ("TAURI://localhost", "tauri://localhost"),
            ("vscode-webview://1AbC", "vscode-webview://1AbC"),
        ] {
            assert_eq!(origin(entry).as_deref(), Ok(expected), "{entry}");
        }
    }

    #[test]
    fn what_is_no_origin_is_told_what_to_write() {
        let wildcard = "name each one; write it like https://app.example.com";
        for (entry, problem, remedy) in [
            ("", "is empty", "take it out"),
            ("  ", "is empty", "take it out"),
            ("*", "has a wildcard", wildcard),
            ("https://*.example.com", "has a wildcard", wildcard),
            ("https://%2A.example.com", "has a wildcard", wildcard),
            ("http://localhost:*", "has a wildcard", wildcard),
            (
                "null",
                "is the origin of every page that hides its own",
                LIKE_ORIGIN,
            ),
            (
                "app.example.com",
                "has no scheme",
                "write https://app.example.com, or http://app.example.com",
            ),
            (
                "localhost:3000",
                "has no scheme",
                "write https://localhost:3000, or http://localhost:3000",
            ),
            ("//app.example.com", "has no scheme", LIKE_ORIGIN),
            ("app.example.com/x", "has no scheme", LIKE_ORIGIN),
            (
                "https://app.example.com/app",
                "is more than an origin",
                "write https://app.example.com",
            ),
            (
                "https://app.example.com//",
                "is more than an origin",
                "write https://app.example.com",
            ),
            (
                "https://app.example.com?a",
                "is more than an origin",
                "write https://app.example.com",
            ),
            (
                "https://app.example.com#a",
                "is more than an origin",
                "write https://app.example.com",
            ),
            (
                "https://ada@app.example.com",
                "is more than an origin",
                "write https://app.example.com",
            ),
            ("https://", "is not an origin", LIKE_ORIGIN),
            ("https://a b.example", "is not an origin", LIKE_ORIGIN),
            ("https://app.example.com:x", "is not an origin", LIKE_ORIGIN),
            (
                "https://app.example.com:99999",
                "is not an origin",
                LIKE_ORIGIN,
            ),
            ("wss://app.example.com", "is not an origin", LIKE_ORIGIN),
            ("file:///app", "is not an origin", LIKE_ORIGIN),
            (
                "blob:https://app.example.com",
                "is not an origin",
                LIKE_ORIGIN,
            ),
            (
                "chrome-extension://abc/page",
                "is not an origin",
                LIKE_ORIGIN,
            ),
        ] {
            assert_eq!(
                origin(entry),
                Err(BadEntry::new(problem, remedy)),
                "{entry}"
            );
        }
    }

    #[test]
    fn a_host_is_normalised_to_what_requests_name() {
        for (entry, name, port) in [
            ("example.com", "example.com", None),
            ("Example.com", "example.com", None),
            (" example.com ", "example.com", None),
            ("example.com:8443", "example.com", Some(8443)),
            ("example.com:443", "example.com", Some(443)),
            ("https://example.com", "example.com", Some(443)),
            ("https://Example.com/", "example.com", Some(443)),
            ("http://example.com", "example.com", Some(80)),
            ("https://example.com:8443", "example.com", Some(8443)),
            ("b\u{fc}cher.example", "xn--bcher-kva.example", None),
            ("my_service:3000", "my_service", Some(3000)),
            ("10.0.0.7:3000", "10.0.0.7", Some(3000)),
            ("[::1]", "[::1]", None),
            ("[::1]:3000", "[::1]", Some(3000)),
            ("[0:0::1]:3000", "[::1]", Some(3000)),
            ("::1", "[::1]", None),
        ] {
            let expected = AllowedHost::new(name.to_owned(), port);
            assert_eq!(AllowedHost::parse(entry), Ok(expected), "{entry}");
        }
    }

    #[test]
    fn what_is_no_host_is_told_what_to_write() {
        let wildcard = "name each one; write it like mcp.example.com or mcp.example.com:8443";
        for (entry, problem, remedy) in [
            ("", "is empty", "take it out"),
            ("*", "has a wildcard", wildcard),
            ("*.example.com", "has a wildcard", wildcard),
            ("example.com:*", "has a wildcard", wildcard),
            ("%2a.example.com", "has a wildcard", wildcard),
            (
                "example.com/mcp",
                "is more than a host",
                "write example.com",
            ),
            (
                "https://example.com:8443/mcp",
                "is more than a host",
                "write example.com:8443",
            ),
            (
                "ada@example.com",
                "is more than a host",
                "write example.com",
            ),
            ("example.com?a", "is more than a host", "write example.com"),
            ("ftp://example.com", "is not a host", LIKE_HOST),
            (":3000", "is not a host", LIKE_HOST),
            ("example.com:x", "is not a host", LIKE_HOST),
            ("example.com:+80", "is not a host", LIKE_HOST),
            ("example.com:99999", "is not a host", LIKE_HOST),
            ("[::1", "is not a host", LIKE_HOST),
            ("a b", "is not a host", LIKE_HOST),
            ("/", "is not a host", LIKE_HOST),
        ] {
            let expected = Err(BadEntry::new(problem, remedy));
            assert_eq!(AllowedHost::parse(entry), expected, "{entry}");
        }
    }

    #[test]
    fn a_port_that_clients_leave_out_is_allowed_without_it() {
        for (entry, host, allowed) in [
            ("example.com", "example.com", true),
            ("example.com", "EXAMPLE.com:1234", true),
            ("example.com:443", "example.com", true),
            ("example.com:443", "example.com:443", true),
            ("example.com:443", "example.com:8443", false),
            ("example.com:443", "example.com:80", false),
            ("https://example.com", "example.com", true),
            ("example.com:3000", "example.com", false),
            ("example.com:3000", "example.com:3000", true),
            ("example.com", "example.com.evil", false),
            ("[::1]:3000", "[::1]:3000", true),
            ("::1", "[::1]:3000", true),
            ("::1", "::1", false),
        ] {
            let entry = AllowedHost::parse(entry).unwrap();
            let is = split(host).is_some_and(|(name, port)| entry.is(name, port));
            assert_eq!(is, allowed, "{entry:?} {host}");
        }
        assert_eq!(split("example.com:x"), None);
        assert_eq!(split("example.com:"), Some(("example.com", None)));
    }
}
