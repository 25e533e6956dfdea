//! The table of refusals: each row over HTTP with the exact response. Each test also shows that no
//! tool ran.

use std::time::Duration;

use clerk_emulator::TokenRequest;
use mcp_auth::AuthorizedParties;
use reqwest::Method;
use serde_json::{Value, json};

use crate::raw;
use crate::reply::Reply;
use crate::support::{ERAS, Era, LEGACY, ORGANIZATION_REQUIRED, PERMISSION_DENIED, World, message};

mod tools {
    use mcp_auth::{PublicErrorExt, State, ToolError, mcp_tool};

    use crate::support::Runs;

    /// Divide two numbers.
    #[mcp_tool]
    async fn divide(dividend: i64, divisor: i64) -> Result<i64, ToolError> {
        dividend
            .checked_div(divisor)
            .or_public("The divisor must not be zero")
    }

    /// Fail with what only the log may know.
    #[mcp_tool]
    async fn leak() -> Result<String, ToolError> {
        Err(std::io::Error::other("password=hunter2"))?
    }

    /// Panic.
    #[mcp_tool]
    async fn explode() -> String {
        panic!("password=hunter2")
    }

    /// Never end.
    #[mcp_tool]
    async fn hang() -> String {
        std::future::pending().await
    }

    /// Take arguments of several kinds.
    #[mcp_tool]
    async fn fill(count: u8, names: Vec<String>, runs: &State<Runs>) -> String {
        runs.count();
        format!("{count} {}", names.join(" "))
    }
}

async fn call(world: &World, era: Era, token: &str, tool: &str) -> Reply {
    let arguments = match tool {
        "delete_document" => json!({ "document_id": "d1" }),
        _ => json!({}),
    };
    world.call(era, tool, arguments).bearer(token).send().await
}

#[actix_web::test]
async fn a_host_that_is_not_served_is_forbidden_before_anything_else() {
    let world = World::new().await;
    for (target, method) in [
        ("/mcp", "POST"),
        ("/mcp", "PUT"),
        ("/mcp?access_token=x", "GET"),
    ] {
        let head = ["Host: evil.example", "Authorization: Bearer bad"];
        let mut connection = world.raw().await;
        connection
            .write(&raw::request(method, target, &head, b"no JSON"))
            .await;
        connection
            .reply()
            .await
            .expect_oauth_error(403, "forbidden", "This Host is not served");
    }
    world.expect_runs(0);
}

#[actix_web::test]
async fn an_origin_that_is_not_allowed_is_forbidden_before_anything_else() {
    let world = World::new().await;
    let greet = world.call(Era::Legacy, "greet", json!({ "name": "Ada" }));
    for origin in [
        "https://evil.example",
        "null",
        "http://localhost.evil.example",
    ] {
        let reply = greet
            .clone()
            .bearer("bad")
            .header("origin", origin)
            .send()
            .await;
        reply.expect_oauth_error(403, "forbidden", "This Origin is not allowed");
        assert_eq!(reply.header("access-control-allow-origin"), None);
    }
    world.expect_runs(0);
    let local = greet.header("origin", "http://localhost:6274").send().await;
    local.expect_text("Hello Ada");
}

#[actix_web::test]
async fn a_request_without_a_token_for_a_tool_that_is_not_public_is_challenged() {
    let world = World::new().await;
    for era in ERAS {
        for ask in [
            world.call(era, "delete_document", json!({ "document_id": "d1" })),
            world.call(era, "who_am_i", json!({})),
            world.call(era, "no_such_tool", json!({})),
            world.list(era),
            world.ask(era, "initialize", json!({ "protocolVersion": LEGACY })),
            world.ask(era, "server/discover", json!({})),
            world.ask(era, "ping", json!({})),
            world.ask(era, "no/such/method", json!({})),
        ] {
            let reply = ask.send().await;
            reply.expect_refused_request(401, "invalid_token", "An access token is required");
            assert_eq!(reply.challenge(), world.sign_in_challenge());
        }
        for ask in [
            world.post("{"),
            world.request(Method::GET, "/mcp"),
            world.request(Method::DELETE, "/mcp"),
        ] {
            let reply = ask.send().await;
            reply.expect_oauth_error(401, "invalid_token", "An access token is required");
            assert_eq!(reply.challenge(), world.sign_in_challenge());
        }
    }
    world.expect_runs(0);
}

