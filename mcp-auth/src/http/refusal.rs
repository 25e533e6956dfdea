//! The reasons for which the HTTP layer refuses a request. Each reason has one status and one
//! response.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::identity::TokenError;
use crate::protocol::{Challenger, DENIED, DenialDetails, WiderToken};

/// The reason why a request is refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Refusal {
    /// 503: the request bodies of this caller, or of all callers, have reached their limit of bytes
    /// in memory.
    Bodies,
    /// 503: too many calls of this principal, of this user, or without a token are in flight.
    Busy,
    /// 400: the connection broke before the body was complete.
    BrokenBody,
    /// 400: the request target names another host than `Host` does.
    Contradiction,
    /// 429: the client's network has presented too many bad tokens, and this token is bad or is a
    /// new opaque token.
    Failures(Duration),
    /// 403: the `Host` is not accepted.
    Host,
    /// 401: the token is refused. The log has the reason. The client learns the reason only if its
    /// user can act on it.
    InvalidToken(TokenError),
    /// 405.
    Method(&'static str),
    /// 500: the identity provider refuses the server's own key. The log names the key.
    Misconfigured,
    /// 403: a token with more scopes would be allowed.
    MoreScope(Box<WiderToken>),
    /// 503: there are too many new opaque tokens.
    NewTokens(Duration),
    /// 406: the client asks for a stream, but does not accept events.
    NoEventsAccepted,
    /// 404: the caller's principal has no session with the id of the request.
    NoSession,
    /// 406: the response is a stream of events, and the client does not accept one.
    NoEvents,
    /// 503: no thread was free for the tool, so it did not run.
    NoThread,
    /// 406: the client does not accept JSON.
    NotAcceptable,
    /// 403: the `Origin` is not allowed.
    Origin,
    /// 400: a GET or a DELETE names no session.
    SessionMissing,
    /// 400: `Authorization` occurs more than once, or is not ASCII.
    SeveralCredentials,
    /// 401: the request has no token. The client should ask for these scopes in addition to the
    /// scopes of the server.
    SignIn(Vec<String>),
    /// 408: the body did not arrive in time, or arrived too slowly.
    SlowBody,
    /// 503: too many subscriptions of this principal, of this user, without a token, or in all are open.
    Subscriptions,
    /// 400: the query string has a token, which would end up in logs (RFC 9700 section 2.1).
    TokenInQuery,
    /// 413: the body is longer than the limit.
    TooLarge,
    /// 503: data that the decision needs cannot be looked up now.
    Unavailable(Duration),
    /// 400: the session has no event with the id in `Last-Event-ID`.
    UnknownEvent,
    /// 400: a GET or a DELETE names a revision that the server does not support.
    UnsupportedVersion,
    /// 415: the body is not declared as JSON.
    UnsupportedMediaType,
}

impl Refusal {
    /// Returns the name of the reason in metrics.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Bodies => "bodies",
            Self::Busy => "busy",
            Self::BrokenBody => "broken_body",
            Self::Contradiction => "contradiction",
            Self::Failures(_) => "failures",
            Self::Host => "host",
            Self::InvalidToken(_) => "invalid_token",
            Self::Method(_) => "method",
            Self::Misconfigured => "misconfigured",
            Self::MoreScope(_) => "more_scope",
            Self::NewTokens(_) => "new_tokens",
            Self::NoEventsAccepted => "no_events_accepted",
            Self::NoSession => "no_session",
            Self::NoEvents => "no_events",
            Self::NoThread => "no_thread",
            Self::NotAcceptable => "not_acceptable",
            Self::Origin => "origin",
            Self::SessionMissing => "session_missing",
            Self::SeveralCredentials => "several_credentials",
            Self::SignIn(_) => "sign_in",
            Self::SlowBody => "slow_body",
            Self::Subscriptions => "subscriptions",
            Self::TokenInQuery => "token_in_query",
            Self::TooLarge => "too_large",
            Self::Unavailable(_) => "unavailable",
            Self::UnknownEvent => "unknown_event",
            Self::UnsupportedVersion => "unsupported_version",
            Self::UnsupportedMediaType => "unsupported_media_type",
        }
    }

    /// Returns the setting of the limit that refused the request; `None` if there was another reason, or if another
    /// module counts the limit.
    pub(super) fn limit(&self) -> Option<&'static str> {
        match self {
            Self::Bodies => Some("body_bytes_in_flight"),
            Self::Failures(_) => Some("failed_authentications_per_minute"),
            Self::SlowBody => Some("body_deadline"),
            Self::Subscriptions => Some("subscriptions"),
            Self::TooLarge => Some("body_limit"),
            _ => None,
        }
    }
}

/// A refused request.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) refusal: Refusal,
    /// The id of the JSON-RPC request, as JSON, if the message was parsed before it was refused.
    pub(super) id: Option<String>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, id: None }
    }
}

