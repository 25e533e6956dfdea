//! The token endpoint: codes and refresh tokens.

use clerk_emulator::{Directory, Emulator, EmulatorOptions};
use reqwest::Method;
use serde_json::{Value, json};

use crate::sign_in::{
    RESOURCE, VERIFIER, arrived, authorization, authorize, changed, code, confidential_client,
    exchange, expect_error, form, public_client, public_client_with, refresh, request, signed_in,
    text, token, tokens,
};
use crate::support::{expect_problem, part, started};

async fn with_client() -> (Emulator, String) {
    let emulator = started().await;
    let client = public_client(&emulator).await;
    (emulator, client)
}

/// An emulator at which [`RESOURCE`] is a registered MCP server, and a client.
async fn with_client_and_server() -> (Emulator, String) {
    let options = EmulatorOptions::default().mcp_server(RESOURCE);
    let emulator = Emulator::start(options).await.unwrap();
    let client = public_client(&emulator).await;
    (emulator, client)
}

async fn new_code(emulator: &Emulator, client: &str) -> String {
    code(emulator, &authorization(client), "user_ada").await
}

fn claims(answer: &Value) -> Value {
    part(text(answer, "access_token"), 1)
}

/// The verification of an access token by the Backend API.
fn verified(emulator: &Emulator, answer: &Value) -> Value {
    let token = text(answer, "access_token");
    emulator.instance().verify_oauth_token(token, 1).unwrap()
}

#[actix_web::test]
async fn a_code_is_exchanged_for_tokens_of_the_grant() {
    let (emulator, client) = with_client_and_server().await;
    let changes = [
        ("scope", "openid profile email user:org:read"),
        ("nonce", "n-1"),
    ];
    let answer = signed_in(&emulator, &client, "user_ada|org_acme", &changes).await;
    assert_eq!(text(&answer, "token_type"), "Bearer");
    assert_eq!(answer["expires_in"], 86_400);
    assert_eq!(text(&answer, "scope"), "openid profile email user:org:read");
    assert!(text(&answer, "refresh_token").starts_with("clk_refresh_"));

    assert_eq!(part(text(&answer, "access_token"), 0)["typ"], "at+jwt");
    let access = claims(&answer);
    for (claim, value) in [
        ("iss", json!(emulator.url())),
        ("sub", json!("user_ada")),
        ("client_id", json!(client)),
        ("scope", json!("openid profile email user:org:read")),
        ("aud", json!(RESOURCE)),
        ("org_id", json!("org_acme")),
    ] {
        assert_eq!(access[claim], value, "{claim}");
    }
    let lifetime = access["exp"].as_u64().unwrap() - access["iat"].as_u64().unwrap();
    assert_eq!(lifetime, 86_400);

    assert_eq!(part(text(&answer, "id_token"), 0)["typ"], "JWT");
    let id = part(text(&answer, "id_token"), 1);
    for (claim, value) in [
        ("iss", json!(emulator.url())),
        ("sub", json!("user_ada")),
        ("aud", json!(client)),
        ("nonce", json!("n-1")),
        ("email", json!("ada@example.com")),
        ("name", json!("Ada Lovelace")),
        ("org_id", json!("org_acme")),
    ] {
        assert_eq!(id[claim], value, "{claim}");
    }
}

#[actix_web::test]
async fn an_id_token_is_issued_only_with_its_scope() {
    let (emulator, client) = with_client().await;
    let answer = signed_in(&emulator, &client, "user_ada", &[]).await;
    assert!(answer.get("id_token").is_none());
}

#[actix_web::test]
async fn a_code_with_a_wrong_verifier_cannot_be_used_again() {
    let (emulator, client) = with_client().await;
    let wrong = "0123456789012345678901234567890123456789012";
    for (verifier, why) in [
        (wrong, "does not fit"),
        ("short", "does not fit"),
        ("", "is missing"),
    ] {
        let code = new_code(&emulator, &client).await;
        let request = changed(exchange(&client, &code), &[("code_verifier", verifier)]);
        let text = expect_error(token(&emulator, &request).await, 400, "invalid_grant").await;
        assert!(text.contains(why), "{text}");
        let again = token(&emulator, &exchange(&client, &code)).await;
        expect_error(again, 400, "invalid_grant").await;
    }
}

