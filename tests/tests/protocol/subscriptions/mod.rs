//! `subscriptions/listen`: who may subscribe to what, what a subscriber gets, and when a stream ends.

mod delivery;
mod ending;
mod limits;
mod opening;

use std::time::Duration;

use mcp_auth::{Notifier, ServerBuilder};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::schema::expect_valid;
use crate::support::{Ask, Era, World, message, modern_meta};

mod tools {
    use mcp_auth::{Notifier, Org, State, mcp_prompt, mcp_resource, mcp_tool};

    use super::Doors;

    /// A page that everybody may read.
    #[mcp_resource("wiki://front", public)]
    async fn front() -> &'static str {
        "the front page"
    }

    /// A page of a signed-in user.
    #[mcp_resource("wiki://mine")]
    async fn mine() -> &'static str {
        "a page"
    }

    /// A page of the organization.
    #[mcp_resource("wiki://pages/{name}", permission = "org:documents:read")]
    async fn page(name: String) -> String {
        name
    }

    /// A page that only people who delete may read.
    #[mcp_resource("wiki://bin", permission = "org:documents:delete")]
    async fn bin() -> &'static str {
        "the bin"
    }

    /// A page behind a door.
    #[mcp_resource("wiki://doors/{number}", authorize = is_open(number, doors))]
    async fn door(number: u32, doors: &State<Doors>) -> String {
        format!("{number} of {}", doors.count())
    }

    /// A page behind a door of people who delete.
    #[mcp_resource("wiki://safes/{number}", permission = "org:documents:delete", authorize = is_open(number, doors))]
    async fn safe(number: u32, doors: &State<Doors>) -> String {
        format!("{number} of {}", doors.count())
    }

    /// The index of the organization.
    #[mcp_resource("wiki://index", require_org)]
    async fn index(org: &Org) -> String {
        org.id().to_owned()
    }

    async fn is_open(number: &u32, doors: &State<Doors>) -> Result<bool, std::io::Error> {
        doors.ask(*number)
    }

    /// Change a page.
    #[mcp_tool]
    async fn change(uri: String, notifier: &Notifier) {
        notifier.resource_updated(uri);
    }

    /// Tell that all lists changed.
    #[mcp_tool(public)]
    async fn change_lists(cx: &mcp_auth::Context) {
        cx.notifier().tools_changed();
        cx.notifier().prompts_changed();
        cx.notifier().resources_changed();
    }

    /// Delete something.
    #[mcp_tool(permission = "org:documents:delete")]
    async fn purge() {}

    /// Summarise.
    #[mcp_prompt(permission = "org:documents:write")]
    async fn summarise() -> &'static str {
        "Summarise"
    }
}

/// The doors that are open. A broken door makes the decision fail.
#[derive(Clone, Debug, Default)]
pub(super) struct Doors(std::sync::Arc<std::sync::Mutex<(Vec<u32>, bool)>>);

impl Doors {
    fn set(&self, open: &[u32], broken: bool) {
        *self.0.lock().unwrap() = (open.to_vec(), broken);
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().0.len()
    }

    fn ask(&self, door: u32) -> Result<bool, std::io::Error> {
        let doors = self.0.lock().unwrap();
        if doors.1 {
            return Err(std::io::Error::other("jammed"));
        }
        Ok(doors.0.contains(&door))
    }
}

/// A server whose resources can be subscribed to.
pub(super) struct Wiki {
    pub(super) world: World,
    pub(super) notifier: Notifier,
    pub(super) doors: Doors,
}

impl Wiki {
    pub(super) async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    pub(super) async fn with(settings: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Self {
        let doors = Doors::default();
        let mut notifier = Notifier::default();
        let world = World::of("protocol::subscriptions::tools", |builder| {
            let builder = settings(builder.state(doors.clone()));
            notifier = builder.notifier();
            builder
        })
        .await;
        Self {
            world,
            notifier,
            doors,
        }
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers write it with `json!`"
    )]
    pub(super) fn ask(&self, filter: Value) -> Ask {
        let params = json!({ "notifications": filter });
        self.world.ask(Era::Modern, "subscriptions/listen", params)
    }

