//! Routes that Clerk does not have: minting tokens, changing settings without a key, and injecting
//! faults.
//!
//! No route of this module allows CORS, and no response may be cached.

use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::web;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::oneshot;

use crate::control::{Command, ListenerControl};
use crate::faults::Fault;
use crate::instance::Instance;
use crate::request::TokenRequest;
use crate::routes::problem::Problem;

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/dev/tokens").post(mint_json))
        .service(web::resource("/dev/token").get(mint_text))
        .service(web::resource("/dev/revoke").post(revoke))
        .service(web::resource("/dev/{verb:ban|unban|lock|unlock}").post(change_user))
        .service(
            web::resource("/dev/faults")
                .get(faults)
                .post(add_fault)
                .delete(clear_faults),
        )
        .service(
            web::resource("/dev/settings")
                .get(settings)
                .patch(change_settings),
        )
        .service(web::resource("/dev/mcp-servers").post(register_mcp_server));
}

async fn mint_json(
    instance: web::Data<Instance>,
    body: web::Bytes,
) -> Result<HttpResponse, Problem> {
    check_length(&body)?;
    let request: TokenRequest =
        serde_json::from_slice(&body).map_err(|error| Problem::invalid_body(&error))?;
    let token = mint(&instance, &request)?;
    Ok(private().json(json!({"token": token})))
}

async fn mint_text(
    instance: web::Data<Instance>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    check_length(request.query_string().as_bytes())?;
    let wish = web::Query::<TokenRequest>::from_query(request.query_string()).map_err(|error| {
        let message = format!("The query is invalid: {error}");
        Problem::new(StatusCode::BAD_REQUEST, "request_query_invalid", message)
    })?;
    let token = mint(&instance, &wish)?;
    // The body is exactly the token, without a newline at the end.
    Ok(private().content_type(PLAIN_TEXT).body(token))
}

/// Refuses a long request. An opaque token is stored with its scopes and claims, so a long request would take much
/// memory.
fn check_length(request: &[u8]) -> Result<(), Problem> {
    if request.len() <= MAX_REQUEST {
        return Ok(());
    }
    let (code, message) = (
        "request_too_long",
        "A request for a token may have at most 8 KiB",
    );
    Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, code, message))
}

