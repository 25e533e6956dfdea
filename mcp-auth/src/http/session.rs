//! Answers GET and DELETE, which only clients with a session send. A GET opens or resumes a stream. A DELETE ends the
//! session.
//!
//! Source: MCP 2025-11-25, basic/transports, listening for messages from the server, and session management.

use actix_web::HttpResponse;
use actix_web::dev::RequestHead;
use actix_web::http::header::HeaderName;
use actix_web::http::{Method, Version};

use crate::identity::Caller;
use crate::protocol::{SessionRefusal, SessionRequestHead};

use super::endpoint::url_org;
use super::events;
use super::head::Fields;
use super::refusal::{Refusal, Refused};
use super::site::{Name, Site};

/// Answers a GET or a DELETE. `None` if the server gives no sessions, and for other methods.
pub(super) fn serve(
    site: &Site,
    name: &Name,
    head: &RequestHead,
    fields: &Fields<'_>,
    caller: &Caller,
    token: Option<&str>,
) -> Option<Result<HttpResponse, Refused>> {
    let opens = head.method == Method::GET;
    if !site.endpoint.has_sessions() || !opens && head.method != Method::DELETE {
        return None;
    }
    // A stream needs a chunked response. HTTP/1.0 has no chunks. If a request switches the protocol, actix frames a
    // chunked response wrongly.
    let can_stream = !fields.switches && head.version >= Version::HTTP_11;
    if opens && !(fields.accepts_events && can_stream) {
        return Some(Err(Refusal::NoEvents.into()));
    }
    let url_org = url_org(site, head);
    let request = SessionRequestHead {
        caller,
        token,
        url_org: &url_org,
        version: fields.mirrored.version,
        headers: fields.mirrored.arguments,
    };
    let challenger = &name.challenges.challenger;
    let answer = if opens {
        let stream = site.endpoint.open_stream(request, challenger);
        stream.map(events::response)
    } else {
        let ended = site.endpoint.end_session(request, challenger);
        ended.map(|()| HttpResponse::NoContent().finish())
    };
    Some(answer.map_err(|refused| refusal(site, refused).into()))
}

/// Returns the methods that the endpoint serves, in the form of the header `Allow`.
pub(super) fn methods(site: &Site) -> &'static str {
    match site.endpoint.has_sessions() {
        true => "GET, POST, DELETE, OPTIONS",
        false => "POST, OPTIONS",
    }
}

fn refusal(site: &Site, refused: SessionRefusal) -> Refusal {
    match refused {
        SessionRefusal::MissingScope(Some(wider)) => Refusal::MoreScope(wider),
        SessionRefusal::MissingScope(None) | SessionRefusal::NotServed => {
            Refusal::Method(methods(site))
        }
        SessionRefusal::NoSession => Refusal::NoSession,
        SessionRefusal::SessionMissing => Refusal::SessionMissing,
        SessionRefusal::TooManyStreams => Refusal::Subscriptions,
        SessionRefusal::UnknownEvent => Refusal::UnknownEvent,
        SessionRefusal::UnsupportedVersion => Refusal::UnsupportedVersion,
    }
}

/// The header with the id of a session.
pub(super) const ID: HeaderName = HeaderName::from_static("mcp-session-id");
