//! The authorization endpoint: which requests get a consent page, and the effect of the decision.

use clerk_emulator::Emulator;
use reqwest::Method;
use serde_json::json;

use crate::sign_in::{
    REDIRECT_URI, STATE, arrived, authorization, authorize, changed, decide, expect_page, form,
    public_client, public_client_with, register, request, signed_in, text, ticket,
};
use crate::support::{expect_problem, part, started};

async fn with_client() -> (Emulator, String) {
    let emulator = started().await;
    let client = public_client(&emulator).await;
    (emulator, client)
}

#[actix_web::test]
async fn the_consent_page_names_client_and_scopes_and_allows_no_frame_and_no_cache() {
    let (emulator, client) = with_client().await;
    let request = changed(authorization(&client), &[("scope", "email user:org:read")]);
    let response = authorize(&emulator, &request).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let policy = response.headers()["content-security-policy"]
        .to_str()
        .unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    assert!(policy.ends_with("frame-ancestors 'none'"), "{policy}");
    let page = response.text().await.unwrap();
    for text in [
        "A client",
        client.as_str(),
        "127.0.0.1:7777",
        "user:org:read",
        "value=\"user_ada|org_acme\"",
        "value=\"user_linus\"",
    ] {
        assert!(page.contains(text), "no {text} in {page}");
    }
    let page = authorize(&emulator, &authorization(&client)).await;
    assert!(!page.text().await.unwrap().contains("org_acme"));
}

#[actix_web::test]
async fn an_error_before_the_redirect_uri_is_checked_is_a_page() {
    let (emulator, client) = with_client().await;
    for (changes, why) in [
        ([("client_id", ""), ("", "")], "client_id is missing"),
        (
            [("client_id", "client_x"), ("", "")],
            "there is no client client_x",
        ),
        (
            [("client_id", "https://127.0.0.1/c"), ("", "")],
            "is not public",
        ),
        (
            [("redirect_uri", "https://evil.example/"), ("", "")],
            "is not a redirect URI",
        ),
        (
            [
                ("redirect_uri", "http://127.0.0.1:7777/callback/"),
                ("", ""),
            ],
            "is not a redirect URI",
        ),
        (
            [("redirect_uri", "http://localhost:7777/callback"), ("", "")],
            "is not a redirect URI",
        ),
        (
            [
                ("redirect_uri", "https://evil.example/"),
                ("response_type", ""),
            ],
            "is not a redirect URI",
        ),
        (
            [
                ("redirect_uri", "https://evil.example/"),
                ("prompt", "none"),
            ],
            "is not a redirect URI",
        ),
    ] {
        let request = changed(authorization(&client), &changes);
        expect_page(authorize(&emulator, &request).await, why).await;
    }
    for name in ["client_id", "redirect_uri"] {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(authorization(&client));
        query.append_pair(name, "https://evil.example/");
        let path = format!("/oauth/authorize?{}", query.finish());
        let response = request(&emulator, Method::GET, &path).send().await.unwrap();
        expect_page(response, "is sent more than once").await;
    }
}

#[actix_web::test]
async fn markup_in_a_request_is_escaped_on_the_error_page() {
    let (emulator, client) = with_client().await;
    let evil = "<script>alert(1)</script>";
    for name in ["client_id", "redirect_uri"] {
        let request = changed(authorization(&client), &[(name, evil)]);
        let page = authorize(&emulator, &request).await.text().await.unwrap();
        assert!(
            page.contains("&lt;script&gt;") && !page.contains("<script"),
            "{page}"
        );
    }
}

