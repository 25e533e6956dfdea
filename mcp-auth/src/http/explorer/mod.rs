//! The explorer: what the script of the development page asks the server, beside the requests of MCP.
//!
//! The script gets tokens of the local Clerk, explanations of decisions, and the audit records and the log lines of a
//! request. The explorer exists only if the page exists. Only the script of the page gets an answer: the request must come
//! from this machine without a proxy, to a name of the endpoint, and the browser must say that a page of the same origin
//! sent it. Every other request gets the response of a server without an explorer.
//!
//! INVARIANT: no other page, host, machine or proxy gets an answer.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::dev::{Payload, RequestHead};
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_TYPE, CROSS_ORIGIN_RESOURCE_POLICY, EXPECT, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{Method, StatusCode};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tracing::Span;

use crate::audit::Recent;
use crate::identity::TokenKind;
use crate::limits::{Network, Party, Pool};
use crate::protocol::{Header, Headers, MODERN};
use crate::traceparent::{Traceparent, is_trace_id};

use super::bearer;
use super::body::{Budget, Incoming};
use super::canonical::Canonical;
use super::connection;
use super::explanations::Explanations;
use super::forwarded::is_forwarded;
use super::head::{Fields, media_type};

/// Answers the script of the page.
#[derive(Debug)]
pub(super) struct Explorer {
    explored: Explored,
    explanations: Explanations,
    body_bytes: Arc<Pool>,
    body_deadline: Duration,
}

/// The things that the explorer shows.
#[derive(Debug)]
pub(crate) struct Explored {
    pub(crate) issuer: String,
    /// The kinds of tokens that the server accepts.
    pub(crate) kinds: Vec<TokenKind>,
    /// True if the query of the URL can name an organization.
    pub(crate) reads_url_org: bool,
    /// The entries of each list, as a caller who may use everything sees them.
    pub(crate) declared: BTreeMap<&'static str, Vec<Value>>,
    /// The people for whom the explorer acts. `None` without a local Clerk in this process.
    pub(crate) cast: Option<Cast>,
    /// The last log lines. `None` if the server does not write the log.
    pub(crate) lines: Option<Arc<Recent>>,
}

/// The people and machines of the local Clerk, and their tokens.
#[derive(Clone, Debug)]
pub(crate) struct Cast {
    pub(crate) people: Vec<Person>,
    pub(crate) machines: Vec<String>,
    pub(crate) tokens: Arc<dyn TokenSource>,
}

/// A person of the local Clerk.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Person {
    /// The username, `ada`.
    pub(crate) user: String,
    /// The full name, `Ada Lovelace`.
    pub(crate) name: String,
    pub(crate) organizations: Vec<Place>,
}

/// A membership of a person.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Place {
    /// The slug of the organization, `acme`.
    pub(crate) name: String,
    /// The role's key, `org:admin`.
    pub(crate) role: String,
}

/// Issues tokens to the explorer.
pub(crate) trait TokenSource: fmt::Debug + Send + Sync {
    /// Returns a token that is valid for this number of seconds.
    ///
    /// # Errors
    ///
    /// The reason why no such token is issued, as a sentence.
    fn issue(&self, wish: &TokenWish, kind: TokenKind, seconds: u32) -> Result<String, String>;
}

/// The token that a person at the explorer wants.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(
    not(feature = "emulator"),
    expect(dead_code, reason = "only a local Clerk reads the fields")
)]
pub(crate) struct TokenWish {
    pub(crate) user: Option<String>,
    pub(crate) machine: Option<String>,
    kind: String,
    pub(crate) org: Option<String>,
    /// The scopes, with spaces between them. `None` for the scopes that a client gets.
    pub(crate) scopes: Option<String>,
}

/// A request of the script, which is not a request of MCP.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Task {
    Explain,
    Records,
    Token,
}

impl Task {
    pub(super) const ALL: [Self; 3] = [Self::Explain, Self::Records, Self::Token];

    /// Returns the path, below the path of the endpoint.
    pub(super) fn path(self, endpoint: &str) -> String {
        let name = match self {
            Self::Explain => "explain",
            Self::Records => "records",
            Self::Token => "token",
        };
        format!("{}/{name}", base(endpoint))
    }
}

