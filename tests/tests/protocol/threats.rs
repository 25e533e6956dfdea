//! Threats, each with a test that shows the defence. The ids are those of the threat model in
//! `SECURITY.md`.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::time::Duration;

use actix_web::{App, HttpServer, web};
use clerk_emulator::TokenRequest;
use futures_util::future::join_all;
use mcp_auth::{AudiencePolicy, ServerBuilder};
use reqwest::Method;
use serde_json::{Value, json};

use crate::parked::Gate;
use crate::process::Process;
use crate::raw::{self, Raw};
use crate::reply::Reply;
use crate::stub::{Answer, Stub, no_keys};
use crate::support::{
    Ask, ERAS, Era, LEGACY, MODERN, ORGANIZATION_REQUIRED, PERMISSION_DENIED, World, builder,
    client, emulator, eventually, message, modern_meta,
};

const TOOLS: &str = "protocol::tools";

async fn call(world: &World, token: &str, tool: &str) -> Reply {
    world
        .call(Era::Modern, tool, json!({}))
        .bearer(token)
        .send()
        .await
}

/// A server behind a public URL that is configured with its issuer's key, because the key ids of a
/// local Clerk are refused off loopback.
async fn public_world(settings: impl FnOnce(ServerBuilder) -> ServerBuilder) -> World {
    let clerk = emulator().await;
    let pem = clerk.instance().public_key_pem();
    World::at(clerk, TOOLS, |server| {
        settings(server.url("https://mcp.example.com").jwt_key(pem))
    })
    .await
}

fn public_token(world: &World, request: &TokenRequest) -> String {
    let (mut header, claims) = world
        .instance
        .token_parts(request, world.clock.unix_seconds())
        .unwrap();
    header["kid"] = json!("ins_production");
    world.instance.mint_claims(header, claims).unwrap()
}

fn public_call(world: &World, token: &str) -> Ask {
    world
        .call(Era::Modern, "who_am_i", json!({}))
        .header("host", "mcp.example.com")
        .bearer(token)
}

