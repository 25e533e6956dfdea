//! One request to the MCP endpoint, in order: host and origin, declared length and media types,
//! credentials, and only then the body.

use std::net::{IpAddr, Ipv4Addr};

use actix_web::http::header::{
    ACCEPT, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, VARY,
};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;

use crate::identity::{AuthError, Caller};
use crate::protocol::{Answer, Header, Mirrored, Status};

use super::bearer;
use super::gate::single;
use super::refusal::Refusal;
use super::site::{Name, Site};

/// Answers a request.
pub(super) async fn serve(site: &Site, request: &HttpRequest, body: web::Payload) -> HttpResponse {
    let (name, origin, answer) = match enter(site, request) {
        Err(refusal) => (site.canonical(), None, Err(refusal)),
        Ok((name, origin)) if request.method() == Method::OPTIONS => {
            (name, origin, Ok(preflight()))
        }
        Ok((name, origin)) => (name, origin, respond(site, request, body).await),
    };
    let mut response = answer.unwrap_or_else(|refusal| refusal.answer(&name.challenges));
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(origin) = origin.and_then(|origin| HeaderValue::from_str(origin).ok()) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static(EXPOSED),
        );
        headers.insert(VARY, HeaderValue::from_static("Origin"));
    }
    response
}

/// Host and origin, each against its own list; returns the name that was called, and the origin.
fn enter<'a>(
    site: &'a Site,
    request: &'a HttpRequest,
) -> Result<(&'a Name, Option<&'a str>), Refusal> {
    let host = site.gate.host(request)?;
    let origin = site.gate.origin(request)?;
    Ok((site.name(host), origin))
}

