//! Answers one request to the MCP endpoint. The checks have this order: host and origin, declared length and media
//! types, credentials, body.

use std::convert::Infallible;

use actix_http::Request;
use actix_web::HttpResponse;
use actix_web::body::SizedStream;
use actix_web::dev::{Payload, RequestHead};
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, CONTENT_TYPE,
    HeaderValue, VARY,
};
use actix_web::http::{Method, StatusCode, Version};
use bytes::Bytes;
use futures_util::stream;
use tracing::Instrument;

use crate::identity::{AuthError, BearerToken, Caller, Client, UrlOrg};
use crate::limits::Party;
use crate::protocol::{Header, RefusedMessage, RequestSpan, Response, Sender, Status};

use super::bearer;
use super::body::{Budget, Incoming, Unread};
use super::connection;
use super::events;
use super::head::{Fields, media_type, requested_argument_headers};
use super::org_query;
use super::refusal::{Refusal, Refused};
use super::session;
use super::site::{Name, Site};

/// Answers a request.
pub(super) async fn serve(site: &Site, head: &RequestHead, body: Payload) -> HttpResponse {
    let (method, path) = (head.method.as_str(), head.uri.path());
    let span = RequestSpan::begin(method, site.scheme, path, head.headers());
    let fields = Fields::of(head);
    let mut body = Incoming::new(body);
    if fields.switches {
        body.ends_after(declared_length(fields.content_length).unwrap_or(0));
    }
    let (name, origin, answer) = match enter(site, head, &fields) {
        Err(refusal) => {
            site.gate_log.count(&refusal, &fields);
            (site.canonical(), None, Err(refusal.into()))
        }
        Ok((name, origin)) if head.method == Method::OPTIONS => {
            (name, origin, Ok(preflight(site, head)))
        }
        Ok((name, origin)) => {
            let within = span.as_ref().and_then(|span| span.span());
            let span = span.as_deref();
            let answer = match within {
                None => respond(site, name, head, &fields, &mut body, span).await,
                Some(within) => {
                    let response = respond(site, name, head, &fields, &mut body, span);
                    // The box keeps the futures of requests without a span small.
                    Box::pin(response.instrument(within)).await
                }
            };
            (name, origin, answer)
        }
    };
    let response = match answer {
        Ok(response) => response,
        Err(refused) => refuse(site, name, &refused, body).await,
    };
    if let Some(span) = &span {
        span.answered(response.status().as_u16());
    }
    finish(site, head, origin, response)
}

/// Decides about a POST with `Expect: 100-continue` (RFC 9110 section 10.1.1). Returns the request if the client should
/// send its body, or else the refusal. This function verifies the token. The verified token is cached, so it is not
/// verified again.
pub(super) async fn judge(site: &Site, mut request: Request) -> Result<Request, HttpResponse> {
    let body = request.take_payload();
    let head = request.head();
    let fields = Fields::of(head);
    let (name, origin, refused) = match enter(site, head, &fields) {
        Err(refusal) => {
            site.gate_log.count(&refusal, &fields);
            (site.canonical(), None, refusal)
        }
        Ok((name, origin)) => match admit(site, head, &fields).await {
            Ok(()) => {
                *request.payload() = body;
                return Ok(request);
            }
            Err(refusal) => (name, origin, refusal),
        },
    };
    let response = refuse(site, name, &refused.into(), Incoming::new(body)).await;
    Err(finish(site, head, origin, response))
}

/// Makes all checks that come before the body is read.
async fn admit(site: &Site, head: &RequestHead, fields: &Fields<'_>) -> Result<(), Refusal> {
    let declared = declared_length(fields.content_length);
    check_head(site, fields, declared)?;
    let signed_in = authenticate(site, head, fields).await;
    let admitted = signed_in.and_then(|one| body_limit(site, declared, one.is_some()));
    admitted.map(drop).map_err(|refusal| counted(site, refusal))
}

/// Counts a refused sign-in for the audit log, and returns the refusal.
fn counted(site: &Site, refusal: Refusal) -> Refusal {
    if let Some(reason) = refusal.of_sign_in() {
        site.endpoint.refused_sign_in(reason);
    }
    refusal
}

