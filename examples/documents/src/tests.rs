//! The declarations of `tools.rs`, tested through the server: HTTP, token, guard, arguments, tool.

use std::time::Duration;

use mcp_auth::testing::TestAnswer;
use mcp_auth::testing::TestServer;
use mcp_auth::testing::TestUser;
use serde_json::Value;
use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::sqlite::SqlitePool;
use tempfile::TempDir;

use crate::documents::Documents;

const READ: &str = "org:documents:read";
const WRITE: &str = "org:documents:write";
const DELETE: &str = "org:documents:delete";

#[actix_web::test]
async fn a_created_document_is_listed_and_read() {
    let office = Office::open().await;
    let ada = office.member("ada", "acme", &[READ, WRITE]);

    let created = ada
        .call(
            "create_document",
            json!({ "title": " Plan ", "body": "Weave" }),
        )
        .await;
    let created: Value = created.expect_ok().json();
    assert_eq!(created["title"], "Plan");
    assert_eq!(created["created_by"], "user_ada");

    let listed: Value = ada
        .call("list_documents", json!({}))
        .await
        .expect_ok()
        .json();
    let summary = json!({ "id": created["id"], "title": "Plan" });
    assert_eq!(listed, json!({ "documents": [summary] }));

    let read = ada
        .call("get_document", json!({ "document_id": created["id"] }))
        .await;
    assert_eq!(read.expect_ok().json::<Value>(), created);
}

#[actix_web::test]
async fn the_list_starts_with_the_newest_and_ends_at_its_limit() {
    let office = Office::open().await;
    let ada = office.member("ada", "acme", &[READ, WRITE]);
    let insert = "INSERT INTO documents VALUES ('org_acme', ?, 'Old', '', 'user_ada', ?)";
    for number in 0..Documents::LIST_LIMIT {
        let inserted = sqlx::query(insert)
            .bind(number)
            .bind(format!("2020-{number:03}"));
        inserted.execute(&office.rows).await.unwrap();
    }
    let newest = office.create(&ada, "New").await;

    let listed: Value = ada
        .call("list_documents", json!({}))
        .await
        .expect_ok()
        .json();
    let listed = listed["documents"].as_array().unwrap();
    assert_eq!(listed.len(), Documents::LIST_LIMIT as usize);
    assert_eq!(listed[0]["id"], newest);
    assert_eq!(listed[1]["id"], "99");
    assert_eq!(listed[99]["id"], "1");
}

#[actix_web::test]
async fn a_deleted_document_is_gone() {
    let office = Office::open().await;
    let ada = office.member("ada", "acme", &[READ, WRITE, DELETE]);
    let plan = office.create(&ada, "Plan").await;
    let other = office.create(&ada, "Other").await;

    let deleted = delete(&ada, &plan).await;
    assert_eq!(
        deleted.expect_ok().text(),
        format!("Document {plan} deleted")
    );
    let not_found = format!("Document {plan} not found");
    delete(&ada, &plan).await.expect_error(&not_found);
    get(&ada, &plan).await.expect_error(&not_found);
    get(&ada, &other).await.expect_ok();
    assert_eq!(office.count().await, 1);
}

#[actix_web::test]
async fn each_tool_names_the_permission_it_lacks_and_changes_nothing() {
    let office = Office::open().await;
    let ada = office.member("ada", "acme", &[WRITE]);
    let plan = office.create(&ada, "Plan").await;
    let id = json!({ "document_id": plan });
    let text = json!({ "title": "Plan B", "body": "" });

    // Whoever has the other two still lacks the third.
    for (tool, arguments, held, missing) in [
        ("list_documents", json!({}), [WRITE, DELETE], READ),
        ("get_document", id.clone(), [WRITE, DELETE], READ),
        ("create_document", text, [READ, DELETE], WRITE),
        ("delete_document", id, [READ, WRITE], DELETE),
    ] {
        let denial = format!("Forbidden: {missing} permission required");
        let grace = office.member("grace", "acme", &held);
        grace
            .call(tool, arguments.clone())
            .await
            .expect_denied(&denial);
        grace
            .legacy()
            .call(tool, arguments)
            .await
            .expect_denied(&denial);
    }
    assert_eq!(office.titles().await, ["Plan"]);
}

