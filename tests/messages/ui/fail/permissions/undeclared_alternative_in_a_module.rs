mcp_auth::permissions! {
    only;
    DELETE = "org:documents:delete";
}

mod tools {
    #[mcp_auth::mcp_tool(any(permission = "org:invoices:pay", role = "admin"))]
    async fn pay() {}
}

fn main() {}
