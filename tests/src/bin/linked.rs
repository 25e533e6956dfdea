//! The server of `unlinked`, but this program names the library.

use tests as _;

#[actix_web::main]
async fn main() -> mcp_auth::Result<()> {
    mcp_auth::serve!(emulator).await
}
