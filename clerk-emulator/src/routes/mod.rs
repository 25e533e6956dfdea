//! The HTTP routes. Each module configures its own. The middleware `local_only` runs before all of
//! them.

mod backend_api;
pub(crate) mod consent;
mod dev;
mod frontend_api;
mod home_page;
pub(crate) mod inject_faults;
mod oauth;
mod opaque;
mod page;
mod parameters;
pub(crate) mod problem;
mod resources;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
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
