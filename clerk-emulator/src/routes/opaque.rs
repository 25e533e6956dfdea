//! The part of the Backend API that verifies and revokes OAuth access tokens, M2M tokens and API
//! keys.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::instance::Instance;
use crate::routes::backend_api::MachineKey;
use crate::routes::problem::Problem;

/// Adds the routes below `/m2m_tokens`.
pub(crate) fn m2m_tokens(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/verify").post(verify_m2m_token))
        .service(web::resource("/{id}/revoke").post(revoke_m2m_token));
}

/// Adds the routes below `/api_keys`.
pub(crate) fn api_keys(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/verify").post(verify_api_key))
        .service(web::resource("/{id}/revoke").post(revoke_api_key));
}

/// Adds the routes below `/oauth_applications`.
pub(crate) fn access_tokens(config: &mut web::ServiceConfig) {
    config.service(web::resource("/access_tokens/verify").post(verify_access_token));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AccessToken {
    /// `secret` is Clerk's deprecated name of this member.
    #[serde(alias = "secret")]
    access_token: String,
}

async fn verify_access_token(
    instance: web::Data<Instance>,
    body: web::Bytes,
) -> Result<HttpResponse, Problem> {
    let AccessToken { access_token } = read(&body)?;
    let found = instance.verify_oauth_token(&access_token, instance.now());
    answer(found, "OAuth access token")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct M2mToken {
    token: String,
}

async fn verify_m2m_token(
    instance: web::Data<Instance>,
    machine: Option<web::ReqData<MachineKey>>,
    body: web::Bytes,
) -> Result<HttpResponse, Problem> {
    let M2mToken { token } = read(&body)?;
    let found = instance.verify_m2m_token(&token, instance.now());
    // A machine can verify only tokens that are meant for this machine.
    let found = found.filter(|found| {
        machine.is_none_or(|key| {
            let granted = found.get("scopes").and_then(Value::as_array);
            granted.is_some_and(|scopes| scopes.contains(&json!(key.machine_id)))
        })
    });
    answer(found, "Machine token")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ApiKey {
    secret: String,
}

async fn verify_api_key(
    instance: web::Data<Instance>,
    body: web::Bytes,
) -> Result<HttpResponse, Problem> {
    let ApiKey { secret } = read(&body)?;
    answer(instance.verify_api_key(&secret, instance.now()), "API key")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoke {
    revocation_reason: Option<String>,
}

async fn revoke_m2m_token(
    instance: web::Data<Instance>,
    id: web::Path<String>,
    body: web::Bytes,
) -> Result<HttpResponse, Problem> {
    revoke(&instance, &id, "mt_", &body, "Machine token")
}

async fn revoke_api_key(
    instance: web::Data<Instance>,
    id: web::Path<String>,
    body: web::Bytes,
) -> Result<HttpResponse, Problem> {
    revoke(&instance, &id, "ak_", &body, "API key")
}

fn revoke(
    instance: &Instance,
    id: &str,
    prefix: &str,
    body: &[u8],
    what: &str,
) -> Result<HttpResponse, Problem> {
    let Revoke { revocation_reason } = read(body)?;
    let found = id
        .starts_with(prefix)
        .then(|| instance.revoke_because(id, revocation_reason));
    answer(found.flatten(), what)
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        let message = format!("The request body is invalid: {error}");
        Problem::new(StatusCode::BAD_REQUEST, "bad_request", message)
    })
}

fn answer(found: Option<Value>, what: &str) -> Result<HttpResponse, Problem> {
    let found = found.ok_or_else(|| Problem::not_found(what))?;
    Ok(HttpResponse::Ok().json(found))
}
