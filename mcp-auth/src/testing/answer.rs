//! What a call was answered with, and assertions on it.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::Value;

/// The answer to a call. The `expect_…` methods panic with the whole answer if it is another one.
#[derive(Clone)]
pub struct TestAnswer {
    status: u16,
    challenge: Option<String>,
    /// Why a token was refused, which a client is not told.
    refused: Option<&'static str>,
    body: Value,
}

impl TestAnswer {
    pub(super) fn new(
        status: u16,
        challenge: Option<String>,
        refused: Option<&'static str>,
        body: &[u8],
    ) -> Self {
        let body = serde_json::from_slice(body).unwrap_or(Value::Null);
        Self {
            status,
            challenge,
            refused,
            body,
        }
    }

    /// Expects that the tool ran and returned no error.
    #[track_caller]
    pub fn expect_ok(&self) -> &Self {
        self.check(
            self.result().is_some() && !self.is_error(),
            "a result of the tool",
        )
    }

    /// Expects that the guard refused with this text, and so that the tool did not run.
    #[track_caller]
    pub fn expect_denied(&self, text: &str) -> &Self {
        let denied = self.member("/result/_meta/mcp-auth-rs~1denied").is_some();
        self.check(
            denied && self.text() == text,
            &format!("a denial with the text `{text}`"),
        )
    }

    /// Expects a result with `isError` and this text that is no denial: an error of the tool, or
    /// arguments that do not fit.
    #[track_caller]
    pub fn expect_error(&self, text: &str) -> &Self {
        let denied = self.member("/result/_meta/mcp-auth-rs~1denied").is_some();
        let expected = self.is_error() && !denied && self.text() == text;
        self.check(expected, &format!("an error with the text `{text}`"))
    }

    /// The same for an error whose text has this part.
    #[track_caller]
    pub fn expect_error_with(&self, part: &str) -> &Self {
        let denied = self.member("/result/_meta/mcp-auth-rs~1denied").is_some();
        let expected = self.is_error() && !denied && self.text().contains(part);
        self.check(expected, &format!("an error with `{part}` in its text"))
    }

    /// Expects HTTP 401 with a challenge: sign in.
    #[track_caller]
    pub fn expect_unauthorized(&self) -> &Self {
        self.check(
            self.status == 401 && self.challenge.is_some(),
            "HTTP 401 with a challenge",
        )
    }

    /// Expects HTTP 403 with a challenge that asks for these scopes, separated by blanks.
    #[track_caller]
    pub fn expect_insufficient_scope(&self, scopes: &str) -> &Self {
        let scope = format!("scope=\"{scopes}\"");
        let asked = self.challenge.as_deref().is_some_and(|challenge| {
            challenge.contains("error=\"insufficient_scope\"") && challenge.contains(&scope)
        });
        self.check(
            self.status == 403 && asked,
            &format!("HTTP 403 with {scope}"),
        )
    }

    /// Expects this HTTP status.
    #[track_caller]
    pub fn expect_status(&self, status: u16) -> &Self {
        self.check(self.status == status, &format!("HTTP {status}"))
    }

    /// Returns the text of the first content block; empty if there is none.
    #[must_use]
    pub fn text(&self) -> &str {
        self.member("/result/content/0/text")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// Returns the structured content as a type.
    ///
    /// # Panics
    ///
    /// If there is none, or it is of another type.
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

    /// Returns the whole body.
    #[must_use]
    pub fn body(&self) -> &Value {
        &self.body
    }

    fn is_error(&self) -> bool {
        self.member("/result/isError") == Some(&Value::Bool(true))
    }

    fn member(&self, pointer: &str) -> Option<&Value> {
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
        if let Some(challenge) = &self.challenge {
            write!(f, ", WWW-Authenticate: {challenge}")?;
        }
        if let Some(refused) = self.refused {
            write!(f, ", token refused: {refused}")?;
        }
        write!(f, ": {}", self.body)
    }
}
