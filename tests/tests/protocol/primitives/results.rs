//! The results of prompts and resources, and the errors of their functions.

use serde_json::{Value, json};

use super::{Item, send, world};
use crate::schema::{expect_error, expect_result};
use crate::support::{ERAS, Era, World};

async fn prompt(world: &World, era: Era, name: &str, arguments: Value) -> crate::reply::Reply {
    let params = json!({ "name": name, "arguments": arguments });
    world
        .ask(era, "prompts/get", params)
        .bearer(&world.ada())
        .send()
        .await
}

async fn read(world: &World, era: Era, uri: &str) -> crate::reply::Reply {
    let params = json!({ "uri": uri });
    world
        .ask(era, "resources/read", params)
        .bearer(&world.ada())
        .send()
        .await
}

#[actix_web::test]
async fn the_arguments_of_a_prompt_are_texts_that_are_read_as_its_types() {
    let world = world().await;
    for era in ERAS {
        for (arguments, expected) in [
            (json!({}), "3 ideas about anything"),
            (json!({ "count": "7", "subject": "10" }), "7 ideas about 10"),
            // Some clients send an empty text for a field that the user left empty.
            (
                json!({ "count": "", "subject": "tea" }),
                "3 ideas about tea",
            ),
        ] {
            let reply = prompt(&world, era, "ideas", arguments).await;
            let result = expect_result(era, "GetPromptResult", &reply);
            assert_eq!(result["description"], "Collect ideas.");
            assert_eq!(result["messages"][0]["role"], "user");
            assert_eq!(result["messages"][0]["content"]["text"], expected);
            assert_eq!(result["messages"][1]["role"], "assistant");
            assert_eq!(result["messages"][1]["content"]["mimeType"], "image/png");
        }
        for (arguments, named) in [
            (json!({ "count": "many" }), "count"),
            (json!({ "cuont": "7" }), "cuont"),
        ] {
            let reply = prompt(&world, era, "ideas", arguments).await;
            let body = expect_error(era, 200, -32602, &reply);
            let text = body["error"]["message"].as_str().unwrap();
            assert!(
                text.starts_with("Invalid params: ") && text.contains(named),
                "{text}"
            );
        }
        let reply = prompt(&world, era, "ideas", json!([])).await;
        expect_error(era, 200, -32602, &reply);
    }
    world.expect_runs(6);
}

#[actix_web::test]
async fn the_list_describes_the_arguments_in_their_order() {
    let world = world().await;
    for era in ERAS {
        let ask = world.ask(era, "prompts/list", json!({}));
        let reply = ask.bearer(&world.ada()).send().await;
        let result = expect_result(era, "ListPromptsResult", &reply);
        assert_eq!(
            result["prompts"][2],
            json!({
                "name": "ideas",
                "title": "Ideas",
                "description": "Collect ideas.",
                "arguments": [
                    { "name": "count", "description": "The number of ideas.", "required": false },
                    { "name": "subject", "description": "The subject of the ideas.", "required": false },
                ],
            })
        );
        let ask = world.ask(era, "resources/list", json!({}));
        let reply = ask.bearer(&world.ada()).send().await;
        let result = expect_result(era, "ListResourcesResult", &reply);
        assert_eq!(
            result["resources"],
            json!([
                { "uri": "wiki://about", "name": "about", "description": "About this wiki.",
                  "mimeType": "text/markdown", "size": 4 },
                { "uri": "wiki://index", "name": "index", "title": "Index",
                  "description": "All pages.",
                  "annotations": { "audience": ["user", "assistant"], "priority": 0.5,
                                   "lastModified": "2026-01-12T15:00:58Z" } },
                { "uri": "wiki://me", "name": "me", "description": "The caller." },
            ])
        );
    }
}

