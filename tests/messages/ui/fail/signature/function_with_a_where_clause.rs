use mcp_auth::mcp_tool;

#[mcp_tool]
async fn hello(name: String) -> String
where
    String: Clone,
{
    name
}

fn main() {}