impl Refused {
    /// Returns the response. `challenges` are the challenges for the URL that the client used.
    pub(super) fn answer(&self, challenges: &Challenges) -> HttpResponse {
        use StatusCode as S;
        let error =
            |status, code, text| Problem::new(status, code, text).answer(self.id.as_deref());
        let invalid = |text| error(S::BAD_REQUEST, "invalid_request", text);
        let forbidden = |text| error(S::FORBIDDEN, "forbidden", text);
        let later = |status, code, text, wait| {
            let mut problem = Problem::new(status, code, text);
            problem.wait = Some(wait);
            problem.answer(self.id.as_deref())
        };
        let unavailable = |text, wait| {
            later(
                S::SERVICE_UNAVAILABLE,
                "temporarily_unavailable",
                text,
                wait,
            )
        };
        match &self.refusal {
            Refusal::Bodies => unavailable(
                "Too many bytes of request bodies in flight",
                Duration::from_secs(1),
            ),
            Refusal::Busy => unavailable("Too many calls in flight", Duration::from_secs(1)),
            Refusal::BrokenBody => invalid("The body broke off"),
            Refusal::Contradiction => {
                invalid("The request target names another host than Host does")
            }
            Refusal::Failures(wait) => later(
                S::TOO_MANY_REQUESTS,
                "too_many_requests",
                "Too many failed authentications",
                *wait,
            ),
            Refusal::Host => forbidden("This Host is not served"),
            Refusal::InvalidToken(error) => challenges.invalid_token(*error).answer(),
            Refusal::Method(allow) => {
                let text =
                    "This method is not served here; the header Allow lists the methods that are";
                let mut answer = error(S::METHOD_NOT_ALLOWED, "method_not_allowed", text);
                let allow = HeaderValue::from_static(allow);
                answer.headers_mut().insert(ALLOW, allow);
                answer
            }
            Refusal::Misconfigured => error(
                S::INTERNAL_SERVER_ERROR,
                "server_error",
                "The server is not configured to verify this token",
            ),
            Refusal::MoreScope(wider) => {
                let WiderToken { denied, challenge } = &**wider;
                let mut problem =
                    Problem::new(S::FORBIDDEN, "insufficient_scope", &challenge.description);
                problem.challenge = HeaderValue::from_str(&challenge.header).ok();
                problem.members = vec![
                    ("scope", challenge.scope.as_str().into()),
                    (DENIED, json!(DenialDetails::of(denied))),
                ];
                problem.answer(self.id.as_deref())
            }
            Refusal::NewTokens(wait) => unavailable("Too many new opaque tokens", *wait),
            Refusal::NoEventsAccepted => error(
                S::NOT_ACCEPTABLE,
                "not_acceptable",
                "Send `Accept: text/event-stream`; the answer is a stream of events",
            ),
            Refusal::NoSession => error(
                S::NOT_FOUND,
                "session_not_found",
                "There is no such session; send `initialize` to begin a new one",
            ),
            Refusal::NoEvents => error(
                S::NOT_ACCEPTABLE,
                "not_acceptable",
                "The response is a stream of events: send `Accept: application/json, text/event-stream` with HTTP/1.1",
            ),
            Refusal::NoThread => {
                unavailable("No thread is free for this tool", Duration::from_secs(5))
            }
            Refusal::NotAcceptable => error(
                S::NOT_ACCEPTABLE,
                "not_acceptable",
                "Send `Accept: application/json, text/event-stream`; answers are JSON",
            ),
            Refusal::Origin => forbidden("This Origin is not allowed"),
            Refusal::SeveralCredentials => invalid("Send one Authorization header"),
            Refusal::SignIn(scopes) => match (&self.id, scopes.as_slice()) {
                (None, []) => challenges.sign_in.answer(),
                (id, scopes) => {
                    let mut problem = Problem::new(S::UNAUTHORIZED, "invalid_token", SIGN_IN);
                    problem.challenge = Some(challenges.to_sign_in(scopes));
                    problem.answer(id.as_deref())
                }
            },
            Refusal::SessionMissing => invalid("Send the header Mcp-Session-Id"),
            Refusal::SlowBody => error(
                S::REQUEST_TIMEOUT,
                "request_timeout",
                "The body took too long to arrive",
            ),
            Refusal::Subscriptions => {
                unavailable("Too many subscriptions are open", Duration::from_secs(30))
            }
            Refusal::TokenInQuery => invalid("Send the access token in the Authorization header"),
            Refusal::TooLarge => error(
                S::PAYLOAD_TOO_LARGE,
                "payload_too_large",
                "The body is longer than this server reads",
            ),
            Refusal::Unavailable(wait) => {
                unavailable("The authorization server cannot be reached", *wait)
            }
            Refusal::UnknownEvent => {
                invalid("The session has no event with this Last-Event-ID, or no longer")
            }
            Refusal::UnsupportedVersion => {
                invalid("The server does not support this MCP-Protocol-Version")
            }
            Refusal::UnsupportedMediaType => error(
                S::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "Send the message with `Content-Type: application/json`",
            ),
        }
    }
}

