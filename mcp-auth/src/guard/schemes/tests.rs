use super::*;
use crate::guard::{Feature, Permission, Reverification, Scope, function_policy};

const POLICY: Requirement = function_policy("never", |_| false);
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
        // A policy may read the organization, and need not.
        (Guard::signed_in(&[POLICY]), oauth2(&["docs"])),
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
    let scopes =
        |scopes: &[&str]| SecurityScheme::OAuth2(scopes.iter().map(ToString::to_string).collect());
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
