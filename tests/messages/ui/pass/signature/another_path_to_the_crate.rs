//! `crate = path`: the framework under another name, re-exported, or named by a macro.

extern crate mcp_auth as guarded;

use guarded as renamed;

pub(super) mod framework {
    pub(in super::super) mod prelude {
        pub(in super::super::super) use mcp_auth::{__private, Json, mcp_tool};
    }
}

#[renamed::mcp_tool(crate = self::guarded)]
async fn renamed_crate(text: String) -> String {
    text
}

#[framework::prelude::mcp_tool(crate = framework::prelude)]
async fn reexported(text: String) -> framework::prelude::Json<String> {
    framework::prelude::Json(text)
}

/// Tools made by a macro: `$crate`, and variables that arrive in invisible groups.
macro_rules! tool {
    ($name:ident, $permission:expr, $ty:ty, $injected:ty) => {
        #[mcp_auth::mcp_tool(permission = $permission, crate = $crate::pass::signature::another_path_to_the_crate::framework::prelude)]
        async fn $name(#[arg(default)] text: $ty, injected: $injected) -> $ty {
            let _ = injected;
            text
        }
    };
}

tool!(
    made,
    "org:documents:read",
    Option<String>,
    &mcp_auth::Context
);
tool!(made_too, READ, String, Option<&mcp_auth::Caller>);

const READ: &str = "org:documents:read";
