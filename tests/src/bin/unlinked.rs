//! A server whose tools are in the library of its package. This program does not name the library.

#[actix_web::main]
async fn main() -> mcp_auth::Result<()> {
    mcp_auth::serve!(emulator).await
}