#[actix_web::test]
async fn using_a_code_twice_revokes_its_tokens() {
    let (emulator, client) = with_client().await;
    emulator
        .instance()
        .change_settings(|settings| settings.oauth_jwt_access_tokens = false);
    let code = new_code(&emulator, &client).await;
    let first = tokens(&emulator, &exchange(&client, &code)).await;
    assert_eq!(verified(&emulator, &first)["revoked"], false);
    let second = token(&emulator, &exchange(&client, &code)).await;
    expect_error(second, 400, "invalid_grant").await;
    assert_eq!(verified(&emulator, &first)["revoked"], true);
    let refreshed = token(&emulator, &refresh(&client, text(&first, "refresh_token"))).await;
    expect_error(refreshed, 400, "invalid_grant").await;
}

#[actix_web::test]
async fn a_code_is_bound_to_its_client_its_redirect_uri_and_ten_minutes() {
    let (emulator, client) = with_client().await;
    let other = public_client(&emulator).await;
    let code = new_code(&emulator, &client).await;
    let stolen = token(&emulator, &exchange(&other, &code)).await;
    expect_error(stolen, 400, "invalid_grant").await;
    // A request of another client does not use the code up.
    tokens(&emulator, &exchange(&client, &code)).await;

    for redirect_uri in [
        "",
        "http://127.0.0.1:7777/other",
        "http://127.0.0.1:7778/callback",
    ] {
        let code = new_code(&emulator, &client).await;
        let request = changed(exchange(&client, &code), &[("redirect_uri", redirect_uri)]);
        let text = expect_error(token(&emulator, &request).await, 400, "invalid_grant").await;
        assert!(text.contains("redirect_uri"), "{text}");
    }

    let (in_time, late) = (
        new_code(&emulator, &client).await,
        new_code(&emulator, &client).await,
    );
    emulator.instance().set_clock_offset(590);
    tokens(&emulator, &exchange(&client, &in_time)).await;
    emulator.instance().set_clock_offset(601);
    let late = token(&emulator, &exchange(&client, &late)).await;
    expect_error(late, 400, "invalid_grant").await;
    let unknown = token(&emulator, &exchange(&client, "clk_code_0")).await;
    expect_error(unknown, 400, "invalid_grant").await;
}

#[actix_web::test]
async fn a_token_request_omits_the_redirect_uri_if_the_authorization_request_did() {
    let (emulator, client) = with_client().await;
    let request = changed(authorization(&client), &[("redirect_uri", "")]);
    let code = code(&emulator, &request, "user_ada").await;
    tokens(
        &emulator,
        &changed(exchange(&client, &code), &[("redirect_uri", "")]),
    )
    .await;
}

#[actix_web::test]
async fn a_client_presents_its_secret_by_header_or_form() {
    let emulator = started().await;
    let (client, secret) = confidential_client(&emulator, "").await;
    let code = new_code(&emulator, &client).await;
    let request = changed(exchange(&client, &code), &[("client_secret", &secret)]);
    tokens(&emulator, &request).await;

    let code = new_code(&emulator, &client).await;
    let fields = changed(exchange(&client, &code), &[("client_id", "")]);
    let fields = fields.iter().map(|(name, value)| (*name, value.as_str()));
    let response = form(&emulator, "/oauth/token", fields).basic_auth(&client, Some(&secret));
    assert_eq!(response.send().await.unwrap().status(), 200);
}

