//! One request: its head, its token, its body, its answer, in this order.

use std::borrow::Cow;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use actix_http::header::{HeaderMap, HeaderValue};
use actix_http::{BoxedPayloadStream, Method, Payload, Request, RequestHead, Response, StatusCode};
use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::answer::{self, Body, Refusal};
use crate::message::{Era, Message, Params, RpcError};
use crate::object::Text;
use crate::token::Caller;
use crate::{Name, Site};

/// The headers that matter, each as it was sent.
#[derive(Default)]
pub(crate) struct Head<'a> {
    host: Header<'a>,
    origin: Header<'a>,
    length: Header<'a>,
    content_type: Header<'a>,
    authorization: Header<'a>,
    /// Whether one of the `Accept` headers takes JSON; `None` without any.
    accepts_json: Option<bool>,
    pub(crate) version: Header<'a>,
    pub(crate) method: Header<'a>,
    pub(crate) name: Header<'a>,
}

/// A header that may be sent once.
#[derive(Clone, Copy, Default)]
pub(crate) enum Header<'a> {
    #[default]
    Absent,
    Value(&'a [u8]),
    /// Sent more than once.
    Malformed,
}

impl<'a> Header<'a> {
    fn add(&mut self, value: &'a HeaderValue) {
        *self = match self {
            Self::Absent => Self::Value(value.as_bytes().trim_ascii()),
            Self::Value(_) | Self::Malformed => Self::Malformed,
        };
    }
}

impl<'a> Head<'a> {
    /// In one pass, which costs less than to ask for each by its hash.
    fn read(headers: &'a HeaderMap) -> Self {
        let mut head = Self::default();
        for (name, value) in headers {
            match name.as_str() {
                "host" => head.host.add(value),
                "origin" => head.origin.add(value),
                "content-length" => head.length.add(value),
                "content-type" => head.content_type.add(value),
                "authorization" => head.authorization.add(value),
                "accept" => {
                    let before = head.accepts_json.unwrap_or_default();
                    head.accepts_json = Some(before || accepts_json(value.as_bytes()));
                }
                "mcp-protocol-version" => head.version.add(value),
                "mcp-method" => head.method.add(value),
                "mcp-name" => head.name.add(value),
                _ => {}
            }
        }
        head
    }

    /// The name the endpoint was called by: one `Host`, listed; and the `Origin`, if there is one.
    fn enter(&self, site: &'static Site, request: &RequestHead) -> Result<&'static Name, Refusal> {
        let Header::Value(host) = self.host else {
            return Err(HOST);
        };
        let authority = request.uri.authority();
        if authority.is_some_and(|authority| authority.as_str().as_bytes() != host) {
            return Err(CONTRADICTION);
        }
        let mut names = site.names.iter();
        let is_called = |name: &&Name| name.host.as_bytes().eq_ignore_ascii_case(host);
        let name = names.find(is_called).ok_or(HOST)?;
        match self.origin {
            Header::Absent => Ok(name),
            Header::Value(origin) if site.origins.iter().any(|own| own.as_bytes() == origin) => {
                Ok(name)
            }
            Header::Value(_) | Header::Malformed => Err(ORIGIN),
        }
    }

    /// The declared length, if it is one that is read.
    fn check_media(&self) -> Result<Option<usize>, Refusal> {
        let length = match self.length {
            Header::Value(length) => std::str::from_utf8(length)
                .ok()
                .and_then(|length| length.parse().ok()),
            Header::Absent | Header::Malformed => None,
        };
        if length.is_some_and(|length| length > BODY_LIMIT) {
            return Err(Refusal::Bare(StatusCode::PAYLOAD_TOO_LARGE));
        }
        match self.content_type {
            Header::Value(value) if is_json(media_type(value)) => {}
            Header::Value(_) | Header::Absent | Header::Malformed => {
                return Err(Refusal::Bare(StatusCode::UNSUPPORTED_MEDIA_TYPE));
            }
        }
        if self.accepts_json == Some(false) {
            return Err(Refusal::Bare(StatusCode::NOT_ACCEPTABLE));
        }
        Ok(length)
    }

    /// The bearer token, of the one header and nowhere else.
    fn token(&self, request: &RequestHead) -> Result<Option<&'a [u8]>, Refusal> {
        let in_query = |pair: &str| pair.split('=').next() == Some("access_token");
        let query = request.uri.query();
        if query.is_some_and(|query| query.split('&').any(in_query)) {
            return Err(TOKEN_IN_QUERY);
        }
        let header = match self.authorization {
            Header::Absent => return Ok(None),
            Header::Value(header) => header,
            Header::Malformed => return Err(SEVERAL_CREDENTIALS),
        };
        let end = header.iter().position(|byte| matches!(byte, b' ' | b'\t'));
        let (scheme, token) = header.split_at(end.unwrap_or(header.len()));
        Ok(scheme
            .eq_ignore_ascii_case(b"bearer")
            .then(|| token.trim_ascii()))
    }
}