#[actix_web::test]
async fn an_invalid_token_is_refused_without_a_reason() {
    let world = World::with(|builder| builder.allowed_clients(["client_emulator"])).await;
    let mut first = None;
    for (why, token) in bad_tokens(&world) {
        for era in ERAS {
            let reply = call(&world, era, &token, "delete_document").await;
            // Only a refusal that means "connect again" has a reason; see `audience.rs`.
            if ["for another resource", "for no resource"].contains(&why) {
                let text =
                    "The access token was issued for another server; connect this server again";
                reply.expect_oauth_error(401, "invalid_token", text);
                continue;
            }
            reply.expect_oauth_error(
                401,
                "invalid_token",
                "The access token is invalid or expired",
            );
            assert_eq!(reply.challenge(), world.invalid_token_challenge(), "{why}");
            let body = first.get_or_insert_with(|| reply.body.clone());
            assert_eq!(*body, reply.body, "{why}");
        }
    }
    world.expect_runs(0);
    call(&world, Era::Modern, &world.ada(), "delete_document")
        .await
        .expect_text("Document d1 of org_acme deleted");
}

/// Tokens with one defect each.
fn bad_tokens(world: &World) -> Vec<(&'static str, String)> {
    let ada = || TokenRequest::oauth("ada").org("acme");
    let changed = |change: &dyn Fn(&mut Value, &mut Value)| {
        let (mut header, mut claims) = world
            .instance
            .token_parts(&ada(), world.clock.unix_seconds())
            .unwrap();
        change(&mut header, &mut claims);
        world.instance.mint_claims(header, claims).unwrap()
    };
    let claim = |name: &'static str, value: Value| {
        changed(&|_, claims: &mut Value| claims[name] = value.clone())
    };
    let header = |name: &'static str, value: Value| {
        changed(&|header: &mut Value, _| header[name] = value.clone())
    };
    let good = world.ada();
    let now = world.clock.unix_seconds();
    let without_expiry = changed(&|_, claims: &mut Value| {
        claims.as_object_mut().unwrap().remove("exp");
    });
    let signature_of_another = {
        let other = world.grace();
        let signature = other.rsplit('.').next().unwrap();
        format!("{}.{signature}", good.rsplit_once('.').unwrap().0)
    };
    vec![
        ("no JWT", "abc".to_owned()),
        ("two parts", good.rsplit_once('.').unwrap().0.to_owned()),
        ("opaque", "oat_0123456789".to_owned()),
        ("of a machine", "mt_0123456789".to_owned()),
        ("padded", format!("{good}=")),
        (
            "larger than 16 KiB",
            format!("{good}{}", "A".repeat(16 * 1024)),
        ),
        ("expired", world.mint(&ada().expires_in(-60))),
        ("without an expiry", without_expiry),
        ("not active yet", claim("nbf", json!(now + 60))),
        ("issued in the future", claim("iat", json!(now + 60))),
        (
            "of another issuer",
            claim("iss", json!("https://clerk.evil.example")),
        ),
        (
            "with a list of issuers",
            claim("iss", json!([world.instance.issuer()])),
        ),
        (
            "of a slashed issuer",
            claim("iss", json!(format!("{}/", world.instance.issuer()))),
        ),
        (
            "for another resource",
            world.mint(&ada().aud("https://other.example/mcp")),
        ),
        ("for no resource", claim("aud", json!([]))),
        ("for an odd resource", claim("aud", json!({ "a": 1 }))),
        (
            "of an unknown client",
            world.mint(&ada().client_id("client_other")),
        ),
        ("of nobody", claim("sub", json!(""))),
        ("of a machine by subject", claim("sub", json!("mch_1"))),
        ("unsigned", header("alg", json!("none"))),
        ("with a shared secret", header("alg", json!("HS256"))),
        ("of another algorithm", header("alg", json!("RS512"))),
        ("of another type", header("typ", json!("at+jwt+x"))),
        ("with an extension", header("crit", json!(["x"]))),
        (
            "with an unknown key",
            header("kid", json!("ins_emulator_other")),
        ),
        (
            "a session token",
            world.mint(&TokenRequest::session("ada").org("acme")),
        ),
        ("with another's signature", signature_of_another),
    ]
}