#[actix_web::test]
async fn a_client_that_does_not_authenticate_is_refused() {
    let emulator = started().await;
    let public = public_client(&emulator).await;
    let (client, secret) = confidential_client(&emulator, "").await;
    for (id, sent) in [
        ("client_x", ""),
        (client.as_str(), ""),
        (client.as_str(), "wrong"),
        (public.as_str(), "any"),
    ] {
        let request = changed(exchange(id, "clk_code_0"), &[("client_secret", sent)]);
        expect_error(token(&emulator, &request).await, 401, "invalid_client").await;
    }
    let send = async |id: &str, secret: &str, fields: &[(&str, &str)]| {
        let fields = fields.iter().copied();
        let request = form(&emulator, "/oauth/token", fields).basic_auth(id, Some(secret));
        request.send().await.unwrap()
    };
    expect_error(send(&client, "wrong", &[]).await, 401, "invalid_client").await;
    let twice = [("client_secret", secret.as_str())];
    expect_error(send(&client, &secret, &twice).await, 400, "invalid_request").await;
    let other = [("client_id", public.as_str())];
    expect_error(send(&client, &secret, &other).await, 400, "invalid_request").await;
    let bearer = form(&emulator, "/oauth/token", []).bearer_auth(&secret);
    expect_error(bearer.send().await.unwrap(), 401, "invalid_client").await;
    expect_error(
        form(&emulator, "/oauth/token", []).send().await.unwrap(),
        400,
        "invalid_request",
    )
    .await;
}

#[actix_web::test]
async fn pkce_is_optional_for_a_client_with_a_secret_but_checked_if_used() {
    let emulator = started().await;
    let (client, secret) = confidential_client(&emulator, "").await;
    let without = [("code_challenge", ""), ("code_challenge_method", "")];
    let request = changed(authorization(&client), &without);
    for (verifier, status) in [("", 200), (VERIFIER, 400)] {
        let code = code(&emulator, &request, "user_ada").await;
        let changes = [
            ("client_secret", secret.as_str()),
            ("code_verifier", verifier),
        ];
        let response = token(&emulator, &changed(exchange(&client, &code), &changes)).await;
        assert_eq!(response.status(), status);
    }
}

#[actix_web::test]
async fn a_malformed_token_request_is_refused_with_the_name_of_the_parameter() {
    let (emulator, client) = with_client().await;
    for (changes, error) in [
        (vec![("grant_type", "")], "invalid_request"),
        (
            vec![("grant_type", "client_credentials")],
            "unsupported_grant_type",
        ),
        (vec![("code", "")], "invalid_request"),
        (vec![("grant_type", "refresh_token")], "invalid_request"),
    ] {
        let request = changed(exchange(&client, "clk_code_0"), &changes);
        expect_error(token(&emulator, &request).await, 400, error).await;
    }
    let twice = [
        ("client_id", client.as_str()),
        ("grant_type", "a"),
        ("grant_type", "a"),
    ];
    let twice = form(&emulator, "/oauth/token", twice).send().await.unwrap();
    expect_error(twice, 400, "invalid_request").await;
    let json = request(&emulator, Method::POST, "/oauth/token")
        .header("content-type", "application/json")
        .body("{}");
    expect_error(json.send().await.unwrap(), 400, "invalid_request").await;
}

#[actix_web::test]
async fn a_refresh_token_is_valid_once_and_its_reuse_revokes_the_grant() {
    let (emulator, client) = with_client_and_server().await;
    emulator
        .instance()
        .change_settings(|settings| settings.oauth_jwt_access_tokens = false);
    let changes = [("scope", "openid profile")];
    let first = signed_in(&emulator, &client, "user_ada", &changes).await;
    let second = tokens(&emulator, &refresh(&client, text(&first, "refresh_token"))).await;
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    assert_ne!(first["access_token"], second["access_token"]);
    assert_eq!(text(&second, "scope"), "openid profile");
    assert!(second["id_token"].is_string());
    assert_eq!(verified(&emulator, &second)["aud"], json!([RESOURCE]));

    let reused = token(&emulator, &refresh(&client, text(&first, "refresh_token"))).await;
    let why = expect_error(reused, 400, "invalid_grant").await;
    assert!(why.contains("used before"), "{why}");
    for answer in [&first, &second] {
        assert_eq!(verified(&emulator, answer)["revoked"], true);
    }
    let ended = token(&emulator, &refresh(&client, text(&second, "refresh_token"))).await;
    expect_error(ended, 400, "invalid_grant").await;
}