/// Answers a request.
pub(crate) async fn serve(
    site: &'static Site,
    request: Request,
) -> Result<Response<Body>, Infallible> {
    let (request, mut payload) = request.into_parts();
    let head = Head::read(&request.headers);
    let answer = match authenticate(site, &request, &head) {
        Ok((caller, length)) => respond(site, &head, &caller, &mut payload, length).await,
        Err(refusal) => {
            drain(&mut payload).await;
            Err(refusal)
        }
    };
    Ok(answer.unwrap_or_else(Response::from))
}

/// All that is checked before the body: the caller, and how long the body is said to be.
fn authenticate(
    site: &'static Site,
    request: &RequestHead,
    head: &Head<'_>,
) -> Result<(Arc<Caller>, Option<usize>), Refusal> {
    if request.uri.path() != "/mcp" {
        return Err(Refusal::Bare(StatusCode::NOT_FOUND));
    }
    let name = head.enter(site, request)?;
    if request.method != Method::POST {
        return Err(Refusal::Bare(StatusCode::METHOD_NOT_ALLOWED));
    }
    let length = head.check_media()?;
    let Some(token) = head.token(request)? else {
        return Err(Refusal::Unauthorized(&name.sign_in, answer::SIGN_IN));
    };
    match site.authenticator.caller(token) {
        Some(caller) => Ok((caller, length)),
        None => {
            let body = answer::INVALID_TOKEN_BODY;
            Err(Refusal::Unauthorized(&name.invalid_token, body))
        }
    }
}

async fn respond(
    site: &'static Site,
    head: &Head<'_>,
    caller: &Caller,
    payload: &mut Payload<BoxedPayloadStream>,
    length: Option<usize>,
) -> Result<Response<Body>, Refusal> {
    let body = read(payload, length).await?;
    match Message::parse(&body) {
        Ok(message) => handle(site, head, caller, &message).await,
        Err(error) => Ok(answer::error(None, error)),
    }
}

/// Answers a message.
async fn handle(
    site: &'static Site,
    head: &Head<'_>,
    caller: &Caller,
    message: &Message<'_>,
) -> Result<Response<Body>, Refusal> {
    let Some(id) = message.id.map(RawValue::get) else {
        return Err(Refusal::Bare(StatusCode::ACCEPTED));
    };
    let (era, asked) = match Asked::of(message, head) {
        Ok(asked) => asked,
        Err(error) => return Ok(answer::error(Some(id), error)),
    };
    let body: Body = match asked {
        Asked::List => {
            let list = site.lists.get(era, caller.may_delete(site).await?);
            list.answer(id)
        }
        Asked::Add(arguments) => add(id, era, arguments).into(),
        Asked::Echo(arguments) => echo(id, era, arguments).into(),
        Asked::GuardedAdd(arguments) if caller.may_delete(site).await? => {
            add(id, era, arguments).into()
        }
        Asked::GuardedAdd(_) => answer::denied(id, era).into(),
    };
    Ok(answer::json(StatusCode::OK, body, None))
}

