//! What a tool may return, and what becomes of it.

use std::borrow::Cow;

use rmcp::model::{CallToolResult, ContentBlock};
use schemars::{JsonSchema, Schema};
use serde::Serialize;

use super::error::{BoxError, ToolError};
use super::schema;

/// A value that a tool can return.
///
/// Implemented for text (`String`, `&'static str`, `Cow<'static, str>`), numbers, `char`, `bool`,
/// `()`, [`Json`], [`CallToolResult`], content blocks, and `Result` and `Option` of these. A type of
/// your own goes in a [`Json`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the result of a tool",
    label = "neither text, a number, `()`, `Json<_>`, `CallToolResult`, nor a `Result` of these",
    note = "wrap a type of your own in `mcp_auth::Json`"
)]
pub trait IntoToolResult: Send {
    /// The schema of the structured result, for values that have one.
    #[must_use]
    fn output_schema() -> Option<Schema> {
        None
    }

    /// Turns the value into a result.
    ///
    /// # Errors
    ///
    /// The tool's own error, or a hidden one if the value cannot be serialised.
    fn into_tool_result(self) -> Result<ToolOutput, ToolError>;
}

/// The result of a tool that ran.
#[derive(Debug)]
pub struct ToolOutput(pub(crate) Content);

#[derive(Debug)]
pub(crate) enum Content {
    /// Content as the tool composed it.
    Composed(Box<CallToolResult>),
    /// A typed value, serialised once: both `structuredContent` and its text.
    Structured(String),
    /// One text block.
    Text(Cow<'static, str>),
}

impl ToolOutput {
    /// A result of one text.
    #[must_use]
    pub fn text(text: impl Into<Cow<'static, str>>) -> Self {
        Self(Content::Text(text.into()))
    }
}

impl From<CallToolResult> for ToolOutput {
    fn from(result: CallToolResult) -> Self {
        Self(Content::Composed(Box::new(result)))
    }
}

/// A typed result: the tool gets an `outputSchema`, the answer a `structuredContent`.
///
/// A type whose schema is not an object is wrapped as `{"result": …}`, in schema and content alike.
///
/// ```
/// use mcp_auth::{Json, mcp_tool};
/// use schemars::JsonSchema;
/// use serde::Serialize;
///
/// #[derive(Serialize, JsonSchema)]
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

impl<T: Serialize + JsonSchema + Send> IntoToolResult for Json<T> {
    fn output_schema() -> Option<Schema> {
        Some(schema::written::<T>())
    }

    fn into_tool_result(self) -> Result<ToolOutput, ToolError> {
        Ok(ToolOutput(Content::Structured(serde_json::to_string(
            &self.0,
        )?)))
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
    /// An empty result: the tool did what it was asked.
    fn into_tool_result(self) -> Result<ToolOutput, ToolError> {
        Ok(CallToolResult::success(Vec::new()).into())
    }
}

impl<T: IntoToolResult> IntoToolResult for Option<T> {
    fn output_schema() -> Option<Schema> {
        T::output_schema().map(schema::or_null)
    }

    /// `None` is an empty result, and `null` where the result is typed.
    fn into_tool_result(self) -> Result<ToolOutput, ToolError> {
        match self {
            Some(value) => value.into_tool_result(),
            None if T::output_schema().is_some() => {
                Ok(ToolOutput(Content::Structured("null".to_owned())))
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
    bool, char, f32, f64, i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize
);

/// An error that a tool can return: [`ToolError`], or any error, which is then hidden.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a tool",
    label = "neither `ToolError` nor an error",
    note = "return `mcp_auth::ToolError`, or implement `std::error::Error` for `{Self}`"
)]
pub trait IntoToolError {
    /// Turns the value into a tool's error.
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