#[actix_web::test]
async fn a_session_token_is_refused_by_its_kind_even_if_others_are_accepted() {
    let world = World::with(|builder| {
        builder.session_tokens(AuthorizedParties::only(["http://localhost:3000"]))
    })
    .await;
    let elsewhere = TokenRequest::session("ada")
        .org("acme")
        .azp("https://evil.example");
    let reply = call(&world, Era::Legacy, &world.mint(&elsewhere), "who_am_i").await;
    assert_eq!(
        reply.expect_status(401).challenge(),
        world.invalid_token_challenge()
    );
    world.expect_runs(0);
    let here = TokenRequest::session("ada").org("acme");
    let reply = call(&world, Era::Legacy, &world.mint(&here), "who_am_i").await;
    reply.expect_text("user_ada");
}

#[actix_web::test]
async fn several_authorization_headers_are_an_invalid_request() {
    let world = World::new().await;
    let good = format!("Authorization: Bearer {}", world.ada());
    let body = message("tools/call", json!({ "name": "who_am_i" }));
    for second in [
        &*good,
        "Authorization: Bearer bad",
        "authorization: Basic YTpi",
    ] {
        let head = [
            &*world.host_line(),
            "Content-Type: application/json",
            &good,
            second,
        ];
        let mut connection = world.raw().await;
        connection
            .write(&raw::post("/mcp", &head, body.as_bytes()))
            .await;
        let reply = connection.reply().await;
        reply.expect_oauth_error(400, "invalid_request", "Send one Authorization header");
    }
    world.expect_runs(0);
}

#[actix_web::test]
async fn a_token_in_the_query_is_an_invalid_request() {
    let world = World::new().await;
    let ada = world.ada();
    let ask = world.call(Era::Legacy, "who_am_i", json!({}));
    for ask in [ask.clone(), ask.clone().bearer(&ada)] {
        let reply = ask.query(&format!("access_token={ada}")).send().await;
        reply.expect_oauth_error(
            400,
            "invalid_request",
            "Send the access token in the Authorization header",
        );
    }
    world.expect_runs(0);
    ask.bearer(&ada)
        .query("tenant=1")
        .send()
        .await
        .expect_text("user_ada");
}

#[actix_web::test]
async fn keys_that_cannot_be_fetched_are_answered_with_503() {
    let clerk = crate::support::emulator().await;
    clerk.instance().fail_with(Some(500));
    let world = World::at(clerk, "protocol::tools", |builder| builder).await;
    for era in ERAS {
        for tool in ["who_am_i", "greet", "delete_document"] {
            let reply = call(&world, era, &world.ada(), tool).await;
            reply.expect_unavailable();
        }
        world
            .list(era)
            .bearer(&world.ada())
            .send()
            .await
            .expect_unavailable();
    }
    world.expect_runs(0);
    world.instance.fail_with(None);
    world.clock.advance(Duration::from_secs(60));
    call(&world, Era::Legacy, &world.ada(), "who_am_i")
        .await
        .expect_text("user_ada");
}

#[actix_web::test]
async fn a_membership_that_cannot_be_looked_up_is_answered_with_503() {
    let world = World::new().await;
    let (ada, linus) = (world.ada(), world.linus());
    call(&world, Era::Legacy, &ada, "who_am_i")
        .await
        .expect_text("user_ada");
    world.instance.fail_with(Some(500));
    for era in ERAS {
        for tool in ["which_org", "delete_document", "rename_org", "purge"] {
            call(&world, era, &ada, tool).await.expect_unavailable();
        }
        world
            .list(era)
            .bearer(&ada)
            .send()
            .await
            .expect_unavailable();
    }
    world.expect_runs(1);
    // Tools without an organization are served, and so are callers in no organization.
    call(&world, Era::Modern, &ada, "who_am_i")
        .await
        .expect_text("user_ada");
    world
        .list(Era::Modern)
        .bearer(&linus)
        .send()
        .await
        .expect_status(200);
}

