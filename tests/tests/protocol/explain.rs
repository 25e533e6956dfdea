//! Explanations of decisions: on the command line, for tokens, and for the callers themselves.

use mcp_auth::testing::TestServer;
use mcp_auth::{ExplainedDecision, SampleCaller};
use serde_json::{Value, json};

use crate::process::{SERVED, printed, refusal};
use crate::support::{Era, World};

mod tools {
    use mcp_auth::{mcp_prompt, mcp_tool};

    fn may_read(id: &str) -> bool {
        id != "secret"
    }

    /// Read a document.
    #[mcp_tool(permission = "org:documents:read", authorize = may_read(id))]
    async fn read(id: String) -> String {
        id
    }

    /// Delete a document.
    #[mcp_tool(
        any(role = "admin", scope = "documents:delete"),
        confirm = "Delete {id}?"
    )]
    async fn delete(id: String) -> String {
        id
    }

    /// Upload a file.
    #[mcp_tool(scope = "files:write")]
    async fn upload() {}

    /// Greet somebody.
    #[mcp_prompt(require_org)]
    async fn greeting() -> &'static str {
        "hello"
    }
}

fn server() -> mcp_auth::ServerBuilder {
    mcp_auth::server!(tools = [tools])
}

#[actix_web::test]
async fn an_explanation_agrees_with_the_call_that_follows() {
    let server = TestServer::of(server());
    server
        .member("ada", "acme")
        .role("admin")
        .permissions(["org:documents:read"]);
    server.member("grace", "acme");
    let users = [
        server.user("ada").org("acme"),
        server.user("grace").org("acme"),
        server.user("linus"),
        server.user("linus").scope("documents:delete"),
        server.user("grace").scope("files:write"),
        server.anonymous(),
    ];
    let mut seen = std::collections::BTreeSet::new();
    for user in &users {
        for (tool, arguments) in [("read", json!({ "id": "d1" })), ("upload", json!({}))] {
            let explanation = user.explain(tool).await;
            let answer = user.call(tool, arguments).await;
            let is_allowed = explanation.decision == ExplainedDecision::Allowed;
            assert_eq!(
                server.audit().pop().is_some_and(|record| {
                    record.outcome == Some(mcp_auth::AuditOutcome::Allowed)
                }),
                is_allowed,
                "{explanation} {answer:?}"
            );
            // A missing scope is a challenge without a text of the tool.
            if answer.status() == 200 && explanation.decision == ExplainedDecision::Denied {
                assert_eq!(explanation.reason.as_deref(), Some(answer.text()));
            }
            seen.insert(explanation.decision.to_string());
        }
    }
    assert_eq!(
        seen.into_iter().collect::<Vec<_>>(),
        ["allowed", "denied", "not signed in"]
    );
}

#[actix_web::test]
async fn an_explanation_has_every_requirement_with_the_fact_and_the_cure() {
    let server = TestServer::of(server());
    server
        .member("grace", "acme")
        .role("member")
        .permissions(["org:documents:read"]);
    let grace = server.user("grace").org("acme");
    let explanation = grace.explain("delete").await.to_string();
    let expected = "\
tool delete: denied
  because: Forbidden: org:admin role or documents:delete scope required
  a new token helps, with the scopes: documents:delete user:org:read
  not met  any of (role org:admin; scope documents:delete)
           needs: one of the alternatives
           either
             not met  role org:admin
                      found: org:member (membership)
                      needs: the role org:admin in the organization
           either
             not met  scope documents:delete
                      found: profile email user:org:read (token)
                      needs: a new token with the scope documents:delete
  then     a person must confirm the call
";
    assert_eq!(explanation, expected);
    let explanation = grace.explain("read").await;
    assert_eq!(explanation.decision, ExplainedDecision::Allowed);
    assert!(explanation.then[0].contains("may_read"), "{explanation}");
    let nowhere = server.user("linus").explain("greeting").await;
    assert_eq!(
        (nowhere.kind, nowhere.decision),
        ("prompt", ExplainedDecision::Denied)
    );
    assert_eq!(
        nowhere.scopes,
        ["profile", "email", "user:org:read"].map(str::to_owned)[2..]
    );
    assert!(nowhere.hint.unwrap().contains("`user:org:read`"));
    let sample = SampleCaller::new("job").token(mcp_auth::TokenKind::M2m);
    let explanation = server.matrix().explain(&sample, "upload").unwrap();
    assert_eq!(
        explanation.reason.as_deref(),
        Some("the server accepts no tokens of the kind m2m")
    );
    assert!(server.matrix().explain(&sample, "none").is_none());
}

