//! The types that a tool may return, and their conversion into a result.

use std::borrow::Cow;

use rmcp::model::{CallToolResult, ContentBlock};
use schemars::{JsonSchema, Schema};
use serde::Serialize;

use super::error::{BoxError, ToolError};
use super::{finite, schema};

/// A value that a tool can return.
///
/// Implemented for text (`String`, `&'static str`, `Cow<'static, str>`), numbers, `char`, `bool`,
/// `()`, [`Json`], [`Content`](crate::Content) and `Vec<Content>`, rmcp's [`ContentBlock`] and
/// [`CallToolResult`], and `Result` and `Option` of these types. Wrap your own type in [`Json`], or
/// implement this trait for it:
///
/// ```
/// use mcp_auth::{IntoToolResult, Json, ToolError, ToolOutput, mcp_tool};
///
/// struct Celsius(f64);
///
/// impl IntoToolResult for Celsius {
///     // Left out, the tool has no `outputSchema`, and its results no `structuredContent`.
///     fn output_schema() -> Option<schemars::Schema> {
///         Json::<f64>::output_schema()
///     }
///
///     fn into_tool_result(self) -> Result<ToolOutput, ToolError> {
///         if self.0.is_nan() {
///             return Err(ToolError::new("The thermometer is being mended"));
///         }
///         Json(self.0).into_tool_result()
///     }
/// }
///
/// /// Read the thermometer.
/// #[mcp_tool(read_only)]
/// async fn temperature() -> Celsius {
///     Celsius(21.5)
/// }
///
/// # #[cfg(feature = "testing")]
/// # actix_web::rt::System::new().block_on(async {
/// # use mcp_auth::testing::TestServer;
/// # use serde_json::{Value, json};
/// let server = mcp_auth::server!();
/// # let server = server.tools_of(module_path!());
/// let answer = TestServer::of(server).user("ada").call("temperature", json!({})).await;
/// assert_eq!(answer.json::<Value>(), json!({ "result": 21.5 }));
/// # });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the result of a tool",
    label = "must be text, a number, `()`, `Content`, `Json<_>`, `CallToolResult`, or a `Result` of these",
    note = "annotate your own type with `#[mcp_auth::data]`, and return it in `mcp_auth::Json`"
)]
pub trait IntoToolResult: Send {
    /// Returns the schema of the structured result. `None` for values that are not structured.
    ///
    /// A value with a schema becomes a structured result, like a [`Json`].
    #[must_use]
    fn output_schema() -> Option<Schema> {
        None
    }

    /// Turns the value into a result.
    ///
    /// # Errors
    ///
    /// - The tool's own error.
    /// - An internal error if the value cannot be serialised, or if it contains a number that JSON
    ///   cannot express (`NaN`, an infinity). The log names the tool and the field.
    fn into_tool_result(self) -> Result<ToolOutput, ToolError>;
}

/// The result of a tool that ran. An implementation of [`IntoToolResult`] for your own type returns it.
///
/// ```
/// use mcp_auth::{IntoToolResult, ToolError, ToolOutput};
///
/// /// Prices, as a list in Markdown.
/// struct Prices(Vec<(String, u32)>);
///
/// impl IntoToolResult for Prices {
///     fn into_tool_result(self) -> Result<ToolOutput, ToolError> {
///         let lines = self.0.iter().map(|(item, price)| format!("- {item}: {price}\n"));
///         Ok(ToolOutput::text(lines.collect::<String>()))
///     }
/// }
/// ```
///
/// For further fields, convert rmcp's result type:
/// `ToolOutput::from(model::CallToolResult::success(blocks))`.
#[derive(Debug)]
pub struct ToolOutput(pub(crate) Body);

#[derive(Debug)]
pub(crate) enum Body {
    /// A complete result that the tool composed.
    Composed(Box<CallToolResult>),
    /// A typed value, which is serialized once and used for both `structuredContent` and the text.
    Structured(String),
    /// One text block.
    Text(Cow<'static, str>),
}

impl ToolOutput {
    /// Makes a result with one text.
    #[must_use]
    pub fn text(text: impl Into<Cow<'static, str>>) -> Self {
        Self(Body::Text(text.into()))
    }
}

impl From<CallToolResult> for ToolOutput {
    fn from(result: CallToolResult) -> Self {
        Self(Body::Composed(Box::new(result)))
    }
}

/// A typed result. The tool gets an `outputSchema`, and its result has `structuredContent`.
///
/// A type whose schema is not an object is wrapped as `{"result": …}`, in the schema and in the
/// content.
///
/// A number that JSON cannot express (`NaN`, an infinity) never becomes `null`. It causes an internal error: the model
/// reads `Internal error, reference …`, and the log names the tool and the field.
///
/// ```
/// use mcp_auth::{Json, mcp_tool};
///
/// #[mcp_auth::data]
/// struct Sum {
///     sum: i64,
/// }
///
/// /// Add two numbers.
/// #[mcp_tool]
/// async fn add(a: i64, b: i64) -> Json<Sum> {
///     Json(Sum { sum: a + b })
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Json<T>(pub T);

/// The types that a [`Json`] can hold: serde serializes them, and schemars describes them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be in the result of a tool",
    label = "`{Self}` is not both `Serialize` and `JsonSchema`",
    note = "annotate your own type with `#[mcp_auth::data]`"
)]
pub trait Structured: Serialize + JsonSchema {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + JsonSchema> Structured for T {}

impl<T: Structured + Send> IntoToolResult for Json<T> {
    fn output_schema() -> Option<Schema> {
        Some(schema::written::<T>())
    }

