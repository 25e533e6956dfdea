//! Userinfo, introspection, verification by the Backend API, and revocation.

use clerk_emulator::{Directory, Emulator, EmulatorOptions, TokenRequest};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::sign_in::{
    confidential_client, expect_error, form, public_client, refresh, request, signed_in, text,
    token,
};
use crate::support::{api, expect_problem, get, json, started};

const VERIFY: &str = "/oauth_applications/access_tokens/verify";

/// A token minted now.
fn minted(emulator: &Emulator, request: &TokenRequest) -> String {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    emulator.instance().mint(request, now).unwrap()
}

async fn userinfo(emulator: &Emulator, token: &str) -> Response {
    let request = request(emulator, Method::GET, "/oauth/userinfo").bearer_auth(token);
    request.send().await.unwrap()
}

async fn facts(emulator: &Emulator, token: &str) -> Value {
    let response = userinfo(emulator, token).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["cache-control"], "no-store");
    json(response).await
}

async fn verify(emulator: &Emulator, path: &str, body: Value) -> Response {
    let request = api(emulator, Method::POST, path).header("content-type", "application/json");
    request.body(body.to_string()).send().await.unwrap()
}

#[actix_web::test]
async fn userinfo_returns_the_claims_that_the_scopes_cover() {
    let directory = Directory::parse(
        r#"
        [roles.admin]
        permissions = []
        [users.ada]
        name = "Ada Lovelace"
        email = "ada@example.com"
        email_verified = false
        image_url = "https://img.example.com/ada"
        public_metadata = { a = 1 }
        private_metadata = { b = 2 }
        unsafe_metadata = { c = 3 }
        [organizations.acme]
        name = "Acme"
        members = { ada = "admin" }
        "#,
    );
    let options = EmulatorOptions::default().directory(directory.unwrap());
    let emulator = Emulator::start(options).await.unwrap();
    let instance_id = instance_id(&emulator);
    let always = json!({
        "object": "oauth_user_info", "instance_id": instance_id, "user_id": "user_ada", "sub": "user_ada",
    });
    for (scope, more) in [
        ("offline_access", json!({})),
        (
            "email",
            json!({"email": "ada@example.com", "email_verified": false}),
        ),
        (
            "profile",
            json!({
                "name": "Ada Lovelace", "given_name": "Ada", "family_name": "Lovelace",
                "preferred_username": "ada", "username": "ada", "picture": "https://img.example.com/ada",
            }),
        ),
        (
            "public_metadata",
            json!({"public_metadata": {"a": 1}, "unsafe_metadata": {"c": 3}}),
        ),
        ("private_metadata", json!({"private_metadata": {"b": 2}})),
        ("user:org:read", json!({})),
    ] {
        let mut expected = always.clone();
        expected
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        for request in [
            TokenRequest::oauth("ada"),
            TokenRequest::oauth("ada").opaque(),
        ] {
            let token = minted(&emulator, &request.scopes([scope]));
            assert_eq!(facts(&emulator, &token).await, expected, "{scope}");
        }
    }
    for request in [
        TokenRequest::oauth("ada"),
        TokenRequest::oauth("ada").opaque(),
    ] {
        let token = minted(&emulator, &request.org("acme").scopes(["user:org:read"]));
        let facts = facts(&emulator, &token).await;
        for (name, value) in [
            ("org_id", "org_acme"),
            ("org_name", "Acme"),
            ("org_slug", "acme"),
        ] {
            assert_eq!(facts[name], value);
        }
        assert!(facts.get("org_role").is_none() && facts.get("org_permissions").is_none());
    }
}

fn instance_id(emulator: &Emulator) -> Value {
    let keys: Value = serde_json::from_str(&emulator.instance().jwks()).unwrap();
    keys["keys"][0]["kid"].clone()
}

#[actix_web::test]
async fn userinfo_can_be_requested_by_post() {
    let emulator = started().await;
    let token = minted(&emulator, &TokenRequest::oauth("ada"));
    let request = request(&emulator, Method::POST, "/oauth/userinfo").bearer_auth(&token);
    assert_eq!(
        json(request.send().await.unwrap()).await["email"],
        "ada@example.com"
    );
}

