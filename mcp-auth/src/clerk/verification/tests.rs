//! Requests to the Backend API, and the meaning of its responses.

use std::time::Duration;

use super::*;
use crate::clerk::backend::Backend;
use crate::clerk::mock_http::{Reply, Stub};
use crate::identity;
use crate::identity::test_support;
use crate::identity::test_support::{TestKey, block_on};

const KINDS: [TokenKind; 3] = [TokenKind::OAuth, TokenKind::M2m, TokenKind::ApiKey];

#[test]
fn each_kind_has_its_call_without_v1_and_its_body() {
    for (kind, line, body) in [
        (
            TokenKind::OAuth,
            "POST /oauth_applications/access_tokens/verify HTTP/1.1",
            json!({"access_token": "secret"}),
        ),
        (
            TokenKind::M2m,
            "POST /m2m_tokens/verify HTTP/1.1",
            json!({"token": "secret"}),
        ),
        (
            TokenKind::ApiKey,
            "POST /api_keys/verify HTTP/1.1",
            json!({"secret": "secret"}),
        ),
    ] {
        let (stub, _) = ask(kind, Keys::Secret, || Reply::http(404, "", "{}"));
        let head = stub.heads()[0].clone();
        assert!(head.starts_with(line), "{head}");
        let head = head.to_lowercase();
        for line in [
            "authorization: bearer sk_test_secret\r\n",
            "clerk-api-version: 2026-05-12\r\n",
            "content-type: application/json\r\n",
        ] {
            assert!(head.contains(line), "{line} is not in {head}");
        }
        let sent: Value = serde_json::from_str(&stub.bodies()[0]).unwrap();
        assert_eq!(sent, body);
    }
}

#[test]
fn the_machines_own_key_goes_before_the_instances_and_to_no_other_call() {
    for (kind, keys, expected) in [
        (TokenKind::M2m, Keys::Both, Some("Bearer ak_machine")),
        (TokenKind::M2m, Keys::Machine, Some("Bearer ak_machine")),
        (TokenKind::M2m, Keys::Secret, Some("Bearer sk_test_secret")),
        (TokenKind::OAuth, Keys::Both, Some("Bearer sk_test_secret")),
        (TokenKind::OAuth, Keys::Machine, None),
        (TokenKind::ApiKey, Keys::Machine, None),
        (TokenKind::Session, Keys::Both, None),
    ] {
        let stub = Stub::answering(|_| Reply::http(404, "", "{}"));
        let verification = verification(&stub, keys);
        assert_eq!(verification.confirms(kind), expected.is_some(), "{kind:?}");
        drop(block_on(
            verification.confirm(kind, TokenText::new("secret")),
        ));
        let heads = stub.heads();
        assert_eq!(heads.len(), usize::from(expected.is_some()), "{kind:?}");
        for head in heads {
            assert!(head.contains(expected.unwrap_or("nothing")), "{head}");
        }
    }
}

#[test]
fn an_active_oauth_token_is_read() {
    let confirmation = active(TokenKind::OAuth, &answer(TokenKind::OAuth));
    assert_eq!(confirmation.subject, "user_ada");
    assert_eq!(confirmation.parts.client_id.as_deref(), Some("client_1"));
    assert_eq!(confirmation.parts.scopes, ["profile", "user:org:read"]);
    assert!(
        confirmation.parts.org_at_issuer
            && confirmation.parts.org.is_none()
            && confirmation.claims.is_empty()
    );
    assert_eq!(confirmation.audience, Some(json!([test_support::RESOURCE])));
    assert_eq!(confirmation.expires_ms, Some(1_750_086_400_000));
    let actor = confirmation.parts.actor.unwrap();
    assert_eq!((actor.subject(), actor.kind()), ("user_eve", Some("agent")));
}

#[test]
fn the_issuer_is_asked_for_an_organization_only_if_that_was_granted() {
    let mut answer = answer(TokenKind::OAuth);
    answer["scopes"] = json!(["profile", "user:org:reader"]);
    assert!(!active(TokenKind::OAuth, &answer).parts.org_at_issuer);
}