async fn refuse(site: &Site, name: &Name, refused: &Refused, mut body: Incoming) -> HttpResponse {
    site.metrics.refusal(refused.refusal.name());
    if let Some(limit) = refused.refusal.limit() {
        site.metrics.limit_hit(limit);
    }
    let answer = refused.answer(&name.challenges);
    body.pass_over().await;
    body.end_with(answer)
}

/// Adds the headers of every response of the endpoint.
fn finish(
    site: &Site,
    head: &RequestHead,
    origin: Option<&str>,
    mut response: HttpResponse,
) -> HttpResponse {
    site.metrics.response(response.status().as_u16());
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(origin) = origin.and_then(|origin| HeaderValue::from_str(origin).ok()) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static(EXPOSED),
        );
        headers.insert(VARY, HeaderValue::from_static("Origin"));
    }
    connection::announce_close(head, response)
}

/// Checks host and origin, each against its own list. Returns the called URL's [`Name`] and the
/// origin.
fn enter<'a>(
    site: &'a Site,
    head: &RequestHead,
    fields: &Fields<'a>,
) -> Result<(&'a Name, Option<&'a str>), Refusal> {
    let host = site.gate.host(fields.host, &head.uri)?;
    let origin = site.gate.origin(fields.origin)?;
    Ok((site.name(host), origin))
}

async fn respond(
    site: &Site,
    name: &Name,
    head: &RequestHead,
    fields: &Fields<'_>,
    body: &mut Incoming,
    span: Option<&RequestSpan<'_>>,
) -> Result<HttpResponse, Refused> {
    let declared = declared_length(fields.content_length);
    let is_post = head.method == Method::POST;
    if is_post {
        check_head(site, fields, declared)?;
    }
    let signed_in = authenticate(site, head, fields).await;
    let signed_in = signed_in.map_err(|refusal| counted(site, refusal))?;
    let (caller, token) = signed_in.unzip();
    if !is_post {
        if caller.is_none()
            && let Some(page) = site.page(head, fields)
        {
            return Ok(page);
        }
        if let Some(caller) = &caller
            && let Some(answer) = session::serve(site, name, head, fields, caller, token)
        {
            return answer;
        }
        // Some clients send a GET to get a 401, which makes them sign in. Other clients connect without a token and
        // then open a stream with a GET. A 401 would make these clients sign in too early.
        let is_connected = caller.is_some() || site.endpoint.connects_anonymous();
        return Err(if is_connected {
            Refusal::Method(session::methods(site)).into()
        } else {
            counted(site, Refusal::SignIn(Vec::new())).into()
        });
    }
    let party = match &caller {
        Some(caller) => caller.party(),
        None => Party::Stranger(site.network(head)),
    };
    let body = read(site, declared, body, party).await;
    let body = body.map_err(|refusal| counted(site, refusal))?;
    let url_org = url_org(site, head);
    message(
        site.endpoint
            .handle(
                &fields.mirrored,
                Sender {
                    caller: caller.as_ref(),
                    party,
                    // A stream needs a chunked response. HTTP/1.0 has no chunks. If a request switches the protocol,
                    // actix frames a chunked response wrongly.
                    streams: fields.accepts_events
                        && !fields.switches
                        && head.version >= Version::HTTP_11,
                    token,
                    span,
                },
                &url_org,
                body,
                &name.challenges.challenger,
            )
            .await,
    )
}

/// Returns the organization that the URL names. `Absent` if the server does not read the URL.
pub(super) fn url_org(site: &Site, head: &RequestHead) -> UrlOrg {
    if site.endpoint.reads_url_org() {
        org_query::read(&head.uri)
    } else {
        UrlOrg::Absent
    }
}

