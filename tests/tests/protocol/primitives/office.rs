//! Tools, prompts and resources in guarded modules. Everything in this module needs an organization.

mcp_auth::module_guard!(require_org);

use mcp_auth::{State, mcp_prompt, mcp_resource, mcp_tool};

use crate::support::Runs;

/// A tool, a prompt and a resource with the same name and the same keys.
macro_rules! room {
    ($name:tt, $uri:tt $(, $key:ident = $value:tt)*) => {
        const _: () = {
            /// Enter a room.
            #[mcp_tool(name = $name $(, $key = $value)*)]
            async fn tool(runs: &State<Runs>) -> &'static str {
                runs.count();
                $name
            }

            /// Describe a room.
            #[mcp_prompt(name = $name $(, $key = $value)*)]
            async fn prompt(runs: &State<Runs>) -> &'static str {
                runs.count();
                $name
            }

            /// A room.
            #[mcp_resource($uri, name = $name $(, $key = $value)*)]
            fn resource(runs: &State<Runs>) -> &'static str {
                runs.count();
                $name
            }
        };
    };
}

room!("lobby", "office://lobby");

mod archive {
    mcp_auth::module_guard!(permission = "org:documents:read");

    use super::*;

    room!("archive", "office://archive");

    /// Declares rooms in the body of a function.
    fn shelves() {
        room!("shelf", "office://shelf");
    }

    const _: fn() = shelves;

    /// A module without a guard of its own.
    mod boxes {
        mod small {
            use crate::support::Runs;
            use mcp_auth::{State, mcp_prompt, mcp_resource, mcp_tool};

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

        use super::*;

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
    use super::*;

    room!("annex", "office://annex");
}