#[test]
fn a_machines_scopes_are_machines_and_no_scopes() {
    let confirmation = active(TokenKind::M2m, &answer(TokenKind::M2m));
    assert_eq!(confirmation.machines, ["mch_here", "mch_there"]);
    assert!(confirmation.parts.scopes.is_empty() && confirmation.parts.client_id.is_none());
    assert_eq!(confirmation.claims["tier"], "gold");
    assert_eq!(confirmation.expires_ms, None);
}

#[test]
fn an_organizations_key_acts_for_it_and_a_users_key_for_the_user() {
    let mut answer = answer(TokenKind::ApiKey);
    let confirmation = active(TokenKind::ApiKey, &answer);
    assert_eq!(confirmation.parts.scopes, ["documents:read"]);
    assert!(confirmation.parts.org.is_none());
    answer["subject"] = json!("org_1");
    let confirmation = active(TokenKind::ApiKey, &answer);
    assert_eq!(confirmation.parts.org.as_ref().map(Org::id), Some("org_1"));
    let org = confirmation.parts.org.unwrap();
    assert_eq!(
        (org.id(), org.role(), org.permissions()),
        ("org_1", None, None)
    );
}

#[test]
fn an_expiry_is_read_in_its_unit() {
    for (kind, expiration, expected) in [
        (TokenKind::OAuth, json!(1_750_086_400), 1_750_086_400_000),
        (
            TokenKind::OAuth,
            json!(1_750_086_400_000_u64),
            1_750_086_400_000,
        ),
        (
            TokenKind::OAuth,
            json!(99_999_999_999_u64),
            99_999_999_999_000,
        ),
        (
            TokenKind::OAuth,
            json!(100_000_000_000_u64),
            100_000_000_000,
        ),
        (TokenKind::OAuth, json!(-1), 0),
        (
            TokenKind::M2m,
            json!(1_750_086_400_000_u64),
            1_750_086_400_000,
        ),
        // In milliseconds, this value is a time in 1970.
        (TokenKind::M2m, json!(1_750_086_400), 1_750_086_400),
        (
            TokenKind::ApiKey,
            json!(1_750_086_400_000_u64),
            1_750_086_400_000,
        ),
    ] {
        let mut answer = answer(kind);
        answer["expiration"] = expiration;
        assert_eq!(active(kind, &answer).expires_ms, Some(expected), "{kind:?}");
    }
}

#[test]
fn an_audience_of_nothing_is_none() {
    for aud in [json!(null), json!([]), json!("")] {
        let mut answer = answer(TokenKind::OAuth);
        answer["aud"] = aud;
        assert_eq!(active(TokenKind::OAuth, &answer).audience, None);
    }
}

#[test]
fn a_200_that_says_no_is_a_refusal() {
    for kind in KINDS {
        for (member, value, error) in [
            ("revoked", json!(true), TokenError::Revoked),
            ("expired", json!(true), TokenError::Expired),
            ("active", json!(false), TokenError::Inactive),
        ] {
            let mut answer = answer(kind);
            answer[member] = value;
            assert_eq!(refused(kind, &answer), error, "{kind:?} {member}");
        }
        let inactive = json!({"active": false});
        assert_eq!(refused(kind, &inactive), TokenError::Inactive);
    }
    let mut nameless = answer(TokenKind::OAuth);
    nameless["act"] = json!({"iss": "x"});
    assert_eq!(refused(TokenKind::OAuth, &nameless), TokenError::Claims);
}

#[test]
fn a_200_that_is_not_what_was_asked_for_is_no_answer_and_no_outage() {
    for kind in KINDS {
        for (member, value) in [
            ("object", json!("user")),
            ("object", json!(null)),
            ("revoked", json!(null)),
            ("revoked", json!("false")),
            ("expired", json!(null)),
            ("expired", json!(0)),
            ("expiration", json!("2030-01-01")),
            ("subject", json!(null)),
            ("subject", json!(7)),
            ("scopes", json!("profile")),
            ("scopes", json!([7])),
            ("claims", json!([])),
        ] {
            let mut answer = answer(kind);
            answer[member] = value.clone();
            let (_, token_status) = ask(kind, Keys::Secret, move || Reply::json(&answer));
            assert_eq!(
                token_status.unwrap_err(),
                LookupError::Declined,
                "{member}: {value}"
            );
        }
        for (body, error) in [
            ("", LookupError::Failed),
            ("<p>", LookupError::Failed),
            ("[]", LookupError::Failed),
            ("null", LookupError::Failed),
            (
                r#"{"object":"api_key","object":"api_key"}"#,
                LookupError::Failed,
            ),
            ("{}", LookupError::Declined),
        ] {
            let (_, token_status) = ask(kind, Keys::Secret, move || Reply::http(200, "", body));
            assert_eq!(token_status.unwrap_err(), error, "{body}");
        }
    }
    for (kind, other) in [
        (TokenKind::OAuth, TokenKind::ApiKey),
        (TokenKind::ApiKey, TokenKind::M2m),
    ] {
        let other = answer(other);
        let (_, token_status) = ask(kind, Keys::Secret, move || Reply::json(&other));
        assert_eq!(token_status.unwrap_err(), LookupError::Declined, "{kind:?}");
    }
}

