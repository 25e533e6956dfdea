//! The userinfo endpoint.

use actix_web::http::{StatusCode, header};
use actix_web::web;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::Value;

use crate::instance::Instance;
use crate::routes::problem::Problem;

/// Returns claims about the user of an access token, without role and permissions. Clerk has the same endpoint: `GET`
/// and `POST /oauth/userinfo`.
pub(super) async fn userinfo(instance: web::Data<Instance>, request: HttpRequest) -> HttpResponse {
    match facts(&instance, &request) {
        Some(facts) => super::private(&mut HttpResponse::Ok()).json(facts),
        None => {
            let mut response = Problem::new(
                StatusCode::UNAUTHORIZED,
                "authentication_invalid",
                "The access token is missing, unknown, expired or revoked",
            )
            .into_response();
            response.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                header::HeaderValue::from_static("Bearer error=\"invalid_token\""),
            );
            response
        }
    }
}

fn facts(instance: &Instance, request: &HttpRequest) -> Option<Value> {
    let header = request
        .headers()
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?;
    let (scheme, token) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    instance.userinfo(token, instance.now())
}
