//! The place where every decision ends, with all its facts.
//!
//! A decision is about the use of a tool, a prompt or a resource, about a list, or about a name that does not exist.
//! [`Decisions::ended`] gets each decision exactly once, also the decision about a call that was dropped before its end.
//! `ended` writes the log line, counts the decision for metrics, and writes the record if the server has an audit log. The
//! log, the metrics, the span of the request and the audit log have the same names of outcomes.
//!
//! At `info`, only a decision with a reason has a line, with the outcome, the reason and the duration. A line at `info`
//! contains neither the caller nor the arguments. At `debug`, every decision about a primitive
//! has a line with its caller.

use std::sync::Arc;
use std::time::Duration;

use tracing::Level;

use crate::audit::{Audit, AuditOutcome};
use crate::guard::Denied;
use crate::identity::{Actor, Caller, Clock, LogThrottle, Org};
use crate::metrics::Metrics;
use crate::primitive::{LogName, Reference, Served};

use super::audited::{self, Audited};
use super::method::Method;
use super::rates::Limited;
use super::span::record_outcome;

/// Receives the decisions of a server.
#[derive(Debug)]
pub(super) struct Decisions {
    clock: Arc<dyn Clock>,
    /// `None` if the server has no audit log.
    audit: Option<Arc<Audit>>,
    metrics: Metrics,
    /// Throttles the lines of calls without a token, because anyone can cause them.
    anonymous: LogThrottle,
    /// Throttles the lines of calls with a token that a limit refused, because one caller can cause
    /// any number of them.
    limited: LogThrottle,
}

/// A decision that the server has made, and the end of the call that it allowed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decision<'a> {
    pub(super) method: Method,
    pub(super) about: About<'a>,
    /// `None` for a request without a token.
    pub(super) caller: Option<&'a Caller>,
    /// The organization in which the caller acts. `None` if the caller acts in no organization, or if the decision did not
    /// look the organization up.
    pub(super) org: Option<&'a Org>,
    pub(super) outcome: AuditOutcome,
    pub(super) cause: Cause<'a>,
    /// The uptime at which the decision began. `None` if the decision took no time.
    pub(super) since: Option<Duration>,
    /// True if metrics count the decision as a call.
    pub(super) is_call: bool,
}

/// The cause of an outcome that needs attention. Any other outcome has the default, which is empty.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cause<'a> {
    /// The requirement that was not met.
    pub(super) denied: Option<&'a Denied>,
    /// The setting of the limit that was exceeded.
    pub(super) limit: Option<&'static str>,
    /// The reason, which contains no text that a client chose.
    pub(super) reason: Option<&'a str>,
    /// The error id.
    pub(super) request: Option<Reference>,
}

/// The thing that a decision is about.
#[derive(Clone, Copy, Debug)]
pub(super) enum About<'a> {
    /// A list, or a request that names no tool, no prompt and no resource.
    Request,
    Served(&'a Served),
    /// A name that does not exist. The name itself is left out, because the caller chose it.
    Unknown(Kind),
}

/// The kind of an unknown name: a prompt, a resource, a task or a tool.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Prompt,
    Resource,
    Task,
    Tool,
}

impl<'a> Cause<'a> {
    /// The cause of a call that a rate or `concurrency` refused. `reason` is the limit as declared.
    pub(super) fn of_limit(limited: Limited, reason: &'a str) -> Self {
        Self {
            limit: Some(limited.name()),
            reason: Some(reason),
            ..Self::default()
        }
    }

    /// The cause of a denial. `reason` is the requirement in words.
    pub(super) fn of_denial(denied: &'a Denied, reason: &'a str) -> Self {
        Self {
            denied: Some(denied),
            reason: Some(reason),
            ..Self::default()
        }
    }
}

impl<'a> Decision<'a> {
    /// Makes a decision that takes no time.
    fn at_once(
        method: Method,
        about: About<'a>,
        caller: Option<&'a Caller>,
        outcome: AuditOutcome,
    ) -> Self {
        Self {
            method,
            about,
            caller,
            org: None,
            outcome,
            cause: Cause::default(),
            since: None,
            is_call: method.is_call(),
        }
    }
}

impl Kind {
    /// Returns the name in metrics and in the audit log.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Prompt => "prompt",
            Self::Resource => "resource",
            Self::Task => "task",
            Self::Tool => "tool",
        }
    }
}

impl Decisions {
    pub(super) fn new(clock: Arc<dyn Clock>, audit: Option<Arc<Audit>>, metrics: Metrics) -> Self {
        Self {
            clock,
            audit,
            metrics,
            anonymous: LogThrottle::default(),
            limited: LogThrottle::default(),
        }
    }

    /// Returns the uptime at which a decision begins.
    pub(super) fn begin(&self) -> Duration {
        self.clock.uptime()
    }

    /// Returns true if decisions about lists are recorded. A decision about a list has no log line, so only the audit log
    /// needs it.
    pub(super) fn keeps_lists(&self) -> bool {
        self.audits()
    }

    /// Returns true if the server has an audit log.
    pub(super) fn audits(&self) -> bool {
        self.audit.is_some()
    }

    /// Returns the audit log, if the server has one.
    pub(super) fn audit(&self) -> Option<&Arc<Audit>> {
        self.audit.as_ref()
    }

    /// Receives a decision that has ended, with the facts that only the audit log needs.
    pub(super) fn ended(&self, decision: &Decision<'_>, audited: Option<Audited>) {
        self.log(decision);
        self.count(decision);
        if let Some(audit) = &self.audit {
            let mut audited = audited.unwrap_or_default();
            let (now, uptime) = (audit.now(), self.clock.uptime());
            let record = audited::record(decision, &mut audited, now, uptime);
            audit.write(record, audited.room);
        }
    }

