use mcp_auth::mcp_tool;

#[mcp_tool]
async fn hello(name: &impl ToString) -> String {
    name.to_string()
}

fn main() {}