#[actix_web::test]
async fn the_contents_have_the_uri_the_type_and_the_caching_of_their_resource() {
    let world = world().await;
    for era in ERAS {
        for (uri, contents, caching) in [
            (
                "wiki://about",
                json!([{ "uri": "wiki://about", "mimeType": "text/markdown", "text": "wiki" }]),
                (300_000, "public"),
            ),
            (
                "wiki://me",
                json!([{ "uri": "wiki://me", "mimeType": "application/json", "text": "[\"user_ada\"]" }]),
                (0, "private"),
            ),
            (
                "wiki://index",
                json!([
                    { "uri": "wiki://index", "mimeType": "text/plain", "text": "org_acme" },
                    { "uri": "wiki://index/map", "mimeType": "image/x-map", "blob": "AP8=" },
                ]),
                (0, "private"),
            ),
            (
                "wiki://pages/7",
                json!([{ "uri": "wiki://pages/7", "mimeType": "text/plain", "text": "page 7" }]),
                (0, "private"),
            ),
        ] {
            let reply = read(&world, era, uri).await;
            let result = expect_result(era, "ReadResourceResult", &reply);
            assert_eq!(result["contents"], contents);
            if era == Era::Modern {
                assert_eq!(
                    (&result["ttlMs"], &result["cacheScope"]),
                    (&json!(caching.0), &json!(caching.1))
                );
            }
        }
    }
}

#[actix_web::test]
async fn none_is_an_unknown_resource_and_an_error_is_its_text_or_a_reference() {
    let world = world().await;
    for era in ERAS {
        let missing = Item::Uri("wiki://pages/404");
        let reply = send(&world, era, missing, Some(&world.ada())).await;
        missing.expect_unknown(era, &reply);
        let body = expect_error(
            era,
            200,
            -32603,
            &read(&world, era, "wiki://pages/500").await,
        );
        assert_eq!(body["error"]["message"], "The page is being printed");
        let body = expect_error(
            era,
            200,
            -32602,
            &read(&world, era, "wiki://pages/seven").await,
        );
        let text = body["error"]["message"].as_str().unwrap();
        assert!(
            text.starts_with("Invalid params: ") && text.contains("id"),
            "{text}"
        );
        let reply = prompt(&world, era, "report", json!({ "title": "secret" })).await;
        let body = expect_error(era, 200, -32603, &reply);
        assert_eq!(body["error"]["message"], "The report is being written");
        let reply = prompt(&world, era, "report", json!({ "title": "broken" })).await;
        let body = expect_error(era, 200, -32603, &reply);
        let text = body["error"]["message"].as_str().unwrap();
        assert!(text.starts_with("Internal error, reference "), "{text}");
        assert!(!body.to_string().contains("disk 7"), "{body}");
    }
}

/// Each URI is a try to leave the folder of the template, or to be decoded twice.
#[actix_web::test]
async fn no_uri_leaves_its_template() {
    let world = world().await;
    let token = world.mint(
        &clerk_emulator::TokenRequest::oauth("ada")
            .org("acme")
            .scopes(["files:read", "user:org:read"]),
    );
    for uri in [
        "wiki://files/..",
        "wiki://files//etc/passwd",
        "wiki://files/%2Fetc/passwd",
        "wiki://files/%5Cetc",
        "wiki://files/../secret",
        "wiki://files/a/../../secret",
        "wiki://files/%2e%2e/secret",
        "wiki://files/%2E./secret",
        "wiki://files/a/..%2f..%2fsecret",
        "wiki://files/a%5c..%5csecret",
        "wiki://files/a%00b",
        "wiki://files/a%0d%0ab",
        "wiki://files/%ff",
        "wiki://files/%",
        "wiki://files/",
        "wiki://pages/7/8",
        "wiki://pages/7%2f8",
        "wiki://pages/7?x=1",
        "wiki://pages/7#x",
        "WIKI://pages/7",
        "wiki:///pages/7",
    ] {
        for era in ERAS {
            let reply = world
                .ask(era, "resources/read", json!({ "uri": uri }))
                .bearer(&token)
                .send()
                .await;
            let code = if era == Era::Modern { -32602 } else { -32002 };
            let body = expect_error(era, 200, code, &reply);
            assert_eq!(body["error"]["data"], json!({ "uri": uri }));
        }
    }
    world.expect_runs(0);
    // A value is decoded once: the text stays encoded.
    let params = json!({ "uri": "wiki://files/%252e%252e/secret" });
    let reply = world
        .ask(Era::Modern, "resources/read", params)
        .bearer(&token)
        .send()
        .await;
    let blob = reply.result()["contents"][0]["blob"].clone();
    assert_eq!(blob, "JTJlJTJlL3NlY3JldA==", "%2e%2e/secret");
    world.expect_runs(1);
}