    /// Opens a stream with this token.
    pub(super) async fn listen(&self, token: &str, filter: Value) -> Listener {
        Listener::open(self.ask(filter).bearer(token)).await
    }

    /// Opens a stream of these resources.
    pub(super) async fn listen_to(&self, token: &str, uris: &[&str]) -> Listener {
        self.listen(token, json!({ "resourceSubscriptions": uris }))
            .await
    }
}

/// An open stream.
pub(super) struct Listener {
    response: reqwest::Response,
    arrived: String,
    /// The filter that the server acknowledged.
    pub(super) acknowledged: Value,
    id: Value,
}

impl Listener {
    pub(super) async fn open(ask: Ask) -> Self {
        let sent: Value = serde_json::from_slice(&ask.body).unwrap();
        let response = ask.start().await;
        assert_eq!(response.status(), 200);
        let kind = response.headers()["content-type"].to_str().unwrap();
        assert_eq!(kind, "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let mut listener = Self {
            response,
            arrived: String::new(),
            acknowledged: Value::Null,
            id: sent["id"].clone(),
        };
        let first = listener.message().await.expect("no acknowledgement");
        expect_valid(Era::Modern, "SubscriptionsAcknowledgedNotification", &first);
        assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
        listener.acknowledged = first["params"]["notifications"].clone();
        listener
    }

    /// The next notification, in short: its method, and the URI of a resource. Fails if the stream ends.
    pub(super) async fn next(&mut self) -> String {
        let message = self.message().await.expect("the stream ended");
        let method = message["method"]
            .as_str()
            .unwrap_or_else(|| panic!("{message}"));
        match method {
            "notifications/resources/updated" => {
                expect_valid(Era::Modern, "ResourceUpdatedNotification", &message);
                message["params"]["uri"].as_str().unwrap().to_owned()
            }
            _ => {
                let definition = match method {
                    "notifications/tools/list_changed" => "ToolListChangedNotification",
                    "notifications/prompts/list_changed" => "PromptListChangedNotification",
                    _ => "ResourceListChangedNotification",
                };
                expect_valid(Era::Modern, definition, &message);
                let list = method.strip_prefix("notifications/").unwrap();
                list.strip_suffix("/list_changed").unwrap().to_owned()
            }
        }
    }

    /// Expects that the stream ends with a response, and without a further notification.
    pub(super) async fn expect_end(mut self) {
        let message = self.message().await.expect("no response");
        expect_valid(Era::Modern, "SubscriptionsListenResultResponse", &message);
        assert_eq!(message["id"], self.id);
        let result = &message["result"];
        assert_eq!(result["resultType"], "complete");
        assert_eq!(result["_meta"][SUBSCRIPTION_ID], self.id);
        assert_eq!(self.message().await, None);
    }

    pub(super) async fn message(&mut self) -> Option<Value> {
        loop {
            if let Some((event, rest)) = self.arrived.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.arrived = rest;
                if event.starts_with(':') {
                    continue;
                }
                let data = event.strip_prefix("event: message\ndata: ").unwrap();
                let message: Value = serde_json::from_str(data).unwrap();
                if let Some(params) = message.get("params") {
                    assert_eq!(params["_meta"][SUBSCRIPTION_ID], self.id, "{message}");
                }
                return Some(message);
            }
            let chunk = timeout(PATIENCE, self.response.chunk()).await;
            let chunk = chunk.expect("nothing in time").unwrap()?;
            self.arrived.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

/// A request whose id is this JSON value.
fn with_id(ask: Ask, id: &Value, filter: &Value) -> Ask {
    let params = json!({ "notifications": filter, "_meta": modern_meta() });
    let body = message("subscriptions/listen", params);
    let mut body: Value = serde_json::from_str(&body).unwrap();
    body["id"] = id.clone();
    let mut ask = ask;
    ask.body = body.to_string().into_bytes();
    ask
}

const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
const PATIENCE: Duration = Duration::from_secs(10);
