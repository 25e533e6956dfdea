//! Prompts, resources and completion over HTTP, in both eras: who sees and uses them, and what everybody else gets.

/// A tool, a prompt and a resource with the same name and the same keys.
macro_rules! room {
    ($name:tt, $uri:tt $(, $($keys:tt)+)?) => {
        const _: () = {
            type Runs = mcp_auth::State<crate::support::Runs>;

            /// Enter a room.
            #[mcp_auth::mcp_tool(name = $name $(, $($keys)+)?)]
            async fn tool(runs: &Runs) -> &'static str {
                runs.count();
                $name
            }

            /// Describe a room.
            #[mcp_auth::mcp_prompt(name = $name $(, $($keys)+)?)]
            async fn prompt(runs: &Runs) -> &'static str {
                runs.count();
                $name
            }

            /// A room.
            #[mcp_auth::mcp_resource($uri, name = $name $(, $($keys)+)?)]
            fn resource(runs: &Runs) -> &'static str {
                runs.count();
                $name
            }
        };
    };
}

mod club;
mod completion;
mod guarded;
mod office;
mod pages;
mod policies;
mod results;
mod wiki;

use clerk_emulator::{Fault, TokenRequest};
use serde_json::{Value, json};

use crate::reply::Reply;
use crate::schema::{expect_error, expect_result};
use crate::support::{ERAS, Era, World};

/// A server of the wiki.
pub(super) async fn world() -> World {
    World::of("protocol::primitives::wiki", |builder| builder).await
}

