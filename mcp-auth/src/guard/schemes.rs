//! The `securitySchemes` of a tool: the tokens and scopes that a client has to bring, as `tools/list`
//! publishes them.
//!
//! Source: OpenAI, Apps SDK, "Authentication"; modelcontextprotocol pull request 1488.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::identity::{ScopeHierarchy, TokenKind};

use super::denied::ORGANIZATION_SCOPE;
use super::requirement::{Guard, Requirement};

/// One way to call a tool. A list of them means that any one will do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum SecurityScheme {
    /// No token is needed.
    NoAuth,
    /// An OAuth access token with these scopes.
    OAuth2(Vec<String>),
}

/// Derives the schemes of a server's tools from their guards.
#[derive(Clone, Debug, Default)]
pub(crate) struct SchemeSource {
    /// Whether the server accepts OAuth access tokens.
    pub(crate) oauth: bool,
    /// The scopes that the server requires of every request.
    pub(crate) required_scopes: Vec<String>,
    /// Whether a tool that needs an organization needs the scope for one: not if the organization can come
    /// from elsewhere and the server does not advertise that scope.
    pub(crate) organization_scope: bool,
    /// Which scopes contain others.
    pub(crate) hierarchy: Arc<ScopeHierarchy>,
}

impl SchemeSource {
    /// Derives the schemes of a tool from its guard. `optional` is what the tool takes if it is there
    /// (`Option<&Caller>`, `Option<&Org>`): a public tool that takes a caller works without a token and does
    /// more with one.
    ///
    /// The list is empty for a tool that no OAuth access token can call: no scheme names other tokens.
    pub(crate) fn of(&self, guard: &Guard, optional: &[Requirement]) -> Vec<SecurityScheme> {
        if guard.is_public() {
            let mut schemes = vec![SecurityScheme::NoAuth];
            if self.oauth && !optional.is_empty() {
                let mut way = Way::default();
                optional.iter().for_each(|one| way.take(*one));
                schemes.push(self.scheme(way));
            }
            return schemes;
        }
        if !self.oauth {
            return Vec::new();
        }
        let mut ways = vec![Way {
            scopes: self.required_scopes.clone(),
            organization: false,
        }];
        for requirement in guard.requirements() {
            ways = match requirement {
                Requirement::Any(alternatives) => {
                    let possible = alternatives
                        .iter()
                        .filter(|all| all.iter().copied().all(an_oauth_token_can_meet));
                    let each = possible.flat_map(|all| {
                        ways.iter().cloned().map(|mut way| {
                            all.iter().for_each(|one| way.take(*one));
                            way
                        })
                    });
                    each.collect()
                }
                one if an_oauth_token_can_meet(one) => {
                    ways.iter_mut().for_each(|way| way.take(one));
                    ways
                }
                _ => Vec::new(),
            };
        }
        let mut schemes = Vec::new();
        for scheme in ways.into_iter().map(|way| self.scheme(way)) {
            if !schemes.contains(&scheme) {
                schemes.push(scheme);
            }
        }
        schemes
    }

    fn scheme(&self, way: Way) -> SecurityScheme {
        let mut scopes = way.scopes;
        let asks = way.organization && self.organization_scope;
        if asks && !scopes.iter().any(|scope| scope == ORGANIZATION_SCOPE) {
            scopes.push(ORGANIZATION_SCOPE.to_owned());
        }
        SecurityScheme::OAuth2(self.hierarchy.fewest(scopes))
    }
}

/// Scopes that are collected, in the order in which challenges name them.
#[derive(Clone, Debug, Default)]
struct Way {
    scopes: Vec<String>,
    organization: bool,
}

impl Way {
    fn take(&mut self, requirement: Requirement) {
        self.organization |= requirement.is_of_organization();
        if let Requirement::Scope(scope) = requirement
            && !self.scopes.iter().any(|known| known == scope.as_str())
        {
            self.scopes.push(scope.as_str().to_owned());
        }
    }
}

fn an_oauth_token_can_meet(requirement: Requirement) -> bool {
    if let Requirement::Accept(kinds) = requirement {
        return kinds.contains(&TokenKind::OAuth);
    }
    if let Requirement::Any(alternatives) = requirement {
        let can_meet = |all: &&[Requirement]| all.iter().copied().all(an_oauth_token_can_meet);
        return alternatives.iter().any(|all| can_meet(&all));
    }
    !requirement.is_of_session()
}

impl SecurityScheme {
    /// Writes the scheme as `tools/list` has it.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::NoAuth => json!({ "type": "noauth" }),
            Self::OAuth2(scopes) => json!({ "type": "oauth2", "scopes": scopes }),
        }
    }
}

