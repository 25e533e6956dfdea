//! What a running tool can see of its request, and how parameters taken by reference get there.

use std::ops::Deref;
use std::sync::Arc;

use crate::guard::{Authorized, CallerFacts, Check, Implied, Requirement};
use crate::identity::{Caller, Facts, Org, Organizations, Unavailable, UrlOrg};

use super::error::ToolError;
#[cfg(feature = "testing")]
use super::invocation_counter::Starts;
use super::state::{RequiredState, State, States};

/// The request a tool runs for: its caller, the caller's organization and the server's state.
///
/// A tool takes `&Context` when it needs more than one of them at once; most take `&Caller`, `&Org`
/// or `&State<T>` instead. A context cannot be made by hand: it exists only for a call that its
/// tool's guard allowed.
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
    /// In a box, to keep the future of every call small: few URLs name an organization.
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
            // Taken here, on the request's own task: the function may run on another.
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
    /// `None` if there is none, or if nothing in the tool's declaration asks for one: declare
    /// `require_org`, a permission or a role, or take `&Org` or `Option<&Org>`. Also `None` if it
    /// could not be looked up and the guard did without: an `any(…)` that a scope alone met.
    #[must_use]
    pub fn org(&self) -> Option<&Org> {
        self.proof.organization()
    }

    /// Tells whether the caller has what a question asks for, as Clerk's `has()` does: for what depends
    /// on the arguments. What a tool always needs belongs into its declaration.
    ///
    /// Features, plans and reverifications are those that the token tells, which only a session token
    /// does. Role and permissions of an OAuth caller are looked up like those of a guard; without a
    /// secret key they have none. Nobody but a user has anything.
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
    /// - If the membership cannot be looked up now. What the model reads asks to try again.
    pub async fn has(&self, question: Check) -> Result<bool, ToolError> {
        let Some(caller) = self.caller() else {
            return Ok(false);
        };
        let standing = CallerFacts::of(caller);
        if !question.may_hold(&standing) {
            return Ok(false);
        }
        let organization = if question.uses_organization() {
            let url = self.url_org.as_deref().unwrap_or(&UrlOrg::Absent);
            let current = self.organizations.acting(caller, url, Facts::Current);
            let current = current.await;
            current
                .map_err(|Unavailable { .. }| ToolError::new(TRY_AGAIN))?
                .org
        } else {
            None
        };
        Ok(question.holds(&standing, organization.as_ref()))
    }

    /// Returns the name of the running tool, as clients call it.
    #[must_use]
    pub fn tool_name(&self) -> &'static str {
        self.tool
    }

    /// Returns the server's state of type `T`; `None` if it was given none.
    ///
    /// Unlike a parameter `&State<T>` it is not looked for when the server starts.
    #[must_use]
    pub fn state<T: Send + Sync + 'static>(&self) -> Option<&State<T>> {
        self.states.get()
    }
}

/// A type that a tool can take by reference: `&Org`, `&State<T>`, or one of your own.
///
/// ```
/// use mcp_auth::{Context, FromContext, Injected, Requirement, ToolError};
///
/// /// The caller's tenant, named after the organization.
/// #[derive(Debug)]
/// struct Tenant(String);
///
/// impl FromContext for Tenant {
///     // Whoever takes a tenant requires an organization: in the guard, in the list, everywhere.
///     const REQUIRES: &'static [Requirement] = &[Requirement::Organization];
///
///     async fn from_context(cx: &Context) -> Result<Injected<'_, Self>, ToolError> {
///         let org = cx.org().ok_or_else(|| ToolError::new("No organization"))?;
///         Ok(Injected::Owned(Self(format!("tenant_{}", org.id()))))
///     }
/// }
///
/// /// Name the caller's tenant.
/// #[mcp_auth::mcp_tool]
/// async fn tenant(tenant: &Tenant) -> String {
///     tenant.0.clone()
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be injected into a tool",
    label = "taken by reference, so it would come from the request",
    note = "the server's state is taken as `&State<{Self}>`, an argument by value; for what is made of the request, implement `FromContext`"
)]
pub trait FromContext: Sized + Send + Sync + 'static {
    /// What taking this type asks of the caller; it becomes part of the tool's guard.
    const REQUIRES: &'static [Requirement] = &[];

    /// Names the state that this type needs, so that a server without it does not start; by default
    /// none.
    ///
    /// ```
    /// use mcp_auth::{Context, FromContext, Injected, RequiredState, ToolError, mcp_tool};
    ///
    /// struct Prices(u32);
    ///
    /// struct Quote(u32);
    ///
    /// impl FromContext for Quote {
    ///     fn needs(needs: &mut RequiredState) {
    ///         needs.state::<Prices>();
    ///     }
    ///
    ///     async fn from_context(cx: &Context) -> Result<Injected<'_, Self>, ToolError> {
    ///         let prices = cx.state::<Prices>().ok_or("no prices were given")?;
    ///         Ok(Injected::Owned(Self(prices.0 * 2)))
    ///     }
    /// }
    ///
    /// /// Quote a price.
    /// #[mcp_tool]
    /// async fn quote(quote: &Quote) -> u32 {
    ///     quote.0
    /// }
    ///
    /// # #[cfg(feature = "testing")]
    /// # actix_web::rt::System::new().block_on(async {
    /// # use mcp_auth::testing::TestServer;
    /// # use serde_json::json;
    /// # let without = mcp_auth::server!().tools_of(module_path!());
    /// # let without = std::panic::AssertUnwindSafe(move || TestServer::of(without));
    /// # assert!(std::panic::catch_unwind(without).is_err());
    /// # let server = TestServer::of(mcp_auth::server!(state = Prices(21)).tools_of(module_path!()));
    /// # let answer = server.user("ada").call("quote", json!({})).await;
    /// # assert_eq!(answer.expect_ok().text(), "42");
    /// # });
    /// ```
    fn needs(needs: &mut RequiredState) {
        let _ = needs;
    }

    /// Takes the value from the request, after the guard allowed the call and before the tool runs.
    ///
    /// # Errors
    ///
    /// Whatever the implementation returns is the answer of the tool, as if the tool had returned it:
    /// a [`ToolError::new`] is told, any other error hidden. An `Option<&Self>` parameter is absent
    /// only if what [`REQUIRES`](Self::REQUIRES) names is absent; an error stays an error.
    fn from_context(
        cx: &Context,
    ) -> impl Future<Output = Result<Injected<'_, Self>, ToolError>> + Send;
}

