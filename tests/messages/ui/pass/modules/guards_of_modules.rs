use mcp_auth::module_guard;

mod every_key {
    use mcp_auth::{Permission, mcp_prompt, mcp_resource, mcp_tool};

    const READ: Permission = Permission::new("org:documents:read");

    mcp_auth::module_guard! {
        require_user,
        require_org,
        permission = all(READ, "org:documents:write"),
        role = "admin",
        feature = "export",
        plan = all("org:pro", "user:pro"),
        reverification("second_factor", 10),
        scope = "documents:write",
        any(permission = "org:documents:manage", scope = "documents:all"),
        any(feature = "export", plan = "pro"),
        accept = any("oauth", "session"),
        forbid_actor,
    }

    #[mcp_tool]
    async fn tool() {}

    #[mcp_prompt(require_org)]
    async fn prompt() -> &'static str {
        "prompt"
    }

    #[mcp_resource("guarded://resource", permission = READ)]
    async fn resource() -> &'static str {
        "resource"
    }

    pub(super) mod inside {
        super::super::module_guard!(scope = "inside");

        use super::*;

        #[mcp_tool(name = "tool_inside")]
        async fn tool() {}
    }
}

/// Guarded modules have names of their own, and import each other.
mod siblings {
    mod one {
        super::module_guard!(require_org);

        pub(super) fn first() {}
    }

    mod other {
        super::module_guard!(require_user);

        pub(super) fn second() {}
    }

    /// The guards of `one` and `other` are theirs alone.
    mod open {
        use super::one::*;
        use super::other::*;

        #[mcp_auth::mcp_tool(public, name = "open_tool")]
        async fn tool() {
            first();
            second();
        }
    }

    use super::module_guard;
}

/// A public function outside of the guarded module that it imports.
mod around {
    mod guarded {
        mcp_auth::module_guard!(require_org);

        #[mcp_auth::mcp_tool(name = "exported_tool")]
        pub(super) async fn exported() {}
    }

    use guarded::exported as renamed;
    use guarded::*;

    #[mcp_auth::mcp_tool(public, name = "public_around")]
    async fn tool() {
        exported().await;
        renamed().await;
    }
}

mod by_another_path {
    mod framework {
        pub(super) use mcp_auth::{__private, module_guard};
    }

    framework::module_guard!(require_org, crate = framework);
}

/// Guards made by a macro, whose variables arrive in invisible groups.
mod by_a_macro {
    macro_rules! guarded {
        ($permission:expr, $scope:literal) => {
            mod inner {
                mcp_auth::module_guard!(permission = $permission, scope = $scope);
            }
        };
    }

    guarded!("org:documents:read", "documents:read");
}
