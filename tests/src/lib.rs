//! A home for the integration tests of the workspace, in `tests/`, with a tool for them, and for the code in
//! `docs/`, which its doctests compile and run.

#[cfg(doctest)]
#[doc = include_str!("../../docs/from-mcp-use.md")]
mod from_mcp_use {}

#[cfg(doctest)]
#[doc = include_str!("../../docs/connect.md")]
mod connect {}

#[cfg(doctest)]
#[doc = include_str!("../../docs/schemas.md")]
mod schemas {}

#[cfg(doctest)]
#[doc = include_str!("../../docs/connections.md")]
mod connections {}

#[cfg(doctest)]
#[doc = include_str!("../../docs/upstream/actix-http.md")]
mod upstream_actix_http {}

/// A tool in the library of a package whose programs name the library, `linked`, or do not, `unlinked`.
#[mcp_auth::mcp_tool(read_only)]
async fn look_up(word: String) -> String {
    word
}
