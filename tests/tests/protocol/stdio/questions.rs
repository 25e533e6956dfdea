//! Questions to the person: as requests to a legacy client, and as results to a modern client.

use serde_json::{Value, json};

use super::client::{Program, text_of, with_local_user};
use crate::schema::expect_valid;
use crate::support::Era;

/// Calls a tool, and answers its question.
#[track_caller]
fn asked(program: &mut Program, era: Era, tool: &str, arguments: &Value, answer: &Value) -> Value {
    let id = program.call(tool, arguments.clone());
    match era {
        Era::Legacy => {
            let question = program.next();
            assert_eq!(question["method"], "elicitation/create");
            let response = json!({ "jsonrpc": "2.0", "id": question["id"], "result": answer });
            program.send(&response);
            program.call_result(id)
        }
        Era::Modern => {
            let required = program.call_result(id);
            expect_valid(era, "InputRequiredResult", &required);
            let questions = required["inputRequests"].as_object().unwrap();
            let (name, question) = questions.iter().next().unwrap();
            assert_eq!(question["method"], "elicitation/create");
            let params = json!({
                "name": tool,
                "arguments": arguments,
                "requestState": required["requestState"],
                "inputResponses": { name: answer },
            });
            let id = program.request("tools/call", params);
            program.call_result(id)
        }
    }
}

#[test]
fn a_person_fills_in_a_form_or_declines() {
    for era in [Era::Legacy, Era::Modern] {
        let mut program = Program::start(era, &with_local_user());
        let accepted = json!({ "action": "accept", "content": { "username": "ada" } });
        let result = asked(&mut program, era, "register", &json!({}), &accepted);
        assert_eq!(text_of(&result), "Registered ada");
        let declined = json!({ "action": "decline" });
        let result = asked(&mut program, era, "register", &json!({}), &declined);
        assert_eq!(result["isError"], true);
        assert_eq!(text_of(&result), "The user declined.");
        program.finish();
    }
}

#[test]
fn a_person_confirms_a_call_or_does_not() {
    for era in [Era::Legacy, Era::Modern] {
        let mut program = Program::start(era, &with_local_user());
        let name = json!({ "name": "all" });
        for (action, text) in [
            ("accept", "Forgot all"),
            ("decline", "Not confirmed: the user declined."),
        ] {
            let answer = match action {
                "accept" => json!({ "action": action, "content": {} }),
                _ => json!({ "action": action }),
            };
            let result = asked(&mut program, era, "forget", &name, &answer);
            assert_eq!(text_of(&result), text);
        }
        program.finish();
    }
}

#[test]
fn a_message_whose_handling_panics_gets_an_error_and_the_next_one_is_handled() {
    let mut variables = with_local_user();
    variables.push(("BROKEN_STORE", "1".to_owned()));
    let mut program = Program::start(Era::Modern, &variables);
    let arguments = json!({ "name": "all" });
    let required = program.called("forget", arguments.clone());
    let name = required["inputRequests"].as_object().unwrap().keys().next();
    let params = json!({
        "name": "forget",
        "arguments": arguments,
        "requestState": required["requestState"],
        "inputResponses": { name.unwrap(): { "action": "accept", "content": {} } },
    });
    let error = program.error("tools/call", params);
    assert_eq!(error["code"], -32603);
    let text = "The server failed to handle the message.";
    assert_eq!(error["message"], text);
    assert_eq!(program.text("who_am_i", json!({})), "user_ada");
    let (_, log) = program.finish();
    assert!(log.contains("the store panics"), "{log}");
}

#[test]
fn an_anonymous_caller_of_a_legacy_client_has_a_session_too() {
    let mut program = Program::start(Era::Legacy, &[("DISCOVERABLE", "1".to_owned())]);
    // Only a session takes a response, and refuses the response to no request without an answer.
    program.send(&json!({ "jsonrpc": "2.0", "id": "unknown", "result": {} }));
    assert_eq!(program.text("greet", json!({ "name": "Ada" })), "Hello Ada");
    assert_eq!(program.finish().0, [] as [Value; 0]);
}

#[test]
fn a_client_that_cannot_answer_is_told_so() {
    let mut program = Program::spawn(Era::Modern, &with_local_user());
    program.set_capabilities(json!({}));
    program.connect();
    let error = program.error("tools/call", json!({ "name": "register", "arguments": {} }));
    assert_eq!(error["code"], -32021);
    program.finish();
}

#[test]
fn an_unanswered_question_ends_with_the_input() {
    let mut program = Program::start(Era::Legacy, &with_local_user());
    let id = program.call("register", json!({}));
    assert_eq!(program.next()["method"], "elicitation/create");
    let (messages, _) = program.finish();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!(messages[0]["id"], id);
    assert_eq!(messages[0]["error"]["code"], -32603);
}
