//! The reasons for which the HTTP layer refuses a request. Each reason has one status and one
//! response.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use bytes::Bytes;

use crate::identity::TokenError;
use crate::protocol::{Challenger, NO_TOKEN, Problem, WiderToken, seconds};

/// The reason why a request is refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Refusal {
    /// 503: a limit on the total size of bodies is reached, for this caller or for all callers.
    Bodies,
    /// 503: too many calls are in flight: for this principal, for this user, or for callers without a token.
    Busy,
    /// 400: the connection broke before the body was complete.
    BrokenBody,
    /// 400: the request target and `Host` name different hosts.
    Contradiction,
    /// 429: the client's network has presented too many bad tokens, and this token is bad or is a
    /// new opaque token.
    Failures(Duration),
    /// 403: the `Host` is not accepted.
    Host,
    /// 401: the token is refused. The log has the reason. The client learns the reason only if its user can correct the
    /// mistake.
    InvalidToken(TokenError),
    /// 405: the endpoint does not support the method.
    Method(&'static str),
    /// 500: the identity provider refuses the server's own key. The log names the key.
    Misconfigured,
    /// 403: a token with more scopes would be allowed.
    MoreScope(Box<WiderToken>),
    /// 503: there are too many new opaque tokens, which only Clerk can verify.
    NewTokens(Duration),
    /// 404: the caller's principal has no session with the id of the request.
    NoSession,
    /// 406: the response to the request is a stream of events, and the client does not accept events.
    NoEvents,
    /// 503: no thread was free for the function, so the function did not run.
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
    /// 503: too many subscriptions are open: for this principal, for this user, for callers without a token, or in
    /// total.
    Subscriptions,
    /// 400: the query string has a token, which would end up in logs (RFC 9700 section 2.1).
    TokenInQuery,
    /// 413: the body is longer than the limit.
    TooLarge,
    /// 503: the audit log has no room for the record of the call, so the call did not run.
    Unaudited,
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
            Self::Unaudited => "unaudited",
            Self::Unavailable(_) => "unavailable",
            Self::UnknownEvent => "unknown_event",
            Self::UnsupportedVersion => "unsupported_version",
            Self::UnsupportedMediaType => "unsupported_media_type",
        }
    }

    /// Returns the setting of the limit that refused the request. `None` if there was another reason, or if another
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

    /// Returns the reason of a refused sign-in, for the audit log. `None` if the request was refused for another reason.
    pub(super) fn of_sign_in(&self) -> Option<&'static str> {
        match self {
            Self::Failures(_) => Some("too-many-failures"),
            Self::InvalidToken(error) => Some(error.reason()),
            Self::Misconfigured => Some("server-key-refused"),
            Self::NewTokens(_) => Some("too-many-new-tokens"),
            Self::SeveralCredentials => Some("several-credentials"),
            Self::SignIn(_) => Some(NO_TOKEN),
            Self::TokenInQuery => Some("token-in-query"),
            Self::Unavailable(_) => Some("issuer-unavailable"),
            Self::Bodies
            | Self::BrokenBody
            | Self::Busy
            | Self::Contradiction
            | Self::Host
            | Self::Method(_)
            | Self::MoreScope(_)
            | Self::NoEvents
            | Self::NoSession
            | Self::NoThread
            | Self::NotAcceptable
            | Self::Origin
            | Self::SessionMissing
            | Self::SlowBody
            | Self::Subscriptions
            | Self::TooLarge
            | Self::Unaudited
            | Self::UnknownEvent
            | Self::UnsupportedMediaType
            | Self::UnsupportedVersion => None,
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
        let id = self.id.as_deref();
        let problem = |problem: Problem| answer(&problem, None, id);
        let error = |status, code, text| problem(Problem::new(status, code, text));
        let invalid = |text| error(400, "invalid_request", text);
        let forbidden = |text| error(403, "forbidden", text);
        match &self.refusal {
            Refusal::Bodies => problem(Problem::bodies()),
            Refusal::Busy => problem(Problem::busy()),
            Refusal::BrokenBody => invalid("The connection broke before the body was complete"),
            Refusal::Contradiction => {
                invalid("The request target names another host than Host does")
            }
            Refusal::Failures(wait) => {
                let text = "Too many failed authentications";
                problem(Problem::new(429, "too_many_requests", text).later(*wait))
            }
            Refusal::Host => forbidden("This Host is not served"),
            Refusal::InvalidToken(error) => challenges.invalid_token(*error).answer(),
            Refusal::Method(allow) => {
                let text =
                    "This method is not served here; the header Allow lists the served methods";
                let mut answer = error(405, "method_not_allowed", text);
                let allow = HeaderValue::from_static(allow);
                answer.headers_mut().insert(ALLOW, allow);
                answer
            }
            Refusal::Misconfigured => problem(Problem::misconfigured()),
            Refusal::MoreScope(wider) => {
                let challenge = HeaderValue::from_str(&wider.challenge.header).ok();
                answer(&Problem::more_scope(wider), challenge, id)
            }
            Refusal::NewTokens(wait) => problem(Problem::new_tokens(*wait)),
            Refusal::NoSession => problem(Problem::no_session()),
            Refusal::NoEvents => error(
                406,
                "not_acceptable",
                "The response is a stream of events: send `Accept: application/json, text/event-stream` with HTTP/1.1",
            ),
            Refusal::NoThread => problem(Problem::no_thread()),
            Refusal::NotAcceptable => error(
                406,
                "not_acceptable",
                "Send `Accept: application/json, text/event-stream`; answers are JSON",
            ),
            Refusal::Origin => forbidden("This Origin is not allowed"),
            Refusal::SeveralCredentials => invalid("Send one Authorization header"),
            Refusal::SignIn(scopes) => match (&self.id, scopes.as_slice()) {
                (None, []) => challenges.sign_in.answer(),
                (id, scopes) => {
                    let challenge = Some(challenges.to_sign_in(scopes));
                    let problem = Problem::new(401, "invalid_token", SIGN_IN);
                    answer(&problem, challenge, id.as_deref())
                }
            },
            Refusal::SessionMissing => invalid("Send the header Mcp-Session-Id"),
            Refusal::SlowBody => error(408, "request_timeout", "The body took too long to arrive"),
            Refusal::Subscriptions => problem(Problem::subscriptions()),
            Refusal::TokenInQuery => invalid("Send the access token in the Authorization header"),
            Refusal::TooLarge => error(
                413,
                "payload_too_large",
                "The body is longer than this server reads",
            ),
            Refusal::Unaudited => problem(Problem::unaudited()),
            Refusal::Unavailable(wait) => problem(Problem::unreachable(*wait)),
            Refusal::UnknownEvent => invalid(
                "The session has no event with this Last-Event-ID, or the event was already removed",
            ),
            Refusal::UnsupportedVersion => {
                invalid("The server does not support this MCP-Protocol-Version")
            }
            Refusal::UnsupportedMediaType => error(
                415,
                "unsupported_media_type",
                "Send the message with `Content-Type: application/json`",
            ),
        }
    }
}

