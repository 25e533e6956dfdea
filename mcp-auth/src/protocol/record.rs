//! The record of one call. The record passes the call's end to [`Decisions`], also if the call is dropped before it ends. The
//! record decides what the client learns about a failure.

use std::sync::Arc;
use std::time::Duration;

use crate::audit::{AuditOutcome, NoRoom};
use crate::guard::Denied;
use crate::identity::{Acting, Caller, Org};
use crate::primitive::{Asking, Failure, Fault, List, Outcome, Output, Reference, Served};

use super::audited::Audited;
use super::calls::Full;
use super::decisions::{About, Cause, Decision, Decisions};
use super::method::Method;
use super::rates::Limited;

/// The record of one call. It lives as long as the call, which may outlive its request.
#[derive(Debug)]
pub(super) struct Record {
    decisions: Arc<Decisions>,
    method: Method,
    /// `None` for a list.
    served: Option<Arc<Served>>,
    caller: Option<Caller>,
    org: Option<Org>,
    since: Duration,
    /// The facts for the audit log. `None` if the server has no audit log.
    audited: Option<Box<Audited>>,
    /// True if metrics count the end as a call.
    is_call: bool,
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
    /// Begins the record of the use of a primitive.
    pub(super) fn open(
        decisions: &Arc<Decisions>,
        method: Method,
        served: &Arc<Served>,
        caller: Option<&Caller>,
    ) -> Self {
        Self::begin(decisions, method, Some(served), caller)
    }

    /// Begins the record of a request for a list. `None` if decisions about lists are not recorded.
    pub(super) fn of_list(
        decisions: &Arc<Decisions>,
        list: List,
        caller: Option<&Caller>,
    ) -> Option<Self> {
        let keeps = decisions.keeps_lists();
        keeps.then(|| Self::begin(decisions, list.into(), None, caller))
    }

    fn begin(
        decisions: &Arc<Decisions>,
        method: Method,
        served: Option<&Arc<Served>>,
        caller: Option<&Caller>,
    ) -> Self {
        Self {
            decisions: Arc::clone(decisions),
            method,
            served: served.map(Arc::clone),
            caller: caller.cloned(),
            org: None,
            since: decisions.begin(),
            audited: decisions.audits().then(Box::default),
            is_call: method.is_call(),
            closed: false,
        }
    }

    /// Makes metrics count the end as a call, because a request of another method runs the function.
    pub(super) fn calls(&mut self) {
        self.is_call = true;
    }

    /// Sets the organization in which the caller acts.
    pub(super) fn acts_in(&mut self, acting: &Acting) {
        self.org.clone_from(&acting.org);
        if let Some(audited) = &mut self.audited {
            audited.acts_in(acting);
        }
    }

    /// Sets the arguments of the call, and keeps only their digest.
    pub(super) fn has_arguments(&mut self, arguments: &str) {
        if let (Some(audited), Some(audit)) = (&mut self.audited, self.decisions.audit()) {
            audited.arguments = Some(audit.digest(arguments));
        }
    }

    /// Sets the trace id of the request.
    pub(super) fn has_trace(&mut self, trace_id: Option<String>) {
        if let Some(audited) = &mut self.audited {
            audited.trace_id = trace_id;
        }
    }

    /// If `audit_wait` is set, waits for room in the audit log.
    ///
    /// # Errors
    ///
    /// The audit log has no room in time. This method has then ended the record.
    pub(super) async fn reserve(&mut self) -> Result<(), NoRoom> {
        let audit = self.decisions.audit().filter(|audit| audit.waits());
        let (Some(audited), Some(audit)) = (&mut self.audited, audit) else {
            return Ok(());
        };
        match audit.reserve().await {
            Ok(room) => audited.room = Some(room),
            Err(no_room) => {
                self.fail("the audit log has no room");
                return Err(no_room);
            }
        }
        Ok(())
    }