/// A prompt or a resource that a caller asks for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Item {
    Prompt(&'static str),
    Uri(&'static str),
}

impl Item {
    /// The method, the parameters, and the definition of the result.
    fn request(self) -> (&'static str, Value, &'static str) {
        match self {
            Self::Prompt(name) => (
                "prompts/get",
                json!({ "name": name, "arguments": {} }),
                "GetPromptResult",
            ),
            Self::Uri(uri) => (
                "resources/read",
                json!({ "uri": uri }),
                "ReadResourceResult",
            ),
        }
    }

    /// Expects the error of a name or a URI that does not exist.
    #[track_caller]
    fn expect_unknown(self, era: Era, reply: &Reply) {
        match self {
            Self::Prompt(name) => {
                let body = expect_error(era, 200, -32602, reply);
                assert_eq!(body["error"]["message"], format!("Unknown prompt: {name}"));
                assert_eq!(body["error"].get("data"), None);
            }
            Self::Uri(uri) => {
                let code = if era == Era::Modern { -32602 } else { -32002 };
                let body = expect_error(era, 200, code, reply);
                assert_eq!(body["error"]["message"], format!("Unknown resource: {uri}"));
                assert_eq!(body["error"]["data"], json!({ "uri": uri }));
            }
        }
    }
}

/// A token of `linus`, who is in no organization, with the scope for organizations.
fn without_organization(world: &World) -> String {
    world.mint(&TokenRequest::oauth("linus").scopes(["profile", "user:org:read"]))
}

pub(super) async fn send(world: &World, era: Era, item: Item, token: Option<&str>) -> Reply {
    let (method, params, _) = item.request();
    let ask = world.ask(era, method, params);
    match token {
        Some(token) => ask.bearer(token).send().await,
        None => ask.send().await,
    }
}

/// The outcome of a use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Outcome {
    /// The function ran, and its text has this part.
    Ran(&'static str),
    SignIn,
    Unknown,
}
use Outcome::{Ran, SignIn, Unknown};

/// Each item, with the outcomes for `ada` (who may delete), `grace` (who may read), `linus` (who is in no organization)
/// and a caller without a token. No new token would help `linus`: the token has the scope for organizations.
const USES: [(Item, [Outcome; 4]); 12] = [
    (
        Item::Prompt("hello"),
        [Ran("Hello"), Ran("Hello"), Ran("Hello"), Ran("Hello")],
    ),
    (
        Item::Prompt("ideas"),
        [Ran("ideas"), Ran("ideas"), Ran("ideas"), SignIn],
    ),
    (
        Item::Prompt("report"),
        [Ran("org_acme"), Ran("org_acme"), Unknown, SignIn],
    ),
    (
        Item::Prompt("purge"),
        [Ran("Purge"), Unknown, Unknown, SignIn],
    ),
    (
        Item::Prompt("no_such_prompt"),
        [Unknown, Unknown, Unknown, SignIn],
    ),
    (
        Item::Uri("wiki://about"),
        [Ran("wiki"), Ran("wiki"), Ran("wiki"), Ran("wiki")],
    ),
    (
        Item::Uri("wiki://me"),
        [
            Ran("user_ada"),
            Ran("user_grace"),
            Ran("user_linus"),
            SignIn,
        ],
    ),
    (
        Item::Uri("wiki://index"),
        [Ran("org_acme"), Ran("org_acme"), Unknown, SignIn],
    ),
    (
        Item::Uri("wiki://pages/7"),
        [Ran("page 7"), Ran("page 7"), Unknown, SignIn],
    ),
    (
        Item::Uri("wiki://trash/1"),
        [Ran("trash 1"), Unknown, Unknown, SignIn],
    ),
    // `authorize` allows the first page of the trash only.
    (
        Item::Uri("wiki://trash/2"),
        [Unknown, Unknown, Unknown, SignIn],
    ),
    (
        Item::Uri("wiki://nothing/here"),
        [Unknown, Unknown, Unknown, SignIn],
    ),
];

#[actix_web::test]
async fn a_caller_without_the_right_gets_the_error_of_an_unknown_name() {
    let world = world().await;
    let tokens = [
        Some(world.ada()),
        Some(world.grace()),
        Some(without_organization(&world)),
        None,
    ];
    let mut runs = 0;
    for era in ERAS {
        for (item, outcomes) in USES {
            let (_, _, definition) = item.request();
            for (token, outcome) in tokens.iter().zip(outcomes) {
                let reply = send(&world, era, item, token.as_deref()).await;
                match outcome {
                    Ran(text) => {
                        let result = expect_result(era, definition, &reply);
                        assert!(result.to_string().contains(text), "{item:?} {result}");
                        runs += 1;
                    }
                    Unknown => item.expect_unknown(era, &reply),
                    SignIn => {
                        reply.expect_refused_request(
                            401,
                            "invalid_token",
                            "An access token is required",
                        );
                    }
                }
                world.expect_runs(runs);
            }
        }
    }
}

#[actix_web::test]
async fn the_lists_show_what_a_caller_may_use() {
    let world = world().await;
    let of = |list: &str, key: &str, reply: &Reply, era| {
        let definition = match list {
            "prompts" => "ListPromptsResult",
            "resources" => "ListResourcesResult",
            _ => "ListResourceTemplatesResult",
        };
        let result = expect_result(era, definition, reply);
        if era == Era::Modern {
            assert_eq!(result["cacheScope"], "private");
            assert_eq!(result["ttlMs"], 30_000);
        }
        let entries = result[list].as_array().unwrap();
        let names = entries
            .iter()
            .map(|entry| entry[key].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    // The prompt and the template with a scope are listed: a new token would do.
    let everybody = ["either", "hello", "ideas", "question", "scoped"];
    let templates = ["wiki://files/{+path}"];
    for (token, prompts, uris, more_templates) in [
        (
            world.ada(),
            &[
                "either", "hello", "ideas", "purge", "question", "report", "scoped",
            ][..],
            &["wiki://about", "wiki://index", "wiki://me"][..],
            &[
                "wiki://files/{+path}",
                "wiki://pages/{id}",
                "wiki://trash/{id}",
            ][..],
        ),
        (
            world.grace(),
            &["either", "hello", "ideas", "question", "report", "scoped"],
            &["wiki://about", "wiki://index", "wiki://me"],
            &["wiki://files/{+path}", "wiki://pages/{id}"],
        ),
        (
            without_organization(&world),
            &everybody,
            &["wiki://about", "wiki://me"],
            &templates,
        ),
    ] {
        for era in ERAS {
            for (method, list, key, expected) in [
                ("prompts/list", "prompts", "name", prompts),
                ("resources/list", "resources", "uri", uris),
                (
                    "resources/templates/list",
                    "resourceTemplates",
                    "uriTemplate",
                    more_templates,
                ),
            ] {
                let reply = world
                    .ask(era, method, json!({}))
                    .bearer(&token)
                    .send()
                    .await;
                assert_eq!(of(list, key, &reply, era), expected, "{method}");
                let reply = world.ask(era, method, json!({})).send().await;
                reply.expect_status(401);
            }
        }
    }
}

#[actix_web::test]
async fn a_missing_scope_is_challenged_and_the_third_time_an_error() {
    for (item, missing) in [
        (Item::Prompt("scoped"), "files:read scope"),
        (
            Item::Prompt("either"),
            "files:read scope or files:write scope",
        ),
        (Item::Uri("wiki://files/a/b"), "files:read scope"),
    ] {
        for era in ERAS {
            let world = world().await;
            let linus = world.linus();
            for _ in 0..2 {
                let reply = send(&world, era, item, Some(&linus)).await;
                reply.expect_status(403);
                let challenge = reply.challenge().to_owned();
                assert!(
                    challenge.contains("error=\"insufficient_scope\""),
                    "{challenge}"
                );
                assert!(challenge.contains("files:read"), "{challenge}");
            }
            let reply = send(&world, era, item, Some(&linus)).await;
            let body = expect_error(era, 200, 403, &reply);
            assert_eq!(
                body["error"]["message"],
                format!("Forbidden: {missing} required")
            );
            let wider = world.mint(&TokenRequest::oauth("linus").scopes(["files:read"]));
            let reply = send(&world, era, item, Some(&wider)).await;
            reply.result();
            world.expect_runs(1);
        }
    }
}

/// The lists show a prompt that a new token would let the caller use, so its error says what is missing.
#[actix_web::test]
async fn a_caller_whom_a_new_token_would_help_learns_what_is_missing() {
    let world = world().await;
    let linus = world.linus();
    for era in ERAS {
        let index = Item::Uri("wiki://index");
        let reply = send(&world, era, index, Some(&linus)).await;
        let body = expect_error(era, 200, 403, &reply);
        assert_eq!(body["error"]["message"], "Organization context required");
        let list = world.ask(era, "resources/list", json!({})).bearer(&linus);
        let resources = list.send().await.result()["resources"].to_string();
        assert!(resources.contains("wiki://index"), "{resources}");
        // A new token would bring an organization, and no permission in it.
        for item in [
            Item::Prompt("report"),
            Item::Prompt("purge"),
            Item::Uri("wiki://pages/7"),
            Item::Uri("wiki://trash/1"),
        ] {
            let reply = send(&world, era, item, Some(&linus)).await;
            item.expect_unknown(era, &reply);
        }
        let list = world.ask(era, "prompts/list", json!({})).bearer(&linus);
        let prompts = list.send().await.result()["prompts"].to_string();
        assert!(
            !prompts.contains("report") && !prompts.contains("purge"),
            "{prompts}"
        );
    }
    world.expect_runs(0);
}

#[actix_web::test]
async fn a_failed_look_up_is_503_and_no_answer_about_the_name() {
    for item in [
        Item::Prompt("report"),
        Item::Uri("wiki://index"),
        Item::Uri("wiki://pages/7"),
    ] {
        for era in ERAS {
            let world = world().await;
            let ada = world.ada();
            // The keys are cached, and the membership is not.
            send(&world, era, Item::Prompt("ideas"), Some(&ada))
                .await
                .result();
            for path in ["/v1/organizations", "/v1/users"] {
                world.instance.add_fault(Fault::status(500).at(path));
            }
            send(&world, era, item, Some(&ada))
                .await
                .expect_unavailable();
            let (method, _, _) = item.request();
            let list = method.replace("get", "list").replace("read", "list");
            let reply = world.ask(era, &list, json!({})).bearer(&ada).send().await;
            reply.expect_unavailable();
            // A guard that needs no look-up still decides.
            send(&world, era, Item::Prompt("ideas"), Some(&ada))
                .await
                .result();
            send(&world, era, Item::Uri("wiki://me"), Some(&ada))
                .await
                .result();
            world.expect_runs(3);
        }
    }
}

#[actix_web::test]
async fn denied_and_unknown_names_count_under_the_rates_of_the_server_alike() {
    for item in [
        Item::Prompt("purge"),
        Item::Prompt("no_such_prompt"),
        Item::Uri("wiki://trash/1"),
        Item::Uri("wiki://nothing/here"),
    ] {
        let world = World::of("protocol::primitives::wiki", |builder| {
            builder.rates([mcp_auth::Rate::new("3/min per user")])
        })
        .await;
        let grace = world.grace();
        for era in [Era::Modern, Era::Legacy, Era::Modern] {
            let reply = send(&world, era, item, Some(&grace)).await;
            item.expect_unknown(era, &reply);
        }
        for other in [item, Item::Prompt("ideas")] {
            for era in ERAS {
                let reply = send(&world, era, other, Some(&grace)).await;
                let body = expect_error(era, 200, 429, &reply);
                let text = body["error"]["message"].as_str().unwrap();
                assert!(text.starts_with("Rate limit: 3 calls"), "{text}");
                let wait = &body["error"]["data"]["mcp-auth-rs/retryAfter"];
                assert!(wait.as_u64().unwrap() > 0);
            }
        }
        world.expect_runs(0);
    }
}

/// While a membership cannot be looked up, a hidden name and an unknown one have the same status.
#[actix_web::test]
async fn an_outage_does_not_show_which_names_exist() {
    let world = world().await;
    let grace = world.grace();
    send(&world, Era::Modern, Item::Prompt("ideas"), Some(&grace))
        .await
        .result();
    for path in ["/v1/organizations", "/v1/users"] {
        world.instance.add_fault(Fault::status(500).at(path));
    }
    for era in ERAS {
        for item in [
            Item::Prompt("purge"),
            Item::Prompt("no_such_prompt"),
            Item::Uri("wiki://trash/1"),
            Item::Uri("wiki://nothing/here"),
        ] {
            send(&world, era, item, Some(&grace))
                .await
                .expect_unavailable();
        }
        for name in ["purge", "no_such_prompt"] {
            let params = json!({ "ref": { "type": "ref/prompt", "name": name },
                                 "argument": { "name": "what", "value": "" } });
            let ask = world.ask(era, "completion/complete", params);
            ask.bearer(&grace).send().await.expect_unavailable();
        }
    }
    world.expect_runs(1);
}

/// A challenge that is not sent would count for the next request.
#[actix_web::test]
async fn an_error_without_a_challenge_uses_up_no_challenge() {
    let world = World::of("protocol::primitives::wiki", |builder| {
        builder.scope_denials_as_results()
    })
    .await;
    let linus = world.linus();
    for era in ERAS {
        for _ in 0..3 {
            let reply = send(&world, era, Item::Prompt("scoped"), Some(&linus)).await;
            expect_error(era, 200, 403, &reply);
        }
    }
    world.expect_runs(0);
}

/// Strangers may use a public prompt, so a caller with a narrow token may too.
#[actix_web::test]
async fn a_scope_of_the_server_does_not_close_what_is_public() {
    let world = World::of("protocol::primitives::wiki", |builder| {
        builder.require_scope("wiki:read")
    })
    .await;
    for era in ERAS {
        for item in [Item::Prompt("hello"), Item::Uri("wiki://about")] {
            for token in [None, Some(world.linus())] {
                send(&world, era, item, token.as_deref()).await.result();
            }
        }
        let reply = send(&world, era, Item::Prompt("ideas"), Some(&world.linus())).await;
        assert_eq!(reply.status, 403);
    }
}

#[actix_web::test]
async fn a_server_without_prompts_does_not_know_their_methods() {
    let world = World::new().await;
    let ada = world.ada();
    for era in ERAS {
        for (method, params) in [
            ("prompts/list", json!({})),
            ("prompts/get", json!({ "name": "hello" })),
            ("resources/list", json!({})),
            ("resources/templates/list", json!({})),
            ("resources/read", json!({ "uri": "wiki://about" })),
            (
                "completion/complete",
                json!({ "ref": { "type": "ref/prompt", "name": "hello" },
                        "argument": { "name": "a", "value": "" } }),
            ),
        ] {
            let reply = world.ask(era, method, params).bearer(&ada).send().await;
            let status = if era == Era::Modern { 404 } else { 200 };
            expect_error(era, status, -32601, &reply);
        }
    }
}

#[actix_web::test]
async fn the_capabilities_are_those_that_the_server_has() {
    let changes = json!({ "listChanged": true });
    let resources = json!({ "listChanged": true, "subscribe": true });
    for (module, modern, legacy) in [
        (
            "protocol::primitives::wiki",
            json!({ "completions": {}, "prompts": changes, "resources": resources }),
            json!({ "completions": {}, "prompts": {}, "resources": {} }),
        ),
        (
            "protocol::tools",
            json!({ "tools": changes }),
            json!({ "tools": {} }),
        ),
    ] {
        let world = World::of(module, |builder| builder).await;
        let ada = world.ada();
        let reply = world
            .ask(Era::Modern, "server/discover", json!({}))
            .bearer(&ada)
            .send()
            .await;
        assert_eq!(reply.result()["capabilities"], modern);
        let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {},
                             "clientInfo": { "name": "t", "version": "1" } });
        let reply = world
            .ask(Era::Legacy, "initialize", params)
            .bearer(&ada)
            .send()
            .await;
        assert_eq!(reply.result()["capabilities"], legacy);
    }
}

#[actix_web::test]
async fn a_mirrored_header_must_be_the_uri() {
    let world = world().await;
    let params = json!({ "uri": "wiki://about" });
    let ask = |name: &str| {
        let ask = world.ask(Era::Modern, "resources/read", params.clone());
        ask.header("mcp-name", name).bearer(&world.ada())
    };
    expect_error(Era::Modern, 400, -32020, &ask("wiki://me").send().await);
    expect_error(
        Era::Modern,
        400,
        -32020,
        &ask("wiki://about").without("mcp-name").send().await,
    );
    ask("wiki://about").send().await.result();
    ask("=?base64?d2lraTovL2Fib3V0?=").send().await.result();
}

/// Both templates match `wiki://a/1`.
mod shared {
    use mcp_auth::mcp_resource;

    #[mcp_resource("wiki://a/{id}", public)]
    async fn one(id: String) -> String {
        id
    }

    #[mcp_resource("wiki://{+rest}", public)]
    async fn other(rest: String) -> String {
        rest
    }
}

/// The template matches the fixed URI.
mod shadowed {
    use mcp_auth::mcp_resource;

    #[mcp_resource("wiki://a/{id}", public)]
    async fn any(id: String) -> String {
        id
    }

    #[mcp_resource("wiki://a/first", public)]
    async fn first() -> &'static str {
        "first"
    }
}

