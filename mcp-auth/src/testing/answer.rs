//! The response to a call, and assertions on the response.

use std::fmt;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::protocol::RETRY_AFTER;

use super::denial::TestDenial;

/// The response to a call. If the response differs, the `expect_…` methods panic and print the whole response.
///
/// ```
/// use mcp_auth::testing::TestServer;
/// use mcp_auth::{Json, ToolError};
/// use serde_json::{Value, json};
///
/// /// Halve a number.
/// #[mcp_auth::mcp_tool(permission = "org:numbers:halve")]
/// async fn halve(number: u32) -> Result<Json<u32>, ToolError> {
///     match number % 2 {
///         0 => Ok(Json(number / 2)),
///         _ => Err(ToolError::new("Odd")),
///     }
/// }
///
/// /// Keep a number.
/// #[mcp_auth::mcp_tool(scope = "numbers:keep")]
/// async fn keep(number: u32) {}
///
/// # actix_web::rt::System::new().block_on(async {
/// let server = mcp_auth::server!();
/// # let server = server.tools_of(module_path!());
/// let server = TestServer::of(server);
/// let ada = server.user("ada").org("acme").permission("org:numbers:halve");
///
/// let answer = ada.call("halve", json!({ "number": 4 })).await;
/// assert_eq!(answer.expect_ok().json::<Value>(), json!({ "result": 2 }));
///
/// let answer = ada.call("halve", json!({ "number": 5 })).await;
/// answer.expect_error("Odd").expect_ran();
/// assert_eq!(answer.result().unwrap()["content"][0]["text"], answer.text());
///
/// let answer = ada.call("halve", json!({ "number": "five" })).await;
/// answer.expect_error_with("number").expect_not_run();
///
/// let grace = server.user("grace").org("acme");
/// let answer = grace.call("halve", json!({ "number": 4 })).await;
/// answer
///     .expect_denied("Forbidden: org:numbers:halve permission required")
///     .expect_missing("permission", &["org:numbers:halve"])
///     .expect_not_run();
///
/// let answer = ada.call("keep", json!({ "number": 4 })).await;
/// // All scopes that the call needs, including the scope for the organization, which the token has.
/// answer.expect_insufficient_scope("numbers:keep user:org:read").expect_status(403);
/// assert!(answer.header("WWW-Authenticate").unwrap().starts_with("Bearer "));
/// assert_eq!(answer.error_code(), Some(403));
/// assert_eq!(answer.body()["error"]["data"]["error"], "insufficient_scope");
/// assert_eq!(answer.denial().unwrap().kind(), "scope");
///
/// let answer = server.anonymous().call("halve", json!({ "number": 4 })).await;
/// assert_eq!(answer.expect_unauthorized().status(), 401);
/// assert_eq!(answer.refusal(), None);
///
/// let late = ada.clone().expires_in(-60).call("halve", json!({ "number": 4 })).await;
/// assert_eq!(late.expect_refused("token-expired").refusal(), Some("token-expired"));
///
/// let answer = ada.call("double", json!({})).await;
/// assert_eq!(answer.error_code(), Some(-32602));
///
/// assert_eq!(server.ran("halve"), 2);
/// # });
/// ```
#[derive(Clone)]
pub struct TestAnswer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    /// The reason why a token was refused. The client does not get the reason.
    pub(super) refused: Option<&'static str>,
    /// The notifications before the response.
    pub(super) notifications: Vec<Value>,
    /// The questions before the response.
    pub(super) questions: Vec<Value>,
    pub(super) body: Value,
    /// The number of tool functions that the request started.
    pub(super) ran: usize,
}

impl TestAnswer {
    /// Expects a result that is not an error.
    #[track_caller]
    pub fn expect_ok(&self) -> &Self {
        self.check(
            self.result().is_some() && !self.is_error(),
            "a result that is no error",
        )
    }

    /// Expects that the guard denied the call with this text, and that the tool did not run.
    #[track_caller]
    pub fn expect_denied(&self, text: &str) -> &Self {
        self.check(
            self.denied().is_some() && self.ran == 0 && self.text() == text,
            &format!("a denial with the text `{text}`"),
        )
    }

    /// Expects that the guard denied the call because the caller lacks a requirement, and that the tool did not run.
    /// The denial may be in a result or in a challenge. Examples of the arguments are `("permission",
    /// &["org:documents:delete"])` and `("organization", &[])`. The kind is compared with
    /// [`TestDenial::kind`](super::TestDenial::kind), and the names with
    /// [`TestDenial::required`](super::TestDenial::required).
    #[track_caller]
    pub fn expect_missing(&self, kind: &str, required: &[&str]) -> &Self {
        let denial = self.denial();
        let fits = denial.is_some_and(|denial| denial.kind == kind && denial.required == required);
        self.check(
            fits && self.ran == 0,
            &format!("a denial of kind `{kind}` that requires {required:?}"),
        )
    }

