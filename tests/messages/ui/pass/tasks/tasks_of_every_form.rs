use mcp_auth::{Context, Org, ToolError, mcp_tool};

#[mcp_tool(task)]
async fn required() {}

#[mcp_tool(task = "optional", public)]
async fn optional(cx: &Context) -> Result<String, ToolError> {
    cx.elicit::<()>("Really?").await?;
    Ok(String::new())
}

#[mcp_tool(
    task,
    permission = "org:reports:write",
    confirm = "Write {year}?",
    timeout = 600
)]
fn plain(year: u16, org: &Org) -> String {
    format!("{year} of {}", org.id())
}
