//! Writes one log line for each decision, also if the request is dropped before it ends.
//!
//! At `info`, a call that succeeded has no line. Any other call has a line with the outcome, the
//! reason and the duration. That line contains neither the caller nor the arguments. At `debug`,
//! every call has a line with its caller.

use std::sync::Arc;
use std::time::Duration;

use tracing::Level;

use crate::guard::Denied;
use crate::identity::{Actor, Caller, Clock, LogThrottle, Org};
use crate::metrics::Metrics;
use crate::primitive::{Asking, Failure, Fault, LogName, Outcome, Output, Reference, Served};

use super::calls::Full;
use super::rates::Limited;
use super::span::record_outcome;

/// The clock and the throttles that the records of all calls share.
#[derive(Debug)]
pub(super) struct CallLog {
    clock: Arc<dyn Clock>,
    /// Throttles the lines of calls without a token, because anyone can cause them.
    anonymous: LogThrottle,
    /// Throttles the lines of calls with a token that a limit refused, because one caller can cause
    /// any number of them.
    limited: LogThrottle,
    metrics: Metrics,
}

impl CallLog {
    pub(super) fn new(clock: Arc<dyn Clock>, metrics: Metrics) -> Self {
        Self {
            clock,
            metrics,
            anonymous: LogThrottle::default(),
            limited: LogThrottle::default(),
        }
    }
}

/// The record of one call. It lives as long as the call, which may outlive its request.
#[derive(Debug)]
pub(super) struct Record {
    log: Arc<CallLog>,
    served: Arc<Served>,
    caller: Option<Caller>,
    org: Option<Org>,
    since: Duration,
    closed: bool,
    /// True if metrics need not count the call, or no longer.
    counted: bool,
}

/// The outcome of a call without a result, as the client sees it.
#[derive(Debug)]
pub(super) enum Ended {
    /// The arguments do not fit. The text says why.
    Arguments(String),
    /// The function waits for answers.
    Asking(Box<Asking>),
    Denied(Denied),
    /// The function failed. The text is for the client.
    Error(String),
    /// The function panicked or timed out. The text names the error id.
    Fault(String),
    /// The function needs these scopes.
    NeedsScopes(Vec<String>),
    /// No thread was free for the function.
    NoThread,
}

impl Record {
    pub(super) fn open(log: &Arc<CallLog>, served: &Arc<Served>, caller: Option<&Caller>) -> Self {
        Self {
            log: Arc::clone(log),
            served: Arc::clone(served),
            caller: caller.cloned(),
            org: None,
            since: log.clock.uptime(),
            closed: false,
            counted: false,
        }
    }

    /// Makes the record of a decision without a call, such as a decision about a task or about a notification. Metrics
    /// count its denials, but no call.
    pub(super) fn open_for_decision(
        log: &Arc<CallLog>,
        served: &Arc<Served>,
        caller: Option<&Caller>,
    ) -> Self {
        let mut record = Self::open(log, served, caller);
        record.counted = true;
        record
    }

    /// Makes a call of a decision, because the function runs.
    pub(super) fn calls(&mut self) {
        self.counted = false;
        self.since = self.log.clock.uptime();
    }

    /// Sets the organization in which the caller acts.
    pub(super) fn acts_in(&mut self, org: Option<&Org>) {
        self.org = org.cloned();
    }

    /// Logs the outcome of a call, and returns the output or the text for the client. A text that
    /// may contain arguments is sent to the client but not logged.
    pub(super) fn end(&mut self, outcome: Outcome) -> Result<Output, Ended> {
        let failure = match outcome {
            Ok(output) => {
                self.close("allowed");
                return Ok(output);
            }
            Err(failure) => failure,
        };
        Err(match failure {
            Failure::Arguments(text) => {
                self.count("invalid");
                self.fail("the arguments do not fit the schema", Reference::new());
                Ended::Arguments(text)
            }
            // A call of this kind has no outcome to end with.
            Failure::Allowed => {
                let request = Reference::new();
                self.fail(INTERNAL, request);
                Ended::Error(request.text())
            }
            Failure::Asking(asking) => {
                self.close("asked");
                Ended::Asking(asking)
            }
            Failure::Denied(denied) => {
                self.deny(&denied);
                Ended::Denied(denied)
            }
            Failure::Error(error) => {
                let error = match error.into_scopes() {
                    Ok(scopes) => {
                        // The function may have taken the scopes from its arguments, which are not logged.
                        let reason = "scope that the function needs";
                        self.log.metrics.denial("scope");
                        self.report("denied", reason, Reference::new());
                        return Err(Ended::NeedsScopes(scopes));
                    }
                    Err(error) => error,
                };
                let request = Reference::new();
                let reason = if error.is_internal() {
                    INTERNAL
                } else {
                    "the function's own error"
                };
                self.fail(reason, request);
                Ended::Error(error.into_text(self.served.log_name(), request))
            }
            Failure::Fault(request, fault) => {
                self.count(match fault {
                    Fault::Panicked => "panicked",
                    Fault::Stopped => "cancelled",
                    Fault::TimedOut => "timed_out",
                });
                self.fail(INTERNAL, request);
                Ended::Fault(request.text())
            }
            Failure::NoThread => {
                self.count("limited");
                self.log.metrics.limit_hit("tool_threads");
                self.fail(
                    "no thread was free for the function in time",
                    Reference::new(),
                );
                Ended::NoThread
            }
            Failure::Rules(text) => {
                self.count("invalid");
                self.fail(
                    "validation error: the arguments break rules",
                    Reference::new(),
                );
                Ended::Arguments(text)
            }
        })
    }

