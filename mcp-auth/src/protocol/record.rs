//! Writes one log line for each decision, even if the request is dropped before its end.
//!
//! At `info`, a call that succeeded has no line. Any other call has a line with the outcome, the
//! reason and the duration. That line contains neither the caller nor the arguments. At `debug`,
//! every call has a line with its caller.

use std::sync::Arc;
use std::time::Duration;

use tracing::Level;

use crate::guard::Denied;
use crate::identity::{Actor, Caller, Clock, LogThrottle, Org};
use crate::primitive::{Asking, Failure, LogName, Outcome, Output, Reference, Served};

use super::rates::Limited;

/// The clock and the throttles that the records of all calls share.
#[derive(Debug)]
pub(super) struct CallLog {
    clock: Arc<dyn Clock>,
    /// Throttles the lines of calls without a token, because anyone can cause them.
    anonymous: LogThrottle,
    /// Throttles the lines of calls with a token that a limit refused, because one caller can cause
    /// any number of them.
    limited: LogThrottle,
}

impl CallLog {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
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
}

/// The outcome of a call without a result, as the client sees it.
#[derive(Debug)]
pub(super) enum Ended {
    /// The arguments do not fit the schema. The text says why.
    Arguments(String),
    /// The function waits for answers.
    Asking(Box<Asking>),
    Denied(Denied),
    /// The function failed. The text is for the client.
    Error(String),
    /// The function panicked or timed out. The text has the id of the log line.
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
        }
    }

    /// Sets the organization in which the caller acts.
    pub(super) fn acts_in(&mut self, org: Option<&Org>) {
        self.org = org.cloned();
    }

    /// Logs the outcome of a call, and returns the output or the text for the client. A text that may contain arguments
    /// goes to the client only, not to the log.
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
                self.fail("the arguments do not fit the schema", Reference::new());
                Ended::Arguments(text)
            }
            // A call that runs a function never ends with this outcome.
            Failure::Allowed => {
                let request = Reference::new();
                self.fail(INTERNAL, request);
                Ended::Error(request.text())
            }
            Failure::Asking(asking) => {
                match asking.has_changed {
                    true => self.report("asked", CHANGED, Reference::new()),
                    false => self.close("asked"),
                }
                Ended::Asking(asking)
            }
            Failure::Denied(denied) => {
                self.deny(&denied);
                Ended::Denied(denied)
            }
            Failure::Error(error) => {
                let error = match error.into_scopes() {
                    Ok(scopes) => {
                        // The scopes are not logged, because the function may have taken them from its arguments.
                        let reason = "scope that the function needs";
                        self.report("denied", reason, Reference::new());
                        return Err(Ended::NeedsScopes(scopes));
                    }
                    Err(error) => error,
                };
                if let Some(text) = error.as_declined() {
                    self.report("declined", text, Reference::new());
                    return Err(Ended::Error(text.to_owned()));
                }
                let request = Reference::new();
                let reason = if error.is_internal() {
                    INTERNAL
                } else {
                    "the function's own error"
                };
                self.fail(reason, request);
                Ended::Error(error.into_text(self.served.log_name(), request))
            }
            Failure::Fault(request) => {
                self.fail(INTERNAL, request);
                Ended::Fault(request.text())
            }
            Failure::NoThread => {
                self.fail(
                    "no thread was free for the function in time",
                    Reference::new(),
                );
                Ended::NoThread
            }
            Failure::Rules(text) => {
                self.fail(
                    "validation error: the arguments break rules",
                    Reference::new(),
                );
                Ended::Arguments(text)
            }
        })
    }

    /// Logs an outcome that is no failure, at `debug`.
    pub(super) fn close(&mut self, outcome: &'static str) {
        self.closed = true;
        if enabled_at_debug() {
            self.write(outcome, None, None);
        }
    }

    /// Logs the denial of a call.
    pub(super) fn deny(&mut self, denied: &Denied) {
        self.report("denied", &denied.in_log(), Reference::new());
    }

    /// Logs the limit that refused a call.
    pub(super) fn limit(&mut self, limited: Limited) {
        self.report(LIMITED, &limited.reason(), Reference::new());
    }

    /// Logs the failure of a call.
    pub(super) fn fail(&mut self, reason: &str, request: Reference) {
        self.report("failed", reason, request);
    }

    fn report(&mut self, outcome: &'static str, reason: &str, request: Reference) {
        self.closed = true;
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
/// The reason why a person is asked again.
const CHANGED: &str = "the function asked another question than before; the text of a question must be the same in each run";
/// The outcome of a call that a limit refused.
const LIMITED: &str = "limited";

/// The kind of an unknown name: a prompt, a resource or a tool.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Prompt,
    Resource,
    Tool,
}

/// Logs the use of a name that does not exist. The log contains only declared names, so this name is left out: the
/// caller chose it.
pub(super) fn unknown(kind: Kind, caller: Option<&Caller>) {
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

/// The caller's identity for the log. Fields that are `None` are not in the line.
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
