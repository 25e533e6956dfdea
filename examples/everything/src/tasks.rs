//! Tools that run as tasks.

use std::time::Duration;

use actix_web::rt::time::sleep;
use mcp_auth::{Context, ToolError, form, mcp_tool};
use tokio::task::yield_now;

#[form]
struct Name {
    name: String,
}

#[form]
struct Deletion {
    confirm: bool,
}

/// Greet somebody, never as a task.
#[mcp_tool(read_only, closed_world)]
async fn greet(
    /// The name to greet.
    name: String,
) -> String {
    format!("Hello, {name}!")
}

/// Compute for some seconds.
#[mcp_tool(task = "optional", read_only, closed_world)]
async fn slow_compute(
    /// How long to compute.
    seconds: u32,
    /// A label for the result.
    label: String,
) -> String {
    if seconds > 0 {
        sleep(Duration::from_secs(seconds.into())).await;
    }
    format!("Computed {label} for {seconds} s")
}

/// Fail after a second.
#[mcp_tool(task, read_only, closed_world)]
async fn failing_job() -> Result<String, ToolError> {
    sleep(Duration::from_secs(1)).await;
    Err(ToolError::new("The job failed"))
}

/// End with a protocol error.
#[mcp_tool(task, read_only, closed_world, timeout = 1)]
async fn protocol_error_job() {
    sleep(Duration::from_secs(60)).await;
}

/// Pretend to delete a file, after a person confirmed in the task.
#[mcp_tool(task = "optional", read_only, closed_world)]
async fn confirm_delete(
    /// The file to delete.
    filename: String,
    cx: &Context,
) -> Result<String, ToolError> {
    // A question before the first wait would be asked before the task begins.
    yield_now().await;
    let answer: Deletion = cx.elicit(format!("Delete {filename}?")).await?;
    Ok(if answer.confirm {
        format!("Deleted {filename}")
    } else {
        format!("Kept {filename}")
    })
}

/// Ask two questions at once in the task.
#[mcp_tool(task, read_only, closed_world)]
async fn multi_input(cx: &Context) -> Result<String, ToolError> {
    yield_now().await;
    let (first, second) = tokio::join!(
        cx.elicit::<Name>("What is your name?")
            .named("first")
            .answer(),
        cx.elicit::<Name>("What is their name?")
            .named("second")
            .answer()
    );
    let (first, second) = (first?.accepted()?, second?.accepted()?);
    Ok(format!("{} and {}", first.name, second.name))
}

/// Ask for a name, and then greet as a task.
#[mcp_tool(task, read_only, closed_world)]
async fn test_tool_with_task(cx: &Context) -> Result<String, ToolError> {
    let name: Name = cx.elicit("What is your name?").named("user_name").await?;
    sleep(Duration::from_millis(100)).await;
    Ok(format!("Hello, {}!", name.name))
}
