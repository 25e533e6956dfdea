//! What Clerk does not have: a token for the asking.
//!
//! No route here grants CORS, and none may be cached.

use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::HttpResponseBuilder;
use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::web;
use serde_json::json;

use crate::clock;
use crate::instance::Instance;
use crate::request::TokenRequest;
use crate::routes::problem::Problem;

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/dev/tokens").post(mint_json))
        .service(web::resource("/dev/token").get(mint_text));
}

async fn mint_json(
    instance: web::Data<Instance>,
    body: web::Bytes,
) -> Result<HttpResponse, Problem> {
    let request: TokenRequest =
        serde_json::from_slice(&body).map_err(|error| Problem::invalid_body(&error))?;
    let token = mint(&instance, &request)?;
    Ok(private().json(json!({"token": token})))
}

async fn mint_text(
    instance: web::Data<Instance>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let wish = web::Query::<TokenRequest>::from_query(request.query_string()).map_err(|error| {
        let message = format!("The query is invalid: {error}");
        Problem::new(StatusCode::BAD_REQUEST, "request_query_invalid", message)
    })?;
    let token = mint(&instance, &wish)?;
    Ok(private()
        .content_type(PLAIN_TEXT)
        .body(format!("{token}\n")))
}

fn mint(instance: &Instance, request: &TokenRequest) -> Result<String, Problem> {
    instance
        .mint(request, clock::unix_seconds())
        .map_err(|error| {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Problem::new(status, "form_param_value_invalid", error.to_string())
        })
}

/// An answer that no cache keeps, and that a browser doesn't run when a page of another origin has it as a
/// script: a token reads like an expression.
pub(crate) fn private() -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
    response
}

const PLAIN_TEXT: &str = "text/plain; charset=utf-8";
