//! The HTTP routes. Each module configures its own; the guard stands before all of them.

mod backend;
pub(crate) mod consent;
mod dev;
mod front;
mod frontend;
mod oauth;
mod opaque;
mod page;
mod parameters;
pub(crate) mod problem;
mod resources;
pub(crate) mod weather;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web;

use crate::routes::problem::Problem;

/// Adds every route. The application needs an [`Instance`](crate::Instance) as its data.
pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .configure(frontend::configure)
        .configure(backend::configure)
        .configure(oauth::configure)
        .configure(dev::configure)
        .configure(front::configure)
        .default_service(web::to(not_found));
}

async fn not_found() -> HttpResponse {
    Problem::new(
        StatusCode::NOT_FOUND,
        "resource_not_found",
        "There is nothing here",
    )
    .into_response()
}
