//! Tests of who may call which tool. The tutorial and the README show these tests.

use mcp_auth::testing::TestServer;
use serde_json::json;

#[actix_web::test]
async fn deleting_needs_the_permission() {
    let server = TestServer::of(mcp_auth::server!());
    let document = json!({ "document_id": "d1" });

    let grace = server
        .user("grace")
        .org("acme")
        .permission("org:documents:read");
    let denied = grace.call("delete_document", document.clone()).await;
    denied.expect_denied("Forbidden: org:documents:delete permission required");

    let ada = server
        .user("ada")
        .org("acme")
        .permission("org:documents:delete");
    ada.call("delete_document", document)
        .await
        .expect_ok()
        .expect_ran();
}

#[actix_web::test]
async fn who_may_call_what_is_as_it_was_reviewed() {
    let matrix = TestServer::of(mcp_auth::server!())
        .matrix()
        .role("org:admin", &["org:documents:delete"])
        .role("org:member", &[]);
    expect_test::expect_file!["../tools.md"].assert_eq(&matrix.to_markdown());
}
