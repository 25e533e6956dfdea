//! The methods of MCP, which turn a message and its caller into a response.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;

use crate::guard::{self, Denied, Guard, SecurityScheme, Visibility, lacking_server_scopes};
use crate::identity::{Caller, Clock, Freshness, Organizations, UrlOrg};
use crate::limits::Party;
use crate::tool::{Rate, Registry, States, Threads};

use super::calls::Calls;
use super::challenge::Challenger;
use super::envelope::{Message, Params};
use super::era::{Era, Header, Mirrored, WITH_ICONS, negotiate};
use super::error::RpcError;
use super::rates::Rates;
use super::record::CallLog;
use super::results::Results;
use super::step_up::StepUps;
use super::{RefusedMessage, Response, WiderToken};

mod call;

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
    /// The rate limits over all tools.
    pub(crate) rates: Vec<Rate>,
    /// The threads for tools that are plain functions.
    pub(crate) threads: Arc<Threads>,
    pub(crate) timeout: Duration,
}

/// The requests that callers without a token may send, in addition to calls of public tools.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum AnonymousAccess {
    /// The server answers every other request with 401.
    #[default]
    None,
    /// Callers may initialize, discover, and list the public tools.
    ListPublic,
    /// Callers may initialize, discover, and list all tools.
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
    visibility: Visibility,
    calls: Arc<Calls>,
    rates: Rates,
    step_ups: StepUps,
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
    pub(crate) fn new(config: EndpointConfig) -> Self {
        let all_public = config.registry.iter().all(|tool| tool.guard().is_public());
        let is_open = config.anonymous.connects();
        let results = Results::new(&config.info, is_open, is_open && all_public);
        let trust_token_org = config.trust_token_org;
        let guards = config.registry.iter().map(|tool| {
            let guard = *tool.guard();
            (guard, facts(&guard, trust_token_org))
        });
        Self {
            results,
            visibility: Visibility::new(guards, config.required_scopes.clone()),
            calls: Arc::clone(&config.calls),
            rates: Rates::in_memory(config.rates.clone(), &config.clock),
            step_ups: StepUps::new(Arc::clone(&config.clock)),
            log: Arc::new(CallLog::new(Arc::clone(&config.clock))),
            config,
        }
    }

    /// Returns the parts of the endpoint.
    #[cfg(mcp_auth_bench)]
    pub(crate) fn config(&self) -> &EndpointConfig {
        &self.config
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
        &self,
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

    /// Returns true if the request needs no token: a call of a `public` tool, or a request that the
    /// settings permit without a token. Every other request without a token gets a 401, so that a
    /// caller without a token does not learn which tools exist.
    fn open_to_anonymous(&self, message: &Message<'_>) -> bool {
        match &*message.method {
            "tools/call" => message
                .params()
                .and_then(|params| params.name())
                .ok()
                .and_then(|name| self.config.registry.find(&name))
                .is_some_and(|tool| tool.guard().is_public()),
            "initialize"
            | "notifications/initialized"
            | "ping"
            | "server/discover"
            | "tools/list" => self.connects_anonymous(),
            _ => false,
        }
    }

    /// Returns the additional scopes for the challenge to sign in, after a call without a token. If
    /// callers without a token may list all tools, these are the scopes of the called tool.
    /// Otherwise there are none, because the challenge would reveal which tools exist.
    fn scopes_to_sign_in_for(&self, message: &Message<'_>) -> Vec<String> {
        if self.config.anonymous != AnonymousAccess::ListAll || message.method != "tools/call" {
            return Vec::new();
        }
        let name = message.params().and_then(|params| params.name()).ok();
        let tool = name.and_then(|name| self.config.registry.find(&name));
        let schemes = tool.map(|tool| tool.schemes()).unwrap_or_default();
        match schemes.first() {
            Some(SecurityScheme::OAuth2(scopes)) => scopes.clone(),
            Some(SecurityScheme::NoAuth) | None => Vec::new(),
        }
    }

    /// Returns the denial for a caller who lacks a scope that every request needs. Ignores calls,
    /// because the guard of a call also reports the other missing requirements.
    fn lacks_server_scopes(&self, message: &Message<'_>, caller: &Caller) -> Option<Denied> {
        if message.method == "tools/call" {
            return None;
        }
        lacking_server_scopes(caller, &self.config.required_scopes)
    }

    async fn respond(
        &self,
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
        let era = Era::of(mirrored, &message.method, &params.meta()?)?;
        era.check_method(mirrored, &message.method)?;
        let request = Request {
            id,
            era,
            mirrored,
            params,
            body,
            url_org,
            party: sender.party,
            challenger,
        };
        match (era, &*message.method) {
            (Era::Modern, "server/discover") => Ok(self.results.discover(id)),
            (Era::Legacy, "initialize") => {
                let version = negotiate(&request.params.protocol_version()?);
                Ok(self.results.initialize(id, version))
            }
            (Era::Legacy, "ping") => Ok(Results::empty(id)),
            (_, "tools/list") => self.list(sender.caller, &request).await,
            (_, "tools/call") => self.call(sender.caller, &request).await,
            (era, _) => Err(Stopped::Error(RpcError::MethodNotFound {
                modern: era == Era::Modern,
            })),
        }
    }

    async fn list(
        &self,
        caller: Option<&Caller>,
        request: &Request<'_>,
    ) -> Result<Response, Stopped> {
        if request.params.has_cursor() {
            let text = "`cursor` was not given by this server";
            return Err(RpcError::InvalidParams(text).into());
        }
        let asking = |facts| self.visibility.asks(facts).then_some(facts);
        let url = request.url_org;
        let current = self.acting(caller, url, asking(Freshness::Current)).await;
        let claimed = self.acting(caller, url, asking(Freshness::AsInToken)).await;
        let (current, claimed) = match (current, claimed) {
            (Ok(current), Ok(claimed)) => (current, claimed),
            // An incomplete list would be a wrong response.
            (Err(unavailable), _) | (_, Err(unavailable)) => {
                return Err(RefusedMessage::Unavailable(unavailable).into());
            }
        };
        let known = guard::OrganizationFacts {
            current: current.org.as_ref(),
            claimed: claimed.org.as_ref(),
            named_by: current.named_by,
        };
        let visible = match (caller, self.config.anonymous) {
            (None, AnonymousAccess::ListAll) => self.visibility.all(),
            (_, _) => self.visibility.of(caller, known),
        };
        Ok(self.results.tools(
            request.id,
            request.era,
            knows_icons(request),
            visible,
            self.config.registry.iter().map(|tool| &**tool),
        ))
    }
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

/// Returns true if the client knows icons, which MCP 2025-11-25 introduced. A legacy request
/// without a version counts as older.
fn knows_icons(request: &Request<'_>) -> bool {
    request.era == Era::Modern || request.mirrored.version == Header::Value(WITH_ICONS)
}
