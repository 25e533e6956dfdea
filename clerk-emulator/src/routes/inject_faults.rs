//! Middleware that applies the injected faults to requests.

use std::time::{Duration, UNIX_EPOCH};

use actix_web::HttpResponse;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HttpDate, TryIntoHeaderValue as _};
use actix_web::http::{StatusCode, header};
use actix_web::middleware::Next;
use actix_web::web;

use crate::faults::Failure;
use crate::instance::Instance;
use crate::routes::problem::Problem;

/// Counts the request, delays it and lets it fail, as the injected faults require. If the clock has an offset, the
/// header `Date` has the same offset.
///
/// Faults do not apply to the home page and the routes below `/dev`, so that faults can always be removed.
pub(crate) async fn inject_faults(
    instance: web::Data<Instance>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let path = request.path();
    let (latency, failure) = if path == "/" || path.starts_with("/dev/") {
        (Duration::ZERO, None)
    } else {
        instance.faults().arrived(path)
    };
    if !latency.is_zero() {
        actix_rt::time::sleep(latency).await;
    }
    let mut response: ServiceResponse<EitherBody<_>> = match failure {
        None => next.call(request).await?.map_into_left_body(),
        Some(failure) => request
            .into_response(failing_response(failure))
            .map_into_right_body(),
    };
    let now = instance.now();
    if instance.faults().clock_offset() != 0 && now < YEAR_10000 {
        let date = HttpDate::from(UNIX_EPOCH + Duration::from_secs(now));
        if let Ok(date) = date.try_into_value() {
            response.headers_mut().insert(header::DATE, date);
        }
    }
    Ok(response)
}

fn failing_response(failure: Failure) -> HttpResponse {
    let status = StatusCode::from_u16(failure.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let code = match status {
        StatusCode::TOO_MANY_REQUESTS => "too_many_requests",
        StatusCode::UNAUTHORIZED => "clerk_key_invalid",
        StatusCode::NOT_FOUND => "resource_not_found",
        _ => "internal_clerk_error",
    };
    let mut response = Problem::new(status, code, "Injected fault").into_response();
    if let Some(seconds) = failure.retry_after {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// The start of the year 10000, in Unix seconds. The header `Date` has four digits for the year
/// (RFC 9110 §5.6.7).
const YEAR_10000: u64 = 253_402_300_800;
