use futures_util::{FutureExt, StreamExt};
use serde_json::{Value, json};

use super::event_log::EventId;
use super::requests::{ClientAnswer, Unanswered};
use super::stream::SessionEnded;
use super::*;
use crate::identity::{ManualClock, test_support};
use crate::primitive::{ChangedLists, Notifier, Subscription};

const LATEST: &str = "2025-11-25";
const MINUTE: Duration = Duration::from_secs(60);

fn sessions() -> (Sessions, Arc<ManualClock>) {
    limited(16, 64, 10_000)
}

fn limited(of_principal: usize, of_user: usize, all: usize) -> (Sessions, Arc<ManualClock>) {
    let clock = test_support::clock();
    let limits = Limits {
        of_principal,
        of_user,
        all,
        ..LIMITS
    };
    let shared = Arc::<ManualClock>::clone(&clock);
    (Sessions::with_limits(shared, limits), clock)
}

fn owner(user: u64, client: &str) -> Owner {
    Owner {
        user,
        principal: client.as_bytes().into(),
    }
}

fn open(sessions: &Sessions, owner: &Owner) -> Option<String> {
    let id = sessions.open(owner.clone(), LATEST, ClientAbilities::default(), silent());
    id.map(|id| {
        assert_eq!(format!("{id:?}"), "[redacted]");
        id.0
    })
}

/// A subscription to no list.
fn silent() -> Subscription {
    Notifier::default().open(None, ChangedLists::default())
}

fn opened(sessions: &Sessions) -> Arc<Session> {
    let ada = owner(1, "ada");
    let id = open(sessions, &ada).unwrap();
    sessions.find(&ada, &id).unwrap()
}

fn count(sessions: &Sessions) -> (usize, usize) {
    let table = sessions.lock();
    let keys = table.users.values().map(Vec::len).sum();
    (table.sessions.len(), keys)
}

fn kept(sessions: &Sessions) -> usize {
    sessions.kept.load(Ordering::Relaxed)
}

#[test]
fn an_id_is_long_random_and_visible() {
    let (sessions, _) = sessions();
    let ids: Vec<_> = (0..16)
        .map(|user| open(&sessions, &owner(user, "a")).unwrap())
        .collect();
    for (index, id) in ids.iter().enumerate() {
        // 32 bytes in Base64.
        assert_eq!(id.len(), 43);
        assert!(id.bytes().all(|byte| byte.is_ascii_graphic()));
        assert!(!ids[..index].contains(id));
    }
    let shown = format!("{sessions:?}");
    assert!(!shown.contains(&ids[0]), "{shown}");
}

#[test]
fn a_session_is_found_only_by_its_principal_with_its_whole_id() {
    let (sessions, _) = sessions();
    let (ada, other) = (owner(1, "ada"), owner(1, "ada's other client"));
    let id = open(&sessions, &ada).unwrap();
    assert!(sessions.find(&ada, &id).is_some());
    assert!(sessions.find(&other, &id).is_none());
    let changed = id.replace(|_| true, "A");
    for wrong in [
        "",
        id.get(1..).unwrap(),
        &format!("{id} "),
        &id.to_lowercase(),
        &changed,
    ] {
        assert!(sessions.find(&ada, wrong).is_none(), "{wrong}");
    }
    assert!(!sessions.end(&other, &id));
    assert!(sessions.end(&ada, &id));
    assert!(!sessions.end(&ada, &id));
    assert!(sessions.find(&ada, &id).is_none());
    assert_eq!(count(&sessions), (0, 0));
}

#[test]
fn the_parts_of_a_key_cannot_be_shifted_into_each_other() {
    let keys = [("ab", "c"), ("a", "bc"), ("", "abc"), ("abc", "")];
    let keys = keys.map(|(principal, id)| Key::of(&owner(1, principal), id).0);
    for (index, key) in keys.iter().enumerate() {
        assert!(!keys[..index].contains(key));
    }
}

#[test]
fn at_the_limit_of_a_principal_its_session_that_is_idle_for_longest_ends() {
    let (sessions, clock) = limited(2, 9, 9);
    let (ada, grace) = (owner(1, "ada"), owner(2, "grace"));
    let of_grace = open(&sessions, &grace).unwrap();
    let mut ids = Vec::new();
    for _ in 0..2 {
        clock.advance(MINUTE);
        ids.push(open(&sessions, &ada).unwrap());
    }
    clock.advance(MINUTE);
    // The first session is used again, so the second has been idle for longer.
    assert!(sessions.find(&ada, &ids[0]).is_some());
    let third = open(&sessions, &ada).unwrap();
    assert!(sessions.find(&ada, &ids[1]).is_none());
    for kept in [&ids[0], &third] {
        assert!(sessions.find(&ada, kept).is_some());
    }
    assert!(sessions.find(&grace, &of_grace).is_some());
}

