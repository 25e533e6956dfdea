//! The authorization decision: a pure function of a guard and the facts about a call. The function returns a proof or a
//! denial.

use crate::identity::{Caller, NamedBy, Org, TokenKind, Unavailable};

use super::cure::{add, cure, missing_scopes};
use super::denied::{Denied, ORGANIZATION_SCOPE};
use super::facts::{CallFacts, Policies, Question, TokenFacts};
use super::no_organization::NoOrganization;
use super::requirement::{Guard, Requirement};

/// Proof that a guard allowed a call. The proof contains the caller and the organization about which the guard decided.
///
/// Only [`decide`] constructs this type, so a value exists only after a guard has allowed the call. Injected parameters
/// are taken from this value, so a tool gets exactly the organization about which the guard decided.
#[derive(Debug)]
pub(crate) struct Authorized {
    caller: Option<Caller>,
    organization: Option<Org>,
}

impl Authorized {
    /// Returns the caller. `None` if a public tool is called without a token.
    pub(crate) fn caller(&self) -> Option<&Caller> {
        self.caller.as_ref()
    }

    /// Returns the organization. `None` if the tool uses no organization, or if the caller acts in
    /// no organization.
    pub(crate) fn organization(&self) -> Option<&Org> {
        self.organization.as_ref()
    }
}

/// The reason why [`decide`] returns no proof.
#[derive(Debug)]
pub(crate) enum NotAuthorized {
    /// There is no caller, and the tool is not public.
    Unauthenticated,
    /// The decision needs the organization, and the look-up of the organization failed.
    Unavailable(Unavailable),
    /// The caller does not meet the guard.
    Denied(Denied),
}

/// Decides whether a call is allowed. Denial is the default: only the last expression of this function makes an [`Authorized`].
pub(crate) fn decide(guard: &Guard, facts: &CallFacts<'_>) -> Result<Authorized, NotAuthorized> {
    let organization = if guard.is_public() {
        facts.organization.map_err(unavailable)?
    } else {
        let caller = facts.caller.ok_or(NotAuthorized::Unauthenticated)?;
        let token = TokenFacts::of(caller);
        let (known, token) = match facts.organization {
            Ok(organization) => (organization, token),
            // While the organization is unknown, no policy can be evaluated. Decide as if the caller acted in no
            // organization and every policy denied. If the caller passes even then, the look-up cannot change the
            // result, because the guard is monotonic apart from policies. The error of the look-up is then ignored.
            Err(_) => {
                let policies = Policies::Assume(false);
                (None, TokenFacts { policies, ..token })
            }
        };
        let question = Question {
            guard,
            caller: &token,
            organization: known,
            named_by: facts.named_by,
            server_scopes: facts.server_scopes,
        };
        match question.denied() {
            None => known,
            // These denials are the same with every organization and every policy.
            Some(denied @ (Denied::TokenKind(_) | Denied::Actor | Denied::User)) => {
                return Err(NotAuthorized::Denied(denied));
            }
            Some(denied) => {
                facts.organization.map_err(unavailable)?;
                return Err(NotAuthorized::Denied(denied));
            }
        }
    };
    // PROOF: the guard is public, or there is a caller who meets every requirement.
    Ok(Authorized {
        caller: facts.caller.cloned(),
        organization: organization.cloned(),
    })
}

/// Returns true if [`decide`] would allow a caller with these facts. The access matrix calls this function, which makes
/// no proof.
pub(crate) fn would_allow(
    guard: &Guard,
    caller: Option<&TokenFacts<'_>>,
    organization: Option<&Org>,
    server_scopes: &[String],
) -> bool {
    supposed(guard, caller, organization, server_scopes).is_ok()
}

/// Returns the decision that [`decide`] would make about a caller with these facts. Makes no proof.
pub(crate) fn supposed(
    guard: &Guard,
    caller: Option<&TokenFacts<'_>>,
    organization: Option<&Org>,
    server_scopes: &[String],
) -> Result<(), NotAuthorized> {
    if guard.is_public() {
        return Ok(());
    }
    let question = Question {
        guard,
        caller: caller.ok_or(NotAuthorized::Unauthenticated)?,
        organization,
        named_by: NamedBy::default(),
        server_scopes,
    };
    question
        .denied()
        .map_or(Ok(()), |denied| Err(NotAuthorized::Denied(denied)))
}

fn unavailable(unavailable: &Unavailable) -> NotAuthorized {
    NotAuthorized::Unavailable(*unavailable)
}

/// Returns the value inside a requirement if the requirement is of the variant `$kind`.
macro_rules! value_of {
    ($requirement:expr, $kind:ident) => {
        if let Requirement::$kind(value) = $requirement {
            Some(value)
        } else {
            None
        }
    };
}

impl Question<'_> {
    /// Returns the first denial of [`ORDER`] that applies. `None` if the caller meets the guard.
    fn denied(self) -> Option<Denied> {
        let unmet = Unmet::of(self)?;
        let denial = ORDER.iter().find_map(|denial| denial(&unmet));
        // A requirement is unmet. The call is denied even if no entry of `ORDER` covers the requirement.
        Some(denial.unwrap_or(Denied::User))
    }
}

