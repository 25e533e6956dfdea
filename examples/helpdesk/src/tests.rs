use std::time::Duration;

use mcp_auth::State;
use mcp_auth::testing::TestServer;
use serde_json::{Value, json};

use crate::{ANSWER, ASSIGN, Desk, READ, Team};

const ADMIN: [&str; 2] = [READ.as_str(), ASSIGN.as_str()];
const AGENT: [&str; 2] = [READ.as_str(), ANSWER.as_str()];

/// A server with the people of the local Clerk.
fn helpdesk() -> TestServer {
    let server = mcp_auth::server!(emulator = "clerk.toml", state = Desk::default());
    TestServer::of(server)
}

fn problem(title: &str) -> Value {
    json!({ "problem": { "title": title } })
}

#[test]
fn the_access_matrix_is_the_reviewed_one() {
    let matrix = helpdesk().matrix();
    let matrix = matrix.role("admin", &ADMIN).role("agent", &AGENT);
    expect_test::expect_file!["../tools.md"].assert_eq(&matrix.to_markdown());
}

#[actix_web::test]
async fn each_tool_answers_authorized_callers_and_refuses_others() {
    let may_not_read = "Forbidden: org:tickets:read permission required";
    let may_not_assign = "Forbidden: org:tickets:assign permission required";
    let neither = "Forbidden: org:tickets:answer permission or org:admin role required";
    let not_theirs = "Forbidden: not allowed for this id";
    let (first, second) = (json!({ "id": 1 }), json!({ "id": 2 }));
    let to_grace = json!({ "id": 1, "assignee": "user_grace" });

    let server = helpdesk();
    for (user, tool, arguments, denial) in [
        ("linus", "open_ticket", problem("Printer on fire"), ""),
        ("linus", "open_ticket", problem("Screen is blue"), ""),
        ("grace", "list_tickets", json!({}), ""),
        ("linus", "list_tickets", json!({}), may_not_read),
        ("grace", "find_duplicates", first.clone(), ""),
        ("linus", "find_duplicates", first.clone(), may_not_read),
        ("grace", "report", json!({}), ""),
        ("linus", "report", json!({}), may_not_read),
        ("grace", "assign_ticket", to_grace.clone(), may_not_assign),
        ("ada", "assign_ticket", to_grace, ""),
        ("linus", "close_ticket", first.clone(), neither),
        ("alan", "close_ticket", first.clone(), not_theirs),
        ("grace", "close_ticket", first, ""),
        ("ada", "close_ticket", second, ""),
    ] {
        let caller = server.user(user).org("acme");
        let answer = caller.call(tool, arguments).await;
        match denial {
            "" => answer.expect_ok().expect_ran(),
            denial => answer.expect_denied(denial),
        };
    }
    assert_eq!(server.ran("close_ticket"), 2);

    let nowhere = server.user("linus").call("open_ticket", json!({})).await;
    nowhere.expect_denied("Organization context required");
    for tool in server.user("ada").org("acme").tools().await {
        let answer = server.anonymous().call(&tool, json!({})).await;
        match tool.as_str() {
            "office_hours" => answer.expect_ok().expect_ran(),
            _ => answer.expect_unauthorized().expect_not_run(),
        };
    }
}

#[actix_web::test]
async fn a_team_searches_its_own_tickets_page_by_page() {
    let server = helpdesk();
    let grace = server.user("grace").org("acme");
    for title in ["Paper jam", "Screen is blue", "Paper out", "paper Jam"] {
        grace.call("open_ticket", problem(title)).await.expect_ok();
    }
    for (after, found) in [(0, 1), (1, 3)] {
        let search = json!({ "query": "Paper", "after": after, "limit": 1 });
        let page = grace.call("list_tickets", search).await;
        let page: Value = page.expect_ok().json();
        assert_eq!(page["result"][0]["id"], found);
    }
    let alike = grace.call("find_duplicates", json!({ "id": 1 })).await;
    assert_eq!(alike.expect_ok().json::<Value>()["result"], json!([4]));
    let report = grace.call("report", json!({})).await;
    assert_eq!(report.expect_ok().text(), "4 of 4 open");

    let margaret = server.user("margaret").org("globex").permission(AGENT[0]);
    let answer = margaret.call("find_duplicates", json!({ "id": 1 })).await;
    answer.expect_error_with("no ticket 1").expect_ran();
}

#[actix_web::test]
async fn arguments_that_break_a_rule_reach_no_tool() {
    let server = helpdesk();
    let ada = server.user("ada").org("acme");
    let not_an_id = json!({ "id": 1, "assignee": "grace" });
    for (tool, arguments, field) in [
        ("open_ticket", problem("?"), "`problem.title`"),
        ("list_tickets", json!({ "limit": 1000 }), "`limit`"),
        ("list_tickets", json!({ "offset": 1 }), "offset"),
        ("assign_ticket", not_an_id, "`assignee`"),
    ] {
        let answer = ada.call(tool, arguments).await;
        answer.expect_error_with(field).expect_not_run();
    }
}

#[actix_web::test]
async fn expired_tokens_and_ended_memberships_are_refused() {
    let server = helpdesk();
    let token = server.user("grace").org("acme").expires_in(60).token();
    let grace = server.bearer(token.unwrap());
    grace.call("report", json!({})).await.expect_ok();
    server.remove_member("grace", "acme");
    server.advance(Duration::from_secs(30));
    let answer = grace.call("report", json!({})).await;
    answer.expect_missing("organization", &[]);
    server.advance(Duration::from_secs(36));
    let answer = grace.call("report", json!({})).await;
    answer.expect_unauthorized();
    assert_eq!(server.ran("report"), 1);
}

#[actix_web::test]
async fn a_tool_called_as_a_function_asks_for_no_token() {
    let (org_id, desk) = ("org_acme".to_owned(), State::new(Desk::default()));
    let team = Team { org_id, desk };
    let assigned = crate::assign_ticket(1, "user_grace".to_owned(), &team).await;
    let error = assigned.unwrap_err().to_string();
    assert!(error.starts_with("There is no ticket 1"), "{error}");
}
