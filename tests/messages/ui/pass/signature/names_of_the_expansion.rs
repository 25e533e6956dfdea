//! The expansion finds its own items, whatever the names of the user's items and parameters.

use mcp_auth::{Org, ToolError, data, mcp_tool};

/// Modules where the expansion says `::core`, `::std` and `::serde`.
mod core {}
mod std {}
mod serde {}
mod garde {}

struct Context;
struct Guard;
struct AuthorizeGate;
struct Permission;
struct Registration;
struct Requirement;
struct Rules;
struct Tool;

trait Decide {
    const DECLARED: u8 = 1;

    fn run(&self) {}

    fn authorize(&self) {}
}

impl<T> Decide for Option<T> {}
impl Decide for Context {}

#[data]
struct Arguments {
    #[garde(range(min = 1))]
    __args: u8,
    none: Option<u8>,
}

fn allowed(__cx: &str, __check: &u8, __org: &Org) -> bool {
    !__cx.is_empty() && *__check > 0 && !__org.id().is_empty()
}

/// Takes parameters called like what it is called with.
#[mcp_tool(
    any(permission = "org:documents:read", role = "admin", scope = "all"),
    forbid_actor,
    authorize = allowed(__cx, __check, __permit)
)]
async fn call(
    __cx: String,
    __check: u8,
    __permit: &Org,
    self_: String,
    args: u8,
    #[garde(dive)] __args: Arguments,
    __tool: Option<&Org>,
) -> Result<String, ToolError> {
    let _ = (
        Context,
        Guard,
        AuthorizeGate,
        Permission,
        Registration,
        Requirement,
        Rules,
        Tool,
    );
    let _ = (args, __args.none, __tool, __check);
    Ok(__cx + __permit.id() + &self_)
}