/// The path above the paths of the tasks.
fn base(endpoint: &str) -> String {
    format!("{}/explorer", endpoint.trim_end_matches('/'))
}

impl Explored {
    /// Returns the data for the script, as JSON that can be inside an HTML element.
    pub(super) fn data(&self, canonical: &Canonical) -> String {
        let (people, machines) = match &self.cast {
            Some(cast) => (&*cast.people, &*cast.machines),
            None => (&[][..], &[][..]),
        };
        let kinds: Vec<_> = self.kinds.iter().map(|kind| kind.name()).collect();
        let data = json!({
            "endpoint": canonical.path(),
            "explorer": base(canonical.path()),
            "url": canonical.as_str(),
            "issuer": self.issuer,
            "protocol": MODERN,
            "people": people,
            "machines": machines,
            "kinds": kinds,
            "org_in_url": self.reads_url_org,
            "declared": self.declared,
            "local": self.cast.is_some(),
        });
        data.to_string().replace('<', r"\u003c")
    }

    /// Returns true if the script of the page sends the request. `origin` returns the origin of the endpoint under a host,
    /// if the endpoint has this name.
    pub(super) fn admits<'a>(
        &self,
        task: Task,
        head: &RequestHead,
        origin: impl FnOnce(&Fields<'_>) -> Option<&'a str>,
    ) -> bool {
        let fields = Fields::of(head);
        let headers = head.headers();
        let is = |header: Header<'_>, wanted: &str| header == Header::Value(wanted);
        let is_json = match fields.content_type {
            Header::Value(value) => media_type(value).eq_ignore_ascii_case("application/json"),
            Header::Absent | Header::Malformed => false,
        };
        head.method == Method::POST
            && head.peer_addr.is_some_and(|peer| peer.ip().is_loopback())
            && !is_forwarded(headers)
            && origin(&fields).is_some_and(|origin| is(fields.origin, origin))
            && is(headers.header("sec-fetch-site"), "same-origin")
            && is_json
            && !fields.switches
            // A browser does not send this header. The body would come only after an answer.
            && !headers.contains_key(EXPECT)
            && (task != Task::Token || self.cast.is_some())
    }
}

impl Explorer {
    pub(super) fn new(
        explored: Explored,
        explanations: Explanations,
        body_bytes: Arc<Pool>,
        body_deadline: Duration,
    ) -> Self {
        Self {
            explored,
            explanations,
            body_bytes,
            body_deadline,
        }
    }

    pub(super) fn explored(&self) -> &Explored {
        &self.explored
    }

    /// Returns a span for a request of MCP, so that its log lines are found by its trace id.
    pub(super) fn span(&self, head: &RequestHead) -> Option<Span> {
        self.explored.lines.as_ref()?;
        let Header::Value(traceparent) = head.headers().header("traceparent") else {
            return None;
        };
        let trace_id = Traceparent::parse(traceparent)?.trace_id();
        Some(tracing::trace_span!(target: SPANS, "explored", trace_id))
    }

    /// Answers a request that the explorer admits.
    pub(super) async fn serve(
        &self,
        task: Task,
        head: &RequestHead,
        body: Payload,
    ) -> HttpResponse {
        let mut body = Incoming::new(body);
        let answer = match self.read(head, &mut body).await {
            None => HttpResponse::NotFound().finish(),
            Some(read) => {
                let answered = match task {
                    Task::Explain => self.explain(head, &read).await,
                    Task::Records => self.records(&read),
                    Task::Token => self.token(&read),
                };
                answered.unwrap_or_else(|problem| problem).response()
            }
        };
        body.end_with(connection::announce_close(head, answer))
    }

    /// Reads the body. `None` if it is too long, or does not arrive.
    async fn read(&self, head: &RequestHead, body: &mut Incoming) -> Option<Bytes> {
        let budget = Budget {
            pool: &self.body_bytes,
            party: Party::Stranger(Network::of(head.peer_addr?.ip())),
        };
        let read = body.read(None, MOST_BODY, self.body_deadline, budget);
        read.await.ok()
    }

