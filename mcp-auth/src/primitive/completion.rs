//! Completion: functions that suggest values for an argument of a prompt, or for a variable of a URI
//! template.

use std::collections::BTreeMap;
use std::future::ready;

use super::error::ToolError;
use super::tool_result::IntoToolError;

/// A request for suggestions: the name of the argument, the text that the user typed so far, and the
/// arguments that already have a value.
///
/// `#[arg(complete = function(org, db))]` names a completion function. The first parameter of the function is the
/// request, and the named injected parameters follow. The function runs after the guard of the prompt or the resource
/// allowed the caller. `authorize` does not run, because the server does not read the arguments. A caller whom the
/// guard denies gets no suggestions. The function is an `fn` or an `async fn`, and returns a `Vec` of texts, or a
/// `Result` with a `Vec` of texts. The client gets at most the first 100 texts.
///
/// Source: MCP 2026-07-28, server/utilities/completion.
///
/// ```
/// use mcp_auth::{CompletionRequest, Org, mcp_prompt};
///
/// async fn titles(request: &CompletionRequest, org: &Org) -> Vec<String> {
///     let titles = [format!("{} plan", org.id()), "Report".to_owned()];
///     titles.into_iter().filter(|title| title.starts_with(request.value())).collect()
/// }
///
/// /// Summarise a document.
/// #[mcp_prompt]
/// async fn summarise(#[arg(complete = titles(org))] title: String, org: &Org) -> String {
///     format!("Summarise {title} of {}", org.id())
/// }
///
/// # #[cfg(feature = "testing")]
/// # actix_web::rt::System::new().block_on(async {
/// # use mcp_auth::testing::TestServer;
/// let server = mcp_auth::server!();
/// # let server = server.tools_of(module_path!());
/// let server = TestServer::of(server);
/// let ada = server.user("ada").org("acme");
/// assert_eq!(ada.complete("summarise", "title", "Re").await, ["Report"]);
/// # });
/// ```
#[derive(Clone, Debug, Default)]
pub struct CompletionRequest {
    pub(crate) argument: String,
    pub(crate) value: String,
    pub(crate) chosen: BTreeMap<String, String>,
}

impl CompletionRequest {
    /// Makes a request, for unit tests of a completion function.
    #[must_use]
    pub fn new(argument: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            argument: argument.into(),
            value: value.into(),
            chosen: BTreeMap::new(),
        }
    }

    /// Adds an argument that already has a value.
    #[must_use]
    pub fn with(mut self, argument: impl Into<String>, value: impl Into<String>) -> Self {
        self.chosen.insert(argument.into(), value.into());
        self
    }

    /// Returns the name of the argument to complete, as clients know it.
    #[must_use]
    pub fn argument(&self) -> &str {
        &self.argument
    }

    /// Returns the text that the user typed so far. The text may be empty. The server does not check the text, which
    /// comes from the client.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Returns the value that the user chose for another argument. `None` if the user has not chosen a value yet. The
    /// server does not check the value, which comes from the client.
    #[must_use]
    pub fn chosen(&self, argument: &str) -> Option<&str> {
        self.chosen.get(argument).map(String::as_str)
    }
}

/// The suggestions for an argument.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Suggestions {
    /// At most [`MOST_SUGGESTIONS`].
    pub(crate) values: Vec<String>,
    /// True if the function returned more suggestions than `values` contains.
    pub(crate) has_more: bool,
}

impl Suggestions {
    /// Returns no suggestions.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }
}

/// A value that a completion function returns: a `Vec` of texts, or a `Result` with a `Vec` of texts.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the result of a completion function",
    label = "must be a `Vec` of texts, or a `Result` with such a `Vec`",
    note = "write a function such as `async fn ids(request: &CompletionRequest, …) -> Result<Vec<String>, ToolError>`, or return a plain `Vec<String>`"
)]
pub trait IntoSuggestions {
    /// Returns the suggestions.
    ///
    /// # Errors
    ///
    /// - The function's own error.
    fn into_suggestions(self) -> Result<Suggestions, ToolError>;
}

impl<T: Into<String>> IntoSuggestions for Vec<T> {
    fn into_suggestions(self) -> Result<Suggestions, ToolError> {
        let has_more = self.len() > MOST_SUGGESTIONS;
        let values = self.into_iter().take(MOST_SUGGESTIONS).map(Into::into);
        Ok(Suggestions {
            values: values.collect(),
            has_more,
        })
    }
}

impl<T: Into<String>, E: IntoToolError> IntoSuggestions for Result<Vec<T>, E> {
    fn into_suggestions(self) -> Result<Suggestions, ToolError> {
        self.map_err(IntoToolError::into_tool_error)?
            .into_suggestions()
    }
}

/// The types that a completion function may return: suggestions that are ready, or a future of
/// suggestions.
///
/// The compiler infers `M`, which distinguishes the implementations.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the result of a completion function",
    label = "must be a `Vec` of texts, a `Result` with such a `Vec`, or a future of either",
    note = "write a function such as `async fn ids(request: &CompletionRequest, …) -> Result<Vec<String>, ToolError>`, or return a plain `Vec<String>`"
)]
pub trait Suggest<M> {
    /// Returns the suggestions.
    fn suggest(self) -> impl Future<Output = Result<Suggestions, ToolError>> + Send + use<Self, M>;
}

impl<T: Into<String>> Suggest<SuggestedAtOnce> for Vec<T> {
    fn suggest(self) -> impl Future<Output = Result<Suggestions, ToolError>> + Send + use<T> {
        ready(self.into_suggestions())
    }
}

impl<T: Into<String>, E: IntoToolError> Suggest<SuggestedAtOnce> for Result<Vec<T>, E> {
    fn suggest(self) -> impl Future<Output = Result<Suggestions, ToolError>> + Send + use<T, E> {
        ready(self.into_suggestions())
    }
}

impl<F: Future<Output: IntoSuggestions> + Send> Suggest<SuggestedLater> for F {
    async fn suggest(self) -> Result<Suggestions, ToolError> {
        self.await.into_suggestions()
    }
}

/// Marks suggestions that a completion function returns at once.
#[derive(Debug)]
pub struct SuggestedAtOnce(());

/// Marks a future of suggestions.
#[derive(Debug)]
pub struct SuggestedLater(());

/// Returns the suggestions of a completion function.
///
/// # Errors
///
/// - The function's own error.
// The signature states `Send`, like the signature of `AuthorizeGate::authorize`.
pub fn suggested<M, S: Suggest<M>>(
    suggestions: S,
) -> impl Future<Output = Result<Suggestions, ToolError>> + Send + use<M, S> {
    suggestions.suggest()
}

/// The largest number of values in a response. MCP 2026-07-28, server/utilities/completion.
const MOST_SUGGESTIONS: usize = 100;