    /// Expects that a rate limit or a concurrency limit refused the call, and that the tool did not run.
    /// [`retry_after`](Self::retry_after) says when to try again.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use mcp_auth::testing::TestServer;
    /// use serde_json::json;
    ///
    /// /// Send an invitation.
    /// #[mcp_auth::mcp_tool(rate = "2/min per user")]
    /// async fn invite(address: String) {}
    ///
    /// # actix_web::rt::System::new().block_on(async {
    /// let server = mcp_auth::server!();
    /// # let server = server.tools_of(module_path!());
    /// let server = TestServer::of(server);
    /// let ada = server.user("ada");
    /// let invitation = json!({ "address": "bob@example.com" });
    /// for _ in 0..2 {
    ///     ada.call("invite", invitation.clone()).await.expect_ok();
    /// }
    /// let answer = ada.call("invite", invitation.clone()).await;
    /// assert_eq!(answer.expect_limited().retry_after(), Some(Duration::from_secs(60)));
    ///
    /// server.advance(Duration::from_secs(60));
    /// ada.call("invite", invitation).await.expect_ok();
    /// # });
    /// ```
    #[track_caller]
    pub fn expect_limited(&self) -> &Self {
        self.check(
            self.is_error() && self.retry_after().is_some() && self.ran == 0,
            "a call that a limit refused",
        )
    }

    /// Expects that the tool's function was called, with any outcome.
    #[track_caller]
    pub fn expect_ran(&self) -> &Self {
        self.check(self.ran > 0, "that the tool ran")
    }

    /// Expects the error of a prompt or a resource that does not exist, and that no function was called. A caller who
    /// may not use a prompt or a resource gets this error too.
    #[track_caller]
    pub fn expect_unknown(&self) -> &Self {
        let message = self.member("/error/message").and_then(Value::as_str);
        let unknown = message.is_some_and(|message| {
            message.starts_with("Unknown prompt: ") || message.starts_with("Unknown resource: ")
        });
        self.check(unknown, "the error of an unknown prompt or resource")
    }

    /// Expects that no function was called. The server counts the calls of functions, so the content of the response
    /// does not matter.
    #[track_caller]
    pub fn expect_not_run(&self) -> &Self {
        self.check(self.ran == 0, "that no tool ran")
    }

    /// Expects a result with `isError` and this text, as for an error of the tool or malformed arguments. A
    /// denial by the guard and a refusal by a limit do not count.
    #[track_caller]
    pub fn expect_error(&self, text: &str) -> &Self {
        let expected = self.is_failure() && self.text() == text;
        self.check(expected, &format!("an error with the text `{text}`"))
    }

    /// Expects a result like [`expect_error`](Self::expect_error) whose text contains this part.
    #[track_caller]
    pub fn expect_error_with(&self, part: &str) -> &Self {
        let expected = self.is_failure() && self.text().contains(part);
        self.check(expected, &format!("an error with `{part}` in its text"))
    }

    /// Expects HTTP 401 with a challenge to sign in. If a token was presented,
    /// [`expect_refused`](Self::expect_refused) also compares the reason.
    #[track_caller]
    pub fn expect_unauthorized(&self) -> &Self {
        self.check(
            self.status == 401 && self.challenge().is_some(),
            "HTTP 401 with a challenge",
        )
    }

    /// Expects HTTP 401 with a challenge. Also expects that the token was refused for this reason, and that no tool
    /// ran. [`refusal`](Self::refusal) returns the reason.
    #[track_caller]
    pub fn expect_refused(&self, reason: &str) -> &Self {
        let refused = self.status == 401 && self.challenge().is_some();
        self.check(
            refused && self.refused == Some(reason) && self.ran == 0,
            &format!("HTTP 401, token refused: {reason}"),
        )
    }

    /// Expects HTTP 403 with a challenge that asks for these scopes, separated by spaces. A challenge asks for all
    /// scopes that the call needs, including the scopes that the token already has.
    #[track_caller]
    pub fn expect_insufficient_scope(&self, scopes: &str) -> &Self {
        self.check(
            self.asked_for() == Some(scopes),
            &format!("HTTP 403 with scope=\"{scopes}\""),
        )
    }

    /// Expects this HTTP status.
    #[track_caller]
    pub fn expect_status(&self, status: u16) -> &Self {
        self.check(self.status == status, &format!("HTTP {status}"))
    }

    /// Returns why the guard denied the call. `None` if the guard did not deny the call, or if the caller had not
    /// signed in.
    #[must_use]
    pub fn denial(&self) -> Option<TestDenial> {
        let of_challenge = self.member("/error/data/mcp-auth-rs~1denied");
        let denied = self.denied().or(of_challenge)?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let required = denied.get("required").and_then(Value::as_array);
        Some(TestDenial {
            kind: denied.get("kind").and_then(text).unwrap_or_default(),
            required: required.into_iter().flatten().map(in_words).collect(),
            cure: denied.pointer("/cure/scope").and_then(text),
            hint: denied.get("hint").and_then(text),
        })
    }

