mcp_auth::module_guard!(require_user);

#[mcp_auth::mcp_resource("shop://prices", public)]
async fn prices() -> &'static str {
    "free"
}

fn main() {}
