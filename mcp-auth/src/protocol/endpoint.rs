//! The methods of MCP, which turn a message and its caller into a response.

use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use tracing::Instrument;

use crate::guard::{Denied, lacking_server_scopes};
use crate::identity::{Caller, Freshness, UrlOrg};
use crate::limits::Party;
use crate::metrics;
#[cfg(feature = "testing")]
use crate::primitive::MirroredArgument;
use crate::primitive::{Asking, List, LogLevel, Served};

use self::counted::CountedRequest;
use self::freshness::{facts, hidden};
use self::list::Visibilities;
use self::target::Continuation;
use super::calls::Calls;
use super::challenge::Challenger;
use super::completion::{self, Reference};
use super::decisions::Decisions;
use super::envelope::{Message, Params, RESPONSE};
use super::era::{Era, Mirrored, negotiate};
use super::error::RpcError;
use super::log_levels::LogLevels;
use super::notification::{self, Asked};
use super::rates::Rates;
use super::results::{Published, Results};
use super::sessions::{SessionRequest, Sessions};
use super::span::RequestSpan;
use super::step_up::StepUps;
use super::{RefusedMessage, Response};

mod anonymous;
mod ask;
mod asking_route;
mod auditing;
mod call;
mod config;
mod converse;
mod counted;
mod denial;
mod explain;
mod freshness;
mod gauges;
mod list;
mod list_watch;
mod listen;
mod listening;
mod message_stream;
mod outliving;
mod primitives;
mod reader;
mod session_stream;
mod session_updates;
mod sessions;
mod stream;
mod target;
mod task;
mod task_run;
mod task_watch;
mod token_watch;

pub(crate) use self::config::{AnonymousAccess, EndpointConfig, ServerInfo, Transport};
pub(crate) use self::message_stream::{MessageStream, StreamEvent};
pub(crate) use self::sessions::{SessionRefusal, SessionRequestHead};

/// Answers MCP messages.
#[derive(Debug)]
pub(crate) struct Endpoint {
    config: EndpointConfig,
    results: Results,
    visibilities: Visibilities,
    /// How current the organization must be for a decision about a prompt or a resource. `None` if no such decision
    /// needs an organization.
    hidden: Option<Freshness>,
    calls: Arc<Calls>,
    rates: Rates,
    step_ups: StepUps,
    log_levels: LogLevels,
    /// `None` if legacy clients get no sessions.
    sessions: Option<Sessions>,
    decisions: Arc<Decisions>,
}

/// The sender of a request.
#[derive(Clone, Copy)]
pub(crate) struct Sender<'a> {
    /// `None` if the request has no token.
    pub(crate) caller: Option<&'a Caller>,
    /// The caller that a call counts for, or the network of a request without a token.
    pub(crate) party: Party,
    /// True if the client accepts a stream of events as the response.
    pub(crate) streams: bool,
    /// The token of the request.
    pub(crate) token: Option<&'a str>,
    /// The span of the request; `None` if no subscriber is interested in it.
    pub(crate) span: Option<&'a RequestSpan<'a>>,
}

/// A request whose era is known.
struct Request<'a> {
    id: &'a str,
    era: Era,
    mirrored: &'a Mirrored<'a>,
    params: &'a Params<'a>,
    body: &'a ByteString,
    url_org: &'a UrlOrg,
    /// The caller that the call counts for, or the network of a request without a token.
    party: Party,
    challenger: &'a Challenger,
    /// True if the client accepts a stream of events.
    streams: bool,
    /// The request as a part of its session. `None` without a session.
    session: Option<&'a Arc<SessionRequest>>,
    /// The answers for a further run of a call of a session. `None` for the first run.
    continuation: Option<&'a Continuation>,
}

impl<'a> Request<'a> {
    /// Returns the messages that the client asks for.
    fn asked(&self) -> Result<Asked<'a>, RpcError> {
        Asked::of(&self.params.meta()?, self.era)
    }

    fn reply_to(&self) -> ReplyTo<'a> {
        ReplyTo {
            id: self.id,
            era: self.era,
            challenger: self.challenger,
        }
    }
}

/// The data of a request that its response needs.
#[derive(Clone, Copy)]
struct ReplyTo<'a> {
    id: &'a str,
    era: Era,
    challenger: &'a Challenger,
}