#[test]
fn a_session_in_use_does_not_give_way() {
    let (sessions, _) = limited(2, 9, 9);
    let ada = owner(1, "ada");
    let reading = open(&sessions, &ada).unwrap();
    let stream = sessions.find(&ada, &reading).unwrap().connect(None, None);
    let calling = open(&sessions, &ada).unwrap();
    let call = SessionRequest::begin(sessions.find(&ada, &calling).unwrap(), "1");
    assert!(open(&sessions, &ada).is_none());
    drop(call);
    assert!(open(&sessions, &ada).is_some());
    assert!(sessions.find(&ada, &calling).is_none());
    assert!(sessions.find(&ada, &reading).is_some());
    drop(stream);
}

#[test]
fn the_clients_of_a_user_count_together_and_all_users_too() {
    let (sessions, clock) = limited(2, 3, 4);
    let mut ids = Vec::new();
    for client in ["a", "b", "c", "d", "e"] {
        clock.advance(MINUTE);
        let owner = owner(1, client);
        ids.push((open(&sessions, &owner).unwrap(), owner));
    }
    let alive = |ids: &[(String, Owner)]| {
        let found = ids
            .iter()
            .filter(|(id, owner)| sessions.find(owner, id).is_some());
        found
            .map(|(_, owner)| owner.principal[0])
            .collect::<Vec<_>>()
    };
    assert_eq!(alive(&ids), b"cde");
    for (user, client) in [(2, "x"), (3, "y")] {
        clock.advance(MINUTE);
        let owner = owner(user, client);
        ids.push((open(&sessions, &owner).unwrap(), owner));
    }
    assert_eq!(count(&sessions), (4, 4));
    assert_eq!(alive(&ids).len(), 4);
    assert_eq!(alive(&ids)[2..], *b"xy");
}

#[test]
fn a_flood_of_sessions_stays_within_the_limits() {
    let (sessions, clock) = limited(16, 64, 1000);
    for number in 0..20_000_u64 {
        if number % 100 == 0 {
            clock.advance(Duration::from_millis(1));
        }
        let owner = owner(number % 500, &(number % 5_000).to_string());
        assert!(open(&sessions, &owner).is_some());
    }
    let (all, keys) = count(&sessions);
    assert!((990..=1000).contains(&all), "{all}");
    assert_eq!(all, keys);
    clock.advance(LIMITS.lifetime.idle);
    sessions.find(&owner(1, "a"), "none");
    assert_eq!(count(&sessions), (0, 0));
    assert!(sessions.lock().users.is_empty());
    assert_eq!(kept(&sessions), 0);
}

#[test]
fn an_idle_session_expires_and_an_open_stream_keeps_it_until_its_greatest_age() {
    let (sessions, clock) = sessions();
    let ada = owner(1, "ada");
    let idle = open(&sessions, &ada).unwrap();
    let used = open(&sessions, &ada).unwrap();
    let mut stream = sessions
        .find(&ada, &used)
        .unwrap()
        .connect(None, None)
        .unwrap();
    clock.advance(LIMITS.lifetime.idle - Duration::from_secs(1));
    assert!(sessions.find(&ada, &idle).is_some());
    clock.advance(LIMITS.lifetime.idle);
    assert!(sessions.find(&ada, &idle).is_none());
    assert!(sessions.find(&ada, &used).is_some());
    assert!(stream.next().now_or_never().unwrap().is_some());
    clock.advance(LIMITS.lifetime.age);
    // The stream ends, and the session too.
    assert_eq!(stream.next().now_or_never(), Some(None));
    assert!(sessions.find(&ada, &used).is_none());
    assert_eq!(count(&sessions), (0, 0));
}

#[test]
fn the_stream_ends_with_the_token() {
    let (sessions, clock) = sessions();
    let session = opened(&sessions);
    let until = Clock::unix_ms(&*clock) + 10_000;
    let mut stream = session.connect(None, Some(until)).unwrap();
    assert!(stream.next().now_or_never().unwrap().is_some());
    clock.advance(Duration::from_millis(9_999));
    assert_eq!(stream.next().now_or_never(), None);
    clock.advance(Duration::from_millis(1));
    session.notify(b"{}".to_vec());
    assert_eq!(stream.next().now_or_never(), Some(None));
    // With a new token the client gets what it has missed.
    let mut stream = session.connect(None, None).unwrap();
    let (id, message) = stream.next().now_or_never().unwrap().unwrap();
    assert_eq!((id.to_string().as_str(), &*message), ("0-1", &b"{}"[..]));
}

