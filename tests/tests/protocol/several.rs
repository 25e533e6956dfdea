//! Tools of several modules and crates, and several servers in one process.

use std::net::TcpListener;

use actix_web::{App, HttpServer};
use clerk_emulator::TokenRequest;
use mcp_auth::ServerBuilder;
use mcp_auth::testing::TestServer;
use other_tools::Ledger;
use serde_json::{Value, json};

use crate::process::{printed_by, refusal_of};
use crate::reply::Reply;
use crate::support::{builder, client, emulator, message};

/// The state of the tools of this file.
#[derive(Debug)]
struct Shop(&'static str);

mod front {
    use mcp_auth::{State, mcp_tool};

    use super::Shop;

    /// Tell the name of the shop.
    #[mcp_tool(read_only, public)]
    async fn shop_name(shop: &State<Shop>) -> &'static str {
        shop.0
    }

    /// Order something.
    #[mcp_tool]
    async fn order() {}

    pub(super) mod desk {
        use mcp_auth::mcp_tool;

        /// Complain.
        #[mcp_tool(destructive = false)]
        async fn complain() {}
    }
}

/// The tools of a server for a caller who may call all of them.
async fn tools(server: ServerBuilder) -> Vec<String> {
    let server = TestServer::of(server.state(Shop("Corner")).state(Ledger(7)));
    let ada = server.user("ada").org("acme").role("admin");
    ada.tools().await
}

#[actix_web::test]
async fn a_module_of_the_package_narrows_and_another_crate_adds() {
    for (server, expected) in [
        (
            mcp_auth::server!(tools = [front]),
            &["complain", "order", "shop_name"][..],
        ),
        (mcp_auth::server!(tools = [front::desk]), &["complain"]),
        (
            mcp_auth::server!(tools = [self::front::desk]),
            &["complain"],
        ),
        (
            mcp_auth::server!(tools = [crate::several::front::desk,]),
            &["complain"],
        ),
        (
            mcp_auth::server!(tools = [front::desk, other_tools]),
            &["balance", "close_books", "complain", "list_closings"],
        ),
        (
            mcp_auth::server!(tools = [front::desk, other_tools::reports]),
            &["balance", "complain"],
        ),
        (
            mcp_auth::server!().tools_of("protocol::several::front::desk"),
            &["complain"],
        ),
    ] {
        assert_eq!(tools(server).await, expected);
    }
}

/// The crate is linked into this program. A server that does not name the crate has none of its
/// tools.
#[actix_web::test]
async fn a_dependency_adds_nothing_to_a_server_that_does_not_name_it() {
    let server = || TestServer::of(mcp_auth::server!(tools = [front], state = Shop("Corner")));
    let server = server();
    let ada = server.user("ada").org("acme").role("admin");
    let answer = ada.call("balance", json!({})).await;
    assert_eq!(answer.error_code(), Some(-32602));
    let answer = server.anonymous().call("balance", json!({})).await;
    answer.expect_unauthorized();
}

/// The linker gets the guard of a module from another object file than the tools that it guards.
#[actix_web::test]
async fn a_server_of_a_crates_tools_has_the_guards_of_that_crates_modules() {
    let server = mcp_auth::server!(tools = [front::desk, other_tools], state = Ledger(7));
    let server = TestServer::of(server);
    let member = server.user("grace").org("acme").role("member");
    assert_eq!(member.tools().await, ["balance", "complain"]);
    for tool in ["close_books", "list_closings"] {
        let answer = member.call(tool, json!({})).await;
        answer.expect_denied("Forbidden: org:admin role required");
        let admin = server.user("ada").org("acme").role("admin");
        admin.call(tool, json!({})).await.expect_ok();
    }
}

/// The program mentions the crate only in `tools = […]`.
#[test]
fn naming_a_crate_links_it() {
    let printed = printed_by(env!("CARGO_BIN_EXE_named"), &[("MCP_AUTH", "tools")]);
    let lines: Vec<_> = printed.lines().skip(1).collect();
    assert_eq!(
        lines,
        [
            "close_books  no         no         with role           role org:admin (module other_tools::admin)  user:org:read",
            "",
            "with …: a caller who also has the claims in `requires` may call",
        ]
    );
}

/// Two programs of one package, whose library has a tool.
#[test]
fn a_library_that_the_program_does_not_name_is_not_linked_and_the_error_says_so() {
    assert_eq!(
        refusal_of(env!("CARGO_BIN_EXE_unlinked"), &[("PORT", "0")]),
        "no tools of package `tests` are in this program; annotate a function with #[mcp_tool]; if the tools \
         are in src/lib.rs or in another crate, name that crate, because only named crates are \
         linked: `use tests as _;` in main.rs, or `serve!(tools = [tests])`"
    );
    let printed = printed_by(env!("CARGO_BIN_EXE_linked"), &[("MCP_AUTH", "tools-json")]);
    let matrix: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(matrix["tools"][0]["tool"], "look_up");
}

