//! Clients that register themselves, and clients whose id is the URL of a document.

use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web;
use actix_web::{App, HttpResponse, HttpServer};
use clerk_emulator::Emulator;
use reqwest::Method;
use serde_json::json;

use crate::sign_in::{
    REDIRECT_URI, authorization, authorize, changed, expect_error, expect_page, post_json, refresh,
    register, request, signed_in, text, tokens,
};
use crate::support::{expect_problem, get, json, started};

#[actix_web::test]
async fn a_public_client_gets_an_id_and_no_secret() {
    let emulator = started().await;
    // The official clients register like this.
    let metadata = json!({
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:jwt-bearer"],
        "response_types": ["code"],
        "application_type": "native",
        "software_id": "x",
        "scope": "profile email",
        "client_uri": "https://app.example.com",
    });
    let answer = register(&emulator, metadata).await;
    let id = text(&answer, "client_id");
    assert!(id.starts_with("client_"));
    let issued_at = answer["client_id_issued_at"].as_u64().unwrap();
    assert!(issued_at > 1_750_000_000);
    let expected = json!({
        "client_id": id,
        "client_id_issued_at": issued_at,
        "client_secret_expires_at": 0,
        "client_name": "A client",
        "client_uri": "https://app.example.com",
        "redirect_uris": [REDIRECT_URI],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "scope": "profile email",
        "token_endpoint_auth_method": "none",
    });
    assert_eq!(answer, expected);
}

#[actix_web::test]
async fn a_client_without_metadata_gets_a_secret_the_default_scopes_and_its_id_as_name() {
    let emulator = started().await;
    let metadata = json!({"redirect_uris": ["myapp://oauth/callback"]});
    let response = post_json(&emulator, "/oauth/register", &metadata).await;
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let answer = json(response).await;
    assert_eq!(answer["client_name"], answer["client_id"]);
    assert_eq!(
        text(&answer, "token_endpoint_auth_method"),
        "client_secret_basic"
    );
    assert_eq!(text(&answer, "scope"), "profile email");
    assert_eq!(text(&answer, "client_secret").len(), 64);
}

#[actix_web::test]
async fn invalid_client_metadata_is_refused_in_oauths_form() {
    let emulator = started().await;
    let evil = json!({"redirect_uris": ["http://evil.example/"]});
    let response = post_json(&emulator, "/oauth/register", &evil).await;
    expect_error(response, 400, "invalid_redirect_uri").await;
    for metadata in [
        json!([]),
        json!({"redirect_uris": "https://app.example.com/"}),
        json!({"redirect_uris": [REDIRECT_URI], "scope": "no:such"}),
    ] {
        let response = post_json(&emulator, "/oauth/register", &metadata).await;
        expect_error(response, 400, "invalid_client_metadata").await;
    }
    let text = request(&emulator, Method::POST, "/oauth/register").body("{}");
    expect_error(text.send().await.unwrap(), 400, "invalid_client_metadata").await;
}

#[actix_web::test]
async fn a_feature_that_is_off_is_refused_and_not_in_the_metadata() {
    let emulator = started().await;
    let path = "/.well-known/oauth-authorization-server";
    let on = json(get(&emulator, path).await).await;
    assert_eq!(
        on["registration_endpoint"],
        format!("{}/oauth/register", emulator.url())
    );
    assert_eq!(on["client_id_metadata_document_supported"], true);
    emulator.instance().change_settings(|settings| {
        settings.dynamic_oauth_client_registration = false;
        settings.client_id_metadata_documents_advertised = false;
    });
    let off = json(get(&emulator, path).await).await;
    for name in [
        "registration_endpoint",
        "client_id_metadata_document_supported",
    ] {
        assert!(off.get(name).is_none(), "{name}");
    }
    let metadata = json!({"redirect_uris": [REDIRECT_URI]});
    let response = post_json(&emulator, "/oauth/register", &metadata).await;
    let code = "feature_requires_dynamic_oauth_client_registration";
    expect_problem(response, 422, code).await;
}

