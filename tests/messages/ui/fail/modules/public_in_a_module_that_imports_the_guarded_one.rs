mod billing {
    mcp_auth::module_guard!(require_org);

    mod shown {
        use super::*;

        mod prices {
            use super::*;

            #[mcp_auth::mcp_tool(public)]
            async fn prices() {}
        }
    }
}

fn main() {}
