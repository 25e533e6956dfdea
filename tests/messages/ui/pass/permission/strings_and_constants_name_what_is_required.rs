//! Guards take literals, `&'static str` constants and typed constants, one or several.

use mcp_auth::{Feature, Permission, Plan, Reverification, Role, Scope, TokenKind, mcp_tool};

mod names {
    use mcp_auth::Permission;

    pub(super) const READ: &str = "org:documents:read";
    pub(super) const WRITE: Permission = Permission::new("org:documents:write");
}

const DELETE: Permission = Permission::new("org:documents:delete");
const ADMIN: Role = Role::new("admin");
const BILLING: &str = "org:billing";
const SCOPE: Scope = Scope::new("documents:write");
const EXPORT: Feature = Feature::new("org:export");
const SHARE: &str = "u:share";
const PRO: Plan = Plan::new("pro");
const SOON: Reverification = Reverification::first_factor(2.5);
const PRESET: &str = "moderate";
const KIND: TokenKind = TokenKind::Session;
const OTHER_KIND: &str = "api_key";
const NAME: &str = "documents_move";
const TITLE: &str = "Move a document";

#[mcp_tool(permission = "org:documents:read")]
async fn one_literal() {}

#[mcp_tool(
    permission = all("org:documents:read", "org:documents:delete"),
    role = "admin"
)]
async fn two_literals() {}

#[mcp_tool(permission = names::READ, role = BILLING, scope = "profile")]
async fn text_constants() {}

#[mcp_tool(permission = all(names::WRITE, DELETE), role = ADMIN, scope = all(SCOPE, "email"))]
async fn typed_constants() {}

#[mcp_tool(permission = concat!("org:", "documents", ":read"))]
async fn computed_constant() {}

#[mcp_tool(any(permission = all(names::WRITE, DELETE), permission = names::READ, role = ADMIN, scope = SCOPE))]
async fn constants_as_alternatives() {}

#[mcp_tool(name = NAME, title = TITLE)]
async fn named_by_constants() {}

#[mcp_tool(require_org)]
async fn only_an_organization() {}

#[mcp_tool(public)]
async fn anybody() {}

#[mcp_tool(feature = all("export", "organization:share"), plan = all("org:pro", "user:pro"))]
async fn features_and_plans() {}

#[mcp_tool(
    feature = all(EXPORT, SHARE),
    plan = PRO,
    reverification = SOON,
    accept = any(KIND, OTHER_KIND)
)]
async fn constants_of_further_kinds() {}

#[mcp_tool(reverification = "strict_mfa", accept = "session")]
async fn preset() {}

#[mcp_tool(reverification = PRESET)]
async fn constant_preset() {}

#[mcp_tool(reverification("second_factor", 0.5), require_user)]
async fn level_and_minutes() {}

#[mcp_tool(any(
    feature = EXPORT,
    plan = all("pro", "free"),
    reverification = Reverification::STRICT,
    reverification("multi_factor", 15),
    scope = "exports",
))]
async fn further_alternatives() {}

#[mcp_tool(accept = any("oauth", "session", "m2m", "api_key"))]
async fn every_kind() {}
