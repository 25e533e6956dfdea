//! A server of a package whose tools are in its library, which nothing here names.

#[actix_web::main]
async fn main() -> mcp_auth::Result<()> {
    mcp_auth::serve!(emulator).await
}