#[test]
fn a_new_standalone_stream_takes_the_place_of_the_old_one() {
    let (sessions, _) = sessions();
    let session = opened(&sessions);
    let mut old = session.connect(None, None).unwrap();
    assert!(old.next().now_or_never().unwrap().is_some());
    let mut new = session.connect(None, None).unwrap();
    assert_eq!(old.next().now_or_never(), Some(None));
    drop(old);
    assert_eq!(session.counts(), (0, 1, 0));
    session.notify(b"{}".to_vec());
    // The event that tells the id, and the message.
    assert!(new.next().now_or_never().unwrap().is_some());
    assert!(new.next().now_or_never().unwrap().is_some());
    assert_eq!(new.next().now_or_never(), None);
}

#[test]
fn an_older_client_gets_no_event_without_a_message_and_no_closed_stream() {
    let (sessions, _) = sessions();
    let ada = owner(1, "ada");
    let open = |version| {
        let id = sessions.open(ada.clone(), version, ClientAbilities::default(), silent());
        sessions.find(&ada, &id.unwrap().0).unwrap()
    };
    for (version, polls) in [(LATEST, true), ("2025-06-18", false), ("2025-03-26", false)] {
        let session = open(version);
        assert_eq!(session.polls(), polls, "{version}");
        let (writer, mut events) = session.open_stream();
        let first = events.next().now_or_never();
        let primed = first.map(|event| event.unwrap().1.is_empty());
        assert_eq!(primed, polls.then_some(true), "{version}");
        writer.close_connection();
        let next = events.next().now_or_never();
        assert_eq!(next, polls.then_some(None), "{version}");
        let mut standalone = session.connect(None, None).unwrap();
        assert_eq!(standalone.next().now_or_never().is_some(), polls);
    }
}

#[actix_web::test]
async fn the_messages_of_a_closed_connection_are_sent_when_the_client_resumes_the_stream() {
    let (sessions, _) = sessions();
    let session = opened(&sessions);
    let (writer, mut events) = session.open_stream();
    writer.send(b"1".to_vec()).await.unwrap();
    let (primed, _) = events.next().await.unwrap();
    assert_eq!(events.next().await.unwrap().1, "1");
    drop(events);
    writer.send(b"2".to_vec()).await.unwrap();
    let mut resumed = session.connect(Some(primed), None).unwrap();
    writer.send(b"3".to_vec()).await.unwrap();
    drop(writer);
    let rest: Vec<_> = resumed.by_ref().map(|(_, message)| message).collect().await;
    assert_eq!(rest, ["1", "2", "3"]);
    drop(resumed);
    assert_eq!(session.counts(), (0, 0, 0));
    // Another session has no such stream.
    assert!(opened(&sessions).connect(Some(primed), None).is_none());
}

#[actix_web::test]
async fn a_writer_waits_for_a_slow_reader_and_not_for_one_that_left() {
    let (sessions, _) = sessions();
    let session = opened(&sessions);
    let (writer, mut events) = session.open_stream();
    let message = || vec![b'x'; 1000];
    while let Some(sent) = writer.send(message()).now_or_never() {
        sent.unwrap();
    }
    let waiting = kept(&sessions);
    assert!((60_000..=66_000).contains(&waiting), "{waiting}");
    assert!(writer.send(message()).now_or_never().is_none());
    for _ in 0..8 {
        events.next().await.unwrap();
    }
    writer.send(message()).now_or_never().unwrap().unwrap();
    drop(events);
    for _ in 0..10_000 {
        writer.send(message()).now_or_never().unwrap().unwrap();
    }
    assert!(kept(&sessions) <= LIMITS.events.bytes);
    drop((session, writer));
    let ada = owner(1, "ada");
    let keys: Vec<_> = sessions.lock().sessions.keys().copied().collect();
    for key in keys {
        assert!(sessions.lock().remove(key));
    }
    assert_eq!(kept(&sessions), 0);
    assert!(sessions.find(&ada, "gone").is_none());
}

