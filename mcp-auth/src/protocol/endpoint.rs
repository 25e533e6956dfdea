//! The methods: from a message and a caller to an answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;

use crate::guard::{self, Authorized, Denied, Guard, Refusal, Visibility, decide};
use crate::identity::{
    Acting, Caller, Clock, Facts, NamedBy, Org, Organizations, TokenKind, Unavailable, UrlOrg,
};
use crate::tool::{CallEnvironment, Failure, Outcome, Registry, ServedTool, States, Threads};

use super::Answer;
use super::calls::Calls;
use super::detach::Detach;
use super::envelope::{Message, Params};
use super::era::{Era, Header, Mirrored, WITH_ICONS, negotiate};
use super::error::RpcError;
use super::record::{self, Record};
use super::results::Results;
use super::step_up::StepUps;

/// Who the server says it is.
#[derive(Clone, Debug)]
pub(crate) struct ServerInfo {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) title: Option<String>,
    pub(crate) instructions: Option<String>,
}

/// What an endpoint is made of.
#[derive(Debug)]
pub(crate) struct EndpointConfig {
    pub(crate) info: ServerInfo,
    pub(crate) registry: Registry,
    pub(crate) states: Arc<States>,
    pub(crate) organizations: Arc<Organizations>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Whether an organization that a token names is enough for guards that ask for no more.
    pub(crate) trust_token_org: bool,
    /// Scopes that every request needs.
    pub(crate) required_scopes: Vec<String>,
    /// Whether the list of public tools is open to callers without a token.
    pub(crate) anonymous_list: bool,
    /// Whether a missing scope is an `isError` result instead of a 403 challenge.
    pub(crate) scope_denials_as_results: bool,
    /// Whether a missing organization that a scope could bring is a 403 challenge for it.
    pub(crate) organization_step_up: bool,
    pub(crate) calls_in_flight: usize,
    /// For tools that are plain functions.
    pub(crate) threads: Arc<Threads>,
    pub(crate) timeout: Duration,
}

/// Serves MCP messages.
#[derive(Debug)]
pub(crate) struct Endpoint {
    config: EndpointConfig,
    results: Results,
    visibility: Visibility,
    calls: Arc<Calls>,
    step_ups: StepUps,
}

/// A request whose era is known.
struct Request<'a> {
    id: &'a str,
    era: Era,
    mirrored: &'a Mirrored<'a>,
    params: &'a Params<'a>,
    body: &'a ByteString,
    url_org: &'a UrlOrg,
}

impl Endpoint {
    pub(crate) fn new(config: EndpointConfig) -> Self {
        let all_public = config.registry.iter().all(|tool| tool.guard().is_public());
        let results = Results::new(
            &config.info,
            config.anonymous_list,
            config.anonymous_list && all_public,
        );
        let trust_token_org = config.trust_token_org;
        let guards = config.registry.iter().map(|tool| {
            let guard = *tool.guard();
            (guard, facts(&guard, trust_token_org))
        });
        Self {
            results,
            visibility: Visibility::new(guards, config.required_scopes.clone()),
            calls: Arc::new(Calls::new(config.calls_in_flight)),
            step_ups: StepUps::new(Arc::clone(&config.clock)),
            config,
        }
    }

    /// What it is made of.
    #[cfg(feature = "_bench")]
    pub(crate) fn config(&self) -> &EndpointConfig {
        &self.config
    }

    /// Makes the server ask again for every membership.
    #[cfg(feature = "testing")]
    pub(crate) fn forget_organizations(&self) {
        self.config.organizations.forget();
    }

    /// Whether a request without a token can be answered with anything but "sign in".
    pub(crate) fn serves_anonymous(&self) -> bool {
        self.config.anonymous_list
            || self
                .config
                .registry
                .iter()
                .any(|tool| tool.guard().is_public())
    }

    /// Whether the query of a request's URL can name an organization.
    pub(crate) fn reads_url_org(&self) -> bool {
        self.config.organizations.reads_url()
    }

    /// Answers one POST.
    pub(crate) async fn handle(
        &self,
        mirrored: &Mirrored<'_>,
        caller: Option<&Caller>,
        url_org: &UrlOrg,
        body: Bytes,
    ) -> Answer {
        // What is not UTF-8 is as little JSON as nothing is.
        let body = ByteString::try_from(body).unwrap_or_default();
        let message = match Message::parse(&body) {
            Ok(message) => message,
            Err(_) if caller.is_none() => return Answer::SignIn,
            Err((error, id)) => return error.answer(id),
        };
        if caller.is_none() && !self.open_to_anonymous(&message) {
            return Answer::SignIn;
        }
        if let Some(scopes) = caller.and_then(|caller| self.missing_server_scopes(&message, caller))
        {
            return Answer::MoreScope(scopes);
        }
        let id = message.id;
        match self
            .respond(mirrored, caller, url_org, &message, &body)
            .await
        {
            Ok(answer) => answer,
            Err(error) => error.answer(id),
        }
    }

