//! Questions over the stream of a session, and changes of resources on the stream that belongs to no call.

use std::time::Duration;

use serde_json::{Value, json};

use super::client::{self, Event, Events, Session};
use super::with;
use crate::schema::expect_valid;
use crate::support::{Era, LEGACY, World, message};

/// A session in a server with the tools that ask.
async fn world() -> World {
    World::of("protocol::elicitation::tools", |builder| {
        builder.legacy_sessions()
    })
    .await
}

/// The next question of a stream: its id and its parameters.
async fn question(events: &mut Events) -> (Value, Value) {
    loop {
        let event = events.next().await.expect("no question");
        let Some(message) = event.message else {
            continue;
        };
        if message["method"] == "elicitation/create" {
            expect_valid(Era::Legacy, "ElicitRequest", &message);
            return (message["id"].clone(), message["params"].clone());
        }
    }
}

async fn answer(session: &Session<'_>, id: &Value, result: &Value) -> u16 {
    let body = json!({ "jsonrpc": "2.0", "id": id, "result": result });
    session.post(&body).send().await.status
}

/// The URI of the next changed resource.
async fn changes(events: &mut Events) -> String {
    loop {
        let event = events.next().await.expect("no change");
        // The caller's lists change with the caller's rights.
        if event.is("notifications/tools/list_changed")
            || event.is("notifications/resources/list_changed")
        {
            continue;
        }
        if let Some(message) = event.message {
            expect_valid(Era::Legacy, "ResourceUpdatedNotification", &message);
            return message["params"]["uri"].as_str().unwrap().to_owned();
        }
    }
}

/// The last event of a stream.
async fn last(events: Events) -> Event {
    events.rest().await.pop().expect("no event")
}

#[actix_web::test]
async fn a_call_asks_on_its_stream_and_runs_again_with_the_answer() {
    let world = world().await;
    let session = Session::open(&world, &world.ada()).await;
    let mut events = session
        .stream(session.call("book", json!({ "restaurant": "Noma" })))
        .await;
    let (id, params) = question(&mut events).await;
    assert_eq!(params["message"], "A table at Noma: for how many?");
    assert_eq!(params["requestedSchema"]["required"], json!(["guests"]));
    // A wrong answer is asked for again.
    let wrong = json!({ "action": "accept", "content": { "guests": 13 } });
    assert_eq!(answer(&session, &id, &wrong).await, 202);
    let (id, params) = question(&mut events).await;
    let text = params["message"].as_str().unwrap();
    assert!(text.contains("`guests` must be at most 12"), "{text}");
    let right = json!({ "action": "accept", "content": { "guests": 4 } });
    assert_eq!(answer(&session, &id, &right).await, 202);
    // An answer counts once.
    assert_eq!(answer(&session, &id, &right).await, 400);
    assert_eq!(last(events).await.text(), "4 at Noma");
    world.expect_runs(3);
}

#[actix_web::test]
async fn several_questions_and_a_refusal() {
    let world = world().await;
    let session = Session::open(&world, &world.ada()).await;
    let name = |name: &str| json!({ "action": "accept", "content": { "name": name } });
    let mut events = session.stream(session.call("interview", json!({}))).await;
    let (id, _) = question(&mut events).await;
    answer(&session, &id, &name("Ada")).await;
    let (id, params) = question(&mut events).await;
    assert_eq!(params["message"], "A friend of Ada?");
    answer(&session, &id, &name("Bob")).await;
    assert_eq!(last(events).await.text(), "Ada and Bob");

    let mut events = session.stream(session.call("pair", json!({}))).await;
    let (one, _) = question(&mut events).await;
    let (other, _) = question(&mut events).await;
    answer(&session, &other, &name("B")).await;
    answer(&session, &one, &name("A")).await;
    assert_eq!(last(events).await.text(), "A and B");

    for (action, text) in [("decline", "declined"), ("cancel", "cancelled")] {
        let mut events = session.stream(session.call("clear", json!({}))).await;
        let (id, _) = question(&mut events).await;
        answer(&session, &id, &json!({ "action": action })).await;
        assert_eq!(last(events).await.text(), text);
    }
}

