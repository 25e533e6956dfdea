mcp_auth::permissions! {
    only;
    DELETE = "org:documents:delete";
}

#[mcp_auth::mcp_tool(permission = "org:documents:delte")]
async fn delete() {}

fn main() {}
