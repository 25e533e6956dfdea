//! Converts requests and responses between the types of `h2` and the types of actix.

use std::net::SocketAddr;
use std::time::{Duration, UNIX_EPOCH};

use actix_http::body::{BodySize, BoxBody};
use actix_http::{Payload, Request, Response};
use actix_web::http::header::{
    CONNECTION, CONTENT_LENGTH, DATE, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING, UPGRADE,
};
use actix_web::http::{Method, StatusCode, Uri, Version};
use h2::RecvStream;
use http::request::Parts;

use crate::clock::{Clock, SystemClock};

/// Returns the request as actix represents it. `None` if actix cannot represent it.
///
/// Source: RFC 9113 section 8.3.1. `:authority` takes the place of `Host`.
pub(super) fn request(
    parts: &Parts,
    payload: Payload,
    peer: Option<SocketAddr>,
) -> Option<Request> {
    let mut request = Request::with_payload(payload);
    let head = request.head_mut();
    head.method = Method::from_bytes(parts.method.as_str().as_bytes()).ok()?;
    head.uri = Uri::try_from(parts.uri.to_string()).ok()?;
    head.version = Version::HTTP_2;
    head.peer_addr = peer;
    for (name, value) in &parts.headers {
        let name = HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
        let value = HeaderValue::from_bytes(value.as_bytes()).ok()?;
        head.headers.append(name, value);
    }
    if let Some(authority) = parts.uri.authority()
        && !head.headers.contains_key(HOST)
    {
        let value = HeaderValue::from_bytes(authority.as_str().as_bytes()).ok()?;
        head.headers.insert(HOST, value);
    }
    Some(request)
}

/// Returns true if the client waits for the status 100 before it sends the body.
pub(super) fn expects_continue(parts: &Parts, body: &RecvStream) -> bool {
    let expected = parts.headers.get(http::header::EXPECT);
    let is_continue =
        |value: &http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    !body.is_end_stream() && expected.is_some_and(is_continue)
}

/// Returns the head of a response. Leaves out the headers that only HTTP/1.1 has (RFC 9113 section 8.2.2).
pub(super) fn response(answer: &Response<BoxBody>, size: BodySize) -> Option<http::Response<()>> {
    let mut head = http::Response::new(());
    *head.status_mut() = http::StatusCode::from_u16(answer.status().as_u16()).ok()?;
    let headers = head.headers_mut();
    for (name, value) in answer.headers() {
        let is_of_http_1 = [&CONNECTION, &TRANSFER_ENCODING, &UPGRADE].contains(&name)
            || matches!(name.as_str(), "keep-alive" | "proxy-connection");
        if is_of_http_1 || name == CONTENT_LENGTH && size != BodySize::Stream {
            continue;
        }
        headers.append(
            http::HeaderName::from_bytes(name.as_str().as_bytes()).ok()?,
            http::HeaderValue::from_bytes(value.as_bytes()).ok()?,
        );
    }
    // RFC 9110 section 8.6 forbids the length in these responses.
    let has_length =
        answer.status() != StatusCode::NO_CONTENT && !answer.status().is_informational();
    if let (BodySize::Sized(length), true) = (size, has_length) {
        headers.insert(http::header::CONTENT_LENGTH, length.into());
    }
    if !answer.headers().contains_key(DATE) {
        let now = UNIX_EPOCH + Duration::from_millis(SystemClock::new().unix_ms());
        let date = http::HeaderValue::try_from(httpdate::fmt_http_date(now));
        headers.insert(http::header::DATE, date.ok()?);
    }
    Some(head)
}

/// The response to a request for which there is no place.
pub(super) fn no_place() -> http::Response<()> {
    let mut head = http::Response::new(());
    *head.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
    let headers = head.headers_mut();
    for (name, value) in [
        (http::header::CONTENT_LENGTH, "0"),
        (http::header::RETRY_AFTER, "1"),
        (http::header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, http::HeaderValue::from_static(value));
    }
    head
}
