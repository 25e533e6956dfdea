use serde_json::json;

use super::*;
use crate::guard::{Scope, function_policy};

const READ: Requirement = Requirement::Permission(Permission::new("org:a:read"));
const WRITE: Requirement = Requirement::Permission(Permission::new("org:a:write"));
const DROP: Requirement = Requirement::Permission(Permission::new("org:a:drop"));
const ADMIN: Requirement = Requirement::Role(Role::new("admin"));
const DOCS: Requirement = Requirement::Scope(Scope::new("docs"));

const EXPORT: Requirement = Requirement::Feature(Feature::new("o:export"));
const PRO: Requirement = Requirement::Plan(Plan::new("pro"));
const SOON: Requirement = Requirement::Reverification(Reverification::first_factor(5.0));
const HUMAN: Requirement = Requirement::Accept(&[TokenKind::Session]);

const EU_STAFF: Policy = Policy::new("eu-staff", "staff in the EU", |_| true);
const PARTNER: Policy = Policy::new("partner", "a partner", |_| true);
const NAMELESS: Policy = match function_policy("is_internal", |_| true) {
    Requirement::Policy(policy) => policy,
    _ => panic!(),
};

/// The log names the policies. The client learns the texts of constants, and nothing about functions.
#[test]
fn the_name_of_a_function_is_in_the_log_and_not_in_the_denial() {
    let denied = Denied::Policy(vec![NAMELESS, EU_STAFF]);
    assert_eq!(
        denied.in_log(),
        "Forbidden: staff in the EU required, by policy is_internal and eu-staff"
    );
    assert_eq!(denied.kind(), "policy");
    let required = serde_json::to_value(denied.required()).unwrap();
    assert_eq!(required, json!(["staff in the EU"]));
    const CHOICE: &[&[Requirement]] = &[
        &[Requirement::Policy(NAMELESS)],
        &[Requirement::Policy(EU_STAFF), DOCS],
    ];
    let denied = any(CHOICE);
    assert_eq!(
        denied.to_string(),
        "Forbidden: approval by a policy or staff in the EU and docs scope required"
    );
    assert_eq!(
        serde_json::to_value(denied.required()).unwrap(),
        json!([
            [{ "kind": "policy" }],
            [{ "kind": "policy", "name": "staff in the EU" }, { "kind": "scope", "name": "docs" }],
        ])
    );
}

fn any(alternatives: &'static [&'static [Requirement]]) -> Denied {
    Denied::Any {
        alternatives,
        cure: None,
        verifying_helps: false,
    }
}

#[test]
fn alternatives_are_listed_in_words_and_one_by_one() {
    let one = |kind: &str, name: &str| json!({ "kind": kind, "name": name });
    let read = one("permission", "org:a:read");
    let write = one("permission", "org:a:write");
    let (admin, docs) = (one("role", "org:admin"), one("scope", "docs"));
    for (denied, text, required) in [
        (
            any(&[&[READ], &[ADMIN]]),
            "Forbidden: org:a:read permission or org:admin role required",
            json!([[read], [admin]]),
        ),
        (
            any(&[&[READ, WRITE], &[ADMIN], &[DOCS]]),
            "Forbidden: org:a:read and org:a:write permissions, org:admin role or docs scope \
             required",
            json!([[read, write], [admin], [docs]]),
        ),
        (
            any(&[
                &[READ, WRITE, DROP],
                &[READ, DOCS],
                &[Requirement::Organization],
            ]),
            "Forbidden: org:a:read, org:a:write and org:a:drop permissions, org:a:read \
             permission and docs scope or organization required",
            json!([
                [read, write, one("permission", "org:a:drop")],
                [read, docs],
                [{ "kind": "organization" }],
            ]),
        ),
        (
            any(&[&[EXPORT, PRO], &[Requirement::User, SOON], &[HUMAN]]),
            "Forbidden: org:export feature and pro plan, user and first_factor (5 minutes) \
             reverification or session token required",
            json!([
                [one("feature", "org:export"), one("plan", "pro")],
                [
                    { "kind": "user" },
                    {
                        "kind": "reverification",
                        "name": "first_factor (5 minutes)",
                        "reverification": { "level": "first_factor", "afterMinutes": 5 },
                    },
                ],
                [one("token_kind", "session")],
            ]),
        ),
    ] {
        assert_eq!(denied.to_string(), text);
        assert_eq!(serde_json::to_value(denied.required()).unwrap(), required);
    }
}

#[test]
fn the_texts_are_those_that_clients_are_promised() {
    let permission = Permission::new("org:documents:delete");
    for (denied, text) in [
        (
            Denied::Organization {
                cure: None,
                why: NoOrganization::Session,
            },
            "Organization context required",
        ),
        (
            Denied::TokenKind(&[TokenKind::OAuth]),
            "Forbidden: oauth token required",
        ),
        (
            Denied::TokenKind(&[TokenKind::OAuth, TokenKind::Session, TokenKind::ApiKey]),
            "Forbidden: oauth, session or api_key token required",
        ),
        (Denied::User, "Forbidden: user required"),
        (
            Denied::Feature(vec![Feature::new("o:export"), Feature::new("share")]),
            "Forbidden: org:export, share features required",
        ),
        (
            Denied::Plan(vec![Plan::new("user:pro")]),
            "Forbidden: user:pro plan required",
        ),
        (
            Denied::Policy(vec![EU_STAFF, PARTNER]),
            "Forbidden: staff in the EU and a partner required",
        ),
        (
            Denied::Policy(vec![NAMELESS]),
            "Forbidden: not allowed by a policy",
        ),
        (
            Denied::Policy(vec![NAMELESS, PARTNER]),
            "Forbidden: a partner required",
        ),
        (
            Denied::Reverification {
                asked: Reverification::STRICT,
                curable: true,
            },
            "Forbidden: strict reverification required",
        ),
        (
            Denied::Permission(vec![permission]),
            "Forbidden: org:documents:delete permission required",
        ),
        (
            Denied::Permission(vec![permission, Permission::new("org:a:b")]),
            "Forbidden: org:documents:delete, org:a:b permissions required",
        ),
        (
            Denied::Role(vec![Role::new("admin")]),
            "Forbidden: org:admin role required",
        ),
        (
            Denied::Scope {
                missing: vec!["docs".into()],
                cure: None,
            },
            "Forbidden: docs scope required",
        ),
        (
            Denied::Actor,
            "Forbidden: not available to somebody who acts for the user",
        ),
        (
            Denied::Authorize {
                rule: "owns(document_id, org)",
                arguments: &["document_id"],
            },
            "Forbidden: not allowed for this document_id",
        ),
        (
            Denied::Authorize {
                rule: "may_write(letter, subject)",
                arguments: &["letter", "subject"],
            },
            "Forbidden: not allowed for this letter and subject",
        ),
        (
            Denied::Authorize {
                rule: "is_open()",
                arguments: &[],
            },
            "Forbidden: not allowed",
        ),
    ] {
        assert_eq!(denied.to_string(), text);
    }
}