#[actix_web::test]
async fn a_request_is_answered_only_in_its_session_and_once() {
    let (sessions, _) = sessions();
    let (session, other) = (opened(&sessions), opened(&sessions));
    let asked = session
        .request("elicitation/create", &json!({ "message": "?" }))
        .unwrap();
    let message: Value = serde_json::from_slice(&asked.message).unwrap();
    assert_eq!(message["jsonrpc"], "2.0");
    assert_eq!(message["method"], "elicitation/create");
    assert_eq!(message["params"], json!({ "message": "?" }));
    let id = message["id"].as_str().unwrap();
    // 16 bytes in Base64.
    assert_eq!(id.len(), 22);
    let body = json!({ "jsonrpc": "2.0", "id": id, "result": { "action": "accept" } }).to_string();
    let response = || ClientResponse::read(&body).unwrap();
    for wrong in [json!("x"), json!(1), json!(null)] {
        let body = json!({ "jsonrpc": "2.0", "id": wrong, "result": {} }).to_string();
        assert!(
            !session.answer(ClientResponse::read(&body).unwrap()),
            "{wrong}"
        );
    }
    assert!(!other.answer(response()));
    assert!(session.answer(response()));
    assert!(!session.answer(response()));
    let answer = asked.answer(MINUTE).await.unwrap();
    let ClientAnswer::Result(result) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(result.get(), r#"{"action":"accept"}"#);
    assert_eq!(session.counts(), (0, 0, 0));
}

#[actix_web::test]
async fn a_request_without_an_answer_ends_in_time_and_with_its_session() {
    let (sessions, _) = sessions();
    let session = opened(&sessions);
    let ask = || session.request("ping", &json!({}));
    let late = ask().unwrap().answer(Duration::from_millis(1)).await;
    assert_eq!(late.unwrap_err(), Unanswered::TimedOut);
    assert_eq!(session.counts(), (0, 0, 0));
    let asked: Vec<_> = (0..16).map(|_| ask().unwrap()).collect();
    assert_eq!(ask().unwrap_err(), Unanswered::TooMany);
    let refused = json!({ "jsonrpc": "2.0", "id": id_of(&asked[3]), "error": { "code": -1, "message": "no" } });
    assert!(session.answer(ClientResponse::read(&refused.to_string()).unwrap()));
    session.end();
    for (index, asked) in asked.into_iter().enumerate() {
        match asked.answer(MINUTE).await {
            Ok(ClientAnswer::Error { code, message }) => {
                assert_eq!((index, code, message.as_str()), (3, -1, "no"));
            }
            Ok(ClientAnswer::Result(result)) => panic!("{result}"),
            Err(unanswered) => {
                assert_ne!(index, 3);
                assert_eq!(unanswered, Unanswered::SessionEnded);
            }
        }
    }
    assert_eq!(ask().unwrap_err(), Unanswered::SessionEnded);
}

fn id_of(asked: &ClientRequest) -> String {
    let message: Value = serde_json::from_slice(&asked.message).unwrap();
    message["id"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn the_end_of_a_session_ends_its_streams_and_refuses_messages() {
    let (sessions, _) = sessions();
    let ada = owner(1, "ada");
    let id = open(&sessions, &ada).unwrap();
    let session = sessions.find(&ada, &id).unwrap();
    let (writer, mut events) = session.open_stream();
    let mut standalone = session.connect(None, None).unwrap();
    let reading = tokio::spawn(async move {
        let events = events.by_ref().count().await;
        (events, standalone.by_ref().count().await)
    });
    tokio::task::yield_now().await;
    assert!(sessions.end(&ada, &id));
    reading.await.unwrap();
    assert_eq!(writer.send(b"{}".to_vec()).await, Err(SessionEnded));
    drop(writer);
    assert_eq!(session.counts(), (0, 0, 0));
    drop(session);
    assert_eq!((count(&sessions), kept(&sessions)), ((0, 0), 0));
}

#[actix_web::test]
async fn at_shutdown_only_the_standalone_streams_end() {
    let (sessions, _) = sessions();
    let session = opened(&sessions);
    let (writer, mut events) = session.open_stream();
    let mut standalone = session.connect(None, None).unwrap();
    assert!(standalone.next().await.is_some());
    sessions.stop();
    assert!(standalone.next().await.is_none());
    writer.send(b"1".to_vec()).await.unwrap();
    drop(writer);
    assert_eq!(events.by_ref().count().await, 2);
    assert!(session.connect(None, None).unwrap().next().await.is_none());
    assert!(open(&sessions, &owner(2, "grace")).is_none());
}

#[test]
fn a_thousand_streams_that_vanish_leave_nothing() {
    let (sessions, clock) = sessions();
    for user in 0..250 {
        let ada = owner(user, "ada");
        let id = open(&sessions, &ada).unwrap();
        let session = sessions.find(&ada, &id).unwrap();
        let streams: Vec<_> = (0..3).map(|_| session.open_stream()).collect();
        let standalone = session.connect(None, None).unwrap();
        let calls: Vec<_> = (0..4)
            .map(|id| SessionRequest::begin(Arc::clone(&session), &id.to_string()))
            .collect();
        let asked = session.request("ping", &json!({})).unwrap();
        for (writer, _) in &streams {
            writer
                .send(vec![b'x'; 100])
                .now_or_never()
                .unwrap()
                .unwrap();
        }
        assert_eq!(session.counts(), (4, 4, 1));
        drop((streams, standalone, calls, asked));
        assert_eq!(session.counts(), (0, 0, 0));
    }
    assert_eq!((count(&sessions), kept(&sessions)), ((250, 250), 250 * 300));
    // The events are forgotten first, and then the sessions.
    clock.advance(LIMITS.events.age);
    sessions.find(&owner(0, "ada"), "");
    assert_eq!((count(&sessions), kept(&sessions)), ((250, 250), 0));
    clock.advance(LIMITS.lifetime.idle);
    sessions.find(&owner(0, "ada"), "");
    assert_eq!(count(&sessions), (0, 0));
}

#[test]
fn a_cancellation_reaches_the_request_with_this_id_in_this_session() {
    let (sessions, _) = sessions();
    let (session, other) = (opened(&sessions), opened(&sessions));
    let one = SessionRequest::begin(Arc::clone(&session), "1");
    let text = SessionRequest::begin(Arc::clone(&session), r#""1""#);
    let of_other = SessionRequest::begin(Arc::clone(&other), "1");
    session.cancel("1");
    session.cancel("2");
    let cancelled = [&one, &text, &of_other].map(|one| one.is_cancelled());
    assert_eq!(cancelled, [true, false, false]);
    // An id that is used again refers to the newer request, also when the older request ends.
    let again = SessionRequest::begin(Arc::clone(&session), "1");
    drop(one);
    session.cancel("1");
    assert!(again.is_cancelled());
    drop((again, text));
    assert_eq!(session.counts(), (0, 0, 0));
}

#[test]
fn subscriptions_are_bounded_and_belong_to_the_session() {
    let (sessions, _) = sessions();
    let notifier = Notifier::default();
    let opened = || {
        let subscription = notifier.open(None, ChangedLists::default());
        let ada = owner(1, "ada");
        let id = sessions.open(
            ada.clone(),
            LATEST,
            ClientAbilities::default(),
            subscription,
        );
        sessions.find(&ada, &id.unwrap().0).unwrap()
    };
    let (session, other) = (opened(), opened());
    let subscribe = |uri: &str| session.subscribe(None, uri);
    for number in 0..256 {
        subscribe(&format!("docs://{number}")).unwrap();
    }
    assert_eq!(subscribe("docs://256"), Err(TooManySubscriptions));
    assert_eq!(subscribe("docs://7"), Ok(()));
    let long = "x".repeat(2049);
    assert_eq!(other.subscribe(None, &long), Err(TooManySubscriptions));
    let changes = |session: &Session| {
        let pending = std::future::poll_fn(|cx| session.poll_pending(cx)).now_or_never();
        let uris = session.take_changes().uris;
        assert_eq!(pending.is_some(), !uris.is_empty());
        uris.iter().map(|uri| uri.to_string()).collect::<Vec<_>>()
    };
    notifier.resource_updated("docs://7");
    notifier.resource_updated("docs://9");
    session.unsubscribe("docs://9");
    assert_eq!(changes(&session), ["docs://7"]);
    assert!(changes(&session).is_empty() && changes(&other).is_empty());
    assert_eq!(subscribe("docs://256"), Ok(()));
    session.end();
    notifier.resource_updated("docs://256");
    assert!(changes(&session).is_empty());
    drop(other);
}

#[test]
fn capabilities_and_level_belong_to_the_session() {
    let (sessions, _) = sessions();
    let ada = owner(1, "ada");
    let capabilities = ClientAbilities::read(r#"{"sampling":{}}"#);
    let id = sessions.open(ada.clone(), LATEST, capabilities, silent());
    let id = id.unwrap().0;
    let session = sessions.find(&ada, &id).unwrap();
    assert_eq!(session.abilities(), capabilities);
    assert_eq!(session.level(), None);
    session.set_level(crate::primitive::LogLevel::Info);
    assert_eq!(session.level(), Some(crate::primitive::LogLevel::Info));
    assert_eq!(opened(&sessions).level(), None);
    let shown = format!("{session:?} {:?}", EventId::parse("1-2"));
    assert!(!shown.contains(&id), "{shown}");
}
