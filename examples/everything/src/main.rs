//! A tool for each kind of result and schema that the official conformance suite calls.
//!
//! `cargo run -p everything` starts the server with a local Clerk; `.ci/run conformance` runs the
//! suite on it. With the variable `WITHOUT_ADDITIONAL_PROPERTIES` the list omits
//! `additionalProperties: false`, which Google's SDK needs.

mod content;
mod schema;

#[actix_web::main]
async fn main() -> mcp_auth::Result<()> {
    let mut server = mcp_auth::server!(emulator);
    if std::env::var_os("WITHOUT_ADDITIONAL_PROPERTIES").is_some() {
        server = server.without_additional_properties();
    }
    server.serve().await
}
