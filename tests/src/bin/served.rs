//! A server that is configured only by its environment, for tests of start-up and shutdown.

use std::path::Path;
use std::time::Duration;

use mcp_auth::{ToolError, mcp_tool};
use tokio::time::sleep;

/// Tell who is calling.
#[mcp_tool(read_only)]
async fn who_am_i(caller: &mcp_auth::Caller) -> String {
    caller.subject().to_owned()
}

/// Greet anybody.
#[mcp_tool(public)]
async fn greet(name: String) -> String {
    format!("Hello {name}")
}

/// Read documents.
#[mcp_tool(read_only, permission = "org:documents:read")]
async fn read_documents(org: &mcp_auth::Org) -> String {
    format!("Documents of {}", org.id())
}

fn is_free(name: &str) -> bool {
    name != "bob"
}

/// Sign in one's own name, if it is free.
#[mcp_tool(forbid_actor, authorize = is_free(name))]
async fn sign(name: String) -> String {
    name
}

/// Make the file `begun` in a directory, and wait for the file `go` there.
#[mcp_tool]
async fn hold(directory: String) -> Result<&'static str, ToolError> {
    let directory = Path::new(&directory);
    std::fs::write(directory.join("begun"), "")?;
    while !directory.join("go").exists() {
        sleep(Duration::from_millis(5)).await;
    }
    Ok("held")
}

#[actix_web::main]
async fn main() -> mcp_auth::Result<()> {
    mcp_auth::serve!(emulator).await
}