fn mint(instance: &Instance, request: &TokenRequest) -> Result<String, Problem> {
    instance
        .mint(request, instance.now())
        .map_err(|error| Problem::unprocessable(&error))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoke {
    token: String,
}

/// Revokes a token, given by its text, for tests that do not know the token's id.
async fn revoke(instance: web::Data<Instance>, body: web::Bytes) -> Result<HttpResponse, Problem> {
    let Revoke { token } =
        serde_json::from_slice(&body).map_err(|error| Problem::invalid_body(&error))?;
    let shown = instance.revoke_because(&token, None);
    let shown = shown.ok_or_else(|| Problem::not_found("Token"))?;
    Ok(private().json(shown))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserName {
    user: String,
}

/// Bans, unbans, locks or unlocks a user, who is given by name or id. The request needs no secret
/// key.
async fn change_user(
    instance: web::Data<Instance>,
    verb: web::Path<String>,
    body: web::Bytes,
) -> Result<HttpResponse, Problem> {
    let UserName { user } =
        serde_json::from_slice(&body).map_err(|error| Problem::invalid_body(&error))?;
    let is_known = match verb.as_str() {
        "ban" => instance.set_banned(&user, true),
        "unban" => instance.set_banned(&user, false),
        "lock" => instance.set_locked(&user, true),
        _ => instance.set_locked(&user, false),
    };
    if !is_known {
        return Err(Problem::not_found("User"));
    }
    let directory = instance.directory();
    let shown = directory
        .user(&user)
        .map(|user| json!({"user": user.username, "banned": user.banned, "locked": user.locked}));
    Ok(private().json(shown))
}

async fn settings(instance: web::Data<Instance>) -> HttpResponse {
    private().json(instance.settings())
}

async fn change_settings(
    instance: web::Data<Instance>,
    body: web::Bytes,
) -> Result<HttpResponse, Problem> {
    let changes = serde_json::from_slice(&body).map_err(|error| Problem::invalid_body(&error))?;
    instance
        .with_settings(|settings| settings.patch(changes))
        .map_err(|error| Problem::unprocessable(&error))?;
    Ok(settings(instance).await)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewMcpServer {
    url: String,
}

/// Registers an MCP server. Returns all settings, because the first registration also changes other settings.
async fn register_mcp_server(
    instance: web::Data<Instance>,
    body: web::Bytes,
) -> Result<HttpResponse, Problem> {
    let NewMcpServer { url } =
        serde_json::from_slice(&body).map_err(|error| Problem::invalid_body(&error))?;
    instance
        .register_mcp_server(&url)
        .map_err(|error| Problem::unprocessable(&error))?;
    Ok(settings(instance).await)
}

/// A fault in the form of `POST /dev/faults`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case", tag = "kind")]
enum NewFault {
    Clock {
        offset: i64,
    },
    Latency {
        ms: u64,
        path: Option<String>,
    },
    Refuse {
        ms: u64,
    },
    RotateKey {
        #[serde(default)]
        rotation: Rotation,
    },
    Status {
        status: u16,
        retry_after: Option<u64>,
        path: Option<String>,
    },
    WithdrawKey {
        kid: String,
    },
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Rotation {
    #[default]
    NewKid,
    Overlapping,
    SameKid,
}

async fn add_fault(
    instance: web::Data<Instance>,
    control: web::Data<ListenerControl>,
    body: web::Bytes,
) -> Result<HttpResponse, Problem> {
    let fault = serde_json::from_slice(&body).map_err(|error| Problem::invalid_body(&error))?;
    match fault {
        NewFault::Clock { offset } => instance.set_clock_offset(offset),
        NewFault::Latency { ms, path } => {
            instance.add_fault(at(Fault::latency(Duration::from_millis(ms)), path));
        }
        NewFault::Refuse { ms } => {
            let (closed, _) = oneshot::channel();
            let duration = Duration::from_millis(ms);
            // The delay gives this thread time to send the response to this request first.
            actix_rt::spawn(async move {
                actix_rt::time::sleep(BEFORE_CLOSING).await;
                control.command(Command::Close { duration, closed });
            });
        }
        NewFault::RotateKey { rotation } => match rotation {
            Rotation::NewKid => instance.rotate_key(),
            Rotation::Overlapping => instance.rotate_key_overlapping(),
            Rotation::SameKid => instance.rotate_key_keeping_id(),
        }
        .map_err(|error| Problem::internal(&error))?,
        NewFault::Status {
            status,
            retry_after,
            path,
        } => {
            let mut fault = at(Fault::status(status), path);
            if let Some(seconds) = retry_after {
                fault = fault.retry_after(seconds);
            }
            instance.add_fault(fault);
        }
        NewFault::WithdrawKey { kid } => {
            if !instance.withdraw_key(&kid) {
                return Err(Problem::not_found("Key"));
            }
        }
    }
    Ok(faults(instance).await)
}

fn at(fault: Fault, path: Option<String>) -> Fault {
    match path {
        Some(path) => fault.at(path),
        None => fault,
    }
}

async fn faults(instance: web::Data<Instance>) -> HttpResponse {
    let all = instance.faults().all();
    let shown: Vec<_> = all.iter().map(Fault::to_json).collect();
    private().json(json!({
        "faults": shown,
        "clock_offset": instance.faults().clock_offset(),
        "keys": instance.key_ids(),
    }))
}

/// Removes the faults. Rotations and withdrawals of keys are not undone.
async fn clear_faults(instance: web::Data<Instance>) -> HttpResponse {
    instance.clear_faults();
    faults(instance).await
}

/// A response that no cache stores. A token is also a valid JavaScript expression. With `nosniff` a page of another
/// origin cannot load the response as a script.
pub(crate) fn private() -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
    response
}

const MAX_REQUEST: usize = 8 * 1024;
const BEFORE_CLOSING: Duration = Duration::from_millis(20);
const PLAIN_TEXT: &str = "text/plain; charset=utf-8";
