//! The package of the workspace's integration tests, which are in `tests/`. The library has a tool
//! for them, and runs the code of a page of `docs/` as doctests.

#[cfg(doctest)]
#[doc = include_str!("../../docs/upstream/actix-http.md")]
mod upstream_actix_http {}

// The program `linked` of this package names the library, and `unlinked` does not.

/// Look a word up.
#[mcp_auth::mcp_tool(read_only)]
async fn look_up(word: String) -> String {
    word
}
