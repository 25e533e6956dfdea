//! The view of a request that a running tool, prompt or resource gets.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};

use serde::Serialize;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::guard::{Authorized, Check, TokenFacts};
use crate::identity::{Caller, Freshness, Org, Organizations, People, Unavailable, UrlOrg};

use super::amount::{Amount, Total};
use super::channel::{Channel, LogMessage, Progress};
use super::error::ToolError;
#[cfg(feature = "testing")]
use super::invocation_counter::Starts;
use super::log_level::LogLevel;
use super::notifier::Notifier;
use super::state::{State, States};

/// The request for which a tool, a prompt or a resource runs: its caller, the caller's organization and the server's
/// state.
///
/// Most functions take `&Caller`, `&Org` or `&State<T>` instead. A function takes `&Context` to check further
/// permissions at run time ([`has`](Self::has)), to send messages, to ask questions, or to get the caller, the
/// organization and the state in one value. A context exists only for a call that the guard allowed. It has no public
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
    /// Boxed, because few URLs name an organization, and the box keeps the future of most calls small.
    url_org: Option<Box<UrlOrg>>,
    /// `None` if the function cannot send messages.
    pub(super) channel: Option<Arc<Channel>>,
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
        channel: Option<Arc<Channel>>,
    ) -> Self {
        Self {
            proof,
            tool,
            states,
            organizations,
            url_org: (!url_org.is_absent()).then(|| Box::new(url_org.clone())),
            channel,
            // Read the counter on the task of the request, because the function may run on another task.
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
    /// `None` in three cases: the caller has no organization; the declaration does not use the organization; or the
    /// look-up failed, and the guard allowed the call without the organization, for example because a scope met an
    /// `any(…)`. A declaration uses the organization if it has `require_org`, a permission or a role, or a parameter
    /// `&Org` or `Option<&Org>`.
    #[must_use]
    pub fn org(&self) -> Option<&Org> {
        self.proof.organization()
    }

    /// Checks at run time whether the caller meets a requirement, as Clerk's `has()` does. Use it
    /// for requirements that depend on the arguments. Write other requirements in the declaration.
    ///
    /// Features, plans and reverifications come from the token, and only session tokens contain them. The server looks
    /// up the role and the permissions of an OAuth caller, as for a guard. Without a secret key, an OAuth caller has no
    /// role and no permissions. If the caller is not a user, the result is always `false`.
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
        let standing = TokenFacts::of(caller);
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

    /// Reports progress to the client: `done` of `total`, with a message for the user. `total` is `None` if
    /// the function does not know it, and `message` may be `None`.
    ///
    /// The client gets the progress only if its request has a progress token, and accepts a stream of events. Otherwise
    /// the method sends nothing, so the function need not check this. `done` must increase. The server ignores a value
    /// that is not greater than the last value, and a value that is not finite. It sends at most one message in
    /// [`progress_interval`](crate::ServerBuilder::progress_interval): the newest. The last message is always sent,
    /// before the result.
    ///
    /// The method returns at once. The server ignores a report that `authorize` or a
    /// [`FromContext`](crate::FromContext) makes, because the call may still be denied.
    ///
    /// If the declaration has `extend_on_progress`, each report also extends the time-out of the call.
    ///
    /// ```
    /// use mcp_auth::{Context, mcp_tool};
    ///
    /// /// Import some documents.
    /// #[mcp_tool]
    /// async fn import(names: Vec<String>, cx: &Context) -> String {
    ///     for (index, name) in names.iter().enumerate() {
    ///         // Import the document.
    ///         cx.progress(index + 1, names.len(), name.as_str());
    ///     }
    ///     format!("{} documents", names.len())
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
    /// let answer = server.user("ada").with_progress().call("import", json!({ "names": ["a", "b"] })).await;
    /// assert_eq!(answer.expect_ok().text(), "2 documents");
    /// assert_eq!(answer.progress().last().unwrap()["message"], "b");
    /// # });
    /// ```
    ///
    /// Source: MCP 2026-07-28, basic/patterns/progress.
    pub fn progress<'a>(
        &self,
        done: impl Amount,
        total: impl Total,
        message: impl Into<Option<&'a str>>,
    ) {
        if let Some(channel) = &self.channel {
            channel.report(Progress {
                done: done.amount(),
                total: total.total().filter(|total| total.is_finite()),
                message: message.into().map(str::to_owned),
            });
        }
    }

    /// Sends a log message to the client. `logger` names the part of the application that the message comes
    /// from, and may be `None`. `data` is any value that can be written as JSON.
    ///
    /// The client gets the message only if the client asked for messages of this level, and accepts a stream of events.
    /// A modern client asks in each request. A client of an older revision asks with `logging/setLevel`. In a session
    /// the level then holds for the session. Without a session it holds for all calls of this user with this client and
    /// the same organization in the token. The message goes to the client and nowhere else, so it must contain nothing
    /// that the caller may not know.
    ///
    /// In an `async fn` the method returns at once. If the client does not read the messages, the server stops the
    /// function at its next `await` until the client has read some messages. An `async fn` can send 128 messages, or
    /// 128 KiB, without an `await`. Further messages may be dropped; the server logs their number. In a plain `fn` the
    /// method waits while 256 messages or 256 KiB are unread. The server drops a message that `authorize` or a
    /// [`FromContext`](crate::FromContext) sends, because the call may still be denied.
    ///
    /// ```
    /// use mcp_auth::{Context, LogLevel, mcp_tool};
    /// use serde_json::json;
    ///
    /// /// Rebuild the index.
    /// #[mcp_tool]
    /// async fn rebuild(cx: &Context) -> String {
    ///     cx.log(LogLevel::Warning, "index", json!({ "skipped": 3 }));
    ///     cx.log(LogLevel::Debug, None, "done");
    ///     "rebuilt".to_owned()
    /// }
    ///
    /// # #[cfg(feature = "testing")]
    /// # actix_web::rt::System::new().block_on(async {
    /// use mcp_auth::testing::TestServer;
    ///
    /// let server = mcp_auth::server!();
    /// # let server = server.tools_of(module_path!());
    /// let server = TestServer::of(server);
    /// let ada = server.user("ada").with_log_level(LogLevel::Info);
    /// let answer = ada.call("rebuild", json!({})).await;
    /// let log = [json!({ "level": "warning", "logger": "index", "data": { "skipped": 3 } })];
    /// assert_eq!(answer.expect_ok().log(), log);
    /// # });
    /// ```
    ///
    /// Source: MCP 2026-07-28, server/utilities/logging.
    pub fn log<'a>(
        &self,
        level: LogLevel,
        logger: impl Into<Option<&'a str>>,
        data: impl Serialize,
    ) {
        let Some(channel) = self.channel.as_ref().filter(|one| one.wants(level)) else {
            return;
        };
        match serde_json::to_string(&data) {
            Ok(data) => channel.log(LogMessage {
                level,
                logger: logger.into().map(str::to_owned),
                data,
            }),
            Err(error) => {
                let function = self.tool;
                tracing::warn!(target: "mcp_auth", function, %error, "a log message cannot be written as JSON");
            }
        }
    }

    /// Ends the connection of a client that waits for the result, but not the call. The client connects again after a
    /// second, and gets the messages and the result that it has missed. In this way a function that runs for minutes can
    /// end its connection before a proxy does.
    ///
    /// Does nothing unless the client has a session ([`legacy_sessions`](crate::ServerBuilder::legacy_sessions)) of MCP
    /// 2025-11-25 and accepts a stream of events. All other clients wait for the result as usual. The method returns at
    /// once. The connection ends only after the messages that the function has already sent.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use mcp_auth::{Context, mcp_tool};
    ///
    /// /// Rebuild the index, which takes some minutes.
    /// #[mcp_tool(timeout = 600)]
    /// async fn rebuild(cx: &Context) -> &'static str {
    ///     cx.close_stream();
    ///     actix_web::rt::time::sleep(Duration::from_secs(300)).await;
    ///     "rebuilt"
    /// }
    /// ```
    ///
    /// Source: MCP 2025-11-25, basic/transports, sending messages to the server.
    pub fn close_stream(&self) {
        if let Some(channel) = &self.channel {
            channel.close_stream();
        }
    }

    /// Returns true if nobody will use the result of the function: a modern client closed the connection, the call
    /// timed out, or the function ended at a [question](Self::elicit).
    ///
    /// The server then ends an `async fn` at its next `await`, so an `async fn` need not call this method. A plain `fn`
    /// continues on its thread, and can call this method to end early.
    ///
    /// ```
    /// use mcp_auth::{Context, mcp_tool};
    ///
    /// /// Count the primes below a number.
    /// #[mcp_tool(read_only)]
    /// fn primes(below: u32, cx: &Context) -> String {
    ///     let mut found = 0;
    ///     for number in 2..below {
    ///         if cx.is_cancelled() {
    ///             break;
    ///         }
    ///         found += u32::from((2..number).all(|divisor| number % divisor != 0));
    ///     }
    ///     found.to_string()
    /// }
    /// ```
    ///
    /// Source: MCP 2026-07-28, basic/patterns/cancellation.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        let channel = self.channel.as_ref();
        channel.is_some_and(|channel| channel.cancelled().is_cancelled())
    }

    /// Returns a future that completes when the call is cancelled; [`is_cancelled`](Self::is_cancelled) lists the
    /// cases. The future never completes if the function ends by itself. A Tokio task that the function started can
    /// wait for this future.
    ///
    /// ```
    /// use mcp_auth::{Context, mcp_tool};
    ///
    /// /// Build a report in the background.
    /// #[mcp_tool]
    /// async fn report(cx: &Context) -> String {
    ///     let cancelled = cx.cancelled();
    ///     let build = async { "the report".to_owned() };
    ///     let task = tokio::spawn(async move {
    ///         tokio::select! {
    ///             () = cancelled => String::new(),
    ///             built = build => built,
    ///         }
    ///     });
    ///     task.await.unwrap_or_default()
    /// }
    /// ```
    pub fn cancelled(&self) -> Cancelled {
        let channel = self.channel.as_ref();
        let token = channel.map_or_else(CancellationToken::new, |channel| {
            channel.cancelled().clone()
        });
        Cancelled(Box::pin(token.cancelled_owned()))
    }

    /// Returns the notifier of the server, with which a function notifies subscribed clients of a change. A function
    /// usually takes `&Notifier` instead.
    #[must_use]
    pub fn notifier(&self) -> &Notifier {
        &self.states.notifier
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
    /// At start-up the server checks that the state of every parameter `&State<T>` is set. It cannot check the state
    /// that a function gets with this method.
    #[must_use]
    pub fn state<T: Send + Sync + 'static>(&self) -> Option<&State<T>> {
        self.states.get()
    }
}

/// A future that completes when a call is cancelled. [`Context::cancelled`] returns it.
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct Cancelled(Pin<Box<WaitForCancellationFutureOwned>>);

impl Future for Cancelled {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

/// Records that the body of the function starts now. After this point nothing can refuse the call, and the function may
/// send messages.
pub fn started(cx: &Context) {
    if let Some(channel) = &cx.channel {
        channel.open();
    }
    #[cfg(feature = "testing")]
    if let Some(starts) = &cx.starts {
        starts.add(cx.tool);
    }
}

const TRY_AGAIN: &str = "Your permissions could not be looked up. Try again in a moment.";
