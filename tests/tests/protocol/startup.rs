//! Start-up errors: a mistake is refused in one line that names the fix. An unreachable Clerk is
//! not an error.

use std::net::TcpListener;

use mcp_auth::{ApiKeyScopes, AudiencePolicy, OrganizationSource, ServerBuilder};

use crate::process::{Process, printed, refusal as refused_process, without_code};
use crate::reply::Reply;
use crate::stub::{Answer, Stub, no_keys};
use crate::support::{Runs, Serving, builder, client, emulator};

mod twins {
    use mcp_auth::mcp_tool;

    /// The first.
    #[mcp_tool(name = "twin")]
    async fn first() -> &'static str {
        "first"
    }

    /// The second.
    #[mcp_tool(name = "twin")]
    async fn second() -> &'static str {
        "second"
    }
}

mod stateful {
    use mcp_auth::{State, mcp_tool};

    #[derive(Debug)]
    pub(super) struct Database;

    /// Take state.
    #[mcp_tool]
    async fn query(database: &State<Database>) -> String {
        format!("{database:?}")
    }
}

mod plain {
    use mcp_auth::mcp_tool;

    /// Need nothing.
    #[mcp_tool]
    async fn nothing() {}
}

mod paid_twice {
    use mcp_auth::mcp_tool;

    /// Export everything.
    #[mcp_tool(feature = "export")]
    async fn export_all() {}

    /// Export a document.
    #[mcp_tool(feature = "export")]
    async fn export_one() {}
}

mod paid {
    /// Export.
    #[mcp_auth::mcp_tool(feature = "export")]
    async fn export() {}
}

mod paid_by_scope {
    /// Export.
    #[mcp_auth::mcp_tool(plan = "pro", scope = "docs")]
    async fn export() {}
}

mod for_machines {
    /// Import.
    #[mcp_auth::mcp_tool(accept = "m2m", permission = "org:a:b")]
    async fn import() {}
}

mod keyed {
    /// Report.
    #[mcp_auth::mcp_tool(accept = any("m2m", "api_key"))]
    async fn report() {}
}

mod guarded {
    use mcp_auth::mcp_tool;

    /// Need a role.
    #[mcp_tool(role = "admin")]
    async fn rule() {}
}

mod parent {
    pub(super) mod child {
        use mcp_auth::mcp_tool;

        /// Belongs to the parent, too.
        #[mcp_tool]
        async fn inner() {}
    }
}

fn plain() -> ServerBuilder {
    mcp_auth::server!().tools_of("protocol::startup::plain")
}

/// A publishable key of a development instance, and of a production one.
const PK_TEST: &str = "pk_test_dmVyYi1ub3VuLTQyLmNsZXJrLmFjY291bnRzLmRldiQ";
const PK_LIVE: &str = "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k";

/// The error of a server that does not start, in one line.
async fn refusal(builder: ServerBuilder) -> String {
    let Err(error) = builder.build().await else {
        panic!("it starts");
    };
    let text = error.to_string();
    assert_eq!(text.lines().count(), 1, "{text}");
    // `main` prints the `Debug` output of this type.
    assert_eq!(format!("{error:?}"), text);
    without_code(&text).to_owned()
}

async fn expect_refusal(builder: ServerBuilder, text: &str) {
    assert_eq!(refusal(builder).await, text);
}

#[actix_web::test]
async fn a_missing_instance_names_the_variables_and_the_emulator() {
    expect_refusal(
        plain(),
        "no Clerk instance is configured; set CLERK_PUBLISHABLE_KEY (or CLERK_FRONTEND_API_URL); for development, `serve!(emulator)` starts a local Clerk",
    )
    .await;
}

