//! The error of a tool, a prompt or a resource. The error separates the text for the client from the details for the
//! log.
//!
//! [`ToolError::new`] makes a *public* error: the client reads its text. `?` turns any other error into an *internal*
//! error: the client reads a fixed sentence with an error id, and the log has the details under this id. If the other
//! error is a text, `?` makes an internal error too, so the text of another library's error never reaches a client by
//! accident.

use std::any::type_name;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::fmt::Write;
use std::marker::PhantomData;

use crate::guard::is_scope;

use super::log_name::LogName;

/// The error of a tool, a prompt or a resource. The client of a tool gets a result with `isError`, whose
/// text the model reads. The client of a prompt or a resource gets a JSON-RPC error with the text.
///
/// ```
/// use mcp_auth::{PublicErrorExt, ToolError};
///
/// async fn read(path: &str) -> Result<String, ToolError> {
///     if path.contains("..") {
///         return Err(ToolError::new("The path must stay inside the workspace"));
///     }
///     let size = "12".parse::<u32>()?; // internal: "Internal error, reference …"
///     let text = std::fs::read_to_string(path).or_public("There is no such file")?;
///     Ok(format!("{size} {text}"))
/// }
/// ```
///
/// If an error is a text, `?` also makes an internal error, because a text converts like any other error. `Err("…")?`
/// compiles, but the client gets `Internal error`, and only the log has the text. If your function or an `authorize`
/// function has a text as its error, convert the text with `.map_err(ToolError::new)`.
///
/// The type does not implement [`std::error::Error`], so that `?` can convert every error.
/// `Display` writes the text for the client, and `Debug` writes the details.
///
/// Source: MCP 2026-07-28, server/tools, "Error handling".
pub struct ToolError(Repr);

enum Repr {
    Public {
        text: String,
        source: Option<BoxError>,
    },
    Internal {
        source: BoxError,
        /// True if the error was made from a text. The author of the function may have meant the text for the model.
        is_text: bool,
    },
    /// The person declined or closed a question. The text is for the client.
    Declined(&'static str),
    /// The token needs these scopes for this call.
    NeedsScopes(Vec<String>),
}

pub(super) type BoxError = Box<dyn Error + Send + Sync>;

impl ToolError {
    /// Makes an error whose text the client and its model read unchanged. The server does not log the error.
    ///
    /// ```
    /// use mcp_auth::ToolError;
    ///
    /// let public = ToolError::new("There is no document d1; `list_documents` has their ids");
    /// assert!(public.to_string().starts_with("There is no document d1"));
    /// let internal = ToolError::from(std::io::Error::other("db-7 refused user app"));
    /// assert_eq!(internal.to_string(), "Internal error");
    /// ```
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(Repr::Public {
            text: text.into(),
            source: None,
        })
    }

    /// Makes the denial of a call that needs more OAuth scopes than the declaration requires. Use this error if the
    /// additional scopes depend on the arguments or on data that the function looked up.
    ///
    /// The client gets the same response as for a missing declared `scope`: HTTP 403 with a challenge. The challenge
    /// names every scope that the call needs, including the scopes of the guard and of the server. The client gets no
    /// challenge in two cases: after two challenges for the same scopes within five minutes, and if the token is not an
    /// OAuth token. A tool then answers with an `isError` result. A prompt and a resource answer with a JSON-RPC error.
    /// A caller without a token gets 401.
    ///
    /// The list has 1 to 16 scopes of at most 128 bytes (RFC 6749 section 3.3). Any other list is an internal error.
    /// The order and repetitions do not matter. Never take a scope from the arguments: the client could then choose the
    /// text of the challenge.
    ///
    /// Return this error before the function changes anything, because the client calls again with a new token. Declare
    /// scopes that do not depend on the call as `scope = "…"` instead: the server then checks them before it reads the
    /// arguments.
    ///
    /// ```
    /// use mcp_auth::{Caller, ToolError, mcp_tool};
    ///
    /// /// Share a document.
    /// #[mcp_tool(scope = "documents:share")]
    /// async fn share(document_id: String, public: bool, caller: &Caller) -> Result<String, ToolError> {
    ///     if public && !caller.has_scope("documents:publish") {
    ///         return Err(ToolError::needs_scopes(["documents:publish"]));
    ///     }
    ///     Ok(format!("Shared {document_id}"))
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
    /// let ada = server.user("ada").scope("documents:share");
    /// let answer = ada.call("share", json!({ "document_id": "d1", "public": true })).await;
    /// answer.expect_insufficient_scope("documents:publish documents:share");
    /// # });
    /// ```
    ///
    /// Source: MCP 2026-07-28, basic/authorization, "Scope challenge handling".
    #[must_use]
    pub fn needs_scopes<S: Into<String>>(scopes: impl IntoIterator<Item = S>) -> Self {
        // Challenges are counted for each list of scopes, so the list is sorted and has no repetitions.
        let mut distinct = BTreeSet::new();
        for scope in scopes.into_iter().map(Into::into) {
            let fits = scope.len() <= LONGEST_SCOPE && is_scope(scope.as_bytes());
            distinct.insert(scope);
            if !fits || distinct.len() > MOST_SCOPES {
                return Self::from(WRONG_SCOPES);
            }
        }
        if distinct.is_empty() {
            return Self::from(WRONG_SCOPES);
        }
        Self(Repr::NeedsScopes(distinct.into_iter().collect()))
    }

