//! M2M tokens and API keys: minting, verification by the Backend API, and revocation.

use clerk_emulator::{Emulator, MintError, TokenRequest};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::support::{api_get, expect_problem, get, json, part, request, started};

/// Posts to the Backend API with `key` as bearer token.
async fn post(emulator: &Emulator, key: &str, path: &str, body: &Value) -> Response {
    let request = request(emulator, Method::POST, path)
        .bearer_auth(key)
        .header("content-type", "application/json");
    request.body(body.to_string()).send().await.unwrap()
}

async fn verify_m2m(emulator: &Emulator, key: &str, token: &str) -> Response {
    post(
        emulator,
        key,
        "/m2m_tokens/verify",
        &json!({"token": token}),
    )
    .await
}

async fn verify_key(emulator: &Emulator, key: &str, secret: &str) -> Response {
    post(
        emulator,
        key,
        "/api_keys/verify",
        &json!({"secret": secret}),
    )
    .await
}

/// Mints a token over HTTP.
async fn minted(emulator: &Emulator, wish: &Value) -> String {
    let request = request(emulator, Method::POST, "/dev/tokens")
        .header("content-type", "application/json")
        .body(wish.to_string());
    let answer = json(request.send().await.unwrap()).await;
    String::from(answer["token"].as_str().unwrap())
}

fn secret_key(emulator: &Emulator) -> String {
    String::from(emulator.instance().secret_key().expose())
}

