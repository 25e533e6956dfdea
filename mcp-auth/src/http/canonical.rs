//! The canonical URL of the endpoint. It is the `resource` in the metadata and the audience of tokens, and challenges
//! refer to it. The URL comes from the configuration, never from a request.

use thiserror::Error;
use url::Url;

use crate::loopback;

use super::listed::AllowedHost;

/// The canonical URL, in WHATWG form.
#[derive(Clone, Debug)]
pub(crate) struct Canonical {
    url: Url,
}

impl Canonical {
    /// Parses a URL. If the URL is a bare origin, appends `path`.
    ///
    /// # Errors
    ///
    /// If the text is not an http or https URL, if the URL is plain http off loopback, or if it has
    /// a query, a fragment or credentials.
    pub(crate) fn parse(text: &str, path: &str) -> Result<Self, CanonicalError> {
        let canonical = Self::parse_allowing_http(text, path)?;
        if canonical.plain_http_host().is_some() {
            return Err(CanonicalError::PlainHttp);
        }
        Ok(canonical)
    }

    /// Parses a URL that may be plain http off loopback. If the URL is a bare origin, appends
    /// `path`.
    ///
    /// # Errors
    ///
    /// If the text is not an http or https URL, or if the URL has a query, a fragment or
    /// credentials.
    pub(crate) fn parse_allowing_http(text: &str, path: &str) -> Result<Self, CanonicalError> {
        let mut url = Url::parse(text).map_err(|_| CanonicalError::NoUrl)?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(CanonicalError::NoUrl);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(CanonicalError::TooMuch);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(CanonicalError::TooMuch);
        }
        if url.path() == "/" {
            url.set_path(path);
        }
        Ok(Self { url })
    }

    /// Returns the host if the URL is plain http off loopback. `None` for every other URL.
    pub(crate) fn plain_http_host(&self) -> Option<&str> {
        let is_plain = self.url.scheme() == "http" && !self.is_loopback();
        self.url.host_str().filter(|_| is_plain)
    }

    /// Returns a URL on loopback, for a server that has no other URL. `scheme` is `http` or `https`.
    pub(crate) fn loopback(
        scheme: &str,
        host: &str,
        port: u16,
        path: &str,
    ) -> Result<Self, CanonicalError> {
        let host = host.trim_matches(['[', ']']);
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        Self::parse(&format!("{scheme}://{host}:{port}"), path)
    }

    pub(crate) fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// Returns the port, or the default port of the scheme.
    pub(crate) fn port(&self) -> Option<u16> {
        self.url.port_or_known_default()
    }

    pub(crate) fn path(&self) -> &str {
        self.url.path()
    }

    /// Returns the origin, as a browser sends it in `Origin`.
    pub(crate) fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// Returns the host and the port in the form of a `Host` header.
    pub(crate) fn authority(&self) -> String {
        authority(&self.url)
    }

    /// Returns the `Host` values that match the URL. If the URL names no port, every port matches.
    pub(crate) fn host(&self) -> AllowedHost {
        let name = self.url.host_str().unwrap_or_default();
        AllowedHost::new(name.to_owned(), self.url.port())
    }

    /// Returns the name or the address of the host. An IPv6 address has no brackets.
    #[cfg(feature = "tls")]
    pub(crate) fn host_name(&self) -> &str {
        let host = self.url.host_str().unwrap_or_default();
        host.trim_matches(['[', ']'])
    }

    /// Returns true if the scheme is `https`.
    pub(crate) fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Returns true if the host is on loopback.
    pub(crate) fn is_loopback(&self) -> bool {
        loopback::is_url(&self.url)
    }

    /// Returns the other URLs of the endpoint. On loopback, `127.0.0.1`, `localhost` and `[::1]` are names of the same
    /// machine. The endpoint must know all of these URLs, because a client compares `resource` with the URL that it
    /// called (RFC 9728 section 3.3).
    pub(crate) fn aliases(&self) -> Vec<Self> {
        let hosts: &[&str] = if self.is_loopback() {
            &["127.0.0.1", "localhost", "[::1]"]
        } else {
            &[]
        };
        let alias = |host: &&str| {
            let mut url = self.url.clone();
            (url.set_host(Some(host)).is_ok() && url != self.url).then_some(Self { url })
        };
        hosts.iter().filter_map(alias).collect()
    }

    /// Returns this URL and the other URLs of the endpoint.
    pub(crate) fn names(&self) -> impl Iterator<Item = Self> {
        std::iter::once(self.clone()).chain(self.aliases())
    }

    /// Returns the `aud` values that name this endpoint. A bare origin is returned with and without
    /// the final slash, which WHATWG adds.
    pub(crate) fn audiences(&self) -> Vec<String> {
        let mut audiences = Vec::new();
        for name in self.names() {
            if name.path() == "/" {
                audiences.push(name.as_str().trim_end_matches('/').to_owned());
            }
            audiences.push(name.url.into());
        }
        audiences
    }

    /// Returns the URL of a document at the root of the same origin.
    pub(crate) fn at_root(&self, path: &str) -> String {
        let mut url = self.url.clone();
        url.set_path(path);
        url.into()
    }
}

fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The reason why a text is not a canonical URL.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub(crate) enum CanonicalError {
    #[error("it is not an http(s) URL")]
    NoUrl,
    #[error("it must be https, except on loopback")]
    PlainHttp,
    #[error("it must have no query, fragment or credentials")]
    TooMuch,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> Result<String, CanonicalError> {
        Canonical::parse(text, "/mcp").map(|canonical| canonical.as_str().to_owned())
    }

    #[test]
    fn an_origin_gets_the_path_and_all_else_stays() {
        for (text, expected) in [
            ("https://mcp.example.com", Ok("https://mcp.example.com/mcp")),
            (
                "https://MCP.example.com:443/",
                Ok("https://mcp.example.com/mcp"),
            ),
            (
                "https://example.com/api/mcp",
                Ok("https://example.com/api/mcp"),
            ),
            ("http://localhost:3000", Ok("http://localhost:3000/mcp")),
            ("http://[::1]:3000/x", Ok("http://[::1]:3000/x")),
            ("http://example.com", Err(CanonicalError::PlainHttp)),
            (
                "http://localhost.example.com",
                Err(CanonicalError::PlainHttp),
            ),
            ("ftp://example.com", Err(CanonicalError::NoUrl)),
            ("example.com", Err(CanonicalError::NoUrl)),
            ("https://example.com/?a", Err(CanonicalError::TooMuch)),
            ("https://example.com/#a", Err(CanonicalError::TooMuch)),
            ("https://u:p@example.com/", Err(CanonicalError::TooMuch)),
        ] {
            assert_eq!(canonical(text), expected.map(str::to_owned), "{text}");
        }
    }

    #[test]
    fn on_loopback_three_names_are_one() {
        let canonical = Canonical::loopback("http", "127.0.0.1", 3000, "/mcp").unwrap();
        assert_eq!(
            canonical.audiences(),
            [
                "http://127.0.0.1:3000/mcp",
                "http://localhost:3000/mcp",
                "http://[::1]:3000/mcp"
            ]
        );
        let bound = Canonical::loopback("https", "::1", 3000, "/mcp").unwrap();
        assert_eq!(bound.as_str(), "https://[::1]:3000/mcp");
        let public = Canonical::parse("https://mcp.example.com", "/mcp").unwrap();
        assert_eq!(public.audiences(), ["https://mcp.example.com/mcp"]);
        assert_eq!(public.authority(), "mcp.example.com");
    }

    #[test]
    fn a_bare_origin_is_accepted_with_and_without_its_slash() {
        let root = Canonical::parse("https://mcp.example.com", "/").unwrap();
        assert_eq!(
            root.audiences(),
            ["https://mcp.example.com", "https://mcp.example.com/"]
        );
    }
}
