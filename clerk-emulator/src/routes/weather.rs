//! Applies the faults a test has set, before a request for keys or to the Backend API is answered.

use actix_web::HttpResponse;
use actix_web::body::MessageBody;
use actix_web::dev::ServiceRequest;
use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::middleware::Next;
use actix_web::web;

use crate::faults::Failure;
use crate::instance::Instance;
use crate::routes::problem::Problem;

/// Counts the request, waits, and fails or goes on.
pub(crate) async fn weather(
    instance: web::Data<Instance>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let (latency, failure) = instance.faults().arrived(request.path());
    if !latency.is_zero() {
        actix_rt::time::sleep(latency).await;
    }
    match failure {
        None => Ok(next.call(request).await?.map_into_left_body()),
        Some(failure) => Ok(request.into_response(answer(failure)).map_into_right_body()),
    }
}

fn answer(failure: Failure) -> HttpResponse {
    let status = StatusCode::from_u16(failure.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let code = match status {
        StatusCode::TOO_MANY_REQUESTS => "too_many_requests",
        StatusCode::UNAUTHORIZED => "clerk_key_invalid",
        StatusCode::NOT_FOUND => "resource_not_found",
        _ => "internal_clerk_error",
    };
    let mut response = Problem::new(status, code, "Failing as told").into_response();
    if let Some(seconds) = failure.retry_after {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, seconds.into());
    }
    response
}
