mod billing {
    mcp_auth::module_guard!(require_org);

    #[mcp_auth::mcp_tool(public)]
    async fn prices() {}
}

fn main() {}