    /// Makes the error of a function whose question the person declined or closed.
    pub(super) fn declined(text: &'static str) -> Self {
        Self(Repr::Declined(text))
    }

    /// Returns the text of the error if the person declined or closed a question.
    pub(crate) fn as_declined(&self) -> Option<&'static str> {
        match self.0 {
            Repr::Declined(text) => Some(text),
            Repr::Internal { .. } | Repr::NeedsScopes(_) | Repr::Public { .. } => None,
        }
    }

    /// Returns true if the client reads a fixed sentence instead of the text.
    pub(crate) fn is_internal(&self) -> bool {
        match self.0 {
            Repr::Internal { .. } => true,
            Repr::Declined(_) | Repr::NeedsScopes(_) | Repr::Public { .. } => false,
        }
    }

    /// Returns the scopes of [`needs_scopes`](Self::needs_scopes).
    ///
    /// # Errors
    ///
    /// - The error itself, if it does not come from `needs_scopes`.
    pub(crate) fn into_scopes(self) -> Result<Vec<String>, Self> {
        match self.0 {
            Repr::NeedsScopes(scopes) => Ok(scopes),
            other @ (Repr::Declined(_) | Repr::Internal { .. } | Repr::Public { .. }) => {
                Err(Self(other))
            }
        }
    }

    /// Returns the text for the client, and logs the details under the error id `reference`.
    pub(crate) fn into_text(self, name: LogName<'_>, reference: Reference) -> String {
        let LogName {
            prompt,
            resource,
            tool,
        } = name;
        match self.0 {
            Repr::Declined(_) | Repr::NeedsScopes(_) => self.to_string(),
            Repr::Public { text, source: None } => text,
            Repr::Public {
                text,
                source: Some(source),
            } => {
                tracing::warn!(
                    target: "mcp_auth",
                    tool, prompt, resource, request = %reference, told = %OneLine(&text), error = %OneLine(Chain(&*source)), "tool failed"
                );
                text
            }
            Repr::Internal { source, is_text } => {
                let help = is_text.then_some(TEXT_IS_INTERNAL);
                tracing::error!(
                    target: "mcp_auth",
                    tool, prompt, resource, request = %reference, error = %OneLine(Chain(&*source)), help, "tool failed"
                );
                reference.text()
            }
        }
    }
}

impl<E: Into<BoxError>> From<E> for ToolError {
    fn from(error: E) -> Self {
        // No trait distinguishes a text from other errors, so this function looks at the name of the type.
        let name = type_name::<E>();
        let is_text = [
            type_name::<String>(),
            type_name::<&str>(),
            type_name::<Cow<'_, str>>(),
        ];
        Self(Repr::Internal {
            source: error.into(),
            is_text: is_text.contains(&name),
        })
    }
}

impl fmt::Display for ToolError {
    /// Writes the text for the client. The text of an internal error has no error id yet.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Public { text, .. } => f.write_str(text),
            Repr::Declined(text) => f.write_str(text),
            Repr::Internal { .. } => f.write_str("Internal error"),
            Repr::NeedsScopes(scopes) => {
                write!(f, "Forbidden: {} scope required", scopes.join(" and "))
            }
        }
    }
}

impl fmt::Debug for ToolError {
    /// Writes the details, for the log and for tests.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Public { text, source } => f
                .debug_struct("Public")
                .field("text", text)
                .field("source", source)
                .finish(),
            Repr::Declined(text) => f.debug_tuple("Declined").field(text).finish(),
            Repr::Internal { source, .. } => f.debug_tuple("Internal").field(source).finish(),
            Repr::NeedsScopes(scopes) => f.debug_tuple("NeedsScopes").field(scopes).finish(),
        }
    }
}

