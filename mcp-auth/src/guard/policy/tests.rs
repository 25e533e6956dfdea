//! Tests of decisions with policies, which need not be monotonic.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::guard::{
    CallFacts, Guard, NotAuthorized, OrganizationFacts, Requirement, Role, Scope, Visibility,
    decide, function_policy,
};
use crate::identity::test_support::{logged, oauth_caller, oauth_claims};
use crate::identity::{Freshness, NamedBy, Unavailable};

const EU: Requirement =
    Requirement::Policy(Policy::new("eu", "an organization in the EU", |facts| {
        facts.org().is_some_and(|org| org.id() == "org_eu")
    }));
/// Not monotonic: an organization changes the answer from true to false.
const ALONE: Requirement = function_policy("alone", |facts| facts.org().is_none());
const NARROW: Requirement =
    Requirement::Policy(Policy::new("narrow", "a token without `admin`", |facts| {
        !facts.has_scope("admin")
    }));
const NEVER: Requirement = function_policy("never", |_| false);
const ALWAYS: Requirement = function_policy("always", |_| true);

const ADMIN: Requirement = Requirement::Role(Role::new("admin"));
const USER: Requirement = Requirement::User;
const MACHINES: Requirement = Requirement::Accept(&[TokenKind::M2m]);
const DOCS: Requirement = Requirement::Scope(Scope::new("docs"));
const ADMIN_SCOPE: Requirement = Requirement::Scope(Scope::new("admin"));

/// A look-up of the organization that failed.
const FAILED: Unavailable = Unavailable {
    what: "the membership",
    retry_after: Duration::from_secs(1),
};

fn caller(scopes: &str) -> Caller {
    let mut claims = oauth_claims();
    claims["scope"] = scopes.into();
    oauth_caller(&claims)
}

fn org(id: &str) -> Org {
    let permissions = vec!["org:a:read".to_owned()];
    Org::new(
        id.to_owned(),
        Some("acme".to_owned()),
        Some("org:member".to_owned()),
        Some(permissions),
    )
}

/// Returns `allow`, `401`, `503`, or the text of the denial with its cure.
fn decided(
    required: &'static [Requirement],
    caller: Option<&Caller>,
    organization: Result<Option<&Org>, &Unavailable>,
) -> String {
    let facts = CallFacts {
        caller,
        organization,
        named_by: NamedBy::Token,
        server_scopes: &[],
    };
    match decide(&Guard::signed_in(required), &facts) {
        Ok(_) => "allow".to_owned(),
        Err(NotAuthorized::Unauthenticated) => "401".to_owned(),
        Err(NotAuthorized::Unavailable(_)) => "503".to_owned(),
        Err(NotAuthorized::Denied(denied)) => match denied.cure() {
            Some(scopes) => format!("{denied}; cure {}", scopes.join(" ")),
            None => denied.to_string(),
        },
    }
}

const BY_POLICY: &str = "Forbidden: not allowed by a policy";
const NOT_EU: &str = "Forbidden: an organization in the EU required";

#[test]
fn the_truth_table_holds_with_policies() {
    let (eu, us) = (org("org_eu"), org("org_us"));
    let plain = caller("profile");
    for (required, organization, expected) in [
        (&[ALWAYS][..], None, "allow"),
        (&[NEVER], Some(&eu), BY_POLICY),
        (&[EU], Some(&eu), "allow"),
        (&[EU], Some(&us), NOT_EU),
        (&[EU], None, NOT_EU),
        (&[ALONE], None, "allow"),
        (&[ALONE], Some(&eu), BY_POLICY),
        (&[EU, ALWAYS], Some(&eu), "allow"),
        // All policies are required.
        (&[EU, ALONE], Some(&eu), BY_POLICY),
        (&[EU, ALONE], None, NOT_EU),
        (&[EU, NEVER], Some(&us), NOT_EU),
        // A missing role is reported first, and a missing scope last.
        (
            &[ADMIN, NEVER],
            Some(&eu),
            "Forbidden: org:admin role required",
        ),
        (&[NEVER, DOCS], Some(&eu), BY_POLICY),
        (
            &[USER, MACHINES, NEVER],
            Some(&eu),
            "Forbidden: m2m token required",
        ),
        // A policy in a choice.
        (&[Requirement::Any(&[&[ADMIN], &[EU]])], Some(&eu), "allow"),
        (
            &[Requirement::Any(&[&[ADMIN], &[EU]])],
            Some(&us),
            "Forbidden: org:admin role or an organization in the EU required",
        ),
        (
            &[Requirement::Any(&[&[ADMIN], &[NEVER]])],
            Some(&us),
            "Forbidden: org:admin role or approval by a policy required",
        ),
        (
            &[Requirement::Any(&[&[ALONE, EU], &[ALWAYS]])],
            None,
            "allow",
        ),
    ] {
        let outcome = decided(required, Some(&plain), Ok(organization));
        assert_eq!(outcome, expected, "{required:?} {organization:?}");
        assert_eq!(decided(required, None, Ok(organization)), "401");
    }
}

