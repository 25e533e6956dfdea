//! A server whose calls end in every way, for the test that compares metrics, audit log and spans with what was sent.

use mcp_auth::{
    AuthorizedParties, CallerFacts, CompletionRequest, Context, Rate, ToolError, mcp_prompt,
    mcp_resource, mcp_tool,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Duration, sleep};

/// Say the text again.
#[mcp_tool]
async fn echo(text: String) -> String {
    text
}

/// Say hello to anybody.
#[mcp_tool(public)]
async fn greet(name: String) -> String {
    name
}

/// Report progress twice.
#[mcp_tool]
async fn work(cx: &Context) -> &'static str {
    cx.progress(1, 2, "half");
    cx.progress(2, 2, "all");
    "worked"
}

/// Fail.
#[mcp_tool]
async fn fail() -> Result<String, ToolError> {
    Err(ToolError::new("no luck"))
}

/// Report progress, and fail.
#[mcp_tool]
async fn fail_late(cx: &Context) -> Result<String, ToolError> {
    cx.progress(1, 2, "half");
    Err(ToolError::new("no luck"))
}

/// Panic.
#[mcp_tool]
#[expect(clippy::panic, reason = "the panic is counted")]
async fn explode() -> String {
    panic!("boom")
}

/// Take too long.
#[mcp_tool(timeout = 1)]
async fn linger() {
    sleep(Duration::from_secs(60)).await;
}

/// Connect to a gate, say which call this is, and wait until the gate closes the connection.
#[mcp_tool]
async fn hold(gate: String, call: String) -> Result<&'static str, ToolError> {
    let mut gate = TcpStream::connect(gate).await?;
    gate.write_all(format!("{call}\n").as_bytes()).await?;
    let mut rest = Vec::new();
    gate.read_to_end(&mut rest).await?;
    Ok("held")
}

/// Be called 40 times an hour.
#[mcp_tool(rate = "40/hour per user")]
async fn rarely() {}

/// Delete.
#[mcp_tool(permission = "org:documents:delete")]
async fn delete() {}

/// Rename the organization.
#[mcp_tool(role = "admin")]
async fn rename() {}

/// Read in an organization.
#[mcp_tool(require_org)]
async fn read() {}

/// Upload.
#[mcp_tool(scope = "files:write")]
async fn upload() {}

/// Upload, or be an admin.
#[mcp_tool(any(scope = "files:write", role = "admin"))]
async fn publish() {}

/// Export.
#[mcp_tool(feature = "org:export")]
async fn export() {}

/// Use the plan for professionals.
#[mcp_tool(plan = "user:pro")]
async fn profit() {}

/// Verify oneself first.
#[mcp_tool(reverification = "strict")]
async fn pay() {}

/// Act in one's own name.
#[mcp_tool(forbid_actor)]
async fn sign() {}

/// Be a person.
#[mcp_tool(require_user)]
async fn vote() {}

/// Come with an OAuth token.
#[mcp_tool(accept = "oauth")]
async fn connect() {}

fn never(_: &CallerFacts<'_>) -> bool {
    false
}

/// Be let in by nobody.
#[mcp_tool(policy = never)]
async fn enter() {}

fn is_even(number: &u32) -> bool {
    number.is_multiple_of(2)
}

/// Take an even number.
#[mcp_tool(authorize = is_even(number))]
async fn count(number: u32) -> String {
    number.to_string()
}

fn names(request: &CompletionRequest) -> Vec<String> {
    vec![format!("{}a", request.value())]
}

/// A greeting.
#[mcp_prompt]
async fn greeting(#[arg(complete = names)] name: String) -> String {
    name
}

/// A prompt for admins.
#[mcp_prompt(role = "admin")]
async fn plan(name: String) -> String {
    name
}

/// A page.
#[mcp_resource("wiki://pages/{name}")]
async fn page(name: String) -> Result<String, ToolError> {
    match &*name {
        "broken" => Err(ToolError::new("no page")),
        _ => Ok(name),
    }
}

#[actix_web::main]
async fn main() -> mcp_auth::Result<()> {
    mcp_auth::server!()
        .rates([Rate::new("1000000/min per user")])
        .session_tokens(AuthorizedParties::any())
        .m2m_tokens()
        .machine_id("mch_mcp")
        .serve()
        .await
}