#[actix_web::test]
async fn a_refresh_can_narrow_the_scopes_but_not_widen_them() {
    let (emulator, client) = with_client().await;
    let changes = [("scope", "profile email user:org:read")];
    let first = signed_in(&emulator, &client, "user_ada|org_acme", &changes).await;
    let request = refresh(&client, text(&first, "refresh_token"));
    for (change, error) in [
        (("scope", "profile openid"), "invalid_scope"),
        (("resource", "http://127.0.0.1:3001/mcp"), "invalid_target"),
        (("resource", "mcp"), "invalid_target"),
    ] {
        let request = changed(request.clone(), &[change]);
        expect_error(token(&emulator, &request).await, 400, error).await;
    }
    // A refused request does not use the refresh token up.
    let narrow = tokens(&emulator, &changed(request, &[("scope", "email")])).await;
    assert_eq!(text(&narrow, "scope"), "email");
    assert_eq!(claims(&narrow)["org_id"], json!(null));
    let wide = tokens(&emulator, &refresh(&client, text(&narrow, "refresh_token"))).await;
    assert_eq!(text(&wide, "scope"), "profile email user:org:read");
    assert_eq!(claims(&wide)["org_id"], "org_acme");
}

#[actix_web::test]
async fn a_refresh_token_is_bound_to_its_client() {
    let (emulator, client) = with_client().await;
    let other = public_client(&emulator).await;
    let answer = signed_in(&emulator, &client, "user_ada", &[]).await;
    let stolen = token(&emulator, &refresh(&other, text(&answer, "refresh_token"))).await;
    expect_error(stolen, 400, "invalid_grant").await;
    tokens(&emulator, &refresh(&client, text(&answer, "refresh_token"))).await;
}

#[actix_web::test]
async fn a_refresh_notices_a_removed_member_and_a_deleted_user() {
    let (emulator, client) = with_client().await;
    let changes = [("scope", "user:org:read")];
    let answer = signed_in(&emulator, &client, "user_ada|org_acme", &changes).await;
    emulator.instance().remove_member("ada", "acme");
    let answer = tokens(&emulator, &refresh(&client, text(&answer, "refresh_token"))).await;
    assert_eq!(claims(&answer)["org_id"], json!(null));
    emulator.instance().delete_user("ada");
    let gone = token(&emulator, &refresh(&client, text(&answer, "refresh_token"))).await;
    expect_error(gone, 400, "invalid_grant").await;
}

#[actix_web::test]
async fn registered_resources_become_the_audience_unless_the_claim_is_off() {
    let (emulator, client) = with_client_and_server().await;
    emulator
        .instance()
        .register_mcp_server("https://mcp.example.com/")
        .unwrap();
    let query = {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(authorization(&client));
        query.append_pair("resource", "https://mcp.example.com/");
        query.append_pair("resource", RESOURCE);
        query.finish()
    };
    emulator
        .instance()
        .change_settings(|settings| settings.approve_as = Some(String::from("ada")));
    let codes = async || {
        let path = format!("/oauth/authorize?{query}");
        let response = request(&emulator, Method::GET, &path).send().await.unwrap();
        arrived(&response)["code"].clone()
    };
    let both = tokens(&emulator, &exchange(&client, &codes().await)).await;
    assert_eq!(
        claims(&both)["aud"],
        json!([RESOURCE, "https://mcp.example.com/"])
    );
    let one = changed(exchange(&client, &codes().await), &[("resource", RESOURCE)]);
    assert_eq!(claims(&tokens(&emulator, &one).await)["aud"], RESOURCE);
    let another = [("resource", "https://mcp.example.com")];
    let another = changed(exchange(&client, &codes().await), &another);
    expect_error(token(&emulator, &another).await, 400, "invalid_target").await;

    emulator
        .instance()
        .change_settings(|settings| settings.audience_claim = false);
    let none = tokens(&emulator, &exchange(&client, &codes().await)).await;
    assert_eq!(claims(&none)["aud"], json!(null));
}

