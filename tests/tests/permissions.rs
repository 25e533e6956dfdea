//! A crate that declares its permissions with `only`. Tools in every module can name them.

#![deny(
    missing_docs,
    unreachable_pub,
    unused,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    clippy::nursery,
    clippy::allow_attributes_without_reason
)]
#![allow(clippy::unused_async, reason = "a tool is an `async fn`")]

use mcp_auth::testing::TestServer;
use serde_json::json;

mcp_auth::permissions! {
    only;
    /// Read documents.
    pub READ = "org:documents:read";
    /// A permission that no tool names; this must not be a warning.
    UNUSED = "org:documents:archive";
    #[deprecated = "nobody writes any more"]
    WRITE = "org:documents:write";
    #[cfg(any())]
    GONE = "org:documents:gone";
    pub(crate) DELETE = "org:documents:delete";
}

/// Read.
#[mcp_auth::mcp_tool(permission = "org:documents:read")]
async fn read() -> &'static str {
    "read"
}

/// Write.
#[mcp_auth::mcp_tool(permission = all("org:documents:write", READ))]
async fn write() {}

mod elsewhere {
    mod deeper {
        use mcp_auth as framework;

        /// Delete.
        #[framework::mcp_tool(any(permission = crate::DELETE, scope = "all"), crate = framework)]
        async fn delete() -> &'static str {
            "deleted"
        }
    }

    /// More permissions. Tools cannot name them, because `only` does not know them.
    mod others {
        mcp_auth::permissions! {
            pub(super) PAY = "org:invoices:pay";
        }
    }

    #[test]
    fn declarations_in_another_module_are_constants_too() {
        assert_eq!(others::PAY.as_str(), "org:invoices:pay");
    }
}

#[actix_web::test]
async fn tools_that_name_declared_permissions_are_guarded_by_them() {
    /// Read in a function.
    #[mcp_auth::mcp_tool(permission = READ)]
    async fn read_here() -> &'static str {
        "read here"
    }

    let server = TestServer::of(mcp_auth::server!());
    let grace = server.user("grace").org("acme").permission(READ.as_str());
    assert_eq!(grace.tools().await, ["delete", "read", "read_here"]);
    grace.call("read", json!({})).await.expect_ok();
    let denied = grace.call("write", json!({})).await;
    denied.expect_denied("Forbidden: org:documents:write permission required");
    let ada = server.user("ada").org("acme").permission(DELETE.as_str());
    ada.call("delete", json!({})).await.expect_ok();
}
