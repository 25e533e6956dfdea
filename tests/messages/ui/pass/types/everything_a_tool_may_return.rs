//! All kinds of results, plain and in a `Result`.

use std::borrow::Cow;
use std::fmt;

use mcp_auth::model::{CallToolResult, ContentBlock};
use mcp_auth::{Content, Json, ToolError, mcp_tool};
use schemars::JsonSchema;
use serde::Serialize;

#[derive(Serialize, JsonSchema)]
struct Sum {
    sum: i64,
}

#[derive(Debug)]
struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken")
    }
}

impl std::error::Error for Broken {}

#[mcp_tool]
async fn nothing() {}

#[mcp_tool]
async fn unit() -> () {}

#[mcp_tool]
async fn text() -> String {
    "text".to_owned()
}

#[mcp_tool]
async fn fixed_text() -> &'static str {
    "text"
}

#[mcp_tool]
async fn perhaps_fixed_text(fixed: bool) -> Cow<'static, str> {
    if fixed {
        "text".into()
    } else {
        fixed.to_string().into()
    }
}

#[mcp_tool]
async fn number(a: i64) -> i64 {
    a
}

#[mcp_tool]
async fn truth() -> bool {
    true
}

#[mcp_tool]
async fn optional(text: Option<String>) -> Option<String> {
    text
}

#[mcp_tool]
async fn typed(a: i64, b: i64) -> Json<Sum> {
    Json(Sum { sum: a + b })
}

#[mcp_tool]
async fn composed() -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text("text")])
}

#[mcp_tool]
async fn blocks() -> Vec<ContentBlock> {
    vec![ContentBlock::text("text")]
}

#[mcp_tool]
async fn picture() -> Content {
    Content::png(b"\x89PNG")
}

#[mcp_tool]
async fn pictures() -> Result<Vec<Content>, ToolError> {
    Ok(vec![Content::text("two"), Content::png(b"\x89PNG")])
}

#[mcp_tool]
async fn fallible(text: String) -> Result<Json<Sum>, ToolError> {
    Ok(Json(Sum { sum: text.parse()? }))
}

#[mcp_tool]
async fn fallible_with_nothing() -> Result<(), ToolError> {
    Err(ToolError::new("no"))
}

#[mcp_tool]
async fn fallible_with_an_error_of_its_own() -> Result<&'static str, Broken> {
    Err(Broken)
}

#[mcp_tool]
async fn fallible_with_any_error() -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    Ok(std::env::current_dir()?.display().to_string())
}

/// A type that holds an error and is none, as `anyhow::Error`.
struct Report(Box<dyn std::error::Error + Send + Sync>);

impl From<Report> for Box<dyn std::error::Error + Send + Sync> {
    fn from(report: Report) -> Self {
        report.0
    }
}

impl From<std::io::Error> for Report {
    fn from(error: std::io::Error) -> Self {
        Self(error.into())
    }
}

type Reported<T> = Result<T, Report>;

#[mcp_tool]
async fn fallible_with_a_report() -> Reported<String> {
    Ok(std::env::current_dir()?.display().to_string())
}

#[mcp_tool]
async fn fallible_with_a_text() -> Result<u8, ToolError> {
    let checked: Result<u8, String> = Err("no".to_owned());
    checked.map_err(ToolError::new)
}