#[actix_web::test]
async fn t01_a_token_of_a_foreign_application_is_refused() {
    let world = public_world(|server| server).await;
    let foreign = || {
        TokenRequest::oauth("ada")
            .org("acme")
            .client_id("client_foreign")
    };
    for request in [
        foreign(),
        foreign().aud("https://other.example.com/mcp"),
        foreign().aud("https://mcp.example.com"),
        foreign().aud("https://mcp.example.com/mcp/"),
        foreign().aud("https://mcp.example.com/MCP"),
    ] {
        let reply = public_call(&world, &public_token(&world, &request))
            .send()
            .await;
        assert!(
            reply
                .expect_status(401)
                .challenge()
                .contains(r#"error="invalid_token""#)
        );
    }
    world.expect_runs(0);
    let own = foreign().aud("https://mcp.example.com/mcp");
    let reply = public_call(&world, &public_token(&world, &own))
        .send()
        .await;
    reply.expect_text("user_ada");
}

#[actix_web::test]
async fn t01_a_token_for_another_resource_is_refused_in_every_mode_but_off() {
    let other = TokenRequest::oauth("ada").aud("https://other.example.com/mcp");
    for (settings, accepted) in [
        ((|b| b) as fn(ServerBuilder) -> ServerBuilder, false),
        (|b| b.audience_policy(AudiencePolicy::Require), false),
        (
            |b| {
                b.audience_policy(AudiencePolicy::IfPresent)
                    .allowed_clients(["client_emulator"])
            },
            false,
        ),
        (ServerBuilder::dangerous_ignore_audience, true),
    ] {
        let world = public_world(settings).await;
        let reply = public_call(&world, &public_token(&world, &other))
            .send()
            .await;
        reply.expect_status(if accepted { 200 } else { 401 });
        world.expect_runs(usize::from(accepted));
    }
}

#[actix_web::test]
async fn t01_without_an_audience_a_client_or_a_scope_is_required() {
    let world = public_world(|server| {
        server
            .audience_policy(AudiencePolicy::IfPresent)
            .allowed_clients(["client_own"])
            .require_scope("docs")
    })
    .await;
    let request = |client: &str| TokenRequest::oauth("ada").client_id(client);
    let scoped = |client: &str| request(client).scopes(["docs"]);
    for (request, status) in [
        (request("client_foreign"), 401),
        (scoped("client_foreign"), 401),
        (request("client_own"), 403),
        (scoped("client_own"), 200),
    ] {
        let reply = public_call(&world, &public_token(&world, &request))
            .send()
            .await;
        reply.expect_status(status);
    }
    world.expect_runs(1);
}

#[actix_web::test]
async fn t01_a_token_of_an_emulator_is_refused_off_loopback() {
    let world = public_world(|server| server).await;
    let own = TokenRequest::oauth("ada").aud("https://mcp.example.com/mcp");
    let reply = public_call(&world, &world.mint(&own)).send().await;
    reply.expect_status(401);
    world.expect_runs(0);
}

#[actix_web::test]
async fn t02_a_removed_member_is_refused_by_tools_that_require_only_the_organization() {
    let world = World::new().await;
    let ada = world.ada();
    call(&world, &ada, "which_org")
        .await
        .expect_text("org_acme");
    world.instance.remove_member("ada", "acme");
    world.clock.advance(Duration::from_secs(31));
    assert_eq!(
        call(&world, &ada, "which_org").await.text(),
        ORGANIZATION_REQUIRED
    );
    for era in ERAS {
        let listed = world.list(era).bearer(&ada).send().await.tools();
        assert!(!listed.contains(&"which_org".to_owned()), "{listed:?}");
    }
    world.expect_runs(1);
}

#[actix_web::test]
async fn t02_while_clerk_is_down_expired_memberships_do_not_count() {
    let world = World::new().await;
    let ada = world.ada();
    call(&world, &ada, "which_org")
        .await
        .expect_text("org_acme");
    world.instance.remove_member("ada", "acme");
    world.instance.fail_with(Some(503));
    world.clock.advance(Duration::from_secs(31));
    for era in ERAS {
        world
            .call(era, "which_org", json!({}))
            .bearer(&ada)
            .send()
            .await
            .expect_unavailable();
        world
            .list(era)
            .bearer(&ada)
            .send()
            .await
            .expect_unavailable();
    }
    world.expect_runs(1);
}

/// Tools that require an organization in different ways, and the response for a caller without one.
const OF_AN_ORGANIZATION: [&str; 4] = [
    "which_org",
    "delete_document",
    "edit_document",
    "rename_org",
];

#[actix_web::test]
async fn t03_no_organization_is_guessed_for_a_token_that_names_none() {
    // One of the users is a member of exactly one organization, and could call every tool there.
    let world = World::new().await;
    let people = world.instance.directory();
    assert_eq!(people.memberships_of("user_ada").count(), 1);
    let ada = world.mint(&TokenRequest::oauth("ada").scopes(["profile", "user:org:read"]));
    for era in ERAS {
        for tool in OF_AN_ORGANIZATION {
            let arguments = json!({ "document_id": "d1" });
            let ask = world.call(era, tool, arguments).bearer(&ada);
            let reply = ask.send().await;
            assert_eq!(reply.result()["isError"], true, "{tool}");
            assert_eq!(reply.text(), ORGANIZATION_REQUIRED, "{tool}");
        }
        let listed = world.list(era).bearer(&ada).send().await.tools();
        for tool in OF_AN_ORGANIZATION {
            assert!(!listed.contains(&tool.to_owned()), "{tool} in {listed:?}");
        }
    }
    world.expect_runs(0);
    // The memberships of the user are not even looked up.
    for path in [
        "/v1/organizations",
        "/v1/users",
        "/v1/me",
        "/oauth/userinfo",
    ] {
        assert_eq!(world.instance.requests_to(path), 0, "{path}");
    }
}

#[actix_web::test]
async fn t03_a_token_does_not_follow_its_user_into_another_organization() {
    let world = World::new().await;
    let ada = world.ada();
    call(&world, &ada, "which_org")
        .await
        .expect_text("org_acme");
    world.instance.remove_member("ada", "acme");
    let everything = [
        "org:documents:read",
        "org:documents:write",
        "org:documents:delete",
    ];
    world
        .instance
        .set_member("ada", "globex", "admin", &everything);
    world.clock.advance(Duration::from_secs(31));
    for tool in OF_AN_ORGANIZATION {
        let ask = world.call(Era::Modern, tool, json!({ "document_id": "d1" }));
        let reply = ask.bearer(&ada).send().await;
        assert_eq!(reply.result()["isError"], true, "{tool}");
        assert_eq!(reply.text(), ORGANIZATION_REQUIRED, "{tool}");
    }
    world.expect_runs(1);
    assert_eq!(
        world.instance.requests_to("/v1/organizations/org_globex"),
        0
    );
    // A member of that organization presents a token that names it.
    let moved = world.mint(&TokenRequest::oauth("ada").org("globex"));
    call(&world, &moved, "which_org")
        .await
        .expect_text("org_globex");
}

#[actix_web::test]
async fn t04_a_bad_token_is_refused_also_by_a_public_tool() {
    let world = World::with(ServerBuilder::allow_anonymous_list).await;
    let greet = |era| world.call(era, "greet", json!({ "name": "Ada" }));
    let expired = world.mint(&TokenRequest::oauth("ada").expires_in(-60));
    for era in ERAS {
        for token in ["bad", "a.b.c", &expired] {
            for ask in [
                greet(era),
                world.list(era),
                world.ask(era, "server/discover", json!({})),
            ] {
                let reply = ask.bearer(token).send().await;
                assert_eq!(
                    reply.expect_status(401).challenge(),
                    world.invalid_token_challenge()
                );
            }
        }
    }
    world.expect_runs(0);
    greet(Era::Modern).send().await.expect_text("Hello Ada");
}

#[actix_web::test]
async fn t04_a_bearer_scheme_without_a_readable_token_is_not_anonymous() {
    let world = World::new().await;
    let greet = world.call(Era::Legacy, "greet", json!({ "name": "Ada" }));
    for value in ["Bearer", "bearer ", "Bearer\tabc", "Bearer  ", "Bearer a b"] {
        let status = greet
            .clone()
            .header("authorization", value)
            .send()
            .await
            .status;
        assert!(matches!(status, 400 | 401), "{value:?}: {status}");
    }
    world.expect_runs(0);
}

#[actix_web::test]
async fn t04_without_a_token_an_unknown_name_is_answered_as_a_guarded_one() {
    let world = World::new().await;
    for era in ERAS {
        let initialize = world.ask(era, "initialize", json!({ "protocolVersion": LEGACY }));
        let first = initialize.send().await;
        first.expect_status(401);
        for name in ["delete_document", "no_such_tool", "who_am_i", "Greet", ""] {
            let reply = world.call(era, name, json!({})).send().await;
            assert_eq!((reply.status, &reply.body), (401, &first.body), "{name}");
            assert_eq!(reply.challenge(), first.challenge(), "{name}");
        }
    }
    world.expect_runs(0);
}

const FORGED: [&str; 7] = [
    "Forwarded: host=evil.example;proto=https;for=192.0.2.1",
    "X-Forwarded-Host: evil.example",
    "X-Forwarded-Proto: https",
    "X-Forwarded-For: 192.0.2.1",
    "X-Forwarded-Port: 443",
    "X-Original-Host: evil.example",
    "X-Real-IP: 192.0.2.1",
];

#[actix_web::test]
async fn t05_forwarding_headers_do_not_make_a_foreign_host_acceptable() {
    let world = World::new().await;
    let own = world.server.address.to_string();
    for forwarded in [
        format!("X-Forwarded-Host: {own}"),
        format!("Forwarded: host={own}"),
        format!("Forwarded: host=\"{own}\";proto=http"),
        format!("X-Host: {own}"),
    ] {
        for path in ["/mcp", "/.well-known/oauth-protected-resource"] {
            let head = ["Host: evil.example", &forwarded];
            by_hand(&world, "GET", path, &head).await.expect_status(403);
        }
    }
}

#[actix_web::test]
async fn t05_forwarding_headers_change_nothing() {
    let world = World::new().await;
    let host = world.host_line();
    for (method, path) in [
        ("GET", "/.well-known/oauth-protected-resource/mcp"),
        ("GET", "/.well-known/oauth-protected-resource"),
        ("GET", "/mcp"),
    ] {
        let plain = by_hand(&world, method, path, &[&host]).await;
        let forged = [&[&*host][..], &FORGED].concat();
        let forged = by_hand(&world, method, path, &forged).await;
        assert_eq!((plain.status, &plain.body), (forged.status, &forged.body));
        let challenge = |reply: &Reply| reply.header("www-authenticate").map(str::to_owned);
        assert_eq!(challenge(&plain), challenge(&forged));
    }
}

#[actix_web::test]
async fn t05_an_absolute_target_must_name_the_host() {
    let world = World::new().await;
    let (own, host) = (world.server.address, world.host_line());
    for (target, host, status) in [
        ("http://evil.example/mcp".to_owned(), &*host, 400),
        (
            "https://evil.example/.well-known/oauth-protected-resource".to_owned(),
            &host,
            400,
        ),
        (format!("http://{own}/mcp"), "Host: evil.example", 400),
        (
            "http://evil.example/mcp".to_owned(),
            "Host: evil.example",
            403,
        ),
        (format!("http://{own}@evil.example/mcp"), &host, 400),
        (format!("http://{own}/mcp"), &host, 401),
        (
            format!("http://{own}/.well-known/oauth-protected-resource"),
            &host,
            200,
        ),
    ] {
        let reply = by_hand(&world, "GET", &target, &[host]).await;
        assert_eq!(reply.status, status, "{target} {host}");
    }
    let two = [&*host, "Host: evil.example"];
    let status = by_hand(&world, "GET", "/mcp", &two).await.status;
    assert!(matches!(status, 400 | 403), "{status}");
}

#[actix_web::test]
async fn t06_a_stranger_is_refused_before_a_byte_of_the_body_is_read() {
    let process = Process::start(&[]);
    let address = process
        .fact("endpoint")
        .replace("http://", "")
        .replace("/mcp", "");
    let address = address.parse().unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: 4194304\r\n\r\n"
    );
    let before = process.resident_kib();
    let mut connections = Vec::new();
    for _ in 0..300 {
        let mut connection = Raw::connect(address).await;
        connection.write(head.as_bytes()).await;
        connection.reply().await.expect_status(401);
        connections.push(connection);
    }
    if let (Some(before), Some(after)) = (before, process.resident_kib()) {
        let grown = after.saturating_sub(before);
        assert!(grown < 64 * 1024, "{grown} KiB for 300 strangers");
    }
    drop(connections);
}

