//! Tools that send messages before their result.

use std::time::Duration;

use actix_web::rt::time::sleep;
use mcp_auth::{Context, LogLevel, mcp_tool};

/// Report progress three times.
#[mcp_tool(read_only, closed_world)]
async fn test_tool_with_progress(cx: &Context) -> &'static str {
    for done in [0, 50, 100] {
        cx.progress(done, 100, "Working");
        sleep(STEP).await;
    }
    "Reported progress three times"
}

/// Send three log messages.
#[mcp_tool(read_only, closed_world)]
async fn test_tool_with_logging(cx: &Context) -> &'static str {
    for text in ["Started", "Processing", "Completed"] {
        cx.log(LogLevel::Info, "everything", text);
        sleep(STEP).await;
    }
    "Sent three log messages"
}

/// Send one log message, if the client asks for it.
#[mcp_tool(read_only, closed_world)]
async fn test_logging_tool(cx: &Context) -> &'static str {
    cx.log(LogLevel::Info, "everything", "A log message");
    "Sent one log message"
}

/// Close the stream before the result. The client connects again, and gets the result then.
#[mcp_tool(read_only, closed_world)]
async fn test_reconnection(cx: &Context) -> &'static str {
    cx.close_stream();
    sleep(STEP).await;
    "Sent the result after the stream was closed"
}

/// The time between two messages: longer than the server's shortest time between two progress messages.
const STEP: Duration = Duration::from_millis(60);
