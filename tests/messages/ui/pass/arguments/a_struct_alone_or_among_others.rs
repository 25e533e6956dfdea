//! `#[arg(flatten)]`: a struct of the user's as the argument object, or as a part of it.

use mcp_auth::{Context, mcp_tool};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Debug, Deserialize, JsonSchema)]
struct Page {
    number: u32,
    size: u32,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Order {
    by: String,
}

#[mcp_tool]
async fn alone(#[arg(flatten)] page: Page) -> u32 {
    page.number * page.size
}

#[mcp_tool]
async fn alone_with_what_is_injected(cx: &Context, #[arg(flatten)] page: Page) -> String {
    format!("{} {page:?}", cx.tool_name())
}

#[mcp_tool]
async fn combined(
    text: String,
    #[arg(flatten)] page: Page,
    /// The order of the results.
    #[arg(flatten)]
    order: Order,
) -> String {
    format!("{text} {page:?} {}", order.by)
}