    fn token(&self, body: &[u8]) -> Result<Answer, Answer> {
        let wish: TokenWish = parse(body)?;
        let refused = |why: String| Answer::problem(StatusCode::UNPROCESSABLE_ENTITY, why);
        let kind = TokenKind::named(&wish.kind)
            .ok_or_else(|| refused(format!("there is no kind of token `{}`", wish.kind)))?;
        let cast = self.explored.cast.as_ref();
        let cast = cast.ok_or_else(|| refused("there is no local Clerk".to_owned()))?;
        let token = cast.tokens.issue(&wish, kind, LIFETIME).map_err(refused)?;
        let answer = json!({ "token": token, "expires_in": LIFETIME });
        Ok(Answer::ok(&answer))
    }

    async fn explain(&self, head: &RequestHead, body: &[u8]) -> Result<Answer, Answer> {
        let Named { name } = parse(body)?;
        let token = bearer::token(Fields::of(head).authorization, &head.uri);
        let token = token.map_err(|_| {
            let what = "the request has several tokens, or a token in its URL";
            Answer::problem(StatusCode::BAD_REQUEST, what)
        })?;
        let explanation = self.explanations.of(token, head.uri.query(), &name).await;
        let explanation = explanation.ok_or_else(|| {
            let what = format!("there is no tool, prompt or resource `{name}`");
            Answer::problem(StatusCode::NOT_FOUND, what)
        })?;
        Ok(Answer::ok(&explanation))
    }

    /// Finds the audit records and the log lines of the requests with a trace id.
    fn records(&self, body: &[u8]) -> Result<Answer, Answer> {
        let Traced { trace_id } = parse(body)?;
        if !is_trace_id(&trace_id) {
            let what = "the trace id must have 32 hexadecimal digits in lower case";
            return Err(Answer::problem(StatusCode::BAD_REQUEST, what));
        }
        let records = self.explanations.endpoint.audit_log();
        let records = records.map_or_else(Vec::new, |audit| audit.recent(&trace_id));
        // A record keeps the order of its members, which `docs/audit.md` has too.
        let records = records.into_iter().map(RawValue::from_string);
        let lines = self.explored.lines.as_deref();
        let found = Found {
            audit: records.filter_map(Result::ok).collect(),
            log: lines.map_or_else(Vec::new, |lines| lines.of(&trace_id)),
            log_note: lines.is_none().then_some(NO_LINES),
        };
        Ok(Answer::ok(&found))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Traced {
    trace_id: String,
}

/// The answer to [`Task::Records`].
#[derive(Serialize)]
struct Found {
    audit: Vec<Box<RawValue>>,
    log: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_note: Option<&'static str>,
}

/// An answer to the script, as JSON.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    body: String,
}

impl Answer {
    fn ok(body: &impl Serialize) -> Self {
        Self {
            status: StatusCode::OK,
            // All keys of maps in an answer are text, so an answer can always be written.
            body: serde_json::to_string(body).unwrap_or_default(),
        }
    }

    fn problem(status: StatusCode, error: impl fmt::Display) -> Self {
        Self {
            status,
            body: json!({ "error": error.to_string() }).to_string(),
        }
    }

    fn response(self) -> HttpResponse {
        HttpResponse::build(self.status)
            .insert_header((CONTENT_TYPE, "application/json"))
            .insert_header((CACHE_CONTROL, "no-store"))
            .insert_header((CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"))
            .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .body(self.body)
    }
}

/// Reads the body of a request of the script.
fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Answer> {
    serde_json::from_slice(body).map_err(|error| Answer::problem(StatusCode::BAD_REQUEST, error))
}

/// The target of the spans of requests of MCP, at level `trace`.
pub(crate) const SPANS: &str = "mcp_auth::explorer";
/// The largest length of a body, in bytes.
const MOST_BODY: usize = 8 * 1024;
/// The time for which a token is valid, in seconds: a day. Session tokens of Clerk are valid for a minute, which is too
/// short to fill in a form.
const LIFETIME: u32 = 86_400;
const NO_LINES: &str =
    "The log lines cannot be shown, because the application sets up the log itself.";

#[cfg(test)]
mod tests;