#[actix_web::test]
async fn t06_a_body_without_a_declared_length_is_not_read_to_its_end_for_a_stranger() {
    let world = World::new().await;
    let mut connection = world.raw().await;
    let head = format!(
        "POST /mcp HTTP/1.1\r\n{}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
        world.host_line()
    );
    connection.write(head.as_bytes()).await;
    let chunk = format!("8000\r\n{}\r\n", " ".repeat(0x8000));
    for _ in 0..3 {
        connection.write(chunk.as_bytes()).await;
    }
    // This is far below the body limit, and the body has no end.
    let reply = connection.reply().await;
    assert_eq!(
        reply.expect_status(401).challenge(),
        world.sign_in_challenge()
    );
    world.still_serves().await;
}

/// The names are long, so that storing them would increase the memory measurably.
#[actix_web::test]
async fn t10_names_that_clients_invent_take_no_memory() {
    let clerk = emulator().await;
    let mut process = Process::start_on(&clerk, &[("RUST_LOG", "mcp_auth=debug")]);
    let endpoint = process.fact("endpoint").to_owned();
    let now = mcp_auth::testing::TestClock::new().unix_seconds();
    let token = clerk.instance().mint(&TokenRequest::oauth("ada"), now);
    let (token, http) = (token.unwrap(), client());
    let send = |number: usize| {
        let name = format!("thought-of-{number:-<1000}");
        let params = json!({ "name": name, "arguments": { &name: name } });
        let (method, params) = match number % 2 {
            0 => ("tools/call", params),
            _ => (name.as_str(), json!({})),
        };
        let request = http
            .post(&endpoint)
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {token}"))
            .body(message(method, params));
        async move { Reply::read(request.send().await.unwrap()).await }
    };
    let many = async |numbers: std::ops::Range<usize>| {
        let numbers: Vec<_> = numbers.collect();
        for some in numbers.chunks(50) {
            for reply in join_all(some.iter().map(|&number| send(number))).await {
                let code = reply.json()["error"]["code"].as_i64();
                assert!(matches!(code, Some(-32601 | -32602)), "{reply:?}");
            }
        }
    };
    // The first requests allocate buffers and threads.
    many(0..1_000).await;
    let before = process.resident_kib();
    many(1_000..11_000).await;
    if let (Some(before), Some(after)) = (before, process.resident_kib()) {
        let grown = after.saturating_sub(before);
        assert!(grown < 4 * 1024, "{grown} KiB for 10 000 names");
    }
    process.signal("TERM");
    eventually("it ends", || process.ended().is_some()).await;
    let log = process.log();
    assert!(!log.contains("thought-of"), "a name is in the log");
    let tools: BTreeSet<_> = log
        .lines()
        .filter_map(|line| line.split_once(" tool=")?.1.split(' ').next())
        .collect();
    assert_eq!(tools.into_iter().collect::<Vec<_>>(), ["\"other\""]);
}

