//! Tokens that must be refused, because each breaks one rule, and similar tokens that must be accepted.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use tracing::Level;

use super::*;
use crate::identity::test_support::{
    CountingSource, NOW, RESOURCE, TestKey, block_on, oauth_claims, oauth_header, oauth_token,
    policy, session_claims, session_token,
};
use crate::identity::{
    AudienceMode, IoRuntime, KeySource, ManualClock, Parties, TokenKind, test_support,
};

#[test]
fn a_genuine_token_is_its_caller() {
    let caller = authenticate(policy(), &oauth_token(&oauth_claims())).unwrap();
    assert_eq!(
        (caller.subject(), caller.user_id()),
        ("user_ada", Some("user_ada"))
    );
    assert_eq!(caller.client_id(), Some("client_1"));
    assert_eq!(caller.token_kind(), TokenKind::OAuth);
    assert!(caller.has_scope("email") && !caller.has_scope("mail"));
    assert!(caller.session().is_none() && caller.org_id().is_none());
}

#[test]
fn each_wrong_claim_is_refused_for_its_own_reason() {
    for (name, value, error) in [
        (
            "iss",
            json!("https://clerk.example.com/"),
            TokenError::Issuer,
        ),
        (
            "iss",
            json!("https://CLERK.example.com"),
            TokenError::Issuer,
        ),
        ("iss", json!([test_support::ISSUER]), TokenError::Issuer),
        ("iss", json!(7), TokenError::Issuer),
        ("iss", Value::Null, TokenError::Issuer),
        ("sub", json!(""), TokenError::Subject),
        ("sub", json!("user_"), TokenError::Subject),
        ("sub", json!("org_1"), TokenError::Subject),
        ("sub", json!(["user_ada"]), TokenError::Subject),
        ("sub", json!("mch_1"), TokenError::Kind),
        (
            "aud",
            json!("https://other.example.com/mcp"),
            TokenError::AudienceMismatch,
        ),
        (
            "aud",
            json!("https://mcp.example.com/mcp/"),
            TokenError::AudienceMismatch,
        ),
        ("aud", json!([]), TokenError::AudienceMismatch),
        ("aud", json!(["", RESOURCE]), TokenError::AudienceMalformed),
        ("aud", json!([RESOURCE, 1]), TokenError::AudienceMalformed),
        ("aud", json!({"x": RESOURCE}), TokenError::AudienceMalformed),
        ("aud", json!(7), TokenError::AudienceMalformed),
        ("aud", json!(""), TokenError::AudienceMalformed),
        ("exp", json!(NOW - 5), TokenError::Expired),
        ("exp", json!(1_749_999_995.9), TokenError::Expired),
        ("exp", json!("1750086400"), TokenError::Time),
        ("exp", json!(null), TokenError::Time),
        ("exp", json!(-1), TokenError::Expired),
        ("nbf", json!(NOW + 6), TokenError::NotActiveYet),
        ("nbf", json!(null), TokenError::Time),
        ("iat", json!(NOW + 6), TokenError::IssuedInFuture),
        ("iat", json!("1"), TokenError::Time),
        ("undecodable", json!(true), TokenError::Claims),
    ] {
        let mut claims = oauth_claims();
        claims[name] = value.clone();
        let refused = authenticate(policy(), &oauth_token(&claims)).unwrap_err();
        assert_eq!(refused, error.into(), "{name}: {value}");
    }
}

#[test]
fn each_missing_claim_is_refused_for_its_own_reason() {
    for (name, error) in [
        ("iss", TokenError::Issuer),
        ("sub", TokenError::Subject),
        ("aud", TokenError::AudienceMissing),
        ("exp", TokenError::Time),
    ] {
        let refused = authenticate(policy(), &oauth_token(&without(oauth_claims(), name)));
        assert_eq!(refused.unwrap_err(), error.into(), "{name}");
    }
    for name in ["nbf", "iat", "client_id", "scope"] {
        assert!(authenticate(policy(), &oauth_token(&without(oauth_claims(), name))).is_ok());
    }
}

