//! Completion of the arguments of prompts and of the variables of templates.

use serde_json::{Value, json};

use super::world;
use crate::schema::{expect_error, expect_result};
use crate::support::{ERAS, Era, World};

async fn complete(
    world: &World,
    era: Era,
    token: Option<&str>,
    params: Value,
) -> crate::reply::Reply {
    let ask = world.ask(era, "completion/complete", params);
    match token {
        Some(token) => ask.bearer(token).send().await,
        None => ask.send().await,
    }
}

fn of_prompt(name: &str, argument: &str, value: &str) -> Value {
    json!({ "ref": { "type": "ref/prompt", "name": name },
            "argument": { "name": argument, "value": value } })
}

fn of_template(uri: &str, argument: &str, value: &str) -> Value {
    json!({ "ref": { "type": "ref/resource", "uri": uri },
            "argument": { "name": argument, "value": value } })
}

#[actix_web::test]
async fn the_function_sees_the_caller_the_text_and_the_other_arguments() {
    let world = world().await;
    let grace = world.grace();
    let mut chosen = of_prompt("report", "title", "org");
    chosen["context"] = json!({ "arguments": { "year": "2026" } });
    for era in ERAS {
        for (params, expected) in [
            (
                of_prompt("report", "title", ""),
                json!(["org_acme", "Budget", "Board"]),
            ),
            (
                of_prompt("report", "title", "B"),
                json!(["Budget", "Board"]),
            ),
            (chosen.clone(), json!(["org_acme in 2026"])),
            (of_template("wiki://pages/{id}", "id", "1"), json!(["17"])),
        ] {
            let reply = complete(&world, era, Some(&grace), params).await;
            let result = expect_result(era, "CompleteResult", &reply);
            assert_eq!(
                result["completion"],
                json!({ "values": expected, "hasMore": false })
            );
        }
    }
}

#[actix_web::test]
async fn a_client_gets_at_most_a_hundred_values() {
    let world = world().await;
    for era in ERAS {
        let params = of_prompt("report", "year", "");
        let reply = complete(&world, era, Some(&world.ada()), params).await;
        let completion = expect_result(era, "CompleteResult", &reply)["completion"].clone();
        assert_eq!(completion["values"].as_array().unwrap().len(), 100);
        assert_eq!(completion["values"][0], "1900");
        assert_eq!(completion["hasMore"], true);
    }
}

/// A caller who may not use a prompt cannot distinguish it from a prompt that does not exist.
#[actix_web::test]
async fn completion_does_not_reveal_which_names_exist() {
    let world = world().await;
    let grace = world.grace();
    for era in ERAS {
        let replies = [
            of_prompt("purge", "what", "a"),
            of_prompt("no_such_prompt", "what", "a"),
            of_prompt("purge", "no_such_argument", "a"),
            of_template("wiki://trash/{id}", "id", "1"),
            of_template("wiki://nothing/{id}", "id", "1"),
            // The argument has no completion function.
            of_prompt("ideas", "subject", ""),
        ];
        for params in replies {
            let reply = complete(&world, era, Some(&grace), params.clone()).await;
            let result = expect_result(era, "CompleteResult", &reply);
            let none = json!({ "values": [], "hasMore": false });
            assert_eq!(result["completion"], none, "{params}");
            let reply = complete(&world, era, None, params).await;
            reply.expect_status(401);
        }
    }
    world.expect_runs(0);
    // The caller who may use it gets the values.
    let ada = world.ada();
    let params = of_prompt("purge", "what", "a");
    let reply = complete(&world, Era::Modern, Some(&ada), params).await;
    assert_eq!(reply.result()["completion"]["values"], json!(["a secret"]));
}

#[actix_web::test]
async fn a_malformed_request_names_the_member() {
    let world = world().await;
    let ada = world.ada();
    for (params, named) in [
        // serde would read these lists as the objects.
        (
            json!({ "ref": ["ref/prompt", "report"],
                    "argument": { "name": "title", "value": "" } }),
            "`ref`",
        ),
        (
            json!({ "ref": { "type": "ref/prompt", "name": "report" },
                    "argument": ["title", ""] }),
            "`argument`",
        ),
        (
            json!({ "ref": { "type": "ref/prompt", "name": "report" },
                    "argument": { "name": "title", "value": "" },
                    "context": { "arguments": { "year": "7".repeat(64 * 1024) } } }),
            "`context.arguments`",
        ),
        (json!({}), "`ref`"),
        (
            json!({ "ref": { "type": "ref/tool", "name": "x" } }),
            "`ref`",
        ),
        (
            json!({ "ref": { "type": "ref/prompt", "name": "report" } }),
            "`argument`",
        ),
        (
            json!({ "ref": { "type": "ref/prompt", "name": "report" },
                    "argument": { "name": "title", "value": 7 } }),
            "`argument`",
        ),
        (
            json!({ "ref": { "type": "ref/prompt", "name": "report" },
                    "argument": { "name": "title", "value": "" },
                    "context": { "arguments": { "year": 7 } } }),
            "`context.arguments`",
        ),
    ] {
        for era in ERAS {
            let reply = complete(&world, era, Some(&ada), params.clone()).await;
            let body = expect_error(era, 200, -32602, &reply);
            let text = body["error"]["message"].as_str().unwrap();
            assert!(text.contains(named), "{text}");
        }
    }
    world.expect_runs(0);
}

/// A user types many letters, and each is a request.
#[actix_web::test]
async fn completion_does_not_use_up_the_limits_of_its_prompt() {
    let world = world().await;
    let ada = world.ada();
    for era in ERAS {
        for _ in 0..3 {
            let params = of_prompt("question", "year", "1");
            let reply = complete(&world, era, Some(&ada), params).await;
            expect_result(era, "CompleteResult", &reply);
        }
    }
    let get = || {
        let params = json!({ "name": "question", "arguments": {} });
        world.ask(Era::Modern, "prompts/get", params).bearer(&ada)
    };
    for _ in 0..2 {
        expect_result(Era::Modern, "GetPromptResult", &get().send().await);
    }
    expect_error(Era::Modern, 200, 429, &get().send().await);
    world.expect_runs(2);
}