mod twice {
    use mcp_auth::{mcp_prompt, mcp_resource};

    #[mcp_resource("wiki://same", public)]
    async fn one() -> &'static str {
        "one"
    }

    mod again {
        use mcp_auth::mcp_resource;

        #[mcp_resource("wiki://same", public)]
        async fn two() -> &'static str {
            "two"
        }
    }

    /// Never served together with the resources.
    #[mcp_prompt(public)]
    async fn unrelated() -> &'static str {
        "unrelated"
    }
}

#[actix_web::test]
async fn two_resources_for_one_uri_stop_the_server_at_its_start() {
    for (module, first, second) in [
        (
            "protocol::primitives::shared",
            "wiki://a/{id}",
            "wiki://{+rest}",
        ),
        (
            "protocol::primitives::shadowed",
            "wiki://a/first",
            "wiki://a/{id}",
        ),
        ("protocol::primitives::twice", "wiki://same", "wiki://same"),
    ] {
        let clerk = crate::support::emulator().await;
        let builder = crate::support::builder(&clerk).tools_of(module);
        let error = builder.build().await.unwrap_err().to_string();
        let file = "tests/tests/protocol/primitives/mod.rs:";
        assert!(error.contains(&format!("`{first}` at {file}")), "{error}");
        assert!(error.contains(&format!("`{second}` at {file}")), "{error}");
        assert!(error.contains("[resource-uri-shared]"), "{error}");
    }
}
