//! The routes below `/dev`, over HTTP.

use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::support::{expect_problem, get, json, part, request, started};

async fn post(emulator: &clerk_emulator::Emulator, body: &str) -> Response {
    let request = request(emulator, Method::POST, "/dev/tokens")
        .header("content-type", "application/json; charset=utf-8")
        .body(String::from(body));
    request.send().await.unwrap()
}

fn expect_private(response: &Response) {
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    assert!(
        !response
            .headers()
            .contains_key("access-control-allow-origin")
    );
}

#[actix_web::test]
async fn a_posted_request_returns_a_token() {
    let emulator = started().await;
    let wish = json!({
        "user": "ada", "org": "acme", "kind": "oauth", "scopes": ["documents:read"],
        "aud": "http://127.0.0.1:3000/mcp", "expires_in": 120, "client_id": "client_a",
    });
    let response = post(&emulator, &wish.to_string()).await;
    assert_eq!(response.status(), 200);
    expect_private(&response);
    let body = json(response).await;
    assert_eq!(body.as_object().unwrap().len(), 1);
    let claims = part(body["token"].as_str().unwrap(), 1);
    assert_eq!(
        (&claims["sub"], &claims["org_id"]),
        (&json!("user_ada"), &json!("org_acme"))
    );
    assert_eq!(claims["iss"], emulator.url());
    assert_eq!(claims["scope"], "documents:read user:org:read");
    assert_eq!(claims["aud"], "http://127.0.0.1:3000/mcp");
    assert_eq!(claims["client_id"], "client_a");
    let (issued, expires) = (
        claims["iat"].as_u64().unwrap(),
        claims["exp"].as_u64().unwrap(),
    );
    assert_eq!(expires - issued, 120);
    assert!(issued > 1_750_000_000);
}

#[actix_web::test]
async fn a_token_as_text_has_no_newline_at_the_end() {
    let emulator = started().await;
    let response = get(&emulator, "/dev/token?user=ada&org=acme").await;
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.headers()["content-type"],
        "text/plain; charset=utf-8"
    );
    expect_private(&response);
    let text = response.text().await.unwrap();
    assert_eq!(text.trim(), text);
    assert_eq!(part(&text, 1)["org_id"], "org_acme");

    let query = "user=ada&scopes=a+b&aud=http%3A%2F%2Fx&expires_in=-5";
    let text = get(&emulator, &format!("/dev/token?{query}"))
        .await
        .text()
        .await
        .unwrap();
    let claims = part(&text, 1);
    assert_eq!(
        (&claims["scope"], &claims["aud"]),
        (&json!("a b"), &json!("http://x"))
    );
    assert_eq!(
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
        86_400
    );

    let text = get(&emulator, "/dev/token?user=grace&kind=session_v1&org=acme")
        .await
        .text()
        .await
        .unwrap();
    assert_eq!(part(&text, 1)["org_role"], "org:member");
}

#[actix_web::test]
async fn a_session_token_has_the_origin_of_the_request_or_of_the_settings() {
    let emulator = started().await;
    let azp = async |query: &str| {
        let path = format!("/dev/token?kind=session&user=ada{query}");
        let text = get(&emulator, &path).await.text().await.unwrap();
        part(&text, 1)["azp"].as_str().unwrap().to_owned()
    };
    assert_eq!(azp("").await, "http://localhost:3000");
    emulator.instance().change_settings(|settings| {
        settings.session_origin = Some(String::from("https://app.example.com"));
    });
    assert_eq!(azp("").await, "https://app.example.com");
    let other = "https%3A%2F%2Fother.example.com";
    assert_eq!(
        azp(&format!("&azp={other}")).await,
        "https://other.example.com"
    );
    let oauth = get(&emulator, "/dev/token?user=ada").await;
    assert!(part(&oauth.text().await.unwrap(), 1).get("azp").is_none());
}

