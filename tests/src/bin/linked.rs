//! The same server as `unlinked`, with the library named.

use tests as _;

#[actix_web::main]
async fn main() -> mcp_auth::Result<()> {
    mcp_auth::serve!(emulator).await
}