    /// Receives the use of a name that does not exist.
    pub(super) fn unknown(
        &self,
        method: Method,
        kind: Kind,
        caller: Option<&Caller>,
        audited: Option<Audited>,
    ) {
        let outcome = AuditOutcome::Unknown;
        let decision = Decision::at_once(method, About::Unknown(kind), caller, outcome);
        self.ended(&decision, audited);
    }

    /// Receives a request that was refused before its tool, prompt or resource was found.
    pub(super) fn refused(
        &self,
        method: Method,
        caller: Option<&Caller>,
        outcome: AuditOutcome,
        cause: Cause<'_>,
    ) {
        let decision = Decision {
            cause,
            ..Decision::at_once(method, About::Request, caller, outcome)
        };
        self.ended(&decision, None);
    }

    /// Receives a request that was refused because it has no token or a bad token.
    pub(super) fn refused_sign_in(&self, reason: &'static str) {
        if let Some(audit) = &self.audit {
            audit.refused_sign_in(reason);
        }
    }

    fn count(&self, decision: &Decision<'_>) {
        let outcome = decision.outcome.name();
        match decision.about {
            About::Served(served) if decision.is_call => {
                record_outcome(outcome);
                let meter = served.meter();
                meter.count(outcome, || self.duration(decision));
            }
            About::Unknown(kind) if decision.is_call => {
                record_outcome(outcome);
                self.metrics.unknown_call(kind.name());
            }
            About::Request | About::Served(_) | About::Unknown(_) => {}
        }
        if decision.outcome == AuditOutcome::Denied {
            // A function that needs more scopes denies the call without a requirement of the guard.
            let requirement = decision.cause.denied.map_or("scope", Denied::kind);
            self.metrics.denial(requirement);
        }
        if let Some(limit) = decision.cause.limit {
            self.metrics.limit_hit(limit);
        }
    }

    /// Returns the time from the beginning of a decision until now.
    fn duration(&self, decision: &Decision<'_>) -> Duration {
        let since = decision.since;
        since.map_or(Duration::ZERO, |since| {
            self.clock.uptime().saturating_sub(since)
        })
    }

    fn log(&self, decision: &Decision<'_>) {
        let name = match decision.about {
            About::Request => return,
            About::Served(served) => served.log_name(),
            About::Unknown(kind) => LogName {
                prompt: (kind == Kind::Prompt).then_some("other"),
                resource: (kind == Kind::Resource).then_some("other"),
                tool: (kind == Kind::Tool).then_some("other"),
            },
        };
        if tracing::enabled!(target: "mcp_auth", Level::DEBUG) {
            self.log_at_debug(decision, name);
        } else if decision.cause.reason.is_some() {
            self.log_at_info(decision, name);
        }
    }

    fn log_at_debug(&self, decision: &Decision<'_>, name: LogName<'_>) {
        let Who {
            subject,
            actor,
            client,
            token,
        } = Who::of(decision.caller);
        let LogName {
            prompt,
            resource,
            tool,
        } = name;
        let outcome = decision.outcome.name();
        let About::Served(served) = decision.about else {
            return tracing::debug!(target: "mcp_auth", tool, prompt, resource, subject, actor, client, token, "{outcome}");
        };
        tracing::debug!(
            target: "mcp_auth",
            tool,
            prompt,
            resource,
            policy = served.access_text(),
            subject,
            actor,
            client,
            token,
            org = decision.org.map(Org::id),
            reason = decision.cause.reason,
            duration = ?self.duration(decision),
            request = decision.cause.request.map(tracing::field::display),
            "{outcome}"
        );
    }

    fn log_at_info(&self, decision: &Decision<'_>, name: LogName<'_>) {
        let now = self.clock.uptime();
        let throttle = match decision.caller {
            None => Some(&self.anonymous),
            Some(_) if decision.outcome == AuditOutcome::Limited => Some(&self.limited),
            // Lines of a caller with a token are not throttled, because the operator can identify
            // and block the caller.
            Some(_) => None,
        };
        let calls = match throttle.map(|throttle| throttle.due(now)) {
            Some(None) => return,
            calls => calls.flatten(),
        };
        let LogName {
            prompt,
            resource,
            tool,
        } = name;
        let outcome = decision.outcome.name();
        tracing::info!(
            target: "mcp_auth",
            tool,
            prompt,
            resource,
            reason = decision.cause.reason,
            duration = ?self.duration(decision),
            request = decision.cause.request.map(tracing::field::display),
            calls,
            fact = (decision.outcome == AuditOutcome::Limited).then_some("limit_hit"),
            "{outcome}"
        );
    }
}

/// The caller's identity. Fields that are `None` are left out of the line.
pub(super) struct Who<'a> {
    pub(super) subject: &'a str,
    pub(super) actor: Option<&'a str>,
    pub(super) client: &'a str,
    pub(super) token: Option<&'static str>,
}

impl<'a> Who<'a> {
    pub(super) fn of(caller: Option<&'a Caller>) -> Self {
        let actor = caller.filter(|caller| caller.is_impersonated());
        Self {
            subject: caller.map_or("anonymous", Caller::subject),
            actor: actor.map(|caller| caller.actor().map_or("unknown", Actor::subject)),
            client: caller.and_then(Caller::client_id).unwrap_or_default(),
            token: caller.map(|caller| caller.token_kind().name()),
        }
    }
}

/// The reason of a decision that needs an organization whose look-up failed.
pub(super) const UNDECIDED: &str = "the data for the decision cannot be looked up now";
/// The reason of a use whose organization could not be looked up.
pub(super) const NO_ORGANIZATION: &str = "the organization could not be looked up";
