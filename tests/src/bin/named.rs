//! A server without tools of its own: nothing but the name in `tools = […]` mentions the other
//! crate, so that crate is linked by it or not at all.

#[actix_web::main]
async fn main() -> mcp_auth::Result<()> {
    mcp_auth::serve!(emulator, tools = [other_tools::admin]).await
}
