//! Decides whether the use of a tool, a prompt or a resource is allowed, counts the use, runs it,
//! and responds with its result or its denial.

use std::sync::Arc;

use bytestring::ByteString;

use crate::guard::{self, Authorized, Guard, NotAuthorized, decide, needing_scopes};
use crate::identity::{Acting, Caller, Freshness, NamedBy, Unavailable, UrlOrg};
use crate::primitive::{CallEnvironment, Concurrency, Input, Output, Served, Suggestions, Wanted};

use super::super::confirmation_code;
use super::super::decisions::NO_ORGANIZATION;
use super::super::driver::{Driver, Step};
use super::super::era::Era;
use super::super::error::RpcError;
use super::super::rates::{Counting, Limited};
use super::super::record::{Ended, Record};
use super::super::request_state::Bound;
use super::super::results::ReadResource;
use super::super::run_to_completion::Detach;
use super::super::sessions::UntilCancelled;
use super::super::{RefusedMessage, Response};
use super::ask::origin;
use super::converse::Original;
use super::stream::Remaining;
use super::target::{CallEnd, Target};
use super::task_run::NewTask;
use super::{Endpoint, ReplyTo, Request, Stopped, facts};

/// The use of a tool, a prompt or a resource, with its input.
pub(super) struct Use<'a> {
    pub(super) served: &'a Arc<Served>,
    pub(super) input: Input,
    pub(super) target: Target<'a>,
}

impl Endpoint {
    pub(super) async fn perform(
        self: &Arc<Self>,
        caller: Option<&Caller>,
        request: &Request<'_>,
        used: Use<'_>,
    ) -> Result<Response, Stopped> {
        let era = request.era;
        let Use {
            served: tool,
            mut input,
            target,
        } = used;
        let mut record = Record::open(&self.decisions, target.method(), tool, caller);
        self.audit(request, Some((tool, &input)), &mut record)
            .await?;
        let facts = tool
            .wants_organization()
            .then(|| facts(tool.guard(), self.config.trust_token_org));
        let acting = self.acting(caller, request.url_org, facts).await;
        let acting = acting.as_ref();
        let org = acting.map_or(None, |acting| acting.org.as_ref());
        if let Ok(acting) = acting {
            record.acts_in(acting);
        }
        let decision = self.decide_use(tool, caller, acting);
        // A completion does not run the function, so it does not count for the limits of the function.
        let own_limits = !matches!(target, Target::Completion);
        let counting = Counting {
            tool: own_limits.then_some(&**tool),
            allowed: decision.is_ok(),
            caller,
            org,
            party: request.party,
        };
        let limited = |limited: Limited, record: &mut Record| {
            record.limit(limited);
            self.limited(request, target, limited)
        };
        let proof = match decision {
            Ok(proof) => proof,
            Err(NotAuthorized::Denied(denied))
                if !matches!(target, Target::Tool) && !denied.shows(tool.guard()) =>
            {
                record.deny(&denied);
                // The box keeps the futures of all other requests small.
                return Box::pin(self.unknown(caller, request, target, facts)).await;
            }
            Err(refusal) => {
                if let Err(refused) = self.rates.take(counting).await {
                    return limited(refused, &mut record);
                }
                return self.refuse(request, (caller, org), target, refusal, &mut record);
            }
        };
        // Compare the headers after the guard, because the error about a wrong header shows which arguments the tool has. Only
        // an allowed caller may learn the arguments.
        let mut arguments = ByteString::new();
        let mut code = None;
        if let Input::Arguments(written) = &mut input {
            let checked = era.check_arguments(request.mirrored, tool.mirrored(), written);
            if let Err(mismatch) = checked {
                record.fail("a header differs from its argument");
                return Err(mismatch.into());
            }
            if tool.takes_code() {
                let taken = confirmation_code::taken(written);
                *written = taken.arguments;
                code = match taken.code {
                    Ok(code) => code,
                    Err(invalid) => {
                        record.fail("the confirmation code is not valid");
                        return Ok(self.results.failure(request.id, era, &invalid.to_string()));
                    }
                };
            }
            arguments = written.clone();
        }
        // A state is bound to the caller and the arguments. Only an allowed caller learns that the state is not valid.
        let bound_org = self.bound_org(caller, org, tool, request).await;
        let bound_org = bound_org.inspect_err(|_| record.unavailable(NO_ORGANIZATION))?;
        let bound_org = bound_org.as_ref().or(org);
        let origin = origin(
            tool,
            target,
            caller,
            bound_org,
            request.url_org,
            Bound::Text(&arguments),
        );
        let dialogue = self.dialogue(request, tool, origin, code.as_deref());
        let mut dialogue = dialogue.inspect_err(|_| {
            record.fail("the request state is not valid");
        })?;
        let is_retry = dialogue.continues();
        let as_task = Self::runs_as_task(request, caller, tool, target).inspect_err(|_| {
            record.fail("the client has no tasks");
        })?;
        // Check the rates before `concurrency`, so that a call that exceeds a rate never counts as
        // a running call, not even for a moment.
        let concurrency = tool.concurrency().filter(|_| own_limits);
        if concurrency.is_some()
            && let Err(refused) = self.rates.peek(counting).await
        {
            return limited(refused, &mut record);
        }
        let slot = match concurrency.map(Concurrency::take).transpose() {
            Ok(slot) => slot,
            Err(most) => return limited(Limited::Concurrency(most), &mut record),
        };
        let running = match self.calls.enter(caller, org, request.party) {
            Ok(running) => running,
            Err(full) => {
                record.full(full);
                return Err(RefusedMessage::Busy.into());
            }
        };
        // Count the rates last, so that a call that another limit refuses does not count for a
        // rate.
        if let Err(refused) = self.rates.take(counting).await {
            return limited(refused, &mut record);
        }
        if is_retry && tool.confirms() {
            let code = code.as_deref();
            self.use_confirmation(request, &mut dialogue, code, &mut record)
                .await?;
        }
        // A function that runs as a task sends no messages.
        let wanted = match as_task {
            true => Wanted::default(),
            false => self
                .wanted(tool, caller, request)
                .inspect_err(|_| record.fail(NOT_VALID))?,
        };
        let interval = self.config.progress_interval;
        let channel = own_limits.then(|| tool.channel(wanted, interval, dialogue));
        let channel = channel.flatten();
        let env = CallEnvironment {
            states: &self.config.states,
            organizations: &self.config.organizations,
            url_org: request.url_org,
            threads: &self.config.threads,
            party: request.party,
            timeout: match as_task {
                true => self.config.tasks.ttl(),
                false => self.config.timeout,
            },
            channel: channel.as_ref(),
        };
        let route = self.asking_route(request, tool);
        let end = move |outcome| route.end(outcome, &mut record);
        // The box keeps the futures of all requests small.
        let run = Box::pin(tool.call(proof, &env, input, (slot, running), end));
        let end = CallEnd {
            served: tool,
            target,
            caller,
            org,
            named_by: acting.map_or_else(|_| NamedBy::default(), |acting| acting.named_by),
            bound_org,
            url_org: request.url_org,
            arguments: Bound::Text(&arguments),
            is_retry,
            route,
            has_head: true,
        };
        if as_task && let Some(channel) = channel {
            let task = NewTask {
                end,
                arguments: &arguments,
                work: run,
            };
            return Box::pin(self.begin_task(request, task, channel)).await;
        }
        let run = UntilCancelled::new(request.session, run);
        let step = match channel.filter(|channel| channel.is_used()) {
            None => Step::End(match era {
                Era::Modern => run.await,
                Era::Legacy => Detach::new(run).await,
            }),
            // The box keeps the futures of all other requests small.
            Some(channel) => Box::pin(Driver::start(run, channel, era)).await,
        };
        match step {
            Step::End(outcome) => self.conclude(request.reply_to(), end, outcome),
            Step::Message(first, driver) => {
                let remaining = Remaining::new(self, request, &end, driver)?;
                match (request.continuation, Original::of(caller, request)) {
                    (Some(continuation), _) => {
                        Box::pin(remaining.write(first, &continuation.writer)).await
                    }
                    (None, original) => {
                        let events = match original {
                            Some(original) => remaining.stream_of_session(first, original),
                            None => remaining.stream(&first),
                        };
                        Ok(Response::Stream(self.until_revoked(events, caller, org)))
                    }
                }
            }
        }
    }