    /// Returns the time after which a call that a limit refused may be tried again. `None` if no limit refused the
    /// call.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let meta = self.member("/result/_meta")?;
        meta.get(RETRY_AFTER)?.as_u64().map(Duration::from_secs)
    }

    /// Returns why the token was refused, such as `token-expired` or `user-banned`. The log line has this value as
    /// `reason`, but the client does not get it. Returns `None` if no token was refused.
    #[must_use]
    pub fn refusal(&self) -> Option<&str> {
        self.refused
    }

    /// Returns the text of a tool's first content block, of a prompt's first message, or of a resource's first
    /// contents. The text is empty if the answer has no text.
    #[must_use]
    pub fn text(&self) -> &str {
        let places = [
            "/result/content/0/text",
            "/result/messages/0/content/text",
            "/result/contents/0/text",
        ];
        let mut texts = places
            .iter()
            .filter_map(|place| self.member(place)?.as_str());
        texts.next().unwrap_or_default()
    }

    /// Returns the structured content as a type.
    ///
    /// # Panics
    ///
    /// If the response has no structured content, or the content is of another type.
    #[must_use]
    #[track_caller]
    #[expect(clippy::panic, reason = "the test expected another answer")]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        let content = self
            .member("/result/structuredContent")
            .cloned()
            .unwrap_or(Value::Null);
        match serde_json::from_value(content) {
            Ok(value) => value,
            Err(error) => panic!("expected structured content, {error}, in {self:?}"),
        }
    }

    /// Returns the JSON-RPC result.
    #[must_use]
    pub fn result(&self) -> Option<&Value> {
        self.member("/result")
    }

    /// Returns the code of the JSON-RPC error.
    #[must_use]
    pub fn error_code(&self) -> Option<i64> {
        self.member("/error/code")?.as_i64()
    }

    /// Returns the HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns the first header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Returns the whole response. `null` if the response is not JSON. If the body is a stream of events, returns the
    /// last message.
    #[must_use]
    pub fn body(&self) -> &Value {
        &self.body
    }

    fn challenge(&self) -> Option<&str> {
        self.header("WWW-Authenticate")
    }

    /// Returns the scopes that the challenge of a 403 asks for.
    fn asked_for(&self) -> Option<&str> {
        let challenge = self.challenge().filter(|challenge| {
            self.status == 403 && challenge.contains("error=\"insufficient_scope\"")
        })?;
        let (_, scopes) = challenge.split_once(" scope=\"")?;
        scopes.split_once('"').map(|(scopes, _)| scopes)
    }

    fn denied(&self) -> Option<&Value> {
        self.member("/result/_meta/mcp-auth-rs~1denied")
    }

    fn is_error(&self) -> bool {
        self.member("/result/isError") == Some(&Value::Bool(true))
    }

    fn is_failure(&self) -> bool {
        self.is_error() && self.denied().is_none() && self.retry_after().is_none()
    }

    pub(super) fn member(&self, pointer: &str) -> Option<&Value> {
        self.body.pointer(pointer)
    }

    #[track_caller]
    #[expect(clippy::panic, reason = "an assertion")]
    fn check(&self, holds: bool, expected: &str) -> &Self {
        if holds {
            self
        } else {
            panic!("expected {expected}, found {self:?}")
        }
    }
}

impl fmt::Debug for TestAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {}", self.status)?;
        if let Some(challenge) = self.challenge() {
            write!(f, ", WWW-Authenticate: {challenge}")?;
        }
        if let Some(refused) = self.refused {
            write!(f, ", token refused: {refused}")?;
        }
        let ran = if self.ran > 0 { "ran" } else { "not run" };
        write!(f, ", {ran}: {}", self.body)
    }
}

/// Converts a required value to words. The value is a name, or an alternative that consists of several names.
fn in_words(required: &Value) -> String {
    let word = |one: &Value, member: &str| one.get(member)?.as_str().map(str::to_owned);
    match required {
        Value::Array(all) => {
            let each = all.iter().map(|one| {
                let words = [word(one, "name"), word(one, "kind")];
                words.into_iter().flatten().collect::<Vec<_>>().join(" ")
            });
            each.collect::<Vec<_>>().join(" and ")
        }
        name => name.as_str().unwrap_or_default().to_owned(),
    }
}

/// Returns the notifications and the response of a body: a JSON value, or a stream of events.
pub(super) fn read(body: &[u8], is_stream: bool) -> (Vec<Value>, Value) {
    if !is_stream {
        return (Vec::new(), serde_json::from_slice(body).unwrap_or_default());
    }
    let body = String::from_utf8_lossy(body);
    let data = body.lines().filter_map(|line| line.strip_prefix("data: "));
    let mut messages: Vec<Value> = data
        .map(|data| serde_json::from_str(data).unwrap_or_default())
        .collect();
    let response = messages.pop().unwrap_or_default();
    (messages, response)
}
