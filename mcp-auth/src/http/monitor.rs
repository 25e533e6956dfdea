//! Answers requests at the address of metrics: `/metrics` and the probes.

use actix_web::HttpResponse;
use actix_web::dev::{Payload, RequestHead};
use actix_web::http::Method;
use actix_web::http::header::{ACCEPT, ALLOW, CONTENT_TYPE};

use crate::loopback;
use crate::metrics::Format;
use crate::protocol::Header;

use super::body::Incoming;
use super::connection;
use super::head::Fields;
use super::health::Probe;
use super::listed::split;
use super::site::Site;

/// Answers a request. `is_local` means that the address is on loopback.
pub(crate) async fn answer(
    site: &Site,
    is_local: bool,
    head: &RequestHead,
    body: Payload,
) -> HttpResponse {
    let path = head.uri.path();
    let answer = match Probe::at(path) {
        Some(probe) => site.health.answer(head, probe).await,
        None if path == "/metrics" => {
            connection::announce_close(head, scrape(site, is_local, head))
        }
        None => connection::announce_close(head, HttpResponse::NotFound().finish()),
    };
    let mut body = Incoming::new(body);
    body.pass_over().await;
    body.end_with(answer)
}

fn scrape(site: &Site, is_local: bool, head: &RequestHead) -> HttpResponse {
    if !matches!(head.method, Method::GET | Method::HEAD) {
        return HttpResponse::MethodNotAllowed()
            .insert_header((ALLOW, "GET, HEAD"))
            .finish();
    }
    // A web page whose own name resolves to this machine (DNS rebinding) sends that name.
    if is_local && !names_loopback(Fields::of(head).host) {
        return HttpResponse::Forbidden().finish();
    }
    let accept = head.headers().get(ACCEPT);
    let accept = accept.and_then(|accept| accept.to_str().ok());
    let format = Format::accepted(accept.unwrap_or_default());
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, format.media_type()))
        .body(site.metrics.scrape(format))
}

fn names_loopback(host: Header<'_>) -> bool {
    match host {
        Header::Value(host) => split(host).is_some_and(|(name, _)| loopback::is_host(name)),
        Header::Absent | Header::Malformed => false,
    }
}