#[actix_web::test]
async fn scopes_of_the_directory_are_in_the_metadata() {
    let emulator = started().await;
    emulator.instance().add_scopes(&["documents:write"]);
    for document in ["oauth-authorization-server", "openid-configuration"] {
        let document = json(get(&emulator, &format!("/.well-known/{document}")).await).await;
        let scopes = document["scopes_supported"].as_array().unwrap();
        assert!(scopes.contains(&json!("email")) && scopes.contains(&json!("documents:write")));
    }
}

/// A server on this machine that serves the metadata documents of clients.
struct Site {
    url: String,
    handle: ServerHandle,
}

impl Site {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let base = url.clone();
        let server = HttpServer::new(move || {
            App::new()
                .app_data(web::Data::new(base.clone()))
                .service(web::resource("/{kind}/client.json").get(document))
        });
        let server = server
            .workers(1)
            .disable_signals()
            .listen(listener)
            .unwrap()
            .run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self { url, handle }
    }

    fn client_id(&self, kind: &str) -> String {
        format!("{}/{kind}/client.json", self.url)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

async fn document(base: web::Data<String>, kind: web::Path<String>) -> HttpResponse {
    let url = |kind: &str| format!("{}/{kind}/client.json", base.as_str());
    let of = |id: String| json!({"client_id": id, "client_name": "A document", "redirect_uris": [REDIRECT_URI]});
    let mut metadata = of(url(&kind));
    let mut response = HttpResponse::Ok();
    match kind.as_str() {
        "other" => metadata = of(url("good")),
        "secret" => metadata["token_endpoint_auth_method"] = json!("client_secret_basic"),
        "long" => metadata["x"] = json!("x".repeat(65 * 1024)),
        "text" => {
            return response
                .content_type("text/plain")
                .body(metadata.to_string());
        }
        "gone" => return HttpResponse::NotFound().json(metadata),
        "array" => metadata = json!([]),
        "moved" => {
            let location = url("good");
            return HttpResponse::Found()
                .insert_header(("location", location))
                .finish();
        }
        "slow" => actix_web::rt::time::sleep(Duration::from_secs(20)).await,
        _ => {}
    }
    response.json(metadata)
}

async fn with_site() -> (Emulator, Site) {
    let emulator = started().await;
    emulator
        .instance()
        .change_settings(|settings| settings.loopback_client_documents = true);
    (emulator, Site::start())
}

#[actix_web::test]
async fn a_client_signs_in_with_its_document() {
    let (emulator, site) = with_site().await;
    let client = site.client_id("good");
    let page = authorize(&emulator, &authorization(&client)).await;
    assert!(page.text().await.unwrap().contains("A document"));
    let answer = signed_in(&emulator, &client, "user_ada", &[]).await;
    // Clerk: a client with a document always gets `offline_access`.
    assert_eq!(text(&answer, "scope"), "profile email offline_access");
    let claims = crate::support::part(text(&answer, "access_token"), 1);
    assert_eq!(claims["client_id"], json!(client));
    tokens(&emulator, &refresh(&client, text(&answer, "refresh_token"))).await;
    let other = [("redirect_uri", "http://127.0.0.1:7777/other")];
    let request = changed(authorization(&client), &other);
    expect_page(
        authorize(&emulator, &request).await,
        "is not a redirect URI",
    )
    .await;
    let confidential = changed(authorization(&client), &[("code_challenge", "")]);
    let response = authorize(&emulator, &confidential).await;
    assert_eq!(
        crate::sign_in::arrived(&response)["error"],
        "invalid_request"
    );
}

#[actix_web::test]
async fn a_client_with_a_document_may_request_the_scopes_that_the_instance_allows() {
    let (emulator, site) = with_site().await;
    let client = site.client_id("good");
    emulator.instance().add_scopes(&["documents:write"]);
    let changes = [("scope", "profile documents:write")];
    let answer = signed_in(&emulator, &client, "user_ada", &changes).await;
    assert_eq!(
        text(&answer, "scope"),
        "profile documents:write offline_access"
    );

    emulator.instance().change_settings(|settings| {
        settings.client_document_scopes = Some(vec![String::from("profile")]);
    });
    // The client gets the error without a consent page.
    let response = authorize(&emulator, &changed(authorization(&client), &changes)).await;
    let answer = crate::sign_in::arrived(&response);
    assert_eq!(answer["error"], "invalid_scope");
    let list =
        "documents:write: it is not among the scopes for CIMD clients (profile offline_access)";
    assert!(answer["error_description"].ends_with(list), "{answer:?}");
}

#[actix_web::test]
async fn an_invalid_client_document_is_refused() {
    let (emulator, site) = with_site().await;
    for (kind, why) in [
        ("other", "is not the URL of the document"),
        ("secret", "is public: it cannot have a secret"),
        ("long", "is longer than 64 KiB"),
        ("text", "is not status 200 with JSON"),
        ("gone", "is not status 200 with JSON"),
        ("moved", "is not status 200 with JSON"),
        ("array", "is not client metadata"),
    ] {
        let response = authorize(&emulator, &authorization(&site.client_id(kind))).await;
        expect_page(response, why).await;
    }
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let response = authorize(
        &emulator,
        &authorization(&format!("http://{closed}/client.json")),
    )
    .await;
    expect_page(response, "cannot be fetched").await;
}

#[actix_web::test]
async fn fetching_a_client_document_times_out_after_five_seconds() {
    let (emulator, site) = with_site().await;
    let request = authorization(&site.client_id("slow"));
    let response = authorize(&emulator, &request);
    let response = actix_web::rt::time::timeout(Duration::from_secs(15), response).await;
    expect_page(response.unwrap(), "cannot be fetched").await;
}

#[actix_web::test]
async fn documents_on_this_machine_or_its_network_are_fetched_only_if_allowed() {
    let emulator = started().await;
    let site = Site::start();
    for (client, why) in [
        (site.client_id("good"), "is not public"),
        (
            site.client_id("good").replace("127.0.0.1", "localhost"),
            "is not https",
        ),
        (
            String::from("https://localhost:1/client.json"),
            "cannot be fetched",
        ),
        (
            String::from("https://169.254.169.254/latest/meta-data"),
            "is not public",
        ),
        (
            String::from("https://192.168.0.1/client.json"),
            "is not public",
        ),
        (String::from("https://[::1]/client.json"), "is not public"),
        (
            String::from("http://app.example.com/client.json"),
            "is not https",
        ),
        (String::from("https://app.example.com/"), "has no path"),
    ] {
        expect_page(authorize(&emulator, &authorization(&client)).await, why).await;
    }
    emulator
        .instance()
        .change_settings(|settings| settings.loopback_client_documents = true);
    let client = "http://192.168.0.1/client.json";
    expect_page(
        authorize(&emulator, &authorization(client)).await,
        "is not public",
    )
    .await;
}

#[actix_web::test]
async fn the_settings_decide_which_documents_are_accepted() {
    let (emulator, site) = with_site().await;
    let instance = emulator.instance();
    let (known, unknown) = (site.client_id("known"), site.client_id("unknown"));
    let admitted =
        async |client: &str| authorize(&emulator, &authorization(client)).await.status() == 200;
    assert!(admitted(&known).await);

    instance.change_settings(|it| {
        it.client_id_metadata_documents_only_allow_pre_registered_clients = true
    });
    assert!(admitted(&known).await && !admitted(&unknown).await);
    instance.change_settings(|it| {
        it.client_id_metadata_documents_block_implicitly_allowed_clients = true
    });
    assert!(!admitted(&known).await && !admitted(&unknown).await);
    instance.allow_client(&known);
    assert!(admitted(&known).await);

    instance.change_settings(|settings: &mut clerk_emulator::Settings| {
        settings.client_id_metadata_documents_only_allow_pre_registered_clients = false;
        settings.client_id_metadata_documents_block_implicitly_allowed_clients = false;
        settings.client_id_metadata_documents_advertised = false;
    });
    assert!(admitted(&known).await && !admitted(&unknown).await);
    let refused = authorize(&emulator, &authorization(&unknown)).await;
    expect_page(refused, "not allowed by the settings").await;
}
