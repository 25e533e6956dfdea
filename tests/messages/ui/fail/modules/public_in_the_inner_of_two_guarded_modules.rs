mod billing {
    mcp_auth::module_guard!(require_org);

    use mcp_auth::mcp_tool;

    mod refunds {
        mcp_auth::module_guard!(role = "admin");

        use super::*;

        #[mcp_tool(public)]
        async fn prices() {}
    }
}

fn main() {}
