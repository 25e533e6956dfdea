//! Whether callers can come to the organization that tools need.

use crate::guard::ORGANIZATION_SCOPE;
use crate::identity::{OrganizationSources, Policy};
use crate::tool::Registry;

use super::{Finding, Found};

/// Says where organizations come from, and when which source is right, if a tool needs one. An OAuth
/// token that names none is a tool that never works for its user.
pub(in super::super) fn organizations(
    sources: OrganizationSources,
    policy: &Policy,
    registry: &Registry,
) -> Option<Found> {
    let needs_one = registry
        .iter()
        .any(|tool| tool.guard().needs_organization());
    let source = sources.in_words()?;
    if !policy.oauth || !needs_one {
        return None;
    }
    let finding = Finding::note(
        format!("`organization_from` is set: an OAuth caller's organization is {source}"),
        "users who choose an organization on Clerk's consent screen need no other source; \
         `OnlyMembership` is for products whose users have one organization, and `UrlQuery` for one \
         connection per organization in clients whose users get no choice on the consent screen",
        format!(
            "let clients ask for `{ORGANIZATION_SCOPE}` first, and keep the sources that your users \
             still need"
        ),
    );
    Some(finding.into())
}
