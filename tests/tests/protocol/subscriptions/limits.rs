//! The limits of streams.

use clerk_emulator::TokenRequest;
use mcp_auth::Rate;
use serde_json::json;

use super::Wiki;
use crate::reply::Reply;
use crate::schema::expect_error;
use crate::support::{Era, eventually};

/// The status and the text of the refusal for too many subscriptions.
fn expect_too_many(reply: &Reply) {
    let text = "Too many subscriptions or streams are open";
    reply.expect_refused_request(503, "temporarily_unavailable", text);
    assert_eq!(reply.header("retry-after"), Some("30"));
}

#[actix_web::test]
async fn t25_the_seventeenth_stream_of_a_principal_is_refused_and_others_are_not() {
    let wiki = Wiki::new().await;
    let (ada, grace) = (wiki.world.ada(), wiki.world.grace());
    let filter = json!({ "toolsListChanged": true });
    let mut listeners = Vec::new();
    for _ in 0..16 {
        // Another token of the same user and client counts for the same principal.
        listeners.push(wiki.listen(&wiki.world.ada(), filter.clone()).await);
    }
    let refused = wiki.ask(filter.clone()).bearer(&ada).send().await;
    expect_too_many(&refused);
    let other_client = TokenRequest::oauth("ada").org("acme").client_id("client_b");
    for token in [grace, wiki.world.mint(&other_client)] {
        listeners.push(wiki.listen(&token, filter.clone()).await);
    }
    wiki.notifier.tools_changed();
    for listener in &mut listeners {
        assert_eq!(listener.next().await, "tools");
    }
    // A stream that its client closes makes room.
    drop(listeners.swap_remove(0));
    eventually("the stream is gone", || wiki.notifier.subscriptions() == 17).await;
    wiki.listen(&ada, filter).await;
}

#[actix_web::test]
async fn the_streams_of_all_callers_together_are_limited() {
    let wiki = Wiki::with(|builder| builder.subscriptions(2)).await;
    let filter = json!({ "toolsListChanged": true });
    let _first = wiki.listen(&wiki.world.ada(), filter.clone()).await;
    let _second = wiki.listen(&wiki.world.grace(), filter.clone()).await;
    let refused = wiki.ask(filter).bearer(&wiki.world.linus()).send().await;
    expect_too_many(&refused);
}

#[actix_web::test]
async fn the_streams_without_a_token_of_one_network_are_limited() {
    let wiki = Wiki::with(|builder| builder.discoverable().subscriptions(8)).await;
    let filter = json!({ "toolsListChanged": true });
    let mut listeners = Vec::new();
    for _ in 0..2 {
        listeners.push(super::Listener::open(wiki.ask(filter.clone())).await);
    }
    expect_too_many(&wiki.ask(filter.clone()).send().await);
    wiki.listen(&wiki.world.ada(), filter).await;
}

#[actix_web::test]
async fn a_stream_has_at_most_256_uris() {
    let wiki = Wiki::new().await;
    let ada = wiki.world.ada();
    let uris = |count: usize| -> Vec<_> {
        (0..count)
            .map(|page| format!("wiki://pages/{page}"))
            .collect()
    };
    let filter = json!({ "resourceSubscriptions": uris(256) });
    let listener = wiki.listen(&ada, filter).await;
    let honored = listener.acknowledged["resourceSubscriptions"].as_array();
    assert_eq!(honored.unwrap().len(), 256);
    let filter = json!({ "resourceSubscriptions": uris(257) });
    let reply = wiki.ask(filter).bearer(&ada).send().await;
    let body = expect_error(Era::Modern, 200, -32602, &reply);
    let text = "Invalid params: `resourceSubscriptions` must have at most 256 URIs";
    assert_eq!(body["error"]["message"], text);
}

#[actix_web::test]
async fn a_stream_and_each_decision_of_authorize_count_for_the_rates_of_the_server() {
    const RATE: Rate = Rate::new("3/min per user");
    let wiki = Wiki::with(|builder| builder.rates([RATE])).await;
    wiki.doors.set(&[1], false);
    let ada = wiki.world.ada();
    let _one = wiki.listen_to(&ada, &["wiki://mine"]).await;
    let _two = wiki.listen_to(&ada, &["wiki://doors/1"]).await;
    let filter = json!({ "toolsListChanged": true });
    let reply = wiki.ask(filter).bearer(&ada).send().await;
    let body = expect_error(Era::Modern, 200, 429, &reply);
    assert!(body["error"]["data"]["mcp-auth-rs/retryAfter"].is_u64());
}

#[actix_web::test]
async fn a_forbidden_uri_costs_as_much_as_an_unknown_one() {
    const RATE: Rate = Rate::new("2/min per user");
    for uri in ["wiki://safes/1", "wiki://bin", "wiki://nowhere"] {
        let wiki = Wiki::with(|builder| builder.rates([RATE])).await;
        wiki.doors.set(&[1], false);
        let grace = wiki.world.grace();
        for _ in 0..2 {
            wiki.listen_to(&grace, &[uri]).await.expect_end().await;
        }
        let filter = json!({ "resourceSubscriptions": [uri] });
        let reply = wiki.ask(filter).bearer(&grace).send().await;
        expect_error(Era::Modern, 200, 429, &reply);
    }
}
