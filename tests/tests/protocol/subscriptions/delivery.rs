//! The notifications that a subscriber gets.

use std::time::Duration;

use clerk_emulator::{Fault, TokenRequest};
use serde_json::{Value, json};

use super::{Listener, Wiki};
use crate::raw;
use crate::support::{Era, MODERN, eventually, message, modern_meta};

#[actix_web::test]
async fn a_function_publishes_and_each_subscriber_gets_only_what_it_asked_for() {
    let wiki = Wiki::new().await;
    let (ada, grace) = (wiki.world.ada(), wiki.world.grace());
    let all = json!({ "toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true });
    let mut prompts = wiki
        .listen(&ada, json!({ "promptsListChanged": true }))
        .await;
    let mut lists = wiki.listen(&grace, all).await;
    let mut page = wiki.listen_to(&grace, &["wiki://pages/a"]).await;
    let call = async |tool: &str, arguments: Value| {
        let ask = wiki.world.call(Era::Modern, tool, arguments);
        ask.bearer(&ada).send().await.result()
    };
    call("change_lists", json!({})).await;
    assert_eq!(prompts.next().await, "prompts");
    for list in ["tools", "prompts", "resources"] {
        assert_eq!(lists.next().await, list);
    }
    call("change", json!({ "uri": "wiki://pages/b" })).await;
    call("change", json!({ "uri": "wiki://pages/a" })).await;
    assert_eq!(page.next().await, "wiki://pages/a");
    // The server had sent no other notification to the first stream.
    call("change_lists", json!({})).await;
    assert_eq!(prompts.next().await, "prompts");
}

#[actix_web::test]
async fn changes_that_follow_each_other_fast_are_delivered_once() {
    let wiki = Wiki::new().await;
    let ada = wiki.world.ada();
    let mut listener = wiki.listen_to(&ada, &["wiki://front", "wiki://mine"]).await;
    for _ in 0..10_000 {
        wiki.notifier.resource_updated("wiki://front");
    }
    wiki.notifier.resource_updated("wiki://mine");
    let mut fronts = 0;
    while listener.next().await == "wiki://front" {
        fronts += 1;
    }
    assert!((1..=20).contains(&fronts), "{fronts}");
}

#[actix_web::test]
async fn a_change_in_one_organization_reaches_its_subscribers_only() {
    let wiki = Wiki::new().await;
    wiki.world
        .instance
        .set_member("margaret", "globex", "member", &[]);
    let margaret = TokenRequest::oauth("margaret").org("globex");
    let (ada, margaret) = (wiki.world.ada(), wiki.world.mint(&margaret));
    let mut acme = wiki.listen_to(&ada, &["wiki://index", "wiki://mine"]).await;
    let mut globex = wiki
        .listen_to(&margaret, &["wiki://index", "wiki://mine"])
        .await;
    wiki.notifier
        .resource_updated_in("org_acme", "wiki://index");
    assert_eq!(acme.next().await, "wiki://index");
    wiki.notifier.resource_updated("wiki://mine");
    assert_eq!(acme.next().await, "wiki://mine");
    assert_eq!(globex.next().await, "wiki://mine");
    wiki.notifier.resource_updated("wiki://index");
    assert_eq!(globex.next().await, "wiki://index");
}

#[actix_web::test]
async fn a_resource_whose_guard_turned_false_is_dropped_for_ever() {
    let wiki = Wiki::new().await;
    let instance = &wiki.world.instance;
    let grace = wiki.world.grace();
    let mut listener = wiki
        .listen_to(&grace, &["wiki://pages/a", "wiki://mine"])
        .await;
    instance.set_member("grace", "acme", "member", &[]);
    wiki.world.clock.advance(Duration::from_secs(30));
    wiki.notifier.resource_updated("wiki://pages/a");
    wiki.notifier.resource_updated("wiki://mine");
    assert_eq!(listener.next().await, "wiki://mine");
    // The permission comes back, and the subscription does not.
    instance.set_member("grace", "acme", "member", &["org:documents:read"]);
    wiki.world.clock.advance(Duration::from_secs(30));
    wiki.notifier.resource_updated("wiki://pages/a");
    wiki.notifier.resource_updated("wiki://mine");
    assert_eq!(listener.next().await, "wiki://mine");
}

#[actix_web::test]
async fn authorize_decides_each_delivery() {
    let wiki = Wiki::new().await;
    let doors = &wiki.doors;
    doors.set(&[1, 2], false);
    let linus = wiki.world.linus();
    let mut listener = wiki
        .listen_to(&linus, &["wiki://doors/1", "wiki://doors/2"])
        .await;
    doors.set(&[2], false);
    wiki.notifier.resource_updated("wiki://doors/1");
    wiki.notifier.resource_updated("wiki://doors/2");
    assert_eq!(listener.next().await, "wiki://doors/2");
    // A decision that fails holds the change back.
    doors.set(&[2], true);
    wiki.notifier.resource_updated("wiki://doors/2");
    tokio::time::sleep(Duration::from_millis(300)).await;
    doors.set(&[2], false);
    assert_eq!(listener.next().await, "wiki://doors/2");
    doors.set(&[], false);
    wiki.notifier.resource_updated("wiki://doors/2");
    listener.expect_end().await;
}

#[actix_web::test]
async fn while_memberships_cannot_be_looked_up_changes_are_held_back() {
    let wiki = Wiki::new().await;
    let ada = wiki.world.ada();
    let mut listener = wiki.listen_to(&ada, &["wiki://bin", "wiki://mine"]).await;
    wiki.world.clock.advance(Duration::from_secs(30));
    let instance = &wiki.world.instance;
    instance.add_fault(Fault::status(500).at("/v1/organizations"));
    wiki.notifier.resource_updated("wiki://bin");
    wiki.notifier.resource_updated("wiki://mine");
    // The decision about this resource needs no membership.
    assert_eq!(listener.next().await, "wiki://mine");
    instance.clear_faults();
    // The circuit breaker tries again.
    wiki.world.clock.advance(Duration::from_secs(60));
    assert_eq!(listener.next().await, "wiki://bin");
}

#[actix_web::test]
async fn a_changed_role_reaches_exactly_the_callers_whose_lists_changed() {
    let wiki = Wiki::new().await;
    let (ada, grace) = (wiki.world.ada(), wiki.world.grace());
    let filter = json!({ "toolsListChanged": true, "promptsListChanged": true });
    let mut of_ada = wiki.listen(&ada, filter.clone()).await;
    let mut of_grace = wiki.listen(&grace, filter).await;
    let instance = &wiki.world.instance;
    let more = ["org:documents:read", "org:documents:delete"];
    instance.set_member("grace", "acme", "member", &more);
    wiki.world.clock.advance(Duration::from_secs(31));
    assert_eq!(of_grace.next().await, "tools");
    instance.remove_member("grace", "acme");
    wiki.world.clock.advance(Duration::from_secs(31));
    assert_eq!(of_grace.next().await, "tools");
    // The prompts of grace, and the lists of ada, did not change meanwhile.
    wiki.notifier.prompts_changed();
    assert_eq!(of_grace.next().await, "prompts");
    assert_eq!(of_ada.next().await, "prompts");
}

#[actix_web::test]
async fn an_idle_stream_looks_nothing_up_unless_its_lists_depend_on_a_membership() {
    let wiki = Wiki::new().await;
    let (ada, linus) = (wiki.world.ada(), wiki.world.linus());
    let resources = wiki.listen_to(&ada, &["wiki://bin"]).await;
    let session = wiki
        .listen(&linus, json!({ "toolsListChanged": true }))
        .await;
    // Sixteen streams of one member are one look-up in thirty seconds.
    let mut members = Vec::new();
    for _ in 0..15 {
        members.push(wiki.listen(&ada, json!({ "toolsListChanged": true })).await);
    }
    let instance = &wiki.world.instance;
    let before = instance.requests_to("/v1/organizations");
    for _ in 0..3 {
        wiki.world.clock.advance(Duration::from_secs(31));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let asked = instance.requests_to("/v1/organizations") - before;
    assert!((1..=3).contains(&asked), "{asked}");
    drop((resources, session, members));
}

#[actix_web::test]
async fn a_thousand_streams_leave_nothing_when_their_clients_vanish() {
    let wiki = Wiki::with(|builder| {
        builder
            .subscriptions(1_000)
            .membership_look_ups_per_10s(10_000)
    })
    .await;
    let instance = &wiki.world.instance;
    let mut raws = Vec::new();
    for user in 0..63 {
        let name = format!("user{user}");
        instance.set_member(&name, "acme", "member", &["org:documents:read"]);
        let token = TokenRequest::oauth(&name).org("acme");
        let token = wiki.world.mint(&token);
        for stream in 0..16 {
            let uris = [format!("wiki://pages/{stream}"), "wiki://front".to_owned()];
            raws.push(begin(&wiki, &token, &uris).await);
            if raws.len() == 1_000 {
                break;
            }
        }
    }
    assert_eq!(raws.len(), 1_000);
    eventually("all streams are open", || {
        wiki.notifier.subscriptions() == 1_000
    })
    .await;
    wiki.notifier.resource_updated("wiki://front");
    // Half of the clients close their connections, and the others reset them.
    for (index, raw) in raws.into_iter().enumerate() {
        if index % 2 == 0 {
            raw.close().await;
        }
    }
    eventually("nothing is left", || wiki.notifier.subscriptions() == 0).await;
    // All places are free again.
    let ada = wiki.world.ada();
    let mut listeners = Vec::new();
    for _ in 0..16 {
        listeners.push(wiki.listen_to(&ada, &["wiki://front"]).await);
    }
}

#[actix_web::test]
async fn a_client_that_does_not_read_takes_bounded_memory_and_loses_its_connection() {
    let wiki = Wiki::with(|builder| builder.write_deadline(Duration::from_millis(300))).await;
    let ada = wiki.world.ada();
    let uris: Vec<_> = (0..256)
        .map(|page| format!("wiki://pages/{page}{}", "x".repeat(1_900)))
        .collect();
    let raw = begin(&wiki, &ada, &uris).await;
    eventually("the stream is open", || wiki.notifier.subscriptions() == 1).await;
    // The server writes at most a batch of half a megabyte beyond the buffers of the sockets.
    let publisher = async {
        while wiki.notifier.subscriptions() > 0 {
            for uri in &uris {
                wiki.notifier.resource_updated(uri);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(20), publisher).await;
    ended.expect("the stream stays open");
    drop(raw);
}

#[actix_web::test]
async fn an_open_stream_is_not_idle_and_is_not_closed_for_new_connections() {
    let wiki = Wiki::with(|builder| {
        builder
            .connections(4)
            .connections_per_network(4)
            .subscriptions(2)
            .idle_limit(Duration::from_millis(100))
            .connection_age(Duration::from_millis(100))
    })
    .await;
    let ada = wiki.world.ada();
    let mut listener = wiki.listen_to(&ada, &["wiki://front"]).await;
    for _ in 0..20 {
        let mut idle = Vec::new();
        for _ in 0..6 {
            idle.push(wiki.world.raw().await);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    wiki.notifier.resource_updated("wiki://front");
    assert_eq!(listener.next().await, "wiki://front");
}

/// Opens a stream over a connection of its own, and does not read.
async fn begin(wiki: &Wiki, token: &str, uris: &[String]) -> raw::Raw {
    let filter = json!({ "resourceSubscriptions": uris });
    let params = json!({ "notifications": filter, "_meta": modern_meta() });
    let body = message("subscriptions/listen", params);
    let head = [
        wiki.world.host_line(),
        format!("Authorization: Bearer {token}"),
        "Content-Type: application/json".to_owned(),
        "Accept: application/json, text/event-stream".to_owned(),
        format!("MCP-Protocol-Version: {MODERN}"),
        "Mcp-Method: subscriptions/listen".to_owned(),
    ];
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    let mut raw = wiki.world.raw().await;
    raw.write(&raw::post("/mcp", &head, body.as_bytes())).await;
    raw
}

#[actix_web::test]
async fn a_task_that_runs_beside_the_server_publishes() {
    let wiki = Wiki::new().await;
    let ada = wiki.world.ada();
    let mut listener: Listener = wiki.listen_to(&ada, &["wiki://mine"]).await;
    let notifier = wiki.notifier.clone();
    let task = std::thread::spawn(move || notifier.resource_updated("wiki://mine"));
    assert_eq!(listener.next().await, "wiki://mine");
    task.join().unwrap();
}