    /// Ends a call with its outcome, and returns the output or the text for the client. A text that
    /// may contain arguments is sent to the client but not logged.
    pub(super) fn end(&mut self, outcome: Outcome) -> Result<Output, Ended> {
        let failure = match outcome {
            Ok(output) => {
                self.close(AuditOutcome::Allowed);
                return Ok(output);
            }
            Err(failure) => failure,
        };
        Err(match failure {
            Failure::Arguments(text) => {
                self.report(AuditOutcome::Invalid, "the arguments do not fit the schema");
                Ended::Arguments(text)
            }
            // A call that runs a function never ends with this outcome.
            Failure::Allowed => {
                let request = Reference::new();
                self.report_as(AuditOutcome::Failed, INTERNAL, request);
                Ended::Error(request.text())
            }
            Failure::Asking(asking) => {
                match asking.has_changed {
                    true => self.report(AuditOutcome::Asked, CHANGED),
                    false => self.close(AuditOutcome::Asked),
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
                        self.report(AuditOutcome::Denied, reason);
                        return Err(Ended::NeedsScopes(scopes));
                    }
                    Err(error) => error,
                };
                if let Some(text) = error.as_declined() {
                    self.report(AuditOutcome::Declined, text);
                    return Err(Ended::Error(text.to_owned()));
                }
                let request = Reference::new();
                let reason = if error.is_internal() {
                    INTERNAL
                } else {
                    "the function's own error"
                };
                self.report_as(AuditOutcome::Failed, reason, request);
                let name = self.served.as_ref().map(|served| served.log_name());
                Ended::Error(error.into_text(name.unwrap_or_default(), request))
            }
            Failure::Fault(request, fault) => {
                let outcome = match fault {
                    Fault::Panicked => AuditOutcome::Panicked,
                    Fault::Stopped => AuditOutcome::Cancelled,
                    Fault::TimedOut => AuditOutcome::TimedOut,
                };
                self.report_as(outcome, INTERNAL, request);
                Ended::Fault(request.text())
            }
            Failure::NoThread => {
                self.exceeds(
                    "tool_threads",
                    "no thread was free for the function in time",
                );
                Ended::NoThread
            }
            Failure::Rules(text) => {
                self.report(
                    AuditOutcome::Invalid,
                    "validation error: the arguments break rules",
                );
                Ended::Arguments(text)
            }
        })
    }

    /// Ends a call with an outcome that needs no attention.
    pub(super) fn close(&mut self, outcome: AuditOutcome) {
        self.ended(outcome, Cause::default());
    }

    /// Ends a call with its denial.
    pub(super) fn deny(&mut self, denied: &Denied) {
        let reason = denied.in_log();
        let cause = Cause {
            request: Some(Reference::new()),
            ..Cause::of_denial(denied, &reason)
        };
        self.ended(AuditOutcome::Denied, cause);
    }

    /// Ends a call with the limit that refused it.
    pub(super) fn limit(&mut self, limited: Limited) {
        self.exceeds(limited.name(), &limited.reason());
    }

    /// Ends a call for which too many calls are in flight.
    pub(super) fn full(&mut self, full: Full) {
        self.exceeds(full.limit(), full.reason());
    }

    /// Ends a call whose decision needs data that cannot be looked up now.
    pub(super) fn unavailable(&mut self, reason: &str) {
        self.report(AuditOutcome::Unavailable, reason);
    }

    /// Ends a call with its failure.
    pub(super) fn fail(&mut self, reason: &str) {
        self.report(AuditOutcome::Failed, reason);
    }

    /// Discards this record, because the server decides once more. The second decision has the only record of the request.
    pub(super) fn repeat(&mut self) {
        self.closed = true;
    }

    /// Ends a call with a reason and a new error id.
    fn report(&mut self, outcome: AuditOutcome, reason: &str) {
        self.report_as(outcome, reason, Reference::new());
    }

    /// Ends a call with a reason and the error id that the client gets.
    fn report_as(&mut self, outcome: AuditOutcome, reason: &str, request: Reference) {
        let cause = Cause {
            reason: Some(reason),
            request: Some(request),
            ..Cause::default()
        };
        self.ended(outcome, cause);
    }

    fn exceeds(&mut self, limit: &'static str, reason: &str) {
        let cause = Cause {
            limit: Some(limit),
            reason: Some(reason),
            request: Some(Reference::new()),
            ..Cause::default()
        };
        self.ended(AuditOutcome::Limited, cause);
    }

    fn ended(&mut self, outcome: AuditOutcome, cause: Cause<'_>) {
        self.closed = true;
        let audited = self.audited.take();
        let decision = Decision {
            method: self.method,
            about: self.served.as_deref().map_or(About::Request, About::Served),
            caller: self.caller.as_ref(),
            org: self.org.as_ref(),
            outcome,
            cause,
            since: Some(self.since),
            is_call: self.is_call,
        };
        self.decisions
            .ended(&decision, audited.map(|audited| *audited));
    }
}

const INTERNAL: &str = "internal error";
/// The reason why a person is asked again.
const CHANGED: &str = "the function asked another question than before; the text of a question must be the same in each run";

impl Drop for Record {
    fn drop(&mut self) {
        if !self.closed {
            self.close(AuditOutcome::Cancelled);
        }
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests;
