//! The endpoints that clients call themselves: registration, tokens, introspection and revocation.

use actix_web::http::header::HeaderMap;
use actix_web::http::{StatusCode, header};
use actix_web::web;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use crate::instance::Instance;
use crate::oauth::{Client, Code, Credentials, Fields, Metadata, OAuthError, TokenInfo};
use crate::routes::media_type;
use crate::routes::problem::Problem;

/// Registers a client (RFC 7591 §3).
pub(super) async fn register(
    instance: web::Data<Instance>,
    request: HttpRequest,
    body: web::Bytes,
) -> HttpResponse {
    let context = instance.oauth_context();
    let settings = &context.settings;
    if !settings.dynamic_oauth_client_registration {
        return Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "feature_requires_dynamic_oauth_client_registration",
            "Dynamic client registration is disabled for this instance",
        )
        .into_response();
    }
    let registered = (|| {
        if media_type(request.headers()) != "application/json" {
            let text = "send application/json";
            return Err(OAuthError::new(Code::InvalidClientMetadata, text));
        }
        let metadata: Metadata = serde_json::from_slice(&body)
            .map_err(|error| OAuthError::new(Code::InvalidClientMetadata, error.to_string()))?;
        let default_scopes = settings.scopes_by_default();
        let registered = metadata.register(&context.directory, &default_scopes, context.now)?;
        instance.oauth().put_client(registered.0)?;
        Ok(registered.1)
    })();
    match registered {
        Ok(answer) => super::private(&mut HttpResponse::Created()).json(answer),
        Err(error) => super::refuse(&error),
    }
}

/// The token endpoint (RFC 6749 §3.2).
pub(super) async fn exchange(
    instance: web::Data<Instance>,
    request: HttpRequest,
    body: web::Bytes,
) -> HttpResponse {
    respond(super::form(&request, &body).and_then(|fields| {
        let client = authenticate(&instance, request.headers(), &fields)?;
        instance
            .oauth()
            .exchange(&instance.oauth_context(), &fields, &client)
    }))
}

/// Introspects a token for a client with a secret: RFC 7662 without `exp` and `aud`. Clerk has the same endpoint: `POST
/// /oauth/token_info`.
pub(super) async fn introspect(
    instance: web::Data<Instance>,
    request: HttpRequest,
    body: web::Bytes,
) -> HttpResponse {
    respond(super::form(&request, &body).and_then(|fields| {
        let client = authenticate(&instance, request.headers(), &fields)?;
        if client.secret.is_none() {
            let text = "introspection requires a client with a secret";
            return Err(OAuthError::new(Code::InvalidClient, text));
        }
        let token = fields.required("token")?;
        let info = instance
            .oauth()
            .token_info(&instance.oauth_context(), token);
        let Some(info) = info else {
            return Ok(json!({"active": false}));
        };
        let TokenInfo {
            client_id,
            sub,
            scope,
            org_id,
            iat,
        } = info;
        let mut answer = json!({
            "active": true,
            "client_id": client_id,
            "iat": iat,
            "scope": scope,
            "sub": sub,
        });
        if let (Some(answer), Some(org_id)) = (answer.as_object_mut(), org_id) {
            answer.insert(String::from("org_id"), Value::String(org_id));
        }
        Ok(answer)
    }))
}

/// Revokes an opaque access token or a refresh token, like Clerk (RFC 7009).
pub(super) async fn revoke(
    instance: web::Data<Instance>,
    request: HttpRequest,
    body: web::Bytes,
) -> HttpResponse {
    let revoked = super::form(&request, &body).and_then(|fields| {
        let client = authenticate(&instance, request.headers(), &fields)?;
        let token = fields.required("token")?;
        instance
            .oauth()
            .revoke_for(&instance.oauth_context(), &client, token)
    });
    match revoked {
        Ok(()) => super::private(&mut HttpResponse::Ok()).finish(),
        Err(error) => super::refuse(&error),
    }
}

fn respond(result: Result<Value, OAuthError>) -> HttpResponse {
    match result {
        Ok(body) => super::private(&mut HttpResponse::Ok()).json(body),
        Err(error) => super::refuse(&error),
    }
}

/// Authenticates the client of a request (RFC 6749 §2.3). A client may authenticate with the header or with the form,
/// regardless of the registered method. Clerk has the same rule.
fn authenticate(
    instance: &Instance,
    headers: &HeaderMap,
    fields: &Fields,
) -> Result<Client, OAuthError> {
    let credentials = credentials(headers, fields)?;
    let client = instance.oauth().client(&credentials.client_id);
    client
        .filter(|client| credentials.authenticate(client))
        .ok_or_else(|| {
            OAuthError::new(
                Code::InvalidClient,
                "the client is unknown, or its secret is wrong",
            )
        })
}

fn credentials(headers: &HeaderMap, fields: &Fields) -> Result<Credentials, OAuthError> {
    let (id, secret) = (fields.one("client_id")?, fields.one("client_secret")?);
    let Some(header) = headers.get(header::AUTHORIZATION) else {
        let client_id = id.ok_or_else(|| OAuthError::missing("client_id"))?;
        return Ok(Credentials {
            client_id: String::from(client_id),
            secret: secret.map(String::from),
        });
    };
    let basic = header.to_str().ok().and_then(Credentials::from_basic);
    let credentials = basic.ok_or_else(|| {
        OAuthError::new(
            Code::InvalidClient,
            "the header `Authorization` is not `Basic` with the id and the secret of the client",
        )
    })?;
    // RFC 6749 section 2.3: a request must not use more than one method.
    if secret.is_some() || id.is_some_and(|id| id != credentials.client_id) {
        let text = "the client is named both by the header and by the form";
        return Err(OAuthError::new(Code::InvalidRequest, text));
    }
    Ok(credentials)
}