/// The challenges for one URL of the endpoint. Challenges that do not depend on the request are written in advance.
///
/// RFC 6750 section 3, RFC 9728 section 5.1, MCP 2026-07-28 basic/authorization.
#[derive(Debug)]
pub(super) struct Challenges {
    /// Writes the challenges that depend on the request.
    pub(super) challenger: Challenger,
    /// The scopes that a client should request when it signs in.
    scopes: Vec<String>,
    sign_in: Unauthorized,
    access_revoked: Unauthorized,
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
    fn new(challenge: &str, description: &'static str) -> Self {
        Self {
            challenge: header(challenge),
            body: Problem::new(401, "invalid_token", description).body(None),
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
    /// `metadata` is the URL of the protected-resource metadata. `scopes` are the scopes that a client should request
    /// when it signs in.
    pub(super) fn new(metadata: String, scopes: &[String]) -> Self {
        let challenger = Challenger::new(metadata);
        let tail = challenger.sign_in(scopes);
        let invalid_token = |text: &'static str| {
            let challenge =
                format!(r#"Bearer error="invalid_token", error_description="{text}", {tail}"#);
            Unauthorized::new(&challenge, text)
        };
        Self {
            // A challenge to a request without credentials has no error code (RFC 6750 section
            // 3.1).
            sign_in: Unauthorized::new(&format!("Bearer {tail}"), SIGN_IN),
            access_revoked: invalid_token(ACCESS_REVOKED),
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

    /// Chooses the response to a refused token. The client learns the reason only if the issuer has signed or confirmed
    /// the token, and only if the remedy is to connect the server again or to ask the operator. All other reasons have
    /// the same response.
    fn invalid_token(&self, error: TokenError) -> &Unauthorized {
        if error == TokenError::AccessRevoked {
            &self.access_revoked
        } else if error == TokenError::AudienceMissing {
            &self.audience_missing
        } else if error == TokenError::AudienceMismatch {
            &self.audience_mismatch
        } else {
            &self.invalid_token
        }
    }
}

/// Returns the response with a problem. `request` is the id of the JSON-RPC request, as JSON. With an id, the body is a
/// JSON-RPC response with the members of OAuth in `data`. Without an id, the body is JSON in the form of OAuth.
fn answer(
    problem: &Problem,
    challenge: Option<HeaderValue>,
    request: Option<&str>,
) -> HttpResponse {
    let status = StatusCode::from_u16(problem.status);
    let mut response = HttpResponse::build(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    if let Some(challenge) = challenge {
        response.insert_header((WWW_AUTHENTICATE, challenge));
    }
    if let Some(wait) = problem.wait {
        response.insert_header((RETRY_AFTER, seconds(wait)));
    }
    response
        .insert_header((CONTENT_TYPE, JSON))
        .body(problem.body(request))
}

/// The challenge consists of checked URLs, scopes and plain texts, so it is valid as a header.
fn header(challenge: &str) -> HeaderValue {
    HeaderValue::from_str(challenge).unwrap_or(HeaderValue::from_static("Bearer"))
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const SIGN_IN: &str = "An access token is required";
const ACCESS_REVOKED: &str = "The operator of this server has revoked this access; sign in again";
const INVALID_TOKEN: &str = "The access token is invalid or expired";
const AUDIENCE_MISSING: &str =
    "The access token does not say that it was issued for this server; connect this server again";
const AUDIENCE_MISMATCH: &str =
    "The access token was issued for another server; connect this server again";