    /// A caller without a token may call what is spelled `public`, and nothing else: not even learn
    /// whether a name exists.
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
            | "tools/list" => self.config.anonymous_list,
            _ => false,
        }
    }

    /// Scopes that every request needs. Calls are left to the guard, which knows what else is
    /// missing; a session token has no scopes that a challenge could add to.
    fn missing_server_scopes(&self, message: &Message<'_>, caller: &Caller) -> Option<Vec<String>> {
        if message.method == "tools/call" || caller.token_kind() != TokenKind::OAuth {
            return None;
        }
        let required = self.config.required_scopes.iter();
        let missing: Vec<_> = required
            .filter(|scope| !caller.has_scope(scope))
            .cloned()
            .collect();
        (!missing.is_empty()).then(|| caller.hierarchy().fewest(missing))
    }

    async fn respond(
        &self,
        mirrored: &Mirrored<'_>,
        caller: Option<&Caller>,
        url_org: &UrlOrg,
        message: &Message<'_>,
        body: &ByteString,
    ) -> Result<Answer, RpcError> {
        let Some(id) = message.id else {
            // Nothing that a client notifies of changes anything here: there is no session whose
            // requests a `notifications/cancelled` could name.
            return Ok(Answer::Accepted);
        };
        let params = message.params()?;
        let era = Era::of(mirrored, &params.meta()?)?;
        era.check_method(mirrored, &message.method)?;
        let request = Request {
            id,
            era,
            mirrored,
            params,
            body,
            url_org,
        };
        match (era, &*message.method) {
            (Era::Modern, "server/discover") => Ok(self.results.discover(id)),
            (Era::Legacy, "initialize") => {
                let version = negotiate(&request.params.protocol_version()?);
                Ok(self.results.initialize(id, version))
            }
            (Era::Legacy, "ping") => Ok(Results::empty(id)),
            (_, "tools/list") => self.list(caller, &request).await,
            (_, "tools/call") => self.call(caller, &request).await,
            (era, _) => Err(RpcError::MethodNotFound {
                modern: era == Era::Modern,
            }),
        }
    }

    async fn list(
        &self,
        caller: Option<&Caller>,
        request: &Request<'_>,
    ) -> Result<Answer, RpcError> {
        if request.params.has_cursor() {
            return Err(RpcError::InvalidParams(
                "`cursor` was not given by this server",
            ));
        }
        let asking = |facts| self.visibility.asks(facts).then_some(facts);
        let url = request.url_org;
        let current = self.acting(caller, url, asking(Facts::Current)).await;
        let claimed = self.acting(caller, url, asking(Facts::TokenOnly)).await;
        let (current, claimed) = match (current, claimed) {
            (Ok(current), Ok(claimed)) => (current, claimed),
            // A list that is shorter than it should be would be a wrong answer.
            (Err(unavailable), _) | (_, Err(unavailable)) => {
                return Ok(Answer::Unavailable(unavailable));
            }
        };
        let known = guard::Organizations {
            current: current.org.as_ref(),
            claimed: claimed.org.as_ref(),
            named_by: current.named_by,
        };
        Ok(self.results.tools(
            request.id,
            request.era,
            knows_icons(request),
            self.visibility.of(caller, known),
            self.config.registry.iter().map(|tool| &**tool),
        ))
    }

    async fn call(
        &self,
        caller: Option<&Caller>,
        request: &Request<'_>,
    ) -> Result<Answer, RpcError> {
        let Request { id, era, .. } = *request;
        let name = request.params.name()?;
        era.check_name(request.mirrored, &name)?;
        let Some(tool) = self.config.registry.find(&name) else {
            record::unknown_tool(caller);
            return Err(RpcError::UnknownTool(shortened(&name)));
        };
        let arguments = request.params.arguments()?;
        let mut record = Record::open(tool, caller);
        let facts = tool
            .wants_organization()
            .then(|| facts(tool.guard(), self.config.trust_token_org));
        let acting = self.acting(caller, request.url_org, facts).await;
        let acting = acting.as_ref();
        let org = acting.map_or(None, |acting| acting.org.as_ref());
        record.acts_in(org);
        if let Err(unavailable) = acting
            && tool.takes_organization()
        {
            let refusal = Refusal::Unavailable(*unavailable);
            return Ok(self.refuse(request, (caller, org), refusal, &mut record));
        }
        let proof = match self.decide(tool.guard(), caller, acting) {
            Ok(proof) => proof,
            Err(refusal) => {
                return Ok(self.refuse(request, (caller, org), refusal, &mut record));
            }
        };
        let Some(running) = self.calls.enter(caller, org) else {
            record.close("busy");
            return Ok(Answer::Busy);
        };
        let arguments = raw(request.body, arguments);
        let env = CallEnvironment {
            states: &self.config.states,
            organizations: &self.config.organizations,
            url_org: request.url_org,
            threads: &self.config.threads,
            timeout: self.config.timeout,
        };
        let run = tool.call(proof, &env, arguments, running);
        // In a box, to keep the future of every request small.
        let run = Box::pin(async move {
            let outcome = run.await;
            record.end(&outcome);
            outcome
        });
        let outcome = match era {
            Era::Modern => run.await,
            Era::Legacy => Detach::new(run).await,
        };
        Ok(self.finish(id, era, tool, outcome))
    }

    fn finish(&self, id: &str, era: Era, tool: &ServedTool, outcome: Outcome) -> Answer {
        match outcome {
            Ok(output) => self.results.output(id, era, tool, output),
            Err(Failure::Denied(denied)) => self.results.denial(id, era, &denied),
            Err(Failure::Arguments(text)) => self.results.failure(id, era, &text),
            Err(Failure::Error(error)) => {
                let text = error.into_told(tool.name());
                self.results.failure(id, era, &text)
            }
            Err(Failure::Fault(reference)) => self.results.failure(id, era, &reference.told()),
        }
    }

    fn refuse(
        &self,
        request: &Request<'_>,
        (caller, org): (Option<&Caller>, Option<&Org>),
        refusal: Refusal,
        record: &mut Record,
    ) -> Answer {
        match refusal {
            Refusal::Unauthenticated => {
                record.close("unauthenticated");
                Answer::SignIn
            }
            Refusal::Unavailable(unavailable) => {
                record.close("unavailable");
                Answer::Unavailable(unavailable)
            }
            Refusal::Denied(denied) => {
                record.deny(&denied);
                if let Some(scopes) = self.challenge(&denied)
                    && caller.is_some_and(|caller| {
                        self.step_ups
                            .may_challenge(caller.principal_in(org), scopes)
                    })
                {
                    return Answer::MoreScope(scopes.to_vec());
                }
                self.results.denial(request.id, request.era, &denied)
            }
        }
    }

    /// The scopes that a denial is worth a 403 challenge for.
    fn challenge<'a>(&self, denied: &'a Denied) -> Option<&'a [String]> {
        if self.config.scope_denials_as_results {
            return None;
        }
        match denied {
            Denied::Scope {
                missing,
                curable: true,
            } => Some(missing),
            Denied::Organization { cure, .. } if self.config.organization_step_up => {
                cure.as_deref()
            }
            Denied::Actor
            | Denied::Any { .. }
            | Denied::Authorize(_)
            | Denied::Feature(_)
            | Denied::Organization { .. }
            | Denied::Permission(_)
            | Denied::Plan(_)
            | Denied::Reverification { .. }
            | Denied::Role(_)
            | Denied::Scope { .. }
            | Denied::TokenKind(_)
            | Denied::User => None,
        }
    }

    fn decide(
        &self,
        guard: &Guard,
        caller: Option<&Caller>,
        acting: Result<&Acting, &Unavailable>,
    ) -> Result<Authorized, Refusal> {
        let server_scopes = &self.config.required_scopes;
        decide(
            guard,
            &guard::Facts {
                caller,
                organization: acting.map(|acting| acting.org.as_ref()),
                named_by: acting.map_or_else(|_| NamedBy::default(), |acting| acting.named_by),
                server_scopes,
            },
        )
    }

    /// The organization of a caller, resolved only where something wants it.
    async fn acting(
        &self,
        caller: Option<&Caller>,
        url: &UrlOrg,
        wanted: Option<Facts>,
    ) -> Result<Acting, Unavailable> {
        match (caller, wanted) {
            (Some(caller), Some(facts)) => {
                self.config.organizations.acting(caller, url, facts).await
            }
            (None, _) | (_, None) => Ok(Acting::default()),
        }
    }
}

/// Which facts a guard is decided on.
fn facts(guard: &Guard, trust_token_org: bool) -> Facts {
    if trust_token_org && !guard.uses_membership() {
        Facts::TokenOnly
    } else {
        Facts::Current
    }
}

/// MCP 2025-11-25 brought icons; a legacy request without its version is older than that.
fn knows_icons(request: &Request<'_>) -> bool {
    request.era == Era::Modern || request.mirrored.version == Header::Value(WITH_ICONS)
}

/// The arguments as a slice of the body they came in.
fn raw(body: &ByteString, arguments: &str) -> ByteString {
    if arguments == "{}" {
        return ByteString::from_static("{}");
    }
    body.slice_ref(arguments)
}

/// An unknown name goes back to whoever sent it, but not at any length.
fn shortened(name: &str) -> String {
    name.chars().take(128).collect()
}