#[actix_web::test]
async fn an_audience_is_the_registered_resource_exactly_as_the_client_wrote_it() {
    let (emulator, client) = with_client_and_server().await;
    for resource in [
        RESOURCE,
        "http://127.0.0.1:3000/mcp?client=cursor",
        "HTTP://127.0.0.1:3000/mcp",
    ] {
        let changes = [("resource", resource)];
        let answer = signed_in(&emulator, &client, "user_ada", &changes).await;
        assert_eq!(claims(&answer)["aud"], resource);
        let refreshed = tokens(&emulator, &refresh(&client, text(&answer, "refresh_token"))).await;
        assert_eq!(claims(&refreshed)["aud"], resource);
    }
}

#[actix_web::test]
async fn without_a_registered_resource_a_token_has_no_audience() {
    let (emulator, client) = with_client_and_server().await;
    for resource in [
        "",
        "http://127.0.0.1:3000/mcp/",
        "http://localhost:3000/mcp",
        "https://mcp.example.com/mcp",
    ] {
        let changes = [("resource", resource)];
        let answer = signed_in(&emulator, &client, "user_ada", &changes).await;
        assert!(claims(&answer).get("aud").is_none(), "{resource}");
    }
    let (emulator, client) = with_client().await;
    let answer = signed_in(&emulator, &client, "user_ada", &[]).await;
    assert!(
        claims(&answer).get("aud").is_none(),
        "no server is registered"
    );
}

#[actix_web::test]
async fn a_grant_from_before_the_registration_has_no_audience_until_a_new_sign_in() {
    let folder = tempfile::tempdir().unwrap();
    let options = EmulatorOptions::default().state_file(folder.path().join("state.json"));
    let emulator = Emulator::start(options.clone()).await.unwrap();
    let client = public_client(&emulator).await;
    let mut answer = signed_in(&emulator, &client, "user_ada", &[]).await;
    assert!(claims(&answer).get("aud").is_none());
    emulator.instance().register_mcp_server(RESOURCE).unwrap();
    for _ in 0..2 {
        answer = tokens(&emulator, &refresh(&client, text(&answer, "refresh_token"))).await;
        assert!(claims(&answer).get("aud").is_none());
    }
    // The token request may name the resource again, because the authorization request named it.
    let named = refresh(&client, text(&answer, "refresh_token"));
    answer = tokens(&emulator, &changed(named, &[("resource", RESOURCE)])).await;
    assert!(claims(&answer).get("aud").is_none());
    let mut again = signed_in(&emulator, &client, "user_ada", &[]).await;
    assert_eq!(claims(&again)["aud"], RESOURCE);
    emulator.stop().await;

    let emulator = Emulator::start(options.mcp_server(RESOURCE)).await.unwrap();
    answer = tokens(&emulator, &refresh(&client, text(&answer, "refresh_token"))).await;
    assert!(claims(&answer).get("aud").is_none());
    again = tokens(&emulator, &refresh(&client, text(&again, "refresh_token"))).await;
    assert_eq!(claims(&again)["aud"], RESOURCE);
}

#[actix_web::test]
async fn a_grant_from_before_another_servers_registration_has_no_audience_for_that_server() {
    let (emulator, client) = with_client_and_server().await;
    let other = "https://mcp.example.com/mcp";
    let changes = [("resource", other)];
    let answer = signed_in(&emulator, &client, "user_ada", &changes).await;
    emulator.instance().register_mcp_server(other).unwrap();
    let refreshed = tokens(&emulator, &refresh(&client, text(&answer, "refresh_token"))).await;
    assert!(claims(&refreshed).get("aud").is_none());
    let again = signed_in(&emulator, &client, "user_ada", &changes).await;
    assert_eq!(claims(&again)["aud"], other);
}

