//! A legacy client with a session, and its streams of events.

use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::schema::expect_valid;
use crate::support::{Ask, Era, LEGACY, World, message};

/// A session of a client.
#[derive(Clone)]
pub(super) struct Session<'a> {
    world: &'a World,
    token: String,
    id: String,
    version: &'static str,
}

/// `initialize` of this revision.
pub(super) fn initialize(world: &World, token: &str, version: &str) -> Ask {
    world
        .post(message("initialize", params(version)))
        .bearer(token)
}

pub(super) fn params(version: &str) -> Value {
    json!({
        "protocolVersion": version,
        "capabilities": { "elicitation": {}, "sampling": {} },
        "clientInfo": { "name": "tests", "version": "1" },
    })
}

impl<'a> Session<'a> {
    pub(super) async fn open(world: &'a World, token: &str) -> Self {
        Self::open_with(world, token, LEGACY).await
    }

    pub(super) async fn open_with(world: &'a World, token: &str, version: &'static str) -> Self {
        let reply = initialize(world, token, version).send().await;
        let id = reply.expect_status(200).header("mcp-session-id");
        let mut session = Self::of(world, token, id.expect("no session"));
        session.version = version;
        session
    }

    /// The session with an id, which may not exist.
    pub(super) fn of(world: &'a World, token: &str, id: &str) -> Self {
        Self {
            world,
            token: token.to_owned(),
            id: id.to_owned(),
            version: LEGACY,
        }
    }

    pub(super) fn with_token(&self, token: &str) -> Self {
        let mut session = self.clone();
        token.clone_into(&mut session.token);
        session
    }

    pub(super) fn with_id(&self, id: &str) -> Self {
        let mut session = self.clone();
        id.clone_into(&mut session.id);
        session
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    fn of_session(&self, ask: Ask) -> Ask {
        ask.bearer(&self.token)
            .header("mcp-protocol-version", self.version)
            .header("mcp-session-id", &self.id)
    }

    /// A GET, a DELETE or another request without a body.
    pub(super) fn request(&self, method: Method) -> Ask {
        let ask = self.world.request(method, "/mcp");
        self.of_session(ask).header("accept", "text/event-stream")
    }

    pub(super) fn get(&self) -> Ask {
        self.request(Method::GET)
    }

    pub(super) fn resume(&self, last: &str) -> Ask {
        self.get().header("last-event-id", last)
    }

    pub(super) fn post(&self, body: &Value) -> Ask {
        self.post_text(body.to_string())
    }

    pub(super) fn post_text(&self, body: String) -> Ask {
        self.of_session(self.world.post(body))
    }

    pub(super) fn ask(&self, method: &str, params: Value) -> Ask {
        self.of_session(self.world.post(message(method, params)))
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers write it with `json!`"
    )]
    pub(super) fn call(&self, tool: &str, arguments: Value) -> Ask {
        let params = json!({ "name": tool, "arguments": arguments });
        self.ask("tools/call", params)
    }

    /// A call that asks for progress.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers write it with `json!`"
    )]
    pub(super) fn with_progress(&self, tool: &str, arguments: Value) -> Ask {
        let meta = json!({ "progressToken": "t" });
        let params = json!({ "name": tool, "arguments": arguments, "_meta": meta });
        self.ask("tools/call", params)
    }

    /// Sends a request whose response is a stream.
    pub(super) async fn stream(&self, ask: Ask) -> Events {
        let response = ask.start().await;
        assert_eq!(response.status(), 200);
        Events::of(response)
    }

    /// Sends a request, and reads its whole response. A JSON response is one event.
    pub(super) async fn events(&self, ask: Ask) -> Vec<Event> {
        let response = ask.start().await;
        if response.headers()["content-type"] == "application/json" {
            let body = response.bytes().await.unwrap();
            let message = serde_json::from_slice(&body).unwrap();
            return vec![Event::of(None, Some(message))];
        }
        Events::of(response).rest().await
    }
}

/// An event of a stream.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) id: Option<String>,
    /// `None` if the event has no message.
    pub(super) message: Option<Value>,
    pub(super) retry: Option<u64>,
}

impl Event {
    fn of(id: Option<String>, message: Option<Value>) -> Self {
        Self {
            id,
            message,
            retry: None,
        }
    }

    /// Parses an event, and validates its message by the published schema. `None` for a comment.
    fn parse(text: &str) -> Option<Self> {
        let mut event = Self::of(None, None);
        let mut has_data = false;
        for line in text.lines().filter(|line| !line.is_empty()) {
            let (field, value) = line.split_once(':').unwrap();
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "" => {}
                "data" if value.is_empty() => has_data = true,
                "data" => {
                    has_data = true;
                    event.message = Some(serde_json::from_str(value).unwrap());
                }
                "event" => assert_eq!(value, "message"),
                "id" => event.id = Some(value.to_owned()),
                "retry" => event.retry = Some(value.parse().unwrap()),
                other => panic!("the field {other}"),
            }
        }
        if let Some(message) = &event.message {
            expect_valid(Era::Legacy, "JSONRPCMessage", message);
        }
        has_data.then_some(event)
    }

    pub(super) fn is(&self, method: &str) -> bool {
        self.message
            .as_ref()
            .is_some_and(|message| message["method"] == method)
    }

    pub(super) fn id(&self) -> &str {
        self.id.as_deref().expect("an event without an id")
    }

    /// The text of a tool's result.
    pub(super) fn text(&self) -> &str {
        let message = self.message.as_ref().expect("no message");
        expect_valid(Era::Legacy, "CallToolResult", &message["result"]);
        message["result"]["content"][0]["text"].as_str().unwrap()
    }
}

/// A stream of events as it arrives.
pub(super) struct Events {
    response: Response,
    received: Vec<u8>,
}

impl Events {
    fn of(response: Response) -> Self {
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        assert_eq!(response.headers()["cache-control"], "no-store");
        Self {
            response,
            received: Vec::new(),
        }
    }

    /// Waits for the next event. `None` after the end of the stream.
    pub(super) async fn next(&mut self) -> Option<Event> {
        loop {
            let end = self.received.windows(2).position(|two| two == b"\n\n");
            if let Some(end) = end {
                let rest = self.received.split_off(end + 2);
                let event = std::mem::replace(&mut self.received, rest);
                match Event::parse(std::str::from_utf8(&event).unwrap()) {
                    Some(event) => return Some(event),
                    None => continue,
                }
            }
            let chunk = timeout(PATIENCE, self.response.chunk()).await;
            // A server that stops may end the connection without the last chunk.
            match chunk.expect("no event in time").ok().flatten() {
                Some(chunk) => self.received.extend_from_slice(&chunk),
                None => {
                    assert!(self.received.is_empty(), "half an event");
                    return None;
                }
            }
        }
    }

    pub(super) async fn rest(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }

    /// Returns true if the stream has no event within this time.
    pub(super) async fn is_silent(&mut self, time: Duration) -> bool {
        timeout(time, self.next()).await.is_err()
    }
}

const PATIENCE: Duration = Duration::from_secs(10);