#[actix_web::test]
async fn malformed_keys_are_named_and_not_shown() {
    for key in ["pk_x", "pk_test_!!!", ""] {
        expect_refusal(
            plain().publishable_key(key),
            "`publishable_key`: a Clerk publishable key begins with `pk_test_` or `pk_live_` and must be complete; copy it from the dashboard's API keys",
        )
        .await;
    }
    expect_refusal(
        plain().publishable_key("sk_test_dmVyYi1ub3VuLTQyLmNsZXJrLmFjY291bnRzLmRldiQ"),
        "`publishable_key`: a Clerk publishable key begins with `pk_test_` or `pk_live_` and must be complete; this looks like the secret key, which belongs into `CLERK_SECRET_KEY`; copy the publishable key from the dashboard's API keys",
    )
    .await;
    for key in ["abc", PK_TEST, "sk_test_", "sk_test_a b", "ak_hunter2"] {
        expect_refusal(
            plain().publishable_key(PK_TEST).secret_key(key),
            "`secret_key`: a Clerk secret key begins with `sk_test_` or `sk_live_` and has no spaces; copy it from the dashboard's API keys",
        )
        .await;
    }
    let text = refusal(
        plain()
            .publishable_key(PK_TEST)
            .jwt_key("-----BEGIN NOTHING-----"),
    )
    .await;
    assert!(text.starts_with("`jwt_key` can't be used: "), "{text}");
}

#[actix_web::test]
async fn unsafe_urls_are_named() {
    for (url, why) in [
        (
            "http://clerk.example.com",
            "the Frontend API URL must be https (http is for loopback only)",
        ),
        (
            "https://u:p@clerk.example.com",
            "the Frontend API URL must not contain credentials",
        ),
        (
            "https://clerk.example.com/?x=1",
            "the Frontend API URL must have neither query nor fragment",
        ),
    ] {
        let text = refusal(plain().frontend_api_url(url)).await;
        assert_eq!(
            text,
            format!(
                "`frontend_api_url`: {why}; copy the Frontend API URL from the dashboard's API keys"
            )
        );
    }
    let text = refusal(plain().frontend_api_url("https://")).await;
    assert!(
        text.contains("is not a valid URL (a valid one looks like `https://"),
        "{text}"
    );
    let server = || {
        plain()
            .publishable_key(PK_TEST)
            .secret_key("sk_test_hunter2")
    };
    expect_refusal(
        server().api_url("http://api.example.com"),
        "`api_url` must be https (http is for loopback only); unset it, unless you use another Backend API than Clerk's",
    )
    .await;
    let text = refusal(server().api_url("api.example.com")).await;
    assert!(text.starts_with("`api_url` is not a URL: "), "{text}");
}

#[actix_web::test]
async fn a_secret_key_that_clerk_refuses_does_not_start() {
    let clerk = emulator().await;
    let server = plain()
        .frontend_api_url(clerk.url())
        .api_url(clerk.url())
        .secret_key("sk_test_hunter2");
    expect_refusal(
        server,
        "Clerk refuses `secret_key`; copy it again from the dashboard's API keys",
    )
    .await;
}

#[actix_web::test]
async fn a_secret_key_of_another_instance_does_not_start() {
    let (clerk, other) = (emulator().await, emulator().await);
    let server = plain()
        .frontend_api_url(clerk.url())
        .api_url(other.url())
        .secret_key(other.instance().secret_key().expose());
    expect_refusal(
        server,
        "`secret_key` belongs to another instance than the tokens; take both keys from one instance",
    )
    .await;
}

#[actix_web::test]
async fn keys_and_urls_that_disagree_do_not_start() {
    expect_refusal(
        plain()
            .publishable_key(PK_TEST)
            .frontend_api_url("https://clerk.example.com"),
        "`publishable_key` and `frontend_api_url` name different Clerk instances; unset one of them",
    )
    .await;
    for (publishable, secret, text) in [
        (
            PK_TEST,
            "sk_live_hunter2",
            "`publishable_key` belongs to a development instance, and `secret_key` to a production instance; take both from one instance",
        ),
        (
            PK_LIVE,
            "sk_test_hunter2",
            "`publishable_key` belongs to a production instance, and `secret_key` to a development instance; take both from one instance",
        ),
    ] {
        expect_refusal(
            plain().publishable_key(publishable).secret_key(secret),
            text,
        )
        .await;
    }
}