#[actix_web::test]
async fn an_error_after_the_redirect_uri_is_checked_goes_to_the_client_with_its_state() {
    let (emulator, client) = with_client().await;
    for (name, value, error) in [
        ("response_type", "", "invalid_request"),
        ("response_type", "token", "unsupported_response_type"),
        ("response_mode", "form_post", "invalid_request"),
        ("code_challenge", "", "invalid_request"),
        ("code_challenge", "short", "invalid_request"),
        (
            "code_challenge",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM",
            "invalid_request",
        ),
        ("code_challenge_method", "", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("scope", "profile documents:write", "invalid_scope"),
        ("resource", "mcp", "invalid_target"),
        ("resource", "http://127.0.0.1:3000/mcp#a", "invalid_target"),
        ("prompt", "none", "login_required"),
        ("prompt", "none login", "invalid_request"),
        ("prompt", "create", "invalid_request"),
    ] {
        let request = changed(authorization(&client), &[(name, value)]);
        let answer = arrived(&authorize(&emulator, &request).await);
        assert_eq!(answer["error"], error, "{name}={value}");
        assert!(!answer["error_description"].is_empty());
        assert_eq!(answer["state"], STATE);
        assert!(!answer.contains_key("code") && !answer.contains_key("iss"));
    }
    // Clerk: a state has at least 8 characters.
    let request = changed(authorization(&client), &[("state", "short")]);
    let answer = arrived(&authorize(&emulator, &request).await);
    assert_eq!(
        (answer["error"].as_str(), answer["state"].as_str()),
        ("invalid_request", "short")
    );
}

#[actix_web::test]
async fn a_decision_goes_to_the_client_with_its_state() {
    let (emulator, client) = with_client().await;
    let request = authorization(&client);
    let allowed = ticket(&emulator, &request).await;
    let answer = arrived(&decide(&emulator, &allowed, "user_ada", "allow").await);
    assert!(answer["code"].len() > 64);
    assert_eq!(answer["state"], STATE);
    assert_eq!(answer.len(), 2);
    let refused = ticket(&emulator, &request).await;
    let answer = arrived(&decide(&emulator, &refused, "user_ada", "refuse").await);
    assert_eq!(
        (answer["error"].as_str(), answer["state"].as_str()),
        ("access_denied", STATE)
    );
}

#[actix_web::test]
async fn the_state_is_optional_with_pkce() {
    let (emulator, client) = with_client().await;
    let request = changed(authorization(&client), &[("state", "")]);
    let ticket = ticket(&emulator, &request).await;
    let answer = arrived(&decide(&emulator, &ticket, "user_ada", "allow").await);
    assert!(answer.contains_key("code") && !answer.contains_key("state"));
}

#[actix_web::test]
async fn the_issuer_is_in_every_response_if_the_setting_is_on() {
    let (emulator, client) = with_client().await;
    emulator
        .instance()
        .change_settings(|settings| settings.authorization_response_iss = true);
    let waiting = ticket(&emulator, &authorization(&client)).await;
    let code = arrived(&decide(&emulator, &waiting, "user_ada", "allow").await);
    assert_eq!(code["iss"], emulator.url());
    let request = changed(authorization(&client), &[("scope", "no")]);
    let error = arrived(&authorize(&emulator, &request).await);
    assert_eq!(error["iss"], emulator.url());
    for document in ["oauth-authorization-server", "openid-configuration"] {
        let path = format!("/.well-known/{document}");
        let document = crate::support::json(crate::support::get(&emulator, &path).await).await;
        assert_eq!(
            document["authorization_response_iss_parameter_supported"],
            true
        );
    }
}

#[actix_web::test]
async fn a_ticket_is_valid_for_one_decision_within_ten_minutes() {
    let (emulator, client) = with_client().await;
    let request = authorization(&client);
    let used = ticket(&emulator, &request).await;
    arrived(&decide(&emulator, &used, "user_ada", "refuse").await);
    for ticket in [used.as_str(), "unknown"] {
        let response = decide(&emulator, ticket, "user_ada", "allow").await;
        expect_page(response, "already completed").await;
    }
    let old = ticket(&emulator, &request).await;
    emulator.instance().set_clock_offset(599);
    let nearly = ticket(&emulator, &request).await;
    emulator.instance().set_clock_offset(601);
    expect_page(
        decide(&emulator, &old, "user_ada", "allow").await,
        "has expired",
    )
    .await;
    arrived(&decide(&emulator, &nearly, "user_ada", "allow").await);
}

#[actix_web::test]
async fn a_choice_that_the_page_does_not_show_is_refused() {
    let (emulator, client) = with_client().await;
    let request = changed(authorization(&client), &[("scope", "user:org:read")]);
    for (choice, why) in [
        ("user_bob", "There is no user user_bob"),
        ("user_ada|org_globex", "ada is not a member of org_globex"),
        ("user_linus|org_acme", "linus is not a member of org_acme"),
        ("user_ada|org_x", "ada is not a member of org_x"),
        ("", "The form is incomplete"),
    ] {
        let ticket = ticket(&emulator, &request).await;
        let mut fields = vec![("ticket", ticket.as_str()), ("decision", "allow")];
        fields.extend((!choice.is_empty()).then_some(("choice", choice)));
        let decision = form(&emulator, "/oauth/authorize/decision", fields);
        expect_page(decision.send().await.unwrap(), why).await;
    }
}

#[actix_web::test]
async fn an_organization_is_in_the_token_only_if_its_scope_was_requested() {
    let (emulator, client) = with_client().await;
    for (scope, choice, expected) in [
        (
            "profile user:org:read",
            "user_ada|org_acme",
            json!("org_acme"),
        ),
        ("profile user:org:read", "user_ada", json!(null)),
        ("profile", "user_ada|org_acme", json!(null)),
    ] {
        let answer = signed_in(&emulator, &client, choice, &[("scope", scope)]).await;
        let claims = part(text(&answer, "access_token"), 1);
        assert_eq!(claims["sub"], "user_ada");
        assert_eq!(claims["org_id"], expected, "{scope} {choice}");
        assert_eq!(claims["scope"], scope);
    }
}

#[actix_web::test]
async fn only_pages_of_this_machine_can_post_the_form() {
    let (emulator, client) = with_client().await;
    let waiting = ticket(&emulator, &authorization(&client)).await;
    let decision = |origin: &str| {
        let fields = [
            ("ticket", waiting.as_str()),
            ("choice", "user_ada"),
            ("decision", "allow"),
        ];
        form(&emulator, "/oauth/authorize/decision", fields).header("origin", origin)
    };
    for origin in ["https://evil.example", "null"] {
        let response = decision(origin).send().await.unwrap();
        expect_problem(response, 403, "request_not_local").await;
    }
    arrived(&decision(emulator.url()).send().await.unwrap());
}

#[actix_web::test]
async fn an_authorization_request_can_be_posted_as_a_form() {
    let (emulator, client) = with_client().await;
    let fields = authorization(&client);
    let fields = fields.iter().map(|(name, value)| (*name, value.as_str()));
    let response = form(&emulator, "/oauth/authorize", fields)
        .send()
        .await
        .unwrap();
    assert!(response.text().await.unwrap().contains("name=\"ticket\""));
    let response = request(&emulator, Method::POST, "/oauth/authorize").body("{}");
    expect_page(response.send().await.unwrap(), "x-www-form-urlencoded").await;
}

#[actix_web::test]
async fn a_single_redirect_uri_is_optional_and_its_port_may_differ_on_this_machine() {
    let (emulator, client) = with_client().await;
    let request = changed(authorization(&client), &[("redirect_uri", "")]);
    let waiting = ticket(&emulator, &request).await;
    arrived(&decide(&emulator, &waiting, "user_ada", "allow").await);
    let two = json!({
        "token_endpoint_auth_method": "none",
        "redirect_uris": [REDIRECT_URI, "http://127.0.0.1/other"],
    });
    let two = register(&emulator, two).await;
    let two = text(&two, "client_id");
    let request = changed(authorization(two), &[("redirect_uri", "")]);
    expect_page(
        authorize(&emulator, &request).await,
        "redirect_uri is missing",
    )
    .await;
    let other = [("redirect_uri", "http://127.0.0.1:5001/other")];
    let waiting = ticket(&emulator, &changed(authorization(two), &other)).await;
    let response = decide(&emulator, &waiting, "user_ada", "allow").await;
    let location = response.headers()["location"].to_str().unwrap();
    assert!(
        location.starts_with("http://127.0.0.1:5001/other?code="),
        "{location}"
    );
}

#[actix_web::test]
async fn a_client_that_requests_no_scope_gets_its_own_or_the_default() {
    let emulator = started().await;
    let client = public_client_with(&emulator, None).await;
    let scope_of = async |client: &str| {
        let answer = signed_in(&emulator, client, "user_ada", &[("scope", "")]).await;
        String::from(text(&answer, "scope"))
    };
    assert_eq!(scope_of(&client).await, "profile email");
    emulator.instance().change_settings(|settings| {
        settings.default_scopes = Some(vec![String::from("openid"), String::from("email")]);
    });
    assert_eq!(scope_of(&client).await, "openid email");
    let registered = public_client_with(&emulator, Some("profile")).await;
    assert_eq!(scope_of(&registered).await, "profile");
}

#[actix_web::test]
async fn an_approver_allows_at_once_and_only_clients_of_this_machine() {
    let (emulator, client) = with_client().await;
    let approve_as = |who: &str| {
        let who = Some(String::from(who));
        emulator
            .instance()
            .change_settings(|settings| settings.approve_as = who);
    };
    approve_as("ada/acme");
    let changes = [("scope", "user:org:read"), ("prompt", "none")];
    let answer = arrived(&authorize(&emulator, &changed(authorization(&client), &changes)).await);
    assert!(answer.contains_key("code"), "{answer:?}");
    assert_eq!(answer["state"], STATE);

    let elsewhere = json!({
        "token_endpoint_auth_method": "none",
        "redirect_uris": ["https://app.example.com/callback"],
    });
    let elsewhere = register(&emulator, elsewhere).await;
    let to = [("redirect_uri", "https://app.example.com/callback")];
    let request = changed(authorization(text(&elsewhere, "client_id")), &to);
    let page = authorize(&emulator, &request).await;
    assert_eq!(page.status(), 200);
    assert!(page.text().await.unwrap().contains("name=\"ticket\""));

    approve_as("bob");
    expect_page(
        authorize(&emulator, &authorization(&client)).await,
        "There is no user bob",
    )
    .await;
}
