use mcp_auth::mcp_tool;

trait Greeter {
    #[mcp_tool]
    async fn hello();
}

fn main() {}
