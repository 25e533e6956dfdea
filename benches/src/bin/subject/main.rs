//! A server of mcp-auth as users run it in production, for the comparison.
//!
//! Listens on `127.0.0.1:$PORT`, and takes `CLERK_FRONTEND_API_URL` and the other settings from the
//! environment, like `serve!`. With `TOOLS=n` it has n further tools, up to a thousand.

mod more;
mod tools;

use std::env;

use mcp_auth::{AuthorizedParties, Rate};

use tools::Sum;

#[actix_web::main]
async fn main() -> mcp_auth::Result<()> {
    let tools = env::var("TOOLS").map_or(Ok(0), |tools| tools.parse())?;
    mcp_auth::server!()
        .session_tokens(AuthorizedParties::any())
        // Like by default calls are counted, but the rate is so high that none is refused.
        .rates([Rate::new("4294967295/min per user")])
        // The whole list is one page.
        .page_size(10_000)
        .serve_if(move |tool| more::is_served(tool, tools))
        .serve()
        .await
}
