//! Instances created from settings, up to verified callers.

use serde_json::json;

use super::*;
use crate::clerk::mock_http::{Reply, Stub};
use crate::identity::test_support::{TestKey, block_on};
use crate::identity::{AuthError, Freshness, test_support};

#[test]
fn a_token_of_the_instance_is_accepted_and_its_organization_looked_up() {
    let instance = instance(TestKey::shared());
    let (clerk, _io) = connected(&instance, Some(&instance));
    let claims = json!({
        "iss": clerk_issuer(&instance), "sub": "user_ada", "aud": test_support::RESOURCE,
        "exp": test_support::NOW + 60, "org_id": "org_1",
    });
    let caller = block_on(
        clerk
            .authenticator
            .authenticate(&test_support::oauth_token(&claims)),
    )
    .unwrap();
    let org = block_on(clerk.organizations.of(&caller, Freshness::Current))
        .unwrap()
        .unwrap();
    assert_eq!(org.role(), Some("org:admin"));
    let trusted = block_on(clerk.organizations.of(&caller, Freshness::AsInToken))
        .unwrap()
        .unwrap();
    assert_eq!((trusted.id(), trusted.role()), ("org_1", None));
}

#[test]
fn an_issuer_that_is_down_is_unavailable_and_no_refusal() {
    let down = Stub::answering(|_| Reply::http(503, "", ""));
    let (clerk, _io) = connected(&down, None);
    let token = test_support::oauth_token(&test_support::oauth_claims());
    let error = block_on(clerk.authenticator.authenticate(&token)).unwrap_err();
    assert!(matches!(error, AuthError::Unavailable(_)), "{error:?}");
    assert!(!clerk.organizations.looks_up());
}

#[test]
fn the_secret_key_is_known_to_fit_or_not_to() {
    let own = instance(TestKey::shared());
    let check = |api: Option<&Stub>| {
        let (clerk, _io) = connected(&own, api);
        block_on(clerk.check_secret_key())
    };
    assert_eq!(check(None), SecretKeyCheck::Fits);
    assert_eq!(check(Some(&own)), SecretKeyCheck::Fits);
    assert_eq!(
        check(Some(&instance(TestKey::other()))),
        SecretKeyCheck::OtherInstance
    );
    let refusing = Stub::answering(|_| Reply::http(401, "", "{}"));
    assert_eq!(check(Some(&refusing)), SecretKeyCheck::Refused);
    let down = Stub::answering(|_| Reply::http(500, "", "{}"));
    assert_eq!(check(Some(&down)), SecretKeyCheck::Unknown);
}

#[test]
fn a_secret_key_that_is_not_known_to_fit_confirms_nobody() {
    let own = instance(TestKey::shared());
    let outcome = |api: &Stub| {
        let (clerk, _io) = connected(&own, Some(api));
        block_on(clerk.authenticator.authenticate("oat_1")).map(|_| ())
    };
    assert_eq!(outcome(&own), Ok(()));
    let other = instance(TestKey::other());
    assert_eq!(outcome(&other), Err(AuthError::Misconfigured));
    let silent = Stub::answering(|head| {
        if head.contains("/jwks") {
            return Reply::http(500, "", "");
        }
        Reply::json(&confirmed())
    });
    let unknown = outcome(&silent);
    assert!(
        matches!(unknown, Err(AuthError::Unavailable(_))),
        "{unknown:?}"
    );
    for asked in [other.heads(), silent.heads()] {
        assert!(
            asked.iter().all(|head| head.starts_with("GET /v1/jwks")),
            "{asked:?}"
        );
    }
}

#[test]
fn the_instance_of_the_secret_key_is_checked_once() {
    let own = instance(TestKey::shared());
    let (clerk, _io) = connected(&own, Some(&own));
    assert_eq!(block_on(clerk.check_secret_key()), SecretKeyCheck::Fits);
    for token in ["oat_1", "oat_2"] {
        block_on(clerk.authenticator.authenticate(token)).unwrap();
    }
    let asked = own.heads();
    let of_the_key = asked.iter().filter(|head| head.starts_with("GET /v1/jwks"));
    assert_eq!(of_the_key.count(), 1, "{asked:?}");
}

