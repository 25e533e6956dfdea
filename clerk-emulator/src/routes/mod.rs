//! The HTTP routes. Each module configures its own routes. The middleware `local_only` runs before
//! every route.

mod backend_api;
pub(crate) mod consent;
mod dev;
mod frontend_api;
mod home_page;
pub(crate) mod inject_faults;
pub(crate) mod local_only;
mod oauth;
mod opaque;
mod page;
mod parameters;
mod problem;
mod resources;

use actix_web::HttpResponse;
use actix_web::http::header::HeaderMap;
use actix_web::http::{StatusCode, header};
use actix_web::web;

use crate::routes::problem::Problem;

/// Adds every route. The application needs an [`Instance`](crate::Instance) as its data.
pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .configure(frontend_api::configure)
        .configure(backend_api::configure)
        .configure(oauth::configure)
        .configure(dev::configure)
        .configure(home_page::configure)
        .default_service(web::to(not_found));
}

async fn not_found() -> HttpResponse {
    Problem::new(
        StatusCode::NOT_FOUND,
        "resource_not_found",
        "There is no such route",
    )
    .into_response()
}

/// The media type of a request in lower case, without parameters. Empty if the request has no media type.
fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE);
    let value = value.and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = value.split(';').next().unwrap_or("");
    essence.trim().to_ascii_lowercase()
}