async fn respond(
    site: &Site,
    request: &HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, Refusal> {
    let is_post = request.method() == Method::POST;
    if is_post {
        check_head(site, request.headers())?;
    }
    let caller = authenticate(site, request).await?;
    if !is_post {
        // Clients probe with GET to be sent to sign in; a signed-in one learns there is no stream.
        return match caller {
            Some(_) => Err(Refusal::Method("POST, OPTIONS")),
            None => site.page(request).ok_or(Refusal::SignIn),
        };
    }
    let body = read(site, request, body, caller.is_some()).await?;
    let mirrored = mirrored(request.headers());
    message(
        site.endpoint
            .handle(&mirrored, caller.as_ref(), &body)
            .await,
    )
}

/// Declared length and media types.
fn check_head(site: &Site, headers: &HeaderMap) -> Result<(), Refusal> {
    if declared_length(headers).is_some_and(|length| length > site.body_limit) {
        return Err(Refusal::TooLarge);
    }
    let content_type = single(headers, &CONTENT_TYPE)
        .ok()
        .flatten()
        .unwrap_or_default();
    if !media_type(content_type).eq_ignore_ascii_case("application/json") {
        return Err(Refusal::UnsupportedMediaType);
    }
    let accepted = |value: &HeaderValue| value.to_str().is_ok_and(accepts_json);
    if headers.contains_key(ACCEPT) && !headers.get_all(ACCEPT).any(accepted) {
        return Err(Refusal::NotAcceptable);
    }
    Ok(())
}

/// The verified caller; `None` without a token. A bad token is never the same as none.
async fn authenticate(site: &Site, request: &HttpRequest) -> Result<Option<Caller>, Refusal> {
    let Some(token) = bearer::token(request)? else {
        return Ok(None);
    };
    if let Some(caller) = site.authenticator.cached(token) {
        return Ok(Some(caller));
    }
    let peer = request
        .peer_addr()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
    // Who was let in before is not guessing, though others of the same address may be.
    if !site.authenticator.knows(token)
        && let Some(wait) = site.failures.wait(peer)
    {
        return Err(Refusal::Failures(wait));
    }
    match site.authenticator.authenticate_from(peer, token).await {
        Ok(caller) => Ok(Some(caller)),
        Err(AuthError::Invalid(_)) => {
            site.failures.count(peer);
            Err(Refusal::InvalidToken)
        }
        Err(AuthError::Misconfigured) => Err(Refusal::Misconfigured),
        Err(AuthError::OverBudget(over)) => Err(Refusal::NewTokens(over.retry_after)),
        Err(AuthError::Unavailable(unavailable)) => {
            Err(Refusal::Unavailable(unavailable.retry_after))
        }
    }
}

/// Reads the body against limit and deadline. Without a token only a small one is read, and none at
/// all where nothing is public: strangers cannot fill memory.
async fn read(
    site: &Site,
    request: &HttpRequest,
    body: web::Payload,
    signed_in: bool,
) -> Result<Bytes, Refusal> {
    let limit = if signed_in {
        site.body_limit
    } else {
        site.body_limit.min(ANONYMOUS_BODY)
    };
    if !signed_in {
        let too_long = declared_length(request.headers()).is_some_and(|length| length > limit);
        if too_long || !site.endpoint.serves_anonymous() {
            return Err(Refusal::SignIn);
        }
    }
    match tokio::time::timeout(site.body_deadline, body.to_bytes_limited(limit)).await {
        Err(_) => Err(Refusal::SlowBody),
        Ok(Err(_)) if !signed_in => Err(Refusal::SignIn),
        Ok(Err(_)) => Err(Refusal::TooLarge),
        Ok(Ok(Err(_))) => Err(Refusal::BrokenBody),
        Ok(Ok(Ok(bytes))) => Ok(bytes),
    }
}

/// Maps what the protocol answered to HTTP.
fn message(answer: Answer) -> Result<HttpResponse, Refusal> {
    match answer {
        Answer::Accepted => Ok(HttpResponse::Accepted().finish()),
        Answer::Busy => Err(Refusal::Busy),
        Answer::Message { status, body } => {
            let status = match status {
                Status::Ok => StatusCode::OK,
                Status::BadRequest => StatusCode::BAD_REQUEST,
                Status::NotFound => StatusCode::NOT_FOUND,
            };
            let json = HeaderValue::from_static("application/json");
            Ok(HttpResponse::build(status)
                .insert_header((CONTENT_TYPE, json))
                .body(body))
        }
        Answer::MoreScope(scopes) => Err(Refusal::MoreScope(scopes)),
        Answer::SignIn => Err(Refusal::SignIn),
        Answer::Unavailable(unavailable) => Err(Refusal::Unavailable(unavailable.retry_after)),
    }
}

fn mirrored(headers: &HeaderMap) -> Mirrored<'_> {
    let header = |name: &'static str| match single(headers, &HeaderName::from_static(name)) {
        Ok(None) => Header::Absent,
        Ok(Some(value)) => Header::Value(value.trim_matches([' ', '\t'])),
        Err(_) => Header::Malformed,
    };
    Mirrored {
        version: header("mcp-protocol-version"),
        method: header("mcp-method"),
        name: header("mcp-name"),
    }
}

/// The answer to a browser's preflight; the gate has let its origin pass.
fn preflight() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((ACCESS_CONTROL_ALLOW_METHODS, "POST, OPTIONS"))
        .insert_header((ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED))
        .insert_header((ACCESS_CONTROL_MAX_AGE, "7200"))
        .finish()
}

fn declared_length(headers: &HeaderMap) -> Option<usize> {
    single(headers, &CONTENT_LENGTH)
        .ok()
        .flatten()?
        .parse()
        .ok()
}

/// The media type without its parameters.
fn media_type(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

fn accepts_json(accept: &str) -> bool {
    accept.split(',').map(media_type).any(|range| {
        ["application/json", "application/*", "*/*"]
            .iter()
            .any(|known| range.eq_ignore_ascii_case(known))
    })
}

/// In bytes: far more than a call of a public tool needs.
const ANONYMOUS_BODY: usize = 64 * 1024;
const ALLOWED: &str = "authorization, content-type, accept, mcp-protocol-version, mcp-method, mcp-name, mcp-session-id, last-event-id";
const EXPOSED: &str = "WWW-Authenticate, Mcp-Session-Id, Retry-After";
