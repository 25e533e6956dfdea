/// Read documents.
#[allow(dead_code, reason = "a permission may be named as a text, or not yet")]
pub const READ: ::mcp_auth::Permission = ::mcp_auth::Permission::new(
    "org:documents:read",
);
#[deprecated]
#[allow(dead_code, reason = "a permission may be named as a text, or not yet")]
const DELETE: ::mcp_auth::Permission = ::mcp_auth::Permission::new(
    "org:documents:delete",
);
#[doc(hidden)]
pub(crate) const __MCP_AUTH_PERMISSIONS: ::mcp_auth::__private::Declared = ::mcp_auth::__private::Declared::only(
    &["org:documents:read", "org:documents:delete"],
    ::core::concat!(::core::file!(), ":", ::core::line!(), ":", ::core::column!()),
);
const _: () = {
    use ::mcp_auth::__private::ANY_PERMISSION as __MCP_AUTH_PERMISSIONS;
    const __ROOT: ::mcp_auth::__private::Declared = {
        use crate::*;
        __MCP_AUTH_PERMISSIONS
    };
    __ROOT
        .check_is_at(
            ::core::concat!(
                ::core::file!(), ":", ::core::line!(), ":", ::core::column!()
            ),
        )
};