/// Checks the declared length and the media types.
fn check_head(site: &Site, fields: &Fields<'_>, declared: Option<usize>) -> Result<(), Refusal> {
    if declared.is_some_and(|length| length > site.body_limit) {
        return Err(Refusal::TooLarge);
    }
    let is_json = |value| {
        value == "application/json" || media_type(value).eq_ignore_ascii_case("application/json")
    };
    match fields.content_type {
        Header::Value(value) if is_json(value) => {}
        Header::Absent | Header::Malformed | Header::Value(_) => {
            return Err(Refusal::UnsupportedMediaType);
        }
    }
    if fields.accepts_json == Some(false) {
        return Err(Refusal::NotAcceptable);
    }
    Ok(())
}

/// Returns the verified caller, with the token. `None` if the request has no token. A bad token is an error, so that
/// the request is not treated like a request without a token.
async fn authenticate<'a>(
    site: &Site,
    head: &RequestHead,
    fields: &Fields<'a>,
) -> Result<Option<(Caller, &'a str)>, Refusal> {
    let Some(text) = bearer::token(fields.authorization, &head.uri)? else {
        return Ok(None);
    };
    let token = BearerToken::new(text);
    if let Some(caller) = site.authenticator.cached(&token) {
        site.metrics.token("cached");
        return Ok(Some((caller, text)));
    }
    let address = site.client(head);
    let wait = site.failures.wait(address);
    let client = Client {
        address,
        fails_often: wait.is_some(),
    };
    // The box keeps the future of every request small.
    let verified = Box::pin(site.authenticator.authenticate_from(client, &token)).await;
    count_token(site, &verified);
    match verified {
        Ok(caller) => Ok(Some((caller, text))),
        // The issuer signed or confirmed this token, so the caller did not guess it. It does not count as a failure.
        Err(AuthError::Invalid(error)) if error.is_of_genuine_token() => {
            Err(Refusal::InvalidToken(error))
        }
        Err(AuthError::Invalid(error)) => Err(match site.failures.count(address) {
            Ok(()) => Refusal::InvalidToken(error),
            Err(wait) => Refusal::Failures(wait),
        }),
        Err(AuthError::FailsOften) => Err(Refusal::Failures(wait.unwrap_or_default())),
        Err(AuthError::Misconfigured) => Err(Refusal::Misconfigured),
        Err(AuthError::OverBudget(over)) => Err(Refusal::NewTokens(over.retry_after)),
        Err(AuthError::Unavailable(unavailable)) => {
            Err(Refusal::Unavailable(unavailable.retry_after))
        }
    }
}

/// Counts the result of a verification.
fn count_token(site: &Site, verified: &Result<Caller, AuthError>) {
    site.metrics.token(match verified {
        Ok(_) => "accepted",
        Err(AuthError::Invalid(error)) => {
            site.metrics.refused_token(error.reason());
            "refused"
        }
        Err(AuthError::FailsOften | AuthError::OverBudget(_)) => "limited",
        Err(AuthError::Misconfigured) => "misconfigured",
        Err(AuthError::Unavailable(_)) => "unavailable",
    });
}

/// Returns the largest permitted length of the body. A body without a token must be short. It must be empty if every
/// request needs a token. So callers without a token cannot fill the memory.
fn body_limit(site: &Site, declared: Option<usize>, signed_in: bool) -> Result<usize, Refusal> {
    let limit = if signed_in {
        site.body_limit
    } else {
        site.body_limit.min(ANONYMOUS_BODY)
    };
    if !signed_in {
        let too_long = declared.is_some_and(|length| length > limit);
        if too_long || !site.endpoint.serves_anonymous() {
            return Err(Refusal::SignIn(Vec::new()));
        }
    }
    Ok(limit)
}

/// Reads the body within the length limit, the budget and the deadline.
async fn read(
    site: &Site,
    declared: Option<usize>,
    body: &mut Incoming,
    party: Party,
) -> Result<Bytes, Refusal> {
    let signed_in = match party {
        Party::Known(_) => true,
        Party::Stranger(_) => false,
    };
    let limit = body_limit(site, declared, signed_in)?;
    let budget = Budget {
        pool: &site.body_bytes,
        party,
    };
    let read = body.read(declared, limit, site.body_deadline, budget).await;
    read.map_err(|unread| match unread {
        Unread::Exhausted(share) => {
            site.count_refused_body(share);
            Refusal::Bodies
        }
        Unread::Late => Refusal::SlowBody,
        Unread::TooLong if !signed_in => Refusal::SignIn(Vec::new()),
        Unread::TooLong => Refusal::TooLarge,
        Unread::Broken => Refusal::BrokenBody,
    })
}

