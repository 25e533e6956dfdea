//! The truth table of the decision.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::guard::{
    Feature, Implied, Permission, Plan, Policies, Reverification, Role, Scope,
    lacking_server_scopes,
};
use crate::identity::test_support::{
    block_on, oauth_caller, oauth_claims, oauth_token, offline, policy, session_claims,
    session_token,
};
use crate::identity::{Entitlements, FactorAges, Parties, ScopeHierarchy, TokenPolicy};

const DELETE: Requirement = Requirement::Permission(Permission::new("org:documents:delete"));
const READ: Requirement = Requirement::Permission(Permission::new("org:documents:read"));
const ADMIN: Requirement = Requirement::Role(Role::new("admin"));
const WRITE: Requirement = Requirement::Scope(Scope::new("documents:write"));
const DOCS: Requirement = Requirement::Scope(Scope::new("docs"));

const PUBLIC: Guard = Guard::public();
const SIGNED_IN: Guard = Guard::signed_in(&[]);
const ORG: Guard = Guard::signed_in(&[Requirement::Organization]);
const TAKES_ORG: Guard =
    SIGNED_IN.implied(&[Implied::signed_in(&[Requirement::Organization], &[])]);
const MAY_DELETE: Guard = Guard::signed_in(&[DELETE]);
const MAY_BOTH: Guard = Guard::signed_in(&[READ, DELETE]);
const IS_ADMIN: Guard = Guard::signed_in(&[ADMIN]);
const MAY_WRITE: Guard = Guard::signed_in(&[WRITE]);
const EVERYTHING: Guard = Guard::signed_in(&[WRITE, DELETE, ADMIN, Requirement::Organization]);
const ANY_MEMBER: Guard = Guard::signed_in(&[Requirement::Any(&[&[READ, DELETE], &[ADMIN]])]);
const ANY_OR_SCOPE: Guard = Guard::signed_in(&[Requirement::Any(&[&[DELETE], &[WRITE]])]);
const TWO_CHOICES: Guard = Guard::signed_in(&[
    DOCS,
    Requirement::Any(&[&[DELETE], &[WRITE]]),
    Requirement::Any(&[&[READ], &[ADMIN]]),
]);
const NO_CHOICE: Guard = Guard::signed_in(&[Requirement::Any(&[])]);
const EMPTY_CHOICE: Guard = Guard::signed_in(&[Requirement::Any(&[&[]])]);
const NO_ACTOR: Guard = Guard::signed_in(&[WRITE, DELETE, Requirement::NoActor]);

/// No organization, and no source that could have named one.
const NOWHERE: (Option<&Org>, NamedBy) = (None, NamedBy::Nobody { takes_url: false });

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

fn denied(
    guard: &Guard,
    caller: &TokenFacts<'_>,
    (organization, named_by): (Option<&Org>, NamedBy),
    server_scopes: &[String],
) -> Option<Denied> {
    Question {
        guard,
        caller,
        organization,
        named_by,
        server_scopes,
    }
    .denied()
}

/// Returns `allow`, `401`, `503`, or the text of the denial.
fn outcome(guard: &Guard, caller: Option<&Caller>, org: Option<&Org>) -> String {
    decided(
        guard,
        &CallFacts {
            caller,
            organization: Ok(org),
            named_by: NamedBy::default(),
            server_scopes: &[],
        },
    )
}

