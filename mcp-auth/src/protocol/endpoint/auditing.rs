//! The audit log of an endpoint, and the facts of a request that only the audit log needs.

use std::sync::Arc;

use crate::audit::Audit;
use crate::primitive::{Input, Served};
use crate::traceparent::Traceparent;

use super::super::RefusedMessage;
use super::super::audited::Audited;
use super::super::confirmation_code;
use super::super::era::Header;
use super::super::record::Record;
use super::{Endpoint, Request};

impl Endpoint {
    /// Counts a request that was refused because it has no token or a bad one, for the audit log.
    pub(crate) fn refused_sign_in(&self, reason: &'static str) {
        self.decisions.refused_sign_in(reason);
    }

    /// Returns the audit log, if the server has one.
    pub(crate) fn audit_log(&self) -> Option<&Arc<Audit>> {
        self.decisions.audit()
    }

    /// Adds the facts of the request to a record. If `audit_wait` is set, also waits for room in the audit log. Does nothing
    /// without an audit log.
    ///
    /// # Errors
    ///
    /// The audit log has no room. This method has then ended the record.
    pub(super) async fn audit(
        &self,
        request: &Request<'_>,
        input: Option<(&Served, &Input)>,
        record: &mut Record,
    ) -> Result<(), RefusedMessage> {
        if !self.decisions.audits() {
            return Ok(());
        }
        // The box keeps the futures of all other requests small.
        Box::pin(async {
            match input {
                // A call that asks for a confirmation and the confirmed call have the same digest.
                Some((served, Input::Arguments(arguments))) if served.takes_code() => {
                    record.has_arguments(&confirmation_code::taken(arguments).arguments);
                }
                Some((_, Input::Arguments(arguments))) => record.has_arguments(arguments),
                Some(_) | None => {}
            }
            record.has_trace(traceparent(request));
            record
                .reserve()
                .await
                .map_err(|_| RefusedMessage::Unaudited)
        })
        .await
    }

    /// Returns the trace id of a request, for its record. `None` without an audit log.
    pub(super) fn trace_id(&self, request: &Request<'_>) -> Option<String> {
        let audits = self.decisions.audits();
        audits.then(|| traceparent(request)).flatten()
    }

    /// Returns the facts of a request that has no record. `None` without an audit log.
    pub(super) fn audited(&self, request: &Request<'_>) -> Option<Audited> {
        let audits = self.decisions.audits();
        audits.then(|| Audited::traced(traceparent(request)))
    }
}

/// Returns the trace id of the request. An id in `_meta` takes precedence over an id in the header, because `_meta` belongs
/// to this message alone.
///
/// Source: MCP 2026-07-28, basic, `_meta`; W3C Trace Context.
fn traceparent(request: &Request<'_>) -> Option<String> {
    let of_message = request
        .params
        .meta()
        .ok()
        .and_then(|meta| meta.traceparent());
    let trace_id = |text: &str| Some(Traceparent::parse(text)?.trace_id().to_owned());
    if let Some(traceparent) = of_message {
        return trace_id(&traceparent);
    }
    match request.mirrored.arguments.header("traceparent") {
        Header::Value(traceparent) => trace_id(traceparent),
        Header::Absent | Header::Malformed => None,
    }
}
