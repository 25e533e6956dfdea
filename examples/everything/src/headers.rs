//! A tool whose arguments clients repeat in headers, one argument of each type that MCP permits.

use mcp_auth::mcp_tool;

/// Repeat the arguments, which are also in headers.
#[mcp_tool(read_only, closed_world)]
async fn test_custom_header(
    /// A text, also in the header `Mcp-Param-Value`.
    #[arg(header = "Value")]
    value: String,
    /// A number, also in the header `Mcp-Param-Count`.
    #[arg(header = "Count")]
    count: Option<i32>,
    /// Also in the header `Mcp-Param-Urgent`.
    #[arg(header = "Urgent")]
    urgent: Option<bool>,
) -> String {
    format!("{value:?} {count:?} {urgent:?}")
}
