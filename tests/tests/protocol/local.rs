//! The local Clerk inside a server: its settings, its tokens, and clients that register themselves.

use serde_json::{Value, json};

use crate::process::Process;
use crate::support::{Serving, client, message};

mod tools {
    /// Tell who is calling.
    #[mcp_auth::mcp_tool]
    async fn subject(caller: &mcp_auth::Caller) -> String {
        caller.subject().to_owned()
    }

    /// Tell what the token is.
    #[mcp_auth::mcp_tool]
    async fn token(caller: &mcp_auth::Caller) -> String {
        format!("{} {}", caller.token_kind(), caller.subject())
    }

    /// Write a document.
    #[mcp_auth::mcp_tool(scope = "documents:write")]
    async fn write() {}
}

const REDIRECT: &str = "http://127.0.0.1:7777/callback";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A server and the address of the local Clerk inside it.
struct Local {
    server: Serving,
    issuer: String,
}

impl Local {
    async fn start(
        settings: impl FnOnce(mcp_auth::ServerBuilder) -> mcp_auth::ServerBuilder,
    ) -> Self {
        let builder = mcp_auth::server!(tools = [tools]).emulator();
        let server = Serving::start(settings(builder)).await;
        let metadata = format!(
            "http://{}/.well-known/oauth-protected-resource/mcp",
            server.address
        );
        let metadata = client().get(metadata).send().await.unwrap();
        let metadata: Value = serde_json::from_str(&metadata.text().await.unwrap()).unwrap();
        let issuer = metadata["authorization_servers"][0].as_str().unwrap();
        Self {
            issuer: issuer.to_owned(),
            server,
        }
    }

    /// Returns the settings of the local Clerk.
    async fn settings(&self) -> Value {
        let url = format!("{}/dev/settings", self.issuer);
        let response = client().get(url).send().await.unwrap();
        serde_json::from_str(&response.text().await.unwrap()).unwrap()
    }

    async fn token(&self, query: &str) -> String {
        let url = format!("{}/dev/token?{query}", self.issuer);
        let response = client().get(url).send().await.unwrap();
        assert_eq!(response.status(), 200, "{query}");
        response.text().await.unwrap()
    }

    /// Calls a tool with the token that this query fetches; returns the status and the body.
    async fn call(&self, query: &str) -> (u16, String) {
        self.call_tool("subject", query).await
    }

    async fn call_tool(&self, tool: &str, query: &str) -> (u16, String) {
        let token = self.token(query).await;
        let params = json!({ "name": tool, "arguments": {} });
        let request = client()
            .post(format!("http://{}/mcp", self.server.address))
            .bearer_auth(token)
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json")
            .body(message("tools/call", params));
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }
}

#[actix_web::test]
async fn a_machine_may_call_the_server_under_any_id_of_the_servers_machine() {
    for id in [None, Some("mch_mcp"), Some("mch_invoices")] {
        let local = Local::start(|builder| match id {
            Some(id) => builder.m2m_tokens().machine_id(id),
            None => builder.m2m_tokens(),
        })
        .await;
        for format in ["opaque", "jwt"] {
            let query = format!("kind=m2m&machine=billing&format={format}");
            let (status, body) = local.call(&query).await;
            assert_eq!(status, 200, "{id:?} {format} {body}");
            assert!(body.contains("mch_billing"), "{body}");
            let (status, body) = local
                .call(&format!("kind=m2m&machine=mcp&format={format}"))
                .await;
            assert_eq!(status, 401, "{body}");
        }
    }
}

#[actix_web::test]
async fn the_server_is_registered_under_each_of_its_names() {
    let local = Local::start(|builder| builder).await;
    let port = local.server.address.port();
    let names = ["127.0.0.1", "localhost", "[::1]"].map(|host| format!("http://{host}:{port}/mcp"));
    let settings = local.settings().await;
    assert_eq!(settings["mcp_servers"], json!(names));
    assert_eq!(settings["audience_claim"], true);
}

#[actix_web::test]
async fn default_scopes_are_the_advertised_scopes_and_two_of_the_authorization_server() {
    let local = Local::start(|builder| builder.require_scope("documents:read")).await;
    let expected = [
        "profile",
        "email",
        "documents:read",
        "openid",
        "offline_access",
    ];
    assert_eq!(local.settings().await["default_scopes"], json!(expected));

    let local =
        Local::start(|builder| builder.scopes_supported(["openid", "documents:write"])).await;
    let expected = ["openid", "documents:write", "offline_access"];
    assert_eq!(local.settings().await["default_scopes"], json!(expected));
}

