//! A tool need not be `async`: then it has a thread to itself, which it may block.

use std::rc::Rc;

use mcp_auth::{Caller, Json, State, ToolError, mcp_tool};

/// Files that are read without `async`.
#[derive(Debug)]
struct Files;

/// Do nothing.
#[mcp_tool]
fn nothing() {}

/// Read a file.
#[mcp_tool(read_only, timeout = 5)]
fn read(path: String, files: &State<Files>, caller: Option<&Caller>) -> Result<String, ToolError> {
    let _ = (files, caller);
    Ok(std::fs::read_to_string(path)?)
}

/// A type that is not `Send` may be used inside a plain `fn`.
#[mcp_tool]
fn count(mut words: Vec<String>) -> Json<Vec<usize>> {
    words.sort();
    let lengths: Rc<[usize]> = words.iter().map(String::len).collect();
    Json(lengths.to_vec())
}

fn called_as_it_is() {
    nothing();
    assert_eq!(count(vec!["tea".to_owned()]).0, [3]);
}
