//! Testing a server in process: real tokens with real signatures, no network and no Clerk.
//!
//! A [`TestServer`] is built from the same [`ServerBuilder`](crate::ServerBuilder) that serves: the
//! whole way of a request is real, from the HTTP head to the guard and the tool. Only Clerk is
//! replaced, by a signing key made for the test and by memberships kept in memory; and the clock,
//! which tests move by hand.
//!
//! ```standalone_crate
//! use mcp_auth::testing::TestServer;
//! use serde_json::json;
//!
//! /// Delete a document.
//! #[mcp_auth::mcp_tool(permission = "org:documents:delete", require_org)]
//! async fn delete_document(document_id: String) -> String {
//!     format!("Document {document_id} deleted")
//! }
//!
//! # actix_web::rt::System::new().block_on(async {
//! let server = TestServer::of(mcp_auth::server!());
//! let document = json!({ "document_id": "d1" });
//!
//! let grace = server.user("grace").org("acme").permission("org:documents:read");
//! grace
//!     .call("delete_document", document.clone())
//!     .await
//!     .expect_denied("Forbidden: org:documents:delete permission required");
//!
//! let ada = server.user("ada").org("acme").permission("org:documents:delete");
//! let result = ada.call("delete_document", document).await;
//! assert_eq!(result.expect_ok().text(), "Document d1 deleted");
//! # });
//! ```

mod answer;
mod clock;
mod server;
mod user;

pub use self::answer::TestAnswer;
pub use self::clock::TestClock;
pub use self::server::TestServer;
pub use self::user::TestUser;
