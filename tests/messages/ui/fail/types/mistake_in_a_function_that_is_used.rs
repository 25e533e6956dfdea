use mcp_auth::mcp_tool;

#[mcp_tool(name = "say hello")]
async fn hello(#[arg(default = 1)] times: usize) -> String {
    "hello ".repeat(times)
}

#[mcp_tool]
async fn twice() -> String {
    hello(2).await
}

fn main() {}
