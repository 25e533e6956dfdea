//! The data in claims, and claims that cannot be decoded.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::identity::test_support::{TestKey, block_on};
use crate::identity::{
    AuthError, Authenticator, AuthenticatorConfig, Caller, Keys, Parties, TokenPolicy, test_support,
};

#[test]
fn spaces_alone_separate_scopes() {
    let text = json!("a\tb c\u{a0}d e\n");
    let caller = oauth_with(&[("scope", text)]).unwrap();
    assert_eq!(caller.scopes(), ["a\tb", "c\u{a0}d", "e\n"]);
}

#[test]
fn scp_goes_before_scope_and_empty_scopes_are_dropped() {
    for (scope, scp, expected) in [
        (json!(" a  b   c "), json!(null), vec!["a", "b", "c"]),
        (json!("a"), json!(["b", "", "c"]), vec!["b", "c"]),
        (json!("a"), json!([]), vec![]),
        (json!(null), json!(null), vec![]),
    ] {
        let caller = oauth_with(&[("scope", scope), ("scp", scp)]).unwrap();
        assert_eq!(caller.scopes(), expected);
    }
}

#[test]
fn scopes_of_another_type_are_refused() {
    for (name, value) in [
        ("scope", json!(["a"])),
        ("scp", json!("a")),
        ("scp", json!([1])),
    ] {
        let refused = oauth_with(&[(name, value)]).unwrap_err();
        assert_eq!(refused, TokenError::Claims.into());
    }
}

#[test]
fn an_oauth_token_names_an_organization_and_nothing_about_it() {
    let forged = json!(["org:documents:delete"]);
    let caller = oauth_with(&[
        ("org_id", json!("org_1")),
        ("org_role", json!("org:admin")),
        ("org_permissions", forged),
    ])
    .unwrap();
    assert_eq!(caller.org_id(), Some("org_1"));
    let org = caller.token_org().unwrap();
    assert!(org.slug().is_none() && org.role().is_none() && org.permissions().is_none());
}

#[test]
fn actors_are_kept_for_two_levels() {
    let act = json!({"sub": "a", "iss": "i", "act": {"sub": "b", "act": {"sub": "c"}}});
    let caller = oauth_with(&[("act", act)]).unwrap();
    let actor = caller.actor().unwrap();
    assert_eq!((actor.subject(), actor.issuer()), ("a", Some("i")));
    assert_eq!(actor.actor().unwrap().subject(), "b");
    assert!(actor.actor().unwrap().actor().is_none());
}

#[test]
fn an_actor_without_a_subject_refuses_a_session_and_says_nothing_in_an_oauth_token() {
    let nameless = json!({"iss": "i"});
    let refused = session_with(&[("act", nameless.clone())]).unwrap_err();
    assert_eq!(refused, TokenError::Claims.into());
    assert!(oauth_with(&[("act", nameless)]).unwrap().actor().is_none());
    assert!(
        session_with(&[("act", json!(null))])
            .unwrap()
            .actor()
            .is_none()
    );
}

#[test]
fn a_session_has_its_status_and_factor_ages() {
    let facts = [("sts", json!("active")), ("fva", json!([9.5, -1]))];
    let caller = session_with(&facts).unwrap();
    let session = caller.session().unwrap();
    assert_eq!((session.id(), session.status()), ("sess_1", Some("active")));
    assert_eq!(session.factor_ages().unwrap().first_minutes(), Some(9.5));
    for odd in [
        json!([0, 0, 0]),
        json!([0]),
        json!(["0", 0]),
        json!([-2, 0]),
        json!(7),
    ] {
        let caller = session_with(&[("fva", odd)]).unwrap();
        assert_eq!(caller.session().unwrap().factor_ages(), None);
    }
}

#[test]
fn a_class_of_another_kind_refuses_a_session_token() {
    let accepted = |class: &str| {
        let mut header = test_support::session_header();
        header["cat"] = json!(class);
        let token = TestKey::shared().sign(&header, &test_support::session_claims());
        block_on(authenticator().authenticate(&token)).map(|_| ())
    };
    assert_eq!(accepted(SESSION_CLASS), Ok(()));
    assert_eq!(accepted(NO_CLASS), Ok(()));
    for class in ["cl_B7d4PD222AAA", "cl_B7d4PD333AAA", "", "x"] {
        assert_eq!(accepted(class), Err(TokenError::Class.into()), "{class}");
    }
}

#[test]
fn packed_claims_of_another_type_are_refused() {
    for (name, value) in [
        ("fea", json!(["o:a"])),
        ("fea", json!(1)),
        ("fea", json!("a")),
    ] {
        let claims = [
            ("v", json!(2)),
            ("o", json!({"id": "org_1"})),
            (name, value),
        ];
        assert_eq!(
            session_with(&claims).unwrap_err(),
            TokenError::Claims.into()
        );
    }
    let masks = json!({"id": "org_1", "per": "read", "fpm": 1});
    let refused = session_with(&[("v", json!(2)), ("o", masks)]).unwrap_err();
    assert_eq!(refused, TokenError::Claims.into());
}

#[test]
fn white_space_that_javascript_does_not_trim_grants_nothing() {
    let org = json!({"id": "org_1", "per": "delete", "fpm": "\u{85}1"});
    let refused = session_with(&[("v", json!(2)), ("o", org), ("fea", json!("o:documents"))]);
    assert_eq!(refused.unwrap_err(), TokenError::Claims.into());
    for odd in ["\u{85}o:documents", "o:documents\u{feff}"] {
        let caller = session_with(&[("fea", json!(odd))]).unwrap();
        assert!(caller.features().is_none());
    }
}

fn authenticator() -> Authenticator {
    let policy = TokenPolicy {
        sessions: Some(Parties::Any),
        ..test_support::policy()
    };
    let keys = Keys::from_pem(&TestKey::shared().public_pem()).unwrap();
    Authenticator::new(AuthenticatorConfig {
        policy,
        keys,
        decode: Arc::new(ClerkClaims),
        clock: test_support::clock(),
        confirm: None,
        people: None,
    })
}

fn oauth_with(changes: &[(&str, Value)]) -> Result<Caller, AuthError> {
    let claims = changed(test_support::oauth_claims(), changes);
    block_on(authenticator().authenticate(&test_support::oauth_token(&claims)))
}

fn session_with(changes: &[(&str, Value)]) -> Result<Caller, AuthError> {
    let claims = changed(test_support::session_claims(), changes);
    block_on(authenticator().authenticate(&test_support::session_token(&claims)))
}

fn changed(mut claims: Value, changes: &[(&str, Value)]) -> Value {
    for (name, value) in changes {
        claims[*name] = value.clone();
    }
    claims
}
