//! The decision: a pure function of guard and facts, and the proof it hands out.

use crate::identity::{Caller, Org, TokenKind, Unavailable};

use super::denied::{Denied, ORGANIZATION_SCOPE};
use super::requirement::{Guard, Requirement};

/// What is known of a caller when the guard decides.
#[derive(Clone, Debug)]
pub(crate) struct Facts<'a> {
    /// The verified caller; `None` for a request without a token.
    pub(crate) caller: Option<&'a Caller>,
    /// The caller's organization, if the tool wants it; an error if it cannot be had now.
    pub(crate) organization: Result<Option<&'a Org>, &'a Unavailable>,
    /// Scopes that the whole server requires, beside the guard's own.
    pub(crate) server_scopes: &'a [String],
}

/// Proof that a guard was decided in the caller's favour, with the facts it was decided on.
///
/// Private fields and one constructor, in [`decide`]: whoever holds one has passed a guard. What a
/// tool is injected with comes from here, so a tool cannot see an organization that the guard did
/// not.
#[derive(Debug)]
pub(crate) struct Authorized {
    caller: Option<Caller>,
    organization: Option<Org>,
}

impl Authorized {
    /// The caller, if there is one.
    pub(crate) fn caller(&self) -> Option<&Caller> {
        self.caller.as_ref()
    }

    /// The organization, if the guard asked for it and there is one.
    pub(crate) fn organization(&self) -> Option<&Org> {
        self.organization.as_ref()
    }
}

/// Why there is no proof.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// There is no caller, and the tool is not public.
    Unauthenticated,
    /// A fact that the guard needs cannot be had now.
    Unavailable(Unavailable),
    /// The caller may not.
    Denied(Denied),
}

/// Decides. Default deny needs no code path: the proof is made on the last line only.
pub(crate) fn decide(guard: &Guard, facts: &Facts<'_>) -> Result<Authorized, Refusal> {
    let organization = facts
        .organization
        .map_err(|unavailable| Refusal::Unavailable(*unavailable))?;
    if !guard.is_public() {
        let caller = facts.caller.ok_or(Refusal::Unauthenticated)?;
        if let Some(denied) = denied(guard, caller, organization, facts.server_scopes) {
            return Err(Refusal::Denied(denied));
        }
    }
    // PROOF: the guard is public, or there is a caller, no fact the guard needs is unknown and no
    // requirement of it is unmet.
    Ok(Authorized {
        caller: facts.caller.cloned(),
        organization: organization.cloned(),
    })
}