#[test]
fn settings_that_are_wrong_are_refused_by_name() {
    let own = instance(TestKey::shared());
    let refused = |change: fn(&mut ClerkConfig)| {
        let mut config = config(&own, Some(&own));
        change(&mut config);
        let io = IoRuntime::start().unwrap();
        Clerk::connect(config, test_support::clock(), &io)
            .map(|_| ())
            .unwrap_err()
            .to_string()
    };
    let api_url = refused(|config| config.api_url = Url::parse("http://api.clerk.com").ok());
    assert!(api_url.contains("Backend API"), "{api_url}");
    let jwt_key = refused(|config| config.jwt_key = Some("x".to_owned()));
    assert!(jwt_key.contains("public key"), "{jwt_key}");
    let issuer =
        refused(|config| config.policy.issuer = format!("{}/", config.policy.issuer).into());
    assert!(issuer.contains("issuer"), "{issuer}");
}

#[test]
fn with_a_public_key_in_the_settings_nothing_is_fetched() {
    let own = instance(TestKey::shared());
    let mut config = config(&own, None);
    config.jwt_key = Some(TestKey::shared().public_pem());
    let io = IoRuntime::start().unwrap();
    let clerk = Clerk::connect(config, test_support::clock(), &io).unwrap();
    let mut claims = test_support::oauth_claims();
    claims["iss"] = json!(clerk_issuer(&own));
    assert_eq!(block_on(clerk.authenticator.keys()).unwrap(), 1);
    block_on(
        clerk
            .authenticator
            .authenticate(&test_support::oauth_token(&claims)),
    )
    .unwrap();
    assert!(own.heads().is_empty(), "{:?}", own.heads());
}

/// Frontend and Backend API of an instance with this key.
fn instance(key: &'static TestKey) -> Stub {
    Stub::answering(move |head| {
        if head.contains("/memberships?") {
            return Reply::json(&json!({"data": [{
                "organization": {"id": "org_1"}, "public_user_data": {"user_id": "user_ada"},
                "role": "org:admin", "permissions": [],
            }]}));
        }
        if head.contains("/access_tokens/verify") {
            return Reply::json(&confirmed());
        }
        Reply::json(&json!({"keys": [key.jwk("ins_1")]}))
    })
}

fn confirmed() -> serde_json::Value {
    json!({
        "object": "clerk_idp_oauth_access_token", "client_id": "client_1",
        "subject": "user_ada", "scopes": [], "aud": [test_support::RESOURCE],
        "revoked": false, "expired": false, "expiration": null,
    })
}

fn config(frontend: &Stub, api: Option<&Stub>) -> ClerkConfig {
    let frontend = FrontendUrl::parse(frontend.url().as_str()).unwrap();
    let policy = TokenPolicy::new(
        frontend.issuer().to_owned(),
        vec![test_support::RESOURCE.to_owned()],
    );
    let secret_key = api.map(|_| SecretKey::parse("sk_test_secret").unwrap());
    ClerkConfig {
        new_opaque_tokens: None,
        membership_look_ups: None,
        frontend,
        secret_key,
        machine_key: None,
        api_url: api.map(Stub::url),
        jwt_key: None,
        policy,
        metrics: Metrics::default(),
        is_in_process: false,
    }
}

fn connected(frontend: &Stub, api: Option<&Stub>) -> (Clerk, IoRuntime) {
    let io = IoRuntime::start().unwrap();
    let clerk = Clerk::connect(config(frontend, api), test_support::clock(), &io).unwrap();
    (clerk, io)
}

fn clerk_issuer(stub: &Stub) -> String {
    FrontendUrl::parse(stub.url().as_str())
        .unwrap()
        .issuer()
        .to_owned()
}
