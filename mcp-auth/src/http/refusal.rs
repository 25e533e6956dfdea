//! Every refusal that HTTP knows: one name, one status, one answer.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use bytes::Bytes;
use serde_json::json;

/// Why a request is refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Refusal {
    /// 503: too many calls of this principal are in flight.
    Busy,
    /// 400: the body broke off.
    BrokenBody,
    /// 400: the request target names another host than `Host` does.
    Contradiction,
    /// 429: too many bad tokens from this peer.
    Failures(Duration),
    /// 403: the `Host` is not served.
    Host,
    /// 401: whatever is wrong with the token; the reason is for the log.
    InvalidToken,
    /// 405.
    Method(&'static str),
    /// 500: the identity provider refuses the server's own key; which one is for the log.
    Misconfigured,
    /// 403: the token lacks only these scopes.
    MoreScope(Vec<String>),
    /// 503: the token is one of too many opaque ones that were never seen before.
    NewTokens(Duration),
    /// 406: the client does not take JSON.
    NotAcceptable,
    /// 403: the `Origin` is not allowed.
    Origin,
    /// 400: `Authorization` more than once, or not ASCII.
    SeveralCredentials,
    /// 401: there is no token.
    SignIn,
    /// 408: the body took too long to arrive.
    SlowBody,
    /// 400: a token in the query string, where it ends up in logs (RFC 9700 section 2.1).
    TokenInQuery,
    /// 413: the body is over the limit.
    TooLarge,
    /// 503: what is needed to decide cannot be had now.
    Unavailable(Duration),
    /// 415: the body is not declared as JSON.
    UnsupportedMediaType,
}

impl Refusal {
    /// The answer. `challenges` are those of the name the client used.
    pub(super) fn answer(&self, challenges: &Challenges) -> HttpResponse {
        use StatusCode as S;
        let invalid = |text| error(S::BAD_REQUEST, "invalid_request", text, Extra::None);
        let forbidden = |text| error(S::FORBIDDEN, "forbidden", text, Extra::None);
        let later = |text, wait| {
            error(
                S::SERVICE_UNAVAILABLE,
                "temporarily_unavailable",
                text,
                Extra::Wait(wait),
            )
        };
        match self {
            Self::Busy => later("Too many calls in flight", Duration::from_secs(1)),
            Self::BrokenBody => invalid("The body broke off"),
            Self::Contradiction => invalid("The request target names another host than Host does"),
            Self::Failures(wait) => error(
                S::TOO_MANY_REQUESTS,
                "too_many_requests",
                "Too many failed authentications",
                Extra::Wait(*wait),
            ),
            Self::Host => forbidden("This Host is not served"),
            Self::InvalidToken => challenges.invalid_token.answer(),
            Self::Method(allow) => HttpResponse::MethodNotAllowed()
                .insert_header((ALLOW, *allow))
                .finish(),
            Self::Misconfigured => error(
                S::INTERNAL_SERVER_ERROR,
                "server_error",
                "The server is not configured to verify this token",
                Extra::None,
            ),
            Self::MoreScope(scopes) => error(
                S::FORBIDDEN,
                "insufficient_scope",
                MORE_SCOPE,
                Extra::Challenge(&challenges.more_scope(scopes)),
            ),
            Self::NewTokens(wait) => later("Too many new opaque tokens", *wait),
            Self::NotAcceptable => HttpResponse::NotAcceptable().finish(),
            Self::Origin => forbidden("This Origin is not allowed"),
            Self::SeveralCredentials => invalid("Send one Authorization header"),
            Self::SignIn => challenges.sign_in.answer(),
            Self::SlowBody => HttpResponse::RequestTimeout().finish(),
            Self::TokenInQuery => invalid("Send the access token in the Authorization header"),
            Self::TooLarge => HttpResponse::PayloadTooLarge().finish(),
            Self::Unavailable(wait) => later("The authorization server cannot be reached", *wait),
            Self::UnsupportedMediaType => HttpResponse::UnsupportedMediaType().finish(),
        }
    }
}

/// The challenges of one name of the endpoint, ready to send.
///
/// RFC 6750 section 3, RFC 9728 section 5.1, MCP 2026-07-28 basic/authorization.
#[derive(Debug)]
pub(super) struct Challenges {
    metadata: String,
    sign_in: Unauthorized,
    invalid_token: Unauthorized,
}

/// A 401 that is the same for everybody.
#[derive(Debug)]
struct Unauthorized {
    challenge: HeaderValue,
    body: Bytes,
}

impl Unauthorized {
    fn new(challenge: &str, description: &str) -> Self {
        Self {
            // A URL and scopes, which have been checked, make a value.
            challenge: HeaderValue::from_str(challenge)
                .unwrap_or(HeaderValue::from_static("Bearer")),
            body: body("invalid_token", description),
        }
    }

    fn answer(&self) -> HttpResponse {
        HttpResponse::Unauthorized()
            .insert_header((WWW_AUTHENTICATE, self.challenge.clone()))
            .insert_header((CONTENT_TYPE, JSON))
            .body(self.body.clone())
    }
}

impl Challenges {
    /// `metadata` is the URL of the protected-resource metadata, `scopes` what a client should ask
    /// for at first.
    pub(super) fn new(metadata: &str, scopes: &[String]) -> Self {
        let scope = scopes.join(" ");
        let tail = format!(r#"resource_metadata="{metadata}", scope="{scope}""#);
        // RFC 6750 section 3.1: without credentials there is no error code.
        let sign_in = format!("Bearer {tail}");
        let invalid_token =
            format!(r#"Bearer error="invalid_token", error_description="{INVALID_TOKEN}", {tail}"#);
        Self {
            metadata: metadata.to_owned(),
            sign_in: Unauthorized::new(&sign_in, "An access token is required"),
            invalid_token: Unauthorized::new(&invalid_token, INVALID_TOKEN),
        }
    }

    /// RFC 6750 section 3.1, `insufficient_scope`: all scopes that the operation lacks, at once.
    fn more_scope(&self, scopes: &[String]) -> String {
        format!(
            r#"Bearer error="insufficient_scope", error_description="{MORE_SCOPE}", scope="{}", resource_metadata="{}""#,
            scopes.join(" "),
            self.metadata
        )
    }
}

/// What an error says beside its JSON.
#[derive(Clone, Copy)]
enum Extra<'a> {
    None,
    Challenge(&'a str),
    Wait(Duration),
}

/// An error in OAuth's JSON form.
fn error(status: StatusCode, code: &str, description: &str, extra: Extra<'_>) -> HttpResponse {
    let mut response = HttpResponse::build(status);
    match extra {
        Extra::None => {}
        Extra::Challenge(challenge) => {
            response.insert_header((WWW_AUTHENTICATE, challenge));
        }
        Extra::Wait(wait) => {
            response.insert_header((RETRY_AFTER, seconds(wait)));
        }
    }
    response
        .insert_header((CONTENT_TYPE, JSON))
        .body(body(code, description))
}

fn body(code: &str, description: &str) -> Bytes {
    let error = json!({ "error": code, "error_description": description });
    Bytes::from(error.to_string())
}

/// `Retry-After` counts whole seconds; zero would invite the next request at once.
fn seconds(wait: Duration) -> String {
    wait.as_millis().div_ceil(1000).max(1).to_string()
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const INVALID_TOKEN: &str = "The access token is invalid or expired";
const MORE_SCOPE: &str = "The access token lacks a scope";