    /// Returns the kinds of messages that the function may send. These are the kinds that the client asked for, or none
    /// if the client accepts no stream of events.
    fn wanted(
        &self,
        served: &Served,
        caller: Option<&Caller>,
        request: &Request<'_>,
    ) -> Result<Wanted, RpcError> {
        if !served.uses_context() || !request.streams {
            return Ok(Wanted::default());
        }
        let asked = request.asked()?;
        let level = match request.era {
            Era::Legacy => self.legacy_level(caller, request),
            Era::Modern => asked.level,
        };
        Ok(Wanted {
            progress: asked.token.is_some(),
            level,
            closing: request.polls(),
        })
    }

    /// Responds with the outcome of a call.
    pub(super) fn conclude(
        &self,
        reply_to: ReplyTo<'_>,
        end: CallEnd<'_>,
        outcome: Result<Output, Ended>,
    ) -> Result<Response, Stopped> {
        let CallEnd {
            served,
            target,
            caller,
            org,
            named_by,
            has_head,
            ..
        } = end;
        match outcome {
            Err(Ended::Asking(asking)) => self.ask(reply_to, end, asking),
            Err(Ended::NeedsScopes(scopes)) if !matches!(target, Target::Completion) => {
                let Some(caller) = caller else {
                    return Err(RefusedMessage::SignIn { scopes }.into());
                };
                let server_scopes = &self.config.required_scopes;
                let guard = served.guard();
                let denied = needing_scopes(guard, (caller, org), named_by, server_scopes, &scopes);
                self.denied(reply_to, (Some(caller), org), target, denied, has_head)
            }
            outcome => self.finish(reply_to, end, outcome),
        }
    }