/// An injected value: borrowed from the request, or made for it. It dereferences to the value.
///
/// ```
/// use mcp_auth::Injected;
///
/// let kept = String::from("acme");
/// for name in [Injected::Borrowed(&kept), Injected::Owned(String::from("acme"))] {
///     assert_eq!(name.len(), 4);
/// }
/// ```
#[derive(Debug)]
pub enum Injected<'a, T> {
    /// The request has it already.
    Borrowed(&'a T),
    /// Made for this call.
    Owned(T),
}

impl<T> Deref for Injected<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Self::Borrowed(value) => value,
            Self::Owned(value) => value,
        }
    }
}

impl FromContext for Context {
    async fn from_context(cx: &Context) -> Result<Injected<'_, Self>, ToolError> {
        Ok(Injected::Borrowed(cx))
    }
}

impl FromContext for Caller {
    const REQUIRES: &'static [Requirement] = &[Requirement::SignedIn];

    async fn from_context(cx: &Context) -> Result<Injected<'_, Self>, ToolError> {
        cx.caller()
            .map(Injected::Borrowed)
            .ok_or_else(|| absent("caller"))
    }
}

impl FromContext for Org {
    const REQUIRES: &'static [Requirement] = &[Requirement::Organization];

    async fn from_context(cx: &Context) -> Result<Injected<'_, Self>, ToolError> {
        cx.org()
            .map(Injected::Borrowed)
            .ok_or_else(|| absent("organization"))
    }
}

impl<T: Send + Sync + 'static> FromContext for State<T> {
    fn needs(needs: &mut RequiredState) {
        needs.state::<T>();
    }

    async fn from_context(cx: &Context) -> Result<Injected<'_, Self>, ToolError> {
        cx.state()
            .map(Injected::Borrowed)
            .ok_or_else(|| absent("state"))
    }
}

impl Implied {
    /// What an injected parameter of type `T` asks of the caller.
    #[must_use]
    pub const fn of<T: FromContext>(_parameter: &'static str) -> Self {
        Self::signed_in(T::REQUIRES)
    }

    /// The same in a `public` tool, where asking for anything is a compile error.
    #[must_use]
    #[track_caller]
    pub const fn in_public<T: FromContext>(parameter: &'static str) -> Self {
        Self::public(parameter, T::REQUIRES)
    }
}

/// Takes an injected parameter from the request.
///
/// # Errors
///
/// Those of [`FromContext::from_context`].
// Not an `async fn`: whether that is `Send` would be looked up inside, with the lifetimes of `T`
// erased, and rustc then no longer knows that `State<Box<dyn Trait>>` is `'static`.
pub fn inject<T: FromContext>(
    cx: &Context,
) -> impl Future<Output = Result<Injected<'_, T>, ToolError>> + Send {
    T::from_context(cx)
}

/// The same for `Option<&T>`: absent if the request lacks what `T` requires.
///
/// # Errors
///
/// Those of [`FromContext::from_context`].
pub fn inject_optional<T: FromContext>(
    cx: &Context,
) -> impl Future<Output = Result<Option<Injected<'_, T>>, ToolError>> + Send {
    let (caller, org) = (cx.caller(), cx.org());
    let standing = caller.map(CallerFacts::of);
    let present = T::REQUIRES
        .iter()
        .all(|requirement| requirement.is_met(standing.as_ref(), org));
    async move {
        if present {
            T::from_context(cx).await.map(Some)
        } else {
            Ok(None)
        }
    }
}

/// Says that the user's function is called now: all that could refuse has let it pass.
pub fn started(cx: &Context) {
    #[cfg(feature = "testing")]
    if let Some(starts) = &cx.starts {
        starts.add(cx.tool);
    }
    #[cfg(not(feature = "testing"))]
    let _ = cx;
}

/// The guard and the start-up checks make this impossible; it is an internal error, not a denial.
fn absent(what: &'static str) -> ToolError {
    ToolError::from(format!("no {what} in a context that was checked for one"))
}

const TRY_AGAIN: &str = "What you may do could not be looked up. Try again in a moment.";
