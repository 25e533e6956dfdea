//! Sources of an OAuth caller's organization, in addition to the token.
//!
//! The order is fixed: the token, then the query of the URL, then the user's only membership. A
//! source only names an organization. The organization is used only if a look-up finds that the
//! user is currently a member.

use std::sync::Arc;
use std::time::Duration;

use crate::identity::conventions::Conventions;
use crate::identity::org::Org;

/// A source of an OAuth caller's organization, in addition to the token. The argument of
/// [`ServerBuilder::organization_from`](crate::ServerBuilder::organization_from).
///
/// ```
/// use mcp_auth::OrganizationSource;
///
/// let builder = mcp_auth::server!()
///     .organization_from([OrganizationSource::UrlQuery, OrganizationSource::OnlyMembership]);
/// # let _ = builder;
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum OrganizationSource {
    /// The user's membership, if the user is a member of exactly one organization. If the user is a member of no
    /// organization or of several, this source names no organization.
    OnlyMembership,
    /// The parameter `org` in the URL of the MCP request: `https://mcp.example.com/mcp?org=acme`.
    /// Its value is the id (`org_…`) or the slug of an organization.
    UrlQuery,
}

/// The sources that a server uses in addition to the token.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct OrganizationSources {
    pub(crate) only_membership: bool,
    pub(crate) url_query: bool,
}

/// The organization that the URL of a request names. The client chooses the URL, so the URL does
/// not prove a membership.
#[derive(Clone, Debug, Default)]
pub(crate) enum UrlOrg {
    /// The URL names no organization, or the server does not read the URL.
    #[default]
    Absent,
    /// The parameter cannot be read, so the caller acts in no organization.
    Malformed,
    /// The id or the slug of an organization.
    Named(Arc<str>),
}

/// The source that named the caller's organization. If no source named an organization, this is the last source that
/// was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum NamedBy {
    /// No source named an organization. `takes_url` is true if the query of the URL could name an organization.
    Nobody { takes_url: bool },
    /// The user's memberships were counted. `takes_url` is true if the query of the URL could name
    /// an organization.
    OnlyMembership { takes_url: bool },
    /// The token named the organization. For an opaque token, its issuer named it.
    Token,
    /// The query of the URL.
    UrlQuery,
}

/// The organization that a caller acts in, and the source that named it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Acting {
    /// `None` if the caller acts in no organization.
    pub(crate) org: Option<Org>,
    pub(crate) named_by: NamedBy,
    /// The uptime at which the membership was looked up. `None` if no membership was looked up.
    pub(crate) looked_up: Option<Duration>,
}

impl OrganizationSources {
    /// Returns true if only the token names organizations.
    pub(crate) fn is_empty(self) -> bool {
        let Self {
            only_membership,
            url_query,
        } = self;
        !only_membership && !url_query
    }

    pub(crate) fn add(&mut self, source: OrganizationSource) {
        match source {
            OrganizationSource::OnlyMembership => self.only_membership = true,
            OrganizationSource::UrlQuery => self.url_query = true,
        }
    }

    /// Describes the sources in their order. `None` if only the token names organizations.
    pub(crate) fn in_words(self) -> Option<&'static str> {
        match (self.url_query, self.only_membership) {
            (false, false) => None,
            (true, false) => Some("named by the token or by `?org=` in the URL"),
            (false, true) => Some("named by the token, or else the user's only organization"),
            (true, true) => Some(
                "named by the token or by `?org=` in the URL, or else the user's only organization",
            ),
        }
    }
}

impl Default for NamedBy {
    fn default() -> Self {
        Self::Nobody { takes_url: false }
    }
}

impl UrlOrg {
    /// Returns bytes that no other value has.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Absent => vec![0],
            Self::Malformed => vec![1],
            Self::Named(org) => [&[2], org.as_bytes()].concat(),
        }
    }

    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Returns true if the URL names this organization. A text with the prefix of an id is compared
    /// only with the id, so that a slug cannot pass for another organization's id.
    pub(super) fn names(&self, org: &Org, conventions: &Conventions) -> bool {
        match self {
            Self::Absent | Self::Malformed => false,
            Self::Named(named) if named.starts_with(conventions.organization) => {
                **named == *org.id()
            }
            Self::Named(named) => org.slug() == Some(&**named),
        }
    }
}

impl Acting {
    /// Returns the organization of a token that needs no look-up: a session token, or the API key of an organization.
    /// If the token names no organization, the URL cannot add one. If the URL and the token name different
    /// organizations, the caller acts in no organization.
    pub(super) fn of_token(org: Option<&Org>, url: &UrlOrg, conventions: &Conventions) -> Self {
        match (org, url) {
            (None, _) => Self::default(),
            (Some(org), UrlOrg::Absent) => Self::by(NamedBy::Token, Some(org.clone())),
            (Some(org), url) => Self::agreed(Some(org.clone()), url, conventions),
        }
    }

    /// Returns the organization that the token names, if the URL names the same organization.
    pub(super) fn agreed(org: Option<Org>, url: &UrlOrg, conventions: &Conventions) -> Self {
        let org = org.filter(|org| url.names(org, conventions));
        Self::by(NamedBy::UrlQuery, org)
    }

    pub(super) fn by(named_by: NamedBy, org: Option<Org>) -> Self {
        Self {
            org,
            named_by,
            looked_up: None,
        }
    }

    pub(super) fn looked_up(self, since: Duration) -> Self {
        Self {
            looked_up: Some(since),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::test_support::CONVENTIONS;

    #[test]
    fn a_slug_that_looks_like_an_id_does_not_pass_for_one() {
        let acme = Org::new("org_1".into(), Some("acme".into()), None, None);
        let posing = Org::new("org_2".into(), Some("org_1".into()), None, None);
        let bare = Org::only_id("org_1".into());
        for (named, [by_acme, by_posing, by_bare]) in [
            ("org_1", [true, false, true]),
            ("acme", [true, false, false]),
            ("Acme", [false; 3]),
            ("org_2", [false, true, false]),
            ("", [false; 3]),
        ] {
            let url = UrlOrg::Named(named.into());
            assert_eq!(url.names(&acme, &CONVENTIONS), by_acme, "{named}");
            assert_eq!(url.names(&posing, &CONVENTIONS), by_posing, "{named}");
            assert_eq!(url.names(&bare, &CONVENTIONS), by_bare, "{named}");
        }
        for url in [UrlOrg::Absent, UrlOrg::Malformed] {
            assert!(!url.names(&acme, &CONVENTIONS));
        }
    }

    #[test]
    fn a_token_that_needs_no_look_up_loses_its_organization_to_a_url_that_names_another() {
        let acme = Org::new("org_1".into(), Some("acme".into()), None, None);
        let key = Org::only_id("org_1".into());
        let url = |named: &str| UrlOrg::Named(named.into());
        for (org, url, id) in [
            (Some(&acme), UrlOrg::Absent, Some("org_1")),
            (Some(&acme), url("org_1"), Some("org_1")),
            (Some(&acme), url("acme"), Some("org_1")),
            (Some(&acme), url("globex"), None),
            (Some(&acme), UrlOrg::Malformed, None),
            // The slug of an API key's organization is not known.
            (Some(&key), url("acme"), None),
            (Some(&key), url("org_1"), Some("org_1")),
            (None, url("acme"), None),
            (None, UrlOrg::Absent, None),
        ] {
            let acting = Acting::of_token(org, &url, &CONVENTIONS);
            assert_eq!(acting.org.as_ref().map(Org::id), id, "{org:?} {url:?}");
        }
    }
}
