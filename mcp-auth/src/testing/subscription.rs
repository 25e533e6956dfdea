//! Subscriptions in tests.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use actix_web::App;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::test::{call_service, init_service};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::primitive::Notifier;

use super::server::TestServer;
use super::user::TestUser;

/// An open subscription of a test. [`TestUser::listen`] opens the subscription. Dropping the value closes the
/// subscription.
///
/// ```standalone_crate
/// use std::time::Duration;
///
/// use mcp_auth::testing::TestServer;
/// use serde_json::json;
///
/// /// The handbook.
/// #[mcp_auth::mcp_resource("docs://handbook", permission = "org:docs:read")]
/// async fn handbook() -> &'static str { "Weave" }
///
/// # actix_web::rt::System::new().block_on(async {
/// let server = TestServer::of(mcp_auth::server!());
/// let filter = json!({ "resourceSubscriptions": ["docs://handbook", "docs://unknown"] });
/// let ada = server.user("ada").org("acme").permission("org:docs:read");
/// let mut changes = ada.listen(filter.clone()).await;
/// assert_eq!(changes.acknowledged(), &json!({ "resourceSubscriptions": ["docs://handbook"] }));
/// server.notifier().resource_updated("docs://handbook");
/// let change = changes.next().await.unwrap();
/// assert_eq!(change["method"], "notifications/resources/updated");
///
/// // A caller whose membership ended gets nothing, and the subscription ends.
/// server.remove_member("ada", "acme");
/// server.advance(Duration::from_secs(30));
/// server.notifier().resource_updated("docs://handbook");
/// assert_eq!(changes.next().await, None);
///
/// // For a caller without the permission, the resource does not exist.
/// let mut changes = server.user("grace").org("acme").listen(filter).await;
/// assert_eq!(changes.acknowledged(), &json!({}));
/// assert_eq!(changes.next().await, None);
/// # });
/// ```
pub struct TestSubscription {
    body: Pin<Box<BoxBody>>,
    /// The bytes that have arrived and were not read yet. They begin with the beginning of an event.
    arrived: Vec<u8>,
    acknowledged: Value,
    /// True if the response that ends the stream has arrived.
    is_over: bool,
}

impl TestServer {
    /// Returns the notifier, with which the application notifies subscribed clients of changes.
    #[must_use]
    pub fn notifier(&self) -> Notifier {
        self.site().endpoint.notifier().clone()
    }
}

impl TestUser<'_> {
    /// Subscribes to notifications. `filter` is the `notifications` member of `subscriptions/listen`:
    /// `toolsListChanged`, `promptsListChanged`, `resourcesListChanged` and `resourceSubscriptions`.
    ///
    /// # Panics
    ///
    /// If no token can be minted with the properties set on this user, or if the server refuses the request.
    ///
    /// Source: MCP 2026-07-28, basic/patterns/subscriptions.
    #[track_caller]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "tests write the filter in place, with `json!`"
    )]
    pub fn listen(&self, filter: Value) -> impl Future<Output = TestSubscription> {
        let params = json!({ "notifications": filter });
        let request = self.request("subscriptions/listen", None, params);
        let site = self.server().site();
        async move {
            let app = App::new().configure(|services| site.routes(services));
            let app = init_service(app).await;
            let response = call_service(&app, request.to_actix().to_request()).await;
            let status = response.status();
            let mut subscription = TestSubscription {
                body: Box::pin(response.into_body().boxed()),
                arrived: Vec::new(),
                acknowledged: Value::Null,
                is_over: false,
            };
            subscription.acknowledge(status.as_u16()).await;
            subscription
        }
    }
}

impl TestSubscription {
    #[expect(clippy::panic, reason = "a mistake in the test")]
    async fn acknowledge(&mut self, status: u16) {
        let first = self.message().await;
        let acknowledged = first.as_ref().and_then(|first| {
            first.get("method").and_then(Value::as_str)?;
            first.get("params")?.get("notifications").cloned()
        });
        match acknowledged {
            Some(acknowledged) => self.acknowledged = acknowledged,
            None => panic!(
                "no subscription: HTTP {status} {}",
                String::from_utf8_lossy(&self.arrived)
            ),
        }
    }

    /// Returns the part of the filter that the server serves.
    #[must_use]
    pub fn acknowledged(&self) -> &Value {
        &self.acknowledged
    }

    /// Waits for the next notification, and returns it: an object with `method` and `params`. `None` if the server
    /// ended the subscription.
    ///
    /// # Panics
    ///
    /// If nothing arrives within 10 s, or if the stream ends without a response.
    #[expect(clippy::panic, reason = "the test has failed")]
    pub async fn next(&mut self) -> Option<Value> {
        if self.is_over {
            return None;
        }
        let Some(message) = self.message().await else {
            panic!("the stream broke off");
        };
        self.is_over = message.get("result").is_some();
        (!self.is_over).then_some(message)
    }

    /// Returns the next message. `None` at the end of the body.
    #[expect(clippy::panic, reason = "the test has failed")]
    async fn message(&mut self) -> Option<Value> {
        loop {
            while let Some(event) = self.event() {
                if let Some(message) = event {
                    return Some(message);
                }
            }
            let chunk = poll_fn(|cx| self.body.as_mut().poll_next(cx));
            match timeout(PATIENCE, chunk).await {
                Ok(Some(Ok(bytes))) => self.arrived.extend_from_slice(&bytes),
                Ok(Some(Err(_)) | None) => return None,
                Err(_) => panic!("no notification in time"),
            }
        }
    }

    /// Takes a complete event. Returns `Some(None)` for a comment.
    fn event(&mut self) -> Option<Option<Value>> {
        let end = self.arrived.windows(2).position(|two| two == b"\n\n")?;
        let event: Vec<u8> = self.arrived.drain(..end + 2).collect();
        let event = String::from_utf8_lossy(&event).into_owned();
        let data = event.lines().find_map(|line| line.strip_prefix("data: "));
        Some(data.and_then(|data| serde_json::from_str(data).ok()))
    }
}

impl fmt::Debug for TestSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestSubscription")
            .field("acknowledged", &self.acknowledged)
            .field("is_over", &self.is_over)
            .finish_non_exhaustive()
    }
}

const PATIENCE: Duration = Duration::from_secs(10);