#[actix_web::test]
async fn t12_texts_of_clients_and_tokens_cannot_forge_a_line_of_the_log() {
    const FORGED: &str = "x\n2026-01-01T00:00:00.000000Z  INFO mcp_auth: forged\r\u{1b}[2K";
    let clerk = emulator().await;
    let mut process = Process::start_on(&clerk, &[("RUST_LOG", "mcp_auth=debug")]);
    let endpoint = process.fact("endpoint").to_owned();
    let now = mcp_auth::testing::TestClock::new().unix_seconds();
    let sign = |header: &str, claim: &str| {
        let request = TokenRequest::oauth("ada").org("acme");
        let (mut head, mut claims) = clerk.instance().token_parts(&request, now).unwrap();
        for (part, name) in [(&mut head, header), (&mut claims, claim)] {
            if !name.is_empty() {
                part[name] = json!(FORGED);
            }
        }
        clerk.instance().mint_claims(head, claims).unwrap()
    };
    let send = async |token: &str, body: String| {
        let request = client()
            .post(&endpoint)
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {token}"))
            .header("user-agent", "x\u{9b}2K")
            .body(body);
        Reply::read(request.send().await.unwrap()).await
    };
    let call = |name: &str, arguments: Value| {
        message(
            "tools/call",
            json!({ "name": name, "arguments": arguments }),
        )
    };
    let good = sign("", "");
    let mut meta = modern_meta();
    meta["io.modelcontextprotocol/clientInfo"]["name"] = json!(FORGED);
    for body in [
        call(FORGED, json!({})),
        message(FORGED, json!({})),
        call("who_am_i", json!({ FORGED: FORGED })),
        call(
            "hold",
            json!({ "directory": format!("/nowhere/{FORGED}\0") }),
        ),
        message("tools/call", json!({ "name": "who_am_i", "_meta": meta })),
        message(
            "initialize",
            json!({ "clientInfo": { "name": FORGED, "version": FORGED } }),
        ),
    ] {
        send(&good, body).await;
    }
    let who = || call("who_am_i", json!({}));
    // The client chooses the text of a token; the issuer does if the signature is valid.
    for (header, claim, status) in [
        ("kid", "", 401),
        ("typ", "", 401),
        ("", "iss", 401),
        ("", "org_id", 200),
        ("", "client_id", 200),
        ("", "sub", 401),
    ] {
        let reply = send(&sign(header, claim), who()).await;
        assert_eq!(reply.status, status, "{header}{claim}: {reply:?}");
    }
    let address = endpoint.replace("http://", "").replace("/mcp", "");
    for header in ["Mcp-Name", "Authorization", "Host"] {
        let mut connection = Raw::connect(address.parse().unwrap()).await;
        let head = [&*format!("{header}: x\u{1b}[2K")];
        let request = raw::request("POST", "/mcp", &head, b"");
        connection.write(&request).await;
        let status = connection.reply().await.status;
        assert!((400..500).contains(&status), "{header}: {status}");
    }
    process.signal("TERM");
    eventually("it ends", || process.ended().is_some()).await;
    let log = process.log();
    let control = |character: char| character.is_control() && character != '\n';
    assert!(!log.contains(control), "{log}");
    assert!(!log.contains("\n2026-01-01"), "{log}");
    // Each text has one record, and is escaped in it.
    for (field, records) in [
        ("client=\"x\\n2026", 1),
        ("subject=Some(\"x\\n2026", 1),
        ("kid=Some(\"x\\n2026", 1),
    ] {
        let found = log.lines().filter(|line| line.contains(field)).count();
        assert_eq!(found, records, "{field} in {log}");
    }
}

#[actix_web::test]
async fn t13_a_caller_cannot_cancel_the_calls_of_another_or_change_its_log_level() {
    let gate = Gate::closed();
    let state = gate.clone();
    let world = World::of("protocol::parked", |builder| builder.state(state)).await;
    let wait = tokio::spawn(
        world
            .call(Era::Legacy, "wait", json!({}))
            .bearer(&world.ada())
            .send(),
    );
    eventually("the call waits", || gate.entered() == 1).await;
    let cancel = json!({
        "jsonrpc": "2.0",
        "method": "notifications/cancelled",
        "params": { "requestId": 1, "reason": "mine now" },
    });
    for token in [world.grace(), world.ada()] {
        let reply = world.post(cancel.to_string()).bearer(&token).send().await;
        reply.expect_status(202);
        let level = world.ask(Era::Legacy, "logging/setLevel", json!({ "level": "debug" }));
        level.bearer(&token).send().await.expect_status(200);
    }
    assert!(gate.abandoned().is_empty());
    gate.open();
    wait.await.unwrap().expect_text("passed");
}