#[actix_web::test]
async fn a_throttled_look_up_passes_on_its_retry_after() {
    let world = World::new().await;
    call(&world, Era::Legacy, &world.ada(), "who_am_i")
        .await
        .expect_text("user_ada");
    world.instance.throttle(17);
    let reply = call(&world, Era::Modern, &world.ada(), "which_org").await;
    assert_eq!(reply.expect_unavailable(), 17);
    let asked = world.instance.requests_to("/v1/organizations");
    let reply = call(&world, Era::Modern, &world.grace(), "which_org").await;
    assert_eq!(reply.expect_unavailable(), 17);
    assert_eq!(world.instance.requests_to("/v1/organizations"), asked);
    world.expect_runs(1);
}

#[actix_web::test]
async fn a_missing_organization_is_a_result_with_an_exact_text() {
    let world = World::new().await;
    let curable = json!({
        "kind": "organization",
        "required": [],
        "cure": { "scope": "user:org:read" },
    });
    let incurable = json!({ "kind": "organization", "required": [] });
    let granted = TokenRequest::oauth("linus").scopes(["profile", "user:org:read"]);
    for era in ERAS {
        for tool in ["which_org", "delete_document"] {
            call(&world, era, &world.linus(), tool)
                .await
                .expect_denied(ORGANIZATION_REQUIRED, &curable);
            call(&world, era, &world.mint(&granted), tool)
                .await
                .expect_denied(ORGANIZATION_REQUIRED, &incurable);
        }
    }
    world.expect_runs(0);
}

#[actix_web::test]
async fn a_missing_permission_is_a_result_with_an_exact_text() {
    let world = World::new().await;
    for era in ERAS {
        call(&world, era, &world.grace(), "delete_document")
            .await
            .expect_denied(
                PERMISSION_DENIED,
                &json!({ "kind": "permission", "required": ["org:documents:delete"] }),
            );
        call(&world, era, &world.grace(), "edit_document")
            .await
            .expect_denied(
                "Forbidden: org:documents:write permission required",
                &json!({ "kind": "permission", "required": ["org:documents:write"] }),
            );
    }
    world.expect_runs(0);
    world.instance.set_member("grace", "acme", "member", &[]);
    world.clock.advance(Duration::from_secs(31));
    call(&world, Era::Modern, &world.grace(), "edit_document")
        .await
        .expect_denied(
            "Forbidden: org:documents:read, org:documents:write permissions required",
            &json!({
                "kind": "permission",
                "required": ["org:documents:read", "org:documents:write"],
            }),
        );
    world.expect_runs(0);
}

#[actix_web::test]
async fn a_missing_role_is_a_result_with_an_exact_text() {
    let world = World::new().await;
    for era in ERAS {
        call(&world, era, &world.grace(), "rename_org")
            .await
            .expect_denied(
                "Forbidden: org:admin role required",
                &json!({ "kind": "role", "required": ["org:admin"] }),
            );
    }
    world.expect_runs(0);
    call(&world, Era::Modern, &world.ada(), "rename_org")
        .await
        .expect_text("renamed");
}

#[actix_web::test]
async fn missing_scopes_are_requested_by_a_challenge_if_only_scopes_are_missing() {
    for era in ERAS {
        let world = World::new().await;
        let reader = TokenRequest::oauth("ada")
            .org("acme")
            .scopes(["files:read"]);
        let write = "Forbidden: files:write scope required";
        let both = "Forbidden: files:read, files:write scopes required";
        for (token, tool, scopes, text) in [
            (world.ada(), "upload", "files:write user:org:read", write),
            (
                world.ada(),
                "sync",
                "files:read files:write user:org:read",
                both,
            ),
            // The challenge also names a held scope, because some clients drop scopes that it does
            // not name.
            (
                world.mint(&reader),
                "sync",
                "files:read files:write user:org:read",
                write,
            ),
            (world.ada(), "purge", "files:write user:org:read", write),
            // Neither the tool nor the token has an organization, so the challenge need not keep
            // one.
            (world.linus(), "upload", "files:write", write),
        ] {
            let reply = call(&world, era, &token, tool).await;
            let data = reply.expect_refused_request(403, "insufficient_scope", text);
            assert_eq!(data["scope"], scopes);
            assert_eq!(data["mcp-auth-rs/denied"]["kind"], "scope");
            assert_eq!(
                reply.challenge(),
                world.insufficient_scope_challenge(scopes, text)
            );
            // One client of one user gets at most two challenges; see the next test.
            world.clock.advance(Duration::from_secs(301));
        }
        world.expect_runs(0);
    }
}