#[actix_web::test]
async fn a_refused_token_is_explained_without_its_claims() {
    let server = TestServer::of(server());
    let token = server.user("ada").org("acme").token().unwrap();
    server.advance(std::time::Duration::from_secs(25 * 3600));
    let explanation = server.bearer(token).explain("read").await;
    assert_eq!(explanation.decision, ExplainedDecision::NotSignedIn);
    assert_eq!(
        explanation.reason.as_deref(),
        Some("the token is refused: token-expired")
    );
    assert!(!explanation.to_string().contains("ada"), "{explanation}");
}

#[test]
fn the_command_line_explains_what_a_caller_may_use() {
    let run = |form: &str, caller: Value| {
        let caller = caller.to_string();
        printed(&[("MCP_AUTH", form), ("MCP_AUTH_CALLER", &caller)])
    };
    let text = run(
        "explain",
        json!({ "name": "read_documents", "role": "member" }),
    );
    let expected = "\
tool read_documents: denied
  because: Forbidden: org:documents:read permission required
  met      organization
           found: org_supposed (organization)
  not met  permission org:documents:read
           needs: the permission org:documents:read in the organization
";
    assert_eq!(text, expected);
    let all = run("explain-json", json!({ "token": "none" }));
    let all: Vec<Value> = serde_json::from_str(&all).unwrap();
    let decisions = all.iter().map(|one| {
        (
            one["name"].as_str().unwrap(),
            one["decision"].as_str().unwrap(),
        )
    });
    let decisions: Vec<_> = decisions.collect();
    let expected = [
        ("greet", "allowed"),
        ("hold", "not_signed_in"),
        ("read_documents", "not_signed_in"),
        ("sign", "not_signed_in"),
        ("who_am_i", "not_signed_in"),
    ];
    assert_eq!(decisions, expected);
}

#[test]
fn the_command_line_reads_the_standard_input_too() {
    use std::io::Write;
    use std::process::{Command, Stdio};

    let mut child = Command::new(SERVED)
        .env_clear()
        .env("MCP_AUTH", "explain")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let caller = br#"{"name": "who_am_i"}"#;
    child.stdin.take().unwrap().write_all(caller).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("tool who_am_i: allowed\n"), "{text}");
}

#[test]
fn a_caller_that_cannot_be_read_is_named() {
    for (caller, expected) in [
        ("{", "MCP_AUTH_CALLER is not a caller: EOF"),
        (
            r#"{"rol": "admin"}"#,
            "MCP_AUTH_CALLER is not a caller: unknown field `rol`",
        ),
        (
            r#"{"token": "x"}"#,
            "MCP_AUTH_CALLER: `token` is `x`: `oauth`",
        ),
        (
            r#"{"name": "none"}"#,
            "MCP_AUTH_CALLER: the server has nothing of the name `none`",
        ),
    ] {
        let error = refusal(&[("MCP_AUTH", "explain"), ("MCP_AUTH_CALLER", caller)]);
        assert!(error.starts_with(expected), "{error}");
    }
}

#[actix_web::test]
async fn whoami_is_off_by_default_and_tells_callers_about_themselves_alone() {
    let off = TestServer::of(server());
    assert!(!off.user("ada").tools().await.contains(&"whoami".to_owned()));
    let server = TestServer::of(server().whoami());
    server
        .member("ada", "acme")
        .role("admin")
        .permissions(["org:documents:read"]);
    let ada = server.user("ada").org("acme");
    let known: Value = ada.call("whoami", json!({})).await.expect_ok().json();
    let expected = json!({
        "subject": "user_ada",
        "token": "oauth",
        "client": "client_test",
        "scopes": ["profile", "email", "user:org:read"],
        "organization": {
            "id": "org_acme",
            "slug": "acme",
            "role": "org:admin",
            "permissions": ["org:documents:read"],
        },
        "tools": ["delete", "read", "whoami"],
        "depending_on_arguments": ["read"],
    });
    assert_eq!(known, expected);
    let linus: Value = server
        .user("linus")
        .call("whoami", json!({}))
        .await
        .expect_ok()
        .json();
    assert_eq!(linus["tools"], json!(["whoami"]));
    assert_eq!(linus.get("organization"), None);
    server
        .anonymous()
        .call("whoami", json!({}))
        .await
        .expect_unauthorized();
}

#[actix_web::test]
async fn whoami_is_one_more_tool_of_a_real_server() {
    let world = World::with(mcp_auth::ServerBuilder::whoami).await;
    let call = world
        .call(Era::Modern, "whoami", json!({}))
        .bearer(&world.ada());
    let known = call.send().await.result()["structuredContent"].take();
    assert_eq!(known["subject"], "user_ada");
    let listed = world
        .list(Era::Modern)
        .bearer(&world.ada())
        .send()
        .await
        .tools();
    for tool in known["tools"].as_array().unwrap() {
        assert!(
            listed.contains(&tool.as_str().unwrap().to_owned()),
            "{tool}"
        );
    }
}
