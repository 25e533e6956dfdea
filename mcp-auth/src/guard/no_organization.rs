//! The reason why a caller acts in no organization, and a hint for the user of the client.

use std::borrow::Cow;

use crate::identity::{NamedBy, TokenKind};

use super::denied::ORGANIZATION_SCOPE;
use super::facts::TokenFacts;

/// The reason why a caller acts in no organization.
///
/// The reason does not reveal whether an organization exists. The reason is the same for an unknown organization, for
/// another user's organization, and for an organization that contradicts the token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum NoOrganization {
    /// The caller has a user's API key.
    ApiKey,
    /// The caller is a machine.
    Machine,
    /// The token names an organization, but the user has no current membership there.
    NotAMember,
    /// The user granted the scope for organizations, but the token names no organization.
    NotChosen { takes_url: bool },
    /// The user did not grant the scope for organizations.
    NotGranted { takes_url: bool },
    /// The user is a member of no organization, or of several.
    NotOnly { takes_url: bool },
    /// The session has no active organization.
    Session,
    /// The caller cannot act in the organization that the URL names.
    UrlQuery,
}

impl NoOrganization {
    /// Determines the reason from the caller's token and from the last source that was read. No other code determines
    /// the reason.
    pub(super) fn of(caller: &TokenFacts<'_>, named_by: NamedBy) -> Self {
        match (caller.token_kind, named_by) {
            (_, NamedBy::UrlQuery) => Self::UrlQuery,
            (TokenKind::ApiKey, _) => Self::ApiKey,
            (TokenKind::M2m, _) => Self::Machine,
            (TokenKind::Session, _) => Self::Session,
            (TokenKind::OAuth, NamedBy::Token) => Self::NotAMember,
            (TokenKind::OAuth, NamedBy::OnlyMembership { takes_url }) => {
                Self::NotOnly { takes_url }
            }
            (TokenKind::OAuth, NamedBy::Nobody { takes_url }) => {
                if caller.has_scope(ORGANIZATION_SCOPE) {
                    Self::NotChosen { takes_url }
                } else {
                    Self::NotGranted { takes_url }
                }
            }
        }
    }

    /// Returns the hint for the user of the client, in a few sentences.
    pub(crate) fn hint(self) -> Cow<'static, str> {
        let (text, takes_url) = match self {
            Self::ApiKey => (API_KEY, false),
            Self::Machine => (MACHINE, false),
            Self::NotAMember => (NOT_A_MEMBER, false),
            Self::NotChosen { takes_url } => (NOT_CHOSEN, takes_url),
            Self::NotGranted { takes_url } => (NOT_GRANTED, takes_url),
            Self::NotOnly { takes_url } => (NOT_ONLY, takes_url),
            Self::Session => (SESSION, false),
            Self::UrlQuery => (URL_QUERY, false),
        };
        if takes_url {
            format!("{text} {OR_URL}").into()
        } else {
            text.into()
        }
    }
}

const API_KEY: &str = "This API key belongs to a user, and a user's API key acts in no organization. Use an \
    API key of the organization, or sign in as a user.";
const MACHINE: &str = "A machine acts in no organization. Sign in as a user instead.";
const NOT_A_MEMBER: &str = "You are not a member of the organization that this connection was made \
    for. Ask its administrator to add you, or disconnect, connect again and choose another \
    organization.";
const NOT_CHOSEN: &str = "No organization was chosen for this connection. Disconnect, connect again \
    and choose an organization on the consent screen. If the consent screen offers no choice, the \
    Clerk instance does not let this client ask for an organization.";
const NOT_GRANTED: &str = "This connection was not granted the scope `user:org:read`, so it has no \
    organization. Disconnect, connect again with that scope and choose an organization on the consent \
    screen. If the client does not ask for the scope, add it to the default scopes of the Clerk \
    instance.";
const NOT_ONLY: &str = "No organization was chosen for this connection, and you are a member of no organization \
    or of several. Disconnect, connect again with the scope `user:org:read` and choose an organization \
    on the consent screen.";
const SESSION: &str = "The session has no active organization. Choose an organization in the \
    application and try again.";
const URL_QUERY: &str = "With this connection you cannot act in the organization that `org` in the \
    server's URL names. Check the spelling of the organization, ask to be added to the organization, or remove `org` \
    from the URL.";
const OR_URL: &str = "Or add `?org=` with the organization's id or slug to the server's URL.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::Policies;
    use crate::identity::ScopeHierarchy;

    #[test]
    fn the_reason_follows_from_the_token_and_the_last_source() {
        let scopes = [ORGANIZATION_SCOPE.to_owned()];
        let hierarchy = ScopeHierarchy::default();
        let why = |token_kind, granted: bool, named_by| {
            let standing = TokenFacts {
                token_kind,
                impersonated: false,
                user: true,
                scopes: if granted { &scopes } else { &[] },
                hierarchy: &hierarchy,
                features: None,
                plans: None,
                factor_ages: None,
                policies: Policies::Assume(false),
            };
            NoOrganization::of(&standing, named_by)
        };
        for takes_url in [false, true] {
            let nobody = NamedBy::Nobody { takes_url };
            let only = NamedBy::OnlyMembership { takes_url };
            for (kind, granted, named_by, reason) in [
                (
                    TokenKind::OAuth,
                    false,
                    nobody,
                    NoOrganization::NotGranted { takes_url },
                ),
                (
                    TokenKind::OAuth,
                    true,
                    nobody,
                    NoOrganization::NotChosen { takes_url },
                ),
                (
                    TokenKind::OAuth,
                    true,
                    NamedBy::Token,
                    NoOrganization::NotAMember,
                ),
                (
                    TokenKind::OAuth,
                    false,
                    only,
                    NoOrganization::NotOnly { takes_url },
                ),
                (
                    TokenKind::OAuth,
                    true,
                    only,
                    NoOrganization::NotOnly { takes_url },
                ),
                (TokenKind::Session, false, nobody, NoOrganization::Session),
                (TokenKind::M2m, false, nobody, NoOrganization::Machine),
                (TokenKind::ApiKey, false, nobody, NoOrganization::ApiKey),
            ] {
                assert_eq!(why(kind, granted, named_by), reason);
                // The hint names the URL for every kind of token.
                assert_eq!(
                    why(kind, granted, NamedBy::UrlQuery),
                    NoOrganization::UrlQuery
                );
            }
        }
    }

    #[test]
    fn the_url_is_named_as_a_remedy_only_where_it_is_one() {
        for takes_url in [false, true] {
            for reason in [
                NoOrganization::NotChosen { takes_url },
                NoOrganization::NotGranted { takes_url },
                NoOrganization::NotOnly { takes_url },
            ] {
                let hint = reason.hint();
                assert_eq!(hint.contains("?org="), takes_url, "{hint}");
            }
        }
    }
}
