//! The view of a request that a running tool, prompt or resource gets.

use std::sync::Arc;

use crate::guard::{Authorized, CallerFacts, Check};
use crate::identity::{Caller, Freshness, Org, Organizations, People, Unavailable, UrlOrg};

use super::error::ToolError;
#[cfg(feature = "testing")]
use super::invocation_counter::Starts;
use super::state::{State, States};

/// The request that a tool, a prompt or a resource runs for: its caller, the caller's organization and
/// the server's state.
///
/// Most functions take `&Caller`, `&Org` or `&State<T>` instead. A function takes `&Context` to check
/// further permissions at run time ([`has`](Self::has)), or to get the caller, the organization and
/// the state in one value. A context exists only for a call that the guard allowed. It has no public
/// constructor.
///
/// ```
/// use mcp_auth::{Context, ToolError, mcp_tool};
///
/// struct Greetings {
///     stranger: String,
/// }
///
/// /// Greet whoever calls.
/// #[mcp_tool(public)]
/// async fn greet(cx: &Context) -> Result<String, ToolError> {
///     let Some(caller) = cx.caller() else {
///         let greetings = cx.state::<Greetings>().ok_or("no greetings were given")?;
///         return Ok(greetings.stranger.clone());
///     };
///     Ok(format!("{} greets {}", cx.tool_name(), caller.subject()))
/// }
///
/// /// Name the caller's organization.
/// #[mcp_tool(require_org)]
/// async fn organization(cx: &Context) -> String {
///     cx.org().map_or_else(String::new, |org| org.id().to_owned())
/// }
///
/// # #[cfg(feature = "testing")]
/// # actix_web::rt::System::new().block_on(async {
/// use mcp_auth::testing::TestServer;
/// use serde_json::json;
///
/// let server = mcp_auth::server!(state = Greetings { stranger: "Hello".to_owned() });
/// # let server = server.tools_of(module_path!());
/// let server = TestServer::of(server);
/// let ada = server.user("ada").org("acme");
/// assert_eq!(ada.call("greet", json!({})).await.text(), "greet greets user_ada");
/// assert_eq!(ada.call("organization", json!({})).await.text(), "org_acme");
/// assert_eq!(server.anonymous().call("greet", json!({})).await.text(), "Hello");
/// # });
/// ```
#[derive(Debug)]
pub struct Context {
    proof: Authorized,
    tool: &'static str,
    states: Arc<States>,
    organizations: Arc<Organizations>,
    /// Few URLs name an organization, so the box keeps the future of most calls small.
    url_org: Option<Box<UrlOrg>>,
    #[cfg(feature = "testing")]
    starts: Option<Starts>,
}

impl Context {
    pub(crate) fn new(
        proof: Authorized,
        tool: &'static str,
        states: Arc<States>,
        organizations: Arc<Organizations>,
        url_org: &UrlOrg,
    ) -> Self {
        Self {
            proof,
            tool,
            states,
            organizations,
            url_org: (!url_org.is_absent()).then(|| Box::new(url_org.clone())),
            // The counter must be read here, on the task of the request, because the function may
            // run on another task.
            #[cfg(feature = "testing")]
            starts: Starts::current(),
        }
    }

    /// Returns the verified caller. `None` only in a `public` tool, prompt or resource, if the
    /// request has no token.
    #[must_use]
    pub fn caller(&self) -> Option<&Caller> {
        self.proof.caller()
    }

    /// Returns the caller's organization, as the guard checked it.
    ///
    /// `None` in three cases: the caller has no organization; the declaration does not use the
    /// organization; or the look-up failed, and the guard passed without it, for example
    /// because a scope met an `any(…)`. A declaration uses the organization if it has
    /// `require_org`, a permission or a role, or a parameter `&Org` or `Option<&Org>`.
    #[must_use]
    pub fn org(&self) -> Option<&Org> {
        self.proof.organization()
    }

    /// Checks at run time whether the caller meets a requirement, as Clerk's `has()` does. Use it
    /// for requirements that depend on the arguments. Write other requirements in the declaration.
    ///
    /// Features, plans and reverifications come from the token, and only session tokens have them.
    /// The server looks up the role and the permissions of an OAuth caller, as for a guard. Without
    /// a secret key, an OAuth caller has no role and no permissions. For a caller that is not a
    /// user, the result is always `false`.
    ///
    /// ```
    /// use mcp_auth::{Context, Check, ToolError, mcp_tool};
    ///
    /// /// Read a document of some collection.
    /// #[mcp_tool(require_org)]
    /// async fn read(collection: String, cx: &Context) -> Result<String, ToolError> {
    ///     if !cx.has(Check::new().permission(format!("org:{collection}:read"))).await? {
    ///         return Err(ToolError::new("Not in this collection"));
    ///     }
    ///     Ok(format!("the first of the {collection}"))
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
    /// let ada = server.user("ada").org("acme").permission("org:letters:read");
    /// let letters = ada.call("read", json!({ "collection": "letters" })).await;
    /// assert_eq!(letters.expect_ok().text(), "the first of the letters");
    /// let bills = ada.call("read", json!({ "collection": "bills" })).await;
    /// bills.expect_error("Not in this collection");
    /// # });
    /// ```
    ///
    /// # Errors
    ///
    /// - The membership cannot be looked up now. The text for the model asks to try again.
    /// - A name in the check is malformed. This error is internal: the log has the name, and the
    ///   model reads only that the tool failed.
    pub async fn has(&self, question: Check) -> Result<bool, ToolError> {
        if let Some(mistake) = question.mistake() {
            return Err(ToolError::from(mistake.clone()));
        }
        let Some(caller) = self.caller() else {
            return Ok(false);
        };
        let standing = CallerFacts::of(caller);
        if !question.may_hold(&standing) {
            return Ok(false);
        }
        let organization = if question.uses_organization() {
            let url = self.url_org.as_deref().unwrap_or(&UrlOrg::Absent);
            let current = self.organizations.acting(caller, url, Freshness::Current);
            let current = current.await;
            current
                .map_err(|Unavailable { .. }| ToolError::new(TRY_AGAIN))?
                .org
        } else {
            None
        };
        Ok(question.holds(&standing, organization.as_ref()))
    }

    /// The look-up of users' profiles at the identity provider.
    pub(super) fn people(&self) -> Option<&People> {
        self.organizations.people()
    }

    /// Returns the name of the running tool, prompt or resource, as clients see it.
    #[must_use]
    pub fn tool_name(&self) -> &'static str {
        self.tool
    }

    /// Returns the server's state of type `T`. `None` if the server has no such state.
    ///
    /// The server checks at start-up that the state of every parameter `&State<T>` is set. It
    /// cannot check that for this method.
    #[must_use]
    pub fn state<T: Send + Sync + 'static>(&self) -> Option<&State<T>> {
        self.states.get()
    }
}

/// Records, for tests, that the function starts now. From here on nothing can refuse the call.
pub fn started(cx: &Context) {
    #[cfg(feature = "testing")]
    if let Some(starts) = &cx.starts {
        starts.add(cx.tool);
    }
    #[cfg(not(feature = "testing"))]
    let _ = cx;
}

const TRY_AGAIN: &str = "Your permissions could not be looked up. Try again in a moment.";