#[actix_web::test]
async fn a_registered_client_gets_what_the_server_advertises_and_no_scope_of_a_single_tool() {
    let local = Local::start(|builder| builder).await;
    let metadata = json!({ "token_endpoint_auth_method": "none", "redirect_uris": [REDIRECT] });
    let request = client()
        .post(format!("{}/oauth/register", local.issuer))
        .header("content-type", "application/json")
        .body(metadata.to_string());
    let registered = request.send().await.unwrap().text().await.unwrap();
    let registered: Value = serde_json::from_str(&registered).unwrap();
    let client_id = registered["client_id"].as_str().unwrap();
    assert_eq!(registered["scope"], "profile email openid offline_access");

    let authorize = async |scope: &str| {
        let query = format!(
            "response_type=code&client_id={client_id}&scope={scope}&code_challenge={CHALLENGE}\
             &code_challenge_method=S256"
        );
        let url = format!("{}/oauth/authorize?{query}", local.issuer);
        client().get(url).send().await.unwrap()
    };
    assert_eq!(
        authorize("openid+profile+email+offline_access")
            .await
            .status(),
        200
    );
    // The scope exists, but this client may not ask for it.
    let refused = authorize("profile+documents:write").await;
    let location = refused.headers()["location"].to_str().unwrap();
    assert!(location.contains("error=invalid_scope"), "{location}");
    assert!(location.contains("default+scopes"), "{location}");
}

#[actix_web::test]
async fn a_new_opaque_token_for_every_call_causes_no_wait() {
    let local = Local::start(|builder| builder).await;
    for _ in 0..25 {
        let (status, body) = local.call("user=ada&format=opaque").await;
        assert_eq!(status, 200, "{body}");
    }
}

/// Returns the queries of the guide's table of tokens, each with the first cell of its row. A query
/// that begins with `&` is appended to the first query of its row.
fn queries_of_the_guide() -> Vec<(String, String)> {
    let guide = include_str!("../../../docs/local-clerk.md");
    let (_, table) = guide
        .split_once("/dev/token?…'` with |\n|---|---|\n")
        .unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let mut queries = Vec::new();
    for row in table.lines() {
        let mut cells = row.trim_matches('|').split(" | ");
        let (head, cell) = (cells.next().unwrap().trim(), cells.next().unwrap());
        let mut first = None;
        for query in cell.split('`').skip(1).step_by(2) {
            let first = *first.get_or_insert(query);
            let query = match query.starts_with('&') {
                true => format!("{first}{query}"),
                false => query.to_owned(),
            };
            queries.push((head.to_owned(), query));
        }
    }
    queries
}

#[actix_web::test]
async fn every_token_of_the_guide_is_accepted_by_a_server_that_accepts_its_kind() {
    let local = Local::start(|builder| {
        builder
            .session_tokens(mcp_auth::AuthorizedParties::only([
                "https://app.example.com",
                "https://admin.example.com",
            ]))
            .m2m_tokens()
            .api_keys(mcp_auth::ApiKeyScopes::all_of(["invoices:read"]))
    })
    .await;
    let queries = queries_of_the_guide();
    assert_eq!(queries.len(), 9, "{queries:?}");
    for (head, query) in queries {
        let expected = match head.split(' ').next().unwrap() {
            "OAuth" => "oauth user_ada",
            "session" => "session user_ada",
            "machine's" => "m2m mch_billing",
            _ if query.contains("user=") => "api_key user_ada",
            _ => "api_key org_acme",
        };
        let (status, body) = local.call_tool("token", &query).await;
        assert_eq!(status, 200, "{query} {body}");
        assert!(body.contains(&format!("\"{expected}\"")), "{query} {body}");
    }
    let of = async |origin: &str| {
        let query = format!("kind=session&user=ada&azp=https%3A%2F%2F{origin}.example.com");
        local.call(&query).await.0
    };
    assert_eq!((of("admin").await, of("other").await), (200, 401));
}

#[actix_web::test]
async fn the_log_names_the_setting_that_accepts_a_refused_kind_of_token() {
    let process = Process::start(&[]);
    let token = format!("{}/dev/token?kind=session&user=ada", process.issuer());
    let token = client().get(token).send().await.unwrap();
    let request = client()
        .post(process.fact("endpoint"))
        .bearer_auth(token.text().await.unwrap())
        .header("content-type", "application/json")
        .body(message("tools/list", json!({})));
    assert_eq!(request.send().await.unwrap().status(), 401);
    let log = process.kill();
    assert!(
        log.contains("`session_tokens(AuthorizedParties::only([…]))` accepts session tokens"),
        "{log}"
    );
}
