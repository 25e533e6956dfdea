mcp_auth::permissions! {
    only;
    READ = "org:documents:read";
    #[cfg(any())]
    DELETE = "org:documents:delete";
}

/// Delete.
#[mcp_auth::mcp_tool(permission = "org:documents:delete")]
async fn delete() {}

fn main() {}