#[actix_web::test]
async fn messages_before_and_after_a_question_are_on_one_stream() {
    let world = world().await;
    let session = Session::open(&world, &world.ada()).await;
    let mut events = session
        .stream(session.with_progress("chat", json!({})))
        .await;
    let (id, _) = question(&mut events).await;
    let name = json!({ "action": "accept", "content": { "name": "Ada" } });
    answer(&session, &id, &name).await;
    let rest = events.rest().await;
    assert!(rest.iter().any(|event| event.is("notifications/progress")));
    assert_eq!(rest.last().unwrap().text(), "Ada");
}

#[actix_web::test]
async fn only_the_session_that_was_asked_answers() {
    let world = world().await;
    let ada = world.ada();
    let session = Session::open(&world, &ada).await;
    let mut events = session.stream(session.call("clear", json!({}))).await;
    let (id, _) = question(&mut events).await;
    let yes = json!({ "action": "accept", "content": {} });
    let other = Session::open(&world, &ada).await;
    assert_eq!(answer(&other, &id, &yes).await, 400);
    let grace = world.grace();
    let theirs = Session::open(&world, &grace).await;
    assert_eq!(answer(&theirs, &id, &yes).await, 400);
    assert_eq!(answer(&session.with_token(&grace), &id, &yes).await, 404);
    assert_eq!(answer(&session, &id, &yes).await, 202);
    assert_eq!(last(events).await.text(), "cleared");
}

#[actix_web::test]
async fn a_question_ends_with_its_session_its_call_or_an_error_of_the_client() {
    let world = world().await;
    let session = Session::open(&world, &world.ada()).await;
    let no_answer = |event: Event| {
        let message = event.message.unwrap();
        let text = message["error"]["message"].as_str().unwrap();
        assert_eq!(
            text,
            "The client did not answer the question of the server."
        );
    };
    let mut events = session.stream(session.call("clear", json!({}))).await;
    let (id, _) = question(&mut events).await;
    let error = json!({ "code": -32603, "message": "no user" });
    let body = json!({ "jsonrpc": "2.0", "id": id, "error": error });
    session.post(&body).send().await.expect_status(202);
    no_answer(last(events).await);

    // A cancelled call has no response, and its question has no answer any more.
    let mut events = session.stream(session.call("clear", json!({}))).await;
    let (id, _) = question(&mut events).await;
    let cancel = json!({
        "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 },
    });
    session.post(&cancel).send().await.expect_status(202);
    assert!(events.rest().await.is_empty());
    let yes = json!({ "action": "accept", "content": {} });
    assert_eq!(answer(&session, &id, &yes).await, 400);

    let mut events = session.stream(session.call("clear", json!({}))).await;
    question(&mut events).await;
    session
        .request(reqwest::Method::DELETE)
        .send()
        .await
        .expect_status(204);
    assert!(events.rest().await.is_empty());
}

#[actix_web::test]
async fn a_server_that_stops_does_not_wait_for_a_person() {
    let mut world = world().await;
    let ada = world.ada();
    let mut events = {
        let session = Session::open(&world, &ada).await;
        session.stream(session.call("clear", json!({}))).await
    };
    question(&mut events).await;
    let stopped = world.server.stop();
    let end = last(events).await.message.unwrap();
    assert_eq!(end["error"]["code"], -32603, "{end}");
    tokio::time::timeout(Duration::from_secs(10), stopped)
        .await
        .expect("the server waits for the person")
        .unwrap();
}

#[actix_web::test]
async fn the_right_to_a_tool_is_checked_again_after_the_answer() {
    let world = world().await;
    let session = Session::open(&world, &world.ada()).await;
    let mut events = session
        .stream(session.call("book", json!({ "restaurant": "Noma" })))
        .await;
    let (id, _) = question(&mut events).await;
    world.instance.remove_member("ada", "acme");
    world.clock.advance(Duration::from_secs(31));
    let four = json!({ "action": "accept", "content": { "guests": 4 } });
    // The answer itself comes in the organization of the token.
    let runs = world.runs.total();
    answer(&session, &id, &four).await;
    let end = last(events).await.message.unwrap();
    assert_eq!(end["result"]["isError"], true, "{end}");
    assert_eq!(world.runs.total(), runs);
}

#[actix_web::test]
async fn a_client_that_declares_no_elicitation_is_not_asked() {
    let world = world().await;
    let ada = world.ada();
    let params = json!({
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" },
    });
    let reply = world
        .post(message("initialize", params))
        .bearer(&ada)
        .send()
        .await;
    let session = Session::of(&world, &ada, reply.header("mcp-session-id").unwrap());
    let reply = session.call("clear", json!({})).send().await;
    reply.expect_tool_error(
        "This call needs an answer of the user, but the server cannot ask through this connection.",
    );
}

