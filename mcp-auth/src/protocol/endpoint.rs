//! The methods: they turn a message and a caller into a response.

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

/// The name, title and version that the server sends of itself.
#[derive(Clone, Debug)]
pub(crate) struct ServerInfo {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) title: Option<String>,
    pub(crate) instructions: Option<String>,
}

/// The parts of which an endpoint is made.
#[derive(Debug)]
pub(crate) struct EndpointConfig {
    pub(crate) info: ServerInfo,
    pub(crate) registry: Registry,
    pub(crate) states: Arc<States>,
    pub(crate) organizations: Arc<Organizations>,
    pub(crate) clock: Arc<dyn Clock>,
    /// If true, a guard that needs an organization and nothing else takes it from the token without
    /// a look-up.
    pub(crate) trust_token_org: bool,
    /// Scopes that every request needs.
    pub(crate) required_scopes: Vec<String>,
    /// The requests that callers without a token may send.
    pub(crate) anonymous: AnonymousAccess,
    /// If true, a missing scope is an `isError` result and no 403 challenge.
    pub(crate) scope_denials_as_results: bool,
    /// If true, a missing organization that a scope could bring is a 403 challenge for that scope.
    pub(crate) organization_step_up: bool,
    pub(crate) calls: Arc<Calls>,
    /// The rates of all tools together.
    pub(crate) rates: Vec<Rate>,
    /// The threads of tools that are plain functions.
    pub(crate) threads: Arc<Threads>,
    pub(crate) timeout: Duration,
}

/// The requests that callers without a token may send, apart from calls of public tools.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum AnonymousAccess {
    /// Every other request is a 401.
    #[default]
    None,
    /// Initialize, discover, and list the public tools.
    ListPublic,
    /// Initialize, discover, and list all tools.
    ListAll,
}

impl AnonymousAccess {
    /// Returns true if a client can connect without a token.
    fn connects(self) -> bool {
        self != Self::None
    }
}

/// Serves MCP messages.
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
    /// `None` without a token.
    pub(crate) caller: Option<&'a Caller>,
    /// The party that a call counts for: the caller, or the network of a caller without a token.
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

/// The reason why a request does not get the result of its method: an error of JSON-RPC, or a refusal.
enum Stopped {
    /// The request is not valid MCP.
    Error(RpcError),
    /// The caller is not allowed, or not now.
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

    /// Returns true if a request without a token can get any response but a challenge to sign in.
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
        // A body that is not UTF-8 is not JSON, and neither is an empty body.
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
                // A notification has no answer, and this server does nothing with it.
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

    /// Returns true for a call of a tool that is declared `public`. Without a token every other
    /// request is a 401, so that a stranger does not learn whether a name exists.
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

    /// Returns the scopes for the challenge to sign in, after a call without a token. They are the
    /// scopes of the called tool if everybody may list all tools; otherwise the challenge would
    /// reveal which names exist.
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

    /// Returns the denial of an OAuth caller who lacks a scope that every request needs. A call is
    /// left to the guard, which knows the other missing requirements.
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
            // Notifications change nothing: there is no session whose requests a
            // `notifications/cancelled` could name.
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
            // A shorter list would be a wrong answer.
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

/// Returns how current the facts must be on which the guard decides.
fn facts(guard: &Guard, trust_token_org: bool) -> Freshness {
    if trust_token_org && !guard.uses_membership() {
        Freshness::AsInToken
    } else {
        Freshness::Current
    }
}

/// MCP 2025-11-25 introduced icons. A legacy request without a version is older.
fn knows_icons(request: &Request<'_>) -> bool {
    request.era == Era::Modern || request.mirrored.version == Header::Value(WITH_ICONS)
}