/// No guard of this table is decided by guessing the answer of a policy or the organization.
#[test]
fn a_failed_look_up_is_503_unless_neither_the_organization_nor_a_policy_matters() {
    let plain = caller("docs");
    for (required, expected) in [
        (&[ALWAYS][..], "503"),
        (&[ALONE], "503"),
        (&[NEVER], "503"),
        (&[EU], "503"),
        (&[DOCS, ALWAYS], "503"),
        (&[ADMIN_SCOPE, NEVER], "503"),
        (&[Requirement::Any(&[&[ADMIN], &[ALONE]])], "503"),
        (&[Requirement::Any(&[&[ALONE, DOCS], &[EU]])], "503"),
        // The caller passes whatever the policy answers.
        (&[Requirement::Any(&[&[ALONE], &[DOCS]])], "allow"),
        (&[DOCS], "allow"),
        // The caller is denied whatever the policy answers.
        (&[MACHINES, ALWAYS], "Forbidden: m2m token required"),
    ] {
        let outcome = decided(required, Some(&plain), Err(&FAILED));
        assert_eq!(outcome, expected, "{required:?}");
        assert_eq!(decided(required, None, Err(&FAILED)), "401");
    }
}

#[test]
fn no_scope_is_promised_to_help_while_a_policy_denies() {
    let (eu, us) = (org("org_eu"), org("org_us"));
    let plain = caller("profile");
    for (required, organization, expected) in [
        (
            &[EU, DOCS][..],
            Some(&eu),
            "Forbidden: docs scope required; cure docs",
        ),
        (&[EU, DOCS], Some(&us), NOT_EU),
        // The policy allows the token of this call, and would deny a token with the missing scope.
        (
            &[NARROW, ADMIN_SCOPE],
            Some(&eu),
            "Forbidden: admin scope required",
        ),
        // No organization is known for which the policy could be asked.
        (
            &[Requirement::Organization, EU],
            None,
            "Organization context required",
        ),
        (
            &[Requirement::Organization, ALWAYS],
            None,
            "Organization context required; cure user:org:read",
        ),
        // An alternative with a policy that denies cannot be met by a scope.
        (
            &[Requirement::Any(&[&[NEVER, DOCS], &[ADMIN]])],
            Some(&eu),
            "Forbidden: approval by a policy and docs scope or org:admin role required",
        ),
        (
            &[Requirement::Any(&[&[NEVER, DOCS], &[ADMIN_SCOPE]])],
            Some(&eu),
            "Forbidden: approval by a policy and docs scope or admin scope required; cure admin",
        ),
        (
            &[Requirement::Any(&[&[ALWAYS, DOCS], &[ADMIN]])],
            Some(&eu),
            "Forbidden: approval by a policy and docs scope or org:admin role required; cure docs",
        ),
        (
            &[Requirement::Any(&[&[NARROW, ADMIN_SCOPE], &[ADMIN]])],
            Some(&eu),
            "Forbidden: a token without `admin` and admin scope or org:admin role required",
        ),
    ] {
        let outcome = decided(required, Some(&plain), Ok(organization));
        assert_eq!(outcome, expected, "{required:?} {organization:?}");
    }
}

#[test]
fn a_policy_uses_the_organization_and_does_not_need_it() {
    for required in [&[ALWAYS][..], &[Requirement::Any(&[&[ALWAYS], &[DOCS]])]] {
        let guard = Guard::signed_in(required.to_vec().leak());
        assert!(
            guard.uses_organization() && guard.uses_membership(),
            "{guard}"
        );
        assert!(
            !guard.needs_organization() && !guard.needs_membership(),
            "{guard}"
        );
        assert!(!guard.depends_on_time(), "{guard}");
    }
}

#[test]
fn a_list_shows_what_the_policies_allow_for_each_organization() {
    const GUARDS: [Guard; 5] = [
        Guard::signed_in(&[EU]),
        Guard::signed_in(&[ALONE]),
        Guard::signed_in(&[DOCS, ALWAYS]),
        Guard::signed_in(&[DOCS, NEVER]),
        Guard::signed_in(&[Requirement::Any(&[&[EU], &[ALONE]])]),
    ];
    let (eu, us) = (org("org_eu"), org("org_us"));
    let plain = caller("profile");
    for hides in [false, true] {
        let guards = GUARDS.iter().map(|guard| (*guard, Freshness::Current));
        let visibility = Visibility::new(guards, Vec::new(), hides);
        assert!(visibility.asks(Freshness::Current));
        // The list is cached for a caller, and the cached list is used for the same organization only.
        for _ in 0..2 {
            for (organization, expected) in [
                (Some(&eu), [true, false, true, false, true]),
                (Some(&us), [false, false, true, false, false]),
                (None, [false, true, true, false, true]),
            ] {
                let known = OrganizationFacts {
                    current: organization,
                    named_by: NamedBy::Token,
                    ..OrganizationFacts::default()
                };
                let visible = visibility.of(Some(&plain), known);
                let visible = [0, 1, 2, 3, 4].map(|place| visible.has(place));
                assert_eq!(visible, expected, "{organization:?}");
                let visible = visibility.of(None, known);
                assert_eq!(visible.count(), 0);
            }
        }
    }
}