#[actix_web::test]
async fn a_url_is_asked_with_an_id() {
    let world = world().await;
    let ada = world.ada();
    let params = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": { "elicitation": { "url": {} } },
        "clientInfo": { "name": "t", "version": "1" },
    });
    let reply = world
        .post(message("initialize", params))
        .bearer(&ada)
        .send()
        .await;
    let session = Session::of(&world, &ada, reply.header("mcp-session-id").unwrap());
    let url = "https://app.example.com/connect";
    let mut events = session
        .stream(session.call("connect", json!({ "url": url })))
        .await;
    let (id, params) = question(&mut events).await;
    assert_eq!(
        (&params["mode"], &params["url"]),
        (&json!("url"), &json!(url))
    );
    assert_eq!(params["elicitationId"].as_str().unwrap().len(), 22);
    answer(&session, &id, &json!({ "action": "accept" })).await;
    assert_eq!(last(events).await.text(), "connected");
}

#[actix_web::test]
async fn a_client_learns_of_changes_while_it_may_read_the_resource() {
    let (world, _) = with(|builder| builder).await;
    let session = Session::open(&world, &world.ada()).await;
    for uri in ["docs://open", "docs://secret/1"] {
        let ask = session.ask("resources/subscribe", json!({ "uri": uri }));
        ask.send().await.expect_status(200);
    }
    let mut events = session.stream(session.get()).await;
    session
        .call("change", json!({ "uri": "docs://secret/1" }))
        .send()
        .await
        .expect_text("changed");
    let event = changes(&mut events).await;
    assert_eq!(event, "docs://secret/1");
    session
        .call("change", json!({ "uri": "docs://other" }))
        .send()
        .await;
    session
        .call("change", json!({ "uri": "docs://open" }))
        .send()
        .await;
    assert_eq!(changes(&mut events).await, "docs://open");

    // The right to the second resource ends.
    world.instance.set_member("ada", "acme", "member", &[]);
    world.clock.advance(Duration::from_secs(31));
    for uri in ["docs://secret/1", "docs://open"] {
        session
            .call("change", json!({ "uri": uri }))
            .send()
            .await
            .expect_text("changed");
    }
    assert_eq!(changes(&mut events).await, "docs://open");
    drop(events);
    // Changes wait for the next stream.
    session
        .call("change", json!({ "uri": "docs://open" }))
        .send()
        .await;
    let mut events = session.stream(session.get()).await;
    assert_eq!(changes(&mut events).await, "docs://open");
}

#[actix_web::test]
async fn a_session_whose_client_cannot_ask_confirms_with_a_code_and_others_are_asked() {
    let world = World::of("protocol::confirm::tools", |builder| {
        builder.legacy_sessions().allow_confirmation_codes()
    })
    .await;
    let ada = world.ada();
    let arguments = json!({ "document_id": "d1", "pages": 3 });
    let confirmation = "/result/_meta/mcp-auth-rs~1confirmation/code";

    let mut params = client::params(LEGACY);
    params["capabilities"] = json!({});
    let reply = world.post(message("initialize", params)).bearer(&ada);
    let reply = reply.send().await;
    let silent = Session::of(&world, &ada, reply.header("mcp-session-id").unwrap());
    let reply = silent.call("delete", arguments.clone()).send().await.json();
    let code = reply.pointer(confirmation).unwrap().clone();
    let mut confirmed = arguments.clone();
    confirmed["confirmation_code"] = code;
    world.expect_runs(0);

    // A client that can ask is asked, whatever code it sends.
    let asking = Session::open(&world, &ada).await;
    let mut events = asking
        .stream(asking.call("delete", confirmed.clone()))
        .await;
    let (id, params) = question(&mut events).await;
    assert_eq!(params["message"], "Delete d1? It has 3 pages, {really}.");
    world.expect_runs(0);
    answer(&asking, &id, &json!({ "action": "decline" })).await;
    let refused = last(events).await;
    assert_eq!(refused.text(), "Not confirmed: the user declined.");
    world.expect_runs(0);

    let reply = silent.call("delete", confirmed).send().await;
    reply.expect_text("Deleted d1 of org_acme, 3");
    world.expect_runs(1);
}