#[actix_web::test]
async fn t14_a_modern_body_needs_its_version_header() {
    let world = World::new().await;
    let ask = world
        .call(Era::Modern, "who_am_i", json!({}))
        .bearer(&world.ada());
    for older in ["2025-11-25", "2025-06-18", "2025-03-26"] {
        let ask = ask.clone().header("mcp-protocol-version", older);
        ask.send().await.expect_rpc_error(400, -32020);
    }
    ask.without("mcp-protocol-version")
        .send()
        .await
        .expect_rpc_error(400, -32020);
    world.expect_runs(0);
}

#[actix_web::test]
async fn t14_a_safe_name_in_the_header_does_not_cover_a_dangerous_one_in_the_body() {
    let world = World::new().await;
    let dangerous = json!({ "document_id": "d1" });
    for era in ERAS {
        let ask = world
            .call(era, "delete_document", dangerous.clone())
            .bearer(&world.ada());
        ask.clone()
            .header("mcp-name", "greet")
            .send()
            .await
            .expect_rpc_error(400, -32020);
        ask.header("mcp-method", "tools/list")
            .send()
            .await
            .expect_rpc_error(400, -32020);
    }
    // A duplicate header is refused like a wrong one.
    let body = message("tools/call", json!({ "name": "who_am_i" }));
    let ada = format!("Authorization: Bearer {}", world.ada());
    for (first, second) in [
        ("Mcp-Name: who_am_i", "Mcp-Name: who_am_i"),
        ("Mcp-Name: who_am_i", "mcp-name: greet"),
        ("Mcp-Method: tools/call", "Mcp-Method: tools/call"),
        (
            "MCP-Protocol-Version: 2025-11-25",
            "MCP-Protocol-Version: 2025-11-25",
        ),
    ] {
        let head = [
            &*world.host_line(),
            "Content-Type: application/json",
            &ada,
            first,
            second,
        ];
        let mut connection = world.raw().await;
        connection
            .write(&raw::post("/mcp", &head, body.as_bytes()))
            .await;
        connection.reply().await.expect_rpc_error(400, -32020);
    }
    world.expect_runs(0);
}

#[actix_web::test]
async fn t14_a_batch_cannot_hide_a_call() {
    let world = World::new().await;
    let greet = message(
        "tools/call",
        json!({ "name": "greet", "arguments": { "name": "x" } }),
    );
    let delete = message("tools/call", json!({ "name": "delete_document" }));
    for batch in [vec![&greet; 17], vec![&greet, &delete], vec![&greet]] {
        let batch = batch
            .into_iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(",");
        let ask = world
            .post(format!("[{batch}]"))
            .header("mcp-protocol-version", "2025-03-26");
        ask.clone().send().await.expect_status(401);
        ask.bearer(&world.ada())
            .send()
            .await
            .expect_rpc_error(400, -32600);
    }
    world.expect_runs(0);
}

#[actix_web::test]
async fn t15_an_escaped_name_is_checked_after_unescaping() {
    let world = World::new().await;
    let params = r#""name":"del\u0065te_document","arguments":{"document_id":"d1"}"#;
    let legacy =
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools\/call","params":{{{params}}}}}"#);
    let modern = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{{params},"_meta":{}}}}}"#,
        modern_meta()
    );
    let modern = world
        .post(modern)
        .header("mcp-protocol-version", MODERN)
        .header("mcp-method", "tools/call");
    for ask in [
        world.post(legacy),
        modern.clone().header("mcp-name", "delete_document"),
    ] {
        ask.clone().send().await.expect_status(401);
        let reply = ask.clone().bearer(&world.grace()).send().await;
        assert_eq!(reply.text(), PERMISSION_DENIED);
        ask.header("mcp-name", r"del\u0065te_document")
            .bearer(&world.ada())
            .send()
            .await
            .expect_rpc_error(400, -32020);
    }
    world.expect_runs(0);
}