#[test]
fn each_wrong_header_is_refused_for_its_own_reason() {
    for (name, value, error) in [
        ("alg", json!("none"), TokenError::Algorithm),
        ("alg", json!("HS256"), TokenError::Algorithm),
        ("alg", json!("PS256"), TokenError::Algorithm),
        ("alg", json!("rs256"), TokenError::Algorithm),
        ("alg", json!(["RS256"]), TokenError::Algorithm),
        ("alg", json!("RS384"), TokenError::AlgorithmNotPinned),
        ("alg", json!("RS512"), TokenError::AlgorithmNotPinned),
        ("typ", json!("JWT"), TokenError::Kind),
        ("typ", json!("AT+JWT"), TokenError::Kind),
        ("typ", json!(null), TokenError::Kind),
        ("crit", json!(["exp"]), TokenError::CriticalHeader),
        ("cat", json!("x"), TokenError::Class),
        ("kid", json!("ins_emulator_1"), TokenError::EmulatorKey),
    ] {
        let mut header = oauth_header();
        header[name] = value.clone();
        let token = TestKey::shared().sign(&header, &oauth_claims());
        let refused = authenticate(policy(), &token).unwrap_err();
        assert_eq!(refused, error.into(), "{name}: {value}");
    }
}

#[test]
fn a_signature_that_does_not_hold_is_refused() {
    let claims = oauth_claims();
    let token = oauth_token(&claims);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, _) = signed.split_once('.').unwrap();
    let forged = URL_SAFE_NO_PAD.encode(claims.to_string().replace("user_ada", "user_eve"));
    let sha384 = TestKey::shared().sign_sha384(&oauth_header().to_string(), &claims.to_string());
    let other_key = TestKey::other().sign(&oauth_header(), &claims);
    for token in [
        format!("{header}.{forged}.{signature}"),
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode([0; 256])),
        format!("{signed}.AA"),
        sha384,
        other_key,
    ] {
        assert_eq!(
            authenticate(policy(), &token).unwrap_err(),
            TokenError::Signature.into()
        );
    }
}

#[test]
fn the_public_key_is_no_secret_to_sign_with() {
    let header = json!({"alg": "HS256", "kid": "ins_1", "typ": "at+jwt"});
    let [header, claims] =
        [header, oauth_claims()].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let signed = format!("{header}.{claims}");
    let pem = TestKey::shared().public_pem();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, pem.as_bytes());
    let tag = aws_lc_rs::hmac::sign(&key, signed.as_bytes());
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag));
    assert_eq!(
        authenticate(policy(), &token).unwrap_err(),
        TokenError::Algorithm.into()
    );
}

#[test]
fn a_string_that_is_no_token_is_refused() {
    for token in [
        "", "x", "a.b", "a.b.c.d", "Bearer x", "\u{0}", "....", "é.é.é",
    ] {
        assert_eq!(
            authenticate(policy(), token).unwrap_err(),
            TokenError::Malformed.into()
        );
    }
    for (token, error) in [
        ("oat_abc", TokenError::Opaque),
        ("mt_abc", TokenError::Kind),
        ("ak_abc", TokenError::Kind),
    ] {
        assert_eq!(authenticate(policy(), token).unwrap_err(), error.into());
    }
    let megabyte = "x".repeat(1 << 20);
    assert_eq!(
        authenticate(policy(), &megabyte).unwrap_err(),
        TokenError::TooLarge.into()
    );
}

