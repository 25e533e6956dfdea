//! `subscriptions/listen`: decides which notifications a caller may get, and opens the stream.

use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::time::{Instant, timeout_at};

use crate::guard::NotAuthorized;
use crate::identity::{Acting, BearerToken, Caller, TokenKind, Unavailable, UrlOrg};
use crate::limits::Party;
use crate::primitive::{CallEnvironment, ChangedLists, Failure, Input, List, Notifier, Outcome};

use super::super::error::RpcError;
use super::super::rates::Counting;
use super::super::record::Record;
use super::super::subscriptions::Filter;
use super::super::{RefusedMessage, Response};
use super::listening::{Listening, Watched};
use super::{Endpoint, Request, Sender, Stopped, facts};

/// The caller of a stream, with the data that decisions about the caller need.
#[derive(Debug)]
pub(super) struct Reader {
    /// `None` if the stream was opened without a token.
    pub(super) caller: Option<Caller>,
    pub(super) url_org: UrlOrg,
    pub(super) party: Party,
    /// The organization in which the caller acted when the stream was opened. `None` if there was none, or if no
    /// resource of the server uses an organization.
    pub(super) org: Option<String>,
}

/// Whether a run of an `authorize` function counts for the rates of the server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cost {
    /// The client asked for the decision.
    Counts,
    /// The application published a change.
    Free,
}

/// Why it cannot be decided now whether a caller may read a resource.
#[derive(Debug)]
pub(super) enum Undecided {
    /// Too many calls are in flight, so `authorize` did not run.
    Busy,
    /// The `authorize` function failed. The log has the details.
    Failed,
    /// A rate of the server is exceeded.
    Limited(RpcError),
    /// The organization cannot be looked up.
    Unavailable(Unavailable),
}

impl From<Undecided> for Stopped {
    fn from(undecided: Undecided) -> Self {
        match undecided {
            Undecided::Busy | Undecided::Failed => RefusedMessage::Busy.into(),
            Undecided::Limited(error) => error.into(),
            Undecided::Unavailable(unavailable) => RefusedMessage::Unavailable(unavailable).into(),
        }
    }
}

impl Endpoint {
    /// Returns the notifier whose notifications this endpoint sends.
    pub(crate) fn notifier(&self) -> &Notifier {
        &self.config.states.notifier
    }

    /// Responds to `subscriptions/listen`. The acknowledgement leaves out the URI of a resource that the caller may
    /// not read, as it leaves out an unknown URI. For both the server looks the organization up and counts the request
    /// for its rates.
    pub(super) async fn listen(
        self: &Arc<Self>,
        sender: Sender<'_>,
        request: &Request<'_>,
    ) -> Result<Response, Stopped> {
        let asked = Filter::read(request.params.notifications())?;
        if !request.streams {
            return Err(RefusedMessage::NoEvents.into());
        }
        let (caller, url) = (sender.caller, request.url_org);
        self.count(caller, sender.party).await?;
        let org = self.organization(caller, url).await;
        let org = org.map_err(RefusedMessage::Unavailable)?;
        let entered = self
            .config
            .streams
            .enter(caller, org.org.as_ref(), sender.party);
        let mut place = entered.map_err(|_| RefusedMessage::Subscriptions)?;
        let reader = Reader {
            caller: caller.cloned(),
            url_org: url.clone(),
            party: sender.party,
            org: org.org.map(|org| org.id().to_owned()),
        };
        let lists = ChangedLists {
            prompts: asked.lists.prompts && self.serves(List::Prompts),
            resources: asked.lists.resources && self.serves(List::Resources),
            tools: asked.lists.tools && self.serves(List::Tools),
        };
        let watched = self.watched(lists, &reader).await?;
        let mut subscription = self.notifier().open(reader.org.clone(), lists);
        let mut honored = Filter {
            lists,
            uris: Vec::new(),
        };
        // A caller whose `authorize` functions are slow gets the acknowledgement in time, without their URIs.
        let deadline = Instant::now().checked_add(self.config.timeout);
        let deadline = deadline.unwrap_or_else(Instant::now);
        for uri in asked.uris {
            let decided = Box::pin(self.may_read(&reader, &uri, Cost::Counts));
            match timeout_at(deadline, decided).await {
                Ok(Ok(true)) => {}
                Ok(Ok(false) | Err(Undecided::Failed)) | Err(_) => continue,
                Ok(Err(undecided)) => return Err(undecided.into()),
            }
            let added = self.config.streams.add_uri(&mut place, &uri);
            added.map_err(|_| RefusedMessage::Subscriptions)?;
            subscription.add(&uri);
            honored.uris.push(uri);
        }
        let token = sender.token.map(|token| BearerToken::new(token).keep());
        let listening = Listening::new(self, request.id, reader, token, (subscription, place))
            .watching(watched);
        Ok(Response::Stream(listening.stream(&honored)))
    }

