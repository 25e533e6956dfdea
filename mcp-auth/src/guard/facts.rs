//! The facts that a guard's decision depends on: the caller's claims and the organization.

use crate::identity::{
    Caller, Entitlements, FactorAges, NamedBy, Org, ScopeHierarchy, Session, TokenKind, Unavailable,
};

use super::policy::{CallerFacts, Policy};
use super::requirement::{Guard, Requirement};

/// The facts about a call that [`decide`](super::decide) reads.
#[derive(Clone, Debug)]
pub(crate) struct CallFacts<'a> {
    /// The verified caller. `None` for a request without a token.
    pub(crate) caller: Option<&'a Caller>,
    /// The caller's organization, if the tool needs the organization. An error if the look-up failed.
    pub(crate) organization: Result<Option<&'a Org>, &'a Unavailable>,
    /// The source that named the organization. If no source named an organization, this is the last source that was
    /// read.
    pub(crate) named_by: NamedBy,
    /// The scopes that the server requires of every request.
    pub(crate) server_scopes: &'a [String],
}

/// The facts about a caller that a guard compares with its requirements, apart from the organization.
///
/// A value is no proof of a verified token, because the access matrix also makes values for imaginary callers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenFacts<'a> {
    pub(crate) token_kind: TokenKind,
    pub(crate) impersonated: bool,
    /// True for a person, and for a client or key that acts in a person's name.
    pub(crate) user: bool,
    pub(crate) scopes: &'a [String],
    pub(crate) hierarchy: &'a ScopeHierarchy,
    pub(crate) features: Option<&'a Entitlements>,
    pub(crate) plans: Option<&'a Entitlements>,
    pub(crate) factor_ages: Option<&'a FactorAges>,
    pub(crate) policies: Policies<'a>,
}

/// The answers of policies.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Policies<'a> {
    /// The server evaluates each policy for this caller.
    Ask(&'a Caller),
    /// Every policy is assumed to give this answer. Policies cannot be evaluated if the caller is imaginary or if the
    /// organization is unknown.
    Assume(bool),
}

impl<'a> TokenFacts<'a> {
    /// Returns the facts about a verified caller.
    pub(crate) fn of(caller: &'a Caller) -> Self {
        Self {
            token_kind: caller.token_kind(),
            impersonated: caller.is_impersonated(),
            user: caller.is_user(),
            scopes: caller.scopes(),
            hierarchy: caller.hierarchy(),
            features: caller.features(),
            plans: caller.plans(),
            factor_ages: caller.session().and_then(Session::factor_ages),
            policies: Policies::Ask(caller),
        }
    }

    pub(super) fn has_scope(&self, scope: &str) -> bool {
        self.hierarchy.has(self.scopes, scope)
    }

    pub(super) fn meets(&self, policy: Policy, organization: Option<&Org>) -> bool {
        match self.policies {
            Policies::Ask(caller) => {
                policy.allows(&CallerFacts::new(caller, self.scopes, organization))
            }
            Policies::Assume(answer) => answer,
        }
    }
}

/// A guard, and the facts that it is compared with.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) guard: &'a Guard,
    pub(super) caller: &'a TokenFacts<'a>,
    pub(super) organization: Option<&'a Org>,
    pub(super) named_by: NamedBy,
    pub(super) server_scopes: &'a [String],
}

impl Question<'_> {
    pub(super) fn is_met(&self, requirement: Requirement) -> bool {
        requirement.is_met(Some(self.caller), self.organization)
    }
}
