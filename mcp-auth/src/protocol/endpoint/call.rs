//! `tools/call`: decides whether a call is allowed, counts it, runs it, and responds with its
//! result or its denial.

use bytestring::ByteString;

use crate::guard::{self, Authorized, Denied, Guard, NotAuthorized, decide};
use crate::identity::{Acting, Caller, Freshness, NamedBy, Org, Unavailable, UrlOrg};
use crate::tool::{CallEnvironment, Concurrency, Reference, ServedTool, ToolOutput};

use super::super::challenge::{Challenge, Challenger};
use super::super::era::Era;
use super::super::error::RpcError;
use super::super::rates::{Counting, Limited};
use super::super::record::{self, Ended, Record};
use super::super::run_to_completion::Detach;
use super::super::{RefusedMessage, Response, WiderToken};
use super::{Endpoint, Request, Stopped, facts};

impl Endpoint {
    pub(super) async fn call(
        &self,
        caller: Option<&Caller>,
        request: &Request<'_>,
    ) -> Result<Response, Stopped> {
        let Request { id, era, .. } = *request;
        let name = request.params.name()?;
        era.check_name(request.mirrored, &name)?;
        let Some(tool) = self.config.registry.find(&name) else {
            record::unknown_tool(caller);
            return Err(RpcError::UnknownTool(shortened(&name)).into());
        };
        let arguments = request.params.arguments()?;
        let mut record = Record::open(&self.log, tool, caller);
        let facts = tool
            .wants_organization()
            .then(|| facts(tool.guard(), self.config.trust_token_org));
        let acting = self.acting(caller, request.url_org, facts).await;
        let acting = acting.as_ref();
        let org = acting.map_or(None, |acting| acting.org.as_ref());
        record.acts_in(org);
        let decision = match acting {
            Err(unavailable) if tool.takes_organization() => {
                Err(NotAuthorized::Unavailable(*unavailable))
            }
            acting => self.decide(tool.guard(), caller, acting),
        };
        let counting = Counting {
            tool,
            allowed: decision.is_ok(),
            caller,
            org,
            party: request.party,
        };
        let limited = |limited: Limited, record: &mut Record| {
            record.limit(limited);
            Ok(self.results.limited(id, era, limited))
        };
        let proof = match decision {
            Ok(proof) => proof,
            Err(refusal) => {
                if let Err(refused) = self.rates.take(counting).await {
                    return limited(refused, &mut record);
                }
                return Ok(self.refuse(request, (caller, org), refusal, &mut record)?);
            }
        };
        // Check the rates before `concurrency`, so that a call that exceeds a rate never counts as
        // a running call, not even for a moment.
        if tool.concurrency().is_some()
            && let Err(refused) = self.rates.peek(counting).await
        {
            return limited(refused, &mut record);
        }
        let slot = match tool.concurrency().map(Concurrency::take).transpose() {
            Ok(slot) => slot,
            Err(most) => return limited(Limited::Concurrency(most), &mut record),
        };
        let running = match self.calls.enter(caller, org, request.party) {
            Ok(running) => running,
            Err(full) => {
                record.fail(full.reason(), Reference::new());
                return Err(RefusedMessage::Busy.into());
            }
        };
        // Count the rates last, so that a call that another limit refuses does not count for a
        // rate.
        if let Err(refused) = self.rates.take(counting).await {
            return limited(refused, &mut record);
        }
        let arguments = raw(request.body, arguments);
        let env = CallEnvironment {
            states: &self.config.states,
            organizations: &self.config.organizations,
            url_org: request.url_org,
            threads: &self.config.threads,
            party: request.party,
            timeout: self.config.timeout,
        };
        let run = tool.call(proof, &env, arguments, (slot, running));
        // The box keeps the futures of all requests small.
        let run = Box::pin(async move {
            let outcome = run.await;
            record.end(outcome)
        });
        let outcome = match era {
            Era::Modern => run.await,
            Era::Legacy => Detach::new(run).await,
        };
        self.finish(id, era, tool, outcome)
    }

    pub(super) fn finish(
        &self,
        id: &str,
        era: Era,
        tool: &ServedTool,
        outcome: Result<ToolOutput, Ended>,
    ) -> Result<Response, Stopped> {
        Ok(match outcome {
            Ok(output) => self.results.output(id, era, tool, output),
            Err(Ended::Denied(denied)) => self.results.denial(id, era, &denied, None),
            Err(Ended::NoThread) => return Err(RefusedMessage::NoThread.into()),
            Err(Ended::ToolError(text)) => self.results.failure(id, era, &text),
        })
    }

    pub(super) fn refuse(
        &self,
        request: &Request<'_>,
        (caller, org): (Option<&Caller>, Option<&Org>),
        refusal: NotAuthorized,
        record: &mut Record,
    ) -> Result<Response, RefusedMessage> {
        match refusal {
            NotAuthorized::Unauthenticated => {
                record.close("unauthenticated");
                Err(RefusedMessage::SignIn { scopes: Vec::new() })
            }
            NotAuthorized::Unavailable(unavailable) => {
                record.fail(
                    "the data for the decision cannot be looked up now",
                    Reference::new(),
                );
                Err(RefusedMessage::Unavailable(unavailable))
            }
            NotAuthorized::Denied(denied) => {
                record.deny(&denied);
                let challenge = caller
                    .and_then(|caller| self.challenge(&denied, (caller, org), request.challenger));
                match challenge {
                    Some(challenge) if self.is_answered_with_403(&denied) => {
                        Err(RefusedMessage::MoreScope(Box::new(WiderToken {
                            denied,
                            challenge,
                        })))
                    }
                    challenge => {
                        let challenge = challenge.as_ref();
                        Ok(self
                            .results
                            .denial(request.id, request.era, &denied, challenge))
                    }
                }
            }
        }
    }

    /// Returns the challenge for a denial, if a new token would help. A client gets at most two
    /// challenges for the same scopes within five minutes.
    pub(super) fn challenge(
        &self,
        denied: &Denied,
        (caller, org): (&Caller, Option<&Org>),
        challenger: &Challenger,
    ) -> Option<Challenge> {
        let scopes = denied.cure()?;
        let principal = caller.principal_in(org);
        let may = self.step_ups.may_challenge(principal, scopes);
        may.then(|| challenger.wider_token(denied, scopes))
    }

    /// Returns true if a denial with a challenge becomes an HTTP 403, and false if it becomes an
    /// `isError` result.
    fn is_answered_with_403(&self, denied: &Denied) -> bool {
        if self.config.scope_denials_as_results {
            return false;
        }
        match denied {
            Denied::Scope { .. } => true,
            Denied::Organization { .. } => self.config.organization_step_up,
            Denied::Actor
            | Denied::Any { .. }
            | Denied::Authorize { .. }
            | Denied::Feature(_)
            | Denied::Permission(_)
            | Denied::Plan(_)
            | Denied::Reverification { .. }
            | Denied::Role(_)
            | Denied::TokenKind(_)
            | Denied::User => false,
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

    /// Resolves the organization of the caller, if the tool uses an organization.
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

/// Returns the arguments as a slice of the body that contains them.
fn raw(body: &ByteString, arguments: &str) -> ByteString {
    if arguments == "{}" {
        return ByteString::from_static("{}");
    }
    body.slice_ref(arguments)
}

/// Shortens a tool name that the client sent, because the error repeats the name.
fn shortened(name: &str) -> String {
    name.chars().take(128).collect()
}