#[actix_web::test]
async fn an_issuer_whose_metadata_names_another_issuer_does_not_start() {
    for (issuer, found) in [
        (
            r#"{"issuer":"https://clerk.example.com"}"#,
            "https://clerk.example.com",
        ),
        (r#"{"issuer":7}"#, "nothing"),
        ("{}", "nothing"),
    ] {
        let stub = Stub::start(move |path, _| match path {
            "/.well-known/oauth-authorization-server" => Answer::json(issuer),
            _ => no_keys(),
        });
        let text = refusal(plain().frontend_api_url(stub.url())).await;
        let expected = stub.url();
        let remedy = if found == "nothing" {
            "a Clerk instance"
        } else {
            "the instance with that URL"
        };
        assert_eq!(
            text,
            format!(
                "the issuer at {expected} calls itself {found}; set `frontend_api_url` to {remedy}"
            )
        );
    }
}

#[actix_web::test]
async fn an_issuer_that_cannot_be_reached_starts_and_answers_503() {
    let free = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let serving = Serving::start(plain().frontend_api_url(&url)).await;
    let clerk = clerk_emulator::Instance::new(&url, clerk_emulator::Directory::default()).unwrap();
    let token = clerk
        .mint(&clerk_emulator::TokenRequest::oauth("ada"), now())
        .unwrap();
    let endpoint = format!("http://{}/mcp", serving.address);
    let response = client()
        .post(endpoint)
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {token}"))
        .body("{}")
        .send()
        .await
        .unwrap();
    Reply::read(response).await.expect_unavailable();
}

#[actix_web::test]
async fn an_invalid_canonical_url_is_named() {
    let server = || plain().publishable_key(PK_TEST);
    for (url, why) in [
        (
            "http://mcp.example.com",
            "it must be https, except on loopback",
        ),
        ("mcp.example.com", "it is not an http(s) URL"),
        ("ftp://mcp.example.com", "it is not an http(s) URL"),
        (
            "https://mcp.example.com/?a=1",
            "it must have no query, fragment or credentials",
        ),
        (
            "https://mcp.example.com/#a",
            "it must have no query, fragment or credentials",
        ),
        (
            "https://a:hunter2@mcp.example.com/",
            "it must have no query, fragment or credentials",
        ),
    ] {
        expect_refusal(
            server().url(url),
            &format!("`url`: {why}; set it like https://mcp.example.com/mcp"),
        )
        .await;
    }
    expect_refusal(
        server().host("0.0.0.0"),
        "MCP_URL is not set, and 0.0.0.0 is not loopback; set it to the public URL of the endpoint, like https://mcp.example.com",
    )
    .await;
    expect_refusal(
        server().path("mcp"),
        "`path` is `mcp`: it must begin with `/`",
    )
    .await;
    for path in [
        "/my mcp",
        "/münchen",
        "/mcp?",
        "/mcp#x",
        "/a/../mcp",
        "//mcp",
        "/{tenant}/mcp",
    ] {
        expect_refusal(
            server().path(path),
            &format!(
                "`path` is `{path}`: it must be written as it is in a URL, without query, fragment and braces"
            ),
        )
        .await;
    }
}

#[actix_web::test]
async fn an_open_audience_off_loopback_requires_a_client_or_a_scope() {
    let clerk = emulator().await;
    let server = || {
        plain()
            .frontend_api_url(clerk.url())
            .url("https://mcp.example.com")
            .audience_policy(AudiencePolicy::IfPresent)
    };
    expect_refusal(
        server(),
        "tokens without an audience would be accepted at https://mcp.example.com/mcp; add `allowed_clients` or `require_scope`, or leave the audience policy at `Require`",
    )
    .await;
    for confined in [
        server().allowed_clients(["client_a"]),
        server().require_scope("docs"),
        server().audience_policy(AudiencePolicy::Require),
    ] {
        confined.build().await.unwrap();
    }
}

#[actix_web::test]
async fn kinds_that_lack_a_setting_do_not_start() {
    let clerk = emulator().await;
    let server = || plain().frontend_api_url(clerk.url()).api_url(clerk.url());
    for (builder, text) in [
        (
            server().m2m_tokens(),
            "`m2m_tokens` is set, but no setting names this server's machine; set CLERK_MACHINE_ID (`mch_…`) or CLERK_MACHINE_SECRET_KEY, as the dashboard's page of this server's machine has them",
        ),
        (
            server().m2m_tokens().machine_id("ak_hunter2"),
            "`machine_id` is not a machine's id, which begins `mch_`; copy it from the machine's page in the dashboard",
        ),
        (
            server().m2m_tokens().machine_id("mch_"),
            "`machine_id` is not a machine's id, which begins `mch_`; copy it from the machine's page in the dashboard",
        ),
        (
            server().m2m_tokens().machine_secret_key("mch_mcp"),
            "`machine_secret_key`: a machine's secret key begins with `ak_` and has no spaces; copy it from the machine's page in the dashboard",
        ),
        (
            server().session_tokens(mcp_auth::AuthorizedParties::only(Vec::<String>::new())),
            "`session_tokens(AuthorizedParties::only([]))` names no origin; name the origins of your pages, or use `AuthorizedParties::any()`",
        ),
        (
            server().api_keys(ApiKeyScopes::any_key()),
            "`api_keys` needs Clerk's Backend API, but no secret key is set; set CLERK_SECRET_KEY",
        ),
        (
            server().check_users(),
            "`check_users` needs Clerk's Backend API, but no secret key is set; set CLERK_SECRET_KEY",
        ),
        (
            server().organization_from([OrganizationSource::UrlQuery]),
            "`organization_from` needs Clerk's Backend API, but no secret key is set; set CLERK_SECRET_KEY",
        ),
        (
            server()
                .secret_key(clerk.instance().secret_key().expose())
                .api_keys(ApiKeyScopes::all_of(Vec::<String>::new())),
            "`api_keys(ApiKeyScopes::all_of([]))` names no scope; name the scopes that every key must have, or use `ApiKeyScopes::any_key()`",
        ),
        (
            server().api_keys(ApiKeyScopes::all_of(["two words"])),
            "`two words` is not a scope: a scope is printable ASCII without space, quote and backslash",
        ),
        (
            server().without_oauth_tokens(),
            "no kind of token is accepted; drop `without_oauth_tokens`, or add `session_tokens`, `m2m_tokens` or `api_keys`",
        ),
    ] {
        expect_refusal(builder, text).await;
    }
    let key = clerk.instance().machine_secret_key("mcp").unwrap();
    for builder in [
        server().m2m_tokens().machine_id("mch_mcp"),
        server().m2m_tokens().machine_secret_key(key.expose()),
        server()
            .without_oauth_tokens()
            .session_tokens(mcp_auth::AuthorizedParties::any()),
    ] {
        builder.build().await.unwrap();
    }
}

#[actix_web::test]
async fn a_listed_origin_or_host_that_can_never_match_does_not_start() {
    let clerk = emulator().await;
    let server = || plain().frontend_api_url(clerk.url());
    let origin = "write it like https://app.example.com";
    let host = "write it like mcp.example.com or mcp.example.com:8443";
    for (bad, problem) in [
        (
            "*",
            format!("has a wildcard; list each value separately; {origin}"),
        ),
        ("", "is empty; remove it".to_owned()),
        ("https://", format!("is not an origin; {origin}")),
        (
            "a.example",
            "has no scheme; write https://a.example, or http://a.example".to_owned(),
        ),
        (
            "https://a.example/app",
            "is more than an origin; write https://a.example".to_owned(),
        ),
    ] {
        let good = "https://app.example.com";
        let text = format!("`{bad}` in `session_tokens(AuthorizedParties::only([…]))` {problem}");
        let parties = mcp_auth::AuthorizedParties::only([good, bad]);
        expect_refusal(server().session_tokens(parties), &text).await;
        let text = format!("`{bad}` in `allowed_origins` {problem}");
        expect_refusal(server().allowed_origins([good, bad]), &text).await;
    }
    for (bad, problem) in [
        (
            "*",
            format!("has a wildcard; list each value separately; {host}"),
        ),
        ("", "is empty; remove it".to_owned()),
        ("a.example:x", format!("is not a host; {host}")),
        (
            "https://a.example/mcp",
            "is more than a host; write a.example".to_owned(),
        ),
    ] {
        let text = format!("`{bad}` in `allowed_hosts` {problem}");
        expect_refusal(server().allowed_hosts(["good.example", bad]), &text).await;
    }
    let with_password = server().allowed_origins(["https://ada:hunter2@a.example"]);
    expect_refusal(
        with_password,
        "`…@a.example` in `allowed_origins` is more than an origin; write https://a.example",
    )
    .await;
}

#[actix_web::test]
async fn a_check_names_every_entry_that_can_never_match() {
    let report = plain()
        .publishable_key(PK_TEST)
        .allowed_origins(["*", "a.example"])
        .allowed_hosts(["*.example.com"])
        .session_tokens(mcp_auth::AuthorizedParties::only(["null"]))
        .host("0.0.0.0")
        .check()
        .await;
    let found: Vec<_> = report
        .findings()
        .iter()
        .filter(|finding| finding.why().ends_with("no request would match the entry"))
        .map(|finding| finding.what())
        .collect();
    assert_eq!(
        found,
        [
            "`*.example.com` in `allowed_hosts` has a wildcard",
            "`*` in `allowed_origins` has a wildcard",
            "`a.example` in `allowed_origins` has no scheme",
            "`null` in `session_tokens(AuthorizedParties::only([…]))` is an origin that unrelated pages share",
        ]
    );
}

#[actix_web::test]
async fn an_unsatisfiable_guard_names_the_tool_and_the_remedy() {
    let clerk = emulator().await;
    let server = || {
        mcp_auth::server!()
            .tools_of("protocol::startup::guarded")
            .frontend_api_url(clerk.url())
    };
    let text = refusal(server()).await;
    let place = text
        .strip_prefix("no caller can ever pass the guard of `rule` (")
        .and_then(|rest| {
            rest.strip_suffix("): oauth tokens cannot have `role org:admin`; set CLERK_SECRET_KEY, so that the memberships of OAuth callers can be looked up, or accept session tokens")
        })
        .expect(&text);
    expect_place(place);
    let nobody = server().allow_unsatisfiable_guards().build().await.unwrap();
    let some = server().session_tokens(mcp_auth::AuthorizedParties::any());
    let some = some.build().await.unwrap();
    for (server, answers) in [
        (nobody, "no | no | no | no"),
        (some, "no | no | no | no | with role | yes"),
    ] {
        let text = server.matrix().role("org:admin", &[]).to_markdown();
        let line = format!("| rule | {answers} | role org:admin |");
        assert!(text.contains(&line), "{text}");
    }
}

#[actix_web::test]
async fn a_guard_that_no_accepted_kind_of_token_passes_names_what_each_kind_lacks() {
    let clerk = emulator().await;
    let refused = async |module: &str, settings: fn(ServerBuilder) -> ServerBuilder| {
        let server = builder(&clerk).tools_of(format!("protocol::startup::{module}"));
        let text = refusal(settings(server)).await;
        let (head, rest) = text.split_once(" (").expect(&text);
        let (place, rest) = rest.split_once("): ").expect(&text);
        expect_place(place);
        format!("{head}: {rest}")
    };
    let alone: fn(ServerBuilder) -> ServerBuilder = |server| server;
    let sessions: fn(_) -> _ =
        |server: ServerBuilder| server.session_tokens(mcp_auth::AuthorizedParties::any());
    let machines: fn(_) -> _ = |server: ServerBuilder| server.m2m_tokens().machine_id("mch_1");
    for (module, settings, text) in [
        (
            "paid",
            alone,
            "no caller can ever pass the guard of `export`: oauth tokens cannot have `feature export`; \
             accept session tokens (`session_tokens`), because only session tokens can contain it",
        ),
        (
            "paid_by_scope",
            sessions,
            "no caller can ever pass the guard of `export`: oauth tokens cannot have `plan pro`, \
             session tokens cannot have `scope docs`; no kind of token can meet all \
             requirements of this tool; split it into two tools",
        ),
        (
            "keyed",
            sessions,
            "no caller can ever pass the guard of `report`: oauth tokens cannot have `token m2m or \
             api_key`, session tokens cannot have `token m2m or api_key`; let the server accept tokens of this \
             kind, or add a kind that the server accepts to the tool's `accept`",
        ),
        (
            "for_machines",
            machines,
            "no caller can ever pass the guard of `import`: m2m tokens cannot have `permission \
             org:a:b`; remove the requirement, or add a kind of token that can meet the requirement to the tool's `accept`",
        ),
    ] {
        assert_eq!(refused(module, settings).await, text);
    }
    let paid = || builder(&clerk).tools_of("protocol::startup::paid");
    sessions(paid()).build().await.unwrap();
    paid().allow_unsatisfiable_guards().build().await.unwrap();
}

#[actix_web::test]
async fn tools_with_the_same_unsatisfiable_guard_share_one_reason() {
    let clerk = emulator().await;
    let text = refusal(builder(&clerk).tools_of("protocol::startup::paid_twice")).await;
    assert_eq!(
        text.matches("cannot have `feature export`").count(),
        1,
        "{text}"
    );
    assert!(
        text.contains("`export_all` (") && text.contains("`export_one` ("),
        "{text}"
    );
}

#[actix_web::test]
async fn two_tools_of_one_name_are_both_named_with_their_places() {
    let clerk = emulator().await;
    let text = refusal(builder(&clerk).tools_of("protocol::startup::twins")).await;
    let places = text
        .strip_prefix("two tools have the name `twin`: ")
        .and_then(|rest| rest.strip_suffix("; give one of them another `name`"))
        .expect(&text);
    let (first, second) = places.split_once(" and ").expect(&text);
    assert!(expect_place(first) < expect_place(second), "{text}");
}

#[actix_web::test]
async fn missing_state_names_the_tool_its_place_and_the_type() {
    let clerk = emulator().await;
    let server = || builder(&clerk).tools_of("protocol::startup::stateful");
    let text = refusal(server()).await;
    let (place, rest) = text.split_once(": tool").expect(&text);
    expect_place(place);
    let state = "protocol::startup::stateful::Database";
    assert_eq!(
        rest,
        format!(
            " `query` takes state of type `{state}` (parameter `database`), but the server has no such state; add `state = <a {state}>`"
        )
    );
    server().state(stateful::Database).build().await.unwrap();
}

#[actix_web::test]
async fn state_given_twice_names_the_type() {
    let clerk = emulator().await;
    let server = builder(&clerk)
        .tools_of("protocol::startup::plain")
        .state(Runs::default())
        .state(Runs::default());
    expect_refusal(
        server,
        "two values of type protocol::support::Runs were given as state; wrap one of them in a type of its own",
    )
    .await;
}

#[actix_web::test]
async fn a_server_without_tools_names_where_it_looked() {
    let clerk = emulator().await;
    let text = refusal(builder(&clerk).tools_of("protocol::startup::nowhere")).await;
    assert!(
        text.starts_with("no tools are declared in `protocol::startup::nowhere`; linked modules"),
        "{text}"
    );
    // A module is named completely, not by a prefix.
    let text = refusal(builder(&clerk).tools_of("protocol::startup::pla")).await;
    assert!(text.starts_with("no tools are declared in"), "{text}");
    builder(&clerk)
        .tools_of("protocol::startup::parent")
        .build()
        .await
        .unwrap();
}

#[actix_web::test]
async fn an_invalid_scope_is_shown() {
    for scope in ["", "a b", "a\"b", "a\\b", "é"] {
        let server = || plain().publishable_key(PK_TEST);
        for server in [
            server().require_scope(scope),
            server().scopes_supported(["email", scope]),
        ] {
            let text = refusal(server).await;
            assert!(
                text.starts_with(&format!("`{scope}` is not a scope")),
                "{text}"
            );
        }
    }
}

#[actix_web::test]
async fn a_port_that_is_taken_names_the_variable() {
    let clerk = emulator().await;
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let server = builder(&clerk)
        .tools_of("protocol::startup::plain")
        .port(port);
    let text = server.start().await.unwrap_err().to_string();
    assert!(text.ends_with(" [listen-failed]"), "{text}");
    let text = without_code(&text);
    let expected = format!("cannot listen on 127.0.0.1:{port}: ");
    assert!(text.starts_with(&expected), "{text}");
    let remedy = "; set `port` to another port, or stop the program that uses this port";
    assert!(text.ends_with(remedy), "{text}");
    assert_eq!(text.lines().count(), 1);
}

#[actix_web::test]
async fn a_server_can_be_built_and_started_on_a_separate_task() {
    let clerk = emulator().await;
    let server = || builder(&clerk).tools_of("protocol::startup::plain");
    tokio::spawn(server().build()).await.unwrap().unwrap();
    tokio::spawn(server().port(0).start())
        .await
        .unwrap()
        .unwrap()
        .stop()
        .await;
}

#[actix_web::test]
async fn the_emulator_stays_on_loopback() {
    let server = || plain().emulator();
    for (server, what) in [
        (
            server().host("0.0.0.0").url("http://127.0.0.1:3000"),
            "`host` 0.0.0.0",
        ),
        (
            server().url("https://mcp.example.com"),
            "`url` https://mcp.example.com/mcp",
        ),
    ] {
        let text = refusal(server).await;
        assert_eq!(
            text,
            format!(
                "the emulator runs on loopback only, and {what} is not; set CLERK_PUBLISHABLE_KEY to serve others"
            )
        );
    }
    // With a key of Clerk the emulator does not start.
    let text = refusal(server().publishable_key("pk_x")).await;
    assert!(text.starts_with("`publishable_key`"), "{text}");
    let text = refusal(server().secret_key("sk_test_hunter2")).await;
    assert!(
        text.starts_with("no Clerk instance is configured"),
        "{text}"
    );
}

#[test]
fn each_invalid_variable_is_reported_in_one_line() {
    for (environment, text) in [
        (
            &[("PORT", "none")][..],
            "PORT is `none`: a number from 0 to 65535 is expected",
        ),
        (
            &[
                ("CLERK_PUBLISHABLE_KEY", PK_TEST),
                ("CLERK_FRONTEND_API_URL", "clerk.example.com"),
                ("PORT", "0"),
            ],
            "CLERK_PUBLISHABLE_KEY and CLERK_FRONTEND_API_URL name different Clerk instances; unset one of them",
        ),
        (
            &[
                ("CLERK_FRONTEND_API_URL", "clerk.example.com"),
                (
                    "MCP_USE_OAUTH_CLERK_FRONTEND_API_URL",
                    "https://other.example.com",
                ),
                ("PORT", "0"),
            ],
            "CLERK_FRONTEND_API_URL and MCP_USE_OAUTH_CLERK_FRONTEND_API_URL name different Clerk instances; unset one of them",
        ),
        (
            &[("CLERK_SECRET_KEY", "sk_test_hunter2"), ("PORT", "0")],
            "no Clerk instance is configured; set CLERK_PUBLISHABLE_KEY (or CLERK_FRONTEND_API_URL); or, to use the local Clerk, remove CLERK_SECRET_KEY",
        ),
        (
            &[
                ("CLERK_PUBLISHABLE_KEY", PK_TEST),
                ("MCP_ALLOWED_ORIGINS", "https://app.example.com,"),
                ("PORT", "0"),
            ],
            "`` in MCP_ALLOWED_ORIGINS is empty; remove it",
        ),
        (
            &[
                ("CLERK_PUBLISHABLE_KEY", PK_TEST),
                ("MCP_ALLOWED_HOSTS", "mcp.example.com, *"),
                ("PORT", "0"),
            ],
            "`*` in MCP_ALLOWED_HOSTS has a wildcard; list each value separately; write it like mcp.example.com or mcp.example.com:8443",
        ),
        (
            &[("MCP_URL", "http://mcp.example.com"), ("PORT", "0")],
            "MCP_URL: it must be https, except on loopback; set it like https://mcp.example.com/mcp",
        ),
    ] {
        assert_eq!(refused_process(environment), text);
    }
}

#[test]
fn a_taken_port_of_the_environment_is_one_line() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let text = refused_process(&[("PORT", &port)]);
    assert!(
        text.starts_with(&format!("cannot listen on 127.0.0.1:{port}: "))
            && text
                .ends_with("; set PORT to another port, or stop the program that uses this port"),
        "{text}"
    );
}