#[actix_web::test]
async fn a_permission_suffices_without_any_other() {
    let office = Office::open().await;
    let text = json!({ "title": "Plan", "body": "" });
    let ada = office.member("ada", "acme", &[WRITE]);
    ada.call("create_document", text).await.expect_ok();
    let plan = office.ids().await.remove(0);

    let grace = office.member("grace", "acme", &[READ]);
    grace.call("list_documents", json!({})).await.expect_ok();
    get(&grace, &plan).await.expect_ok();
    let linus = office.member("linus", "acme", &[DELETE]);
    delete(&linus, &plan).await.expect_ok();
}

#[actix_web::test]
async fn without_an_organization_nothing_is_reached() {
    let office = Office::open().await;
    let ada = office.member("ada", "acme", &[WRITE]);
    let plan = office.create(&ada, "Plan").await;

    let linus = office.server.user("linus");
    let id = json!({ "document_id": plan });
    for (tool, arguments) in [
        ("list_documents", json!({})),
        ("get_document", id.clone()),
        ("create_document", json!({ "title": "Mine", "body": "" })),
        ("delete_document", id),
    ] {
        let answer = linus.call(tool, arguments).await;
        answer.expect_denied("Organization context required");
    }
    assert_eq!(office.titles().await, ["Plan"]);
}

#[actix_web::test]
async fn a_document_of_another_organization_is_answered_like_a_missing_one() {
    let office = Office::open().await;
    let ada = office.member("ada", "acme", &[READ, WRITE, DELETE]);
    let margaret = office.member("margaret", "globex", &[READ, WRITE, DELETE]);
    let plan = office.create(&ada, "Plan").await;

    for id in [plan.as_str(), "doc_never_was"] {
        let not_found = format!("Document {id} not found");
        get(&margaret, id).await.expect_error(&not_found);
        delete(&margaret, id).await.expect_error(&not_found);
    }
    let listed: Value = margaret
        .call("list_documents", json!({}))
        .await
        .expect_ok()
        .json();
    assert_eq!(listed, json!({ "documents": [] }));
    get(&ada, &plan).await.expect_ok();
}

#[actix_web::test]
async fn a_user_of_two_organizations_sees_those_of_the_one_acted_in() {
    let office = Office::open().await;
    let at_acme = office.member("ada", "acme", &[READ, WRITE]);
    let at_globex = office.member("ada", "globex", &[READ, WRITE]);
    let plan = office.create(&at_acme, "Plan").await;
    let bridge = office.create(&at_globex, "Bridge").await;

    get(&at_acme, &plan).await.expect_ok();
    get(&at_globex, &bridge).await.expect_ok();
    get(&at_acme, &bridge)
        .await
        .expect_error(&format!("Document {bridge} not found"));
    get(&at_globex, &plan)
        .await
        .expect_error(&format!("Document {plan} not found"));
}

#[actix_web::test]
async fn a_member_who_left_is_refused_once_the_membership_is_looked_up_again() {
    let office = Office::open().await;
    let ada = office.member("ada", "acme", &[WRITE, DELETE]);
    let plan = office.create(&ada, "Plan").await;
    // Her token outlives her membership.
    let ada = office.server.bearer(ada.token().unwrap());
    delete(&ada, "doc_never_was")
        .await
        .expect_error("Document doc_never_was not found");

    office.server.remove_member("ada", "acme");
    office.server.advance(Duration::from_secs(30));
    let answer = delete(&ada, &plan).await;
    answer.expect_denied("Organization context required");
    assert_eq!(office.titles().await, ["Plan"]);
}

#[actix_web::test]
async fn without_a_token_only_the_public_tool_answers() {
    let office = Office::open().await;
    let anonymous = office.server.anonymous();

    let status = anonymous.call("server_status", json!({})).await;
    assert!(status.expect_ok().text().ends_with("ready"));
    for tool in [
        "list_documents",
        "get_document",
        "create_document",
        "delete_document",
    ] {
        anonymous.call(tool, json!({})).await.expect_unauthorized();
    }
    let expired = office.member("ada", "acme", &[READ]).expires_in(-60);
    expired
        .call("list_documents", json!({}))
        .await
        .expect_unauthorized();
}

