//! The `securitySchemes` of a tool: the tokens and scopes that a client needs, as `tools/list`
//! publishes them.
//!
//! Source: OpenAI, Apps SDK, "Authentication"; modelcontextprotocol pull request 1488.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::identity::{ScopeHierarchy, TokenKind};

use super::denied::ORGANIZATION_SCOPE;
use super::requirement::{Guard, Requirement};

/// One way to call a tool. A client may use any of the tool's schemes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum SecurityScheme {
    /// A call without a token.
    NoAuth,
    /// A call with an OAuth access token that has these scopes.
    OAuth2(Vec<String>),
}

/// Derives the schemes of a server's tools from their guards.
#[derive(Clone, Debug, Default)]
pub(crate) struct SchemeSource {
    /// True if the server accepts OAuth access tokens.
    pub(crate) oauth: bool,
    /// The scopes that the server requires of every request.
    pub(crate) required_scopes: Vec<String>,
    /// True if a tool that needs an organization needs the scope `user:org:read`. False if the organization can come
    /// from another source and the server does not advertise this scope.
    pub(crate) organization_scope: bool,
    /// The scopes that imply other scopes.
    pub(crate) hierarchy: Arc<ScopeHierarchy>,
}

impl SchemeSource {
    /// Derives the schemes of a tool from its guard. `optional` lists the requirements of the optional parameters
    /// (`Option<&Caller>`, `Option<&Org>`). A public tool with an optional parameter works without a token, and does
    /// more with a token.
    ///
    /// The list is empty if no OAuth access token can call the tool, because a scheme cannot
    /// describe other tokens.
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

/// The scopes of a scheme while the scheme is built, in the order in which challenges list them.
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
        return alternatives.iter().any(can_meet);
    }
    !requirement.is_of_session()
}

impl SecurityScheme {
    /// Writes the scheme for `tools/list`.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::NoAuth => json!({ "type": "noauth" }),
            Self::OAuth2(scopes) => json!({ "type": "oauth2", "scopes": scopes }),
        }
    }
}

/// Writes schemes for people: the scopes, or a text such as `no token`.
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
mod tests;
