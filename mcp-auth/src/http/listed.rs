//! Parses the origins and hosts of a configuration into the form that requests use.
//!
//! An entry with a clear meaning is normalised. Any other entry is an error, because it would never
//! match a request.

use std::net::Ipv6Addr;

use url::{Host, Url};

/// The reason why an entry of a list is invalid, and how to correct the entry.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct BadEntry {
    /// The end of a sentence that begins with the entry, such as `has no scheme`.
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

/// Returns an origin as browsers write it (RFC 6454 section 6.2): scheme and host in lower case, non-ASCII names in
/// Punycode, and no default port. If the origin has the scheme of an app, the text after the scheme keeps its case.
///
/// # Errors
///
/// If the entry is empty, is not an origin, has more parts than an origin, has a wildcard, has no
/// scheme, or is `null`.
pub(crate) fn origin(entry: &str) -> Result<String, BadEntry> {
    let entry = entry.trim();
    check_text(entry, LIKE_ORIGIN)?;
    if entry.eq_ignore_ascii_case("null") {
        let problem = "is an origin that unrelated pages share";
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
        // Browser extensions and apps have origins with their own schemes: `chrome-extension://…`, `tauri://localhost`.
        other if is_alone && !origin.is_tuple() && other.eq_ignore_ascii_case(scheme) => {
            // Browsers send the text after the scheme exactly as the app writes it.
            let rest = rest.strip_suffix('/').unwrap_or(rest);
            Ok(format!("{}://{rest}", scheme.to_ascii_lowercase()))
        }
        _ => Err(not_one()),
    }
}

/// An accepted host.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct AllowedHost {
    /// The name in lower case. An IPv6 address has brackets.
    name: String,
    /// `None` for any port.
    port: Option<u16>,
}

impl AllowedHost {
    /// Makes a host from the name and the port of a URL.
    pub(super) fn new(name: String, port: Option<u16>) -> Self {
        Self { name, port }
    }

    /// Parses `name`, `name:port`, or an origin. If an origin names no port, the port is the
    /// default port of its scheme.
    ///
    /// # Errors
    ///
    /// If the entry is empty, is not a host, has more parts than a host, or has a wildcard.
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

    /// Returns true if a `Host` header, split into name and port, names this host. A header without
    /// a port matches the ports 80 and 443, because clients leave out the default port, and the
    /// header does not show the scheme.
    pub(super) fn is(&self, name: &str, port: Option<u16>) -> bool {
        let is_port = match (self.port, port) {
            (None, _) | (Some(80 | 443), None) => true,
            (Some(own), port) => port == Some(own),
        };
        is_port && (self.name == name || self.name.eq_ignore_ascii_case(name))
    }
}

/// Splits a host into name and port. Returns `None` if the port is not a number. An empty port
/// counts as no port (RFC 3986 section 3.2.3).
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
        return Err(BadEntry::new("is empty", "remove it"));
    }
    if entry.contains('*') {
        let remedy = format!("list each value separately; {like}");
        return Err(BadEntry::new("has a wildcard", remedy));
    }
    Ok(())
}

/// Returns true if a text consists only of a host and a port.
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
mod tests;
