//! The methods of MCP, which turn a message and its caller into a response.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;

use crate::guard::{Denied, Guard, SecurityScheme, lacking_server_scopes};
use crate::identity::{Caller, Clock, Freshness, Organizations, UrlOrg};
use crate::limits::Party;
#[cfg(feature = "testing")]
use crate::primitive::MirroredArgument;
use crate::primitive::{List, LogLevel, Rate, Registry, Served, States, Threads};

use self::list::Visibilities;
use super::calls::Calls;
use super::challenge::Challenger;
use super::completion::{self, Reference};
use super::confirmations::Confirmations;
use super::envelope::{Message, Params};
use super::era::{Era, Mirrored, negotiate};
use super::error::RpcError;
use super::log_levels::LogLevels;
use super::notification::{self, Asked};
use super::rates::Rates;
use super::record::CallLog;
use super::results::{Published, Results};
use super::running_tasks::RunningTasks;
use super::seal::Sealer;
use super::step_up::StepUps;
use super::{RefusedMessage, Response, WiderToken};

mod ask;
mod call;
mod denial;
mod list;
mod outliving;
mod primitives;
mod stream;
mod task;
mod task_run;

pub(crate) use self::stream::MessageStream;

/// The server's own name, title and version, which it sends to clients.
#[derive(Clone, Debug)]
pub(crate) struct ServerInfo {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) title: Option<String>,
    pub(crate) instructions: Option<String>,
}

/// The parts and settings of an endpoint.
#[derive(Debug)]
pub(crate) struct EndpointConfig {
    pub(crate) info: ServerInfo,
    pub(crate) registry: Registry,
    pub(crate) states: Arc<States>,
    pub(crate) organizations: Arc<Organizations>,
    pub(crate) clock: Arc<dyn Clock>,
    /// If true, a guard that needs an organization, but no role and no permission, takes the
    /// organization from the token without a look-up.
    pub(crate) trust_token_org: bool,
    /// Scopes that every request needs.
    pub(crate) required_scopes: Vec<String>,
    /// The requests that callers without a token may send.
    pub(crate) anonymous: AnonymousAccess,
    /// If true, a call that lacks a scope gets an `isError` result instead of a 403 challenge.
    pub(crate) scope_denials_as_results: bool,
    /// If true, a call that lacks an organization gets a 403 challenge for the scope that would let
    /// the token name one.
    pub(crate) organization_step_up: bool,
    pub(crate) calls: Arc<Calls>,
    /// The rate limits of the server, which count calls of all tools, prompts and resources together.
    pub(crate) rates: Vec<Rate>,
    /// The threads for plain functions.
    pub(crate) threads: Arc<Threads>,
    pub(crate) timeout: Duration,
    /// The largest number of entries on a page of a list.
    pub(crate) page_size: usize,
    /// The shortest time between two progress messages of a call.
    pub(crate) progress_interval: Duration,
    /// Seals the cursors of lists and the state of requests that wait for a person.
    pub(crate) sealer: Sealer,
    /// The used confirmations.
    pub(crate) confirmations: Confirmations,
    pub(crate) tasks: Arc<RunningTasks>,
}

/// The requests that callers without a token may send, in addition to the use of public tools,
/// prompts and resources.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum AnonymousAccess {
    /// The server answers every other request with 401.
    #[default]
    None,
    /// Callers may initialize, discover, and list the public tools, prompts and resources.
    ListPublic,
    /// Callers may initialize, discover, and list all tools, prompts and resources.
    ListAll,
}

impl AnonymousAccess {
    /// Returns true if a client can connect without a token.
    fn connects(self) -> bool {
        self != Self::None
    }
}

/// Answers MCP messages.
#[derive(Debug)]
pub(crate) struct Endpoint {
    config: EndpointConfig,
    results: Results,
    visibilities: Visibilities,
    /// The organization that a decision about a prompt or a resource may need; `None` if none needs one.
    hidden: Option<Freshness>,
    calls: Arc<Calls>,
    rates: Rates,
    step_ups: StepUps,
    log_levels: LogLevels,
    log: Arc<CallLog>,
}