    /// Counts a stream, or a run of an `authorize` function, for the rates of the server.
    async fn count(&self, caller: Option<&Caller>, party: Party) -> Result<(), RpcError> {
        let counting = Counting {
            tool: None,
            allowed: false,
            caller,
            org: None,
            party,
        };
        let taken = self.rates.take(counting).await;
        taken.map_err(|limited| {
            self.config.metrics.limit_hit(limited.name());
            RpcError::Limited {
                text: limited.to_string(),
                retry_after: limited.retry_after(),
            }
        })
    }

    /// Returns the organization that decisions about the server's resources use. It is looked up whatever the client
    /// asks for, so neither the time nor an error shows whether a URI exists.
    async fn organization(
        &self,
        caller: Option<&Caller>,
        url: &UrlOrg,
    ) -> Result<Acting, Unavailable> {
        self.acting(caller, url, self.hidden).await
    }

    /// Returns the lists whose visible entries depend on the caller's current membership, with the entries that the
    /// caller sees now.
    async fn watched(&self, lists: ChangedLists, reader: &Reader) -> Result<Vec<Watched>, Stopped> {
        let kind = reader.caller.as_ref().map(Caller::token_kind);
        // The server looks up the memberships of OAuth callers only.
        if kind != Some(TokenKind::OAuth) {
            return Ok(Vec::new());
        }
        let mut watched = Vec::new();
        for list in List::ALL {
            let is_asked = match list {
                List::Prompts => lists.prompts,
                List::Resources | List::Templates => lists.resources,
                List::Tools => lists.tools,
            };
            if is_asked && self.depends_on_membership(list) {
                let visible = self.visible(list, reader.caller.as_ref(), &reader.url_org);
                let visible = visible.await?;
                watched.push(Watched { list, visible });
            }
        }
        Ok(watched)
    }

    /// Decides whether a caller may read a resource now: by the guard, with a membership that is at most 30 s old, and
    /// by `authorize`. The function of the resource does not run. False for an unknown URI. Only a caller whom the guard
    /// allows learns from the rates that a URI has an `authorize`.
    pub(super) async fn may_read(
        self: &Arc<Self>,
        reader: &Reader,
        uri: &str,
        cost: Cost,
    ) -> Result<bool, Undecided> {
        let Some((served, values)) = self.config.registry.find_resource(uri) else {
            return Ok(false);
        };
        let caller = reader.caller.as_ref();
        let facts = served
            .wants_organization()
            .then(|| facts(served.guard(), self.config.trust_token_org));
        let acting = self.acting(caller, &reader.url_org, facts).await;
        let decision = match acting.as_ref() {
            Err(unavailable) if served.takes_organization() => {
                Err(NotAuthorized::Unavailable(*unavailable))
            }
            acting => self.decide(served.guard(), caller, acting),
        };
        let proof = match decision {
            Ok(proof) => proof,
            Err(NotAuthorized::Unavailable(unavailable)) => {
                return Err(Undecided::Unavailable(unavailable));
            }
            Err(NotAuthorized::Denied(_) | NotAuthorized::Unauthenticated) => return Ok(false),
        };
        // Changes in one organization must not reach the caller in another.
        let org = proof.organization();
        if let Some(org) = org
            && reader.org.as_deref() != Some(org.id())
        {
            return Ok(false);
        }
        if served.access_rule().rule.is_none() {
            return Ok(true);
        }
        if cost == Cost::Counts {
            let counted = self.count(caller, reader.party).await;
            counted.map_err(Undecided::Limited)?;
        }
        let running = self.calls.enter(caller, org, reader.party);
        let running = running.map_err(|full| {
            self.config.metrics.limit_hit(full.limit());
            Undecided::Busy
        })?;
        let values = values.into_iter();
        let values: Map<_, _> = values
            .map(|(name, value)| (name.to_owned(), Value::from(value)))
            .collect();
        let input = Input::Authorize(Value::Object(values).to_string().into());
        let env = CallEnvironment {
            states: &self.config.states,
            organizations: &self.config.organizations,
            url_org: &reader.url_org,
            threads: &self.config.threads,
            party: reader.party,
            timeout: self.config.timeout,
            channel: None,
        };
        let mut record = Record::open_for_decision(&self.log, served, caller);
        record.acts_in(org);
        let answer = move |outcome| answer(outcome, record);
        served.call(proof, &env, input, running, answer).await
    }
}

/// Returns the answer of an `authorize` function, and logs it.
fn answer(outcome: Outcome, mut record: Record) -> Result<bool, Undecided> {
    let failure = match outcome {
        Err(Failure::Allowed) => {
            record.close("allowed");
            return Ok(true);
        }
        // The function itself never runs.
        Ok(_) => return Ok(false),
        Err(failure) => failure,
    };
    let undecided = match &failure {
        Failure::Error(error) if error.is_internal() => Some(Undecided::Failed),
        Failure::NoThread => Some(Undecided::Busy),
        Failure::Allowed
        | Failure::Arguments(_)
        | Failure::Asking(_)
        | Failure::Denied(_)
        | Failure::Error(_)
        | Failure::Fault(..)
        | Failure::Rules(_) => None,
    };
    let _ = record.end(Err(failure));
    undecided.map_or(Ok(false), Err)
}
