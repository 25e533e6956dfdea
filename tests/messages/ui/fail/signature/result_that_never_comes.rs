use mcp_auth::mcp_tool;

#[mcp_tool]
async fn hello() -> ! {
    loop {}
}

fn main() {}
