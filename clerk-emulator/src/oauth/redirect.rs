//! Redirect URIs: which URIs a client may register, which URI a request uses, and which parameters
//! are appended to the URI.

use url::{Url, form_urlencoded};

use crate::oauth::client::Client;
use crate::oauth::error::OAuthError;
use crate::oauth::fields::Fields;

/// Returns true if a client may register this redirect URI: `https`, `http` on this machine, or a scheme of an
/// application.
///
/// Source: RFC 6749 §3.1.2, RFC 8252 §7, MCP authorization "Communication Security".
pub(crate) fn is_acceptable(uri: &str) -> bool {
    if uri.contains('#') || !uri.bytes().all(|byte| byte.is_ascii_graphic()) {
        return false;
    }
    let Ok(url) = Url::parse(uri) else {
        return false;
    };
    if !url.username().is_empty() || url.password().is_some() {
        return false;
    }
    match url.scheme() {
        "https" => true,
        "http" => split_loopback(uri).is_some(),
        scheme => !SCHEMES_OF_BROWSERS.contains(&scheme),
    }
}

/// The redirect of an authorization response. A value exists only for a URI that the client registered.
#[derive(Clone)]
pub(crate) struct Redirect {
    pub(crate) uri: String,
    /// Whether the authorization request contained the URI. If so, the token request must also contain the URI (RFC
    /// 6749 §4.1.3).
    pub(crate) was_sent: bool,
    state: Option<String>,
    issuer: Option<String>,
}

impl Redirect {
    /// The redirect of an authorization request.
    ///
    /// # Errors
    /// - The text of an error page. Without a registered URI the server cannot send the error to the client.
    pub(crate) fn find(
        client: &Client,
        fields: &Fields,
        issuer: Option<String>,
    ) -> Result<Self, String> {
        let sent = fields
            .one("redirect_uri")
            .map_err(|error| error.description)?;
        let uri = match (sent, client.redirect_uris.as_slice()) {
            (Some(uri), registered) => {
                if !registered.iter().any(|known| matches(known, uri)) {
                    return Err(format!("{uri} is not a redirect URI of this client"));
                }
                uri
            }
            // RFC 6749 section 3.1.2.3: the URI is optional if the client registered only one.
            (None, [only]) => only.as_str(),
            (None, _) => return Err(String::from("redirect_uri is missing")),
        };
        // If a client sends `state` twice, the response has no state, and the client refuses the response.
        let state = fields.one("state").ok().flatten();
        Ok(Self {
            uri: String::from(uri),
            was_sent: sent.is_some(),
            state: state.map(String::from),
            issuer,
        })
    }

    /// The location of a response with a code (RFC 6749 §4.1.2).
    pub(crate) fn with_code(&self, code: &str) -> String {
        self.with(&[("code", code)])
    }

    /// The location of a response with an error (RFC 6749 §4.1.2.1).
    pub(crate) fn with_error(&self, error: &OAuthError) -> String {
        self.with(&[
            ("error", error.code.as_str()),
            ("error_description", &error.description),
        ])
    }

    /// Returns true if the URI is on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        split_loopback(&self.uri).is_some()
    }

    /// The host and the port, for people to read. For a URI with the scheme of an application, the whole URI, because
    /// the host of such a URI can be any text.
    pub(crate) fn host(&self) -> String {
        let url = Url::parse(&self.uri).ok();
        let of_the_web = url.filter(|url| matches!(url.scheme(), "http" | "https"));
        let host = of_the_web.as_ref().and_then(|url| {
            let host = url.host_str()?;
            Some(match url.port() {
                Some(port) => format!("{host}:{port}"),
                None => String::from(host),
            })
        });
        host.unwrap_or_else(|| self.uri.clone())
    }

    fn with(&self, parameters: &[(&str, &str)]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(parameters);
        if let Some(state) = &self.state {
            query.append_pair("state", state);
        }
        // RFC 9207 section 2.
        if let Some(issuer) = &self.issuer {
            query.append_pair("iss", issuer);
        }
        let separator = if self.uri.contains('?') { '&' } else { '?' };
        format!("{}{separator}{}", self.uri, query.finish())
    }
}

/// Returns true if a sent URI equals the registered URI byte for byte. The port of a URI on this machine may differ,
/// because a program learns its port only when it listens.
///
/// Source: RFC 8252 §7.3, which names addresses only. `localhost` is accepted too, because existing
/// clients register `http://localhost/callback` in their metadata documents. Clerk's documentation
/// requires an exact match and does not mention ports.
fn matches(registered: &str, sent: &str) -> bool {
    registered == sent
        || match (split_loopback(registered), split_loopback(sent)) {
            (Some(registered), Some(sent)) => registered == sent,
            (_, None) | (None, Some(_)) => false,
        }
}