#[actix_web::test]
async fn an_unknown_argument_is_refused_before_anything_is_deleted() {
    let office = Office::open().await;
    let ada = office.member("ada", "acme", &[WRITE, DELETE]);
    let plan = office.create(&ada, "Plan").await;

    let careful = json!({ "document_id": plan, "dry_run": true });
    let answer = ada.call("delete_document", careful).await;
    assert!(answer.text().contains("dry_run"), "{answer:?}");
    assert_eq!(answer.result().unwrap()["isError"], true);
    assert_eq!(office.titles().await, ["Plan"]);
}

#[actix_web::test]
async fn a_title_of_blanks_is_refused() {
    let office = Office::open().await;
    let ada = office.member("ada", "acme", &[WRITE]);
    let blank = json!({ "title": "  ", "body": "Weave" });
    ada.call("create_document", blank)
        .await
        .expect_error("A document needs a title");
    assert_eq!(office.count().await, 0);
}

#[actix_web::test]
async fn the_list_of_tools_shows_what_its_caller_may_call() {
    let office = Office::open().await;
    let admin = office.member("ada", "acme", &[READ, WRITE, DELETE]);
    assert_eq!(
        admin.tools().await,
        [
            "create_document",
            "delete_document",
            "get_document",
            "list_documents",
            "server_status"
        ],
    );
    let reader = office.member("grace", "acme", &[READ]);
    assert_eq!(
        reader.tools().await,
        ["get_document", "list_documents", "server_status"]
    );
    let stranger = office.member("linus", "acme", &[]);
    assert_eq!(stranger.tools().await, ["server_status"]);
}

#[actix_web::test]
async fn documents_outlive_the_server() {
    let office = Office::open().await;
    let ada = office.member("ada", "acme", &[WRITE]);
    let plan = office.create(&ada, "Plan").await;

    let again = Documents::open(office.folder.path().join(FILE))
        .await
        .unwrap();
    let server = TestServer::of(mcp_auth::server!(state = again));
    let ada = server.user("ada").org("acme").permission(READ);
    get(&ada, &plan).await.expect_ok();
}

/// A server with a database of its own, and a second look at the rows past the server.
struct Office {
    server: TestServer,
    rows: SqlitePool,
    folder: TempDir,
}

impl Office {
    async fn open() -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join(FILE);
        let documents = Documents::open(&file).await.unwrap();
        let rows = SqliteConnectOptions::new().filename(&file);
        Self {
            server: TestServer::of(mcp_auth::server!(state = documents)),
            rows: SqlitePool::connect_with(rows).await.unwrap(),
            folder,
        }
    }

    fn member(&self, user: &str, organization: &str, permissions: &[&str]) -> TestUser<'_> {
        let user = self.server.user(user).org(organization);
        permissions
            .iter()
            .fold(user, |user, held| user.permission(held))
    }

    async fn create(&self, author: &TestUser<'_>, title: &str) -> String {
        let text = json!({ "title": title, "body": "" });
        let document: Value = author
            .call("create_document", text)
            .await
            .expect_ok()
            .json();
        document["id"].as_str().unwrap().to_owned()
    }

    async fn count(&self) -> usize {
        self.ids().await.len()
    }

    async fn ids(&self) -> Vec<String> {
        let ids = sqlx::query_scalar("SELECT id FROM documents");
        ids.fetch_all(&self.rows).await.unwrap()
    }

    async fn titles(&self) -> Vec<String> {
        let titles = sqlx::query_scalar("SELECT title FROM documents");
        titles.fetch_all(&self.rows).await.unwrap()
    }
}

async fn get(user: &TestUser<'_>, document_id: &str) -> TestAnswer {
    user.call("get_document", json!({ "document_id": document_id }))
        .await
}

async fn delete(user: &TestUser<'_>, document_id: &str) -> TestAnswer {
    user.call("delete_document", json!({ "document_id": document_id }))
        .await
}

const FILE: &str = "documents.db";
