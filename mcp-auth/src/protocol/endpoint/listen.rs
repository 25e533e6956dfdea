//! `subscriptions/listen`: decides which notifications a caller may get, and opens the stream.

use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::time::{Instant, timeout_at};

use crate::audit::AuditOutcome;
use crate::guard::NotAuthorized;
use crate::identity::{Acting, Caller, Unavailable, UrlOrg};
use crate::limits::Party;
use crate::primitive::{CallEnvironment, ChangedLists, Failure, Input, List, Notifier, Outcome};

use super::super::decisions::UNDECIDED;
use super::super::error::RpcError;
use super::super::method::Method;
use super::super::rates::{Counting, Limited};
use super::super::record::Record;
use super::super::subscriptions::{Filter, Seen};
use super::super::{RefusedMessage, Response};
use super::list_watch::ListWatch;
use super::listening::Listening;
use super::reader::{Cost, Reader};
use super::task::{declares_tasks, lacks_tasks, limited};
use super::task_watch::TaskWatch;
use super::token_watch::TokenWatch;
use super::{Endpoint, Request, Sender, Stopped, facts};

/// The reason why the server cannot decide now whether a caller may read a resource.
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
    /// Returns the notifier through which the application publishes changes.
    pub(crate) fn notifier(&self) -> &Notifier {
        &self.config.states.notifier
    }

    /// Responds to `subscriptions/listen`. The acknowledgement leaves out an unknown URI, and in the same way the URI of a
    /// resource that the caller may not read. For each such URI, the server looks up the organization and counts one request
    /// against the rates of the server. Each task to which the client subscribes also counts as one request.
    pub(super) async fn listen(
        self: &Arc<Self>,
        sender: Sender<'_>,
        request: &Request<'_>,
    ) -> Result<Response, Stopped> {
        let asked = Filter::read(request.params.notifications())?;
        if !request.streams {
            return Err(RefusedMessage::NoEvents.into());
        }
        let has_tasks = self.config.registry.has_tasks();
        let task_ids = Some(asked.task_ids).filter(|ids| has_tasks && !ids.is_empty());
        if task_ids.is_some() && !declares_tasks(request)? {
            return Err(lacks_tasks(request.era).into());
        }
        let (caller, url) = (sender.caller, request.url_org);
        self.count_stream(caller, sender.party).await?;
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
        let lists = self.served_lists(asked.lists);
        let watched = self.watched(lists, &reader).await?;
        let mut subscription = self.notifier().open(reader.org.clone(), lists);
        let mut honored = Filter {
            lists,
            ..Filter::default()
        };
        // If the `authorize` functions are slow, send the acknowledgement in time, without the undecided URIs.
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
        let mut tasks = TaskWatch::new(self);
        for id in task_ids.unwrap_or_default() {
            let (Some(caller), true) = (caller, Instant::now() < deadline) else {
                break;
            };
            self.count_stream(Some(caller), sender.party).await?;
            let trace_id = self.trace_id(request);
            let found = self.current_task(caller, (url, &id), Method::Listen, trace_id);
            match Box::pin(found).await {
                Ok(_) => {}
                Err(Stopped::Error(RpcError::InvalidParams(_))) => continue,
                Err(stopped) => return Err(stopped),
            }
            let added = self.config.streams.add_uri(&mut place, &id);
            added.map_err(|_| RefusedMessage::Subscriptions)?;
            tasks.add(&id);
            honored.task_ids.push(id);
        }
        let token = TokenWatch::new(self, sender.token);
        let opened = (subscription, tasks, place);
        let listening = Listening::new(self, request.id, reader, token, watched, opened);
        Ok(Response::Stream(listening.stream(&honored)))
    }

    /// Counts a stream, or a run of an `authorize` function, for the rates of the server.
    async fn count(&self, caller: Option<&Caller>, party: Party) -> Result<(), Limited> {
        let counting = Counting {
            tool: None,
            allowed: false,
            caller,
            org: None,
            party,
        };
        self.rates.take(counting).await
    }

    /// Counts a stream, or a task that a stream watches, for the rates of the server.
    async fn count_stream(&self, caller: Option<&Caller>, party: Party) -> Result<(), RpcError> {
        let counted = self.count(caller, party).await;
        counted.map_err(|refused| {
            self.config.metrics.limit_hit(refused.name());
            limited(refused)
        })
    }

    /// Returns the organization that decisions about the server's resources use. The server looks the organization up for
    /// every URI, so neither the time nor an error shows whether a URI exists.
    pub(super) async fn organization(
        &self,
        caller: Option<&Caller>,
        url: &UrlOrg,
    ) -> Result<Acting, Unavailable> {
        self.acting(caller, url, self.hidden).await
    }

    /// Returns the watch of the lists that depend on the caller's current membership, and the entries that the caller sees
    /// in these lists now.
    async fn watched(
        &self,
        lists: ChangedLists,
        reader: &Reader,
    ) -> Result<(ListWatch, Seen), Stopped> {
        let watch = ListWatch::new(self, lists, reader);
        let mut seen = Seen::default();
        for list in watch.lists() {
            let visible = self.visible(*list, reader.caller.as_ref(), &reader.url_org);
            seen.record(*list, visible.await?);
        }
        Ok((watch.compared_now(self), seen))
    }

    /// Leaves out the lists that the server does not have.
    pub(super) fn served_lists(&self, lists: ChangedLists) -> ChangedLists {
        ChangedLists {
            prompts: lists.prompts && self.serves(List::Prompts),
            resources: lists.resources && self.serves(List::Resources),
            tools: lists.tools && self.serves(List::Tools),
        }
    }

    /// Decides whether a caller may read a resource now. The guard decides with a membership that was looked up at most
    /// 30 s ago, and then `authorize` decides. The function of the resource does not run. Returns false for an unknown
    /// URI. Only a caller whom the guard allows can learn from the rates that a resource has an `authorize` function.
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
        let mut record = Record::open(&self.decisions, cost.method(), served, caller);
        if self.decisions.audits() {
            record.reserve().await.map_err(|_| Undecided::Busy)?;
        }
        let facts = served
            .wants_organization()
            .then(|| facts(served.guard(), self.config.trust_token_org));
        let acting = self.acting(caller, &reader.url_org, facts).await;
        if let Ok(acting) = &acting {
            record.acts_in(acting);
        }
        let decision = self.decide_use(served, caller, acting.as_ref());
        let proof = match decision {
            Ok(proof) => proof,
            Err(NotAuthorized::Unavailable(unavailable)) => {
                record.unavailable(UNDECIDED);
                return Err(Undecided::Unavailable(unavailable));
            }
            Err(NotAuthorized::Denied(denied)) => {
                record.deny(&denied);
                return Ok(false);
            }
            Err(NotAuthorized::Unauthenticated) => {
                record.close(AuditOutcome::Unauthenticated);
                return Ok(false);
            }
        };
        // Changes in one organization must not reach the caller in another.
        let org = proof.organization();
        if let Some(org) = org
            && reader.org.as_deref() != Some(org.id())
        {
            record.fail("the caller has changed the organization");
            return Ok(false);
        }
        if served.access_rule().rule.is_none() {
            record.close(AuditOutcome::Allowed);
            return Ok(true);
        }
        if cost == Cost::Counts {
            let counted = self.count(caller, reader.party).await;
            counted.map_err(|refused| {
                record.limit(refused);
                Undecided::Limited(limited(refused))
            })?;
        }
        let running = self.calls.enter(caller, org, reader.party);
        let running = running.map_err(|full| {
            record.full(full);
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
        let answer = move |outcome| answer(outcome, record);
        served.call(proof, &env, input, running, answer).await
    }
}

/// Returns the decision of an `authorize` function, and logs the decision.
fn answer(outcome: Outcome, mut record: Record) -> Result<bool, Undecided> {
    let failure = match outcome {
        Err(Failure::Allowed) => {
            record.close(AuditOutcome::Allowed);
            return Ok(true);
        }
        // The function of the resource itself never runs.
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
