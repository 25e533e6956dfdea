//! Accepts only requests from a program or a page of this machine.
//!
//! Binding a loopback address is not enough. Any web page can make a browser of this machine send requests. With DNS
//! rebinding, these requests have a foreign `Host`. A reverse proxy forwards requests from other machines.

use actix_web::HttpResponse;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::HeaderMap;
use actix_web::http::{Method, StatusCode, Uri, header};
use actix_web::middleware::Next;

use crate::routes::media_type;
use crate::routes::problem::Problem;

/// Passes a local request on to its route, and refuses every other request.
pub(crate) async fn local_only(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let port = request.app_config().local_addr().port();
    let head = request.head();
    let refusal = check_sender(&head.headers, &head.uri, port)
        .and_then(|()| check_site(head.uri.path(), &head.headers))
        .and_then(|()| check_media_type(&head.method, head.uri.path(), &head.headers));
    match refusal {
        Ok(()) => Ok(next.call(request).await?.map_into_left_body()),
        Err(refusal) => {
            tracing::warn!(refusal = refusal.message(), "request refused");
            let response: HttpResponse = refusal.into();
            Ok(request.into_response(response).map_into_right_body())
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    ForeignHost,
    ForeignOrigin,
    Forwarded,
    MediaType,
}

impl Refusal {
    fn message(self) -> &'static str {
        match self {
            Self::ForeignHost => "The emulator answers only to its own loopback address",
            Self::ForeignOrigin => "The emulator answers only to pages of this machine",
            Self::Forwarded => "The emulator must not be behind a proxy",
            Self::MediaType => "Send application/json",
        }
    }
}

impl From<Refusal> for HttpResponse {
    fn from(refusal: Refusal) -> Self {
        let (status, code) = match refusal {
            Refusal::ForeignHost | Refusal::ForeignOrigin | Refusal::Forwarded => {
                (StatusCode::FORBIDDEN, "request_not_local")
            }
            Refusal::MediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_content_type",
            ),
        };
        Problem::new(status, code, refusal.message()).into_response()
    }
}

fn check_sender(headers: &HeaderMap, target: &Uri, port: u16) -> Result<(), Refusal> {
    let proxied = |name: &str| {
        matches!(name, "forwarded" | "via" | "x-real-ip") || name.starts_with("x-forwarded-")
    };
    if headers.keys().any(|name| proxied(name.as_str())) {
        return Err(Refusal::Forwarded);
    }
    let mut hosts = headers.get_all(header::HOST);
    let host = hosts.next().and_then(|host| host.to_str().ok());
    if hosts.next().is_some() || !host.is_some_and(|host| is_own_authority(host, port)) {
        return Err(Refusal::ForeignHost);
    }
    // RFC 9112 section 3.2.2: a target in absolute form contains its own authority.
    if target
        .authority()
        .is_some_and(|authority| !is_own_authority(authority.as_str(), port))
    {
        return Err(Refusal::ForeignHost);
    }
    let local = |origin: &header::HeaderValue| origin.to_str().is_ok_and(is_local_origin);
    if headers.get_all(header::ORIGIN).all(local) {
        Ok(())
    } else {
        Err(Refusal::ForeignOrigin)
    }
}

/// Refuses requests below `/dev` that a page of another site caused. A page of another site can make a browser load any
/// URL, for example as an image, without an `Origin`. Following a link is allowed.
fn check_site(path: &str, headers: &HeaderMap) -> Result<(), Refusal> {
    let says = |name: &str, value: &str| headers.get_all(name).any(|said| said == value);
    let is_foreign = says("sec-fetch-site", "cross-site") && !says("sec-fetch-user", "?1");
    if path.starts_with("/dev/") && is_foreign {
        return Err(Refusal::ForeignOrigin);
    }
    Ok(())
}

/// Requires JSON below `/dev`. A page of another origin can send JSON only after a CORS preflight, and no route below
/// `/dev` allows a preflight.
fn check_media_type(method: &Method, path: &str, headers: &HeaderMap) -> Result<(), Refusal> {
    let has_body = matches!(*method, Method::PATCH | Method::POST | Method::PUT);
    if !path.starts_with("/dev/") || !has_body {
        return Ok(());
    }
    if media_type(headers) == "application/json" {
        Ok(())
    } else {
        Err(Refusal::MediaType)
    }
}

/// Returns true if `authority` is a loopback name with the port of this emulator. An authority without a port has port
/// 80.
fn is_own_authority(authority: &str, port: u16) -> bool {
    let (host, its_port) = match authority.rsplit_once(':') {
        Some((host, its_port)) if !its_port.ends_with(']') => (host, its_port),
        _ => (authority, "80"),
    };
    is_loopback_name(host) && its_port == port.to_string()
}

/// Returns true if an `Origin` is a page of this machine, on any port.
fn is_local_origin(origin: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => host,
        _ => authority,
    };
    matches!(scheme, "http" | "https") && is_loopback_name(host)
}

fn is_loopback_name(host: &str) -> bool {
    host == "127.0.0.1" || host == "[::1]" || host.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_with_the_emulators_port_are_its_authority() {
        for authority in [
            "127.0.0.1:4400",
            "localhost:4400",
            "LOCALHOST:4400",
            "[::1]:4400",
        ] {
            assert!(is_own_authority(authority, 4400), "{authority}");
        }
        for authority in [
            "",
            "127.0.0.1",
            "127.0.0.1:",
            "127.0.0.1:4401",
            "127.0.0.1:04400",
            "127.0.0.2:4400",
            "localhost.evil.example:4400",
            "evil.example:4400",
            "user@localhost:4400",
            "[::1]",
            "::1:4400",
            "4400",
        ] {
            assert!(!is_own_authority(authority, 4400), "{authority}");
        }
        assert!(is_own_authority("localhost", 80));
        assert!(is_own_authority("[::1]", 80));
    }

    #[test]
    fn only_origins_of_this_machine_are_local() {
        for origin in [
            "http://localhost:3000",
            "https://127.0.0.1",
            "http://[::1]:5173",
            "http://[::1]",
        ] {
            assert!(is_local_origin(origin), "{origin}");
        }
        for origin in [
            "null",
            "",
            "localhost",
            "file://",
            "http://localhost.evil.example",
            "http://evil.example:80",
            "http://localhost@evil.example",
            "ftp://localhost",
        ] {
            assert!(!is_local_origin(origin), "{origin}");
        }
    }
}