#[actix_web::test]
async fn the_third_challenge_in_five_minutes_is_a_result() {
    let world = World::new().await;
    let denied = json!({
        "kind": "scope",
        "required": ["files:write"],
        "cure": { "scope": "files:write user:org:read" },
    });
    let ada = world.ada();
    for _ in 0..2 {
        call(&world, Era::Modern, &ada, "upload")
            .await
            .expect_status(403);
    }
    for era in ERAS {
        call(&world, era, &ada, "upload")
            .await
            .expect_denied("Forbidden: files:write scope required", &denied);
    }
    // Other scopes and other callers are counted separately.
    call(&world, Era::Modern, &ada, "sync")
        .await
        .expect_status(403);
    call(&world, Era::Modern, &world.grace(), "upload")
        .await
        .expect_status(403);
    world.clock.advance(Duration::from_secs(301));
    call(&world, Era::Modern, &ada, "upload")
        .await
        .expect_status(403);
    world.expect_runs(0);
}

#[actix_web::test]
async fn missing_scopes_are_a_result_if_the_server_says_so() {
    let world = World::with(mcp_auth::ServerBuilder::scope_denials_as_results).await;
    for era in ERAS {
        call(&world, era, &world.ada(), "sync").await.expect_denied(
            "Forbidden: files:read, files:write scopes required",
            &json!({
                "kind": "scope",
                "required": ["files:read", "files:write"],
                "cure": { "scope": "files:read files:write user:org:read" },
            }),
        );
    }
    world.expect_runs(0);
}

#[actix_web::test]
async fn a_session_token_never_gets_a_challenge_for_scopes() {
    let world = World::with(|builder| {
        builder.session_tokens(AuthorizedParties::only(["http://localhost:3000"]))
    })
    .await;
    let token = world.mint(&TokenRequest::session("ada").org("acme"));
    for era in ERAS {
        call(&world, era, &token, "upload").await.expect_denied(
            "Forbidden: files:write scope required",
            &json!({ "kind": "scope", "required": ["files:write"] }),
        );
    }
    world.expect_runs(0);
}

#[actix_web::test]
async fn an_unknown_tool_is_invalid_params_and_never_a_challenge() {
    let world = World::with(|builder| builder.require_scope("docs")).await;
    for era in ERAS {
        for name in ["no_such_tool", "Upload", "upload/", ""] {
            let reply = call(&world, era, &world.ada(), name).await;
            reply.expect_rpc_error(200, -32602);
            assert!(reply.headers.get("www-authenticate").is_none());
        }
    }
    world.expect_runs(0);
}

#[actix_web::test]
async fn arguments_that_are_not_an_object_are_invalid_params_and_never_a_challenge() {
    let world = World::new().await;
    for era in ERAS {
        for arguments in [json!([]), json!("x"), json!(7), json!(true)] {
            for tool in ["upload", "who_am_i", "delete_document"] {
                let reply = world
                    .call(era, tool, arguments.clone())
                    .bearer(&world.ada())
                    .send()
                    .await;
                reply.expect_rpc_error(200, -32602);
                assert!(reply.headers.get("www-authenticate").is_none());
            }
        }
    }
    world.expect_runs(0);
}

#[actix_web::test]
async fn invalid_arguments_are_a_result_that_names_the_path() {
    let world = World::of("protocol::refusals::tools", |builder| builder).await;
    for (arguments, text) in [
        (
            json!({ "names": [] }),
            "Invalid arguments: missing field `count`",
        ),
        (
            json!({ "count": 300, "names": [] }),
            "Invalid argument `count`: invalid value: integer `300`, expected u8",
        ),
        (
            json!({ "count": 3, "names": ["a", 7] }),
            "Invalid argument `names[1]`: invalid type: integer `7`, expected a string",
        ),
        (
            json!({ "count": 3, "names": "a" }),
            "Invalid argument `names`: invalid type: string \"a\", expected a sequence",
        ),
    ] {
        for era in ERAS {
            let reply = world
                .call(era, "fill", arguments.clone())
                .bearer(&world.ada())
                .send()
                .await;
            reply.expect_tool_error(text);
        }
    }
    let misspelt = json!({ "count": 3, "names": [], "dry_run": true });
    let reply = world
        .call(Era::Modern, "fill", misspelt)
        .bearer(&world.ada())
        .send()
        .await;
    assert!(
        reply.text().contains("unknown field `dry_run`"),
        "{}",
        reply.text()
    );
    assert_eq!(reply.result()["isError"], true);
    world.expect_runs(0);
}

