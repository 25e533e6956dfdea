use mcp_auth::mcp_tool;

#[mcp_tool]
async fn hello() -> impl ToString {
    "hello"
}

fn main() {}
