//! Guards take literals, `&'static str` constants and typed constants, one or several.

use mcp_auth::{Permission, Role, Scope, mcp_tool};

mod names {
    use mcp_auth::Permission;

    pub(super) const READ: &str = "org:documents:read";
    pub(super) const WRITE: Permission = Permission::new("org:documents:write");
}

const DELETE: Permission = Permission::new("org:documents:delete");
const ADMIN: Role = Role::new("admin");
const BILLING: &str = "org:billing";
const SCOPE: Scope = Scope::new("documents:write");
const NAME: &str = "documents.move";
const TITLE: &str = "Move a document";

#[mcp_tool(permission = "org:documents:read")]
async fn one_literal() {}

#[mcp_tool(
    permission("org:documents:read", "org:documents:delete"),
    role = "admin"
)]
async fn two_literals() {}

#[mcp_tool(permission = names::READ, role = BILLING, scope = "profile")]
async fn text_constants() {}

#[mcp_tool(permission(names::WRITE, DELETE), role = ADMIN, scope(SCOPE, "email"))]
async fn typed_constants() {}

#[mcp_tool(permission = concat!("org:", "documents", ":read"))]
async fn computed_constant() {}

#[mcp_tool(any(permission(names::WRITE, DELETE), permission = names::READ, role = ADMIN, scope = SCOPE))]
async fn constants_as_alternatives() {}

#[mcp_tool(name = NAME, title = TITLE)]
async fn named_by_constants() {}

#[mcp_tool(require_org)]
async fn only_an_organization() {}

#[mcp_tool(public)]
async fn anybody() {}