/// Writes schemes for people: the scopes of a token, or what is needed instead.
pub(crate) fn in_words(schemes: &[SecurityScheme]) -> String {
    let each = schemes.iter().map(|scheme| match scheme {
        SecurityScheme::NoAuth => "no token".to_owned(),
        SecurityScheme::OAuth2(scopes) if scopes.is_empty() => "any token".to_owned(),
        SecurityScheme::OAuth2(scopes) => scopes.join(" "),
    });
    let each: Vec<_> = each.collect();
    if each.is_empty() {
        return "no OAuth token".to_owned();
    }
    each.join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::{Feature, Permission, Reverification, Scope};

    const READ: Requirement = Requirement::Scope(Scope::new("documents:read"));
    const WRITE: Requirement = Requirement::Scope(Scope::new("documents:write"));
    const DELETE: Requirement = Requirement::Permission(Permission::new("org:documents:delete"));
    const EXPORT: Requirement = Requirement::Feature(Feature::new("export"));
    const STRICT: Requirement = Requirement::Reverification(Reverification::STRICT);
    const SESSION: Requirement = Requirement::Accept(&[TokenKind::Session]);
    const OAUTH: Requirement = Requirement::Accept(&[TokenKind::OAuth, TokenKind::Session]);

    fn source() -> SchemeSource {
        let implied = [(
            "documents:write".to_owned(),
            vec!["documents:read".to_owned()],
        )];
        SchemeSource {
            oauth: true,
            required_scopes: Vec::new(),
            organization_scope: true,
            hierarchy: Arc::new(ScopeHierarchy::new(&implied).unwrap()),
        }
    }

    fn published(source: &SchemeSource, guard: Guard, optional: &[Requirement]) -> Value {
        let schemes = source.of(&guard, optional);
        schemes.iter().map(SecurityScheme::to_json).collect()
    }

    fn oauth2(scopes: &[&str]) -> Value {
        json!({ "type": "oauth2", "scopes": scopes })
    }

    #[test]
    fn a_guarded_tool_names_every_scope_of_guard_server_and_organization() {
        let mut server = source();
        server.required_scopes = vec!["docs".to_owned()];
        for (guard, expected) in [
            (Guard::signed_in(&[]), oauth2(&["docs"])),
            (
                Guard::signed_in(&[Requirement::Organization]),
                oauth2(&["docs", "user:org:read"]),
            ),
            (
                Guard::signed_in(&[DELETE, WRITE]),
                oauth2(&["docs", "documents:write", "user:org:read"]),
            ),
            (
                Guard::signed_in(&[READ, WRITE, OAUTH]),
                oauth2(&["docs", "documents:write"]),
            ),
        ] {
            assert_eq!(published(&server, guard, &[]), json!([expected]), "{guard}");
        }
        assert_eq!(
            published(&source(), Guard::signed_in(&[]), &[]),
            json!([oauth2(&[])])
        );
    }

    #[test]
    fn an_organization_from_elsewhere_needs_no_scope_that_the_server_does_not_advertise() {
        let mut server = source();
        server.organization_scope = false;
        let guard = Guard::signed_in(&[DELETE, WRITE]);
        let expected = json!([oauth2(&["documents:write"])]);
        assert_eq!(published(&server, guard, &[]), expected);
    }

    #[test]
    fn a_public_tool_needs_no_token_and_one_that_takes_a_caller_does_more_with_one() {
        let none = json!({ "type": "noauth" });
        let public = Guard::public();
        assert_eq!(published(&source(), public, &[]), json!([none]));
        assert_eq!(
            published(&source(), public, &[Requirement::SignedIn]),
            json!([none, oauth2(&[])])
        );
        assert_eq!(
            published(&source(), public, &[Requirement::Organization]),
            json!([none, oauth2(&["user:org:read"])])
        );
        let mut server = source();
        server.oauth = false;
        assert_eq!(
            published(&server, public, &[Requirement::SignedIn]),
            json!([none])
        );
    }

    #[test]
    fn each_alternative_that_a_token_can_meet_is_a_scheme_of_its_own() {
        let either = Requirement::Any(&[&[DELETE], &[WRITE], &[EXPORT], &[SESSION, READ]]);
        const TWO: Guard = Guard::signed_in(&[
            Requirement::Any(&[&[READ], &[DELETE]]),
            Requirement::Any(&[&[WRITE], &[Requirement::Organization]]),
        ]);
        for (requirement, expected) in [
            (
                either,
                json!([oauth2(&["user:org:read"]), oauth2(&["documents:write"])]),
            ),
            (
                Requirement::Any(&[&[DELETE], &[Requirement::Organization]]),
                json!([oauth2(&["user:org:read"])]),
            ),
            (Requirement::Any(&[&[EXPORT], &[STRICT]]), json!([])),
        ] {
            let guard = Guard::signed_in(Box::leak(Box::new([requirement])));
            assert_eq!(published(&source(), guard, &[]), expected, "{guard}");
        }
        assert_eq!(
            published(&source(), TWO, &[]),
            json!([
                oauth2(&["documents:write"]),
                oauth2(&["documents:write", "user:org:read"]),
                oauth2(&["documents:read", "user:org:read"]),
                oauth2(&["user:org:read"]),
            ])
        );
    }

    #[test]
    fn schemes_are_told_in_words() {
        let scopes = |scopes: &[&str]| {
            SecurityScheme::OAuth2(scopes.iter().map(ToString::to_string).collect())
        };
        for (schemes, text) in [
            (vec![], "no OAuth token"),
            (vec![SecurityScheme::NoAuth], "no token"),
            (
                vec![SecurityScheme::NoAuth, scopes(&[])],
                "no token or any token",
            ),
            (vec![scopes(&["a", "b"]), scopes(&["c"])], "a b or c"),
        ] {
            assert_eq!(in_words(&schemes), text);
        }
    }

    #[test]
    fn a_tool_that_no_oauth_token_can_call_publishes_no_scheme() {
        for requirement in [EXPORT, STRICT, SESSION] {
            let guard = Guard::signed_in(Box::leak(Box::new([requirement])));
            assert_eq!(published(&source(), guard, &[]), json!([]), "{guard}");
        }
        let mut server = source();
        server.oauth = false;
        assert_eq!(published(&server, Guard::signed_in(&[]), &[]), json!([]));
    }
}
