//! Nothing but a home for the integration tests of the workspace, in `tests/`, and for the code in
//! `docs/`, which its doctests compile and run.

#[cfg(doctest)]
#[doc = include_str!("../../docs/from-mcp-use.md")]
mod from_mcp_use {}