#[actix_web::test]
async fn t15_a_message_with_a_duplicate_member_calls_no_tool() {
    let world = World::new().await;
    let greet = r#""name":"greet""#;
    let delete = r#""name":"delete_document""#;
    let arguments = r#""arguments":{"name":"x","document_id":"d1"}"#;
    let ping = r#""method":"ping""#;
    let call = r#""method":"tools/call""#;
    for body in [
        format!(r#"{{"jsonrpc":"2.0","id":1,{call},"params":{{{greet},{delete},{arguments}}}}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":1,{call},"params":{{{delete},{greet},{arguments}}}}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":1,{ping},{call},"params":{{{delete},{arguments}}}}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":1,{call},{ping},"params":{{{delete},{arguments}}}}}"#),
        format!(
            r#"{{"jsonrpc":"2.0","id":1,{call},"params":{{{delete},"arguments":{{}},{arguments}}}}}"#
        ),
        format!(
            r#"{{"jsonrpc":"2.0","id":1,{call},"params":{{{delete},"arguments":{{"document_id":"a","document_id":"b"}}}}}}"#
        ),
    ] {
        let reply = world.post(body.clone()).send().await;
        assert_eq!(reply.status, 401, "{body}");
        let reply = world
            .post(body.clone())
            .bearer(&world.ada())
            .send()
            .await
            .json();
        let refused = reply.get("error").is_some() || reply["result"]["isError"] == true;
        assert!(refused, "{body}: {reply}");
    }
    world.expect_runs(0);
}

#[actix_web::test]
async fn t16_a_token_that_differs_only_in_its_signature_is_not_taken_from_the_cache() {
    let world = World::new().await;
    let ada = world.ada();
    call(&world, &ada, "who_am_i").await.expect_text("user_ada");
    let (signed, signature) = ada.rsplit_once('.').unwrap();
    let mut first_byte_changed = signature.to_owned();
    let other = if signature.starts_with('A') { "B" } else { "A" };
    first_byte_changed.replace_range(..1, other);
    // 256 bytes are 342 characters of Base64, with four unused bits in the last character. Other
    // characters there decode to the same bytes.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = alphabet.find(signature.chars().last().unwrap()).unwrap();
    let same_bytes = &alphabet[last + 1..last + 2];
    let last_bits_changed = format!("{}{same_bytes}", &signature[..signature.len() - 1]);
    for signature in [
        &*first_byte_changed,
        &last_bits_changed,
        "",
        &signature[..340],
        &format!("{signature}A"),
    ] {
        let reply = call(&world, &format!("{signed}.{signature}"), "who_am_i").await;
        assert_eq!(
            reply.expect_status(401).challenge(),
            world.invalid_token_challenge()
        );
    }
    world.expect_runs(1);
}

#[actix_web::test]
async fn t16_bad_tokens_do_not_evict_good_ones() {
    let world = World::with(|builder| builder.failed_authentications_per_minute(500)).await;
    let ada = world.ada();
    call(&world, &ada, "who_am_i").await.expect_text("user_ada");
    // A token that was issued today could be signed by a new key, so each one would wait for a
    // fetch of the keys.
    let yesterday = world.clock.unix_seconds() - 24 * 3600;
    let other = world.instance.mint(&TokenRequest::oauth("ada"), yesterday);
    let signed = other.unwrap().rsplit_once('.').unwrap().0.to_owned();
    for index in 0..500 {
        let bad = if index % 2 == 0 {
            format!("{signed}.{index:0>342}")
        } else {
            format!("bad{index}")
        };
        call(&world, &bad, "who_am_i").await.expect_status(401);
    }
    call(&world, "bad", "who_am_i").await.expect_status(429);
    call(&world, &ada, "who_am_i").await.expect_text("user_ada");
}

#[actix_web::test]
async fn t17_a_look_up_continues_when_its_first_waiter_leaves() {
    let world = World::new().await;
    let ada = world.ada();
    call(&world, &ada, "who_am_i").await.expect_text("user_ada");
    world.instance.latency(Duration::from_millis(300));
    let looked_up = || world.instance.requests_to("/v1/organizations");
    let leader = leader(&world, &ada, "which_org").await;
    eventually("the look-up is under way", || looked_up() == 1).await;
    leader.close().await;
    let others = join_all((0..50).map(|_| call(&world, &ada, "which_org"))).await;
    for reply in others {
        reply.expect_text("org_acme");
    }
    assert_eq!(looked_up(), 1);
}

#[actix_web::test]
async fn t17_a_fetch_of_keys_continues_when_its_first_waiter_leaves() {
    let clerk = emulator().await;
    clerk.instance().fail_with(Some(500));
    let world = World::at(clerk, TOOLS, |server| server).await;
    world.instance.fail_with(None);
    world.instance.latency(Duration::from_millis(300));
    world.clock.advance(Duration::from_secs(60));
    let fetched = || world.instance.requests_to("/.well-known/jwks.json");
    let before = fetched();
    let ada = world.ada();
    let leader = leader(&world, &ada, "who_am_i").await;
    eventually("the fetch is under way", || fetched() == before + 1).await;
    leader.close().await;
    let others = join_all((0..50).map(|_| call(&world, &ada, "who_am_i"))).await;
    for reply in others {
        reply.expect_text("user_ada");
    }
    assert_eq!(fetched(), before + 1);
}

/// A call whose client does not wait for the response.
async fn leader(world: &World, token: &str, tool: &str) -> Raw {
    let authorization = format!("Authorization: Bearer {token}");
    let name = format!("Mcp-Name: {tool}");
    let head = [
        &*world.host_line(),
        "Content-Type: application/json",
        &authorization,
        "MCP-Protocol-Version: 2026-07-28",
        "Mcp-Method: tools/call",
        &name,
    ];
    let body = message(
        "tools/call",
        json!({ "name": tool, "_meta": modern_meta() }),
    );
    let mut connection = world.raw().await;
    connection
        .write(&raw::post("/mcp", &head, body.as_bytes()))
        .await;
    connection
}

/// A mock that answers like an issuer, except for its keys.
fn issuer_with_keys(keys: impl Fn() -> Answer + Send + Sync + 'static) -> Stub {
    Stub::start(move |path, url| match path {
        "/.well-known/oauth-authorization-server" => Answer::json(Stub::metadata(url)),
        _ => keys(),
    })
}

#[actix_web::test]
async fn t20_keys_behind_a_redirect_without_an_end_or_never_coming_are_503() {
    let genuine = emulator().await;
    let jwks = format!("{}/.well-known/jwks.json", genuine.url());
    let redirect = move || Answer::Now(302, vec![format!("Location: {jwks}")], Vec::new());
    for (what, stub) in [
        ("a redirect", issuer_with_keys(redirect)),
        ("no end", issuer_with_keys(|| Answer::Endless)),
        ("no body", issuer_with_keys(|| Answer::Stall)),
        ("no JSON", issuer_with_keys(|| Answer::json("keys"))),
    ] {
        let server = mcp_auth::server!()
            .tools_of("protocol::threats::plain")
            .frontend_api_url(stub.url());
        let serving = crate::support::Serving::start(server).await;
        // The signature does not matter: the key could only come from this issuer.
        let request = TokenRequest::oauth("ada");
        let now = mcp_auth::testing::TestClock::new().unix_seconds();
        let (header, mut claims) = genuine.instance().token_parts(&request, now).unwrap();
        claims["iss"] = json!(stub.url());
        let token = genuine.instance().mint_claims(header, claims).unwrap();
        let response = client()
            .post(format!("http://{}/mcp", serving.address))
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {token}"))
            .body(message("tools/call", json!({ "name": "nothing" })))
            .send();
        let reply = Reply::read(response.await.unwrap()).await;
        assert_eq!(reply.status, 503, "{what}");
        assert!(
            stub.written() < 32 * 1024 * 1024,
            "{what}: {} bytes",
            stub.written()
        );
    }
    assert_eq!(genuine.instance().requests_to("/.well-known/jwks.json"), 0);
}

#[actix_web::test]
async fn t20_a_backend_api_that_misbehaves_is_503_and_the_secret_key_goes_nowhere_else() {
    let trap = Stub::start(|_, _| no_keys());
    let location = format!("Location: {}/v1/stolen", trap.url());
    for (what, answer) in [
        (
            "a redirect",
            Box::new(move || Answer::Now(307, vec![location.clone()], Vec::new()))
                as Box<dyn Fn() -> Answer + Send + Sync>,
        ),
        ("no end", Box::new(|| Answer::Endless)),
        ("no JSON", Box::new(|| Answer::json("[]"))),
        (
            "another user's membership",
            Box::new(|| Answer::json(membership("org_other").to_string())),
        ),
    ] {
        let api = Stub::start(move |path, _| match path {
            "/v1/jwks" => Answer::status(500),
            _ => answer(),
        });
        let url = api.url().to_owned();
        let world = World::built(
            emulator().await,
            TOOLS,
            |server| server,
            |clerk| builder(clerk).api_url(url).secret_key("sk_test_hunter2"),
        )
        .await;
        let reply = call(&world, &world.ada(), "which_org").await;
        assert_eq!(reply.status, 503, "{what}");
        world.expect_runs(0);
        let asked = api
            .requests()
            .iter()
            .filter(|head| head.contains("sk_test_hunter2"))
            .count();
        assert_eq!(
            asked, 4,
            "{what}: three checks at the start, and the look-up"
        );
        assert!(
            api.written() < 32 * 1024 * 1024,
            "{what}: {} bytes",
            api.written()
        );
    }
    assert_eq!(trap.requests(), Vec::<String>::new());
}

/// One membership of `ada`, as the Backend API lists it.
fn membership(organization: &str) -> Value {
    json!({
        "data": [{
            "organization": { "id": organization, "slug": "x" },
            "public_user_data": { "user_id": "user_ada" },
            "role": "org:admin",
            "permissions": ["org:documents:delete"],
        }],
        "total_count": 1,
    })
}

#[actix_web::test]
async fn t20_plain_http_urls_of_clerk_do_not_start() {
    let server = || mcp_auth::server!().tools_of("protocol::threats::plain");
    let insecure = server().frontend_api_url("http://clerk.example.com");
    assert!(
        insecure
            .build()
            .await
            .unwrap_err()
            .to_string()
            .contains("must be https")
    );
    let insecure = server()
        .frontend_api_url("https://clerk.example.com")
        .secret_key("sk_test_hunter2")
        .api_url("http://api.example.com");
    let text = insecure.build().await.unwrap_err().to_string();
    assert!(
        text.contains("must be https") && !text.contains("hunter2"),
        "{text}"
    );
}

mod plain {
    use mcp_auth::mcp_tool;

    /// Do nothing.
    #[mcp_tool]
    async fn nothing() {}
}

#[actix_web::test]
async fn t21_a_challenge_requests_no_scope_that_would_not_help() {
    let world = World::new().await;
    for era in ERAS {
        for (token, text) in [
            (world.grace(), PERMISSION_DENIED),
            (world.linus(), ORGANIZATION_REQUIRED),
        ] {
            let reply = world
                .call(era, "purge", json!({}))
                .bearer(&token)
                .send()
                .await;
            assert_eq!(reply.text(), text);
            assert_eq!(reply.result()["isError"], true);
            assert!(reply.headers.get("www-authenticate").is_none());
        }
    }
    world.expect_runs(0);
    call(&world, &world.ada(), "purge").await.expect_status(403);
}

#[actix_web::test]
async fn t19_a_granted_scope_without_an_organization_is_never_a_challenge() {
    never_challenged(World::new().await).await;
    // No challenge is sent even if the server sends one for a missing organization.
    never_challenged(World::with(ServerBuilder::step_up_for_organization).await).await;
}

async fn never_challenged(world: World) {
    let granted = world.mint(&TokenRequest::oauth("linus").scopes(["user:org:read"]));
    for tool in ["which_org", "delete_document", "rename_org", "purge"] {
        for era in ERAS {
            // A client can try any number of times.
            for _ in 0..3 {
                let reply = world.call(era, tool, json!({})).bearer(&granted).send();
                let reply = reply.await;
                assert_eq!(reply.expect_status(200).text(), ORGANIZATION_REQUIRED);
                assert!(reply.headers.get("www-authenticate").is_none());
            }
        }
    }
    for era in ERAS {
        let reply = world.list(era).bearer(&granted).send().await;
        assert!(
            !reply
                .expect_status(200)
                .tools()
                .contains(&"which_org".to_owned())
        );
    }
    world.expect_runs(0);
}

#[actix_web::test]
async fn t22_a_withdrawn_key_expires_even_if_refreshes_fail() {
    let world = World::new().await;
    let ada = world.mint(&TokenRequest::oauth("ada").expires_in(7 * 24 * 3600));
    call(&world, &ada, "who_am_i").await.expect_text("user_ada");
    world.instance.rotate_key().unwrap();
    world.instance.fail_with(Some(500));
    for _ in 0..23 {
        world.clock.advance(Duration::from_secs(3600));
        call(&world, &ada, "who_am_i").await.expect_text("user_ada");
    }
    world.clock.advance(Duration::from_secs(3601));
    for _ in 0..3 {
        call(&world, &ada, "who_am_i").await.expect_unavailable();
    }
    world.expect_runs(24);
    world.instance.fail_with(None);
    world.clock.advance(Duration::from_secs(60));
    call(&world, &ada, "who_am_i").await.expect_status(401);
    world.expect_runs(24);
}

#[actix_web::test]
async fn t24_no_spelling_of_the_path_reaches_a_tool_without_a_token() {
    let world = World::new().await;
    let body = message("tools/call", json!({ "name": "who_am_i" }));
    for path in [
        "/mcp/",
        "//mcp",
        "/mcp//",
        "/mcp%2f",
        "/mcp%2F",
        "/%6dcp",
        "/MCP",
        "/mcp;x=1",
        "/mcp/.",
        "/x/../mcp",
        "/./mcp",
        "/mcp/who_am_i",
        "/mcp%00",
        "/mcp?x=1",
        "/",
        "/.well-known/oauth-protected-resource/",
    ] {
        for method in ["POST", "GET", "PUT"] {
            let head = [&*world.host_line(), "Content-Type: application/json"];
            let mut connection = world.raw().await;
            connection
                .write(&raw::request(method, path, &head, body.as_bytes()))
                .await;
            let status = connection.reply().await.status;
            assert!(
                matches!(status, 400 | 401 | 404 | 405),
                "{method} {path}: {status}"
            );
        }
    }
    world.expect_runs(0);
}

#[actix_web::test]
async fn t24_no_method_reaches_a_tool_without_a_token() {
    let world = World::new().await;
    let body = message("tools/call", json!({ "name": "who_am_i" }));
    let head = [&*world.host_line(), "Content-Type: application/json"];
    for method in [
        "TRACE", "PUT", "PATCH", "DELETE", "CONNECT", "PROPFIND", "post", "POSTX",
    ] {
        let mut connection = world.raw().await;
        connection
            .write(&raw::request(method, "/mcp", &head, body.as_bytes()))
            .await;
        let reply = connection.reply().await;
        assert!(
            matches!(reply.status, 400 | 401 | 404 | 405),
            "{method}: {}",
            reply.status
        );
        assert!(
            !String::from_utf8_lossy(&reply.body).contains("jsonrpc"),
            "{method}"
        );
    }
    let reply = world.request(Method::HEAD, "/mcp").send().await;
    assert_eq!(
        reply.expect_status(401).challenge(),
        world.sign_in_challenge()
    );
    world.expect_runs(0);
}

#[actix_web::test]
async fn t24_mounted_under_a_scope_the_challenge_still_leads_to_the_metadata() {
    let clerk = emulator().await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let server = builder(&clerk)
        .tools_of("protocol::threats::plain")
        .url(format!("{origin}/api/mcp"))
        .build()
        .await
        .unwrap();
    let http = HttpServer::new(move || {
        App::new()
            .configure(server.well_known())
            .service(web::scope("/api").configure(server.routes()))
    })
    .workers(1)
    .h1_allow_half_closed(false)
    .disable_signals()
    .listen(listener)
    .unwrap()
    .run();
    let handle = http.handle();
    let running = actix_web::rt::spawn(http);

    let body = message("tools/call", json!({ "name": "nothing" }));
    let post = |path: &str| {
        client()
            .post(format!("{origin}{path}"))
            .header("content-type", "application/json")
            .body(body.clone())
    };
    let reply = Reply::read(post("/api/mcp").send().await.unwrap()).await;
    let metadata = format!("{origin}/.well-known/oauth-protected-resource/api/mcp");
    let challenge = reply.expect_status(401).challenge();
    assert!(
        challenge.contains(&format!(r#"resource_metadata="{metadata}""#)),
        "{challenge}"
    );
    let document = Reply::read(client().get(metadata).send().await.unwrap()).await;
    assert_eq!(document.json()["resource"], format!("{origin}/api/mcp"));
    let slashed = Reply::read(post("/api/mcp/").send().await.unwrap()).await;
    assert_eq!(slashed.expect_status(401).challenge(), challenge);
    for path in ["/mcp", "/api/mcp//", "/api/api/mcp", "/api"] {
        Reply::read(post(path).send().await.unwrap())
            .await
            .expect_status(404);
    }
    let now = mcp_auth::testing::TestClock::new().unix_seconds();
    let token = clerk
        .instance()
        .mint(&TokenRequest::oauth("ada"), now)
        .unwrap();
    let signed_in = post("/api/mcp").header("authorization", format!("Bearer {token}"));
    Reply::read(signed_in.send().await.unwrap())
        .await
        .expect_status(200);

    handle.stop(false).await;
    running.await.unwrap().unwrap();
}

async fn by_hand(world: &World, method: &str, path: &str, head: &[&str]) -> Reply {
    let mut connection = world.raw().await;
    connection
        .write(&raw::request(method, path, head, b""))
        .await;
    connection.reply().await
}
