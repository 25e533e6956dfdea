//! The Frontend API: discovery documents and the JWKS, open to everyone.

use actix_web::HttpResponse;
use actix_web::Route;
use actix_web::http::Method;
use actix_web::http::header;
use actix_web::middleware::from_fn;
use actix_web::web;
use serde_json::Value;
use serde_json::json;

use crate::instance::Instance;
use crate::routes::weather::weather;

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/.well-known/oauth-authorization-server")
                .get(authorization_server)
                .route(options()),
        )
        .service(
            web::resource("/.well-known/openid-configuration")
                .get(openid_configuration)
                .route(options()),
        )
        .service(
            web::resource("/.well-known/jwks.json")
                .wrap(from_fn(weather))
                .get(jwks)
                .route(options()),
        );
}

async fn authorization_server(instance: web::Data<Instance>) -> HttpResponse {
    let document: Value = common_metadata(instance.issuer()).into_iter().collect();
    public_json(document.to_string())
}

async fn openid_configuration(instance: web::Data<Instance>) -> HttpResponse {
    let issuer = instance.issuer();
    let more = [
        (
            "introspection_endpoint",
            json!(format!("{issuer}/oauth/token_info")),
        ),
        (
            "userinfo_endpoint",
            json!(format!("{issuer}/oauth/userinfo")),
        ),
        ("response_modes_supported", json!(["query", "form_post"])),
        ("backchannel_logout_supported", json!(false)),
        ("frontchannel_logout_supported", json!(false)),
    ];
    let document: Value = common_metadata(issuer).into_iter().chain(more).collect();
    public_json(document.to_string())
}

async fn jwks(instance: web::Data<Instance>) -> HttpResponse {
    public_json(instance.jwks())
}

fn options() -> Route {
    web::method(Method::OPTIONS).to(preflight)
}

/// A browser asks before it sends a header of its own, as MCP clients do.
async fn preflight() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, "GET, OPTIONS"))
        .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, "*"))
        .finish()
}

/// What both documents say. Clerk's authorization server metadata has neither introspection nor userinfo, and
/// a registration endpoint only where registration is on.
fn common_metadata(issuer: &str) -> [(&'static str, Value); 13] {
    let url = |path: &str| json!(format!("{issuer}{path}"));
    [
        ("issuer", url("")),
        ("authorization_endpoint", url("/oauth/authorize")),
        ("token_endpoint", url("/oauth/token")),
        ("revocation_endpoint", url("/oauth/token/revoke")),
        ("jwks_uri", url("/.well-known/jwks.json")),
        ("response_types_supported", json!(["code"])),
        (
            "grant_types_supported",
            json!(["authorization_code", "refresh_token"]),
        ),
        (
            "token_endpoint_auth_methods_supported",
            json!(["client_secret_basic", "none"]),
        ),
        ("scopes_supported", json!(SCOPES)),
        ("subject_types_supported", json!(["public"])),
        ("id_token_signing_alg_values_supported", json!(["RS256"])),
        ("claims_supported", json!(CLAIMS)),
        ("code_challenge_methods_supported", json!(["S256"])),
    ]
}

fn public_json(body: String) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .insert_header(header::ContentType::json())
        .body(body)
}

const CLAIMS: [&str; 8] = ["sub", "iss", "aud", "exp", "iat", "email", "name", "org_id"];
const SCOPES: [&str; 7] = [
    "openid",
    "profile",
    "email",
    "offline_access",
    "public_metadata",
    "private_metadata",
    "user:org:read",
];