/// What a request asks for, with raw arguments.
enum Asked<'a> {
    List,
    Add(&'a str),
    Echo(&'a str),
    GuardedAdd(&'a str),
}

impl<'a> Asked<'a> {
    fn of(message: &Message<'a>, head: &Head<'_>) -> Result<(Era, Self), RpcError> {
        let era = message.era(head)?;
        let none = Params::default();
        let params = message.params.as_ref().unwrap_or(&none);
        let asked = match message.method.as_ref().map(|Text(method)| &**method) {
            Some("tools/call") => {
                let tool = match params.tool(head, era)? {
                    "add" => Self::Add,
                    "echo" => Self::Echo,
                    "guarded_add" => Self::GuardedAdd,
                    _ => return Err(TOOL),
                };
                tool(params.arguments().ok_or(ARGUMENTS)?)
            }
            Some("tools/list") if params.cursor.is_some() => return Err(CURSOR),
            Some("tools/list") => Self::List,
            Some(_) | None => return Err(METHOD),
        };
        Ok((era, asked))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Summands {
    a: i64,
    b: i64,
}

fn add(id: &str, era: Era, arguments: &str) -> Vec<u8> {
    match serde_json::from_str(arguments) {
        Ok(Summands { a, b }) => answer::sum(id, era, a.wrapping_add(b)),
        Err(error) => answer::failure(id, era, &format!("Invalid arguments: {error}")),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
}

fn echo(id: &str, era: Era, arguments: &str) -> Vec<u8> {
    match serde_json::from_str(arguments) {
        Ok(Said { text }) => answer::text(id, era, &text),
        Err(error) => answer::failure(id, era, &format!("Invalid arguments: {error}")),
    }
}

/// Reads the body against limit and deadline; one that came in one piece is not copied.
///
/// actix-http polls a handler before it has given it any of the body, and mostly once more when it has,
/// within the same turn of the connection: no timer is set before that. Not to ask for it would spare
/// the connection a turn, and leave a pipelined request whose body never comes without a deadline.
async fn read(
    payload: &mut Payload<BoxedPayloadStream>,
    length: Option<usize>,
) -> Result<Bytes, Refusal> {
    let mut read = Read::default();
    let mut turns = 0;
    let at_once = poll_fn(|cx| {
        turns += 1;
        match read.poll(payload, length, cx) {
            Poll::Pending if turns > 1 => Poll::Ready(None),
            Poll::Pending => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            polled @ Poll::Ready(_) => polled.map(Some),
        }
    });
    if let Some(body) = at_once.await {
        return body;
    }
    let whole = poll_fn(|cx| read.poll(payload, length, cx));
    let late = |_| Err(Refusal::Bare(StatusCode::REQUEST_TIMEOUT));
    let waiting = Box::pin(tokio::time::timeout(BODY_DEADLINE, whole));
    waiting.await.unwrap_or_else(late)
}

/// Takes off the connection what has come of a body that nobody reads, as [`read`] does it: actix-http
/// closes a connection where something is left.
async fn drain(payload: &mut Payload<BoxedPayloadStream>) {
    let mut turns = 0;
    poll_fn(|cx| {
        turns += 1;
        let mut idle = Context::from_waker(Waker::noop());
        loop {
            match Pin::new(&mut *payload).poll_next(&mut idle) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Pending if turns == 1 => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(Some(Err(_)) | None) | Poll::Pending => return Poll::Ready(()),
            }
        }
    })
    .await;
}

/// What was read of a body.
#[derive(Default)]
struct Read {
    first: Bytes,
    all: BytesMut,
}

impl Read {
    fn poll(
        &mut self,
        payload: &mut Payload<BoxedPayloadStream>,
        length: Option<usize>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Bytes, Refusal>> {
        while let Some(chunk) = ready!(Pin::new(&mut *payload).poll_next(cx)) {
            let chunk = chunk.map_err(|_| BROKEN_BODY)?;
            if self.first.is_empty() {
                self.first = chunk;
                continue;
            }
            if self.all.is_empty() {
                self.all.reserve(length.unwrap_or_default());
                self.all.extend_from_slice(&self.first);
            }
            if self.all.len() + chunk.len() > BODY_LIMIT {
                return Poll::Ready(Err(Refusal::Bare(StatusCode::PAYLOAD_TOO_LARGE)));
            }
            self.all.extend_from_slice(&chunk);
        }
        Poll::Ready(Ok(if self.all.is_empty() {
            std::mem::take(&mut self.first)
        } else {
            std::mem::take(&mut self.all).freeze()
        }))
    }
}

/// The media type without its parameters.
fn media_type(value: &[u8]) -> &[u8] {
    let end = value.iter().position(|&byte| byte == b';');
    let (essence, _) = value.split_at(end.unwrap_or(value.len()));
    essence.trim_ascii()
}

fn is_json(media_type: &[u8]) -> bool {
    media_type.eq_ignore_ascii_case(b"application/json")
}

fn accepts_json(accept: &[u8]) -> bool {
    let mut ranges = accept.split(|&byte| byte == b',').map(media_type);
    ranges.any(|range| {
        is_json(range) || range == b"*/*" || range.eq_ignore_ascii_case(b"application/*")
    })
}

const fn in_body(message: &'static str) -> RpcError {
    RpcError {
        is_bad_request: false,
        code: -32602,
        message,
    }
}

const BODY_LIMIT: usize = 4 * 1024 * 1024;
const BODY_DEADLINE: Duration = Duration::from_secs(30);
const ARGUMENTS: RpcError = in_body("Invalid params: `arguments` must be an object");
const CURSOR: RpcError = in_body("Invalid params: `cursor` was not given by this server");
const TOOL: RpcError = in_body("Unknown tool");
const METHOD: RpcError = RpcError {
    is_bad_request: false,
    code: -32601,
    message: "Method not found",
};
const HOST: Refusal = Refusal::Error(
    StatusCode::FORBIDDEN,
    br#"{"error":"forbidden","error_description":"This Host is not served"}"#,
);
const ORIGIN: Refusal = Refusal::Error(
    StatusCode::FORBIDDEN,
    br#"{"error":"forbidden","error_description":"This Origin is not allowed"}"#,
);
const CONTRADICTION: Refusal = invalid(
    br#"{"error":"invalid_request","error_description":"The request target names another host than Host does"}"#,
);
const TOKEN_IN_QUERY: Refusal = invalid(
    br#"{"error":"invalid_request","error_description":"Send the access token in the Authorization header"}"#,
);
const SEVERAL_CREDENTIALS: Refusal =
    invalid(br#"{"error":"invalid_request","error_description":"Send one Authorization header"}"#);
const BROKEN_BODY: Refusal =
    invalid(br#"{"error":"invalid_request","error_description":"The body broke off"}"#);

const fn invalid(body: &'static [u8]) -> Refusal {
    Refusal::Error(StatusCode::BAD_REQUEST, body)
}
