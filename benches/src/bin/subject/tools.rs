//! The tools of `subject`, which `counters` counts too.

use mcp_auth::{Json, data, mcp_tool};

/// Two numbers added.
#[data]
pub(crate) struct Sum {
    pub(crate) sum: i64,
}

/// Add two numbers.
#[mcp_tool(read_only)]
async fn add(a: i64, b: i64) -> Json<Sum> {
    Json(Sum {
        sum: a.wrapping_add(b),
    })
}

/// Add two numbers, for those who may delete documents.
#[mcp_tool(permission = "org:documents:delete", read_only)]
async fn guarded_add(a: i64, b: i64) -> Json<Sum> {
    Json(Sum {
        sum: a.wrapping_add(b),
    })
}

/// Say what was said.
#[mcp_tool(read_only)]
async fn echo(text: String) -> String {
    text
}
