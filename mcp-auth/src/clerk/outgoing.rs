//! The HTTP client for Clerk.
//!
//! A client has one base URL: https, or http on loopback. It follows no redirect, reads at most 1
//! MiB, and gives up after 5 seconds. It is used only on the I/O runtime, so that a busy worker
//! cannot stall its connections.

use std::time::{Duration, Instant, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use reqwest::header::{
    AGE, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER,
};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;
use url::Url;

use crate::clerk::machine_key::MachineKey;
use crate::clerk::secret_key::SecretKey;
use crate::identity::TokenText;
use crate::loopback;
use crate::metrics::Metrics;

/// A client for one base URL.
#[derive(Debug)]
pub(crate) struct Outgoing {
    client: Client,
    base: Url,
    metrics: Metrics,
}

/// The credential of a request. It is sent only to the base URL.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bearer<'a> {
    /// The caller's own token.
    Caller(&'a TokenText),
    /// The key of this server's machine.
    Machine(&'a MachineKey),
    /// The secret key of the instance, for the Backend API.
    Secret(&'a SecretKey),
}

/// A response of any status.
#[derive(Debug)]
pub(crate) struct ClerkResponse {
    pub(crate) status: u16,
    /// The time in the header `Retry-After`. Only a number of seconds is read. A date is ignored.
    pub(crate) retry_after: Option<Duration>,
    /// The time in `Date`, in milliseconds since 1970.
    pub(crate) date_ms: Option<u64>,
    pub(crate) body: Bytes,
}

/// The reason why there is no usable response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutgoingError {
    /// The base is neither https nor http on loopback, or has parts that a base must not have.
    #[error("the URL must be https, or http on loopback")]
    Address,
    /// The client could not be created, for example because no CA certificates are installed.
    #[error("the HTTP client could not be created")]
    Client(#[source] reqwest::Error),
    /// An id cannot be a part of a path.
    #[error("an id cannot be part of the path of a URL")]
    Path,
    /// The status is not 200.
    #[error("the response has status {0}")]
    Status(u16),
    /// The body has more than 1 MiB.
    #[error("the response is too large")]
    TooLarge,
    /// The connection failed, or 5 seconds passed.
    #[error("there was no response")]
    Transport(#[source] reqwest::Error),
}

impl Outgoing {
    /// Creates a client for this base URL. No request is sent.
    ///
    /// # Errors
    /// - [`OutgoingError::Address`] if the base URL is not safe.
    /// - [`OutgoingError::Client`] if the certificates of the machine cannot be read.
    pub(crate) fn to(base: Url) -> Result<Self, OutgoingError> {
        Self::with_timeout(base, TIMEOUT)
    }

    fn with_timeout(base: Url, timeout: Duration) -> Result<Self, OutgoingError> {
        let local = loopback::is_url(&base);
        let plain = base.scheme() == "http";
        let bare = base.username().is_empty() && base.password().is_none();
        if !(base.scheme() == "https" || plain && local) || !bare || base.query().is_some() {
            return Err(OutgoingError::Address);
        }
        let mut builder = Client::builder()
            .redirect(Policy::none())
            .referer(false)
            .timeout(timeout)
            .https_only(!plain)
            .user_agent(concat!("mcp-auth/", env!("CARGO_PKG_VERSION")));
        if local {
            // A proxy would connect to its own machine instead of this machine's loopback address.
            builder = builder.no_proxy();
        }
        if plain {
            // A plain http client needs no CA certificates, so it works on a machine without them.
            builder = builder.tls_certs_only([]);
        }
        Ok(Self {
            client: builder.build().map_err(OutgoingError::Client)?,
            base,
            metrics: Metrics::default(),
        })
    }

    /// Counts the requests.
    pub(crate) fn counted_by(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// Gets a path below the base URL, with the secret key if one is given.
    ///
    /// # Errors
    /// One of [`OutgoingError`]. A response of any status is not an error.
    pub(crate) async fn get(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        key: Option<&SecretKey>,
    ) -> Result<ClerkResponse, OutgoingError> {
        let request = self.client.get(self.url(path, query)?);
        self.send(path, request, key.map(Bearer::Secret)).await
    }

    /// Gets a path below the base URL, with this credential.
    ///
    /// # Errors
    /// One of [`OutgoingError`]. A response of any status is not an error.
    pub(crate) async fn get_as(
        &self,
        path: &[&str],
        bearer: Bearer<'_>,
    ) -> Result<ClerkResponse, OutgoingError> {
        let request = self.client.get(self.url(path, &[])?);
        self.send(path, request, Some(bearer)).await
    }

    /// Posts JSON to a path below the base URL, with this credential.
    ///
    /// # Errors
    /// One of [`OutgoingError`]. A response of any status is not an error.
    pub(crate) async fn post_as(
        &self,
        path: &[&str],
        body: &Value,
        bearer: Bearer<'_>,
    ) -> Result<ClerkResponse, OutgoingError> {
        let request = self.client.post(self.url(path, &[])?);
        let request = request.body(body.to_string());
        self.send(path, request, Some(bearer)).await
    }

    async fn send(
        &self,
        path: &[&str],
        request: RequestBuilder,
        bearer: Option<Bearer<'_>>,
    ) -> Result<ClerkResponse, OutgoingError> {
        if !self.metrics.is_on() {
            return exchange(request, bearer).await;
        }
        let sent = Instant::now();
        let response = exchange(request, bearer).await;
        let result = result(&response);
        self.metrics
            .outgoing(operation(path), result, sent.elapsed());
        response
    }

    /// Gets a document: the body of a response with status 200.
    ///
    /// # Errors
    /// The errors of [`Self::get`], and [`OutgoingError::Status`] for every status except 200.
    pub(crate) async fn document(&self, path: &[&str]) -> Result<ClerkResponse, OutgoingError> {
        let answer = self.get(path, &[], None).await?;
        if answer.status == 200 {
            Ok(answer)
        } else {
            Err(OutgoingError::Status(answer.status))
        }
    }

    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Url, OutgoingError> {
        // These segments would change the path.
        if path
            .iter()
            .any(|segment| matches!(*segment, "" | "." | ".."))
        {
            return Err(OutgoingError::Path);
        }
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| OutgoingError::Path)?
            .pop_if_empty()
            .extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }
}

/// Sends a request, and reads the response.
async fn exchange(
    mut request: RequestBuilder,
    bearer: Option<Bearer<'_>>,
) -> Result<ClerkResponse, OutgoingError> {
    if let Some(bearer) = bearer {
        let (text, to_api) = match bearer {
            Bearer::Caller(token) => (token.expose(), false),
            Bearer::Machine(key) => (key.expose(), true),
            Bearer::Secret(key) => (key.expose(), true),
        };
        let value = format!("Bearer {text}");
        let mut value = HeaderValue::try_from(value).map_err(|_| OutgoingError::Path)?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
        if to_api {
            request = request
                .header(CONTENT_TYPE, "application/json")
                .header("Clerk-API-Version", API_VERSION);
        }
    }
    let response = request.send().await.map_err(transport)?;
    let status = response.status().as_u16();
    let retry_after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map(Duration::from_secs);
    let date_ms = date_ms(response.headers());
    Ok(ClerkResponse {
        status,
        retry_after,
        date_ms,
        body: read(response).await?,
    })
}

/// Returns the name of a request in metrics. It has no id.
fn operation(path: &[&str]) -> &'static str {
    match path {
        [.., "jwks" | "jwks.json"] => "jwks",
        [".well-known", _] => "metadata",
        [.., "memberships" | "organization_memberships"] => "memberships",
        ["v1", "users", _] => "users",
        [.., "userinfo"] => "userinfo",
        [.., "verify"] => "verify_token",
        _ => "other",
    }
}

/// Returns the name of the result of a request in metrics.
fn result(response: &Result<ClerkResponse, OutgoingError>) -> &'static str {
    match response.as_ref().map(|response| response.status) {
        Ok(200..=299) => "ok",
        Ok(401 | 403) => "refused",
        Ok(404) => "not_found",
        Ok(429) => "throttled",
        Ok(500..) => "failed",
        Ok(_) => "rejected",
        Err(_) => "no_response",
    }
}

/// Returns the time in the header `Date` (RFC 9110 §6.6.1). A response from a cache (`Age`, RFC
/// 9111 §5.1) has an old date, so its date is ignored.
fn date_ms(headers: &HeaderMap) -> Option<u64> {
    if headers.contains_key(AGE) {
        return None;
    }
    let date = headers.get(DATE)?.to_str().ok()?;
    let date = httpdate::parse_http_date(date).ok()?;
    u64::try_from(date.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}

/// Reads a body, and fails if it exceeds the limit. The declared length is not trusted.
async fn read(mut response: Response) -> Result<Bytes, OutgoingError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(transport)? {
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(OutgoingError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Removes the URL from an error, because the URL may contain ids of users.
fn transport(error: reqwest::Error) -> OutgoingError {
    OutgoingError::Transport(error.without_url())
}

/// The version of the Backend API.
const API_VERSION: &str = "2026-05-12";
const MAX_BODY_BYTES: usize = 1024 * 1024;
const TIMEOUT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clerk::mock_http::{Reply, Stub};
    use crate::identity::test_support::block_on;

    #[test]
    fn only_https_or_loopback_is_spoken_to() {
        let to = |url: &str| Outgoing::to(Url::parse(url).unwrap());
        for url in [
            "http://127.0.0.1:1",
            "http://localhost:1/x",
            "http://[::1]:1",
        ] {
            assert!(to(url).is_ok(), "{url}");
        }
        for url in [
            "http://api.clerk.com",
            "http://localhost.example.com",
            "http://10.0.0.1",
            "ftp://127.0.0.1",
            "http://user@127.0.0.1",
            "http://:secret@127.0.0.1",
            "http://127.0.0.1/?x",
        ] {
            assert!(matches!(to(url), Err(OutgoingError::Address)), "{url}");
        }
    }

    #[test]
    fn a_redirect_is_not_followed_and_the_secret_key_is_not_sent_on() {
        let elsewhere = Arc::new(Stub::answering(|_| Reply::http(200, "", "{}")));
        let location = format!("Location: {}\r\n", elsewhere.url());
        let stub = Stub::answering(move |_| Reply::http(302, &location, ""));
        let outgoing = Outgoing::to(stub.url()).unwrap();
        let key = SecretKey::parse("sk_test_secret").unwrap();
        let answer = block_on(outgoing.get(&["v1", "jwks"], &[], Some(&key))).unwrap();
        assert_eq!(answer.status, 302);
        assert!(
            stub.heads()[0].contains("Bearer sk_test_secret"),
            "{:?}",
            stub.heads()
        );
        assert!(elsewhere.heads().is_empty(), "{:?}", elsewhere.heads());
        let refused = block_on(outgoing.document(&["x"])).unwrap_err();
        assert!(matches!(refused, OutgoingError::Status(302)), "{refused}");
    }

    #[test]
    fn a_body_without_an_end_is_refused_at_a_mebibyte() {
        let stub = Stub::answering(|_| Reply::Endless);
        let refused = block_on(Outgoing::to(stub.url()).unwrap().document(&["x"])).unwrap_err();
        assert!(matches!(refused, OutgoingError::TooLarge), "{refused}");
        let largest = " ".repeat(MAX_BODY_BYTES);
        let stub = Stub::answering(move |_| Reply::http(200, "", &largest));
        let answer = block_on(Outgoing::to(stub.url()).unwrap().document(&["x"])).unwrap();
        assert_eq!(answer.body.len(), MAX_BODY_BYTES);
    }

    #[test]
    fn a_body_that_trickles_is_given_up() {
        assert_eq!(TIMEOUT, Duration::from_secs(5));
        let stub = Stub::answering(|_| Reply::Slow);
        let outgoing = Outgoing::with_timeout(stub.url(), Duration::from_millis(200)).unwrap();
        let refused = block_on(outgoing.document(&["x"])).unwrap_err();
        assert!(matches!(refused, OutgoingError::Transport(_)), "{refused}");
    }

    #[test]
    fn ids_are_encoded_and_cannot_climb() {
        let base = Url::parse("https://example.com/__clerk").unwrap();
        let outgoing = Outgoing::to(base).unwrap();
        let url = outgoing
            .url(&["v1", "a/b?c#d%2f"], &[("user_id", "x&y=z")])
            .unwrap();
        assert_eq!(
            url.as_str(),
            "https://example.com/__clerk/v1/a%2Fb%3Fc%23d%252f?user_id=x%26y%3Dz"
        );
        for id in ["", ".", ".."] {
            assert!(
                matches!(outgoing.url(&["v1", id], &[]), Err(OutgoingError::Path)),
                "{id}"
            );
        }
    }

    #[test]
    fn the_time_of_an_answer_is_told_unless_a_cache_kept_it() {
        let date = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
        for (headers, told) in [
            (date.to_owned(), Some(784_111_777_000)),
            (format!("{date}Age: 3\r\n"), None),
            ("Date: yesterday\r\n".to_owned(), None),
            (String::new(), None),
        ] {
            let stub = Stub::answering(move |_| Reply::http(200, &headers, ""));
            let answer = block_on(Outgoing::to(stub.url()).unwrap().get(&["x"], &[], None));
            assert_eq!(answer.unwrap().date_ms, told);
        }
    }

    #[test]
    fn every_call_with_a_key_has_the_headers_of_the_backend_api() {
        let stub = Stub::answering(|_| Reply::http(429, "Retry-After: 7\r\n", ""));
        let key = SecretKey::parse("sk_test_secret").unwrap();
        let outgoing = Outgoing::to(stub.url()).unwrap();
        let answer = block_on(outgoing.get(&["v1"], &[], Some(&key))).unwrap();
        assert_eq!(
            (answer.status, answer.retry_after),
            (429, Some(Duration::from_secs(7)))
        );
        let head = stub.heads()[0].to_lowercase();
        for line in [
            "authorization: bearer sk_test_secret\r\n",
            "clerk-api-version: 2026-05-12\r\n",
            "content-type: application/json\r\n",
            "user-agent: mcp-auth/",
        ] {
            assert!(head.contains(line), "{line} is not in {head}");
        }
        block_on(outgoing.get(&["v1"], &[], None)).unwrap();
        assert!(!stub.heads()[1].to_lowercase().contains("authorization"));
    }
}
