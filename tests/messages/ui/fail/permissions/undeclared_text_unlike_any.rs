mcp_auth::permissions! {
    only;
    DELETE = "org:documents:delete";
}

#[mcp_auth::mcp_tool(permission = all("org:documents:delete", "org:invoices:pay"))]
async fn delete() {}

fn main() {}