/// Replaces an error by a text for the client, and keeps the details of the error for the log.
///
/// Implemented for every `Result` whose error converts with `?` into a [`ToolError`], and for `Option`.
///
/// ```
/// use std::collections::HashMap;
///
/// use mcp_auth::{PublicErrorExt, ToolError};
///
/// fn price(prices: &HashMap<String, String>, item: &str) -> Result<u32, ToolError> {
///     let price = prices.get(item).or_public(format!("There is no item {item}"))?;
///     price.parse().or_public("The price list is being mended; try again in an hour")
/// }
///
/// let prices = HashMap::from([("tea".to_owned(), "7".to_owned()), ("salt".to_owned(), "?".to_owned())]);
/// assert_eq!(price(&prices, "tea").unwrap(), 7);
/// let text = |item| price(&prices, item).unwrap_err().to_string();
/// assert_eq!(text("milk"), "There is no item milk");
/// assert_eq!(text("salt"), "The price list is being mended; try again in an hour");
/// ```
pub trait PublicErrorExt<T>: sealed::Sealed {
    /// Turns an error or a `None` into a public error with this text. Returns a value unchanged.
    ///
    /// The server logs the original error when the function returns the public error.
    ///
    /// # Errors
    ///
    /// - A [`ToolError`] with this text, if there is an error or no value.
    fn or_public(self, text: impl Into<String>) -> Result<T, ToolError>;
}

mod sealed {
    use super::BoxError;

    pub trait Sealed {}

    impl<T, E: Into<BoxError>> Sealed for Result<T, E> {}
    impl<T> Sealed for Option<T> {}
}

impl<T, E: Into<BoxError>> PublicErrorExt<T> for Result<T, E> {
    fn or_public(self, text: impl Into<String>) -> Result<T, ToolError> {
        self.map_err(|error| {
            ToolError(Repr::Public {
                text: text.into(),
                source: Some(error.into()),
            })
        })
    }
}

impl<T> PublicErrorExt<T> for Option<T> {
    fn or_public(self, text: impl Into<String>) -> Result<T, ToolError> {
        self.ok_or_else(|| ToolError::new(text))
    }
}

/// Has a constant that is true if the error of a result is a text:
/// `ErrorOf::<Result<T, E>>::IS_TEXT`, with [`NoText`] in scope.
#[derive(Debug)]
pub struct ErrorOf<T>(PhantomData<T>);

macro_rules! text {
    ($($type:ty),+) => {$(
        impl<T> ErrorOf<Result<T, $type>> {
            /// `true`. This inherent constant takes precedence over the constant of the trait.
            pub const IS_TEXT: bool = true;
        }
    )+};
}

text!(String, &'static str, Cow<'static, str>);

/// Implemented for every type. Its constant applies to error types that are not a text.
pub trait NoText {
    /// `false`, because the type is not a text.
    const IS_TEXT: bool = false;
}

impl<T> NoText for ErrorOf<T> {}

/// Asserts that the error of a function is not a text. `?` would turn the text into an internal error,
/// so the client could not read it.
///
/// # Panics
///
/// Panics if the error is a text. In a `const`, the panic is a compile error.
#[track_caller]
#[expect(clippy::panic, reason = "the compile error of a text as an error")]
pub const fn check_error(is_text: bool) {
    if is_text {
        panic!(
            "a text cannot be the error of a tool: return `Result<_, ToolError>`; `ToolError::new(text)`, \
             or `.map_err(ToolError::new)`, shows the text to the model"
        );
    }
}

/// The error id of an internal error. It is in the log and in the response to the client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reference(u64);

impl Reference {
    pub(crate) fn new() -> Self {
        let mut bytes = [0; 8];
        // If the operating system has no random bytes, all error ids are 0. The log is then harder to search, but
        // nothing else changes.
        let _ = aws_lc_rs::rand::fill(&mut bytes);
        Self(u64::from_be_bytes(bytes))
    }

    /// Returns the sentence with the error id, which the client reads instead of the details.
    pub(crate) fn text(self) -> String {
        format!("Internal error, reference {self}")
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Writes a text with escaped line breaks and control characters. The text may contain input of a client. Without the
/// escapes, that input could begin a new line of the log, or control a terminal.
struct OneLine<T>(T);

impl<T: fmt::Display> fmt::Display for OneLine<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|character| match character {
            // Unicode's line separators are not control characters, so this case is separate.
            '\u{2028}' | '\u{2029}' => write!(self.0, "{}", character.escape_default()),
            _ if character.is_control() => write!(self.0, "{}", character.escape_default()),
            _ => self.0.write_char(character),
        })
    }
}

/// Iterates over an error and its sources, in order.
struct Chain<'a>(&'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(source) = next {
            write!(f, ": {source}")?;
            next = source.source();
        }
        Ok(())
    }
}

const WRONG_SCOPES: &str = "`needs_scopes` takes 1 to 16 scopes of at most 128 bytes";
const MOST_SCOPES: usize = 16;
const LONGEST_SCOPE: usize = 128;
const TEXT_IS_INTERNAL: &str =
    "`?` hides a text like every other error: `ToolError::new(text)` shows the text to the model";

#[cfg(test)]
mod tests;