/// The challenges for one URL of the endpoint. Challenges that do not depend on the request are
/// prepared in advance.
///
/// RFC 6750 section 3, RFC 9728 section 5.1, MCP 2026-07-28 basic/authorization.
#[derive(Debug)]
pub(super) struct Challenges {
    /// Writes the challenges that depend on the request.
    pub(super) challenger: Challenger,
    /// The scopes that a client should ask for first.
    scopes: Vec<String>,
    sign_in: Unauthorized,
    invalid_token: Unauthorized,
    audience_missing: Unauthorized,
    audience_mismatch: Unauthorized,
}

/// A 401 that does not depend on the request.
#[derive(Debug)]
struct Unauthorized {
    challenge: HeaderValue,
    body: Bytes,
}

impl Unauthorized {
    fn new(challenge: &str, description: &str) -> Self {
        Self {
            challenge: header(challenge),
            body: Problem::new(StatusCode::UNAUTHORIZED, "invalid_token", description).body(None),
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
    /// `metadata` is the URL of the protected-resource metadata. `scopes` are the scopes that a
    /// client should ask for first.
    pub(super) fn new(metadata: String, scopes: &[String]) -> Self {
        let challenger = Challenger::new(metadata);
        let tail = challenger.sign_in(scopes);
        let invalid_token = |text: &str| {
            let challenge =
                format!(r#"Bearer error="invalid_token", error_description="{text}", {tail}"#);
            Unauthorized::new(&challenge, text)
        };
        Self {
            // A challenge to a request without credentials has no error code (RFC 6750 section
            // 3.1).
            sign_in: Unauthorized::new(&format!("Bearer {tail}"), SIGN_IN),
            invalid_token: invalid_token(INVALID_TOKEN),
            audience_missing: invalid_token(AUDIENCE_MISSING),
            audience_mismatch: invalid_token(AUDIENCE_MISMATCH),
            scopes: scopes.to_vec(),
            challenger,
        }
    }

    /// Returns the challenge to sign in that also asks for these scopes.
    fn to_sign_in(&self, more: &[String]) -> HeaderValue {
        let mut scopes = self.scopes.clone();
        let new = more.iter().filter(|scope| !self.scopes.contains(scope));
        scopes.extend(new.cloned());
        header(&format!("Bearer {}", self.challenger.sign_in(&scopes)))
    }

    /// Chooses the response to a refused token. The client learns the reason only if the remedy is
    /// to connect the server again, and only for a token that the issuer has signed or confirmed.
    /// All other reasons get the same response.
    fn invalid_token(&self, error: TokenError) -> &Unauthorized {
        if error == TokenError::AudienceMissing {
            &self.audience_missing
        } else if error == TokenError::AudienceMismatch {
            &self.audience_mismatch
        } else {
            &self.invalid_token
        }
    }
}

/// An error response. It is JSON in the form of OAuth, or a JSON-RPC response with the members of
/// OAuth in `data`.
struct Problem<'a> {
    status: StatusCode,
    code: &'static str,
    description: &'a str,
    challenge: Option<HeaderValue>,
    wait: Option<Duration>,
    /// Further members.
    members: Vec<(&'static str, Value)>,
}

impl<'a> Problem<'a> {
    fn new(status: StatusCode, code: &'static str, description: &'a str) -> Self {
        Self {
            status,
            code,
            description,
            challenge: None,
            wait: None,
            members: Vec::new(),
        }
    }

    /// `request` is the id of the JSON-RPC request, as JSON. Without an id, the response has the
    /// form of OAuth.
    fn answer(&self, request: Option<&str>) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if let Some(challenge) = &self.challenge {
            response.insert_header((WWW_AUTHENTICATE, challenge.clone()));
        }
        if let Some(wait) = self.wait {
            response.insert_header((RETRY_AFTER, seconds(wait)));
        }
        response
            .insert_header((CONTENT_TYPE, JSON))
            .body(self.body(request))
    }

    fn body(&self, request: Option<&str>) -> Bytes {
        let mut members = Map::new();
        members.insert("error".to_owned(), self.code.into());
        members.insert("error_description".to_owned(), self.description.into());
        for (name, value) in &self.members {
            members.insert((*name).to_owned(), value.clone());
        }
        Bytes::from(match request {
            None => Value::Object(members).to_string(),
            Some(id) => {
                // The server's own codes are outside the range that JSON-RPC reserves (MCP
                // 2026-07-28, basic).
                let code = self.status.as_u16();
                let error = json!({ "code": code, "message": self.description, "data": members });
                format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#)
            }
        })
    }
}

/// The challenge consists of checked URLs, scopes and plain texts, so it is valid in a header.
fn header(challenge: &str) -> HeaderValue {
    HeaderValue::from_str(challenge).unwrap_or(HeaderValue::from_static("Bearer"))
}

/// Returns the value of `Retry-After`, in whole seconds. It is at least 1, because 0 would make the
/// client retry at once.
fn seconds(wait: Duration) -> String {
    wait.as_millis().div_ceil(1000).max(1).to_string()
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const SIGN_IN: &str = "An access token is required";
const INVALID_TOKEN: &str = "The access token is invalid or expired";
const AUDIENCE_MISSING: &str =
    "The access token does not say that it was issued for this server; connect this server again";
const AUDIENCE_MISMATCH: &str =
    "The access token was issued for another server; connect this server again";