    fn into_tool_result(self) -> Result<ToolOutput, ToolError> {
        Ok(ToolOutput(Body::Structured(finite::to_json(&self.0)?)))
    }
}

impl IntoToolResult for ToolOutput {
    fn into_tool_result(self) -> Result<ToolOutput, ToolError> {
        Ok(self)
    }
}

impl IntoToolResult for CallToolResult {
    fn into_tool_result(self) -> Result<ToolOutput, ToolError> {
        Ok(self.into())
    }
}

impl IntoToolResult for ContentBlock {
    fn into_tool_result(self) -> Result<ToolOutput, ToolError> {
        vec![self].into_tool_result()
    }
}

impl IntoToolResult for Vec<ContentBlock> {
    fn into_tool_result(self) -> Result<ToolOutput, ToolError> {
        Ok(CallToolResult::success(self).into())
    }
}

impl IntoToolResult for String {
    fn into_tool_result(self) -> Result<ToolOutput, ToolError> {
        Ok(ToolOutput::text(self))
    }
}

impl IntoToolResult for &'static str {
    fn into_tool_result(self) -> Result<ToolOutput, ToolError> {
        Ok(ToolOutput::text(self))
    }
}

impl IntoToolResult for Cow<'static, str> {
    fn into_tool_result(self) -> Result<ToolOutput, ToolError> {
        Ok(ToolOutput::text(self))
    }
}

impl IntoToolResult for () {
    /// `()` becomes an empty result.
    fn into_tool_result(self) -> Result<ToolOutput, ToolError> {
        Ok(CallToolResult::success(Vec::new()).into())
    }
}

impl<T: IntoToolResult> IntoToolResult for Option<T> {
    fn output_schema() -> Option<Schema> {
        T::output_schema().map(schema::or_null)
    }

    /// `None` becomes an empty result, or `null` if the result is typed.
    fn into_tool_result(self) -> Result<ToolOutput, ToolError> {
        match self {
            Some(value) => value.into_tool_result(),
            None if T::output_schema().is_some() => {
                Ok(ToolOutput(Body::Structured("null".to_owned())))
            }
            None => ().into_tool_result(),
        }
    }
}

impl<T: IntoToolResult, E: IntoToolError + Send> IntoToolResult for Result<T, E> {
    fn output_schema() -> Option<Schema> {
        T::output_schema()
    }

    fn into_tool_result(self) -> Result<ToolOutput, ToolError> {
        match self {
            Ok(value) => value.into_tool_result(),
            Err(error) => Err(error.into_tool_error()),
        }
    }
}

macro_rules! into_text {
    ($($type:ty),+) => {$(
        impl IntoToolResult for $type {
            fn into_tool_result(self) -> Result<ToolOutput, ToolError> {
                Ok(ToolOutput::text(self.to_string()))
            }
        }
    )+};
}

into_text!(
    bool, char, i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize
);

macro_rules! into_finite_text {
    ($($type:ty),+) => {$(
        impl IntoToolResult for $type {
            /// `NaN` and the infinities become an internal error.
            fn into_tool_result(self) -> Result<ToolOutput, ToolError> {
                Ok(ToolOutput::text(finite::to_text(self)?))
            }
        }
    )+};
}

into_finite_text!(f32, f64);

/// An error that a tool, a prompt or a resource can return. [`ToolError`] implements this trait. All other error types
/// implement it too, and become internal errors. Implement the trait for your own type to decide what the client reads.
///
/// ```
/// use mcp_auth::{IntoToolError, ToolError, mcp_tool};
///
/// enum Failure {
///     Busy,
///     Broken(std::io::Error),
/// }
///
/// impl IntoToolError for Failure {
///     fn into_tool_error(self) -> ToolError {
///         match self {
///             Self::Busy => ToolError::new("The printer is busy; try again in a minute"),
///             Self::Broken(error) => error.into(), // hidden
///         }
///     }
/// }
///
/// /// Print a page.
/// #[mcp_tool]
/// async fn print(page: u32) -> Result<(), Failure> {
///     match page {
///         0 => Err(Failure::Broken(std::io::Error::other("no page 0"))),
///         _ => Err(Failure::Busy),
///     }
/// }
///
/// # #[cfg(feature = "testing")]
/// # actix_web::rt::System::new().block_on(async {
/// # use mcp_auth::testing::TestServer;
/// # use serde_json::json;
/// let server = mcp_auth::server!();
/// # let server = server.tools_of(module_path!());
/// let server = TestServer::of(server);
/// let ada = server.user("ada");
/// let answer = ada.call("print", json!({ "page": 1 })).await;
/// answer.expect_error("The printer is busy; try again in a minute");
/// ada.call("print", json!({ "page": 0 })).await.expect_error_with("Internal error, reference ");
/// # });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a tool, a prompt or a resource",
    label = "is neither `ToolError` nor another error type",
    note = "return `mcp_auth::ToolError` (`.map_err(ToolError::new)` converts a text), or implement `std::error::Error` for `{Self}`"
)]
pub trait IntoToolError {
    /// Turns the value into a [`ToolError`].
    fn into_tool_error(self) -> ToolError;
}

impl IntoToolError for ToolError {
    fn into_tool_error(self) -> ToolError {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<E: Into<BoxError>> IntoToolError for E {
    fn into_tool_error(self) -> ToolError {
        ToolError::from(self)
    }
}
