/// Import everything.
#[mcp_auth::mcp_tool(timeout = 60, extend_on_progress = 60)]
async fn import(cx: &mcp_auth::Context) {
    cx.progress(1, 2, None);
}

fn main() {}
