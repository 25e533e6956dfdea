//! The handle with which the application publishes changes.

use std::fmt;
use std::sync::Arc;

use super::subscription::{ChangedLists, Hub, Subscription};

/// Notifies subscribed clients that a resource or a list changed.
///
/// A function takes `notifier: &Notifier`. Other code gets the notifier of a server from
/// [`ServerBuilder::notifier`](crate::ServerBuilder::notifier) before the server starts, or from
/// [`Server::notifier`](crate::Server::notifier). Clones are cheap, and belong to the same server.
///
/// The methods return at once, and never fail. A client that did not subscribe gets nothing. The server checks the
/// token and the guard of each subscriber before it sends a notification. If a resource changes several times before
/// a client reads, the client gets one notification. A notification names the resource and does not contain it.
///
/// ```
/// use mcp_auth::{Notifier, Org, mcp_resource, mcp_tool};
///
/// /// The motto of the organization.
/// #[mcp_resource("office://motto", permission = "org:office:read")]
/// async fn motto(org: &Org) -> String {
///     format!("the motto of {}", org.id())
/// }
///
/// /// Change the motto.
/// #[mcp_tool(permission = "org:office:write")]
/// async fn set_motto(text: String, org: &Org, notifier: &Notifier) {
///     // Store the text.
///     notifier.resource_updated_in(org.id(), "office://motto");
/// }
///
/// # #[cfg(feature = "testing")]
/// # actix_web::rt::System::new().block_on(async {
/// use mcp_auth::testing::TestServer;
/// use serde_json::json;
///
/// let server = mcp_auth::server!();
/// # let server = server.tools_of(module_path!());
/// let server = TestServer::of(server);
/// let grace = server.user("grace").org("acme").permission("org:office:read");
/// let mut changes = grace.listen(json!({ "resourceSubscriptions": ["office://motto"] })).await;
/// let ada = server.user("ada").org("acme").permission("org:office:write");
/// ada.call("set_motto", json!({ "text": "Weave" })).await.expect_ok();
/// let change = changes.next().await.unwrap();
/// assert_eq!(change["method"], "notifications/resources/updated");
/// assert_eq!(change["params"]["uri"], "office://motto");
/// # });
/// ```
///
/// Source: MCP 2026-07-28, basic/patterns/subscriptions.
#[derive(Clone, Default)]
pub struct Notifier(Arc<Hub>);

impl Notifier {
    /// Notifies the clients that subscribed to this URI that the resource changed.
    ///
    /// `uri` is the URI that clients read, such as `docs://documents/7`, and not a template. If the same URI is a
    /// different resource in each organization, use [`resource_updated_in`](Self::resource_updated_in) instead.
    /// Otherwise clients in other organizations learn when the resource changes.
    ///
    /// ```
    /// let server = mcp_auth::server!();
    /// let notifier = server.notifier();
    /// notifier.resource_updated("docs://handbook");
    /// ```
    pub fn resource_updated(&self, uri: &str) {
        self.0.resource_updated(uri, None);
    }

    /// Notifies clients that the resource changed. Only the clients that subscribed to this URI and that act in this
    /// organization (`org_…`) get the notification.
    ///
    /// A client acts in an organization if the guard or a parameter of a resource of the server uses the organization.
    /// If no resource of the server uses the organization, this method notifies no client.
    ///
    /// ```
    /// let server = mcp_auth::server!();
    /// let notifier = server.notifier();
    /// notifier.resource_updated_in("org_acme", "docs://index");
    /// ```
    pub fn resource_updated_in(&self, organization_id: &str, uri: &str) {
        self.0.resource_updated(uri, Some(organization_id));
    }

    /// Notifies the clients that subscribed to the list of tools that the list changed.
    ///
    /// If the role or the permissions of a user change, the server itself notifies the clients of the user whose lists
    /// changed. An application calls this method for other changes, for example of a [`Policy`](crate::Policy).
    pub fn tools_changed(&self) {
        self.0.lists_changed(ChangedLists {
            tools: true,
            ..ChangedLists::default()
        });
    }

    /// Notifies the clients that subscribed to the list of prompts that the list changed.
    ///
    /// If the role or the permissions of a user change, the server itself notifies the clients of the user whose lists
    /// changed.
    pub fn prompts_changed(&self) {
        self.0.lists_changed(ChangedLists {
            prompts: true,
            ..ChangedLists::default()
        });
    }

    /// Notifies the clients that subscribed to the list of resources that the list of resources or the list of resource
    /// templates changed.
    ///
    /// If the role or the permissions of a user change, the server itself notifies the clients of the user whose lists
    /// changed.
    pub fn resources_changed(&self) {
        self.0.lists_changed(ChangedLists {
            resources: true,
            ..ChangedLists::default()
        });
    }

    /// Returns the number of open subscriptions, for metrics: streams of `subscriptions/listen`, and sessions.
    #[must_use]
    pub fn subscriptions(&self) -> usize {
        self.0.count()
    }

    /// Opens a subscription to changes of these lists, for a subscriber who acts in this organization.
    pub(crate) fn open(&self, organization: Option<String>, lists: ChangedLists) -> Subscription {
        self.0.open(organization, lists)
    }
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier")
            .field("subscriptions", &self.subscriptions())
            .finish()
    }
}
