//! The scopes that clients are told of before they have a token.

use crate::guard::ORGANIZATION_SCOPE;
use crate::identity::ScopeHierarchy;
use crate::tool::Registry;

use super::builder::ServerBuilder;

/// The scopes of metadata and first challenge. A tool's own scopes are asked for by its 403: asking
/// everybody for everything at once is what step-up exists to avoid.
pub(super) fn advertised_scopes(
    builder: &ServerBuilder,
    hierarchy: &ScopeHierarchy,
    registry: &Registry,
) -> Vec<String> {
    if let Some(scopes) = &builder.scopes_supported {
        return scopes.clone();
    }
    let mut scopes = vec!["profile".to_owned(), "email".to_owned()];
    let uses_organization = registry.iter().any(|tool| tool.guard().uses_organization());
    let organization = uses_organization.then(|| ORGANIZATION_SCOPE.to_owned());
    for scope in builder.required_scopes.iter().cloned().chain(organization) {
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    hierarchy.fewest(scopes)
}

/// The scope with which a client gets refresh tokens. It is between client and authorization server (MCP
/// 2026-07-28, basic/authorization; SEP-2207).
pub(super) const OFFLINE_ACCESS: &str = "offline_access";
