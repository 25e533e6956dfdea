//! Which subscriptions a caller may open.

use clerk_emulator::{Fault, TokenRequest};
use serde_json::{Value, json};

use super::{Listener, Wiki, with_id};
use crate::raw;
use crate::reply::Reply;
use crate::schema::expect_error;
use crate::support::{Era, MODERN, message, modern_meta};

#[actix_web::test]
async fn each_message_of_a_stream_has_the_id_of_its_request() {
    let wiki = Wiki::new().await;
    let ada = wiki.world.ada();
    for id in [json!(7), json!("a stream"), json!("ü\"\\")] {
        let filter = json!({ "toolsListChanged": true });
        let ask = with_id(wiki.ask(filter.clone()), &id, &filter);
        // The listener checks the id of each message.
        let mut listener = Listener::open(ask.bearer(&ada)).await;
        assert_eq!(listener.acknowledged, filter);
        wiki.notifier.tools_changed();
        assert_eq!(listener.next().await, "tools");
    }
}

#[actix_web::test]
async fn the_acknowledgement_leaves_out_what_is_not_asked_for_forbidden_unknown_or_too_long() {
    let wiki = Wiki::new().await;
    wiki.doors.set(&[1], false);
    let long = format!("wiki://pages/{}", "x".repeat(2048));
    let filter = json!({
        "toolsListChanged": true,
        "promptsListChanged": false,
        "resourcesListChanged": null,
        "resourceSubscriptions": [
            "wiki://front", "wiki://mine", "wiki://pages/a", "wiki://pages/a", "wiki://bin", "wiki://doors/1",
            "wiki://doors/2", "wiki://doors/x", "wiki://index", "wiki://pages/../x", "wiki://nowhere", "", long,
        ],
    });
    let (ada, grace, linus) = (wiki.world.ada(), wiki.world.grace(), wiki.world.linus());
    let everybody = ["wiki://doors/1", "wiki://front", "wiki://mine"];
    for (token, more) in [
        (&ada, &["wiki://bin", "wiki://index", "wiki://pages/a"][..]),
        (&grace, &["wiki://index", "wiki://pages/a"]),
        (&linus, &[]),
    ] {
        let listener = wiki.listen(token, filter.clone()).await;
        let mut uris = [&everybody, more].concat();
        uris.sort_unstable();
        let expected = json!({ "toolsListChanged": true, "resourceSubscriptions": uris });
        assert_eq!(listener.acknowledged, expected);
    }
}

#[actix_web::test]
async fn a_forbidden_and_an_unknown_uri_get_one_answer_with_the_same_look_ups() {
    let uris = ["wiki://bin", "wiki://nowhere", "wiki://doors/9"];
    for uri in uris {
        let wiki = Wiki::new().await;
        let grace = wiki.world.grace();
        let listener = wiki.listen_to(&grace, &[uri]).await;
        assert_eq!(listener.acknowledged, json!({}), "{uri}");
        listener.expect_end().await;
        let asked = wiki.world.instance.requests_to("/v1/organizations");
        assert_eq!(asked, 1, "{uri}");
    }
    // While the membership cannot be looked up, the answer is the same too.
    let wiki = Wiki::new().await;
    wiki.world
        .instance
        .add_fault(Fault::status(500).at("/v1/organizations"));
    let grace = wiki.world.grace();
    for uri in uris {
        let filter = json!({ "resourceSubscriptions": [uri] });
        let reply = wiki.ask(filter).bearer(&grace).send().await;
        reply.expect_unavailable();
    }
}

#[actix_web::test]
async fn a_caller_without_a_token_subscribes_to_public_things_if_the_server_connects_such_callers()
{
    let filter = json!({
        "toolsListChanged": true,
        "resourceSubscriptions": ["wiki://front", "wiki://mine", "wiki://bin"],
    });
    let closed = Wiki::new().await;
    closed.ask(filter.clone()).send().await.expect_status(401);
    for discoverable in [false, true] {
        let wiki = Wiki::with(|builder| match discoverable {
            false => builder.allow_anonymous_list(),
            true => builder.discoverable(),
        })
        .await;
        let mut listener = Listener::open(wiki.ask(filter.clone())).await;
        let expected =
            json!({ "toolsListChanged": true, "resourceSubscriptions": ["wiki://front"] });
        assert_eq!(listener.acknowledged, expected);
        wiki.notifier.resource_updated("wiki://bin");
        wiki.notifier.resource_updated("wiki://front");
        assert_eq!(listener.next().await, "wiki://front");
    }
}

