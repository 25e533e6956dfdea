//! The Frontend API: discovery documents and the JWKS, which need no authentication.

use actix_web::http::{Method, header};
use actix_web::web;
use actix_web::{HttpResponse, Route};
use serde_json::{Map, Value, json};

use crate::instance::Instance;

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
                .get(jwks)
                .route(options()),
        );
}

async fn authorization_server(instance: web::Data<Instance>) -> HttpResponse {
    let settings = instance.settings();
    let issuer = instance.issuer();
    let mut document = common_metadata(&instance);
    // Each of the following members is present only if its setting is on. The OpenID document never contains these
    // members.
    if settings.dynamic_oauth_client_registration {
        let endpoint = format!("{issuer}/oauth/register");
        document.insert("registration_endpoint".into(), json!(endpoint));
    }
    if settings.client_id_metadata_documents_advertised {
        document.insert("client_id_metadata_document_supported".into(), json!(true));
    }
    public_json(Value::Object(document).to_string())
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
        // Clerk also supports `form_post`.
        ("response_modes_supported", json!(["query"])),
        ("backchannel_logout_supported", json!(false)),
        ("frontchannel_logout_supported", json!(false)),
    ];
    let mut document = common_metadata(&instance);
    document.extend(more.map(|(name, value)| (String::from(name), value)));
    public_json(Value::Object(document).to_string())
}

async fn jwks(instance: web::Data<Instance>) -> HttpResponse {
    public_json(instance.jwks())
}

fn options() -> Route {
    web::method(Method::OPTIONS).to(preflight)
}

/// Answers a CORS preflight. A browser sends a preflight if a page adds custom headers, as MCP clients do.
async fn preflight() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, "GET, OPTIONS"))
        .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, "*"))
        .finish()
}

/// The members of both documents. Clerk's authorization server metadata has neither the
/// introspection endpoint nor the userinfo endpoint.
fn common_metadata(instance: &Instance) -> Map<String, Value> {
    let issuer = instance.issuer();
    let url = |path: &str| json!(format!("{issuer}{path}"));
    let scopes = json!(instance.directory().supported_scopes());
    let mut metadata: Map<_, _> = [
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
            json!(["client_secret_basic", "client_secret_post", "none"]),
        ),
        ("scopes_supported", scopes),
        ("subject_types_supported", json!(["public"])),
        ("id_token_signing_alg_values_supported", json!(["RS256"])),
        ("claims_supported", json!(CLAIMS)),
        ("code_challenge_methods_supported", json!(["S256"])),
    ]
    .map(|(name, value)| (String::from(name), value))
    .into_iter()
    .collect();
    // RFC 9207 section 3.
    if instance.settings().authorization_response_iss {
        let name = String::from("authorization_response_iss_parameter_supported");
        metadata.insert(name, json!(true));
    }
    metadata
}

fn public_json(body: String) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .insert_header(header::ContentType::json())
        .body(body)
}

const CLAIMS: [&str; 8] = ["sub", "iss", "aud", "exp", "iat", "email", "name", "org_id"];