/// Splits an `http` URI whose host is loopback into the host and the text after the port. `None` for any other URI.
fn split_loopback(uri: &str) -> Option<(&'static str, &str)> {
    let rest = uri.strip_prefix("http://")?;
    let (host, rest) = LOOPBACK
        .into_iter()
        .find_map(|host| Some((host, rest.strip_prefix(host)?)))?;
    let after_port = match rest.strip_prefix(':') {
        None => rest,
        Some(rest) => {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (port, after) = rest.split_at_checked(digits)?;
            port.parse::<u16>().ok()?;
            after
        }
    };
    let ends = after_port.is_empty() || after_port.starts_with(['/', '?']);
    ends.then_some((host, after_port))
}

const LOOPBACK: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];
/// The schemes that a browser handles itself.
const SCHEMES_OF_BROWSERS: [&str; 11] = [
    "about",
    "blob",
    "chrome",
    "data",
    "file",
    "filesystem",
    "ftp",
    "javascript",
    "vbscript",
    "view-source",
    "ws",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_may_register_https_http_on_this_machine_and_its_own_scheme() {
        for uri in [
            "https://app.example.com/callback",
            "https://app.example.com/callback?a=1",
            "http://127.0.0.1/callback",
            "http://localhost:6274/oauth/callback",
            "http://[::1]:1/",
            "cursor://anysphere.cursor-mcp/oauth/callback",
            "com.example.app:/callback",
        ] {
            assert!(is_acceptable(uri), "{uri}");
        }
        for uri in [
            "",
            "/callback",
            "http://app.example.com/callback",
            "http://localhost.evil.example/",
            "http://127.0.0.1.evil.example/",
            "http://localhost@evil.example/",
            "http://127.0.0.1:99999/",
            "https://user@app.example.com/",
            "https://app.example.com/#fragment",
            "https://app.example.com/ a",
            "https://app.example.com/\u{e9}",
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
        ] {
            assert!(!is_acceptable(uri), "{uri}");
        }
    }

    #[test]
    fn a_sent_uri_must_equal_the_registered_one_except_for_the_port_on_this_machine() {
        for (registered, sent) in [
            ("https://a.example/cb", "https://a.example/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:5000/cb"),
            ("http://127.0.0.1:1/cb", "http://127.0.0.1:2/cb"),
            ("http://[::1]:1/cb", "http://[::1]/cb"),
            ("http://localhost/cb", "http://localhost:3118/cb"),
        ] {
            assert!(matches(registered, sent), "{registered} {sent}");
        }
        for (registered, sent) in [
            ("https://a.example/cb", "https://a.example/cb/"),
            ("https://a.example/cb", "https://a.example/cb?x=1"),
            ("https://a.example/cb", "https://A.example/cb"),
            ("https://a.example/cb", "https://a.example:8443/cb"),
            ("https://a.example/cb", "http://a.example/cb"),
            ("https://127.0.0.1/cb", "https://127.0.0.1:1/cb"),
            ("http://127.0.0.1/cb", "http://localhost/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:1/other"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:1@evil.example/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:x/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1.evil.example/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1/x/../cb"),
        ] {
            assert!(!matches(registered, sent), "{registered} {sent}");
        }
    }

    #[test]
    fn a_redirect_to_an_application_is_shown_as_the_whole_uri() {
        for (uri, shown) in [
            ("https://a.example/cb", "a.example"),
            ("http://localhost:6274/oauth/callback", "localhost:6274"),
            (
                "cursor://anysphere.cursor-mcp/cb",
                "cursor://anysphere.cursor-mcp/cb",
            ),
            (
                "evil://accounts.example.com/",
                "evil://accounts.example.com/",
            ),
            ("com.example.app:/callback", "com.example.app:/callback"),
        ] {
            let redirect = Redirect {
                uri: String::from(uri),
                was_sent: true,
                state: None,
                issuer: None,
            };
            assert_eq!(redirect.host(), shown);
        }
    }

    #[test]
    fn a_response_keeps_the_query_of_the_uri_and_escapes_its_parameters() {
        let redirect = Redirect {
            uri: String::from("https://a.example/cb?tenant=1"),
            was_sent: true,
            state: Some(String::from("a&b=c d")),
            issuer: Some(String::from("http://127.0.0.1:4400")),
        };
        assert_eq!(
            redirect.with_code("x"),
            "https://a.example/cb?tenant=1&code=x&state=a%26b%3Dc+d&iss=http%3A%2F%2F127.0.0.1%3A4400"
        );
        assert_eq!(redirect.host(), "a.example");
    }
}