#[actix_web::test]
async fn a_token_that_lacks_a_scope_of_the_server_gets_the_challenge() {
    let wiki = Wiki::with(|builder| builder.require_scope("wiki")).await;
    let token = wiki.world.ada();
    let reply = wiki.ask(json!({})).bearer(&token).send().await;
    reply.expect_status(403);
    assert!(reply.challenge().contains("insufficient_scope"));
}

#[actix_web::test]
async fn other_revisions_do_not_know_the_method_and_do_not_advertise_it() {
    let wiki = Wiki::new().await;
    let ada = wiki.world.ada();
    let params = json!({ "notifications": {} });
    let ask = wiki.world.ask(Era::Legacy, "subscriptions/listen", params);
    let reply = ask.bearer(&ada).send().await;
    expect_error(Era::Legacy, 200, -32601, &reply);
    let capabilities = async |era, method: &str, params: Value| {
        let reply = wiki
            .world
            .ask(era, method, params)
            .bearer(&ada)
            .send()
            .await;
        reply.result()["capabilities"].take()
    };
    let modern = capabilities(Era::Modern, "server/discover", json!({})).await;
    assert_eq!(modern["tools"], json!({ "listChanged": true }));
    assert_eq!(modern["prompts"], json!({ "listChanged": true }));
    let resources = json!({ "listChanged": true, "subscribe": true });
    assert_eq!(modern["resources"], resources);
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
    let legacy = capabilities(Era::Legacy, "initialize", params).await;
    for list in ["tools", "prompts", "resources"] {
        assert_eq!(legacy[list], json!({}));
    }
}

#[actix_web::test]
async fn a_client_that_accepts_no_events_is_refused() {
    let wiki = Wiki::new().await;
    let ada = wiki.world.ada();
    let filter = json!({ "toolsListChanged": true });
    let text = "The response is a stream of events: send `Accept: application/json, text/event-stream` with HTTP/1.1";
    let refused = |reply: &Reply| {
        reply.expect_refused_request(406, "not_acceptable", text);
    };
    let ask = wiki
        .ask(filter.clone())
        .header("accept", "application/json");
    refused(&ask.bearer(&ada).send().await);
    let params = json!({ "notifications": filter, "_meta": modern_meta() });
    let body = message("subscriptions/listen", params);
    let head = [
        wiki.world.host_line(),
        format!("Authorization: Bearer {ada}"),
        "Content-Type: application/json".to_owned(),
        "Accept: application/json, text/event-stream".to_owned(),
        format!("MCP-Protocol-Version: {MODERN}"),
        "Mcp-Method: subscriptions/listen".to_owned(),
    ];
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    let request = raw::post("/mcp", &head, body.as_bytes());
    let request = String::from_utf8(request).unwrap();
    let request = request.replacen("HTTP/1.1", "HTTP/1.0", 1);
    let mut connection = wiki.world.raw().await;
    connection.write(request.as_bytes()).await;
    refused(&connection.reply().await);
    assert_eq!(wiki.notifier.subscriptions(), 0);
}

#[actix_web::test]
async fn a_malformed_filter_is_refused() {
    let wiki = Wiki::new().await;
    let ada = wiki.world.ada();
    for filter in [
        json!(null),
        json!([]),
        json!({ "toolsListChanged": "yes" }),
        json!({ "resourceSubscriptions": "wiki://front" }),
        json!({ "resourceSubscriptions": [7] }),
    ] {
        let reply = wiki.ask(filter).bearer(&ada).send().await;
        let body = expect_error(Era::Modern, 200, -32602, &reply);
        let text = body["error"]["message"].as_str().unwrap();
        assert!(text.contains("`notifications` must be an object"), "{text}");
    }
}

#[actix_web::test]
async fn a_machine_subscribes_to_what_its_guard_allows() {
    let wiki = Wiki::with(|builder| builder.m2m_tokens().machine_id("mch_mcp")).await;
    wiki.world.instance.set_machine("sync", &["mch_mcp"]);
    let token = wiki.world.mint(&TokenRequest::m2m("sync"));
    let mut listener = wiki
        .listen_to(&token, &["wiki://mine", "wiki://bin", "wiki://pages/a"])
        .await;
    let expected = json!({ "resourceSubscriptions": ["wiki://mine"] });
    assert_eq!(listener.acknowledged, expected);
    wiki.notifier.resource_updated("wiki://mine");
    assert_eq!(listener.next().await, "wiki://mine");
}
