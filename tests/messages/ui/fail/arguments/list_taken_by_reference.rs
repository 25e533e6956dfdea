use mcp_auth::mcp_tool;

#[mcp_tool]
async fn hello(names: &[String]) -> String {
    names.join(" ")
}

fn main() {}