fn decided(guard: &Guard, facts: &CallFacts<'_>) -> String {
    match decide(guard, facts) {
        Ok(_) => "allow".to_owned(),
        Err(NotAuthorized::Unauthenticated) => "401".to_owned(),
        Err(NotAuthorized::Unavailable(_)) => "503".to_owned(),
        Err(NotAuthorized::Denied(denied)) => denied.to_string(),
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
fn one_alternative_is_enough_and_all_of_it_is_needed() {
    let plain = caller("profile");
    let writer = caller("documents:write");
    let both = caller("documents:write docs");
    let member = org(Some("org:member"), Some(&["org:documents:read"]));
    let deleter = org(Some("org:member"), Some(&["org:documents:delete"]));
    let editor = org(
        Some("org:member"),
        Some(&["org:documents:read", "org:documents:delete"]),
    );
    let admin = org(Some("org:admin"), Some(&[]));
    let unknown = org(None, None);
    let no_org = "Organization context required";
    let neither = "Forbidden: org:documents:read and org:documents:delete permissions or \
                   org:admin role required";
    let no_delete = "Forbidden: org:documents:delete permission or documents:write scope \
                     required";
    let no_read = "Forbidden: org:documents:read permission or org:admin role required";
    let (p, w, b) = (Some(&plain), Some(&writer), Some(&both));
    for (guard, caller, org, expected) in [
        (ANY_MEMBER, None, None, "401"),
        (ANY_MEMBER, p, None, no_org),
        (ANY_MEMBER, p, Some(&unknown), neither),
        (ANY_MEMBER, p, Some(&member), neither),
        (ANY_MEMBER, p, Some(&deleter), neither),
        (ANY_MEMBER, p, Some(&editor), "allow"),
        (ANY_MEMBER, p, Some(&admin), "allow"),
        (ANY_OR_SCOPE, None, None, "401"),
        (ANY_OR_SCOPE, p, None, no_delete),
        (ANY_OR_SCOPE, p, Some(&member), no_delete),
        (ANY_OR_SCOPE, p, Some(&deleter), "allow"),
        (ANY_OR_SCOPE, w, None, "allow"),
        (ANY_OR_SCOPE, w, Some(&unknown), "allow"),
        // The second choice needs an organization, so the whole guard does.
        (TWO_CHOICES, b, None, no_org),
        (TWO_CHOICES, p, Some(&unknown), no_delete),
        (TWO_CHOICES, w, Some(&deleter), no_read),
        (
            TWO_CHOICES,
            w,
            Some(&member),
            "Forbidden: docs scope required",
        ),
        (TWO_CHOICES, b, Some(&member), "allow"),
        (TWO_CHOICES, b, Some(&admin), "allow"),
        (NO_CHOICE, b, Some(&admin), "Forbidden:  required"),
        (EMPTY_CHOICE, b, Some(&admin), "Forbidden:  required"),
    ] {
        assert_eq!(outcome(&guard, caller, org), expected, "{guard:?} {org:?}");
    }
}

#[test]
fn an_impersonated_caller_is_told_so_before_anything_else() {
    let with_act = |act: Value| {
        let mut claims = oauth_claims();
        claims["scope"] = Value::from("documents:write");
        claims["act"] = act;
        oauth_caller(&claims)
    };
    let deleter = org(None, Some(&["org:documents:delete"]));
    let away = Unavailable {
        what: "test",
        retry_after: Duration::from_secs(1),
    };
    let refused = "Forbidden: not available to somebody who acts for the user";
    for act in [
        json!({ "sub": "user_support" }),
        json!({ "sub": "" }),
        json!({ "iss": "https://dashboard.clerk.com" }),
        json!({}),
        json!("user_support"),
        json!(false),
    ] {
        let caller = with_act(act.clone());
        assert!(caller.is_impersonated());
        for organization in [Ok(Some(&deleter)), Ok(None), Err(&away)] {
            let facts = CallFacts {
                caller: Some(&caller),
                organization,
                named_by: NamedBy::default(),
                server_scopes: &[],
            };
            assert_eq!(decided(&NO_ACTOR, &facts), refused, "{act}");
        }
        assert_eq!(outcome(&MAY_DELETE, Some(&caller), Some(&deleter)), "allow");
    }
    let alone = with_act(Value::Null);
    assert_eq!(outcome(&NO_ACTOR, Some(&alone), Some(&deleter)), "allow");
    let alone = caller("documents:write");
    assert_eq!(outcome(&NO_ACTOR, Some(&alone), Some(&deleter)), "allow");
    assert_eq!(outcome(&NO_ACTOR, None, None), "401");
}

#[test]
fn an_alternative_of_scopes_alone_needs_no_organization() {
    let away = Unavailable {
        what: "test",
        retry_after: Duration::from_secs(1),
    };
    for (guard, scopes, expected) in [
        (ANY_OR_SCOPE, "documents:write", "allow"),
        (ANY_OR_SCOPE, "profile", "503"),
        (ANY_MEMBER, "documents:write", "503"),
        (TWO_CHOICES, "documents:write docs", "503"),
    ] {
        let caller = caller(scopes);
        let facts = CallFacts {
            caller: Some(&caller),
            organization: Err(&away),
            named_by: NamedBy::default(),
            server_scopes: &[],
        };
        assert_eq!(decided(&guard, &facts), expected, "{guard:?} {scopes}");
    }
}

#[test]
fn a_guard_needs_what_all_alternatives_need_and_uses_what_one_does() {
    for (guard, org, membership) in [
        (PUBLIC, [false, false], [false, false]),
        (SIGNED_IN, [false, false], [false, false]),
        (ORG, [true, true], [false, false]),
        (MAY_DELETE, [true, true], [true, true]),
        (MAY_WRITE, [false, false], [false, false]),
        (ANY_MEMBER, [true, true], [true, true]),
        (ANY_OR_SCOPE, [false, true], [false, true]),
        (TWO_CHOICES, [true, true], [true, true]),
    ] {
        let needs = [guard.needs_organization(), guard.uses_organization()];
        assert_eq!(needs, org, "{guard}");
        let needs = [guard.needs_membership(), guard.uses_membership()];
        assert_eq!(needs, membership, "{guard}");
    }
}

#[test]
fn a_guard_is_printed_in_the_order_in_which_it_is_decided() {
    for (guard, text) in [
        (PUBLIC, "public"),
        (SIGNED_IN, "signed in"),
        (
            EVERYTHING,
            "organization, role org:admin, permission org:documents:delete, \
             scope documents:write",
        ),
        (
            ANY_MEMBER,
            "any of (permission org:documents:read and permission org:documents:delete; \
             role org:admin)",
        ),
        (
            NO_ACTOR,
            "no actor, permission org:documents:delete, scope documents:write",
        ),
    ] {
        assert_eq!(guard.to_string(), text);
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
        let facts = CallFacts {
            caller: Some(&caller),
            organization: Err(&away),
            named_by: NamedBy::default(),
            server_scopes: &[],
        };
        assert_eq!(decided(&guard, &facts), "503");
    }
}

#[test]
fn less_known_of_an_organization_never_allows_more() {
    let away = Unavailable {
        what: "test",
        retry_after: Duration::from_secs(1),
    };
    let orgs = [
        org(None, None),
        org(Some("org:member"), Some(&["org:documents:read"])),
        org(Some("org:admin"), Some(&["org:documents:read"])),
        org(
            Some("org:admin"),
            Some(&["org:documents:read", "org:documents:delete"]),
        ),
    ];
    for guard in [
        SIGNED_IN,
        ORG,
        TAKES_ORG,
        MAY_DELETE,
        MAY_BOTH,
        IS_ADMIN,
        MAY_WRITE,
        EVERYTHING,
        ANY_MEMBER,
        ANY_OR_SCOPE,
        TWO_CHOICES,
        NO_CHOICE,
        EMPTY_CHOICE,
        NO_ACTOR,
    ] {
        for scopes in ["profile", "documents:write", "documents:write docs"] {
            let caller = caller(scopes);
            let allows = |organization| {
                let facts = CallFacts {
                    caller: Some(&caller),
                    organization,
                    named_by: NamedBy::default(),
                    server_scopes: &[],
                };
                decided(&guard, &facts) == "allow"
            };
            // From a failed look-up to no organization, and from each organization to one with more
            // rights.
            let mut known = vec![Err(&away), Ok(None)];
            known.extend(orgs.iter().map(|org| Ok(Some(org))));
            let answers: Vec<_> = known.into_iter().map(allows).collect();
            assert!(answers.is_sorted(), "{guard:?} {scopes}: {answers:?}");
            assert_eq!(answers[0], answers[1], "{guard:?} {scopes}");
        }
    }
}

#[test]
fn scopes_of_the_server_are_required_beside_those_of_the_guard() {
    let server_scopes = ["docs".to_owned(), "documents:write".to_owned()];
    let decide = |guard: &Guard, scopes: &str| {
        let caller = caller(scopes);
        let facts = CallFacts {
            caller: Some(&caller),
            organization: Ok(None),
            named_by: NamedBy::default(),
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
fn a_scope_brings_along_what_it_contains_and_nothing_else_does() {
    const READ_AND_WRITE: Guard =
        Guard::signed_in(&[Requirement::Scope(Scope::new("documents:read")), WRITE]);
    const READS: Guard = Guard::signed_in(&[Requirement::Scope(Scope::new("documents:read"))]);
    let contains = |scope: &str, other: &str| (scope.to_owned(), vec![other.to_owned()]);
    let policy = TokenPolicy {
        scopes: Arc::new(
            ScopeHierarchy::new(&[
                contains("documents:admin", "documents:write"),
                contains("documents:write", "documents:read"),
            ])
            .unwrap(),
        ),
        ..policy()
    };
    let decide = |guard: &Guard, scopes: &str| {
        let mut claims = oauth_claims();
        claims["scope"] = scopes.into();
        let token = oauth_token(&claims);
        let caller = block_on(offline(policy.clone()).authenticate(&token)).unwrap();
        outcome(guard, Some(&caller), None)
    };
    let no_read = "Forbidden: documents:read scope required";
    let no_write = "Forbidden: documents:write scope required";
    for (guard, scopes, expected) in [
        (READS, "profile", no_read),
        (READS, "documents:read", "allow"),
        (READS, "documents:write", "allow"),
        (READS, "documents:admin", "allow"),
        (READS, "documents:admi", no_read),
        (MAY_WRITE, "documents:read", no_write),
        (MAY_WRITE, "documents:admin", "allow"),
        (READ_AND_WRITE, "profile", no_write),
        (READ_AND_WRITE, "documents:read", no_write),
        (READ_AND_WRITE, "documents:write", "allow"),
    ] {
        assert_eq!(decide(&guard, scopes), expected, "{guard:?} {scopes}");
    }
}

#[test]
fn a_denial_names_a_cure_only_where_a_new_token_would_help() {
    let cure = |guard: &Guard, caller: &Caller| {
        let facts = CallFacts {
            caller: Some(caller),
            organization: Ok(None),
            named_by: NamedBy::default(),
            server_scopes: &[],
        };
        match decide(guard, &facts) {
            Err(NotAuthorized::Denied(denied)) => denied.cure().map(|scopes| scopes.join(" ")),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        cure(&ORG, &caller("profile")).as_deref(),
        Some("user:org:read")
    );
    // The caller holds the scope and picked no organization. With a challenge, the client would ask
    // for ever.
    assert_eq!(cure(&ORG, &caller("user:org:read")), None);
    assert_eq!(
        cure(&MAY_WRITE, &caller("profile")).as_deref(),
        Some("documents:write")
    );
    assert_eq!(
        cure(&ANY_OR_SCOPE, &caller("profile")).as_deref(),
        Some("documents:write")
    );
    let policy = TokenPolicy {
        sessions: Some(Parties::Any),
        ..policy()
    };
    let token = session_token(&session_claims());
    let session = block_on(offline(policy).authenticate(&token)).unwrap();
    assert_eq!(cure(&ORG, &session), None);
    assert_eq!(cure(&MAY_WRITE, &session), None);
    assert_eq!(cure(&ANY_OR_SCOPE, &session), None);
}

#[test]
fn a_cure_names_every_scope_that_the_call_needs_and_never_only_the_missing_ones() {
    const READ_DOCS: Requirement = Requirement::Scope(Scope::new("documents:read"));
    const EXPORT: Guard = Guard::signed_in(&[DOCS, WRITE, Requirement::Organization]);
    const PLAIN: Guard = Guard::signed_in(&[DOCS, WRITE]);
    const DELETING: Guard = Guard::signed_in(&[WRITE, DELETE]);
    const CHOICE: Guard = Guard::signed_in(&[
        Requirement::Any(&[&[READ_DOCS], &[ADMIN]]),
        Requirement::Any(&[&[ADMIN, DOCS], &[WRITE]]),
    ]);
    let acme = org(None, Some(&["org:documents:delete"]));
    let cure_by = |guard: &Guard, scopes: &str, server_scopes: &[&str], named_by| {
        let caller = caller(scopes);
        let server_scopes: Vec<_> = server_scopes.iter().map(ToString::to_string).collect();
        let facts = CallFacts {
            caller: Some(&caller),
            organization: Ok(Some(&acme)),
            named_by,
            server_scopes: &server_scopes,
        };
        match decide(guard, &facts) {
            Err(NotAuthorized::Denied(denied)) => denied.cure().map(|scopes| scopes.join(" ")),
            other => panic!("{other:?}"),
        }
    };
    for (guard, held, server, expected) in [
        (
            EXPORT,
            "docs user:org:read",
            &[][..],
            "docs documents:write user:org:read",
        ),
        (
            EXPORT,
            "documents:write",
            &[],
            "docs documents:write user:org:read",
        ),
        (
            EXPORT,
            "docs server",
            &["server"],
            "server docs documents:write user:org:read",
        ),
        // The call needs no organization, but the token would lose it for other tools.
        (
            PLAIN,
            "docs user:org:read",
            &[],
            "docs documents:write user:org:read",
        ),
        (PLAIN, "docs profile", &[], "docs documents:write"),
        (DELETING, "docs", &[], "documents:write user:org:read"),
        // The next token must also have the scopes by which the caller already meets a choice.
        (
            CHOICE,
            "documents:read",
            &[],
            "documents:read documents:write",
        ),
    ] {
        let cure = cure_by(&guard, held, server, NamedBy::Token);
        assert_eq!(cure.as_deref(), Some(expected), "{guard} {held}");
    }
    // An organization that the URL names, or the user's only one, needs no scope. A scope that the
    // caller holds is kept.
    let by_url = |held| cure_by(&EXPORT, held, &[], NamedBy::UrlQuery);
    assert_eq!(by_url("docs").as_deref(), Some("docs documents:write"));
    assert_eq!(
        by_url("user:org:read").as_deref(),
        Some("docs documents:write user:org:read")
    );
}

#[test]
fn a_request_that_is_no_call_lacks_the_scopes_of_the_server_only_on_an_oauth_token() {
    let server_scopes = ["docs", "files"].map(str::to_owned);
    let lacks = |scopes: &str| lacking_server_scopes(&caller(scopes), &server_scopes);
    assert_eq!(lacks("files docs"), None);
    let denied = lacks("docs user:org:read").unwrap();
    assert_eq!(denied.to_string(), "Forbidden: files scope required");
    let cure = denied.cure().unwrap();
    assert_eq!(cure, ["docs", "files", "user:org:read"]);
    let policy = TokenPolicy {
        sessions: Some(Parties::Any),
        ..policy()
    };
    let token = session_token(&session_claims());
    let session = block_on(offline(policy).authenticate(&token)).unwrap();
    assert_eq!(lacking_server_scopes(&session, &server_scopes), None);
}

/// Returns a caller with a token of this kind and no other data.
fn bare(token_kind: TokenKind, hierarchy: &ScopeHierarchy) -> TokenFacts<'_> {
    TokenFacts {
        token_kind,
        impersonated: false,
        user: token_kind != TokenKind::M2m,
        scopes: &[],
        hierarchy,
        features: None,
        plans: None,
        factor_ages: None,
        policies: Policies::Assume(false),
    }
}

/// Returns `allow`, or the text of the denial.
fn told(guard: &Guard, caller: &TokenFacts<'_>, organization: Option<&Org>) -> String {
    denied(guard, caller, (organization, NamedBy::default()), &[])
        .map_or_else(|| "allow".to_owned(), |denied| denied.to_string())
}

#[test]
fn kinds_of_tokens_and_of_callers_are_told_apart() {
    const OAUTH: Guard = Guard::signed_in(&[Requirement::Accept(&[TokenKind::OAuth])]);
    const KEYS: Guard = Guard::signed_in(&[Requirement::Accept(&[
        TokenKind::ApiKey,
        TokenKind::Session,
    ])]);
    const BOTH: Guard = Guard::signed_in(&[
        Requirement::Accept(&[TokenKind::ApiKey, TokenKind::OAuth]),
        Requirement::Accept(&[TokenKind::ApiKey, TokenKind::M2m]),
    ]);
    const NONE: Guard = Guard::signed_in(&[Requirement::Accept(&[])]);
    const PEOPLE: Guard = Guard::signed_in(&[Requirement::User]);
    let hierarchy = ScopeHierarchy::default();
    let no_oauth = "Forbidden: oauth token required";
    let no_key = "Forbidden: api_key or session token required";
    let no_user = "Forbidden: user required";
    for (kind, [oauth, keys, both, people]) in [
        (TokenKind::ApiKey, [no_oauth, "allow", "allow", "allow"]),
        (
            TokenKind::M2m,
            [
                no_oauth,
                no_key,
                "Forbidden: api_key or oauth token required",
                no_user,
            ],
        ),
        (
            TokenKind::OAuth,
            [
                "allow",
                no_key,
                "Forbidden: api_key or m2m token required",
                "allow",
            ],
        ),
        (
            TokenKind::Session,
            [
                no_oauth,
                "allow",
                "Forbidden: api_key or oauth token required",
                "allow",
            ],
        ),
    ] {
        let caller = bare(kind, &hierarchy);
        for (guard, expected) in [(OAUTH, oauth), (KEYS, keys), (BOTH, both), (PEOPLE, people)] {
            assert_eq!(told(&guard, &caller, None), expected, "{guard} {kind}");
        }
        assert_ne!(told(&NONE, &caller, None), "allow");
    }
    let of_organization = TokenFacts {
        user: false,
        ..bare(TokenKind::ApiKey, &hierarchy)
    };
    assert_eq!(told(&PEOPLE, &of_organization, None), no_user);
    for guard in [OAUTH, KEYS, BOTH, NONE, PEOPLE] {
        assert_eq!(outcome(&guard, None, None), "401");
    }
}

#[test]
fn the_first_lack_in_the_order_of_denials_is_the_one_that_is_told() {
    const ALL: Guard = Guard::signed_in(&[
        WRITE,
        Requirement::Any(&[&[READ], &[DOCS]]),
        Requirement::Reverification(Reverification::STRICT),
        Requirement::Plan(Plan::new("pro")),
        Requirement::Feature(Feature::new("org:export")),
        DELETE,
        ADMIN,
        Requirement::Organization,
        Requirement::User,
        Requirement::NoActor,
        Requirement::Accept(&[TokenKind::Session]),
    ]);
    let hierarchy = ScopeHierarchy::default();
    let features = Entitlements {
        organization: vec!["export".to_owned()],
        user: Vec::new(),
    };
    let plans = Entitlements {
        organization: Vec::new(),
        user: vec!["pro".to_owned()],
    };
    let ages = FactorAges::from_minutes(1.0, 2.0);
    let scopes = ["documents:write".to_owned()];
    let machine = TokenFacts {
        impersonated: true,
        ..bare(TokenKind::M2m, &hierarchy)
    };
    let actor = TokenFacts {
        token_kind: TokenKind::Session,
        ..machine
    };
    let nobody = TokenFacts {
        impersonated: false,
        ..actor
    };
    let user = TokenFacts {
        user: true,
        ..nobody
    };
    let featured = TokenFacts {
        features: Some(&features),
        ..user
    };
    let on_plan = TokenFacts {
        plans: Some(&plans),
        ..featured
    };
    let verified = TokenFacts {
        factor_ages: ages.as_ref(),
        ..on_plan
    };
    let granted = TokenFacts {
        scopes: &scopes,
        ..verified
    };
    let member = org(Some("org:member"), Some(&[]));
    let admin = org(Some("org:admin"), Some(&[]));
    let deleter = org(Some("org:admin"), Some(&["org:documents:delete"]));
    let everything = ["org:documents:delete", "org:documents:read"];
    let everything = org(Some("org:admin"), Some(&everything));
    let mut order = Vec::new();
    for (caller, organization, kind) in [
        (machine, None, "token_kind"),
        (actor, None, "actor"),
        (nobody, None, "user"),
        (user, None, "organization"),
        (user, Some(&member), "role"),
        (user, Some(&admin), "permission"),
        (user, Some(&deleter), "feature"),
        (featured, Some(&deleter), "plan"),
        (on_plan, Some(&deleter), "reverification"),
        (verified, Some(&deleter), "any"),
        (verified, Some(&everything), "scope"),
    ] {
        let denied = denied(&ALL, &caller, (organization, NamedBy::default()), &[]).unwrap();
        assert_eq!(denied.kind(), kind);
        order.push(kind);
    }
    assert_eq!(told(&ALL, &granted, Some(&everything)), "allow");
    // The text of the guard lists the requirements in the order of the denials.
    let text = ALL.to_string();
    let words = [
        "token session",
        "no actor",
        "user",
        "organization",
        "role",
        "permission",
        "feature org:export",
        "plan pro",
        "reverification strict",
        "any of",
        "scope",
    ];
    let places: Vec<_> = words.iter().map(|word| text.find(word).unwrap()).collect();
    assert!(places.is_sorted() && places.len() == order.len(), "{text}");
}

#[test]
fn proving_who_one_is_helps_if_nothing_else_is_missing_and_a_session_tells() {
    const STRICT: Requirement = Requirement::Reverification(Reverification::STRICT);
    const ALONE: Guard = Guard::signed_in(&[STRICT]);
    const CHOICE: Guard = Guard::signed_in(&[Requirement::Any(&[&[ADMIN], &[STRICT]])]);
    const AND_SCOPE: Guard = Guard::signed_in(&[STRICT, WRITE]);
    const AND_ROLE: Guard = Guard::signed_in(&[STRICT, Requirement::Any(&[&[ADMIN], &[DELETE]])]);
    const TWICE: Guard = Guard::signed_in(&[STRICT, Requirement::Any(&[&[ADMIN], &[STRICT]])]);
    let hierarchy = ScopeHierarchy::default();
    for (guard, helps) in [
        (ALONE, true),
        (CHOICE, true),
        (TWICE, true),
        (AND_SCOPE, false),
        (AND_ROLE, false),
    ] {
        let curable = |kind| {
            denied(&guard, &bare(kind, &hierarchy), NOWHERE, &[])
                .unwrap()
                .is_curable()
        };
        assert_eq!(curable(TokenKind::Session), helps, "{guard}");
        assert!(!curable(TokenKind::ApiKey) && !curable(TokenKind::M2m));
    }
    // An OAuth token never carries a feature, whatever its scopes are.
    assert!(
        !denied(&ALONE, &bare(TokenKind::OAuth, &hierarchy), NOWHERE, &[])
            .unwrap()
            .is_curable()
    );
}

#[test]
fn a_missing_kind_actor_or_user_is_told_though_the_organization_is_unknown() {
    const SESSION: Guard = Guard::signed_in(&[DELETE, Requirement::Accept(&[TokenKind::Session])]);
    const PAID: Guard = Guard::signed_in(&[DELETE, Requirement::Feature(Feature::new("export"))]);
    let caller = caller("profile");
    let away = Unavailable {
        what: "test",
        retry_after: Duration::from_secs(1),
    };
    let facts = CallFacts {
        caller: Some(&caller),
        organization: Err(&away),
        named_by: NamedBy::default(),
        server_scopes: &[],
    };
    assert_eq!(
        decided(&SESSION, &facts),
        "Forbidden: session token required"
    );
    assert_eq!(decided(&PAID, &facts), "503");
}

#[test]
fn a_choice_names_a_cure_only_if_a_new_token_meets_all_choices() {
    let cure = |guard: &Guard, org: &Org| {
        let caller = caller("profile");
        let facts = CallFacts {
            caller: Some(&caller),
            organization: Ok(Some(org)),
            named_by: NamedBy::default(),
            server_scopes: &["server".to_owned()],
        };
        match decide(guard, &facts) {
            Err(NotAuthorized::Denied(denied)) => {
                (denied.kind(), denied.cure().map(|scopes| scopes.join(" ")))
            }
            other => panic!("{other:?}"),
        }
    };
    let nothing = org(None, None);
    let reader = org(None, Some(&["org:documents:read"]));
    assert_eq!(cure(&TWO_CHOICES, &nothing), ("any", None));
    // The challenge lists all scopes that the call needs at once, including the scope for the
    // organization.
    let all = "server docs documents:write user:org:read".to_owned();
    assert_eq!(cure(&TWO_CHOICES, &reader), ("any", Some(all)));
    assert_eq!(cure(&ANY_MEMBER, &reader), ("any", None));
    assert_eq!(cure(&EMPTY_CHOICE, &reader), ("any", None));
}