/// The reason why a request does not get the result of its method: a JSON-RPC error, or a refusal.
enum Stopped {
    /// The call of a legacy session asks questions, and waits for the answers.
    Asking(Box<Asking>),
    /// The request is not valid MCP.
    Error(RpcError),
    /// The caller may not send the request, or may not send it at the moment.
    Refused(RefusedMessage),
}

impl From<RpcError> for Stopped {
    fn from(error: RpcError) -> Self {
        Self::Error(error)
    }
}

impl From<RefusedMessage> for Stopped {
    fn from(refusal: RefusedMessage) -> Self {
        Self::Refused(refusal)
    }
}

impl Endpoint {
    /// Makes an endpoint.
    pub(crate) fn new(config: EndpointConfig) -> Self {
        let registry = &config.registry;
        // The cursor of a page is valid for one caller only, so a list of several pages is private.
        let is_one_page = |list: List| registry.list(list).count() <= config.page_size;
        let all_public = |list: &List| {
            is_one_page(*list) && registry.list(*list).all(|one| one.guard().is_public())
        };
        let results = Results::new(&Published {
            info: &config.info,
            is_open: config.anonymous.connects(),
            public: List::ALL.into_iter().filter(all_public).collect(),
            lists: List::ALL
                .into_iter()
                .filter(|list| registry.has(*list))
                .collect(),
            completes: registry.completes(),
            logs: registry.logs(),
            tasks: registry.has_tasks(),
        });
        Self {
            results,
            visibilities: Visibilities::of(&config),
            hidden: hidden(registry, config.trust_token_org),
            calls: Arc::clone(&config.calls),
            rates: Rates::in_memory(config.rates.clone(), &config.clock),
            step_ups: StepUps::new(Arc::clone(&config.clock)),
            log_levels: LogLevels::new(),
            sessions: match config.transport {
                Transport::Http {
                    legacy_sessions: false,
                } => None,
                Transport::Http {
                    legacy_sessions: true,
                } => Some(Sessions::new(Arc::clone(&config.clock))),
                Transport::Stdio => Some(Sessions::of_process(Arc::clone(&config.clock))),
            },
            decisions: Arc::new(Decisions::new(
                Arc::clone(&config.clock),
                config.audit.clone(),
                config.metrics.clone(),
            )),
            config,
        }
    }

    /// Returns the parts of the endpoint.
    #[cfg(mcp_auth_bench)]
    pub(crate) fn config(&self) -> &EndpointConfig {
        &self.config
    }