#[actix_web::test]
async fn a_state_file_whose_grants_lack_an_audience_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let options = EmulatorOptions::default()
        .state_file(&path)
        .mcp_server(RESOURCE);
    let emulator = Emulator::start(options.clone()).await.unwrap();
    let client = public_client(&emulator).await;
    let answer = signed_in(&emulator, &client, "user_ada", &[]).await;
    assert_eq!(claims(&answer)["aud"], RESOURCE);
    emulator.stop().await;

    let state = std::fs::read_to_string(&path).unwrap();
    let member = format!(r#""audience":["{RESOURCE}"],"#);
    assert!(state.contains(&member), "{state}");
    std::fs::write(&path, state.replace(&member, "")).unwrap();
    let emulator = Emulator::start(options).await.unwrap();
    let refreshed = tokens(&emulator, &refresh(&client, text(&answer, "refresh_token"))).await;
    assert!(claims(&refreshed).get("aud").is_none());
}

#[actix_web::test]
async fn the_lifetime_of_an_access_token_can_be_set() {
    let (emulator, client) = with_client().await;
    emulator
        .instance()
        .change_settings(|settings| settings.access_token_lifetime = 2);
    let answer = signed_in(&emulator, &client, "user_ada", &[]).await;
    assert_eq!(answer["expires_in"], 2);
    let claims = claims(&answer);
    assert_eq!(
        claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(),
        2
    );
}

#[actix_web::test]
async fn opaque_access_tokens_are_issued_if_the_settings_say_so() {
    let (emulator, client) = with_client().await;
    emulator
        .instance()
        .change_settings(|settings| settings.oauth_jwt_access_tokens = false);
    let changes = [("scope", "openid user:org:read")];
    let answer = signed_in(&emulator, &client, "user_ada|org_acme", &changes).await;
    let access = text(&answer, "access_token");
    assert!(
        access.starts_with("oat_") && !access.contains('.'),
        "{access}"
    );
    assert_eq!(text(&answer, "id_token").split('.').count(), 3);
    let verified = verified(&emulator, &answer);
    assert_eq!(verified["subject"], "user_ada");
    assert_eq!(verified["client_id"], json!(client));
    assert_ne!(verified["id"], json!(access));
}

#[actix_web::test]
async fn pages_of_this_machine_can_call_the_endpoints_of_clients() {
    let (emulator, client) = with_client().await;
    for path in [
        "/oauth/token",
        "/oauth/register",
        "/oauth/token/revoke",
        "/oauth/userinfo",
    ] {
        let preflight = request(&emulator, Method::OPTIONS, path)
            .header("origin", "http://localhost:6274")
            .header("access-control-request-headers", "mcp-protocol-version");
        let response = preflight.send().await.unwrap();
        assert_eq!(response.status(), 204, "{path}");
        let headers = response.headers();
        assert_eq!(
            headers["access-control-allow-origin"],
            "http://localhost:6274"
        );
        assert!(
            headers["access-control-allow-headers"]
                .to_str()
                .unwrap()
                .contains("mcp-protocol-version")
        );
        assert!(!headers.contains_key("access-control-allow-credentials"));
        let foreign =
            request(&emulator, Method::OPTIONS, path).header("origin", "https://evil.example");
        let response = foreign.send().await.unwrap();
        assert!(
            !response
                .headers()
                .contains_key("access-control-allow-origin")
        );
        expect_problem(response, 403, "request_not_local").await;
    }
    let fields = [("client_id", client.as_str())];
    let answer = form(&emulator, "/oauth/token", fields).header("origin", "http://localhost:6274");
    let answer = answer.send().await.unwrap();
    assert_eq!(
        answer.headers()["access-control-allow-origin"],
        "http://localhost:6274"
    );
    assert_eq!(answer.headers()["vary"], "origin");
    // Browsers open these endpoints or servers call them, so no page of another origin may read
    // them.
    for path in [
        "/oauth/authorize",
        "/oauth/authorize/decision",
        "/oauth/token_info",
    ] {
        let preflight =
            request(&emulator, Method::OPTIONS, path).header("origin", "http://localhost:6274");
        let response = preflight.send().await.unwrap();
        assert!(!response.status().is_success(), "{path}");
        assert!(
            !response
                .headers()
                .contains_key("access-control-allow-origin")
        );
    }
}

