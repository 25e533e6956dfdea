//! The settings, over HTTP.

use clerk_emulator::Emulator;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::support::{api, api_get, expect_problem, get, json, request, started};

const CLERKS: &str = "/v1/instance/oauth_application_settings";

async fn patch(emulator: &Emulator, path: &str, changes: &Value) -> Response {
    let request = api(emulator, Method::PATCH, path).header("content-type", "application/json");
    request.body(changes.to_string()).send().await.unwrap()
}

#[actix_web::test]
async fn clerks_settings_are_shown_and_changed_with_the_secret_key() {
    let emulator = started().await;
    let mut expected = json!({
        "object": "oauth_application_settings",
        "dynamic_oauth_client_registration": true,
        "default_scopes": null,
        "oauth_jwt_access_tokens": true,
        "client_id_metadata_documents_advertised": true,
        "client_id_metadata_documents_only_allow_pre_registered_clients": false,
        "client_id_metadata_documents_block_implicitly_allowed_clients": false,
    });
    assert_eq!(json(api_get(&emulator, CLERKS).await).await, expected);
    let changes = json!({
        "oauth_jwt_access_tokens": false,
        "default_scopes": ["profile", "user:org:read"],
        "dynamic_oauth_client_registration": null,
    });
    expected["oauth_jwt_access_tokens"] = json!(false);
    expected["default_scopes"] = json!(["profile", "user:org:read"]);
    let answer = patch(&emulator, CLERKS, &changes).await;
    assert_eq!(json(answer).await, expected);
    assert_eq!(json(api_get(&emulator, CLERKS).await).await, expected);
    assert!(!emulator.instance().settings().oauth_jwt_access_tokens);

    expect_problem(get(&emulator, CLERKS).await, 401, "authentication_invalid").await;
    let bare = request(&emulator, Method::PATCH, CLERKS).body("{}");
    expect_problem(bare.send().await.unwrap(), 401, "authentication_invalid").await;
}

#[actix_web::test]
async fn all_settings_are_changed_below_dev() {
    let emulator = started().await;
    let shown = json(get(&emulator, "/dev/settings").await).await;
    assert_eq!(shown["authorization_response_iss"], false);
    assert_eq!(shown["audience_claim"], false);
    assert_eq!(shown["mcp_servers"], json!([]));
    assert_eq!(shown["registered_scopes_only"], true);
    assert_eq!(shown["client_document_scopes"], json!(null));
    let changes = json!({
        "authorization_response_iss": true,
        "oauth_jwt_access_tokens": false,
        "audience_claim": true,
        "client_document_scopes": ["profile"],
    });
    let shown = json(patch(&emulator, "/dev/settings", &changes).await).await;
    assert_eq!(shown["authorization_response_iss"], true);
    let settings = emulator.instance().settings();
    assert!(settings.authorization_response_iss && !settings.oauth_jwt_access_tokens);
    assert!(settings.audience_claim);
    assert_eq!(
        settings.client_document_scopes,
        Some(vec![String::from("profile")])
    );
    let all = json!({"client_document_scopes": null});
    let shown = json(patch(&emulator, "/dev/settings", &all).await).await;
    assert_eq!(shown["client_document_scopes"], json!(null));
}

#[actix_web::test]
async fn registered_servers_are_shown_but_cannot_be_patched() {
    let emulator = started().await;
    let server = "http://127.0.0.1:3000/mcp";
    let changes = json!({"mcp_servers": [server]});
    let answer = patch(&emulator, "/dev/settings", &changes).await;
    let message = expect_problem(answer, 422, "form_param_value_invalid").await;
    assert!(message.contains("POST /dev/mcp-servers"), "{message}");
    assert!(emulator.instance().settings().mcp_servers.is_empty());

    emulator.instance().register_mcp_server(server).unwrap();
    let shown = json(get(&emulator, "/dev/settings").await).await;
    assert_eq!(shown["mcp_servers"], json!([server]));
    // Sending back all settings that the route shows is allowed.
    let answer = patch(&emulator, "/dev/settings", &shown).await;
    assert_eq!(json(answer).await, shown);
}

#[actix_web::test]
async fn an_unknown_setting_or_one_of_another_type_is_refused() {
    let emulator = started().await;
    let before = emulator.instance().settings();
    for changes in [
        json!({"authorization_response_iss": true}),
        json!({"oauth_jwt": false}),
        json!({"oauth_jwt_access_tokens": false, "default_scopes": 1}),
    ] {
        let answer = patch(&emulator, CLERKS, &changes).await;
        expect_problem(answer, 422, "form_param_value_invalid").await;
    }
    let answer = patch(&emulator, "/dev/settings", &json!({"iss": true})).await;
    expect_problem(answer, 422, "form_param_value_invalid").await;
    for path in [CLERKS, "/dev/settings"] {
        let answer = patch(&emulator, path, &json!([])).await;
        expect_problem(answer, 400, "request_body_invalid").await;
    }
    assert_eq!(emulator.instance().settings(), before);
}
