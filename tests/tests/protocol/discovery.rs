//! Finding the authorization server: metadata, challenges, and CORS.

use std::time::Duration;

use mcp_auth::ServerBuilder;
use mcp_auth::testing::TestClock;
use reqwest::Method;
use serde_json::{Value, json};

use crate::raw;
use crate::reply::Reply;
use crate::stub::{Answer, Stub, no_keys};
use crate::support::{Era, Serving, World, client, message};

mod personal {
    use mcp_auth::mcp_tool;

    /// Needs no organization.
    #[mcp_tool]
    async fn note() -> &'static str {
        "noted"
    }
}

const PATHS: [&str; 2] = [
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/mcp",
];
const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";
/// The documents that are copied from the issuer.
const COPIES: [&str; 2] = [AUTHORIZATION_SERVER, "/.well-known/openid-configuration"];

#[actix_web::test]
async fn the_metadata_is_at_both_paths_and_open_to_everybody() {
    let world = World::new().await;
    for path in PATHS {
        let reply = world.get(path).await;
        reply.expect_status(200);
        assert_eq!(
            reply.json(),
            json!({
                "resource": world.url(),
                "authorization_servers": [world.instance.issuer()],
                "scopes_supported": ["profile", "email", "user:org:read"],
                "bearer_methods_supported": ["header"],
            })
        );
        assert_eq!(reply.header("content-type"), Some("application/json"));
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
        assert_eq!(reply.header("access-control-allow-credentials"), None);
        let page = world
            .request(Method::GET, path)
            .header("origin", "https://app.example");
        assert_eq!(page.send().await.body, reply.body);
        let head = world.request(Method::HEAD, path).send().await;
        assert!(head.expect_status(200).body.is_empty());
    }
}

#[actix_web::test]
async fn on_loopback_the_metadata_and_the_challenge_follow_the_name_that_was_called() {
    let world = World::new().await;
    let port = world.server.address.port();
    for name in ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"] {
        let lower = name.to_lowercase();
        let host = format!("Host: {name}:{port}");
        for path in PATHS {
            let document = by_hand(&world, "GET", path, &[&host]).await.json();
            assert_eq!(document["resource"], format!("http://{lower}:{port}/mcp"));
        }
        let reply = by_hand(&world, "GET", "/mcp", &[&host]).await;
        let url = format!("http://{lower}:{port}/.well-known/oauth-protected-resource/mcp");
        assert!(
            reply.expect_status(401).challenge().contains(&url),
            "{}",
            reply.challenge()
        );
    }
    for host in [
        "Host: 127.0.0.2".to_owned(),
        "Host: localhost".to_owned(),
        format!("Host: localhost.evil.example:{port}"),
        "Host:".to_owned(),
    ] {
        for path in PATHS.into_iter().chain(COPIES).chain(["/mcp"]) {
            by_hand(&world, "GET", path, &[&host])
                .await
                .expect_status(403);
        }
    }
}

