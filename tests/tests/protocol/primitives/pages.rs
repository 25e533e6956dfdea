//! Long lists in pages, and their cursors.

use serde_json::{Value, json};

use super::super::support::{ERAS, Era, World};
use crate::schema::{expect_error, expect_result};

const LISTS: [(&str, &str, &str, &str); 3] = [
    ("prompts/list", "prompts", "name", "ListPromptsResult"),
    ("resources/list", "resources", "uri", "ListResourcesResult"),
    (
        "resources/templates/list",
        "resourceTemplates",
        "uriTemplate",
        "ListResourceTemplatesResult",
    ),
];

async fn world() -> World {
    World::of("protocol::primitives::wiki", |builder| builder.page_size(2)).await
}

async fn page(
    world: &World,
    era: Era,
    method: &str,
    token: &str,
    cursor: Value,
) -> crate::reply::Reply {
    let params = json!({ "cursor": cursor });
    world.ask(era, method, params).bearer(token).send().await
}

#[actix_web::test]
async fn the_pages_of_a_list_are_the_list() {
    let (world, whole) = (world().await, super::world().await);
    for era in ERAS {
        for (method, list, key, definition) in LISTS {
            let ask = whole.ask(era, method, json!({})).bearer(&whole.ada());
            let expected = expect_result(era, definition, &ask.send().await);
            let mut entries = Vec::new();
            let mut cursor = Value::Null;
            loop {
                let reply = page(&world, era, method, &world.ada(), cursor).await;
                let result = expect_result(era, definition, &reply);
                let on_page = result[list].as_array().unwrap().clone();
                assert!((1..=2).contains(&on_page.len()), "{result}");
                entries.extend(on_page);
                cursor = result["nextCursor"].clone();
                if cursor.is_null() {
                    break;
                }
            }
            assert_eq!(json!(entries), expected[list], "{key}");
            assert_eq!(expected.get("nextCursor"), None);
        }
    }
}

#[actix_web::test]
async fn a_cursor_serves_its_caller_its_list_and_its_entries_for_an_hour() {
    let world = world().await;
    let (ada, grace) = (world.ada(), world.grace());
    for era in ERAS {
        let first = page(&world, era, "prompts/list", &ada, Value::Null).await;
        let cursor = first.result()["nextCursor"].clone();
        assert!(cursor.is_string());
        let again = page(&world, era, "prompts/list", &ada, cursor.clone()).await;
        assert_eq!(again.result()["prompts"].as_array().unwrap().len(), 2);
        let text = cursor.as_str().unwrap();
        let (start, end) = text.split_at(text.len() / 2);
        let swapped = format!("{end}{start}");
        for (what, method, token, forged) in [
            ("another caller", "prompts/list", &grace, cursor.clone()),
            ("another list", "resources/list", &ada, cursor.clone()),
            ("a made-up one", "prompts/list", &ada, json!("Mg")),
            ("an empty one", "prompts/list", &ada, json!("")),
            ("a changed one", "prompts/list", &ada, json!(swapped)),
            (
                "a long one",
                "prompts/list",
                &ada,
                json!("A".repeat(10_000)),
            ),
            ("a number", "prompts/list", &ada, json!(2)),
        ] {
            let reply = page(&world, era, method, token, forged).await;
            let body = expect_error(era, 200, -32602, &reply);
            let message = body["error"]["message"].as_str().unwrap();
            assert!(message.contains("`cursor`"), "{what}: {message}");
        }
        // Ada's role loses a permission, so she sees fewer prompts.
        let mut permissions = vec!["org:documents:read"];
        world
            .instance
            .set_member("ada", "acme", "admin", &permissions);
        world.clock.advance(std::time::Duration::from_secs(31));
        let stale = page(&world, era, "prompts/list", &world.ada(), cursor).await;
        expect_error(era, 200, -32602, &stale);
        permissions.push("org:documents:delete");
        world
            .instance
            .set_member("ada", "acme", "admin", &permissions);
        world.clock.advance(std::time::Duration::from_secs(31));
    }
}

mod open {
    use mcp_auth::mcp_prompt;

    #[mcp_prompt(public)]
    async fn one() -> &'static str {
        "one"
    }

    #[mcp_prompt(public)]
    async fn two() -> &'static str {
        "two"
    }
}

/// The cursor of a page is for one caller, so a shared cache must not keep the page.
#[actix_web::test]
async fn only_a_public_list_of_one_page_may_be_shared() {
    for (size, scope) in [(2, "public"), (1, "private")] {
        let world = World::of("protocol::primitives::pages::open", |builder| {
            builder.allow_anonymous_list().page_size(size)
        })
        .await;
        let list = world.ask(Era::Modern, "prompts/list", json!({}));
        let result = list.send().await.result();
        assert_eq!(result["cacheScope"], scope);
        assert_eq!(result.get("nextCursor").is_some(), size == 1);
    }
}
