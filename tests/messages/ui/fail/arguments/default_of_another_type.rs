use mcp_auth::mcp_tool;

#[mcp_tool]
async fn hello(#[arg(default = "ten")] times: u8) -> String {
    "hello ".repeat(times.into())
}

fn main() {}
