//! The endpoints of the authorization server. The module `oauth` makes the decisions.
//!
//! A client itself calls some of the endpoints, for example the token endpoint. Pages of this machine, such as the MCP
//! Inspector, may call these endpoints too. `local_only` has already refused every other origin. Only browsers and
//! servers call the other endpoints.

mod authorize;
mod token;
mod userinfo;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::HeaderValue;
use actix_web::http::{Method, StatusCode, header};
use actix_web::middleware::{Next, from_fn};
use actix_web::web;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use serde_json::json;

use crate::oauth::{Code, Fields, OAuthError};
use crate::routes::{media_type, not_found};

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    let endpoints = web::scope("/oauth")
        .service(
            web::resource("/authorize")
                .get(authorize::from_query)
                .post(authorize::from_form),
        )
        .service(web::resource("/authorize/decision").post(authorize::decide))
        .service(
            web::resource("/token")
                .wrap(from_fn(cors))
                .post(token::exchange),
        )
        .service(
            web::resource("/token/revoke")
                .wrap(from_fn(cors))
                .post(token::revoke),
        )
        .service(web::resource("/token_info").post(token::introspect))
        .service(
            web::resource("/register")
                .wrap(from_fn(cors))
                .post(token::register),
        )
        .service(
            web::resource("/userinfo")
                .wrap(from_fn(cors))
                .get(userinfo::userinfo)
                .post(userinfo::userinfo),
        )
        .default_service(web::to(not_found));
    config.service(endpoints);
}

/// Allows CORS: a page may read the response, and send a token, a content type and the MCP version.
/// `local_only` has already refused pages of other machines.
async fn cors(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut response = if request.method() == Method::OPTIONS {
        let preflight = HttpResponse::NoContent()
            .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"))
            .insert_header((
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                "authorization, content-type, mcp-protocol-version",
            ))
            .finish();
        request.into_response(preflight).map_into_right_body()
    } else {
        next.call(request).await?.map_into_left_body()
    };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("www-authenticate"),
        );
    }
    Ok(response)
}

/// Reads the parameters of a form.
fn form(request: &HttpRequest, body: &[u8]) -> Result<Fields, OAuthError> {
    if media_type(request.headers()) == "application/x-www-form-urlencoded" {
        Ok(Fields::parse(body))
    } else {
        let text = "send application/x-www-form-urlencoded";
        Err(OAuthError::new(Code::InvalidRequest, text))
    }
}

/// The error response to a request that the client itself sent, not a browser (RFC 6749 §5.2).
fn refuse(error: &OAuthError) -> HttpResponse {
    let status = match error.code {
        Code::InvalidClient => StatusCode::UNAUTHORIZED,
        Code::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    };
    tracing::debug!(code = error.code.as_str(), description = %error, "client refused");
    let mut response = HttpResponse::build(status);
    if status == StatusCode::UNAUTHORIZED {
        response.insert_header((header::WWW_AUTHENTICATE, "Basic realm=\"clerk-emulator\""));
    }
    private(&mut response).json(json!({
        "error": error.code.as_str(),
        "error_description": error.description,
    }))
}

/// Forbids caches to store the response (RFC 6749 §5.1).
fn private(response: &mut HttpResponseBuilder) -> &mut HttpResponseBuilder {
    response
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::PRAGMA, "no-cache"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
}
