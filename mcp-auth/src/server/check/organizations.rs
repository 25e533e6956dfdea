//! The finding about the sources of organizations.

use crate::guard::ORGANIZATION_SCOPE;
use crate::identity::{OrganizationSources, TokenPolicy};
use crate::primitive::Registry;

use super::super::codes;
use super::super::finding::Finding;

/// If a tool needs an organization and `organization_from` is set, returns a note that names the sources and their
/// purposes. Without a source, a tool that needs an organization denies every OAuth caller whose token names no
/// organization.
pub(in super::super) fn organizations(
    sources: OrganizationSources,
    policy: &TokenPolicy,
    registry: &Registry,
) -> Option<Finding> {
    let mut tools = registry.iter();
    let needs_one = tools.any(|tool| tool.guard().needs_organization());
    let source = sources.in_words().filter(|_| policy.oauth && needs_one)?;
    let what = format!("`organization_from` is set: an OAuth caller's organization is {source}");
    let remedy = format!(
        "let clients ask for `{ORGANIZATION_SCOPE}` first, and keep the sources that your users still need"
    );
    Some(Finding::new(&codes::ORGANIZATION_SOURCES, what).remedy_is(remedy))
}
