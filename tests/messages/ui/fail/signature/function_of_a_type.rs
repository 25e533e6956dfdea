use mcp_auth::mcp_tool;

struct Greeter;

impl Greeter {
    #[mcp_tool]
    async fn hello() {}
}

fn main() {}
