//! Other attributes on the function, above and below, and what they mean for the registration.

use mcp_auth::mcp_tool;

#[cfg(any())]
struct Nowhere;

#[mcp_tool]
#[cfg(any())]
async fn not_compiled(nowhere: Nowhere) {}

#[cfg(any())]
#[mcp_tool]
async fn not_compiled_either(nowhere: Nowhere) {}

#[deprecated]
type Old = u8;

#[mcp_tool]
#[allow(deprecated, reason = "shown here")]
async fn of_an_old_type(old: Option<Old>) -> bool {
    old.is_some()
}

#[mcp_tool]
#[expect(deprecated, reason = "shown here")]
async fn of_an_old_type_as_expected(old: Option<Old>) -> bool {
    old.is_some()
}

#[mcp_tool]
#[inline]
#[must_use]
async fn inlined(#[allow(unused_variables, reason = "shown here")] text: String) -> u8 {
    7
}

#[deprecated]
#[mcp_tool]
async fn deprecated_itself() {}