/// The sender of a request.
#[derive(Clone, Copy)]
pub(crate) struct Sender<'a> {
    /// `None` if the request has no token.
    pub(crate) caller: Option<&'a Caller>,
    /// The party that a call counts for: the caller, or the network of the request if it has no
    /// token.
    pub(crate) party: Party,
    /// True if the client accepts a stream of events as the response.
    pub(crate) streams: bool,
}

/// A request whose era is known.
struct Request<'a> {
    id: &'a str,
    era: Era,
    mirrored: &'a Mirrored<'a>,
    params: &'a Params<'a>,
    body: &'a ByteString,
    url_org: &'a UrlOrg,
    /// The party that the call counts for.
    party: Party,
    challenger: &'a Challenger,
    /// True if the client accepts a stream of events.
    streams: bool,
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

/// The part of a request that its response needs.
#[derive(Clone, Copy)]
struct ReplyTo<'a> {
    id: &'a str,
    era: Era,
    challenger: &'a Challenger,
}

/// The reason why a request does not get the result of its method: a JSON-RPC error, or a refusal.
enum Stopped {
    /// The request is not valid MCP.
    Error(RpcError),
    /// The caller is not allowed to send the request, or not at the moment.
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
        // The cursor of a page is for one caller, so a list of several pages is private.
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
            hidden: hidden(&config),
            calls: Arc::clone(&config.calls),
            rates: Rates::in_memory(config.rates.clone(), &config.clock),
            step_ups: StepUps::new(Arc::clone(&config.clock)),
            log_levels: LogLevels::new(),
            log: Arc::new(CallLog::new(Arc::clone(&config.clock))),
            config,
        }
    }

    /// Returns the parts of the endpoint.
    #[cfg(mcp_auth_bench)]
    pub(crate) fn config(&self) -> &EndpointConfig {
        &self.config
    }

    /// Returns the arguments of a tool that clients repeat in headers. Empty for an unknown tool.
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

    /// Returns true if at least one request without a token gets a response other than a challenge
    /// to sign in.
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
        // A body that is not UTF-8 becomes an empty body. Neither is JSON, so the error is the
        // same.
        let body = ByteString::try_from(body).unwrap_or_default();
        let message = match Message::parse(&body) {
            Ok(message) => message,
            Err(_) if caller.is_none() => {
                return Response::Refused {
                    id: None,
                    refusal: RefusedMessage::SignIn { scopes: Vec::new() },
                };
            }
            Err((error, id)) => return error.answer(id),
        };
        let id = message.id;
        let refused = |refusal| Response::Refused {
            id: id.map(str::to_owned),
            refusal,
        };
        if caller.is_none() && !self.open_to_anonymous(&message) {
            let scopes = self.scopes_to_sign_in_for(&message);
            return refused(RefusedMessage::SignIn { scopes });
        }
        if let Some(caller) = caller
            && let Some(denied) = self.lacks_server_scopes(&message, caller)
        {
            let challenge = self.challenge(&denied, (caller, None), challenger);
            return match (challenge, id) {
                (Some(challenge), _) => refused(RefusedMessage::MoreScope(Box::new(WiderToken {
                    denied,
                    challenge,
                }))),
                (None, Some(_)) => RpcError::MissingScope(denied.to_string()).answer(id),
                // This server ignores notifications, and they have no response.
                (None, None) => Response::Accepted,
            };
        }
        match self
            .respond(mirrored, sender, url_org, &message, &body, challenger)
            .await
        {
            Ok(answer) => answer,
            Err(Stopped::Refused(refusal)) => refused(refusal),
            Err(Stopped::Error(error)) => error.answer(id),
        }
    }

    /// Returns true if the request needs no token: the use of a `public` tool, prompt or resource, or
    /// a request that the settings permit without a token. Every other request without a token gets
    /// a 401, so that a caller without a token does not learn which names exist.
    fn open_to_anonymous(&self, message: &Message<'_>) -> bool {
        match &*message.method {
            "initialize"
            | "logging/setLevel"
            | "notifications/initialized"
            | "ping"
            | "server/discover"
            | "tools/list" => self.connects_anonymous(),
            "prompts/list" => self.connects_anonymous() && self.serves(List::Prompts),
            "resources/list" | "resources/templates/list" => {
                self.connects_anonymous() && self.serves(List::Resources)
            }
            _ => self
                .used_by(message)
                .is_some_and(|served| served.guard().is_public()),
        }
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

    /// Returns the additional scopes for the challenge to sign in, after a request without a token.
    /// If callers without a token may list everything, these are the scopes of the requested tool,
    /// prompt or resource. Otherwise there are none, because the challenge would reveal which names
    /// exist.
    fn scopes_to_sign_in_for(&self, message: &Message<'_>) -> Vec<String> {
        if self.config.anonymous != AnonymousAccess::ListAll {
            return Vec::new();
        }
        let schemes = self.used_by(message).map(|served| served.schemes());
        match schemes.unwrap_or_default().first() {
            Some(SecurityScheme::OAuth2(scopes)) => scopes.clone(),
            Some(SecurityScheme::NoAuth) | None => Vec::new(),
        }
    }

    /// Returns the denial for a caller who lacks a scope that every request needs. Ignores calls,
    /// because the guard of a call also reports the other missing requirements, and uses of a public prompt or resource,
    /// which a caller without a token may use too.
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
        let Some(id) = message.id else {
            // Notifications change nothing. Without sessions, `notifications/cancelled` cannot name
            // a request.
            return Ok(Response::Accepted);
        };
        let params = message.params()?;
        let meta = params.meta()?;
        let era = Era::of(mirrored, &message.method, &meta)?;
        era.check_method(mirrored, &message.method)?;
        // A malformed token or level is refused, also by a function that sends no messages.
        Asked::of(&meta, era)?;
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
        };
        match (era, &*message.method) {
            (Era::Modern, "server/discover") => Ok(self.results.discover(id)),
            (Era::Legacy, "initialize") => {
                let version = negotiate(&request.params.protocol_version()?);
                Ok(self.results.initialize(id, version))
            }
            (Era::Legacy, "ping") => Ok(Results::empty(id)),
            (Era::Legacy, "logging/setLevel") if self.config.registry.logs() => {
                let level = LogLevel::of(&request.params.level()?);
                let level = level.ok_or(RpcError::InvalidParams(notification::UNKNOWN_LEVEL))?;
                self.log_levels.set(sender.caller, level);
                Ok(Results::empty(id))
            }
            (_, "tools/list") => self.list(List::Tools, sender.caller, &request).await,
            (_, "tools/call") => self.call_tool(sender.caller, &request).await,
            (_, "prompts/list") => self.list(List::Prompts, sender.caller, &request).await,
            (_, "prompts/get") => self.get_prompt(sender.caller, &request).await,
            (_, "resources/list") => self.list(List::Resources, sender.caller, &request).await,
            (_, "resources/templates/list") => {
                self.list(List::Templates, sender.caller, &request).await
            }
            (_, "resources/read") => self.read_resource(sender.caller, &request).await,
            (Era::Modern, method) if method.starts_with("tasks/") => {
                self.answer_task_request(sender.caller, &request, method)
                    .await
            }
            (_, "completion/complete") => self.complete(sender.caller, &request).await,
            (era, _) => Err(not_found(era)),
        }
    }
}

/// The error for a method that this server does not support.
fn not_found(era: Era) -> Stopped {
    Stopped::Error(RpcError::MethodNotFound {
        modern: era == Era::Modern,
    })
}

/// Returns the organization that a decision about some prompt or resource needs; the current one if decisions differ.
fn hidden(config: &EndpointConfig) -> Option<Freshness> {
    let lists = [List::Prompts, List::Resources, List::Templates];
    let hidden = lists
        .into_iter()
        .flat_map(|list| config.registry.list(list));
    let asking = hidden.filter(|served| served.wants_organization());
    let asked: Vec<_> = asking
        .map(|served| facts(served.guard(), config.trust_token_org))
        .collect();
    let current = asked.iter().find(|asked| **asked == Freshness::Current);
    current.or(asked.first()).copied()
}

/// Returns whether the guard needs current data about the organization, or accepts the data in the
/// token.
fn facts(guard: &Guard, trust_token_org: bool) -> Freshness {
    if trust_token_org && !guard.uses_membership() {
        Freshness::AsInToken
    } else {
        Freshness::Current
    }
}
