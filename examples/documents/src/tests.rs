//! Tests the tools, the resources and the prompts through the server: HTTP, token, guard,
//! arguments, function.

use std::time::Duration;

use expect_test::expect_file;
use mcp_auth::SampleCaller;
use mcp_auth::testing::{TestAnswer, TestServer, TestSubscription, TestUser};
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use tempfile::TempDir;

use crate::documents::Documents;
use crate::resources::uri;

const READ: &str = crate::READ.as_str();
const WRITE: &str = crate::WRITE.as_str();
const DELETE: &str = crate::DELETE.as_str();
const EXPORT: &str = "documents:export";

#[actix_web::test]
async fn a_created_document_is_listed_and_read() {
    let office = Office::open().await;
    let ada = office.member("ada", "acme", &[READ, WRITE]);

    let created = ada
        .call(
            "create_document",
            json!({ "title": "Plan", "body": "Weave" }),
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
    let summary =
        json!({ "id": created["id"], "title": "Plan", "created_at": created["created_at"] });
    assert_eq!(listed, json!({ "documents": [summary] }));

    let read = ada
        .call("get_document", json!({ "document_id": created["id"] }))
        .await;
    assert_eq!(read.expect_ok().json::<Value>(), created);
}

#[actix_web::test]
async fn pages_follow_each_other_from_the_newest_to_the_oldest() {
    let office = Office::open().await;
    let ada = office.member("ada", "acme", &[READ, WRITE]);
    office.insert_old(45).await;
    let newest = office.create(&ada, "New").await;

    let mut ids = Vec::new();
    let mut sizes = Vec::new();
    let mut arguments = json!({});
    loop {
        let page = ada.call("list_documents", arguments).await;
        let page: Value = page.expect_ok().json();
        let documents = page["documents"].as_array().unwrap();
        sizes.push(documents.len());
        ids.extend(documents.iter().map(|document| document["id"].clone()));
        // Deleting a document between two pages must not move the other documents.
        if sizes.len() == 1 {
            delete(
                &office.member("linus", "acme", &[DELETE]),
                ids[19].as_str().unwrap(),
            )
            .await
            .expect_ok();
        }
        match page.get("next_cursor") {
            Some(cursor) => arguments = json!({ "cursor": cursor }),
            None => break,
        }
    }
    assert_eq!(sizes, [20, 20, 6]);
    assert_eq!(ids[0], newest);
    let old: Vec<_> = (0..45)
        .rev()
        .map(|number| json!(format!("doc_{number:03}")))
        .collect();
    assert_eq!(ids[1..], old);
}

#[actix_web::test]
async fn a_page_has_the_size_that_was_asked_for_within_its_bounds() {
    let office = Office::open().await;
    let ada = office.member("ada", "acme", &[READ, WRITE]);
    for _ in 0..3 {
        office.create(&ada, "Plan").await;
    }
    let page = ada.call("list_documents", json!({ "page_size": 3 })).await;
    let page: Value = page.expect_ok().json();
    assert_eq!(page["documents"].as_array().unwrap().len(), 3);
    assert!(page.get("next_cursor").is_none(), "{page}");

    for page_size in [0, 101] {
        let arguments = json!({ "page_size": page_size });
        let answer = ada.call("list_documents", arguments).await;
        answer.expect_error_with("Invalid argument `page_size`: ");
    }
    let answer = ada
        .call("list_documents", json!({ "cursor": "nonsense" }))
        .await;
    answer.expect_error("`cursor` must be the `next_cursor` of an earlier page");
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
    let share = json!({ "document_id": plan, "organization_id": "org_globex" });

    // A caller who has the two other permissions still needs the third.
    for (tool, arguments, held, missing) in [
        ("list_documents", json!({}), [WRITE, DELETE], READ),
        ("get_document", id.clone(), [WRITE, DELETE], READ),
        ("preview_document", id.clone(), [WRITE, DELETE], READ),
        ("export_documents", json!({}), [WRITE, DELETE], READ),
        ("create_document", text, [READ, DELETE], WRITE),
        ("update_document", id.clone(), [READ, DELETE], WRITE),
        ("share_document", share, [READ, DELETE], WRITE),
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
async fn a_user_of_two_organizations_sees_only_documents_of_the_current_one() {
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
    // The token outlives the membership.
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
async fn the_length_of_a_title_is_limited_and_shown_in_the_schema() {
    let office = Office::open().await;
    let ada = office.member("ada", "acme", &[WRITE]);
    for title in [String::new(), "x".repeat(201)] {
        let text = json!({ "title": title, "body": "Weave" });
        let answer = ada.call("create_document", text).await;
        answer.expect_error_with("Invalid argument `title`: length is ");
    }
    assert_eq!(office.count().await, 0);
    // These are two hundred letters and four hundred bytes.
    let text = json!({ "title": "ö".repeat(200), "body": "Weave" });
    ada.call("create_document", text).await.expect_ok();
}

#[actix_web::test]
async fn an_update_leaves_the_fields_that_it_does_not_name() {
    let office = Office::open().await;
    let ada = office.member("ada", "acme", &[READ, WRITE]);
    let plan = office.create(&ada, "Plan").await;

    let update = json!({ "document_id": plan, "body": "Weave" });
    let changed = ada.call("update_document", update).await;
    let changed: Value = changed.expect_ok().json();
    assert_eq!(
        (&changed["title"], &changed["body"]),
        (&json!("Plan"), &json!("Weave"))
    );
    assert_eq!(get(&ada, &plan).await.json::<Value>(), changed);

    let missing = json!({ "document_id": "doc_never_was", "title": "Plan B" });
    let answer = ada.call("update_document", missing).await;
    answer.expect_error("Document doc_never_was not found");
    // An organization that can read a shared document cannot change it.
    share(&ada, &plan, "org_globex").await.expect_ok();
    let margaret = office.member("margaret", "globex", &[READ, WRITE]);
    let theirs = json!({ "document_id": plan, "title": "Mine" });
    let answer = margaret.call("update_document", theirs).await;
    answer.expect_error(&format!("Document {plan} not found"));
    assert_eq!(office.titles().await, ["Plan"]);
}

#[actix_web::test]
async fn only_the_author_can_share_and_then_others_can_read() {
    let office = Office::open().await;
    let ada = office.member("ada", "acme", &[READ, WRITE]);
    let grace = office.member("grace", "acme", &[READ, WRITE]);
    let margaret = office.member("margaret", "globex", &[READ, WRITE, DELETE]);
    let plan = office.create(&ada, "Plan").await;
    let not_found = format!("Document {plan} not found");

    // grace is in the same organization and has the permission, but did not create the document.
    share(&grace, &plan, "org_globex")
        .await
        .expect_denied("Forbidden: not allowed for this document_id");
    assert_eq!(office.server.ran("share_document"), 0);
    share(&margaret, &plan, "org_globex")
        .await
        .expect_error(&not_found);
    get(&margaret, &plan).await.expect_error(&not_found);

    let shared = share(&ada, &plan, "org_globex").await;
    assert_eq!(
        shared.expect_ok().text(),
        format!("Document {plan} shared with org_globex")
    );
    share(&ada, &plan, "org_globex").await.expect_ok();
    share(&ada, &plan, "Globex Inc.")
        .await
        .expect_error_with("Invalid argument `organization_id`: ");
    let read: Value = get(&margaret, &plan).await.expect_ok().json();
    assert_eq!(read["organization_id"], "org_acme");
    let listed = margaret.call("list_documents", json!({})).await;
    assert_eq!(listed.json::<Value>()["documents"][0]["id"], plan.as_str());
    delete(&margaret, &plan).await.expect_error(&not_found);
    // A third organization cannot read the document.
    let stranger = office.member("linus", "initech", &[READ]);
    get(&stranger, &plan).await.expect_error(&not_found);

    let ada = office.member("ada", "acme", &[DELETE]);
    delete(&ada, &plan).await.expect_ok();
    get(&margaret, &plan).await.expect_error(&not_found);
}

#[actix_web::test]
async fn an_export_needs_a_scope_and_has_only_documents_of_the_organization() {
    let office = Office::open().await;
    let ada = office.member("ada", "acme", &[READ, WRITE]);
    let margaret = office.member("margaret", "globex", &[WRITE]);
    let theirs = office.create(&margaret, "Theirs").await;
    share(&margaret, &theirs, "org_acme").await.expect_ok();
    office.create(&ada, "Plan").await;
    office.create(&ada, "Other").await;

    let answer = ada.call("export_documents", json!({})).await;
    answer.expect_insufficient_scope(&format!("{EXPORT} user:org:read"));
    let exporting = ada.scope(EXPORT);
    let answer = exporting.call("export_documents", json!({})).await;
    let block = &answer.expect_ok().result().unwrap()["content"][0]["resource"];
    assert_eq!(block["uri"], "docs://exports/org_acme.md");
    assert_eq!(block["mimeType"], "text/markdown");
    assert_eq!(block["text"], "# Plan\n\n\n\n# Other\n\n\n");

    let answer = exporting
        .with_progress()
        .call("export_documents", json!({}))
        .await;
    let last = json!({ "progress": 2, "total": 2, "message": "Other" });
    assert_eq!(answer.expect_ok().progress().last(), Some(&last));
}

#[actix_web::test]
async fn a_user_has_ten_exports_a_minute() {
    let office = Office::open().await;
    let export = async |user: &str| {
        let exporting = office.member(user, "acme", &[READ]).scope(EXPORT);
        exporting.call("export_documents", json!({})).await
    };
    for _ in 0..10 {
        export("ada").await.expect_ok();
    }
    let limited = export("ada").await;
    assert_eq!(
        limited.expect_limited().text(),
        "Rate limit: 10 calls a minute per user; retry in 60 s"
    );
    export("grace").await.expect_ok();
    office.server.advance(Duration::from_secs(60));
    export("ada").await.expect_ok();
}

#[actix_web::test]
async fn a_preview_is_the_title_and_a_png() {
    let office = Office::open().await;
    let ada = office.member("ada", "acme", &[READ, WRITE]);
    let plan = office.create(&ada, "Plan").await;
    let answer = ada
        .call("preview_document", json!({ "document_id": plan }))
        .await;
    assert_eq!(answer.expect_ok().text(), "Plan");
    let image = &answer.result().unwrap()["content"][1];
    assert_eq!(
        (&image["type"], &image["mimeType"]),
        (&json!("image"), &json!("image/png"))
    );
    // These are the first bytes of every PNG.
    assert!(image["data"].as_str().unwrap().starts_with("iVBORw0KGgo"));
}

#[actix_web::test]
async fn the_list_of_tools_shows_what_its_caller_may_call() {
    let office = Office::open().await;
    let admin = office.member("ada", "acme", &[READ, WRITE, DELETE]);
    // The list has `export_documents`, because a new token could have its scope.
    assert_eq!(
        admin.tools().await,
        [
            "create_document",
            "delete_document",
            "export_documents",
            "get_document",
            "list_documents",
            "preview_document",
            "server_status",
            "share_document",
            "update_document",
        ],
    );
    let reader = office.member("grace", "acme", &[READ]);
    assert_eq!(
        reader.tools().await,
        [
            "export_documents",
            "get_document",
            "list_documents",
            "preview_document",
            "server_status"
        ]
    );
    let stranger = office.member("linus", "acme", &[]);
    assert_eq!(stranger.tools().await, ["server_status"]);
}

#[actix_web::test]
async fn a_document_is_found_in_the_index_and_read_by_its_uri() {
    let office = Office::open().await;
    let ada = office.member("ada", "acme", &[READ, WRITE]);
    let plan = office.create(&ada, "Plan").await;
    office.insert_old(1).await;

    let index = ada.read("docs://index").await;
    let found: Value = serde_json::from_str(index.expect_ok().text()).unwrap();
    let entry = |id: &str, title: &str| json!({ "uri": uri(id), "title": title });
    let entries = [entry(&plan, "Plan"), entry("doc_000", "Old")];
    assert_eq!(found, json!({ "documents": entries, "has_more": false }));
    // A client may keep the index for half a minute, and for this caller only.
    let result = index.result().unwrap();
    assert_eq!(
        (&result["ttlMs"], &result["cacheScope"]),
        (&json!(30_000), &json!("private"))
    );

    let read = ada.read(&uri(&plan)).await;
    assert_eq!(read.expect_ok().text(), "# Plan\n\n\n");
    let contents = &read.result().unwrap()["contents"][0];
    assert_eq!(contents["uri"], uri(&plan));
    assert_eq!(contents["mimeType"], "text/markdown");
    ada.read(&uri("doc_never_was")).await.expect_unknown();
}

#[actix_web::test]
async fn the_index_has_the_hundred_newest_documents() {
    let office = Office::open().await;
    let ada = office.member("ada", "acme", &[READ]);
    office.insert_old(101).await;
    let index = ada.read("docs://index").await;
    let index: Value = serde_json::from_str(index.expect_ok().text()).unwrap();
    let documents = index["documents"].as_array().unwrap();
    assert_eq!(documents.len(), 100);
    assert_eq!(documents[0]["uri"], uri("doc_100"));
    assert_eq!(index["has_more"], true);
}

#[actix_web::test]
async fn a_prompt_embeds_the_document() {
    let office = Office::open().await;
    let ada = office.member("ada", "acme", &[READ, WRITE]);
    let plan = office.create(&ada, "Plan").await;

    let answer = summarise(&ada, &plan).await;
    let text = "Summarise the following document in at most 3 sentences.";
    assert_eq!(answer.expect_ok().text(), text);
    let resource = json!({
        "uri": uri(&plan),
        "mimeType": "text/markdown",
        "text": "# Plan\n\n\n",
    });
    let content = &answer.result().unwrap()["messages"][1]["content"];
    assert_eq!(content["resource"], resource);

    let short = json!({ "document_id": plan, "sentences": "1" });
    let answer = ada.prompt("summarise_document", short).await;
    assert!(answer.expect_ok().text().contains("at most 1 "));
    for sentences in ["0", "21", "many"] {
        let wrong = json!({ "document_id": plan, "sentences": sentences });
        let answer = ada.prompt("summarise_document", wrong).await;
        assert_eq!(answer.expect_not_run().error_code(), Some(-32602));
    }
    let answer = summarise(&ada, "doc_never_was").await;
    assert_eq!(
        answer.body()["error"]["message"],
        "Document doc_never_was not found"
    );
}

#[actix_web::test]
async fn without_the_permission_resources_and_prompts_do_not_exist() {
    let office = Office::open().await;
    let ada = office.member("ada", "acme", &[WRITE]);
    let plan = office.create(&ada, "Plan").await;

    // This user is in no organization. A new token cannot help, because the token has the scope for
    // organizations.
    let outside = office.server.user("linus").scope("user:org:read");
    for caller in [
        &office.member("grace", "acme", &[WRITE, DELETE]),
        &outside,
        &outside.clone().legacy(),
    ] {
        let index = caller.read("docs://index").await;
        index.expect_unknown().expect_not_run();
        let document = caller.read(&uri(&plan)).await;
        document.expect_unknown().expect_not_run();
        let summary = summarise(caller, &plan).await;
        summary.expect_unknown().expect_not_run();
    }
    let reader = office.member("grace", "acme", &[READ, DELETE]);
    let shares = reader.read(&shares_uri(&plan)).await;
    shares.expect_unknown().expect_not_run();

    let anonymous = office.server.anonymous();
    let index = anonymous.read("docs://index").await;
    index.expect_unauthorized();
    let summary = summarise(&anonymous, &plan).await;
    summary.expect_unauthorized();
}

#[actix_web::test]
async fn a_document_of_another_organization_is_read_once_it_is_shared() {
    let office = Office::open().await;
    let ada = office.member("ada", "acme", &[READ, WRITE]);
    let margaret = office.member("margaret", "globex", &[READ]);
    let plan = office.create(&ada, "Plan").await;

    let refused = margaret.read(&uri(&plan)).await;
    let missing = margaret.read(&uri("doc_never_was")).await;
    // Except for the URI, the error is the error of a document that does not exist.
    assert_eq!(
        refused.expect_unknown().body()["error"]["message"],
        format!("Unknown resource: {}", uri(&plan))
    );
    assert_eq!(refused.error_code(), missing.error_code());
    let summary = summarise(&margaret, &plan).await;
    let not_found = format!("Document {plan} not found");
    assert_eq!(summary.body()["error"]["message"], not_found);

    share(&ada, &plan, "org_globex").await.expect_ok();
    margaret.read(&uri(&plan)).await.expect_ok();
    summarise(&margaret, &plan).await.expect_ok();
}

#[actix_web::test]
async fn only_the_author_reads_with_whom_a_document_is_shared() {
    let office = Office::open().await;
    let ada = office.member("ada", "acme", &[READ, WRITE]);
    let plan = office.create(&ada, "Plan").await;
    for organization in ["org_initech", "org_globex"] {
        share(&ada, &plan, organization).await.expect_ok();
    }
    let shares = ada.read(&shares_uri(&plan)).await;
    assert_eq!(shares.expect_ok().text(), r#"["org_globex","org_initech"]"#);

    let ran = office.server.ran("shares");
    // grace is in the same organization, and margaret can read the document.
    for (user, organization) in [("grace", "acme"), ("margaret", "globex")] {
        let other = office.member(user, organization, &[READ, WRITE]);
        other.read(&shares_uri(&plan)).await.expect_unknown();
    }
    let missing = ada.read(&shares_uri("doc_never_was")).await;
    missing.expect_unknown();
    assert_eq!(office.server.ran("shares"), ran);
}

#[actix_web::test]
async fn ids_are_completed_by_title_or_id_within_the_organization() {
    let office = Office::open().await;
    let ada = office.member("ada", "acme", &[READ, WRITE]);
    let grace = office.member("grace", "acme", &[READ, WRITE]);
    let margaret = office.member("margaret", "globex", &[READ, WRITE]);
    let plan = office.create(&ada, "Plan").await;
    let planet = office.create(&grace, "Planet").await;
    let theirs = office.create(&margaret, "Plane").await;

    for (of, argument) in [
        ("summarise_document", "document_id"),
        ("docs://documents/{id}", "id"),
    ] {
        let complete =
            async |user: &TestUser<'_>, typed: &str| user.complete(of, argument, typed).await;
        let both = [planet.as_str(), plan.as_str()];
        assert_eq!(complete(&ada, "").await, both);
        assert_eq!(complete(&ada, "plan").await, both);
        assert_eq!(complete(&ada, "Plane").await, [planet.as_str()]);
        assert_eq!(complete(&ada, &plan).await, [plan.as_str()]);
        // Characters with a meaning in SQL patterns have none here.
        assert!(complete(&ada, "%").await.is_empty());
        assert!(complete(&ada, &theirs).await.is_empty());
        assert_eq!(complete(&margaret, "p").await, [theirs.as_str()]);
        let writer = office.member("grace", "acme", &[WRITE]);
        assert!(complete(&writer, "").await.is_empty());
    }
    // The list of shares is completed with documents that the caller created.
    let shares = "docs://shares/{id}";
    let own = ada.complete(shares, "id", "").await;
    assert_eq!(own, [plan.as_str()]);

    share(&margaret, &theirs, "org_acme").await.expect_ok();
    let shared = ada.complete("summarise_document", "document_id", "plane");
    assert_eq!(
        sorted(shared.await),
        sorted([planet.clone(), theirs.clone()])
    );
    let own = margaret.complete(shares, "id", "").await;
    assert_eq!(own, [theirs.as_str()]);
}

#[actix_web::test]
async fn subscribers_learn_of_changes_to_documents_that_they_can_read() {
    let office = Office::open().await;
    let ada = office.member("ada", "acme", &[READ, WRITE]);
    let margaret = office.member("margaret", "globex", &[READ]);
    let (plan, secret) = (
        office.create(&ada, "Plan").await,
        office.create(&ada, "Secret").await,
    );
    share(&ada, &plan, "org_globex").await.expect_ok();

    let uris = [
        uri(&plan),
        uri(&secret),
        uri("doc_none"),
        "docs://index".to_owned(),
    ];
    let filter = json!({ "resourceSubscriptions": uris });
    let mut of_ada = ada.listen(filter.clone()).await;
    let mut of_margaret = margaret.listen(filter).await;
    let readable = |more: &[String]| {
        let mut uris = [&["docs://index".to_owned(), uri(&plan)][..], more].concat();
        uris.sort();
        json!({ "resourceSubscriptions": uris })
    };
    assert_eq!(of_ada.acknowledged(), &readable(&[uri(&secret)]));
    assert_eq!(of_margaret.acknowledged(), &readable(&[]));

    let update = async |id: &str| {
        let arguments = json!({ "document_id": id, "body": "Weave" });
        ada.call("update_document", arguments).await.expect_ok();
    };
    let next = async |changes: &mut TestSubscription| {
        changes.next().await.unwrap()["params"]["uri"].take()
    };
    update(&secret).await;
    assert_eq!(next(&mut of_ada).await, uri(&secret));
    assert_eq!(next(&mut of_ada).await, "docs://index");
    // The index of the other organization did not change.
    update(&plan).await;
    assert_eq!(next(&mut of_margaret).await, uri(&plan));
    share(&ada, &secret, "org_globex").await.expect_ok();
    assert_eq!(next(&mut of_margaret).await, "docs://index");
}

#[actix_web::test]
async fn the_lists_show_the_resources_and_prompts_of_their_caller() {
    let office = Office::open().await;
    let template = "docs://documents/{id}";
    let shares = "docs://shares/{id}";
    for (held, prompts, resources, templates) in [
        (
            &[READ, WRITE][..],
            &["summarise_document"][..],
            &["docs://index"][..],
            &[template, shares][..],
        ),
        (
            &[READ],
            &["summarise_document"],
            &["docs://index"],
            &[template],
        ),
        (&[WRITE], &[], &[], &[shares]),
        (&[DELETE], &[], &[], &[]),
    ] {
        let user = office.member("ada", "acme", held);
        assert_eq!(user.prompts().await, prompts, "{held:?}");
        assert_eq!(user.resources().await, resources, "{held:?}");
        assert_eq!(user.templates().await, templates, "{held:?}");
    }
}

/// If a guard admits more callers, `tools.md` changes and this test fails. `UPDATE_EXPECT=1`
/// rewrites the file.
#[actix_web::test]
async fn the_access_matrix_is_the_reviewed_one() {
    let matrix = Office::open().await.server.matrix();
    let matrix = matrix
        .role("org:admin", &[READ, WRITE, DELETE])
        .role("org:member", &[READ])
        .caller(
            SampleCaller::new("member who exports")
                .permission(READ)
                .scope(EXPORT),
        );
    expect_file!["../tools.md"].assert_eq(&matrix.to_markdown());
}

#[actix_web::test]
async fn documents_survive_a_restart() {
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

/// A server with its own database, and access to the rows without the server.
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

    /// Inserts documents of acme, `doc_000` first.
    async fn insert_old(&self, count: u32) {
        let insert = "INSERT INTO documents VALUES ('org_acme', ?, 'Old', '', 'user_ada', ?)";
        for number in 0..count {
            // Some documents are created at the same moment.
            let inserted = sqlx::query(insert)
                .bind(format!("doc_{number:03}"))
                .bind(format!("2020-{:02}", number / 3));
            inserted.execute(&self.rows).await.unwrap();
        }
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

async fn share(user: &TestUser<'_>, document_id: &str, organization_id: &str) -> TestAnswer {
    let arguments = json!({ "document_id": document_id, "organization_id": organization_id });
    user.call("share_document", arguments).await
}

async fn summarise(user: &TestUser<'_>, document_id: &str) -> TestAnswer {
    let arguments = json!({ "document_id": document_id });
    user.prompt("summarise_document", arguments).await
}

async fn delete(user: &TestUser<'_>, document_id: &str) -> TestAnswer {
    user.call("delete_document", json!({ "document_id": document_id }))
        .await
}

/// Sorts ids. The server sorts them by age, and documents can be created at the same moment.
fn sorted(ids: impl Into<Vec<String>>) -> Vec<String> {
    let mut ids = ids.into();
    ids.sort();
    ids
}

fn shares_uri(document_id: &str) -> String {
    format!("docs://shares/{document_id}")
}

const FILE: &str = "documents.db";
