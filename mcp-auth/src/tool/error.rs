//! The error of a tool. It separates the text for the client from the details for the log.
//!
//! [`ToolError::new`] makes a *public* error: the client reads its text. `?` on any other error makes an
//! *internal* error: the client reads a fixed sentence with a reference, and the log has the details under that
//! reference. A text with `?` is internal too. So the `Display` of a foreign error never reaches a client by
//! accident.

use std::any::type_name;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::fmt::Write;
use std::marker::PhantomData;

/// The answer of a tool that cannot do what it was asked: a result with `isError`, which the model
/// reads.
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
/// A text with `?` is internal too, since it converts like any other error: `Err("…")?` compiles, the
/// model reads `Internal error`, and the log has the text. A tool and a function of `authorize`
/// that return a text as the error write `.map_err(ToolError::new)`.
///
/// The type does not implement [`std::error::Error`], so that `?` converts every error. `Display` writes the text for
/// the client, `Debug` the details.
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
        /// True if the error was made from a text, which its author may have meant for the model.
        is_text: bool,
    },
}

pub(super) type BoxError = Box<dyn Error + Send + Sync>;

impl ToolError {
    /// Makes an error whose text the client, and so the model, reads unchanged. It is not logged.
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

    /// Returns true if the client reads a fixed sentence instead of the text.
    pub(crate) fn is_internal(&self) -> bool {
        match self.0 {
            Repr::Internal { .. } => true,
            Repr::Public { .. } => false,
        }
    }

    /// Returns the text for the client, and logs the details under the reference of the request.
    pub(crate) fn into_text(self, tool: &'static str, reference: Reference) -> String {
        match self.0 {
            Repr::Public { text, source: None } => text,
            Repr::Public {
                text,
                source: Some(source),
            } => {
                tracing::warn!(
                    target: "mcp_auth",
                    tool, request = %reference, told = %OneLine(&text), error = %OneLine(Chain(&*source)), "tool failed"
                );
                text
            }
            Repr::Internal { source, is_text } => {
                let help = is_text.then_some(TEXT_IS_INTERNAL);
                tracing::error!(
                    target: "mcp_auth",
                    tool, request = %reference, error = %OneLine(Chain(&*source)), help, "tool failed"
                );
                reference.text()
            }
        }
    }
}

impl<E: Into<BoxError>> From<E> for ToolError {
    fn from(error: E) -> Self {
        // No trait distinguishes a text from another error that converts like a text.
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
    /// Writes the text for the client. An internal error has no reference yet.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Public { text, .. } => f.write_str(text),
            Repr::Internal { .. } => f.write_str("Internal error"),
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
            Repr::Internal { source, .. } => f.debug_tuple("Internal").field(source).finish(),
        }
    }
}

/// Gives an error a text for the client, and keeps its details for the log.
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
    /// Turns an error, or a `None`, into a public error with this text; a value is returned unchanged.
    ///
    /// The original error is logged when the tool answers with it.
    ///
    /// # Errors
    ///
    /// - A [`ToolError`] with this text, if there is no value.
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

/// A constant that is true if the error of a result is a text: `ErrorOf::<Result<T, E>>::IS_TEXT`, with [`NoText`] in
/// scope.
#[derive(Debug)]
pub struct ErrorOf<T>(PhantomData<T>);

macro_rules! text {
    ($($type:ty),+) => {$(
        impl<T> ErrorOf<Result<T, $type>> {
            /// True: an inherent constant takes precedence over the constant of a trait.
            pub const IS_TEXT: bool = true;
        }
    )+};
}

text!(String, &'static str, Cow<'static, str>);

/// The case of every other error type.
pub trait NoText {
    /// False.
    const IS_TEXT: bool = false;
}

impl<T> NoText for ErrorOf<T> {}

/// Asserts that the error of a tool is not a text: `?` would make an internal error of it, which
/// the model cannot read.
///
/// # Panics
///
/// If it is a text. In a `const` that is a compile error.
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

/// The number of one request, in the log and in the answer of an internal error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reference(u64);

impl Reference {
    pub(crate) fn new() -> Self {
        let mut bytes = [0; 8];
        // Without entropy all references are 0, which makes the log harder to search.
        let _ = aws_lc_rs::rand::fill(&mut bytes);
        Self(u64::from_be_bytes(bytes))
    }

    /// Returns the sentence that the client reads instead of the details.
    pub(crate) fn text(self) -> String {
        format!("Internal error, reference {self}")
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A text whose line breaks and other control characters are escaped. The text may quote a client, which must not
/// be able to begin a line of the log or to control a terminal.
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
            // Unicode's own line breaks are not control characters.
            '\u{2028}' | '\u{2029}' => write!(self.0, "{}", character.escape_default()),
            _ if character.is_control() => write!(self.0, "{}", character.escape_default()),
            _ => self.0.write_char(character),
        })
    }
}

/// An error and its sources, in order.
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

const TEXT_IS_INTERNAL: &str =
    "`?` hides a text as it hides every error: `ToolError::new(text)` shows it to the model";

#[cfg(test)]
mod tests;
