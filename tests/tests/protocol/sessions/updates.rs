//! Changes that a session learns, and the end of the stream that tells them.

use std::time::Duration;

use clerk_emulator::TokenRequest;
use mcp_auth::OrganizationSource::{OnlyMembership, UrlQuery};
use mcp_auth::ServerBuilder;
use serde_json::{Value, json};

use super::client::{Events, Session, initialize};
use crate::schema::expect_valid;
use crate::subscriptions::Wiki;
use crate::support::{Era, LEGACY};

async fn wiki() -> Wiki {
    with(|builder| builder).await
}

async fn with(settings: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Wiki {
    Wiki::with(|builder| settings(builder.legacy_sessions())).await
}

/// The next notification, in short: the list, or the URI of the resource. `None` if the stream ends.
async fn next(events: &mut Events) -> Option<String> {
    loop {
        let Some(message) = events.next().await?.message else {
            continue;
        };
        return Some(short(&message));
    }
}

fn short(message: &Value) -> String {
    let method = message["method"].as_str().unwrap();
    let (definition, text) = match method {
        "notifications/tools/list_changed" => ("ToolListChangedNotification", "tools"),
        "notifications/prompts/list_changed" => ("PromptListChangedNotification", "prompts"),
        "notifications/resources/list_changed" => ("ResourceListChangedNotification", "resources"),
        _ => {
            let uri = message["params"]["uri"].as_str().unwrap();
            ("ResourceUpdatedNotification", uri)
        }
    };
    expect_valid(Era::Legacy, definition, message);
    text.to_owned()
}

/// Opens the stream of a session, and waits until the server has looked at the lists of its caller.
async fn stream(wiki: &Wiki, session: &Session<'_>) -> Events {
    let mut events = session.stream(session.get()).await;
    wiki.notifier.prompts_changed();
    assert_eq!(next(&mut events).await.unwrap(), "prompts");
    events
}

#[actix_web::test]
async fn a_session_learns_that_a_list_changed_and_the_server_says_so() {
    let wiki = wiki().await;
    let ada = wiki.world.ada();
    let reply = initialize(&wiki.world, &ada, LEGACY).send().await;
    let capabilities = &reply.result()["capabilities"];
    let changes = json!({ "listChanged": true });
    assert_eq!(capabilities["tools"], changes);
    assert_eq!(capabilities["prompts"], changes);
    let resources = json!({ "listChanged": true, "subscribe": true });
    assert_eq!(capabilities["resources"], resources);

    let session = Session::open(&wiki.world, &ada).await;
    // A change before the stream waits for the stream, once for each list.
    for _ in 0..3 {
        let reply = session.call("change_lists", json!({})).send().await;
        reply.expect_status(200);
    }
    let mut events = session.stream(session.get()).await;
    for list in ["tools", "prompts", "resources"] {
        assert_eq!(next(&mut events).await.unwrap(), list);
    }
    wiki.notifier.tools_changed();
    assert_eq!(next(&mut events).await.unwrap(), "tools");
    assert!(events.is_silent(Duration::from_millis(300)).await);
}

#[actix_web::test]
async fn a_server_without_prompts_and_resources_tells_only_of_tools() {
    let world = crate::support::World::of("protocol::tasks::tools", |builder| {
        builder
            .state(crate::tasks::Gate::closed())
            .legacy_sessions()
    })
    .await;
    let reply = initialize(&world, &world.ada(), LEGACY).send().await;
    let expected = json!({ "logging": {}, "tools": { "listChanged": true } });
    assert_eq!(reply.result()["capabilities"], expected);
}

#[actix_web::test]
async fn a_changed_role_reaches_exactly_the_sessions_whose_lists_changed() {
    let wiki = wiki().await;
    let (ada, grace) = (wiki.world.ada(), wiki.world.grace());
    let of_ada = Session::open(&wiki.world, &ada).await;
    let of_grace = Session::open(&wiki.world, &grace).await;
    let mut ada_events = of_ada.stream(of_ada.get()).await;
    let mut grace_events = stream(&wiki, &of_grace).await;
    assert_eq!(next(&mut ada_events).await.unwrap(), "prompts");
    let instance = &wiki.world.instance;
    let more = ["org:documents:read", "org:documents:delete"];
    instance.set_member("grace", "acme", "member", &more);
    wiki.world.clock.advance(Duration::from_secs(31));
    assert_eq!(next(&mut grace_events).await.unwrap(), "tools");
    assert_eq!(next(&mut grace_events).await.unwrap(), "resources");
    // A change between two streams is not lost.
    drop(grace_events);
    instance.set_member("grace", "acme", "member", &["org:documents:read"]);
    wiki.world.clock.advance(Duration::from_secs(31));
    let mut grace_events = of_grace.stream(of_grace.get()).await;
    assert_eq!(next(&mut grace_events).await.unwrap(), "tools");
    assert_eq!(next(&mut grace_events).await.unwrap(), "resources");
    // The lists of ada, and the prompts of grace, did not change meanwhile.
    wiki.notifier.prompts_changed();
    assert_eq!(next(&mut grace_events).await.unwrap(), "prompts");
    assert_eq!(next(&mut ada_events).await.unwrap(), "prompts");
}

#[actix_web::test]
async fn a_stream_of_a_session_ends_when_the_key_of_its_token_is_withdrawn() {
    let wiki = wiki().await;
    let session = Session::open(&wiki.world, &wiki.world.ada()).await;
    let mut events = stream(&wiki, &session).await;
    wiki.world.instance.rotate_key().unwrap();
    // The first token of the new key makes the server fetch the keys.
    let staying = Session::open(&wiki.world, &wiki.world.grace()).await;
    let mut others = staying.stream(staying.get()).await;
    assert_eq!(next(&mut events).await, None);
    wiki.notifier.tools_changed();
    assert_eq!(next(&mut others).await.unwrap(), "tools");
    // The session itself continues with a token of the new key, and misses nothing.
    let session = session.with_token(&wiki.world.ada());
    let mut events = session.stream(session.get()).await;
    assert_eq!(next(&mut events).await.unwrap(), "tools");
}

#[actix_web::test]
async fn a_stream_of_a_session_of_a_banned_user_ends_and_delivers_nothing() {
    for delivers in [false, true] {
        let wiki = with(|builder| builder.check_users()).await;
        let session = Session::open(&wiki.world, &wiki.world.ada()).await;
        let mut events = stream(&wiki, &session).await;
        wiki.world.instance.set_banned("ada", true);
        if delivers {
            // The server has looked the user up a minute ago.
            wiki.world.clock.advance(Duration::from_secs(60));
            wiki.notifier.tools_changed();
        } else {
            wiki.world.clock.advance(Duration::from_secs(300));
        }
        assert_eq!(next(&mut events).await, None);
    }
}

#[actix_web::test]
async fn a_session_stays_subscribed_in_an_organization_that_the_url_names() {
    let wiki = with(|builder| builder.organization_from([UrlQuery])).await;
    let world = &wiki.world;
    let ada = world.mint(&TokenRequest::oauth("ada"));
    let opened = initialize(world, &ada, LEGACY).query("org=acme");
    let opened = opened.send().await;
    let session = Session::of(world, &ada, opened.header("mcp-session-id").unwrap());
    // The first resource needs no organization.
    for uri in ["wiki://mine", "wiki://pages/a", "wiki://index"] {
        let ask = session.ask("resources/subscribe", json!({ "uri": uri }));
        let reply = ask.query("org=acme").send().await;
        assert_eq!(reply.expect_status(200).result(), json!({}));
    }
    let mut events = session.stream(session.get().query("org=acme")).await;
    for _ in 0..2 {
        wiki.notifier.resource_updated("wiki://pages/a");
        assert_eq!(next(&mut events).await.unwrap(), "wiki://pages/a");
        wiki.notifier
            .resource_updated_in("org_globex", "wiki://index");
        wiki.notifier
            .resource_updated_in("org_acme", "wiki://index");
        assert_eq!(next(&mut events).await.unwrap(), "wiki://index");
    }
    assert!(events.is_silent(Duration::from_millis(300)).await);
}

#[actix_web::test]
async fn a_session_stays_subscribed_in_the_organization_of_the_only_membership_and_in_no_other() {
    let wiki = with(|builder| builder.organization_from([OnlyMembership])).await;
    let instance = &wiki.world.instance;
    instance.set_member("edsger", "acme", "member", &["org:documents:read"]);
    let token = wiki.world.mint(&TokenRequest::oauth("edsger"));
    let session = Session::open(&wiki.world, &token).await;
    for uri in ["wiki://pages/a", "wiki://mine"] {
        let ask = session.ask("resources/subscribe", json!({ "uri": uri }));
        ask.send().await.expect_status(200);
    }
    let mut events = stream(&wiki, &session).await;
    for _ in 0..2 {
        wiki.notifier.resource_updated("wiki://pages/a");
        assert_eq!(next(&mut events).await.unwrap(), "wiki://pages/a");
    }
    // The only membership is in another organization now, whose page has the same URI.
    instance.set_member("edsger", "globex", "member", &["org:documents:read"]);
    instance.remove_member("edsger", "acme");
    wiki.world.clock.advance(Duration::from_secs(31));
    wiki.notifier.resource_updated("wiki://pages/a");
    wiki.notifier.resource_updated("wiki://mine");
    assert_eq!(next(&mut events).await.unwrap(), "wiki://mine");
}

#[actix_web::test]
async fn a_session_that_ends_leaves_no_subscription() {
    let wiki = wiki().await;
    let mut sessions = Vec::new();
    for _ in 0..8 {
        let session = Session::open(&wiki.world, &wiki.world.ada()).await;
        let events = stream(&wiki, &session).await;
        sessions.push((session, events));
    }
    assert_eq!(wiki.notifier.subscriptions(), 8);
    for (session, mut events) in sessions {
        let ended = session.request(reqwest::Method::DELETE).send().await;
        ended.expect_status(204);
        while next(&mut events).await.is_some() {}
    }
    assert_eq!(wiki.notifier.subscriptions(), 0);
}