#[actix_web::test]
async fn a_token_that_cannot_be_minted_is_refused_in_clerks_form() {
    let emulator = started().await;
    for body in [
        "",
        "[]",
        r#"{"user": "ada", "organization": "acme"}"#,
        r#"{"user": "ada", "kind": "x"}"#,
    ] {
        expect_problem(post(&emulator, body).await, 400, "request_body_invalid").await;
    }
    let message = expect_problem(
        post(&emulator, r#"{"user": "bob"}"#).await,
        422,
        "form_param_value_invalid",
    )
    .await;
    assert_eq!(
        message,
        "there is no user `bob` (users: ada, grace, linus, margaret)"
    );
    for query in [
        "?user=ada&ogr=acme",
        "?user=ada&expires_in=x",
        "?user=ada&user=grace",
    ] {
        let response = get(&emulator, &format!("/dev/token{query}")).await;
        expect_problem(response, 400, "request_query_invalid").await;
    }
    for query in ["", "?org=acme", "?user=linus&org=acme"] {
        let response = get(&emulator, &format!("/dev/token{query}")).await;
        expect_problem(response, 422, "form_param_value_invalid").await;
    }
}

#[actix_web::test]
async fn registering_a_server_needs_no_key_and_returns_the_settings() {
    let emulator = started().await;
    let register = async |body: Value| {
        let request = request(&emulator, Method::POST, "/dev/mcp-servers")
            .header("content-type", "application/json")
            .body(body.to_string());
        request.send().await.unwrap()
    };
    let (one, two) = ("http://127.0.0.1:3000/mcp", "https://mcp.example.com/mcp");
    emulator
        .instance()
        .change_settings(|settings| settings.client_id_metadata_documents_advertised = false);
    let response = register(json!({"url": one})).await;
    assert_eq!(response.status(), 200);
    expect_private(&response);
    let shown = json(response).await;
    assert_eq!(shown["mcp_servers"], json!([one]));
    assert_eq!(shown["audience_claim"], true);
    assert_eq!(shown["client_id_metadata_documents_advertised"], true);

    emulator
        .instance()
        .change_settings(|settings| settings.audience_claim = false);
    let shown = json(register(json!({"url": two})).await).await;
    assert_eq!(shown["mcp_servers"], json!([one, two]));
    assert_eq!(shown["audience_claim"], false);

    let before = emulator.instance().settings();
    let refused = register(json!({"url": format!("{one}/")})).await;
    let message = expect_problem(refused, 422, "form_param_value_invalid").await;
    assert!(message.ends_with("it has a trailing slash"), "{message}");
    for body in [json!({}), json!({"url": one, "name": "x"}), json!(one)] {
        expect_problem(register(body).await, 400, "request_body_invalid").await;
    }
    let link = get(&emulator, "/dev/mcp-servers").await;
    assert!(!link.status().is_success());
    assert_eq!(emulator.instance().settings(), before);
}

#[actix_web::test]
async fn an_unknown_path_is_404_in_clerks_form() {
    let emulator = started().await;
    for path in [
        "/nothing",
        "/dev/other",
        "/.well-known/nothing",
        "/oauth/nothing",
    ] {
        expect_problem(get(&emulator, path).await, 404, "resource_not_found").await;
    }
}

#[actix_web::test]
async fn a_query_lists_features_plans_and_factor_ages_with_commas() {
    let emulator = started().await;
    let query =
        "kind=session&user=ada&org=acme&features=org:export,user:theme&plans=pro&factor_ages=30,-1";
    let response = get(&emulator, &format!("/dev/token?{query}")).await;
    assert_eq!(response.status(), 200);
    let claims = part(response.text().await.unwrap().trim_end(), 1);
    assert_eq!(claims["fea"], "o:documents,o:reports,o:export,u:theme");
    assert_eq!(claims["pla"], "ou:pro");
    assert_eq!(claims["fva"], json!([30, -1]));
    for (wrong, status, text) in [
        (
            "features=team:export",
            422,
            "`team:export` is not a feature; write `org:NAME`",
        ),
        ("plans=", 422, "`` is not a plan; write `org:NAME`"),
        (
            "factor_ages=30",
            400,
            "factor_ages: `30` is not two numbers, like `30,-1`",
        ),
    ] {
        let path = format!("/dev/token?kind=session&user=ada&{wrong}");
        let response = get(&emulator, &path).await;
        assert_eq!(response.status(), status, "{wrong}");
        let body = response.text().await.unwrap();
        assert!(body.contains(text), "{body}");
    }
}

#[actix_web::test]
async fn banning_and_locking_need_no_key_and_are_not_done_by_a_link() {
    let emulator = started().await;
    let change = |verb: &str, body: Value| {
        let path = format!("/dev/{verb}");
        request(&emulator, Method::POST, &path)
            .header("content-type", "application/json")
            .body(body.to_string())
    };
    for (verb, user, banned, locked) in [
        ("ban", "ada", true, false),
        ("lock", "user_ada", true, true),
        ("unban", "ada", false, true),
        ("unlock", "ada", false, false),
    ] {
        let response = change(verb, json!({"user": user})).send().await.unwrap();
        assert_eq!(response.status(), 200, "{verb}");
        expect_private(&response);
        let shown = json!({"user": "ada", "banned": banned, "locked": locked});
        assert_eq!(json(response).await, shown);
        let directory = emulator.instance().directory();
        let ada = directory.user("ada").unwrap();
        assert_eq!((ada.banned, ada.locked), (banned, locked));
    }
    let nobody = change("ban", json!({"user": "nobody"}))
        .send()
        .await
        .unwrap();
    expect_problem(nobody, 404, "resource_not_found").await;
    for body in [json!({}), json!({"user": "ada", "for": "ever"})] {
        let response = change("ban", body).send().await.unwrap();
        expect_problem(response, 400, "request_body_invalid").await;
    }
    let link = get(&emulator, "/dev/ban?user=ada").await;
    assert!(!link.status().is_success());
    let page = change("ban", json!({"user": "ada"})).header("origin", "https://evil.example.com");
    assert_eq!(page.send().await.unwrap().status(), 403);
    assert!(!emulator.instance().directory().user("ada").unwrap().banned);
}