#[actix_web::test]
async fn a_server_prints_what_it_serves_and_a_line_to_try_it() {
    let process = Process::start(&[]);
    let endpoint = process.fact("endpoint").to_owned();
    let printed = process.printed();
    for fact in [
        "(a local Clerk, for development only)",
        "hold            signed in",
        "read_documents  organization, permission org:documents:read",
        "who_am_i        signed in",
    ] {
        assert!(printed.contains(fact), "{fact} in {printed}");
    }
    assert!(
        !printed.contains("eyJ") && !printed.contains("sk_"),
        "{printed}"
    );
    let line = printed.lines().last().unwrap();
    assert!(
        line.starts_with("curl -sS ") && line.contains(&endpoint),
        "{line}"
    );
    // This does what the printed command does, without a shell.
    let between = |before: &str, after: &str| {
        let rest = line.split_once(before).unwrap().1;
        rest.split_once(after).unwrap().0.to_owned()
    };
    let token = client()
        .get(between("$(curl -sS '", "')"))
        .send()
        .await
        .unwrap();
    let token = token.text().await.unwrap().trim().to_owned();
    let response = client()
        .post(endpoint)
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {token}"))
        .body(between("-d '", "'"))
        .send();
    let reply = Reply::read(response.await.unwrap()).await;
    reply.expect_text("Documents of org_acme");
}