    /// Returns those arguments of the tool that clients repeat in headers. Empty for an unknown tool.
    #[cfg(feature = "testing")]
    pub(crate) fn mirrored_arguments(&self, tool: &str) -> &'static [MirroredArgument] {
        let served = self.config.registry.find(tool);
        served.map_or(&[], |served| served.mirrored())
    }

    /// Empties the cache of memberships.
    #[cfg(feature = "testing")]
    pub(crate) fn forget_organizations(&self) {
        self.config.organizations.forget();
    }

    /// Returns true if the server answers some requests without a token. Otherwise it answers each of these requests
    /// with 401.
    pub(crate) fn serves_anonymous(&self) -> bool {
        self.connects_anonymous()
            || self
                .config
                .registry
                .iter()
                .any(|tool| tool.guard().is_public())
    }

    /// Returns true if a client can connect without a token.
    pub(crate) fn connects_anonymous(&self) -> bool {
        self.config.anonymous.connects()
    }

    /// Returns true if the query of a request's URL can name an organization.
    pub(crate) fn reads_url_org(&self) -> bool {
        self.config.organizations.reads_url()
    }

    /// Answers one POST.
    pub(crate) async fn handle(
        self: &Arc<Self>,
        mirrored: &Mirrored<'_>,
        sender: Sender<'_>,
        url_org: &UrlOrg,
        body: Bytes,
        challenger: &Challenger,
    ) -> Response {
        let caller = sender.caller;
        // A body that is not UTF-8 becomes an empty body. Neither body is JSON, so the client gets the same error.
        let body = ByteString::try_from(body).unwrap_or_default();
        let message = match Message::parse(&body) {
            Ok(message) => message,
            Err(_) if caller.is_none() => {
                self.config.metrics.request(UNREAD, "refused");
                self.refused_sign_in(NO_TOKEN);
                return Response::Refused {
                    id: None,
                    refusal: RefusedMessage::SignIn { scopes: Vec::new() },
                };
            }
            Err((error @ RpcError::InvalidRequest(RESPONSE), id)) => {
                let answered = self.answered(mirrored, caller, url_org, &body);
                let outcome = match answered {
                    Some(Response::Accepted) => "accepted",
                    Some(Response::Refused { .. }) => "refused",
                    Some(_) | None => "error",
                };
                self.config.metrics.request(UNREAD, outcome);
                return answered.unwrap_or_else(|| error.answer(id));
            }
            Err((error, id)) => {
                self.config.metrics.request(UNREAD, "error");
                sender.span.inspect(|span| span.failed(error.code()));
                return error.answer(id);
            }
        };
        let mut counted = CountedRequest::begin(&self.config.metrics, &message);
        if let Some(span) = sender.span {
            let served = self.used_by(&message).map(|served| &**served);
            let meta = message.params().and_then(|params| params.meta()).ok();
            let traceparent = meta.and_then(|meta| meta.traceparent());
            let traceparent = traceparent.as_deref();
            let method = metrics::method(&message.method);
            span.describe(method, served, mirrored, traceparent, &body);
        }
        let responding = self.respond(mirrored, sender, url_org, &message, &body, challenger);
        let responded = match sender.span.and_then(RequestSpan::late) {
            None => responding.await,
            // The box keeps the futures of all other requests small.
            Some(span) => Box::pin(responding.instrument(span)).await,
        };
        if let (Some(span), Err(Stopped::Error(error))) = (sender.span, &responded) {
            span.failed(error.code());
        }
        let (response, outcome) = match responded {
            // Only a call of a session asks questions in this way, and `respond` has already answered that call.
            Ok(Response::Accepted) | Err(Stopped::Asking(_)) => (Response::Accepted, "accepted"),
            Ok(response) => (response, "ok"),
            Err(Stopped::Refused(refusal)) => {
                let id = message.id.map(str::to_owned);
                (Response::Refused { id, refusal }, "refused")
            }
            Err(Stopped::Error(error)) => (error.answer(message.id), "error"),
        };
        counted.outcome = outcome;
        response
    }

    /// Returns the tool, the prompt or the resource that a message uses. `None` if the message uses
    /// an unknown name or URI, and for messages of other methods, such as lists.
    fn used_by(&self, message: &Message<'_>) -> Option<&Arc<Served>> {
        let registry = &self.config.registry;
        let params = message.params().ok()?;
        match &*message.method {
            "tools/call" => registry.find(&params.name().ok()?),
            "prompts/get" => registry.find_prompt(&params.name().ok()?),
            "resources/read" => {
                let (served, _) = registry.find_resource(&params.uri().ok()?)?;
                Some(served)
            }
            "completion/complete" => {
                let (reference, _) = completion::read(params).ok()?;
                self.referred_to(&reference)
            }
            _ => None,
        }
    }

    /// Returns the prompt or the resource to which a completion request refers.
    fn referred_to(&self, reference: &Reference) -> Option<&Arc<Served>> {
        match reference {
            Reference::Prompt { name } => self.config.registry.find_prompt(name),
            Reference::Resource { uri } => self.config.registry.find_template(uri),
        }
    }

    /// Returns the denial for a caller who lacks a scope that every request needs. Calls of tools are not checked here,
    /// because the guard of a call reports all missing requirements together. Uses of a public prompt or resource are
    /// not checked either, because even a caller without a token may use them.
    fn lacks_server_scopes(&self, message: &Message<'_>, caller: &Caller) -> Option<Denied> {
        if message.method == "tools/call" {
            return None;
        }
        let denied = lacking_server_scopes(caller, &self.config.required_scopes)?;
        let used = self.used_by(message);
        let is_public = used.is_some_and(|served| served.guard().is_public());
        (!is_public).then_some(denied)
    }

    async fn respond(
        self: &Arc<Self>,
        mirrored: &Mirrored<'_>,
        sender: Sender<'_>,
        url_org: &UrlOrg,
        message: &Message<'_>,
        body: &ByteString,
        challenger: &Challenger,
    ) -> Result<Response, Stopped> {
        match sender.caller {
            None if !self.open_to_anonymous(message) => {
                let scopes = self.scopes_to_sign_in_for(message);
                self.refused_sign_in(NO_TOKEN);
                return Err(RefusedMessage::SignIn { scopes }.into());
            }
            None => {}
            Some(caller) => {
                if let Some(denied) = self.lacks_server_scopes(message, caller) {
                    return self.lacking(denied, caller, message, challenger);
                }
            }
        }
        let Some(id) = message.id else {
            return self.notified(mirrored, sender.caller, url_org, message);
        };
        let params = message.params()?;
        let meta = params.meta()?;
        let era = Era::of(mirrored, &message.method, &meta)?;
        era.check_method(mirrored, &message.method)?;
        // Check the progress token and the level also for a function that sends no messages.
        Asked::of(&meta, era)?;
        let session = self.session(era, &message.method, mirrored, sender.caller, url_org)?;
        let session = session.map(|session| SessionRequest::begin(session, id));
        let request = Request {
            id,
            era,
            mirrored,
            params,
            body,
            url_org,
            party: sender.party,
            challenger,
            streams: sender.streams,
            session: session.as_ref(),
            continuation: None,
        };
        let response = match self.dispatch(sender, message, &request).await {
            Err(Stopped::Asking(asking)) => self.ask_in_session(sender.caller, &request, asking),
            response => response,
        };
        match session {
            // A cancelled request gets no response.
            Some(session) if session.is_cancelled() => Ok(Response::Accepted),
            Some(_) | None => response,
        }
    }

    async fn dispatch(
        self: &Arc<Self>,
        sender: Sender<'_>,
        message: &Message<'_>,
        request: &Request<'_>,
    ) -> Result<Response, Stopped> {
        let (id, era) = (request.id, request.era);
        match (era, &*message.method) {
            (Era::Modern, "server/discover") => Ok(self.results.discover(id)),
            (Era::Modern, "subscriptions/listen") => self.listen(sender, request).await,
            (Era::Legacy, "initialize") => {
                let version = negotiate(&request.params.protocol_version()?);
                Ok(self.initialize(sender, request, version)?)
            }
            (Era::Legacy, "ping") => Ok(Results::empty(id)),
            (Era::Legacy, "logging/setLevel") if self.config.registry.logs() => {
                let level = LogLevel::of(&request.params.level()?);
                let level = level.ok_or(RpcError::InvalidParams(notification::UNKNOWN_LEVEL))?;
                self.set_level(sender.caller, request, level);
                Ok(Results::empty(id))
            }
            (Era::Legacy, "resources/subscribe") => self.subscribe(sender.caller, request).await,
            (Era::Legacy, "resources/unsubscribe") => self.unsubscribe(request),
            (_, "tools/list") => self.list(List::Tools, sender.caller, request).await,
            (_, "tools/call") => self.call_tool(sender.caller, request).await,
            (_, "prompts/list") => self.list(List::Prompts, sender.caller, request).await,
            (_, "prompts/get") => self.get_prompt(sender.caller, request).await,
            (_, "resources/list") => self.list(List::Resources, sender.caller, request).await,
            (_, "resources/templates/list") => {
                self.list(List::Templates, sender.caller, request).await
            }
            (_, "resources/read") => self.read_resource(sender.caller, request).await,
            (Era::Modern, method) if method.starts_with("tasks/") => {
                self.answer_task_request(sender.caller, request, method)
                    .await
            }
            (_, "completion/complete") => self.complete(sender.caller, request).await,
            (era, _) => Err(not_found(era)),
        }
    }
}

/// The method of a message that could not be read, in metrics.
const UNREAD: &str = "other";

/// The error for a method that this server does not support.
fn not_found(era: Era) -> Stopped {
    Stopped::Error(RpcError::MethodNotFound {
        modern: era == Era::Modern,
    })
}

/// The reason of a refused sign-in: the request needs a token and has no token.
pub(crate) const NO_TOKEN: &str = "token-missing";
