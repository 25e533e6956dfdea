mcp_auth::permissions! {
    only;
    DELETE = "org:documents:delete";
}

#[mcp_auth::mcp_tool(permission("org:documents:delete", "org:invoices:pay"))]
async fn delete() {}

fn main() {}