/// The first unmet requirement in the order organization, role, permission, scope.
fn denied(
    guard: &Guard,
    caller: &Caller,
    organization: Option<&Org>,
    server_scopes: &[String],
) -> Option<Denied> {
    let mut roles = Vec::new();
    let mut permissions = Vec::new();
    let mut scopes: Vec<String> = Vec::new();
    let mut needs_scope = |scope: &str| {
        if !caller.has_scope(scope) && !scopes.iter().any(|missing| missing == scope) {
            scopes.push(scope.to_owned());
        }
    };
    for requirement in guard.requirements() {
        match requirement {
            // Met: there is a caller, and `needs_organization` below asks for the organization.
            Requirement::Organization | Requirement::SignedIn => {}
            Requirement::Role(role) => {
                if !organization.is_some_and(|org| org.has_role(role.as_str())) {
                    roles.push(role);
                }
            }
            Requirement::Permission(permission) => {
                if !organization.is_some_and(|org| org.has_permission(permission.as_str())) {
                    permissions.push(permission);
                }
            }
            Requirement::Scope(scope) => needs_scope(scope.as_str()),
        }
    }
    server_scopes.iter().for_each(|scope| needs_scope(scope));
    let new_token_helps = caller.token_kind() == TokenKind::OAuth;
    if guard.needs_organization() && organization.is_none() {
        let curable = new_token_helps && !caller.has_scope(ORGANIZATION_SCOPE);
        Some(Denied::Organization { curable })
    } else if !roles.is_empty() {
        Some(Denied::Role(roles))
    } else if !permissions.is_empty() {
        Some(Denied::Permission(permissions))
    } else if !scopes.is_empty() {
        Some(Denied::Scope {
            missing: scopes,
            curable: new_token_helps,
        })
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::Value;

    use super::*;
    use crate::guard::{Implied, Permission, Role, Scope};
    use crate::identity::doubles::{
        block_on, oauth_caller, oauth_claims, offline, policy, session_claims, session_token,
    };
    use crate::identity::{Parties, Policy};

    const DELETE: Requirement = Requirement::Permission(Permission::new("org:documents:delete"));
    const READ: Requirement = Requirement::Permission(Permission::new("org:documents:read"));
    const ADMIN: Requirement = Requirement::Role(Role::new("admin"));
    const WRITE: Requirement = Requirement::Scope(Scope::new("documents:write"));

    const PUBLIC: Guard = Guard::public();
    const SIGNED_IN: Guard = Guard::signed_in(&[]);
    const ORG: Guard = Guard::signed_in(&[Requirement::Organization]);
    const TAKES_ORG: Guard = SIGNED_IN.implied(&[Implied::signed_in(&[Requirement::Organization])]);
    const MAY_DELETE: Guard = Guard::signed_in(&[DELETE]);
    const MAY_BOTH: Guard = Guard::signed_in(&[READ, DELETE]);
    const IS_ADMIN: Guard = Guard::signed_in(&[ADMIN]);
    const MAY_WRITE: Guard = Guard::signed_in(&[WRITE]);
    const EVERYTHING: Guard = Guard::signed_in(&[WRITE, DELETE, ADMIN, Requirement::Organization]);

    fn caller(scopes: &str) -> Caller {
        let mut claims = oauth_claims();
        if let Some(claims) = claims.as_object_mut() {
            claims.insert("scope".to_owned(), Value::from(scopes));
        }
        oauth_caller(&claims)
    }

    fn org(role: Option<&str>, permissions: Option<&[&str]>) -> Org {
        let permissions = permissions.map(|all| all.iter().map(ToString::to_string).collect());
        Org::new(
            "org_acme".into(),
            None,
            role.map(str::to_owned),
            permissions,
        )
    }

    /// `allow`, `401`, `503`, or the text of the denial.
    fn outcome(guard: &Guard, caller: Option<&Caller>, org: Option<&Org>) -> String {
        decided(
            guard,
            &Facts {
                caller,
                organization: Ok(org),
                server_scopes: &[],
            },
        )
    }

    fn decided(guard: &Guard, facts: &Facts<'_>) -> String {
        match decide(guard, facts) {
            Ok(_) => "allow".to_owned(),
            Err(Refusal::Unauthenticated) => "401".to_owned(),
            Err(Refusal::Unavailable(_)) => "503".to_owned(),
            Err(Refusal::Denied(denied)) => denied.to_string(),
        }
    }

    #[test]
    fn the_truth_table_holds() {
        let plain = caller("profile");
        let writer = caller("profile documents:write");
        let member = org(Some("org:member"), Some(&["org:documents:read"]));
        let deleter = org(Some("org:member"), Some(&["org:documents:delete"]));
        let admin = org(
            Some("org:admin"),
            Some(&["org:documents:read", "org:documents:delete"]),
        );
        let unknown = org(None, None);
        let no_org = "Organization context required";
        let no_delete = "Forbidden: org:documents:delete permission required";
        let no_admin = "Forbidden: org:admin role required";
        let no_scope = "Forbidden: documents:write scope required";
        let (p, w) = (Some(&plain), Some(&writer));
        for (guard, caller, org, expected) in [
            (PUBLIC, None, None, "allow"),
            (PUBLIC, p, None, "allow"),
            (PUBLIC, p, Some(&member), "allow"),
            (SIGNED_IN, None, None, "401"),
            (SIGNED_IN, p, None, "allow"),
            (ORG, None, None, "401"),
            (ORG, p, None, no_org),
            (ORG, p, Some(&unknown), "allow"),
            (ORG, p, Some(&member), "allow"),
            (TAKES_ORG, None, None, "401"),
            (TAKES_ORG, p, None, no_org),
            (TAKES_ORG, p, Some(&member), "allow"),
            (MAY_DELETE, None, None, "401"),
            (MAY_DELETE, p, None, no_org),
            (MAY_DELETE, p, Some(&unknown), no_delete),
            (MAY_DELETE, p, Some(&member), no_delete),
            (MAY_DELETE, p, Some(&deleter), "allow"),
            (
                MAY_BOTH,
                p,
                Some(&deleter),
                "Forbidden: org:documents:read permission required",
            ),
            (MAY_BOTH, p, Some(&member), no_delete),
            (MAY_BOTH, p, Some(&admin), "allow"),
            (IS_ADMIN, p, None, no_org),
            (IS_ADMIN, p, Some(&unknown), no_admin),
            (IS_ADMIN, p, Some(&member), no_admin),
            (IS_ADMIN, p, Some(&admin), "allow"),
            (MAY_WRITE, None, None, "401"),
            (MAY_WRITE, p, None, no_scope),
            (MAY_WRITE, w, None, "allow"),
            (EVERYTHING, p, None, no_org),
            (EVERYTHING, p, Some(&member), no_admin),
            (
                EVERYTHING,
                p,
                Some(&org(Some("org:admin"), Some(&[]))),
                no_delete,
            ),
            (EVERYTHING, p, Some(&admin), no_scope),
            (EVERYTHING, w, Some(&admin), "allow"),
        ] {
            assert_eq!(outcome(&guard, caller, org), expected, "{guard:?} {org:?}");
        }
    }

    #[test]
    fn a_fact_that_cannot_be_had_allows_nobody() {
        let caller = caller("documents:write");
        let away = Unavailable {
            what: "test",
            retry_after: Duration::from_secs(1),
        };
        for guard in [ORG, MAY_DELETE, IS_ADMIN, EVERYTHING] {
            let facts = Facts {
                caller: Some(&caller),
                organization: Err(&away),
                server_scopes: &[],
            };
            assert_eq!(decided(&guard, &facts), "503");
        }
    }

    #[test]
    fn scopes_of_the_server_are_required_beside_those_of_the_guard() {
        let server_scopes = ["docs".to_owned(), "documents:write".to_owned()];
        let decide = |guard: &Guard, scopes: &str| {
            let caller = caller(scopes);
            let facts = Facts {
                caller: Some(&caller),
                organization: Ok(None),
                server_scopes: &server_scopes,
            };
            decided(guard, &facts)
        };
        let both = "Forbidden: documents:write, docs scopes required";
        assert_eq!(decide(&MAY_WRITE, "profile"), both);
        assert_eq!(decide(&MAY_WRITE, "docs documents:write"), "allow");
        assert_eq!(decide(&PUBLIC, "profile"), "allow");
    }

    #[test]
    fn a_denial_names_a_cure_only_where_a_new_token_would_help() {
        let cure = |guard: &Guard, caller: &Caller| {
            let facts = Facts {
                caller: Some(caller),
                organization: Ok(None),
                server_scopes: &[],
            };
            match decide(guard, &facts) {
                Err(Refusal::Denied(denied)) => denied.cure(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(
            cure(&ORG, &caller("profile")).as_deref(),
            Some("user:org:read")
        );
        // The scope is there and no organization was picked: asking again would go on for ever.
        assert_eq!(cure(&ORG, &caller("user:org:read")), None);
        assert_eq!(
            cure(&MAY_WRITE, &caller("profile")).as_deref(),
            Some("documents:write")
        );
        let policy = Policy {
            sessions: Some(Parties::Any),
            ..policy()
        };
        let token = session_token(&session_claims());
        let session = block_on(offline(policy).authenticate(&token)).unwrap();
        assert_eq!(cure(&ORG, &session), None);
        assert_eq!(cure(&MAY_WRITE, &session), None);
    }
}
