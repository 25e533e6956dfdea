mcp_auth::permissions! {
    only;
    DELETE = "org:documents:delete";
}

const PAY: mcp_auth::Permission = mcp_auth::Permission::new("org:invoices:pay");

#[mcp_auth::mcp_tool(permission = PAY)]
async fn pay() {}

fn main() {}