#[actix_web::test]
async fn userinfo_refuses_every_other_token() {
    let emulator = started().await;
    let client = public_client(&emulator).await;
    let answer = signed_in(&emulator, &client, "user_ada", &[("scope", "openid")]).await;
    let revoked = minted(&emulator, &TokenRequest::oauth("ada").opaque());
    assert!(emulator.instance().revoke(&revoked));
    let gone = minted(&emulator, &TokenRequest::oauth("grace"));
    emulator.instance().delete_user("grace");
    let mut claims = crate::support::part(&minted(&emulator, &TokenRequest::oauth("ada")), 1);
    claims["iss"] = json!("http://127.0.0.1:1");
    let header = json!({"alg": "RS256", "typ": "at+jwt"});
    let foreign = emulator.instance().mint_claims(header, claims).unwrap();
    let other = started().await;
    for token in [
        String::from("x"),
        String::from("oat_unknown"),
        String::from(text(&answer, "id_token")),
        String::from(text(&answer, "refresh_token")),
        minted(&emulator, &TokenRequest::session("ada")),
        minted(&emulator, &TokenRequest::oauth("ada").expires_in(-1)),
        minted(
            &emulator,
            &TokenRequest::oauth("ada").opaque().expires_in(-1),
        ),
        minted(&other, &TokenRequest::oauth("ada")),
        minted(&other, &TokenRequest::oauth("ada").opaque()),
        revoked,
        gone,
        foreign,
    ] {
        let response = userinfo(&emulator, &token).await;
        assert_eq!(
            response.headers()["www-authenticate"],
            "Bearer error=\"invalid_token\""
        );
        expect_problem(response, 401, "authentication_invalid").await;
    }
    let bare = get(&emulator, "/oauth/userinfo").await;
    expect_problem(bare, 401, "authentication_invalid").await;
}

#[actix_web::test]
async fn a_token_of_a_withdrawn_key_is_refused() {
    let emulator = started().await;
    let token = minted(&emulator, &TokenRequest::oauth("ada"));
    assert_eq!(userinfo(&emulator, &token).await.status(), 200);
    emulator.instance().rotate_key().unwrap();
    assert_eq!(userinfo(&emulator, &token).await.status(), 401);
}

async fn introspect(emulator: &Emulator, client: &(String, String), token: &str) -> Value {
    let request = form(emulator, "/oauth/token_info", [("token", token)]);
    let request = request.basic_auth(&client.0, Some(&client.1));
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    json(response).await
}

#[actix_web::test]
async fn introspection_describes_access_and_refresh_tokens_to_a_client_with_a_secret() {
    let emulator = started().await;
    let resource_server = confidential_client(&emulator, "").await;
    let client = public_client(&emulator).await;
    for jwt in [true, false] {
        emulator
            .instance()
            .change_settings(|settings| settings.oauth_jwt_access_tokens = jwt);
        let changes = [("scope", "email user:org:read")];
        let answer = signed_in(&emulator, &client, "user_ada|org_acme", &changes).await;
        for name in ["access_token", "refresh_token"] {
            let info = introspect(&emulator, &resource_server, text(&answer, name)).await;
            let expected = json!({
                "active": true, "client_id": client, "iat": info["iat"], "scope": "email user:org:read",
                "sub": "user_ada", "org_id": "org_acme",
            });
            assert_eq!(info, expected, "{name}");
            assert!(info["iat"].as_u64().unwrap() > 1_750_000_000);
        }
        emulator.instance().revoke(text(&answer, "refresh_token"));
        let info = introspect(&emulator, &resource_server, text(&answer, "refresh_token")).await;
        assert_eq!(info, json!({"active": false}));
    }
    for token in [
        "x".into(),
        minted(&emulator, &TokenRequest::oauth("ada").expires_in(-1)),
    ] {
        let info = introspect(&emulator, &resource_server, &token).await;
        assert_eq!(info, json!({"active": false}));
    }
}

#[actix_web::test]
async fn introspection_is_refused_without_a_clients_secret() {
    let emulator = started().await;
    let public = public_client(&emulator).await;
    let token = minted(&emulator, &TokenRequest::oauth("ada"));
    let fields = [("token", token.as_str()), ("client_id", public.as_str())];
    let response = form(&emulator, "/oauth/token_info", fields)
        .send()
        .await
        .unwrap();
    expect_error(response, 401, "invalid_client").await;
    let response = form(&emulator, "/oauth/token_info", [("token", token.as_str())]);
    expect_error(response.send().await.unwrap(), 400, "invalid_request").await;
    let (id, secret) = confidential_client(&emulator, "").await;
    let response = form(&emulator, "/oauth/token_info", []).basic_auth(&id, Some(&secret));
    expect_error(response.send().await.unwrap(), 400, "invalid_request").await;
}

