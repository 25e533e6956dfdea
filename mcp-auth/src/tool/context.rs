//! The request as a running tool sees it.

use std::sync::Arc;

use crate::guard::{Authorized, CallerFacts, Check};
use crate::identity::{Caller, Freshness, Org, Organizations, People, Unavailable, UrlOrg};

use super::error::ToolError;
#[cfg(feature = "testing")]
use super::invocation_counter::Starts;
use super::state::{State, States};

/// The request that a tool runs for: its caller, the caller's organization and the server's state.
///
/// A tool takes `&Context` if it needs more than one of these at once. Most tools take `&Caller`,
/// `&Org` or `&State<T>` instead. A context exists only for a call that the tool's guard allowed;
/// there is no constructor.
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
    /// The box keeps the future of every call small: few URLs name an organization.
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
            // Read here, on the request's own task: the function may run on another task.
            #[cfg(feature = "testing")]
            starts: Starts::current(),
        }
    }

    /// Returns the verified caller; `None` only in a `public` tool that is called without a token.
    #[must_use]
    pub fn caller(&self) -> Option<&Caller> {
        self.proof.caller()
    }

    /// Returns the caller's organization, as the guard saw it.
    ///
    /// `None` if the caller has no organization, and if the declaration asks for none: declare
    /// `require_org`, a permission or a role, or take `&Org` or `Option<&Org>`. Also `None` if the
    /// look-up failed and the guard passed without it: an `any(…)` that a scope met.
    #[must_use]
    pub fn org(&self) -> Option<&Org> {
        self.proof.organization()
    }

    /// Checks at run time what depends on the arguments, as Clerk's `has()` does. Requirements that
    /// do not depend on the arguments belong in the declaration.
    ///
    /// Features, plans and reverifications come from the token; only a session token has them. The
    /// role and the permissions of an OAuth caller are looked up as for a guard; without a secret
    /// key the caller has none. A caller that is no user has nothing.
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
    /// - If the membership cannot be looked up now. The text for the model asks to try again.
    /// - If a name in the check is in no accepted form. The log has the name; the model reads that the tool
    ///   failed.
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

    /// The users of the identity provider.
    pub(super) fn people(&self) -> Option<&People> {
        self.organizations.people()
    }

    /// Returns the name of the running tool, as clients call it.
    #[must_use]
    pub fn tool_name(&self) -> &'static str {
        self.tool
    }

    /// Returns the server's state of type `T`; `None` if it was given none.
    ///
    /// The start-up checks do not look for this state, as they do for a parameter `&State<T>`.
    #[must_use]
    pub fn state<T: Send + Sync + 'static>(&self) -> Option<&State<T>> {
        self.states.get()
    }
}

/// Records that the user's function is called now: nothing can refuse the call any more.
pub fn started(cx: &Context) {
    #[cfg(feature = "testing")]
    if let Some(starts) = &cx.starts {
        starts.add(cx.tool);
    }
    #[cfg(not(feature = "testing"))]
    let _ = cx;
}

const TRY_AGAIN: &str = "What you may do could not be looked up. Try again in a moment.";
