use mcp_auth::mcp_tool;

#[mcp_tool]
async fn hello(name: &(dyn ToString + Sync)) -> String {
    name.to_string()
}

fn main() {}