/// No server starts with this `HOST` unless `MCP_URL` is set, and no instance is configured.
#[test]
fn with_mcp_auth_set_to_tools_a_server_prints_its_access_matrix_and_does_not_start() {
    let asked = |form| printed(&[("MCP_AUTH", form), ("HOST", "192.0.2.1")]);
    assert_eq!(
        asked("tools"),
        "\
tool            anonymous  signed in  in an organization  requires                                     scopes
greet           yes        yes        yes                 public                                       no token
hold            no         yes        yes                 signed in                                    any token
read_documents  no         no         with permission     organization, permission org:documents:read  user:org:read
sign            no         if         if                  no actor, authorize is_free(name)            any token
who_am_i        no         yes        yes                 signed in                                    any token

if: the tool's own `authorize` function decides each call

with …: a caller who also has the claims in `requires` may call

Public tools: a client must sign in before it sees them, unless the server is `discoverable`
"
    );
    let markdown = asked("tools-markdown");
    assert!(markdown.contains("\n| hold | no | yes | yes | signed in | any token |\n"));
    let json: serde_json::Value = serde_json::from_str(&asked("tools-json")).unwrap();
    assert_eq!(json["tools"][0]["tool"], "greet");
    assert_eq!(json["tools"][0]["allowed"].as_array().unwrap().len(), 3);
}

#[test]
fn an_unknown_value_of_mcp_auth_is_refused_with_the_known_values() {
    assert_eq!(
        refused_process(&[("MCP_AUTH", "tool")]),
        "MCP_AUTH is `tool`: `check`, `explain`, `explain-json`, `tools`, `tools-json` or `tools-markdown` is expected"
    );
}

/// Checks that a text is `file:line:column`. Returns line and column.
#[track_caller]
fn expect_place(place: &str) -> (u32, u32) {
    let (file, place) = place.split_once(':').unwrap();
    assert!(file.ends_with("tests/protocol/startup.rs"), "{file}");
    let (line, column) = place.split_once(':').unwrap();
    (line.parse().unwrap(), column.parse().unwrap())
}

fn now() -> u64 {
    mcp_auth::testing::TestClock::new().unix_seconds()
}