#[test]
fn a_policy_that_panics_denies_and_is_logged_once() {
    const BROKEN: Requirement =
        function_policy("broken", |facts| facts.scopes().len() > 9 || panic!());
    let plain = caller("profile");
    let lines = logged(|| {
        for required in [&[BROKEN][..], &[BROKEN, DOCS]] {
            assert_eq!(decided(required, Some(&plain), Ok(None)), BY_POLICY);
        }
        let either: &[Requirement] = &[Requirement::Any(&[&[BROKEN], &[ALWAYS]])];
        assert_eq!(decided(either, Some(&plain), Ok(None)), "allow");
        let guard = (Guard::signed_in(&[BROKEN]), Freshness::Current);
        let visibility = Visibility::new([guard].into_iter(), Vec::new(), false);
        let known = OrganizationFacts::default();
        assert_eq!(visibility.of(Some(&plain), known).count(), 0);
    });
    assert_eq!(lines.matches("policy panicked").count(), 1, "{lines}");
    assert!(
        lines.contains("ERROR") && lines.contains("broken"),
        "{lines}"
    );
}

#[test]
fn a_policy_reads_the_token_and_the_organization() {
    let mut claims = oauth_claims();
    claims["scope"] = "docs".into();
    claims["region"] = "eu".into();
    claims["act"] = json!({ "sub": "user_support" });
    let caller = oauth_caller(&claims);
    let org = org("org_1");
    let facts = CallerFacts::new(&caller, caller.scopes(), Some(&org));
    assert_eq!(
        (facts.subject(), facts.user_id()),
        ("user_ada", Some("user_ada"))
    );
    assert_eq!(
        (facts.client_id(), facts.machine_id()),
        (Some("client_1"), None)
    );
    assert_eq!(facts.token_kind(), TokenKind::OAuth);
    assert_eq!(
        facts.actor().map(Actor::subject),
        caller.actor().map(Actor::subject)
    );
    assert!(facts.is_impersonated());
    assert_eq!(facts.scopes(), ["docs"]);
    assert!(facts.has_scope("docs") && !facts.has_scope("doc"));
    assert_eq!(
        facts.org().map(|org| (org.id(), org.slug())),
        Some(("org_1", Some("acme")))
    );
    assert!(facts.has_role("member") && !facts.has_role("admin"));
    assert!(facts.has_permission("org:a:read") && !facts.has_permission("org:a:write"));
    assert!(!facts.has_feature("export") && !facts.has_plan("org:pro"));
    assert_eq!(facts.claim("region"), Some(&json!("eu")));
    assert_eq!(facts.claim("planet"), None);
    let text = format!("{facts:?}");
    assert!(
        !text.contains("region") && text.contains("user_ada"),
        "{text}"
    );
    let alone = CallerFacts::new(&caller, caller.scopes(), None);
    assert!(alone.org().is_none());
    assert!(!alone.has_role("member") && !alone.has_permission("org:a:read"));
}

#[test]
fn policies_are_told_apart_by_name_text_and_function() {
    fn yes(_: &CallerFacts<'_>) -> bool {
        true
    }
    fn no(facts: &CallerFacts<'_>) -> bool {
        facts.scopes().len() > 9
    }
    let policy = Policy::new("a", "an a", yes);
    assert_eq!(policy, policy.clone());
    for other in [
        Policy::new("b", "an a", yes),
        Policy::new("a", "a b", yes),
        Policy::new("a", "an a", no),
    ] {
        assert_ne!(policy, other);
        assert_ne!(policy.cmp(&other), Ordering::Equal);
        assert_eq!(policy.cmp(&other), other.cmp(&policy).reverse());
    }
    assert_eq!(format!("{policy:?} {policy}"), "Policy(a) a");
    assert_eq!(Requirement::Policy(policy).to_string(), "policy a");
}

#[test]
#[should_panic(
    expected = "the name of a policy must be printable ASCII without spaces and quotes, found `EU staff`"
)]
fn a_name_with_a_space_is_refused() {
    let _ = Policy::new("EU staff", "staff", |_| true);
}

#[test]
#[should_panic(expected = "a policy needs a text of one line")]
fn a_text_with_a_line_break_is_refused() {
    let _ = Policy::new("eu", "staff\nin the EU", |_| true);
}

#[test]
#[should_panic(expected = "a policy needs a text of one line")]
fn an_empty_text_is_refused() {
    let _ = Policy::new("eu", "", |_| true);
}
