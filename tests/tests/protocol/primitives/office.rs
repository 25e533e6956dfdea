//! Tools, prompts and resources in guarded modules. Everything in this module needs an organization.

mcp_auth::module_guard!(require_org);

room!("lobby", "office://lobby");

mod archive {
    mcp_auth::module_guard!(permission = "org:documents:read");

    room!("archive", "office://archive");

    /// Declares rooms in the body of a function.
    fn shelves() {
        room!("shelf", "office://shelf");
    }

    const _: fn() = shelves;

    /// A module without a guard of its own.
    mod boxes {
        mod small {
            room!("box", "office://box");
            room!(
                "sealed",
                "office://sealed",
                permission = "org:documents:delete"
            );
        }
    }

    mod safe {
        mcp_auth::module_guard!(permission = "org:documents:write");

        room!("safe", "office://safe");
        // The module requires the permission already.
        room!(
            "vault",
            "office://vault",
            permission = "org:documents:write"
        );
    }
}

/// The name of the module begins like the name of another module, which does not guard it.
mod archive2 {
    room!("annex", "office://annex");
}
