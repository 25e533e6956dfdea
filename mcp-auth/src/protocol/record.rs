//! One log line for each decision, written also when the request is dropped half-way.

use crate::guard::Denied;
use crate::identity::Caller;

/// The record of one call. `RUST_LOG=mcp_auth=debug` shows it.
#[derive(Debug)]
pub(super) struct Record<'a> {
    tool: &'static str,
    caller: Option<&'a Caller>,
    closed: bool,
}

impl<'a> Record<'a> {
    pub(super) fn open(tool: &'static str, caller: Option<&'a Caller>) -> Self {
        Self {
            tool,
            caller,
            closed: false,
        }
    }

    /// Writes how the call ended.
    pub(super) fn close(&mut self, outcome: &'static str) {
        self.closed = true;
        let Self { tool, caller, .. } = *self;
        let (subject, client) = who(caller);
        tracing::debug!(target: "mcp_auth", tool, subject, client, "{outcome}");
    }

    /// Writes why the guard refused.
    pub(super) fn deny(&mut self, denied: &Denied) {
        self.closed = true;
        let Self { tool, caller, .. } = *self;
        let (subject, client) = who(caller);
        tracing::debug!(target: "mcp_auth", tool, subject, client, reason = %denied, "denied");
    }
}

impl Drop for Record<'_> {
    fn drop(&mut self) {
        if !self.closed {
            self.close("cancelled");
        }
    }
}

fn who(caller: Option<&Caller>) -> (&str, &str) {
    let subject = caller.map_or("anonymous", Caller::subject);
    (
        subject,
        caller.and_then(Caller::client_id).unwrap_or_default(),
    )
}
