//! Answers: what is constant is bytes at compile time, and each answer is written once, into a buffer
//! of its size.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_http::body::{BodySize, MessageBody};
use actix_http::header::{
    CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use actix_http::{Response, StatusCode};
use bytes::Bytes;

use crate::message::{Era, RpcError};
use crate::string::escape;

/// Two pieces, the second of which may be shared by many answers.
#[derive(Default)]
pub(crate) struct Body {
    first: Bytes,
    second: Bytes,
}

impl Body {
    pub(crate) fn of(first: impl Into<Bytes>, second: Bytes) -> Self {
        Self {
            first: first.into(),
            second,
        }
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(whole: T) -> Self {
        Self::of(whole, Bytes::new())
    }
}

impl MessageBody for Body {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized((self.first.len() + self.second.len()) as u64)
    }

    fn poll_next(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        let next = if this.first.is_empty() {
            &mut this.second
        } else {
            &mut this.first
        };
        let next = std::mem::take(next);
        Poll::Ready((!next.is_empty()).then_some(Ok(next)))
    }
}

/// What does not come to a JSON-RPC answer.
#[derive(Clone)]
pub(crate) enum Refusal {
    /// A status that says it all.
    Bare(StatusCode),
    /// An error in OAuth's form.
    Error(StatusCode, &'static [u8]),
    /// 401, with this challenge.
    Unauthorized(&'static HeaderValue, &'static [u8]),
    /// 503.
    Unavailable,
}

impl From<Refusal> for Response<Body> {
    fn from(refusal: Refusal) -> Self {
        let (status, body, extra) = match refusal {
            Refusal::Bare(status) => {
                let mut response = Self::with_body(status, Body::default());
                response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
                return response;
            }
            Refusal::Error(status, body) => (status, body, None),
            Refusal::Unauthorized(challenge, body) => (
                StatusCode::UNAUTHORIZED,
                body,
                Some((WWW_AUTHENTICATE, challenge.clone())),
            ),
            Refusal::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                UNAVAILABLE,
                Some((RETRY_AFTER, HeaderValue::from_static("1"))),
            ),
        };
        json(status, Bytes::from_static(body), extra)
    }
}

/// An answer in JSON.
pub(crate) fn json(
    status: StatusCode,
    body: impl Into<Body>,
    extra: Option<(HeaderName, HeaderValue)>,
) -> Response<Body> {
    let mut response = Response::with_body(status, body.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(CACHE_CONTROL, NO_STORE);
    if let Some((name, value)) = extra {
        headers.insert(name, value);
    }
    response
}

/// The sum, in both its places.
pub(crate) fn sum(id: &str, era: Era, sum: i64) -> Vec<u8> {
    let mut digits = itoa::Buffer::new();
    let sum = digits.format(sum);
    [
        HEAD,
        id,
        r#","result":{"content":[{"type":"text","text":"{\"sum\":"#,
        sum,
        r#"}"}],"structuredContent":{"sum":"#,
        sum,
        "}",
        tail(era),
    ]
    .concat()
    .into_bytes()
}

/// A text, the model's to read.
pub(crate) fn text(id: &str, era: Era, text: &str) -> Vec<u8> {
    written(id, text, "", tail(era))
}

/// A text that says what went wrong.
pub(crate) fn failure(id: &str, era: Era, text: &str) -> Vec<u8> {
    written(id, text, r#","isError":true"#, tail(era))
}

fn written(id: &str, text: &str, error: &str, tail: &str) -> Vec<u8> {
    const BEFORE: &str = r#","result":{"content":[{"type":"text","text":""#;
    const AFTER: &str = r#""}]"#;
    let fixed = HEAD.len() + BEFORE.len() + AFTER.len() + error.len() + tail.len();
    let mut body = Vec::with_capacity(fixed + id.len() + text.len() + text.len() / 4);
    for piece in [HEAD, id, BEFORE] {
        body.extend_from_slice(piece.as_bytes());
    }
    escape(&mut body, text);
    for piece in [AFTER, error, tail] {
        body.extend_from_slice(piece.as_bytes());
    }
    body
}

/// The refusal of the guard.
pub(crate) fn denied(id: &str, era: Era) -> Vec<u8> {
    let rest = match era {
        Era::Modern => DENIED_MODERN,
        Era::Legacy => DENIED_LEGACY,
    };
    [HEAD, id, rest].concat().into_bytes()
}

/// A JSON-RPC error.
pub(crate) fn error(id: Option<&str>, error: RpcError) -> Response<Body> {
    let id = id.map_or_else(String::new, |id| format!(r#","id":{id}"#));
    let RpcError { code, message, .. } = error;
    let status = if error.is_bad_request {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::OK
    };
    let body =
        format!(r#"{{"jsonrpc":"2.0"{id},"error":{{"code":{code},"message":"{message}"}}}}"#);
    json(status, body.into_bytes(), None)
}

fn tail(era: Era) -> &'static str {
    match era {
        Era::Modern => MODERN_TAIL,
        Era::Legacy => "}}",
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const HEAD: &str = r#"{"jsonrpc":"2.0","id":"#;
const MODERN_TAIL: &str = r#","resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"benches","version":"0.1.0"}}}}"#;
const DENIED_MODERN: &str = r#","result":{"content":[{"type":"text","text":"Forbidden: org:documents:delete permission required"}],"isError":true,"resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"benches","version":"0.1.0"},"mcp-auth-rs/denied":{"kind":"permission","required":["org:documents:delete"]}}}}"#;
const DENIED_LEGACY: &str = r#","result":{"content":[{"type":"text","text":"Forbidden: org:documents:delete permission required"}],"isError":true,"_meta":{"mcp-auth-rs/denied":{"kind":"permission","required":["org:documents:delete"]}}}}"#;
pub(crate) const INVALID_TOKEN: &str = "The access token is invalid or expired";
pub(crate) const INVALID_TOKEN_BODY: &[u8] =
    br#"{"error":"invalid_token","error_description":"The access token is invalid or expired"}"#;
pub(crate) const SIGN_IN: &[u8] =
    br#"{"error":"invalid_token","error_description":"An access token is required"}"#;
const UNAVAILABLE: &[u8] = br#"{"error":"temporarily_unavailable","error_description":"The authorization server cannot be reached"}"#;