#[test]
fn only_404_is_a_refusal_and_401_is_ours() {
    for kind in KINDS {
        let status = |status| {
            let (_, token_status) = ask(kind, Keys::Secret, move || {
                Reply::http(status, "Retry-After: 9\r\n", r#"{"errors":[]}"#)
            });
            token_status
        };
        let unknown = status(404).unwrap();
        assert!(
            matches!(unknown, TokenStatus::Refused(TokenError::Unknown)),
            "{unknown:?}"
        );
        for (code, error) in [
            (302, LookupError::Failed),
            (400, LookupError::Declined),
            (401, LookupError::KeyRefused),
            (403, LookupError::Declined),
            (410, LookupError::Declined),
            (422, LookupError::Declined),
            (429, LookupError::Throttled(Duration::from_secs(9))),
            (500, LookupError::Failed),
            (503, LookupError::Failed),
        ] {
            assert_eq!(status(code).unwrap_err(), error, "{code}");
        }
    }
}

#[test]
fn a_refused_key_is_said_once_a_minute_and_by_the_name_of_its_setting() {
    for (kind, keys, setting) in [
        (TokenKind::OAuth, Keys::Both, "CLERK_SECRET_KEY"),
        (TokenKind::M2m, Keys::Both, "CLERK_MACHINE_SECRET_KEY"),
    ] {
        let stub = Stub::answering(|_| Reply::http(401, "", "{}"));
        let verification = verification(&stub, keys);
        let log = test_support::logged(|| {
            for _ in 0..3 {
                let token_status = block_on(verification.confirm(kind, TokenText::new("oat_x")));
                assert_eq!(token_status.unwrap_err(), LookupError::KeyRefused);
            }
        });
        assert_eq!(log.matches("ERROR").count(), 1, "{log}");
        assert_eq!(log.matches(setting).count(), 1, "{log}");
        for secret in ["sk_test_secret", "ak_machine", "oat_x"] {
            assert!(!log.contains(secret), "{log}");
        }
    }
}

#[test]
fn an_answer_that_says_something_twice_is_none() {
    for (kind, once, twice) in [
        (
            TokenKind::OAuth,
            r#""revoked":"#,
            r#""revoked":true,"revoked":"#,
        ),
        (TokenKind::OAuth, r#""sub":"#, r#""sub":"","sub":"#),
        (TokenKind::M2m, r#""tier":"#, r#""tier":"iron","tier":"#),
        (
            TokenKind::ApiKey,
            r#""created_by":"#,
            r#""created_by":null,"created_by":"#,
        ),
    ] {
        let confirmation = answer(kind).to_string();
        let (_, token_status) = ask(kind, Keys::Secret, {
            let confirmation = confirmation.clone();
            move || Reply::http(200, "", &confirmation)
        });
        assert!(
            matches!(token_status, Ok(TokenStatus::Active(_))),
            "{token_status:?}"
        );
        let confirmation = confirmation.replacen(once, twice, 1);
        assert!(confirmation.contains(twice), "{confirmation}");
        let (_, token_status) = ask(kind, Keys::Secret, move || {
            Reply::http(200, "", &confirmation)
        });
        assert_eq!(token_status.unwrap_err(), LookupError::Failed, "{once}");
    }
}

#[test]
fn an_answer_that_repeats_the_token_leaves_it_out_of_the_log() {
    let log = test_support::logged(|| {
        let (_, token_status) = ask(TokenKind::OAuth, Keys::Secret, || {
            Reply::http(200, "", r#"{"revoked": "oat_secret"}"#)
        });
        assert_eq!(token_status.unwrap_err(), LookupError::Declined);
    });
    assert!(
        log.contains("can't be read") && !log.contains("oat_secret"),
        "{log}"
    );
}

#[test]
fn a_redirect_gets_neither_the_token_nor_the_key() {
    let elsewhere = Arc::new(Stub::answering(|_| Reply::http(200, "", "{}")));
    for status in [302, 307, 308] {
        let location = format!("Location: {}\r\n", elsewhere.url());
        let (_, token_status) = ask(TokenKind::OAuth, Keys::Secret, move || {
            Reply::http(status, &location, "")
        });
        assert_eq!(token_status.unwrap_err(), LookupError::Failed);
    }
    assert!(elsewhere.heads().is_empty(), "{:?}", elsewhere.heads());
}

#[derive(Clone, Copy)]
enum Keys {
    Both,
    Machine,
    Secret,
}

fn verification(stub: &Stub, keys: Keys) -> Verification {
    let secret = SecretKey::parse("sk_test_secret").unwrap();
    let machine = MachineKey::parse("ak_machine").unwrap();
    let (secret, machine) = match keys {
        Keys::Both => (Some(secret), Some(machine)),
        Keys::Machine => (None, Some(machine)),
        Keys::Secret => (Some(secret), None),
    };
    let outgoing = Arc::new(Outgoing::to(stub.url()).unwrap());
    let clock: Arc<dyn Clock> = test_support::clock();
    let secret = secret.map(|key| {
        let keys = identity::Keys::from_pem(&TestKey::shared().public_pem()).unwrap();
        let backend = Backend::at(Arc::clone(&outgoing), key.clone(), &clock);
        (key, Ownership::proven(backend, keys))
    });
    Verification::at(outgoing, secret, machine, &clock)
}

fn ask(
    kind: TokenKind,
    keys: Keys,
    reply: impl Fn() -> Reply + Send + Sync + 'static,
) -> (Stub, Result<TokenStatus, LookupError>) {
    let stub = Stub::answering(move |_| reply());
    let token_status = block_on(verification(&stub, keys).confirm(kind, TokenText::new("secret")));
    (stub, token_status)
}

fn active(kind: TokenKind, answer: &Value) -> Confirmation {
    let answer = answer.clone();
    match ask(kind, Keys::Secret, move || Reply::json(&answer)).1 {
        Ok(TokenStatus::Active(confirmation)) => *confirmation,
        token_status => panic!("{token_status:?}"),
    }
}

fn refused(kind: TokenKind, answer: &Value) -> TokenError {
    let answer = answer.clone();
    match ask(kind, Keys::Secret, move || Reply::json(&answer)).1 {
        Ok(TokenStatus::Refused(error)) => error,
        token_status => panic!("{token_status:?}"),
    }
}

/// Returns Clerk's response about an active token of this kind.
fn answer(kind: TokenKind) -> Value {
    let mut answer = json!({
        "id": "id_1", "revoked": false, "revocation_reason": null, "expired": false,
        "expiration": null, "created_at": 1_750_000_000_000_u64, "updated_at": 1_750_000_000_000_u64,
    });
    let particular = match kind {
        TokenKind::OAuth => json!({
            "object": "clerk_idp_oauth_access_token", "client_id": "client_1",
            "subject": "user_ada", "scopes": ["profile", "user:org:read"],
            "expiration": 1_750_086_400, "aud": [test_support::RESOURCE],
            "act": {"sub": "user_eve", "type": "agent"},
        }),
        TokenKind::M2m => json!({
            "object": "machine_to_machine_token", "subject": "mch_caller",
            "scopes": ["mch_here", "mch_there"], "claims": {"tier": "gold"}, "last_used_at": null,
        }),
        TokenKind::ApiKey | TokenKind::Session => json!({
            "object": "api_key", "type": "api_key", "subject": "user_ada", "name": "laptop",
            "description": null, "scopes": ["documents:read"], "claims": null,
            "created_by": "user_ada", "last_used_at": null,
        }),
    };
    let members = particular.as_object().unwrap().clone();
    answer.as_object_mut().unwrap().extend(members);
    answer
}