#[actix_web::test]
async fn a_public_error_of_a_tool_is_a_result_with_its_text() {
    let world = World::of("protocol::refusals::tools", |builder| builder).await;
    for era in ERAS {
        let arguments = json!({ "dividend": 1, "divisor": 0 });
        let reply = world
            .call(era, "divide", arguments)
            .bearer(&world.ada())
            .send()
            .await;
        reply.expect_tool_error("The divisor must not be zero");
    }
}

#[actix_web::test]
async fn any_other_failure_is_a_fixed_text_and_a_reference() {
    let world = World::of("protocol::refusals::tools", |builder| {
        builder.timeout(Duration::from_millis(20))
    })
    .await;
    let mut references = Vec::new();
    for era in ERAS {
        for tool in ["leak", "explode", "hang"] {
            let reply = world
                .call(era, tool, json!({}))
                .bearer(&world.ada())
                .send()
                .await;
            let text = reply.text();
            reply.expect_tool_error(&text);
            let reference = text
                .strip_prefix("Internal error, reference ")
                .expect(&text);
            assert_eq!(reference.len(), 16, "{text}");
            assert!(
                reference.bytes().all(|byte| byte.is_ascii_hexdigit()),
                "{text}"
            );
            references.push(reference.to_owned());
        }
    }
    references.sort();
    references.dedup();
    assert_eq!(references.len(), 6);
}

#[actix_web::test]
async fn a_method_that_is_not_served_is_405_once_signed_in() {
    let world = World::new().await;
    for method in [Method::GET, Method::DELETE, Method::PUT, Method::PATCH] {
        let ask = world.request(method.clone(), "/mcp");
        let reply = ask.clone().bearer(&world.ada()).send().await;
        assert_eq!(
            reply.expect_status(405).header("allow"),
            Some("POST, OPTIONS")
        );
        assert_eq!(
            ask.send().await.expect_status(401).challenge(),
            world.sign_in_challenge()
        );
    }
    world.expect_runs(0);
}

#[actix_web::test]
async fn a_refusal_leaves_its_connection_open_once_the_body_has_come() {
    let world = World::of("protocol::refusals::tools", |builder| builder).await;
    let host = format!("Host: {}", world.server.address);
    let head = [&*host, "Content-Type: application/json"];
    let body = message("ping", json!({}));
    let refused = raw::post("/mcp", &head, body.as_bytes());
    let mut connection = world.raw().await;
    for _ in 0..3 {
        connection.write(&refused).await;
        let reply = connection.reply().await;
        assert_eq!(reply.expect_status(401).header("connection"), None);
    }
    // The server does not wait for the rest of the body.
    connection.write(&refused[..refused.len() - 1]).await;
    let reply = connection.reply().await;
    assert_eq!(reply.expect_status(401).header("connection"), Some("close"));
    world.expect_runs(0);
}

#[actix_web::test]
async fn a_refusal_closes_its_connection_if_the_body_never_ends() {
    let world = World::of("protocol::refusals::tools", |builder| {
        builder.body_deadline(Duration::from_millis(50))
    })
    .await;
    let ada = format!("Authorization: Bearer {}", world.ada());
    for (path, token, status) in [
        ("/mcp", None, 401),
        ("/mcp", Some(&*ada), 408),
        ("/elsewhere", None, 404),
    ] {
        let request = format!("POST {path} HTTP/1.1");
        let mut head = vec![&*request, "Content-Type: application/json"];
        let host = world.host_line();
        head.extend([&*host, "Transfer-Encoding: chunked"]);
        head.extend(token);
        let mut connection = world.raw().await;
        let begun = format!("{}\r\n\r\n1\r\n{{\r\n", head.join("\r\n"));
        connection.write(begun.as_bytes()).await;
        connection.reply().await.expect_status(status);
        connection.ended().await;
    }
    world.expect_runs(0);
}