    /// Logs an outcome that needs no attention, at `debug`.
    pub(super) fn close(&mut self, outcome: &'static str) {
        self.closed = true;
        self.count(outcome);
        if enabled_at_debug() {
            self.write(outcome, None, None);
        }
    }

    /// Logs the denial of a call.
    pub(super) fn deny(&mut self, denied: &Denied) {
        self.log.metrics.denial(denied.kind());
        self.report("denied", &denied.in_log(), Reference::new());
    }

    /// Logs the limit that refused a call.
    pub(super) fn limit(&mut self, limited: Limited) {
        self.log.metrics.limit_hit(limited.name());
        self.report(LIMITED, &limited.reason(), Reference::new());
    }

    /// Logs that too many calls are in flight.
    pub(super) fn full(&mut self, full: Full) {
        self.count(LIMITED);
        self.log.metrics.limit_hit(full.limit());
        self.fail(full.reason(), Reference::new());
    }

    /// Logs that the data for the decision cannot be looked up now.
    pub(super) fn unavailable(&mut self, reason: &str) {
        self.count("unavailable");
        self.fail(reason, Reference::new());
    }

    /// Logs the failure of a call.
    pub(super) fn fail(&mut self, reason: &str, request: Reference) {
        self.report("failed", reason, request);
    }

    /// Counts the call, unless it was counted before.
    fn count(&mut self, outcome: &'static str) {
        if !self.counted {
            self.counted = true;
            record_outcome(outcome);
            let meter = self.served.meter();
            meter.count(outcome, || {
                self.log.clock.uptime().saturating_sub(self.since)
            });
        }
    }

    fn report(&mut self, outcome: &'static str, reason: &str, request: Reference) {
        self.closed = true;
        self.count(outcome);
        if enabled_at_debug() {
            return self.write(outcome, Some(reason), Some(request));
        }
        let now = self.log.clock.uptime();
        let throttle = match &self.caller {
            None => Some(&self.log.anonymous),
            Some(_) if outcome == LIMITED => Some(&self.log.limited),
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
        } = self.served.log_name();
        tracing::info!(
            target: "mcp_auth",
            tool,
            prompt,
            resource,
            reason,
            duration = ?now.saturating_sub(self.since),
            %request,
            calls,
            fact = (outcome == LIMITED).then_some("limit_hit"),
            "{outcome}"
        );
    }

    fn write(&self, outcome: &'static str, reason: Option<&str>, request: Option<Reference>) {
        let Self {
            served,
            caller,
            org,
            ..
        } = self;
        let LogName {
            prompt,
            resource,
            tool,
        } = served.log_name();
        let Who {
            subject,
            actor,
            client,
            token,
        } = Who::of(caller.as_ref());
        tracing::debug!(
            target: "mcp_auth",
            tool,
            prompt,
            resource,
            policy = served.access_rule().to_string(),
            subject,
            actor,
            client,
            token,
            org = org.as_ref().map(Org::id),
            reason,
            duration = ?self.log.clock.uptime().saturating_sub(self.since),
            request = request.map(tracing::field::display),
            "{outcome}"
        );
    }
}

fn enabled_at_debug() -> bool {
    tracing::enabled!(target: "mcp_auth", Level::DEBUG)
}

const INTERNAL: &str = "internal error";
/// The outcome of a call that a limit refused.
const LIMITED: &str = "limited";

/// The kind of an unknown name: a prompt, a resource or a tool.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Prompt,
    Resource,
    Tool,
}

/// Logs the use of a name that does not exist. The name is not logged, because the caller chose it.
/// The log contains only declared names.
pub(super) fn unknown(metrics: &Metrics, kind: Kind, caller: Option<&Caller>) {
    metrics.unknown_call(match kind {
        Kind::Prompt => "prompt",
        Kind::Resource => "resource",
        Kind::Tool => "tool",
    });
    let Who {
        subject,
        actor,
        client,
        token,
    } = Who::of(caller);
    let other = |one| (one == kind).then_some("other");
    tracing::debug!(
        target: "mcp_auth",
        tool = other(Kind::Tool),
        prompt = other(Kind::Prompt),
        resource = other(Kind::Resource),
        subject,
        actor,
        client,
        token,
        "unknown"
    );
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.closed {
            self.close("cancelled");
        }
    }
}

/// The caller's identity for the log. Fields that are `None` are left out of the line.
struct Who<'a> {
    subject: &'a str,
    actor: Option<&'a str>,
    client: &'a str,
    token: Option<&'static str>,
}

impl<'a> Who<'a> {
    fn of(caller: Option<&'a Caller>) -> Self {
        let actor = caller.filter(|caller| caller.is_impersonated());
        Self {
            subject: caller.map_or("anonymous", Caller::subject),
            actor: actor.map(|caller| caller.actor().map_or("unknown", Actor::subject)),
            client: caller.and_then(Caller::client_id).unwrap_or_default(),
            token: caller.map(|caller| caller.token_kind().name()),
        }
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests;