    /// Responds to a request for a prompt or a resource that does not exist, or that the caller may not know of. In
    /// both cases the server looks up the organization and counts the request for its rates, so neither the time nor
    /// the status shows whether the name exists. `looked_up` says which organization was already looked up.
    pub(super) async fn unknown(
        &self,
        caller: Option<&Caller>,
        request: &Request<'_>,
        target: Target<'_>,
        looked_up: Option<Freshness>,
    ) -> Result<Response, Stopped> {
        if looked_up != self.hidden {
            let acting = self.acting(caller, request.url_org, self.hidden).await;
            acting.map_err(RefusedMessage::Unavailable)?;
        }
        let counting = Counting {
            tool: None,
            allowed: false,
            caller,
            org: None,
            party: request.party,
        };
        if let Err(refused) = self.rates.take(counting).await {
            self.config.metrics.limit_hit(refused.name());
            return self.limited(request, target, refused);
        }
        match target {
            Target::Completion => {
                let none = Suggestions::none();
                Ok(self.results.completion(request.id, request.era, &none))
            }
            Target::Prompt { .. } | Target::Resource { .. } | Target::Tool => {
                Err(target.unknown(request.era).into())
            }
        }
    }

    fn finish(
        &self,
        ReplyTo { id, era, .. }: ReplyTo<'_>,
        CallEnd {
            served,
            target,
            is_retry,
            ..
        }: CallEnd<'_>,
        outcome: Result<Output, Ended>,
    ) -> Result<Response, Stopped> {
        Ok(match (outcome, target) {
            (Ok(Output::Tool(output)), _) => self.results.output(id, era, served, output),
            (Ok(Output::Prompt(prompt)), _) => {
                self.results.prompt(id, era, served.description(), &prompt)
            }
            (Ok(Output::Resource(output)), Target::Resource { uri }) => {
                match (output.contents, served.resource()) {
                    (Some(contents), Some(traits)) => {
                        let read = ReadResource {
                            uri,
                            traits,
                            is_shared: served.is_shared(),
                            is_retry,
                            contents: &contents,
                        };
                        self.results.resource(id, era, &read)
                    }
                    (None, _) | (Some(_), None) => return Err(target.unknown(era).into()),
                }
            }
            (Ok(Output::Resource(_)), _) => return Err(target.unknown(era).into()),
            (Ok(Output::Suggestions(suggestions)), _) => {
                self.results.completion(id, era, &suggestions)
            }
            (Err(Ended::NoThread), _) => return Err(RefusedMessage::NoThread.into()),
            (Err(Ended::Denied(denied)), Target::Tool) => {
                self.results.denial(id, era, &denied, None)
            }
            (
                Err(Ended::Arguments(text) | Ended::Error(text) | Ended::Fault(text)),
                Target::Tool,
            ) => self.results.failure(id, era, &text),
            (Err(_), Target::Completion) => self.results.completion(id, era, &Suggestions::none()),
            (Err(Ended::Asking(_) | Ended::Denied(_) | Ended::NeedsScopes(_)), _) => {
                return Err(target.unknown(era).into());
            }
            (Err(Ended::Arguments(text)), _) => return Err(RpcError::Arguments(text).into()),
            (Err(Ended::Error(text) | Ended::Fault(text)), _) => {
                return Err(RpcError::Failed(text).into());
            }
        })
    }

    /// Responds to a request that a limit refused: with a result for a tool, and otherwise with an
    /// error.
    fn limited(
        &self,
        request: &Request<'_>,
        target: Target<'_>,
        limited: Limited,
    ) -> Result<Response, Stopped> {
        match target {
            Target::Tool => Ok(self.results.limited(request.id, request.era, limited)),
            Target::Completion | Target::Prompt { .. } | Target::Resource { .. } => {
                Err(Stopped::Error(RpcError::Limited {
                    text: limited.to_string(),
                    retry_after: limited.retry_after(),
                }))
            }
        }
    }

    pub(super) fn decide(
        &self,
        guard: &Guard,
        caller: Option<&Caller>,
        acting: Result<&Acting, &Unavailable>,
    ) -> Result<Authorized, NotAuthorized> {
        let server_scopes = &self.config.required_scopes;
        decide(
            guard,
            &guard::CallFacts {
                caller,
                organization: acting.map(|acting| acting.org.as_ref()),
                named_by: acting.map_or_else(|_| NamedBy::default(), |acting| acting.named_by),
                server_scopes,
            },
        )
    }

    /// Resolves the organization of the caller. `wanted` says how current the organization must be. `None` if the
    /// request uses no organization.
    pub(super) async fn acting(
        &self,
        caller: Option<&Caller>,
        url: &UrlOrg,
        wanted: Option<Freshness>,
    ) -> Result<Acting, Unavailable> {
        match (caller, wanted) {
            (Some(caller), Some(facts)) => {
                self.config.organizations.acting(caller, url, facts).await
            }
            (None, _) | (_, None) => Ok(Acting::default()),
        }
    }
}

const NOT_VALID: &str = "the request is not valid";
