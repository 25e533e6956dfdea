//! The configuration with which the responses of a Clerk instance are compared.

use crate::http::Canonical;
use crate::identity::TokenPolicy;
use crate::primitive::Registry;

use super::super::builder::ClerkSettings;
use super::super::resolve::Resolved;

/// The configuration with which the responses of a Clerk instance are compared.
pub(super) struct Config<'a> {
    pub(super) resolved: &'a Resolved,
    pub(super) clerk: &'a ClerkSettings,
    /// The scopes that the metadata and the first challenge name. Empty if the tools have a fatal
    /// finding.
    pub(super) advertised: Vec<String>,
    /// The time of the check, in milliseconds since 1970.
    pub(super) now_ms: u64,
}

impl<'a> Config<'a> {
    pub(super) fn new(resolved: &'a Resolved, clerk: &'a ClerkSettings, now_ms: u64) -> Self {
        let registry = resolved.settings.registry.as_ref().ok();
        let scopes = &resolved.builder.scopes;
        let advertised = registry.map(|tools| scopes.advertised(&resolved.policy.scopes, tools));
        Self {
            resolved,
            clerk,
            advertised: advertised.unwrap_or_default(),
            now_ms,
        }
    }

    pub(super) fn policy(&self) -> &'a TokenPolicy {
        &self.resolved.policy
    }

    /// The tools. `None` if they have a fatal finding.
    pub(super) fn registry(&self) -> Option<&'a Registry> {
        self.resolved.settings.registry.as_ref().ok()
    }

    /// The canonical URL. `None` if it has a fatal finding.
    pub(super) fn canonical(&self) -> Option<&'a Canonical> {
        self.resolved.settings.canonical.as_ref().ok()
    }

    /// Returns true if the instance is a local Clerk, which has no dashboard.
    pub(super) fn is_local(&self) -> bool {
        self.clerk.frontend.value.is_local()
    }

    /// Returns the instruction to change a setting in the dashboard. A local Clerk has no dashboard, so its text names
    /// the settings of the local Clerk first.
    pub(super) fn dashboard(&self, what: &str) -> String {
        match self.is_local() {
            true => format!(
                "if this matters for the local Clerk, change its settings; at Clerk, in the dashboard, {what}"
            ),
            false => format!("in the dashboard, {what}"),
        }
    }
}