#[actix_web::test]
async fn metadata_and_challenge_have_the_public_url() {
    for (url, resource, path) in [
        (
            "https://mcp.example.com",
            "https://mcp.example.com/mcp",
            "/.well-known/oauth-protected-resource/mcp",
        ),
        (
            "https://Example.com:443/",
            "https://example.com/mcp",
            "/.well-known/oauth-protected-resource/mcp",
        ),
        (
            "https://example.com/api/mcp",
            "https://example.com/api/mcp",
            "/.well-known/oauth-protected-resource/api/mcp",
        ),
    ] {
        let world = World::with(|builder| builder.url(url)).await;
        let (origin, host) = {
            let host = resource
                .trim_start_matches("https://")
                .split('/')
                .next()
                .unwrap();
            (format!("https://{host}"), format!("Host: {host}"))
        };
        for path in [PATHS[0], path] {
            let document = by_hand(&world, "GET", path, &[&host]).await.json();
            assert_eq!(document["resource"], resource);
        }
        let reply = by_hand(&world, "GET", "/mcp", &[&host]).await;
        assert!(
            reply
                .challenge()
                .contains(&format!(r#"resource_metadata="{origin}{path}""#))
        );
        // Off loopback the other names of the address are foreign hosts.
        by_hand(&world, "GET", path, &[&world.host_line()])
            .await
            .expect_status(403);
    }
}

#[actix_web::test]
async fn an_additional_host_is_served_and_gets_the_canonical_url() {
    let world = World::with(|builder| builder.allowed_hosts(["proxy.internal"])).await;
    for host in ["Host: proxy.internal", "Host: PROXY.internal:8080"] {
        let document = by_hand(&world, "GET", PATHS[1], &[host]).await.json();
        assert_eq!(document["resource"], world.url());
        let reply = by_hand(&world, "GET", "/mcp", &[host]).await;
        assert_eq!(
            reply.expect_status(401).challenge(),
            world.sign_in_challenge()
        );
    }
    // Only listed hosts are served.
    by_hand(&world, "GET", "/mcp", &[&world.host_line()])
        .await
        .expect_status(403);
}

#[actix_web::test]
async fn listed_hosts_and_origins_are_compared_in_the_form_of_requests() {
    let world = World::with(|builder| {
        builder
            .allowed_hosts(["https://Proxy.Internal/", "b\u{fc}cher.example:3000", "::1"])
            .allowed_origins(["HTTPS://App.Example:443/", "https://b\u{fc}cher.example"])
    })
    .await;
    for (host, status) in [
        ("proxy.internal", 401),
        ("PROXY.internal:443", 401),
        ("proxy.internal:8443", 403),
        ("xn--bcher-kva.example:3000", 401),
        ("xn--bcher-kva.example", 403),
        ("[::1]:8080", 401),
    ] {
        let head = [&*format!("Host: {host}")];
        let reply = by_hand(&world, "GET", "/mcp", &head).await;
        assert_eq!(reply.status, status, "{host}");
    }
    for (origin, allowed) in [
        ("https://app.example", true),
        ("https://xn--bcher-kva.example", true),
        ("https://App.Example", false),
        ("https://app.example:443", false),
        ("https://app.example/", false),
    ] {
        let head = ["Host: proxy.internal", &format!("Origin: {origin}")];
        let reply = by_hand(&world, "OPTIONS", "/mcp", &head).await;
        let status = if allowed { 204 } else { 403 };
        reply.expect_status(status);
        let echoed = reply.header("access-control-allow-origin");
        assert_eq!(echoed, allowed.then_some(origin), "{origin}");
    }
}

#[actix_web::test]
async fn the_advertised_scopes_are_a_baseline() {
    for (settings, module, scopes) in [
        (
            (|b| b) as fn(ServerBuilder) -> ServerBuilder,
            "protocol::tools",
            &["profile", "email", "user:org:read"][..],
        ),
        (
            |b| b,
            "protocol::discovery::personal",
            &["profile", "email"],
        ),
        (
            |b| b.require_scope("docs").require_scope("email"),
            "protocol::tools",
            &["profile", "email", "docs", "user:org:read"],
        ),
        (
            |b| b.scopes_supported(["openid", "offline_access", "files:write"]),
            "protocol::tools",
            &["openid", "offline_access", "files:write"],
        ),
        (
            |b| b.require_scope("docs").scopes_supported(["docs"]),
            "protocol::tools",
            &["docs"],
        ),
    ] {
        let world = World::of(module, settings).await;
        let document = world.get(PATHS[0]).await.json();
        assert_eq!(document["scopes_supported"], json!(scopes));
        let challenge = world.list(Era::Modern).send().await.challenge().to_owned();
        assert!(
            challenge.contains(&format!(r#"scope="{}""#, scopes.join(" "))),
            "{challenge}"
        );
        // `offline_access` is negotiated between client and authorization server, unless the code
        // names it.
        let is_named = scopes.contains(&"offline_access");
        assert_eq!(challenge.contains("offline_access"), is_named);
    }
}

#[actix_web::test]
async fn the_metadata_has_the_configured_name_and_documentation_page() {
    for (settings, name) in [
        (
            (|b| b.title("Files")) as fn(ServerBuilder) -> ServerBuilder,
            "Files",
        ),
        (
            |b| b.title("Files").resource_name("Files of Acme"),
            "Files of Acme",
        ),
    ] {
        let page = "https://docs.example.com/files";
        let world = World::with(|b| settings(b).resource_documentation(page)).await;
        let document = world.get(PATHS[1]).await.json();
        assert_eq!(document["resource_name"], name);
        assert_eq!(document["resource_documentation"], page);
    }
}

#[actix_web::test]
async fn every_challenge_leads_to_metadata_of_the_resource_that_was_called() {
    let world = World::new().await;
    for reply in [
        world.list(Era::Modern).send().await,
        world.list(Era::Modern).bearer("bad").send().await,
        world
            .call(Era::Modern, "upload", json!({}))
            .bearer(&world.ada())
            .send()
            .await,
    ] {
        let challenge = reply.challenge().to_owned();
        let url = challenge.split(r#"resource_metadata=""#).nth(1).unwrap();
        let url = url.split('"').next().unwrap();
        let document = client()
            .get(url)
            .send()
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap();
        let document: Value = serde_json::from_slice(&document).unwrap();
        assert_eq!(document["resource"], world.url());
    }
}

#[actix_web::test]
async fn the_issuers_own_metadata_is_passed_on_byte_for_byte() {
    let body = |path: &str, url: &str| {
        Stub::metadata(url).replacen('{', &format!("{{ \"of\":\"{path}\",\n"), 1)
    };
    let issuer = Stub::start(move |path, url| match path {
        path if COPIES.contains(&path) => Answer::json(body(path, url)),
        _ => no_keys(),
    });
    let clock = TestClock::new();
    let serving = Serving::start(stub_server(&issuer).clock(&clock)).await;
    // The start fetches and compares the first document only.
    assert_eq!(COPIES.map(|path| issuer.requests_to(path)), [1, 0]);
    for path in COPIES {
        for _ in 0..3 {
            let reply = at(&serving, path).await;
            assert_eq!(
                reply.expect_status(200).body,
                body(path, issuer.url()).as_bytes()
            );
            assert_eq!(reply.header("content-type"), Some("application/json"));
            assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
        }
        assert_eq!(issuer.requests_to(path), 1);
    }
    clock.advance(Duration::from_secs(301));
    for path in COPIES {
        at(&serving, path).await.expect_status(200);
        assert_eq!(issuer.requests_to(path), 2);
    }
}

#[actix_web::test]
async fn the_emulators_metadata_is_passed_on_byte_for_byte() {
    let world = World::new().await;
    for path in COPIES {
        let original = client().get(format!("{}{path}", world.instance.issuer()));
        let original = original.send().await.unwrap().bytes().await.unwrap();
        assert_eq!(world.get(path).await.expect_status(200).body, original);
        let head = world.request(Method::HEAD, path).send().await;
        assert!(head.expect_status(200).body.is_empty());
        // The documents belong to the issuer, so they are not served under a path of this server.
        for elsewhere in [format!("{path}/mcp"), format!("/mcp{path}")] {
            world.get(&elsewhere).await.expect_status(404);
        }
    }
}

#[actix_web::test]
async fn metadata_of_a_failing_issuer_is_503_and_not_fetched_for_each_request() {
    let issuer = Stub::start(|path, _| match path {
        path if COPIES.contains(&path) => Answer::status(500),
        _ => no_keys(),
    });
    let clock = TestClock::new();
    let serving = Serving::start(stub_server(&issuer).clock(&clock)).await;
    for path in COPIES {
        for _ in 0..3 {
            let reply = at(&serving, path).await;
            assert!((1..=30).contains(&reply.expect_unavailable()));
            // A page of another origin must be able to read the reason.
            assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
        }
        assert_eq!(issuer.requests_to(path), 1);
    }
    clock.advance(Duration::from_secs(31));
    for path in COPIES {
        at(&serving, path).await.expect_unavailable();
        assert_eq!(issuer.requests_to(path), 2);
    }
}

#[actix_web::test]
async fn metadata_of_an_unreachable_issuer_is_503_once_the_cache_expires() {
    let mut world = World::new().await;
    for path in COPIES {
        world.get(path).await.expect_status(200);
    }
    // A connection that is still open must not fetch the metadata.
    world.instance.fail_with(Some(503));
    world.clerk.take().unwrap().stop().await;
    for path in COPIES {
        world.get(path).await.expect_status(200);
    }
    world.clock.advance(Duration::from_secs(301));
    for path in COPIES {
        world.get(path).await.expect_unavailable();
    }
    // The metadata of the resource does not depend on the issuer.
    world.get(PATHS[0]).await.expect_status(200);
}

#[actix_web::test]
async fn the_copies_of_the_issuers_metadata_can_be_switched_off() {
    let world = World::with(ServerBuilder::without_legacy_discovery).await;
    for path in COPIES {
        world.get(path).await.expect_status(404);
    }
    world.get(PATHS[0]).await.expect_status(200);
}

#[actix_web::test]
async fn metadata_accepts_only_reading_methods() {
    let world = World::new().await;
    for path in PATHS.into_iter().chain(COPIES) {
        for method in [Method::POST, Method::PUT, Method::DELETE] {
            let reply = world.request(method, path).send().await;
            assert_eq!(
                reply.expect_status(405).header("allow"),
                Some("GET, HEAD, OPTIONS")
            );
        }
        let preflight = world
            .request(Method::OPTIONS, path)
            .header("origin", "https://app.example")
            .header("access-control-request-method", "GET")
            .header("access-control-request-headers", "mcp-protocol-version")
            .send()
            .await;
        preflight.expect_status(204);
        assert_eq!(preflight.header("access-control-allow-origin"), Some("*"));
        assert_eq!(
            preflight.header("access-control-allow-methods"),
            Some("GET, OPTIONS")
        );
        assert_eq!(
            preflight.header("access-control-allow-headers"),
            Some("mcp-protocol-version")
        );
    }
}

#[actix_web::test]
async fn a_preflight_of_the_endpoint_needs_no_token_but_an_allowed_origin() {
    let world = World::with(|builder| builder.allowed_origins(["https://app.example"])).await;
    let preflight = |origin: &str| {
        world
            .request(Method::OPTIONS, "/mcp")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,mcp-method")
    };
    let reply = preflight("https://app.example").send().await;
    reply.expect_status(204);
    assert_eq!(
        reply.header("access-control-allow-origin"),
        Some("https://app.example")
    );
    assert_eq!(reply.header("access-control-allow-credentials"), None);
    assert_eq!(reply.header("vary"), Some("Origin"));
    assert_eq!(
        reply.header("access-control-allow-methods"),
        Some("POST, OPTIONS")
    );
    let allowed = reply.header("access-control-allow-headers").unwrap();
    let allowed: Vec<_> = allowed.split(", ").collect();
    for header in [
        "authorization",
        "content-type",
        "accept",
        "mcp-protocol-version",
        "mcp-method",
        "mcp-name",
        "mcp-session-id",
        "last-event-id",
    ] {
        assert!(allowed.contains(&header), "{header} in {allowed:?}");
    }
    // Every header of an argument is allowed, and no other header.
    let requested = "authorization,mcp-param-region,Mcp-Param-X,mcp-param-a b,mcp-param,x-other";
    let reply = preflight("https://app.example")
        .header("access-control-request-headers", requested)
        .send()
        .await;
    let allowed = reply.header("access-control-allow-headers").unwrap();
    assert!(
        allowed.ends_with("last-event-id, mcp-param-region, Mcp-Param-X"),
        "{allowed}"
    );
    let many: Vec<_> = (0..100).map(|n| format!("mcp-param-{n}")).collect();
    let reply = preflight("https://app.example")
        .header("access-control-request-headers", &many.join(","))
        .send()
        .await;
    let allowed = reply.header("access-control-allow-headers").unwrap();
    assert!(allowed.ends_with(", mcp-param-63"), "{allowed}");
    for origin in [
        "https://app.example:8443",
        "http://app.example",
        "https://app.example.evil",
        "null",
        "http://localhost:3000",
    ] {
        preflight(origin).send().await.expect_oauth_error(
            403,
            "forbidden",
            "This Origin is not allowed",
        );
    }
}

#[actix_web::test]
async fn a_page_of_an_allowed_origin_can_read_every_answer() {
    let world = World::with(|builder| builder.allowed_origins(["https://app.example"])).await;
    let ada = world.ada();
    let unknown = world.ask(Era::Modern, "no/such", json!({})).bearer(&ada);
    let notification = world
        .post(r#"{"jsonrpc":"2.0","method":"notifications/x"}"#)
        .bearer(&ada);
    let mut replies = Vec::new();
    for (status, ask) in [
        (200, world.list(Era::Modern).bearer(&ada)),
        (202, notification),
        (400, world.post("{").bearer(&ada)),
        (
            400,
            world.list(Era::Modern).bearer(&ada).query("access_token=x"),
        ),
        (401, world.list(Era::Modern)),
        (401, world.list(Era::Modern).bearer("bad")),
        (
            403,
            world.call(Era::Modern, "upload", json!({})).bearer(&ada),
        ),
        (404, unknown),
        (405, world.request(Method::GET, "/mcp").bearer(&ada)),
        (
            406,
            world
                .list(Era::Modern)
                .bearer(&ada)
                .header("accept", "text/html"),
        ),
        (
            415,
            world
                .list(Era::Modern)
                .bearer(&ada)
                .header("content-type", "text/plain"),
        ),
    ] {
        let reply = ask.header("origin", "https://app.example").send().await;
        reply.expect_status(status);
        replies.push(reply);
    }
    world.clock.advance(Duration::from_secs(31));
    world.instance.fail_with(Some(500));
    let which_org = world.call(Era::Modern, "which_org", json!({})).bearer(&ada);
    let reply = which_org
        .header("origin", "https://app.example")
        .send()
        .await;
    reply.expect_unavailable();
    replies.push(reply);
    for reply in replies {
        assert_eq!(
            reply.header("access-control-allow-origin"),
            Some("https://app.example")
        );
        assert_eq!(reply.header("access-control-allow-credentials"), None);
        assert_eq!(reply.header("vary"), Some("Origin"));
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{reply:?}");
        let exposed = reply
            .header("access-control-expose-headers")
            .unwrap()
            .to_lowercase();
        for header in ["www-authenticate", "mcp-session-id", "retry-after"] {
            assert!(exposed.contains(header), "{header} in {exposed}");
        }
    }
}

#[actix_web::test]
async fn without_an_origin_there_is_no_cors_and_still_no_store() {
    let world = World::new().await;
    for ask in [
        world.list(Era::Modern).bearer(&world.ada()),
        world.list(Era::Legacy),
        world.post("{").bearer(&world.ada()),
    ] {
        let reply = ask.send().await;
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert_eq!(reply.header("access-control-allow-origin"), None);
    }
}

#[actix_web::test]
async fn off_loopback_no_origin_is_allowed_unless_it_is_named() {
    let world = World::with(|builder| builder.url("https://mcp.example.com")).await;
    let body = message("tools/list", json!({}));
    for origin in [
        "http://localhost:6274",
        "https://evil.example",
        "http://127.0.0.1",
    ] {
        let head = [
            "Host: mcp.example.com",
            &format!("Origin: {origin}"),
            "Content-Type: application/json",
        ];
        let mut connection = world.raw().await;
        connection
            .write(&raw::post("/mcp", &head, body.as_bytes()))
            .await;
        connection.reply().await.expect_status(403);
    }
}

/// A server whose issuer is a mock.
fn stub_server(issuer: &Stub) -> ServerBuilder {
    mcp_auth::server!()
        .tools_of("protocol::discovery::personal")
        .frontend_api_url(issuer.url())
}

async fn at(serving: &Serving, path: &str) -> Reply {
    let url = format!("http://{}{path}", serving.address);
    Reply::read(client().get(url).send().await.unwrap()).await
}

async fn by_hand(world: &World, method: &str, path: &str, head: &[&str]) -> Reply {
    let mut connection = world.raw().await;
    connection
        .write(&raw::request(method, path, head, b""))
        .await;
    connection.reply().await
}
