/// Import everything.
#[mcp_auth::mcp_tool(extend_on_progress = 600)]
async fn import(cx: &mcp_auth::Context) {
    cx.progress(1, 2, None);
}

fn main() {}
