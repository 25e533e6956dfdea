use mcp_auth::mcp_tool;

#[mcp_tool]
async fn hello((first, last): (String, String)) -> String {
    first + &last
}

fn main() {}
