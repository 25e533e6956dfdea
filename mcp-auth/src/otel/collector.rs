//! The HTTP client for the collector, which the exporter of OpenTelemetry uses.
//!
//! The client follows no redirect, and reads at most 64 KiB of a response. It blocks the thread that polls it, so only the
//! thread of the exporter may use it.
//!
//! Source: OTLP specification 1.9, "OTLP/HTTP".

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use percent_encoding::percent_decode_str;
use prost::Message;
use reqwest::Client;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::redirect::Policy;
use tokio::runtime::{Builder, Runtime};
use url::Url;

use crate::loopback;

/// The client for one collector.
pub(super) struct Collector {
    runtime: Runtime,
    client: Client,
    /// The credentials of the endpoint's URL, as `Authorization`.
    credentials: Option<HeaderValue>,
    /// The number of rejected spans in the last response of the collector, unchecked.
    claimed: Arc<AtomicU64>,
}

/// The reason why there is no client.
#[derive(Debug, thiserror::Error)]
pub(super) enum CollectorError {
    /// For example because no CA certificates are installed.
    #[error("the HTTP client could not be created")]
    Client(#[source] reqwest::Error),
    #[error("the event queue could not be created")]
    Runtime(#[source] std::io::Error),
}

/// The reason why an export failed. The text has neither a URL nor a header.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error("the request could not be built")]
    Request(#[source] reqwest::Error),
    #[error("the response is too large")]
    TooLarge,
    #[error("there was no response")]
    Transport(#[source] reqwest::Error),
}

impl Collector {
    /// Creates a client. No request is sent.
    pub(super) fn new(
        endpoint: &Url,
        timeout: Duration,
        claimed: Arc<AtomicU64>,
    ) -> Result<Self, CollectorError> {
        let mut builder = Client::builder()
            .redirect(Policy::none())
            .referer(false)
            .timeout(timeout)
            .pool_max_idle_per_host(1);
        if loopback::is_url(endpoint) {
            // A proxy would connect to its own machine instead of this machine's loopback address.
            builder = builder.no_proxy();
        }
        if endpoint.scheme() == "http" {
            // A plain http client needs no CA certificates, so it works on a machine without them.
            builder = builder.tls_certs_only([]);
        }
        let runtime = Builder::new_current_thread().enable_all().build();
        Ok(Self {
            runtime: runtime.map_err(CollectorError::Runtime)?,
            client: builder.build().map_err(CollectorError::Client)?,
            credentials: credentials(endpoint),
            claimed,
        })
    }

    async fn send(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, ExportError> {
        let headers = request.headers_mut();
        if let Some(credentials) = &self.credentials
            && !headers.contains_key(AUTHORIZATION)
        {
            headers.insert(AUTHORIZATION, credentials.clone());
        }
        // A sensitive header is not logged.
        for value in headers.values_mut() {
            value.set_sensitive(true);
        }
        let request = reqwest::Request::try_from(request).map_err(ExportError::Request)?;
        let response = self.client.execute(request).await.map_err(transport)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read(response).await?;
        if status.is_success() {
            self.note_rejected(&body);
        }
        let mut answer = Response::new(body);
        *answer.status_mut() = status;
        *answer.headers_mut() = headers;
        Ok(answer)
    }

    fn note_rejected(&self, body: &Bytes) {
        // A collector may answer without a body.
        let answer = ExportTraceServiceResponse::decode(body.as_ref()).ok();
        let partial = answer.and_then(|answer| answer.partial_success);
        let rejected = partial.map_or(0, |partial| partial.rejected_spans);
        let rejected = u64::try_from(rejected).unwrap_or_default();
        self.claimed.store(rejected, Ordering::Relaxed);
    }
}

impl HttpClient for Collector {
    // The form that the macro of the crate `async-trait` gives to the method.
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            let sent = self.runtime.block_on(self.send(request));
            sent.map_err(HttpError::from)
        })
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").finish_non_exhaustive()
    }
}

/// Returns the user name and the password of a URL as a header (RFC 7617). The HTTP client would log them with the URL.
fn credentials(endpoint: &Url) -> Option<HeaderValue> {
    let password = endpoint.password().unwrap_or_default();
    if endpoint.username().is_empty() && password.is_empty() {
        return None;
    }
    let name = percent_decode_str(endpoint.username()).collect::<Vec<_>>();
    let password = percent_decode_str(password).collect::<Vec<_>>();
    let encoded = STANDARD.encode([&name[..], b":", &password].concat());
    HeaderValue::try_from(format!("Basic {encoded}")).ok()
}

/// Reads a body, and fails if it exceeds the limit. The declared length is not trusted.
async fn read(mut response: reqwest::Response) -> Result<Bytes, ExportError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(transport)? {
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(ExportError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Removes the URL from an error, because the URL may contain a secret.
fn transport(error: reqwest::Error) -> ExportError {
    ExportError::Transport(error.without_url())
}

const MAX_BODY_BYTES: usize = 64 * 1024;