#[test]
fn a_member_that_occurs_twice_is_refused_though_it_is_signed() {
    let claims = oauth_claims().to_string();
    let twice = claims.replacen('{', r#"{"sub":"user_eve","#, 1);
    let header = oauth_header().to_string();
    assert!(authenticate(policy(), &TestKey::shared().sign_text(&header, &claims)).is_ok());
    let token = TestKey::shared().sign_text(&header, &twice);
    assert_eq!(
        authenticate(policy(), &token).unwrap_err(),
        TokenError::Malformed.into()
    );
}

#[test]
fn times_have_five_seconds_of_leeway_and_no_more() {
    for (name, accepted, refused) in [
        ("exp", NOW - 4, NOW - 5),
        ("nbf", NOW + 5, NOW + 6),
        ("iat", NOW + 5, NOW + 6),
    ] {
        for (seconds, ok) in [(accepted, true), (refused, false)] {
            let mut claims = oauth_claims();
            claims[name] = json!(seconds);
            let outcome = authenticate(policy(), &oauth_token(&claims));
            assert_eq!(outcome.is_ok(), ok, "{name} {seconds}");
        }
    }
}

#[test]
fn another_resources_token_is_refused_in_every_mode_but_off() {
    let mut foreign = oauth_claims();
    foreign["aud"] = json!("https://other.example.com");
    let silent = without(oauth_claims(), "aud");
    for (mode, foreign_ok, silent_ok) in [
        (AudienceMode::Require, false, false),
        (AudienceMode::IfPresent, false, true),
        (AudienceMode::Off, true, true),
    ] {
        let mut policy = policy();
        policy.audience.mode = mode;
        let accepted = |claims: &Value| authenticate(policy.clone(), &oauth_token(claims)).is_ok();
        assert_eq!(
            (accepted(&foreign), accepted(&silent)),
            (foreign_ok, silent_ok),
            "{mode:?}"
        );
        assert!(accepted(&oauth_claims()));
    }
}

#[test]
fn an_audience_with_a_query_a_default_port_or_another_case_means_this_resource() {
    for audience in [
        format!("{RESOURCE}?client=cursor"),
        RESOURCE.replace("https", "HTTPS"),
    ] {
        let mut claims = oauth_claims();
        claims["aud"] = json!(audience);
        assert!(
            authenticate(policy(), &oauth_token(&claims)).is_ok(),
            "{audience}"
        );
    }
    for audience in [format!("{RESOURCE}#a"), format!("{RESOURCE}/x?a")] {
        let mut claims = oauth_claims();
        claims["aud"] = json!(audience);
        let refused = authenticate(policy(), &oauth_token(&claims)).unwrap_err();
        assert_eq!(refused, TokenError::AudienceMismatch.into(), "{audience}");
    }
}

#[test]
fn a_transition_accepts_tokens_without_an_audience_until_its_day_and_no_restart_ends_it() {
    let end_ms = NOW * 1_000 + 60_000;
    let silent = without(oauth_claims(), "aud");
    let mut foreign = oauth_claims();
    foreign["aud"] = json!("https://other.example.com");
    let policy = |clients: Option<&str>, scopes: &[&str]| {
        let mut policy = TokenPolicy {
            allowed_clients: clients.map(|client| vec![client.to_owned()]),
            required_scopes: scopes.iter().map(ToString::to_string).collect(),
            ..policy()
        };
        policy.audience.mode = AudienceMode::RequireAfter(end_ms);
        policy
    };
    for (clients, scopes, expected) in [
        (Some("client_1"), &[][..], Ok(())),
        (Some("client_2"), &[], Err(TokenError::Client)),
        (None, &["profile"], Ok(())),
        (None, &["documents"], Err(TokenError::AudienceMissing)),
        (
            None,
            &["profile", "documents"],
            Err(TokenError::AudienceMissing),
        ),
        (None, &[], Err(TokenError::AudienceMissing)),
        (Some("client_1"), &["documents"], Ok(())),
    ] {
        let clock = test_support::clock();
        let keys = Keys::from_pem(&TestKey::shared().public_pem()).unwrap();
        let authenticator = test_support::with_keys(policy(clients, scopes), keys, clock.clone());
        let token = oauth_token(&silent);
        let outcome = || block_on(authenticator.authenticate(&token)).map(|_| ());
        let expected = expected.map_err(AuthError::from);
        assert_eq!(outcome(), expected, "{clients:?} {scopes:?}");
        // The outcome does not change when the token is cached.
        assert_eq!(outcome(), expected);
        assert_eq!(
            authenticator.transition.accepted(),
            if expected.is_ok() { 2 } else { 0 }
        );
        let other = block_on(authenticator.authenticate(&oauth_token(&foreign)));
        assert!(other.is_err());
        clock.advance(Duration::from_secs(59));
        assert_eq!(outcome(), expected);
        clock.advance(Duration::from_secs(1));
        let refusals = [TokenError::AudienceMissing, TokenError::Client].map(AuthError::from);
        assert!(refusals.contains(&outcome().unwrap_err()));
        // The rule does not concern a token with an audience.
        let named = block_on(authenticator.authenticate(&oauth_token(&oauth_claims())));
        assert_eq!(
            named.is_ok(),
            clients != Some("client_2"),
            "{clients:?} {scopes:?}"
        );
    }
}

#[test]
fn any_of_several_audiences_will_do() {
    let mut claims = oauth_claims();
    claims["aud"] = json!(["https://other.example.com", RESOURCE]);
    assert!(authenticate(policy(), &oauth_token(&claims)).is_ok());
}

#[test]
fn with_a_list_of_clients_every_other_client_is_refused() {
    let listed = |clients: &[&str]| {
        let allowed_clients = Some(clients.iter().map(|&client| client.to_owned()).collect());
        TokenPolicy {
            allowed_clients,
            ..policy()
        }
    };
    let token = oauth_token(&oauth_claims());
    assert!(authenticate(listed(&["client_0", "client_1"]), &token).is_ok());
    for clients in [&["client_2"][..], &["client_10"], &["CLIENT_1"], &[]] {
        let refused = authenticate(listed(clients), &token).unwrap_err();
        assert_eq!(refused, TokenError::Client.into());
    }
    let nameless = oauth_token(&without(oauth_claims(), "client_id"));
    let refused = authenticate(listed(&["client_1"]), &nameless).unwrap_err();
    assert_eq!(refused, TokenError::Client.into());
}

#[test]
fn a_kind_is_accepted_only_where_the_policy_says_so() {
    let session = session_token(&session_claims());
    let oauth = oauth_token(&oauth_claims());
    assert_eq!(
        authenticate(policy(), &session).unwrap_err(),
        TokenError::Kind.into()
    );
    let only_sessions = TokenPolicy {
        oauth: false,
        ..sessions()
    };
    assert!(authenticate(only_sessions.clone(), &session).is_ok());
    assert_eq!(
        authenticate(only_sessions, &oauth).unwrap_err(),
        TokenError::Kind.into()
    );
}

#[test]
fn each_wrong_session_is_refused_for_its_own_reason() {
    for (name, value, error) in [
        ("sid", json!(null), TokenError::SessionId),
        ("sid", json!(""), TokenError::SessionId),
        ("sid", json!(7), TokenError::SessionId),
        ("sts", json!("pending"), TokenError::Pending),
        ("sts", json!("ended"), TokenError::Pending),
        ("sts", json!(1), TokenError::Pending),
        (
            "aud",
            json!("https://other.example.com"),
            TokenError::AudienceMismatch,
        ),
        ("aud", json!(7), TokenError::AudienceMalformed),
    ] {
        let mut claims = session_claims();
        claims[name] = value.clone();
        let refused = authenticate(sessions(), &session_token(&claims)).unwrap_err();
        assert_eq!(refused, error.into(), "{name}: {value}");
    }
    for (name, value) in [
        ("sts", json!("active")),
        ("aud", json!(RESOURCE)),
        ("aud", json!([])),
    ] {
        let mut claims = session_claims();
        claims[name] = value;
        assert!(
            authenticate(sessions(), &session_token(&claims)).is_ok(),
            "{name}"
        );
    }
    let idless = session_token(&without(session_claims(), "sid"));
    assert_eq!(
        authenticate(sessions(), &idless).unwrap_err(),
        TokenError::SessionId.into()
    );
}

#[test]
fn only_listed_parties_sessions_are_accepted() {
    let listed = |party: &str| {
        let parties = Parties::Listed(vec![party.to_owned()]);
        TokenPolicy {
            sessions: Some(parties),
            ..policy()
        }
    };
    let token = session_token(&session_claims());
    assert!(authenticate(listed("https://app.example.com"), &token).is_ok());
    for (party, token) in [
        ("https://app.example.com/", token),
        ("", session_token(&without(session_claims(), "azp"))),
        (
            "https://app.example.com",
            session_token(&without(session_claims(), "azp")),
        ),
    ] {
        let refused = authenticate(listed(party), &token).unwrap_err();
        assert_eq!(refused, TokenError::AuthorizedParty.into(), "{party}");
    }
}

#[test]
fn an_emulators_key_signs_only_where_both_ends_are_on_loopback() {
    let issuer = "http://127.0.0.1:4000";
    let mut header = oauth_header();
    header["kid"] = json!("ins_emulator_1");
    let mut claims = oauth_claims();
    claims["iss"] = json!(issuer);
    let token = TestKey::shared().sign(&header, &claims);
    let policy = |server_is_local| {
        let mut policy = TokenPolicy {
            issuer: issuer.into(),
            ..policy()
        };
        policy.trust_emulator(server_is_local);
        policy
    };
    assert!(authenticate(policy(true), &token).is_ok());
    assert_eq!(
        authenticate(policy(false), &token).unwrap_err(),
        TokenError::EmulatorKey.into()
    );
}

#[test]
fn a_token_seen_before_is_found_until_it_expires() {
    let fixture = Fixture::new();
    let token = oauth_token(&oauth_claims());
    assert!(fixture.cached(&token).is_none());
    fixture.authenticate(&token).unwrap();
    assert!(fixture.cached(&token).is_some());
    fixture.clock.advance(Duration::from_secs(86_400 + 5));
    assert!(fixture.cached(&token).is_none());
    assert_eq!(
        fixture.authenticate(&token).unwrap_err(),
        TokenError::Expired.into()
    );
}

#[test]
fn a_token_seen_before_is_verified_anew_after_the_age_that_is_set() {
    let policy = TokenPolicy {
        cache_age: Some(Duration::from_secs(60)),
        ..policy()
    };
    let fixture = Fixture::with(policy);
    let token = oauth_token(&oauth_claims());
    for _ in 0..2 {
        fixture.authenticate(&token).unwrap();
        fixture.clock.advance(Duration::from_secs(59));
        assert!(fixture.cached(&token).is_some());
        fixture.clock.advance(Duration::from_secs(1));
        assert!(fixture.cached(&token).is_none());
        assert!(fixture.authenticator.knows(&BearerToken::new(&token)));
    }
    fixture.clock.advance(Duration::from_secs(86_400));
    let refused = fixture.authenticate(&token).unwrap_err();
    assert_eq!(refused, TokenError::Expired.into());
    assert!(!fixture.authenticator.knows(&BearerToken::new(&token)));
}

#[test]
fn a_token_that_differs_from_a_seen_one_at_all_is_not_found() {
    let fixture = Fixture::new();
    let token = oauth_token(&oauth_claims());
    fixture.authenticate(&token).unwrap();
    let last = token.chars().last().unwrap();
    let (signed, _) = token.rsplit_once('.').unwrap();
    // The base64 text of 256 bytes leaves four bits of its last letter unused, so other last
    // letters decode to the same bytes.
    for letter in ['A', 'B', 'C', 'D', 'Q', 'R', 'g', 'h', 'w', 'x']
        .into_iter()
        .filter(|&l| l != last)
    {
        let twin = format!("{}{letter}", token.strip_suffix(last).unwrap());
        assert!(fixture.cached(&twin).is_none());
        let refused = fixture.authenticate(&twin).unwrap_err();
        assert!(matches!(
            refused,
            AuthError::Invalid(TokenError::Malformed | TokenError::Signature)
        ));
    }
    let unsigned = format!("{signed}.{}", URL_SAFE_NO_PAD.encode([7; 256]));
    assert_eq!(
        fixture.authenticate(&unsigned).unwrap_err(),
        TokenError::Signature.into()
    );
    assert!(fixture.cached(&unsigned).is_none());
    assert!(fixture.cached(&token).is_some());
}

#[test]
fn withdrawing_a_key_drops_the_tokens_it_signed() {
    let fixture = Fixture::new();
    let token = oauth_token(&oauth_claims());
    fixture.authenticate(&token).unwrap();
    fixture
        .source
        .publish(Some(vec![TestKey::other().published("ins_2")]));
    fixture.clock.advance(Duration::from_secs(300));
    // The first request after a refresh is due starts the refresh in the background.
    assert!(fixture.cached(&token).is_some());
    fixture.wait_until_dropped(&token);
    assert_eq!(fixture.source.calls(), 2);
    assert_eq!(
        fixture.authenticate(&token).unwrap_err(),
        TokenError::UnknownKey.into()
    );
}

#[test]
fn after_24_hours_without_the_issuer_a_seen_token_is_unavailable() {
    let fixture = Fixture::new();
    let mut claims = oauth_claims();
    claims["exp"] = json!(NOW + 3 * 86_400);
    let token = oauth_token(&claims);
    fixture.authenticate(&token).unwrap();
    fixture.source.publish(None);
    fixture.clock.advance(Duration::from_secs(86_400));
    assert!(fixture.cached(&token).is_none());
    assert!(matches!(
        fixture.authenticate(&token),
        Err(AuthError::Unavailable(_))
    ));
}

#[test]
fn a_key_replaced_under_its_name_is_fetched_when_a_signature_fails() {
    let fixture = Fixture::new();
    let before = oauth_token(&oauth_claims());
    fixture.authenticate(&before).unwrap();
    fixture
        .source
        .publish(Some(vec![TestKey::other().published("ins_1")]));
    let after = TestKey::other().sign(&oauth_header(), &oauth_claims());
    assert!(fixture.authenticate(&after).is_ok());
    assert_eq!(fixture.source.calls(), 2);
    assert_eq!(
        fixture.authenticate(&before).unwrap_err(),
        TokenError::Signature.into()
    );
}

#[test]
fn the_log_has_the_reason_but_neither_token_nor_claims() {
    let mut claims = oauth_claims();
    claims["exp"] = json!(1);
    claims["email"] = json!("ada@example.com");
    let token = oauth_token(&claims);
    let written = test_support::logged(|| {
        authenticate(policy(), &token).unwrap_err();
    });
    assert!(
        written.contains("token-expired") && written.contains("user_ada"),
        "{written}"
    );
    for part in token.split('.').chain(["ada@example.com"]) {
        assert!(!written.contains(part), "{written}");
    }
}

#[test]
fn at_info_a_refused_token_has_a_line_a_minute_for_each_reason_with_a_count() {
    let fixture = Fixture::new();
    let mut expired = oauth_claims();
    expired["exp"] = json!(1);
    let expired = oauth_token(&expired);
    let written = test_support::logged_at(Level::INFO, || {
        for _ in 0..3 {
            fixture.authenticate(&expired).unwrap_err();
            fixture.authenticate("hunter2.hunter2.hunter2").unwrap_err();
        }
        fixture.clock.advance(Duration::from_secs(60));
        fixture.authenticate(&expired).unwrap_err();
    });
    let lines: Vec<_> = written.lines().collect();
    let [first, malformed, second] = lines[..] else {
        panic!("{written}");
    };
    for (line, reason) in [
        (
            first,
            r#"reason="token-expired" rule=the token is expired tokens=1"#,
        ),
        (
            malformed,
            r#"reason="token-invalid" rule=the token is malformed tokens=1"#,
        ),
        (
            second,
            r#"reason="token-expired" rule=the token is expired tokens=3"#,
        ),
    ] {
        assert!(line.contains(" INFO ") && line.contains(reason), "{line}");
    }
    assert!(
        !written.contains("hunter2") && !written.contains("user_ada"),
        "{written}"
    );
    for part in expired.split('.') {
        assert!(!written.contains(part), "{written}");
    }
}

#[test]
fn a_refusal_for_its_audience_names_the_step_that_mends_it_once_a_minute_with_a_count() {
    let fixture = Fixture::new();
    let missing = oauth_token(&without(oauth_claims(), "aud"));
    let mut other = oauth_claims();
    other["aud"] = json!("https://other.example.com");
    let other = oauth_token(&other);
    for (token, step) in [(&missing, "under Agents, MCP servers"), (&other, "MCP_URL")] {
        let written = test_support::logged(|| {
            for _ in 0..3 {
                fixture.authenticate(token).unwrap_err();
            }
            fixture.clock.advance(Duration::from_secs(60));
            fixture.authenticate(token).unwrap_err();
        });
        let warned: Vec<_> = written
            .lines()
            .filter(|line| line.contains("WARN"))
            .collect();
        assert_eq!(warned.len(), 2, "{written}");
        assert!(warned[0].contains(step) && warned[0].contains("refused=1"));
        assert!(warned[1].contains("refused=3") && warned[1].contains(RESOURCE));
        assert!(!written.contains("other.example.com"), "{written}");
    }
}

#[test]
fn a_transition_logs_each_client_once_and_counts_every_request() {
    let mut policy = TokenPolicy {
        allowed_clients: Some(vec!["client_1".to_owned(), "client_2".to_owned()]),
        ..policy()
    };
    policy.audience.mode = AudienceMode::RequireAfter(u64::MAX);
    let authenticator = test_support::offline(policy);
    let written = test_support::logged(|| {
        for client in ["client_1", "client_2", "client_1"] {
            let mut claims = without(oauth_claims(), "aud");
            claims["client_id"] = json!(client);
            for _ in 0..2 {
                block_on(authenticator.authenticate(&oauth_token(&claims))).unwrap();
            }
        }
        block_on(authenticator.authenticate(&oauth_token(&oauth_claims()))).unwrap();
    });
    assert_eq!(authenticator.transition.accepted(), 6);
    let warned: Vec<_> = written
        .lines()
        .filter(|line| line.contains("WARN"))
        .collect();
    assert_eq!(warned.len(), 2, "{written}");
    assert!(
        warned[0].contains(r#"client="client_1" accepted=1"#),
        "{written}"
    );
    assert!(
        warned[1].contains(r#"client="client_2" accepted=3"#),
        "{written}"
    );
}

#[test]
fn a_kid_cannot_write_lines_of_its_own_into_the_log() {
    let mut header = oauth_header();
    header["kid"] = json!("x\nERROR forged\u{1b}[31m");
    let mut claims = oauth_claims();
    claims["exp"] = json!(1);
    let token = TestKey::shared().sign(&header, &claims);
    let written = test_support::logged(|| {
        authenticate(policy(), &token).unwrap_err();
    });
    assert_eq!(written.lines().count(), 1, "{written}");
    assert!(!written.contains('\u{1b}'), "{written}");
}

#[test]
fn an_outage_is_logged_once_a_minute_however_many_strangers_come() {
    let fixture = Fixture::new();
    fixture.source.publish(None);
    let log = test_support::logged(|| {
        for index in 0..50 {
            let mut claims = oauth_claims();
            claims["jti"] = json!(format!("oat_{index}"));
            let outcome = fixture.authenticate(&oauth_token(&claims));
            assert!(matches!(outcome, Err(AuthError::Unavailable(_))));
        }
        fixture.clock.advance(Duration::from_secs(60));
        let outcome = fixture.authenticate(&oauth_token(&oauth_claims()));
        assert!(matches!(outcome, Err(AuthError::Unavailable(_))));
    });
    assert_eq!(log.matches("can't be verified now").count(), 2, "{log}");
}

struct Fixture {
    authenticator: Authenticator,
    source: Arc<CountingSource>,
    clock: Arc<ManualClock>,
    _io: IoRuntime,
}

impl Fixture {
    /// Creates an issuer that publishes the shared key.
    fn new() -> Self {
        Self::with(policy())
    }

    fn with(policy: TokenPolicy) -> Self {
        let io = IoRuntime::start().unwrap();
        let source = CountingSource::of(vec![TestKey::shared().published("ins_1")]);
        let clock = test_support::clock();
        let kept: Arc<dyn KeySource> = Arc::<CountingSource>::clone(&source);
        let time: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let keys = Keys::published(kept, Arc::clone(&time), io.handle().clone());
        let authenticator = test_support::with_keys(policy, keys, time);
        Self {
            authenticator,
            source,
            clock,
            _io: io,
        }
    }

    fn authenticate(&self, token: &str) -> Result<Caller, AuthError> {
        block_on(self.authenticator.authenticate(token))
    }

    fn cached(&self, token: &str) -> Option<Caller> {
        self.authenticator.cached(&BearerToken::new(token))
    }

    /// Waits until the refresh in the background drops this token.
    fn wait_until_dropped(&self, token: &str) {
        for _ in 0..500 {
            if self.cached(token).is_none() {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        panic!("the token is still accepted");
    }
}

fn authenticate(policy: TokenPolicy, token: &str) -> Result<Caller, AuthError> {
    block_on(test_support::offline(policy).authenticate(token))
}

fn sessions() -> TokenPolicy {
    TokenPolicy {
        sessions: Some(Parties::Any),
        ..policy()
    }
}

fn without(mut claims: Value, name: &str) -> Value {
    claims.as_object_mut().unwrap().remove(name);
    claims
}
