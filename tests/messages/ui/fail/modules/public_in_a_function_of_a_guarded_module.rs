fn tools() {
    #[mcp_auth::mcp_tool(public)]
    async fn prices() {}
}

mcp_auth::module_guard!(require_org);

fn main() {
    tools();
}