/// Turns the response of the protocol into an HTTP response.
fn message(answer: Response) -> Result<HttpResponse, Refused> {
    match answer {
        Response::Accepted => Ok(HttpResponse::Accepted().finish()),
        Response::List { start, rest } => {
            // Other responses share the rest of the body, so it is sent without a copy.
            let length = start.len() + rest.len();
            let parts = stream::iter([Bytes::from(start), rest].map(Ok::<_, Infallible>));
            let body = SizedStream::new(length as u64, parts);
            let mut response = HttpResponse::with_body(StatusCode::OK, body);
            response.headers_mut().insert(CONTENT_TYPE, JSON);
            Ok(response.map_into_boxed_body())
        }
        Response::Message { status, body } => {
            let status = match status {
                Status::Ok => StatusCode::OK,
                Status::BadRequest => StatusCode::BAD_REQUEST,
                Status::NotFound => StatusCode::NOT_FOUND,
            };
            Ok(HttpResponse::build(status)
                .insert_header((CONTENT_TYPE, JSON))
                .body(body))
        }
        Response::Opened { session, response } => {
            let mut response = message(*response)?;
            if let Ok(id) = HeaderValue::from_str(session.expose()) {
                response.headers_mut().insert(session::ID, id);
            }
            Ok(response)
        }
        Response::Stream(messages) => Ok(events::response(messages)),
        Response::Refused { id, refusal } => {
            let refusal = match refusal {
                RefusedMessage::Busy => Refusal::Busy,
                RefusedMessage::MoreScope(wider) => Refusal::MoreScope(wider),
                RefusedMessage::NoSession => Refusal::NoSession,
                RefusedMessage::NoEvents => Refusal::NoEvents,
                RefusedMessage::NoThread => Refusal::NoThread,
                RefusedMessage::SignIn { scopes } => Refusal::SignIn(scopes),
                RefusedMessage::Subscriptions => Refusal::Subscriptions,
                RefusedMessage::Unaudited => Refusal::Unaudited,
                RefusedMessage::Unavailable(unavailable) => {
                    Refusal::Unavailable(unavailable.retry_after)
                }
            };
            Err(Refused { refusal, id })
        }
    }
}

/// Answers the preflight request of a browser. The gate has already checked the origin. A page may send every header
/// that repeats an argument, because a list of the declared headers would show anyone which arguments the tools have.
fn preflight(site: &Site, head: &RequestHead) -> HttpResponse {
    let mut allowed = ALLOWED.to_owned();
    for name in requested_argument_headers(head).take(MOST_ARGUMENT_HEADERS) {
        allowed.push_str(", ");
        allowed.push_str(name);
    }
    HttpResponse::NoContent()
        .insert_header((ACCESS_CONTROL_ALLOW_METHODS, session::methods(site)))
        .insert_header((ACCESS_CONTROL_ALLOW_HEADERS, allowed))
        .insert_header((ACCESS_CONTROL_MAX_AGE, "7200"))
        .finish()
}

fn declared_length(header: Header<'_>) -> Option<usize> {
    match header {
        Header::Value(length) => length.parse().ok(),
        Header::Absent | Header::Malformed => None,
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// The largest length of a body without a token, in bytes. A call of a public tool needs far less.
pub(crate) const ANONYMOUS_BODY: usize = 64 * 1024;
const ALLOWED: &str = "authorization, content-type, accept, mcp-protocol-version, mcp-method, mcp-name, mcp-session-id, last-event-id";
/// The largest number of argument headers that one preflight request can ask for.
const MOST_ARGUMENT_HEADERS: usize = 64;
const EXPOSED: &str = "WWW-Authenticate, Mcp-Session-Id, Retry-After";