fn keys(object: &Value) -> Vec<&str> {
    object
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

#[actix_web::test]
async fn the_verification_of_an_m2m_token_has_clerks_form() {
    let emulator = started().await;
    let wish = json!({"kind": "m2m", "machine": "billing", "claims": {"tier": "gold"}});
    let token = minted(&emulator, &wish).await;
    assert!(token.starts_with("mt_") && !token.contains('.'), "{token}");
    for path in ["/m2m_tokens/verify", "/v1/m2m_tokens/verify"] {
        let answer = post(
            &emulator,
            &secret_key(&emulator),
            path,
            &json!({"token": token}),
        )
        .await;
        assert_eq!(answer.status(), 200);
        let answer = json(answer).await;
        assert_eq!(answer["object"], "machine_to_machine_token");
        let id = answer["id"].as_str().unwrap();
        assert!(
            id.starts_with("mt_") && id.len() == 35 && !token.contains(id),
            "{id}"
        );
        assert_eq!(answer["subject"], "mch_billing");
        assert_eq!(answer["scopes"], json!(["mch_mcp"]));
        assert_eq!(answer["claims"], json!({"tier": "gold"}));
        assert_eq!(answer["revoked"], false);
        assert_eq!(answer["revocation_reason"], Value::Null);
        assert_eq!(answer["expired"], false);
        let created = answer["created_at"].as_u64().unwrap();
        assert!(created > 1_750_000_000_000);
        assert_eq!(answer["expiration"], created + 3_600_000);
        let expected = [
            "claims",
            "created_at",
            "expiration",
            "expired",
            "id",
            "last_used_at",
            "object",
            "revocation_reason",
            "revoked",
            "scopes",
            "subject",
            "updated_at",
        ];
        let mut found = keys(&answer);
        found.sort_unstable();
        assert_eq!(found, expected);
    }
}

#[actix_web::test]
async fn the_verification_of_an_api_key_has_clerks_form() {
    let emulator = started().await;
    let wish =
        json!({"kind": "api_key", "user": "ada", "scopes": ["documents:read"], "claims": {"a": 1}});
    let secret = minted(&emulator, &wish).await;
    assert!(
        secret.starts_with("ak_") && secret.contains('/') && secret.ends_with('='),
        "{secret}"
    );
    for path in ["/api_keys/verify", "/v1/api_keys/verify"] {
        let answer = post(
            &emulator,
            &secret_key(&emulator),
            path,
            &json!({"secret": secret}),
        )
        .await;
        assert_eq!(answer.status(), 200);
        let answer = json(answer).await;
        assert_eq!(
            (&answer["object"], &answer["type"]),
            (&json!("api_key"), &json!("api_key"))
        );
        assert!(answer["id"].as_str().unwrap().starts_with("ak_"));
        assert_eq!(
            (&answer["subject"], &answer["created_by"]),
            (&json!("user_ada"), &json!("user_ada"))
        );
        assert_eq!(answer["scopes"], json!(["documents:read"]));
        assert_eq!(answer["claims"], json!({"a": 1}));
        assert_eq!(
            (&answer["revoked"], &answer["expired"]),
            (&json!(false), &json!(false))
        );
        assert_eq!(answer["expiration"], Value::Null);
        let expected = [
            "claims",
            "created_at",
            "created_by",
            "description",
            "expiration",
            "expired",
            "id",
            "last_used_at",
            "name",
            "object",
            "revocation_reason",
            "revoked",
            "scopes",
            "subject",
            "type",
            "updated_at",
        ];
        let mut found = keys(&answer);
        found.sort_unstable();
        assert_eq!(found, expected);
    }
    let of_acme = minted(&emulator, &json!({"kind": "api_key", "org": "acme"})).await;
    let answer = json(verify_key(&emulator, &secret_key(&emulator), &of_acme).await).await;
    assert_eq!(
        (&answer["subject"], &answer["created_by"]),
        (&json!("org_acme"), &Value::Null)
    );
    assert_eq!(
        (&answer["scopes"], &answer["claims"]),
        (&json!([]), &Value::Null)
    );
}

#[actix_web::test]
async fn an_unknown_token_is_404_and_an_invalid_body_is_400() {
    let emulator = started().await;
    let key = secret_key(&emulator);
    let m2m = minted(&emulator, &json!({"kind": "m2m", "machine": "billing"})).await;
    let api_key = minted(&emulator, &json!({"kind": "api_key", "user": "ada"})).await;
    let jwt = minted(
        &emulator,
        &json!({"kind": "m2m", "machine": "billing", "format": "jwt"}),
    )
    .await;
    for token in ["", "mt_unknown", &api_key, &jwt, &format!("{m2m}x")] {
        expect_problem(
            verify_m2m(&emulator, &key, token).await,
            404,
            "resource_not_found",
        )
        .await;
    }
    for secret in ["", "ak_unknown", &m2m] {
        expect_problem(
            verify_key(&emulator, &key, secret).await,
            404,
            "resource_not_found",
        )
        .await;
    }
    for body in [
        json!({}),
        json!([]),
        json!({"token": 1}),
        json!({"token": m2m, "more": 1}),
    ] {
        let answer = post(&emulator, &key, "/m2m_tokens/verify", &body).await;
        expect_problem(answer, 400, "bad_request").await;
    }
    let answer = post(
        &emulator,
        &key,
        "/api_keys/verify",
        &json!({"token": api_key}),
    )
    .await;
    expect_problem(answer, 400, "bad_request").await;
}

#[actix_web::test]
async fn verifying_and_revoking_need_the_secret_key() {
    let emulator = started().await;
    let token = minted(&emulator, &json!({"kind": "m2m", "machine": "billing"})).await;
    for path in [
        "/m2m_tokens/verify",
        "/v1/m2m_tokens/verify",
        "/api_keys/verify",
        "/v1/api_keys/verify",
        "/m2m_tokens/mt_1/revoke",
        "/v1/api_keys/ak_1/revoke",
    ] {
        let body = json!({"token": token});
        for key in ["sk_test_x", &token] {
            let answer = post(&emulator, key, path, &body).await;
            expect_problem(answer, 401, "clerk_key_invalid").await;
        }
        let bare = request(&emulator, Method::POST, path).body(body.to_string());
        expect_problem(bare.send().await.unwrap(), 401, "authentication_invalid").await;
    }
}

#[actix_web::test]
async fn a_machine_verifies_with_its_own_key_only_tokens_for_itself() {
    let emulator = started().await;
    let key = |machine| emulator.instance().machine_secret_key(machine).unwrap();
    let (mcp, billing) = (key("mcp"), key("mch_billing"));
    assert_ne!(mcp.expose(), billing.expose());
    let token = minted(&emulator, &json!({"kind": "m2m", "machine": "billing"})).await;
    let answer = verify_m2m(&emulator, mcp.expose(), &token).await;
    assert_eq!(json(answer).await["subject"], "mch_billing");
    let answer = verify_m2m(&emulator, billing.expose(), &token).await;
    expect_problem(answer, 404, "resource_not_found").await;
    let for_none = minted(
        &emulator,
        &json!({"kind": "m2m", "machine": "billing", "scopes": []}),
    )
    .await;
    let answer = verify_m2m(&emulator, mcp.expose(), &for_none).await;
    expect_problem(answer, 404, "resource_not_found").await;

    let api_key = minted(&emulator, &json!({"kind": "api_key", "user": "ada"})).await;
    let answer = verify_key(&emulator, mcp.expose(), &api_key).await;
    expect_problem(answer, 401, "clerk_key_invalid").await;
    for path in ["/v1/jwks", "/v1/users/user_ada"] {
        let asked = request(&emulator, Method::GET, path).bearer_auth(mcp.expose());
        expect_problem(asked.send().await.unwrap(), 401, "clerk_key_invalid").await;
    }

    let path = "/v1/machines/mch_mcp/secret_key";
    let shown = json(api_get(&emulator, path).await).await;
    assert_eq!(
        shown,
        json!({"object": "machine_secret_key", "secret": mcp.expose()})
    );
    let shown = json(api_get(&emulator, "/v1/machines/mch_billing").await).await;
    assert_eq!(
        shown,
        json!({
            "object": "machine", "id": "mch_billing", "name": "billing",
            "scoped_machines": [{"object": "machine", "id": "mch_mcp", "name": "mcp"}],
        })
    );
    for path in [
        "/v1/machines/mch_none",
        "/v1/machines/mcp",
        "/v1/machines/mch_none/secret_key",
        "/v1/machines/mcp/secret_key",
    ] {
        expect_problem(api_get(&emulator, path).await, 404, "resource_not_found").await;
    }
}

#[actix_web::test]
async fn a_revoked_or_expired_token_is_reported_as_such() {
    let emulator = started().await;
    let key = secret_key(&emulator);
    let token = minted(&emulator, &json!({"kind": "m2m", "machine": "billing"})).await;
    let id = json(verify_m2m(&emulator, &key, &token).await).await["id"].clone();
    let path = format!("/m2m_tokens/{}/revoke", id.as_str().unwrap());
    let reason = json!({"revocation_reason": "leaked"});
    let answer = post(&emulator, &key, &path, &reason).await;
    assert_eq!(json(answer).await["revoked"], true);
    let answer = verify_m2m(&emulator, &key, &token).await;
    assert_eq!(answer.status(), 200);
    let answer = json(answer).await;
    assert_eq!(
        (&answer["revoked"], &answer["revocation_reason"]),
        (&json!(true), &json!("leaked"))
    );
    let wrong_kind = format!("/api_keys/{}/revoke", id.as_str().unwrap());
    let answer = post(&emulator, &key, &wrong_kind, &reason).await;
    expect_problem(answer, 404, "resource_not_found").await;

    let secret = minted(&emulator, &json!({"kind": "api_key", "user": "ada"})).await;
    let answer = post(&emulator, &key, "/dev/revoke", &json!({"token": secret})).await;
    assert_eq!(json(answer).await["revoked"], true);
    assert_eq!(
        json(verify_key(&emulator, &key, &secret).await).await["revoked"],
        true
    );
    let answer = post(
        &emulator,
        &key,
        "/dev/revoke",
        &json!({"token": "ak_unknown"}),
    )
    .await;
    expect_problem(answer, 404, "resource_not_found").await;

    let wish = json!({"kind": "api_key", "user": "ada", "expires_in": -5});
    let expired = minted(&emulator, &wish).await;
    let answer = json(verify_key(&emulator, &key, &expired).await).await;
    assert_eq!(
        (&answer["expired"], &answer["revoked"]),
        (&json!(true), &json!(false))
    );
    assert!(answer["created_at"].as_u64() < answer["expiration"].as_u64());
}

#[actix_web::test]
async fn an_m2m_jwt_has_the_category_the_subject_and_the_scopes_of_clerks() {
    let emulator = started().await;
    let clerk = emulator.instance();
    clerk.set_machine("billing", &["mcp", "reports"]);
    let own = json!({"tier": "gold", "sub": "user_ada", "iss": "https://elsewhere.example.com"});
    let request = TokenRequest::m2m("billing").jwt().claims(own);
    let token = clerk.mint(&request, 1_750_000_000).unwrap();
    let (header, claims) = (part(&token, 0), part(&token, 1));
    assert_eq!(
        (&header["typ"], &header["cat"]),
        (&json!("JWT"), &json!("cl_B7d4PD333AAA"))
    );
    assert_eq!(
        (&claims["sub"], &claims["iss"]),
        (&json!("mch_billing"), &json!(emulator.url()))
    );
    assert!(claims["jti"].as_str().unwrap().starts_with("mt_"));
    assert_eq!(claims["scopes"], "mch_mcp mch_reports");
    assert_eq!(claims["tier"], "gold");
    assert_eq!(claims["exp"], 1_750_003_600);
    assert!(claims.get("aud").is_none());

    let narrow = TokenRequest::m2m("mch_billing")
        .jwt()
        .scopes(["reports"])
        .aud("mch_mcp");
    let claims = part(&clerk.mint(&narrow, 1_750_000_000).unwrap(), 1);
    assert_eq!(
        (&claims["scopes"], &claims["aud"]),
        (&json!("mch_reports"), &json!("mch_mcp"))
    );
    let none = TokenRequest::m2m("billing").jwt().scopes::<&str>([]);
    let claims = part(&clerk.mint(&none, 1_750_000_000).unwrap(), 1);
    assert!(claims.get("scopes").is_none());

    let as_text = get(
        &emulator,
        "/dev/token?kind=m2m&machine=billing&format=jwt&claims=%7B%22a%22:1%7D",
    )
    .await;
    assert_eq!(part(as_text.text().await.unwrap().trim(), 1)["a"], 1);
}

#[actix_web::test]
async fn an_inapplicable_field_of_a_machine_token_is_refused_with_its_name() {
    let emulator = started().await;
    let refusal = |request: TokenRequest| {
        let refused = emulator.instance().mint(&request, 1_750_000_000);
        refused.unwrap_err().to_string()
    };
    let m2m = || TokenRequest::m2m("billing");
    let key = || TokenRequest::api_key("ada");
    for (request, expected) in [
        (
            m2m().org("acme"),
            "`org` does not apply to a token of kind `m2m`",
        ),
        (
            m2m().client_id("c"),
            "`client_id` does not apply to a token of kind `m2m`",
        ),
        (
            m2m().azp("x"),
            "`azp` does not apply to a token of kind `m2m`",
        ),
        (
            m2m().aud("x"),
            "`aud` does not apply to a token of kind `m2m`",
        ),
        (
            key().org("acme"),
            "`org` does not apply to a token of kind `api_key`",
        ),
        (
            key().jwt(),
            "`format` does not apply to a token of kind `api_key`",
        ),
        (
            key().aud("x"),
            "`aud` does not apply to a token of kind `api_key`",
        ),
        (
            TokenRequest::oauth("ada").claims(json!({})),
            "`claims` does not apply to a token of kind `oauth`",
        ),
        (
            TokenRequest::session("ada").jwt(),
            "`format` does not apply to a token of kind `session`",
        ),
        (
            key().claims("x"),
            "the claims of a token must be a JSON object",
        ),
        (
            m2m().jwt().claims(json!([])),
            "the claims of a token must be a JSON object",
        ),
        (
            key().scopes(["a b"]),
            "`a b` is not a scope: it is empty or has white space in it",
        ),
        (
            m2m().scopes(["billing"]),
            "`billing` may not talk to `billing` (it may talk to: mch_mcp)",
        ),
        (
            TokenRequest::m2m("x"),
            "there is no machine `x` (machines: billing, mcp)",
        ),
        (
            TokenRequest::api_key("x"),
            "there is no user `x` (users: ada, grace, linus, margaret)",
        ),
        (
            TokenRequest::org_api_key("x"),
            "there is no organization `x` (organizations: acme, globex)",
        ),
    ] {
        assert_eq!(refusal(request), expected);
    }
    for (query, expected) in [
        ("kind=m2m", "a token of kind `m2m` needs `machine`"),
        (
            "kind=api_key",
            "a token of kind `api_key` needs `user` or `org`",
        ),
        (
            "kind=oauth&org=acme",
            "a token of kind `oauth` needs `user`",
        ),
        (
            "kind=m2m&machine=billing&user=ada",
            "`user` does not apply to a token of kind `m2m`",
        ),
        (
            "user=ada&machine=billing",
            "`machine` does not apply to a token of kind `oauth`",
        ),
    ] {
        let answer = get(&emulator, &format!("/dev/token?{query}")).await;
        let message = expect_problem(answer, 422, "form_param_value_invalid").await;
        assert_eq!(message, expected);
    }
    let parts = emulator.instance().token_parts(&m2m(), 1_750_000_000);
    assert!(matches!(parts, Err(MintError::Opaque { .. })));
}

#[actix_web::test]
async fn the_secret_of_a_token_is_returned_once() {
    let emulator = started().await;
    let secret = minted(&emulator, &json!({"kind": "api_key", "user": "ada"})).await;
    let machine_key = emulator.instance().machine_secret_key("mcp").unwrap();
    assert!(!format!("{:?} {machine_key:?}", emulator.instance()).contains(machine_key.expose()));
    let answer = verify_key(&emulator, &secret_key(&emulator), &secret).await;
    assert!(!answer.text().await.unwrap().contains(&secret));
}
