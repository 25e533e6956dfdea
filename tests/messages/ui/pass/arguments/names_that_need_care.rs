//! Raw identifiers, names that the expansion uses too, and types called like its own.

use mcp_auth::{Context, mcp_tool};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Debug, Deserialize, JsonSchema)]
struct Arguments {
    text: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Tool {
    name: String,
}

#[mcp_tool]
async fn keywords(r#type: String, r#match: Option<u8>, cx: &Context, r#in: &Context) -> String {
    format!("{type} {match:?} {} {}", cx.tool_name(), r#in.tool_name())
}

#[mcp_tool]
async fn r#loop(mut count: u8) -> u8 {
    count += 1;
    count
}

#[mcp_tool]
async fn same(same: &Context, args: Arguments, tool: Tool) -> String {
    format!("{} {} {}", same.tool_name(), args.text, tool.name)
}