async fn revoke(emulator: &Emulator, client: &str, token: &str) -> Response {
    let fields = [("client_id", client), ("token", token)];
    form(emulator, "/oauth/token/revoke", fields)
        .send()
        .await
        .unwrap()
}

#[actix_web::test]
async fn a_client_revokes_its_own_opaque_and_refresh_tokens() {
    let emulator = started().await;
    let (client, other) = (
        public_client(&emulator).await,
        public_client(&emulator).await,
    );
    emulator
        .instance()
        .change_settings(|settings| settings.oauth_jwt_access_tokens = false);
    let answer = signed_in(&emulator, &client, "user_ada", &[]).await;
    let access = text(&answer, "access_token");
    for name in ["access_token", "refresh_token"] {
        let response = revoke(&emulator, &other, text(&answer, name)).await;
        expect_error(response, 400, "unauthorized_client").await;
    }
    assert_eq!(userinfo(&emulator, access).await.status(), 200);

    let response = revoke(&emulator, &client, access).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.text().await.unwrap(), "");
    assert_eq!(userinfo(&emulator, access).await.status(), 401);
    let verified = json(verify(&emulator, VERIFY, json!({"access_token": access})).await).await;
    assert_eq!(
        (&verified["revoked"], &verified["expired"]),
        (&json!(true), &json!(false))
    );

    let refreshed = token(&emulator, &refresh(&client, text(&answer, "refresh_token"))).await;
    let refreshed = json(refreshed).await;
    let (access, refresh_token) = (
        text(&refreshed, "access_token"),
        text(&refreshed, "refresh_token"),
    );
    assert_eq!(
        revoke(&emulator, &client, refresh_token).await.status(),
        200
    );
    assert_eq!(userinfo(&emulator, access).await.status(), 401);
    let refused = token(&emulator, &refresh(&client, refresh_token)).await;
    expect_error(refused, 400, "invalid_grant").await;
}

#[actix_web::test]
async fn a_jwt_cannot_be_revoked_and_an_unknown_token_is_revoked_already() {
    let emulator = started().await;
    let client = public_client(&emulator).await;
    let answer = signed_in(&emulator, &client, "user_ada", &[]).await;
    let response = revoke(&emulator, &client, text(&answer, "access_token")).await;
    expect_error(response, 400, "unsupported_token_type").await;
    for token in ["oat_unknown", "clk_refresh_unknown", "x"] {
        assert_eq!(revoke(&emulator, &client, token).await.status(), 200);
    }
    expect_error(
        revoke(&emulator, "client_x", "x").await,
        401,
        "invalid_client",
    )
    .await;
    expect_error(revoke(&emulator, &client, "").await, 400, "invalid_request").await;
}

#[actix_web::test]
async fn the_backend_api_verifies_an_access_token() {
    let emulator = started().await;
    let request = TokenRequest::oauth("ada")
        .client_id("client_1")
        .aud("https://mcp.example.com/mcp");
    for (path, name) in [
        (VERIFY, "access_token"),
        (VERIFY, "secret"),
        ("/v1", "access_token"),
    ] {
        let path = if path == "/v1" {
            format!("/v1{VERIFY}")
        } else {
            String::from(path)
        };
        for (request, is_opaque) in [(request.clone().opaque(), true), (request.clone(), false)] {
            let token = minted(&emulator, &request);
            let answer = json(verify(&emulator, &path, json!({name: token})).await).await;
            let created = answer["created_at"].as_u64().unwrap();
            assert!(created > 1_750_000_000_000);
            let expected = json!({
                "object": "clerk_idp_oauth_access_token",
                "id": answer["id"],
                "client_id": "client_1",
                "subject": "user_ada",
                "scopes": ["profile", "email"],
                "aud": ["https://mcp.example.com/mcp"],
                "revoked": false,
                "revocation_reason": null,
                "expired": false,
                "expiration": created + 86_400_000,
                "created_at": created,
                "updated_at": created,
            });
            assert_eq!(answer, expected);
            let id = text(&answer, "id");
            assert!(id.starts_with("oat_") && id.len() == 36 && id != token);
            assert_eq!(token.starts_with("oat_"), is_opaque);
        }
    }
}

