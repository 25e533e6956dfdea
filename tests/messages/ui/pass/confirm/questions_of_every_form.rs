use std::fmt;

use mcp_auth::{Context, Org, State, ToolError, mcp_tool};

struct Documents;

#[mcp_tool(confirm = "Delete everything?")]
async fn without_a_name() {}

#[mcp_tool(confirm = "Delete {document_id} ({pages:>3} pages, {document_id}) in {{braces}}?")]
async fn with_names(document_id: String, pages: u32) {}

#[mcp_tool(public, confirm = "Open {file}?")]
fn plain(file: String) {}

#[mcp_tool(authorize = may(id), confirm = "Open {id}?")]
async fn after_authorize(id: u64) {}

fn may(id: &u64) -> bool {
    *id > 0
}

#[mcp_tool(confirm = named(id))]
async fn function(id: String) {}

fn named(id: &str) -> String {
    format!("{id}?")
}

#[mcp_tool(confirm = looked_up(id, org, db, cx))]
async fn asynchronous(id: String, org: &Org, db: &State<Documents>, cx: &Context) {}

async fn looked_up(
    id: &str,
    org: &Org,
    _: &State<Documents>,
    cx: &Context,
) -> Result<String, ToolError> {
    Ok(format!("{id} of {} by {}?", org.id(), cx.tool_name()))
}

#[mcp_tool(confirm = failing())]
async fn with_another_error() {}

fn failing() -> Result<String, fmt::Error> {
    Err(fmt::Error)
}
