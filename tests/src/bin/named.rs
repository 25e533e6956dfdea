//! A server without tools of its own. The name in `tools = […]` is the only mention of the other
//! crate, so the tests show that the name alone links it.

#[actix_web::main]
async fn main() -> mcp_auth::Result<()> {
    mcp_auth::serve!(emulator, tools = [other_tools::admin]).await
}
