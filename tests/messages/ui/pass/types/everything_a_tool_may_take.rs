//! All kinds of arguments, of std and of the user's own.

use std::borrow::Cow;
use std::collections::BTreeMap;

use mcp_auth::mcp_tool;
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
enum Filter {
    All,
    Named { name: String },
}

#[mcp_tool]
async fn numbers(a: u8, b: i64, c: f32, d: [u8; 2], e: (i8, char), f: bool) -> String {
    format!("{a} {b} {c} {d:?} {e:?} {f}")
}

#[mcp_tool]
async fn texts(a: String, b: Cow<'static, str>, c: Box<str>, d: Option<String>) -> String {
    format!("{a} {b} {c} {d:?}")
}

#[mcp_tool]
async fn collections(a: Vec<Vec<u8>>, b: BTreeMap<String, Filter>, c: serde_json::Value) -> String {
    format!("{a:?} {b:?} {c}")
}
