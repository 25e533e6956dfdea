//! The middleware `local_only`, on every kind of route.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use clerk_emulator::Emulator;
use reqwest::Method;

use crate::support::{api, expect_problem, request, started};

const ROUTES: [&str; 19] = [
    "/",
    "/api_keys/verify",
    "/dev/faults",
    "/dev/mcp-servers",
    "/dev/revoke",
    "/dev/settings",
    "/dev/token?user=ada",
    "/.well-known/jwks.json",
    "/.well-known/oauth-authorization-server",
    "/m2m_tokens/verify",
    "/oauth/authorize",
    "/oauth/token",
    "/oauth/userinfo",
    "/oauth_applications/access_tokens/verify",
    "/v1/instance/oauth_application_settings",
    "/v1/jwks",
    "/v1/machines/mch_mcp",
    "/v1/machines/mch_mcp/secret_key",
    "/nothing",
];

/// Routes that change the instance, with a request body for each.
const CHANGES: [(Method, &str, &str); 5] = [
    (Method::POST, "/dev/tokens", r#"{"user": "ada"}"#),
    (Method::POST, "/dev/revoke", r#"{"token": "ak_1"}"#),
    (
        Method::POST,
        "/dev/faults",
        r#"{"kind": "clock", "offset": 60}"#,
    ),
    (
        Method::PATCH,
        "/dev/settings",
        r#"{"oauth_jwt_access_tokens": false}"#,
    ),
    (
        Method::POST,
        "/dev/mcp-servers",
        r#"{"url": "http://127.0.0.1:3000/mcp"}"#,
    ),
];

async fn expect_refused(emulator: &Emulator, header: &str, value: &str) {
    for path in ROUTES {
        let request = request(emulator, Method::GET, path).header(header, value);
        let response = request.send().await.unwrap();
        assert!(
            !response
                .headers()
                .contains_key("access-control-allow-origin")
        );
        expect_problem(response, 403, "request_not_local").await;
    }
}

async fn status(emulator: &Emulator, header: &str, value: &str) -> u16 {
    let request = request(emulator, Method::GET, "/dev/token?user=ada").header(header, value);
    request.send().await.unwrap().status().as_u16()
}

/// Sends the bytes of a request's head and returns the status line.
fn raw(emulator: &Emulator, head: &str) -> String {
    let mut stream = TcpStream::connect(emulator.url().strip_prefix("http://").unwrap()).unwrap();
    write!(stream, "{head}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    String::from(answer.lines().next().unwrap_or(""))
}

#[actix_web::test]
async fn a_foreign_host_is_refused() {
    let emulator = started().await;
    for host in [
        "evil.example",
        "127.0.0.1",
        "127.0.0.1:1",
        "localhost.evil.example:80",
    ] {
        expect_refused(&emulator, "host", host).await;
    }
    let port = emulator.url().rsplit(':').next().unwrap();
    for name in ["127.0.0.1", "localhost", "[::1]"] {
        assert_eq!(
            status(&emulator, "host", &format!("{name}:{port}")).await,
            200
        );
    }
}

#[actix_web::test]
async fn a_foreign_origin_is_refused() {
    let emulator = started().await;
    for origin in [
        "https://evil.example",
        "null",
        "http://localhost.evil.example",
    ] {
        expect_refused(&emulator, "origin", origin).await;
    }
    assert_eq!(
        status(&emulator, "origin", "http://localhost:5173").await,
        200
    );
}

#[actix_web::test]
async fn a_page_of_another_site_cannot_load_a_url_that_mints_a_token() {
    let emulator = started().await;
    let token = |site: &str, user: Option<&str>| {
        let path = "/dev/token?user=ada&kind=api_key";
        let request = request(&emulator, Method::GET, path).header("sec-fetch-site", site);
        match user {
            Some(user) => request.header("sec-fetch-user", user),
            None => request,
        }
    };
    let response = token("cross-site", None).send().await.unwrap();
    expect_problem(response, 403, "request_not_local").await;
    // Allowed are a link that a person follows, a page of this machine, and a program.
    for request in [
        token("cross-site", Some("?1")),
        token("same-site", None),
        token("none", Some("?1")),
        request(&emulator, Method::GET, "/dev/token?user=ada&kind=api_key"),
    ] {
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
}

#[actix_web::test]
async fn a_forwarded_request_is_refused() {
    let emulator = started().await;
    for name in [
        "forwarded",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-real-ip",
    ] {
        expect_refused(&emulator, name, "127.0.0.1").await;
    }
    assert_eq!(status(&emulator, "x-request-id", "1").await, 200);
}

#[actix_web::test]
async fn an_ambiguous_target_is_refused() {
    let emulator = started().await;
    let own = emulator.url().strip_prefix("http://").unwrap();
    for head in [
        format!("GET / HTTP/1.1\r\nHost: {own}\r\nHost: evil.example"),
        format!("GET / HTTP/1.1\r\nHost: {own}\r\nHost: {own}"),
        format!("GET http://evil.example/ HTTP/1.1\r\nHost: {own}"),
        format!("GET http://{own}/ HTTP/1.1\r\nHost: evil.example"),
        String::from("GET / HTTP/1.0"),
    ] {
        let line = raw(&emulator, &head);
        assert!(
            line.contains(" 403 ") || line.contains(" 400 "),
            "{head}: {line}"
        );
    }
    assert!(raw(&emulator, &format!("GET / HTTP/1.1\r\nHost: {own}")).contains(" 200 "));
    assert!(
        raw(
            &emulator,
            &format!("GET http://{own}/ HTTP/1.1\r\nHost: {own}")
        )
        .contains(" 200 ")
    );
}

#[actix_web::test]
async fn a_form_or_a_text_is_refused_below_dev() {
    let emulator = started().await;
    let settings = emulator.instance().settings();
    for (method, path, body) in CHANGES {
        let change = || request(&emulator, method.clone(), path).body(body);
        for media_type in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "application/jsonx",
            "",
        ] {
            let response = change()
                .header("content-type", media_type)
                .send()
                .await
                .unwrap();
            expect_problem(response, 415, "unsupported_content_type").await;
        }
        let response = change().send().await.unwrap();
        expect_problem(response, 415, "unsupported_content_type").await;
    }
    assert_eq!(emulator.instance().settings(), settings);
    for (method, path, body) in CHANGES {
        let response = request(&emulator, method, path)
            .header("content-type", "Application/JSON")
            .body(body)
            .send()
            .await
            .unwrap();
        assert_ne!(response.status(), 415, "{path}");
    }
    assert_ne!(emulator.instance().settings(), settings);
}

#[actix_web::test]
async fn a_request_of_a_foreign_page_is_refused() {
    let emulator = started().await;
    let settings = emulator.instance().settings();
    let further = [
        (Method::DELETE, "/dev/faults", ""),
        (Method::POST, "/m2m_tokens/verify", "{}"),
        (Method::POST, "/v1/users/user_ada/ban", ""),
        (Method::DELETE, "/v1/users/user_ada", ""),
    ];
    for (method, path, body) in CHANGES.into_iter().chain(further) {
        for (header, value) in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("host", "evil.example"),
            ("x-forwarded-for", "127.0.0.1"),
        ] {
            let response = api(&emulator, method.clone(), path)
                .header("content-type", "application/json")
                .header(header, value)
                .body(body)
                .send()
                .await
                .unwrap();
            expect_problem(response, 403, "request_not_local").await;
        }
    }
    assert_eq!(emulator.instance().settings(), settings);
    let ada = emulator.instance().directory().user("ada").cloned();
    assert!(ada.is_some_and(|ada| !ada.banned));
}

#[actix_web::test]
async fn a_cors_preflight_passes_only_for_public_documents() {
    let emulator = started().await;
    for path in [
        "/",
        "/api_keys/verify",
        "/dev/faults",
        "/dev/revoke",
        "/dev/settings",
        "/dev/token",
        "/dev/tokens",
        "/m2m_tokens/verify",
        "/v1/jwks",
        "/v1/users/user_ada",
    ] {
        let preflight = request(&emulator, Method::OPTIONS, path)
            .header("origin", "http://localhost:5173")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type");
        let response = preflight.send().await.unwrap();
        assert!(!response.status().is_success(), "{path}");
        let granted = response
            .headers()
            .keys()
            .any(|name| name.as_str().starts_with("access-control"));
        assert!(!granted, "{path}");
    }
}