#[actix_web::test]
async fn the_backend_api_reports_an_expired_token_and_answers_404_to_an_unknown_one() {
    let emulator = started().await;
    let expired = TokenRequest::oauth("ada").expires_in(-5);
    let opaque = minted(&emulator, &expired.clone().opaque());
    let answer = json(verify(&emulator, VERIFY, json!({"access_token": opaque})).await).await;
    assert_eq!(
        (&answer["expired"], &answer["revoked"]),
        (&json!(true), &json!(false))
    );
    assert!(answer.get("aud").is_none() && answer.get("org_id").is_none());
    let jwt = minted(&emulator, &expired);
    let answer = json(verify(&emulator, VERIFY, json!({"access_token": jwt})).await).await;
    assert_eq!(answer, json!({"active": false}));
    for token in [
        "oat_unknown",
        "x",
        &minted(&emulator, &TokenRequest::session("ada")),
    ] {
        let response = verify(&emulator, VERIFY, json!({"access_token": token})).await;
        expect_problem(response, 404, "resource_not_found").await;
    }
    for body in [json!({}), json!({"token": "oat_1"}), json!([])] {
        expect_problem(verify(&emulator, VERIFY, body).await, 400, "bad_request").await;
    }
    let bare = request(&emulator, Method::POST, VERIFY).body("{}");
    expect_problem(bare.send().await.unwrap(), 401, "authentication_invalid").await;
}

#[actix_web::test]
async fn an_opaque_access_token_can_be_minted_and_revoked_by_text_or_id() {
    let emulator = started().await;
    let token = get(&emulator, "/dev/token?user=ada&format=opaque").await;
    let token = String::from(token.text().await.unwrap().trim());
    assert!(token.starts_with("oat_"));
    assert_eq!(facts(&emulator, &token).await["email"], "ada@example.com");
    let post =
        request(&emulator, Method::POST, "/dev/revoke").header("content-type", "application/json");
    let revoked = post
        .body(json!({"token": token}).to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(json(revoked).await["revoked"], true);
    assert_eq!(userinfo(&emulator, &token).await.status(), 401);

    let token = minted(&emulator, &TokenRequest::oauth("ada").opaque());
    let shown = json(verify(&emulator, VERIFY, json!({"access_token": token})).await).await;
    assert!(emulator.instance().revoke(text(&shown, "id")));
    assert_eq!(userinfo(&emulator, &token).await.status(), 401);
    // A session token is always a JWT, and an opaque token has no header and claims.
    let session = TokenRequest::session("ada").opaque();
    assert!(emulator.instance().mint(&session, 1).is_err());
    let opaque = TokenRequest::oauth("ada").opaque();
    assert!(emulator.instance().token_parts(&opaque, 1).is_err());
}

#[actix_web::test]
async fn a_token_without_a_format_has_the_format_of_the_settings() {
    let emulator = started().await;
    emulator
        .instance()
        .change_settings(|settings| settings.oauth_jwt_access_tokens = false);
    assert!(minted(&emulator, &TokenRequest::oauth("ada")).starts_with("oat_"));
    assert_eq!(
        minted(&emulator, &TokenRequest::oauth("ada").jwt())
            .split('.')
            .count(),
        3
    );
    assert_eq!(
        minted(&emulator, &TokenRequest::session("ada"))
            .split('.')
            .count(),
        3
    );
}

#[actix_web::test]
async fn a_client_cannot_revoke_a_token_that_is_not_its_own() {
    let emulator = started().await;
    let (client, other) = (
        public_client(&emulator).await,
        public_client(&emulator).await,
    );
    let answer = signed_in(&emulator, &client, "user_ada", &[]).await;
    let used = text(&answer, "refresh_token");
    let answer = token(&emulator, &refresh(&client, used)).await;
    let answer = json(answer).await;
    let response = revoke(&emulator, &other, used).await;
    expect_error(response, 400, "unauthorized_client").await;
    let next = token(&emulator, &refresh(&client, text(&answer, "refresh_token"))).await;
    assert_eq!(next.status(), 200);

    let key = minted(&emulator, &TokenRequest::api_key("ada"));
    let of_a_machine = minted(&emulator, &TokenRequest::m2m("billing"));
    let clerk = emulator.instance();
    let of_key = || clerk.verify_api_key(&key, 1).unwrap();
    let of_machine = || clerk.verify_m2m_token(&of_a_machine, 1).unwrap();
    let ids = [of_key(), of_machine()].map(|said| String::from(text(&said, "id")));
    for token in [&key, &of_a_machine, &ids[0], &ids[1]] {
        assert_eq!(revoke(&emulator, &client, token).await.status(), 200);
    }
    for said in [of_key(), of_machine()] {
        assert_eq!(said["revoked"], false);
    }
}
