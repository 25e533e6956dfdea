//! The scopes that a client must request in a new token, so that a denied call is allowed the next time.

use crate::identity::{Caller, NamedBy, Org, TokenKind};

use super::denied::{Denied, ORGANIZATION_SCOPE};
use super::facts::{Question, TokenFacts};
use super::requirement::{Guard, Requirement};

/// Returns every scope that a new token needs for this call, including scopes that the caller already has. Some clients
/// request exactly the scopes of a challenge and drop all other scopes (SEP-2350).
///
/// Returns `None` in three cases: the token is not an OAuth token, because only OAuth clients can request scopes; no
/// alternative of a choice can be met, because [`missing_scopes`] returns `None` for each alternative; or a policy
/// would deny a caller with these scopes in the currently known organization.
///
/// If a requirement is about the organization, the scope for an organization is included, unless the organization came
/// from the URL or is the user's only organization. The scope is also included if the caller already has it, because a
/// client that dropped this scope would lose the organization for every other tool.
pub(super) fn cure(
    question: &Question<'_>,
    could_meet: fn(Requirement) -> bool,
) -> Option<Vec<String>> {
    let caller = question.caller;
    if caller.token_kind != TokenKind::OAuth {
        return None;
    }
    let mut scopes = question.server_scopes.to_vec();
    let of_the_token = match question.named_by {
        NamedBy::OnlyMembership { .. } | NamedBy::UrlQuery => question.organization.is_none(),
        NamedBy::Nobody { .. } | NamedBy::Token => true,
    };
    let mut with_organization = caller.has_scope(ORGANIZATION_SCOPE);
    let mut policies = Vec::new();
    let mut take = |requirement: &Requirement| {
        if let Requirement::Scope(scope) = requirement {
            add(&mut scopes, scope.as_str());
        }
        if let Requirement::Policy(policy) = requirement {
            policies.push(*policy);
        }
        with_organization |= of_the_token && requirement.is_of_organization();
    };
    for requirement in question.guard.requirements() {
        let Requirement::Any(alternatives) = requirement else {
            take(&requirement);
            continue;
        };
        let possible = alternatives.iter().filter_map(|all| {
            let missing = missing_scopes(question, all, could_meet)?;
            Some((missing.len(), all))
        });
        let (_, nearest) = possible.min_by_key(|(missing, _)| *missing)?;
        nearest.iter().for_each(&mut take);
    }
    if with_organization {
        add(&mut scopes, ORGANIZATION_SCOPE);
    }
    let scopes = caller.hierarchy.fewest(scopes);
    let renewed = TokenFacts {
        scopes: &scopes,
        ..*caller
    };
    let mut policies = policies.into_iter();
    let allowed = policies.all(|policy| renewed.meets(policy, question.organization));
    allowed.then_some(scopes)
}

/// Returns a denial if an OAuth caller lacks a scope that the server requires of every request.
pub(crate) fn lacking_server_scopes(caller: &Caller, server_scopes: &[String]) -> Option<Denied> {
    let facts = TokenFacts::of(caller);
    let missing = server_scopes
        .iter()
        .filter(|scope| !caller.has_scope(scope));
    let missing: Vec<_> = missing.cloned().collect();
    let is_curable = facts.token_kind == TokenKind::OAuth && !missing.is_empty();
    is_curable.then(|| {
        let question = Question {
            guard: &SIGNED_IN,
            caller: &facts,
            organization: None,
            named_by: NamedBy::default(),
            server_scopes,
        };
        Denied::Scope {
            missing: caller.hierarchy().fewest(missing),
            cure: cure(&question, |_| false),
        }
    })
}

/// Returns the denial of a call whose function needs scopes in addition to the scopes of the guard. If the token
/// already has all these scopes, a new token would not help.
pub(crate) fn needing_scopes(
    guard: &Guard,
    (caller, organization): (&Caller, Option<&Org>),
    named_by: NamedBy,
    server_scopes: &[String],
    scopes: &[String],
) -> Denied {
    let facts = TokenFacts::of(caller);
    let missing = scopes.iter().filter(|scope| !facts.has_scope(scope));
    let missing: Vec<_> = missing.cloned().collect();
    let wanted = [server_scopes, scopes].concat();
    let cure = (!missing.is_empty()).then(|| {
        let question = Question {
            guard,
            caller: &facts,
            organization,
            named_by,
            server_scopes: &wanted,
        };
        cure(&question, |_| false)
    });
    let missing = if missing.is_empty() {
        scopes.to_vec()
    } else {
        missing
    };
    Denied::Scope {
        missing: caller.hierarchy().fewest(missing),
        cure: cure.flatten(),
    }
}

/// The guard of a request that uses no tool, prompt or resource.
const SIGNED_IN: Guard = Guard::signed_in(&[]);

/// Returns the scopes of one alternative that the caller lacks. Returns `None` if the alternative is empty, or if the
/// alternative has an unmet requirement that is not a scope and for which `could_meet` returns false.
pub(super) fn missing_scopes(
    question: &Question<'_>,
    alternative: &[Requirement],
    could_meet: fn(Requirement) -> bool,
) -> Option<Vec<&'static str>> {
    if alternative.is_empty() {
        return None;
    }
    let unmet = alternative
        .iter()
        .filter(|one| !question.is_met(**one) && !could_meet(**one));
    unmet
        .map(|one| {
            if let Requirement::Scope(scope) = one {
                Some(scope.as_str())
            } else {
                None
            }
        })
        .collect()
}

/// Adds a scope to a list, unless the list already has the scope.
pub(super) fn add(scopes: &mut Vec<String>, scope: &str) {
    if !scopes.iter().any(|known| known == scope) {
        scopes.push(scope.to_owned());
    }
}