/// The denials, in the order in which they are reported. Scopes come last, so that a user is asked to grant a scope
/// only if the call would then be allowed.
const ORDER: [fn(&Unmet<'_>) -> Option<Denied>; 12] = [
    |unmet| {
        unmet
            .first(|one| value_of!(one, Accept))
            .map(Denied::TokenKind)
    },
    |unmet| unmet.has(Requirement::NoActor).then_some(Denied::Actor),
    |unmet| unmet.has(Requirement::User).then_some(Denied::User),
    without_organization,
    |unmet| unmet.each(|one| value_of!(one, Role)).map(Denied::Role),
    |unmet| {
        unmet
            .each(|one| value_of!(one, Permission))
            .map(Denied::Permission)
    },
    |unmet| {
        unmet
            .each(|one| value_of!(one, Feature))
            .map(Denied::Feature)
    },
    |unmet| unmet.each(|one| value_of!(one, Plan)).map(Denied::Plan),
    |unmet| unmet.each(|one| value_of!(one, Policy)).map(Denied::Policy),
    without_reverification,
    without_alternative,
    without_scopes,
];

/// The requirements that a caller does not meet: at least one requirement or one scope.
struct Unmet<'a> {
    question: Question<'a>,
    requirements: Vec<Requirement>,
    /// The missing scopes that the guard requires, then the missing scopes that the server requires.
    scopes: Vec<String>,
}

impl<'a> Unmet<'a> {
    fn of(question: Question<'a>) -> Option<Self> {
        let mut requirements = Vec::new();
        for requirement in question.guard.requirements() {
            // A module and a tool may state the same requirement.
            if !question.is_met(requirement) && !requirements.contains(&requirement) {
                requirements.push(requirement);
            }
        }
        let mut scopes = Vec::new();
        for scope in requirements.iter().filter_map(|one| value_of!(one, Scope)) {
            add(&mut scopes, scope.as_str());
        }
        for scope in question.server_scopes {
            if !question.caller.has_scope(scope) {
                add(&mut scopes, scope);
            }
        }
        (!requirements.is_empty() || !scopes.is_empty()).then_some(Self {
            question,
            requirements,
            scopes,
        })
    }

    fn has(&self, requirement: Requirement) -> bool {
        self.requirements.contains(&requirement)
    }

    /// Returns the value that `pick` takes from the first unmet requirement of a kind.
    fn first<T>(&self, pick: fn(Requirement) -> Option<T>) -> Option<T> {
        self.requirements.iter().copied().find_map(pick)
    }

    /// Returns the values that `pick` takes from all unmet requirements of a kind. `None` if there are no such
    /// requirements.
    fn each<T>(&self, pick: fn(Requirement) -> Option<T>) -> Option<Vec<T>> {
        let picked: Vec<T> = self.requirements.iter().copied().filter_map(pick).collect();
        (!picked.is_empty()).then_some(picked)
    }

    /// Returns true if only a reverification is missing, and the caller has a session token. Only a session token can
    /// carry a reverification.
    fn lacks_only_reverification(&self) -> bool {
        let lacks_no_scope = |all: &&[Requirement]| {
            missing_scopes(&self.question, all, Requirement::is_reverification)
                .is_some_and(|scopes| scopes.is_empty())
        };
        let mut choices = self
            .requirements
            .iter()
            .filter_map(|one| value_of!(one, Any));
        self.question.caller.token_kind == TokenKind::Session
            && self.scopes.is_empty()
            && choices.all(|choice| choice.iter().any(lacks_no_scope))
    }
}

fn without_organization(unmet: &Unmet<'_>) -> Option<Denied> {
    let question = &unmet.question;
    if question.organization.is_some() || !question.guard.needs_organization() {
        return None;
    }
    let why = NoOrganization::of(question.caller, question.named_by);
    // A new OAuth token cannot bring a feature, a plan, a reverification, or the organization that a URL names. A
    // client that already has the scope and still has no organization would request the scope again and again.
    let could_come = !unmet.requirements.iter().any(|one| one.is_of_session())
        && !question.caller.has_scope(ORGANIZATION_SCOPE)
        && why != NoOrganization::UrlQuery;
    let cure = could_come.then(|| cure(question, Requirement::is_of_organization));
    let cure = cure.flatten();
    Some(Denied::Organization { cure, why })
}

fn without_reverification(unmet: &Unmet<'_>) -> Option<Denied> {
    let asked = unmet.first(|one| value_of!(one, Reverification))?;
    let curable = unmet.lacks_only_reverification();
    Some(Denied::Reverification { asked, curable })
}

fn without_alternative(unmet: &Unmet<'_>) -> Option<Denied> {
    let alternatives = unmet.first(|one| value_of!(one, Any))?;
    Some(Denied::Any {
        alternatives,
        cure: cure(&unmet.question, |_| false),
        verifying_helps: unmet.lacks_only_reverification(),
    })
}

fn without_scopes(unmet: &Unmet<'_>) -> Option<Denied> {
    let hierarchy = unmet.question.caller.hierarchy;
    (!unmet.scopes.is_empty()).then(|| Denied::Scope {
        missing: hierarchy.fewest(unmet.scopes.clone()),
        cure: cure(&unmet.question, |_| false),
    })
}

#[cfg(test)]
mod tests;