#[actix_web::test]
async fn clients_and_refresh_tokens_survive_a_restart_and_the_file_contains_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let start = async |scopes: &[&str]| {
        let mut directory = Directory::default();
        directory.add_scopes(scopes);
        let options = EmulatorOptions::default()
            .directory(directory)
            .state_file(&path);
        Emulator::start(options).await.unwrap()
    };
    let emulator = start(&["documents:write"]).await;
    let (client, secret) = confidential_client(&emulator, "documents:write").await;
    let request = changed(authorization(&client), &[("scope", "documents:write")]);
    let code = code(&emulator, &request, "user_ada").await;
    let request = changed(exchange(&client, &code), &[("client_secret", &secret)]);
    let answer = tokens(&emulator, &request).await;
    let first = String::from(text(&answer, "refresh_token"));
    emulator.stop().await;

    let kept = std::fs::read_to_string(&path).unwrap();
    for secret in [
        secret.as_str(),
        first.as_str(),
        text(&answer, "access_token"),
        &code,
    ] {
        assert!(!kept.contains(secret));
    }
    let with_secret = |token: &str| changed(refresh(&client, token), &[("client_secret", &secret)]);
    let emulator = start(&["documents:write"]).await;
    let answer = tokens(&emulator, &with_secret(&first)).await;
    let second = String::from(text(&answer, "refresh_token"));
    emulator.stop().await;

    // Clerk: a grant with a scope that the instance no longer has cannot be refreshed. The refusal
    // does not use the token up.
    let emulator = start(&[]).await;
    let refused = token(&emulator, &with_secret(&second)).await;
    expect_error(refused, 400, "invalid_scope").await;
    emulator.stop().await;
    let emulator = start(&["documents:write"]).await;
    tokens(&emulator, &with_secret(&second)).await;
    let reused = token(&emulator, &with_secret(&first)).await;
    expect_error(reused, 400, "invalid_grant").await;
}

#[actix_web::test]
async fn a_client_can_request_more_scopes_than_registered_only_if_the_limit_is_off() {
    let emulator = started().await;
    emulator.instance().add_scopes(&["documents:write"]);
    let changes = [("scope", "profile documents:write")];
    for (scope, list) in [
        (Some("profile"), "the scopes it registered with (profile)"),
        (None, "the default scopes (profile email)"),
    ] {
        let client = public_client_with(&emulator, scope).await;
        // The client gets the error without a consent page.
        let response = authorize(&emulator, &changed(authorization(&client), &changes)).await;
        let answer = arrived(&response);
        assert_eq!(answer["error"], "invalid_scope");
        let expected = format!("the scope documents:write: it is not among {list}");
        assert!(
            answer["error_description"].ends_with(&expected),
            "{answer:?}"
        );

        let limited = |limited: bool| {
            let change =
                |settings: &mut clerk_emulator::Settings| settings.registered_scopes_only = limited;
            emulator.instance().change_settings(change);
        };
        limited(false);
        let answer = signed_in(&emulator, &client, "user_ada", &changes).await;
        assert_eq!(text(&answer, "scope"), "profile documents:write");
        limited(true);
    }
    let client = public_client_with(&emulator, Some("profile documents:write")).await;
    let answer = signed_in(&emulator, &client, "user_ada", &changes).await;
    assert_eq!(text(&answer, "scope"), "profile documents:write");
}
