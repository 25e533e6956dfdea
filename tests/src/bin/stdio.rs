//! A server over stdio, for tests and for real clients.
//!
//! The variable `LOCAL_USER` names a local user, who is an admin of `acme` and may read documents. With the variable
//! `DISCOVERABLE` the caller may be anonymous, and with `CHECK_USERS` banned users are refused. `BODY_LIMIT` is the
//! largest length of a line, in bytes. With `BROKEN_STORE` the store of
//! confirmations panics.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use mcp_auth::{
    ConfirmationStore, Context, LocalUser, LogLevel, Notifier, Org, ToolError, form, mcp_resource,
    mcp_tool,
};
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
async fn read_documents(org: &Org) -> String {
    format!("Documents of {}", org.slug().unwrap_or(org.id()))
}

/// Share documents, which the local user may not do.
#[mcp_tool(permission = "org:documents:share")]
async fn share_documents() {}

/// Write a document.
#[mcp_tool(scope = "documents:write")]
async fn write_document() {}

#[form]
struct Account {
    username: String,
}

/// Ask for a name.
#[mcp_tool(read_only)]
async fn register(cx: &Context) -> Result<String, ToolError> {
    let account: Account = cx.elicit("Who are you?").await?;
    Ok(format!("Registered {}", account.username))
}

/// Forget everything.
#[mcp_tool(destructive, confirm = "Forget {name}?")]
async fn forget(name: String) -> String {
    format!("Forgot {name}")
}

/// Send two reports of progress and a log message.
#[mcp_tool(read_only)]
async fn work(cx: &Context) -> &'static str {
    cx.progress(1, 2, "Half");
    sleep(Duration::from_millis(60)).await;
    cx.log(LogLevel::Info, "work", "Working");
    sleep(Duration::from_millis(60)).await;
    cx.progress(2, 2, "All");
    "Worked"
}

/// Compute, as a task.
#[mcp_tool(task, read_only)]
async fn compute() -> &'static str {
    sleep(Duration::from_millis(50)).await;
    "Computed"
}

/// Makes a file when the call ends, also if it is cancelled.
struct Ending(PathBuf);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = std::fs::write(&self.0, "");
    }
}

/// Make the file `begun` in a directory, wait for the file `go` there, and at the end make the file `ended`.
#[mcp_tool]
async fn hold(directory: String, padding: Option<String>) -> Result<&'static str, ToolError> {
    drop(padding);
    let directory = Path::new(&directory);
    let _ending = Ending(directory.join("ended"));
    std::fs::write(directory.join("begun"), "")?;
    while !directory.join("go").exists() {
        sleep(Duration::from_millis(5)).await;
    }
    Ok("held")
}

/// Return a text of this many bytes.
#[mcp_tool(read_only)]
async fn repeat(bytes: u32) -> Result<String, ToolError> {
    Ok("x".repeat(usize::try_from(bytes)?))
}

/// Print to standard output, as a careless function does.
#[mcp_tool(read_only)]
#[expect(
    clippy::print_stdout,
    reason = "the server must keep it from the client"
)]
async fn shout() -> &'static str {
    println!("a line that is no message");
    "Shouted"
}

/// Panic.
#[mcp_tool(read_only)]
#[expect(clippy::panic, reason = "the server must survive it")]
async fn fail() {
    panic!("the tool panics");
}

/// A store whose code panics.
struct BrokenStore;

impl ConfirmationStore for BrokenStore {
    #[expect(clippy::panic, reason = "the server must survive it")]
    fn use_once<'a>(
        &'a self,
        _id: &'a str,
        _keep: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<bool, Box<dyn Error + Send + Sync>>> + Send + 'a>> {
        panic!("the store panics")
    }
}

/// The news.
#[mcp_resource("docs://news")]
async fn news() -> &'static str {
    "Nothing"
}

/// Tell clients that the news changed.
#[mcp_tool]
async fn publish(notifier: &Notifier) {
    notifier.resource_updated("docs://news");
}

#[actix_web::main]
async fn main() -> mcp_auth::Result<()> {
    let mut server = mcp_auth::server!(emulator);
    if let Ok(name) = std::env::var("LOCAL_USER") {
        let user = LocalUser::new(name).org("acme").role("admin");
        server = server.local_user(user.permission("org:documents:read"));
    }
    if std::env::var_os("DISCOVERABLE").is_some() {
        server = server.discoverable();
    }
    if std::env::var_os("CHECK_USERS").is_some() {
        server = server.check_users();
    }
    if std::env::var_os("BROKEN_STORE").is_some() {
        server = server.confirmation_store(BrokenStore);
    }
    if let Some(limit) = std::env::var("BODY_LIMIT")
        .ok()
        .and_then(|limit| limit.parse().ok())
    {
        server = server.body_limit(limit);
    }
    // Without the key, no token meets a guard that requires a permission.
    if std::env::var_os("CLERK_SECRET_KEY").is_none() {
        server = server.allow_unsatisfiable_guards();
    }
    server.serve_stdio().await
}