#[actix_web::test]
async fn a_name_without_tools_is_refused_with_the_names_that_have_tools() {
    let clerk = emulator().await;
    let named = |server: ServerBuilder| {
        let server = server.state(Shop("Corner")).state(Ledger(7));
        server.frontend_api_url(clerk.url())
    };
    for (server, path) in [
        (mcp_auth::server!(tools = [front, std::fmt]), "std::fmt"),
        (mcp_auth::server!().tools_of("other_tool"), "other_tool"),
        (mcp_auth::server!().tools_of(""), ""),
    ] {
        let text = named(server).build().await.unwrap_err().to_string();
        let start = format!(
            "no tools are declared in `{path}`; linked modules that declare tools: \
             other_tools::admin, other_tools::audit::closings, other_tools::reports, protocol::"
        );
        assert!(text.starts_with(&start), "{text}");
    }
}

#[actix_web::test]
async fn a_condition_keeps_the_tools_that_meet_it() {
    let all = || mcp_auth::server!(tools = [front, other_tools]);
    for (server, expected) in [
        (
            all().serve_if(|tool| tool.is_read_only()),
            &["balance", "list_closings", "shop_name"][..],
        ),
        (
            all().serve_if(|tool| !tool.is_destructive()),
            &["balance", "complain", "list_closings", "shop_name"],
        ),
        (
            all().serve_if(|tool| tool.guard().is_public()),
            &["shop_name"],
        ),
        (
            all()
                .serve_if(|tool| tool.package() == "other-tools")
                .serve_if(|tool| tool.name() != "balance"),
            &["close_books", "list_closings"],
        ),
        (
            all().serve_if(|tool| tool.module().ends_with("::desk")),
            &["complain"],
        ),
    ] {
        assert_eq!(tools(server).await, expected);
    }
    let none = all().serve_if(|_| false);
    assert_eq!(
        none.frontend_api_url("http://127.0.0.1:1")
            .build()
            .await
            .unwrap_err()
            .to_string(),
        "no tool is left: `serve_if` excludes every tool [tools-filtered]"
    );
}

#[actix_web::test]
async fn two_servers_of_one_app_have_separate_paths_tools_and_state() {
    let clerk = emulator().await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let at = |path: &str| builder(&clerk).url(format!("{origin}{path}")).path(path);
    let shop = at("/shop")
        .tools_of("protocol::several::front")
        .state(Shop("Corner"));
    let other = at("/other")
        .tools_of("protocol::several::front")
        .tools_of("other_tools")
        .serve_if(|tool| tool.is_read_only())
        .state(Shop("Market"))
        .state(Ledger(7));
    let (shop, other) = (shop.build().await.unwrap(), other.build().await.unwrap());
    let http = HttpServer::new(move || {
        App::new()
            .configure(shop.well_known())
            .configure(other.well_known())
            .configure(shop.routes())
            .configure(other.routes())
    })
    .workers(1)
    .h1_allow_half_closed(false)
    .disable_signals()
    .listen(listener)
    .unwrap()
    .run();
    let handle = http.handle();
    let running = actix_web::rt::spawn(http);

    let now = mcp_auth::testing::TestClock::new().unix_seconds();
    let token = |path: &str| {
        let request = TokenRequest::oauth("ada").aud(format!("{origin}{path}"));
        clerk.instance().mint(&request, now).unwrap()
    };
    let call = async |path: &str, token: &str, tool: &str| {
        let body = message("tools/call", json!({ "name": tool, "arguments": {} }));
        let request = client()
            .post(format!("{origin}{path}"))
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {token}"))
            .body(body);
        Reply::read(request.send().await.unwrap()).await
    };
    let (for_shop, for_other) = (token("/shop"), token("/other"));
    call("/shop", &for_shop, "shop_name")
        .await
        .expect_text("Corner");
    call("/other", &for_other, "shop_name")
        .await
        .expect_text("Market");
    call("/other", &for_other, "balance").await.expect_text("7");
    call("/shop", &for_shop, "balance")
        .await
        .expect_rpc_error(200, -32602);
    call("/other", &for_other, "order")
        .await
        .expect_rpc_error(200, -32602);
    // A token for one server is refused by the other.
    call("/shop", &for_other, "shop_name")
        .await
        .expect_status(401);
    for path in ["/shop", "/other"] {
        let url = format!("{origin}/.well-known/oauth-protected-resource{path}");
        let document = Reply::read(client().get(url).send().await.unwrap()).await;
        assert_eq!(document.json()["resource"], format!("{origin}{path}"));
    }

    handle.stop(false).await;
    running.await.unwrap().unwrap();
}
