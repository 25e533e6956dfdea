//! The Frontend API: metadata and keys.

use reqwest::Method;
use serde_json::Value;

use crate::support::{get, json, request, started};

#[actix_web::test]
async fn both_metadata_documents_have_the_members_that_clerk_always_has() {
    let emulator = started().await;
    let url = emulator.url();
    for path in [
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
    ] {
        let response = get(&emulator, path).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["access-control-allow-origin"], "*");
        let document = json(response).await;
        assert_eq!(document["issuer"], url);
        for (member, path) in [
            ("authorization_endpoint", "/oauth/authorize"),
            ("token_endpoint", "/oauth/token"),
            ("revocation_endpoint", "/oauth/token/revoke"),
            ("jwks_uri", "/.well-known/jwks.json"),
        ] {
            assert_eq!(document[member], format!("{url}{path}"));
        }
        for (member, value) in [
            ("response_types_supported", "code"),
            ("subject_types_supported", "public"),
            ("id_token_signing_alg_values_supported", "RS256"),
            ("code_challenge_methods_supported", "S256"),
        ] {
            assert_eq!(document[member], Value::from(vec![value]));
        }
        for list in [
            "grant_types_supported",
            "token_endpoint_auth_methods_supported",
            "claims_supported",
        ] {
            assert!(document[list].is_array(), "{list}");
        }
        let scopes = document["scopes_supported"].as_array().unwrap();
        assert!(scopes.contains(&Value::from("user:org:read")));
    }
}

#[actix_web::test]
async fn only_the_openid_document_has_introspection_and_userinfo() {
    let emulator = started().await;
    let oauth = json(get(&emulator, "/.well-known/oauth-authorization-server").await).await;
    let openid = json(get(&emulator, "/.well-known/openid-configuration").await).await;
    for (member, path) in [
        ("introspection_endpoint", "/oauth/token_info"),
        ("userinfo_endpoint", "/oauth/userinfo"),
    ] {
        assert!(oauth.get(member).is_none());
        assert_eq!(openid[member], format!("{}{path}", emulator.url()));
    }
    assert!(openid.get("registration_endpoint").is_none());
    for member in [
        "response_modes_supported",
        "backchannel_logout_supported",
        "frontchannel_logout_supported",
    ] {
        assert!(oauth.get(member).is_none());
        assert!(openid.get(member).is_some());
    }
}

#[actix_web::test]
async fn the_jwks_has_the_keys_of_the_instance() {
    let emulator = started().await;
    let response = get(&emulator, "/.well-known/jwks.json").await;
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    assert_eq!(response.headers()["content-type"], "application/json");
    let before = response.text().await.unwrap();
    assert_eq!(before, emulator.instance().jwks());
    emulator.instance().rotate_key().unwrap();
    let after = get(&emulator, "/.well-known/jwks.json")
        .await
        .text()
        .await
        .unwrap();
    assert_ne!(after, before);
    assert_eq!(emulator.instance().requests_to("/.well-known/jwks.json"), 2);
}

#[actix_web::test]
async fn a_cors_preflight_allows_custom_headers() {
    let emulator = started().await;
    let preflight = request(
        &emulator,
        Method::OPTIONS,
        "/.well-known/oauth-authorization-server",
    )
    .header("origin", "http://localhost:5173")
    .header("access-control-request-headers", "mcp-protocol-version");
    let response = preflight.send().await.unwrap();
    assert_eq!(response.status(), 204);
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    assert_eq!(response.headers()["access-control-allow-headers"], "*");
}
