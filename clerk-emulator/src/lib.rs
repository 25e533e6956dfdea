//! A local Clerk for development and tests: signing keys, discovery documents, token minting and the
//! Backend API calls that a resource server makes.
//!
//! Two things are here. An [`Instance`] is Clerk without a network: keys, people, organizations, and
//! [`Instance::mint`]; tests use it in process. An [`Emulator`] is an [`Instance`] behind a loopback
//! HTTP server; the binary `clerk-emulator` runs one. To write an MCP server use `mcp-auth`: its feature
//! `emulator` starts one of these inside the server, and its feature `testing` has servers for tests.
//!
//! ```
//! use clerk_emulator::{Directory, Instance, TokenRequest};
//!
//! let clerk = Instance::new("http://127.0.0.1:4400", Directory::default())?;
//! let token = clerk.mint(&TokenRequest::oauth("ada").org("acme"), 1_750_000_000)?;
//! assert_eq!(token.split('.').count(), 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # People and organizations
//!
//! They come from [`Directory::default`] or from TOML. This text says the same as the default:
//!
//! ```
//! let directory = clerk_emulator::Directory::parse(r#"
//! [roles.admin]                 # of every organization; Clerk calls it `org:admin`
//! permissions = ["org:documents:read", "org:documents:write", "org:documents:delete"]
//!
//! [roles.member]
//! permissions = ["org:documents:read"]
//!
//! [users.ada]                   # her id is `user_ada`
//! name = "Ada Lovelace"
//! email = "ada@example.com"
//!
//! [users.grace]
//! name = "Grace Hopper"
//! email = "grace@example.com"
//!
//! [users.linus]
//! name = "Linus Torvalds"
//! email = "linus@example.com"
//!
//! [users.margaret]
//! name = "Margaret Hamilton"
//! email = "margaret@example.com"
//!
//! [organizations.acme]          # its id is `org_acme`
//! name = "Acme"
//! members = { ada = "admin", grace = "member" }
//!
//! [organizations.globex]
//! name = "Globex"
//! members = { margaret = "admin" }
//! "#)?;
//! assert_eq!(directory, clerk_emulator::Directory::default());
//! # Ok::<(), clerk_emulator::DirectoryError>(())
//! ```
//!
//! `name`, `email` and `members` may be left out. Unknown keys, a member that is no user, a role that is not
//! declared and a permission that is not `org:<feature>:<action>` are errors that name the place.
//!
//! # HTTP
//!
//! | route | answers |
//! |---|---|
//! | `GET /` | a page for a browser: people, organizations, how to get a token, these routes |
//! | `GET /.well-known/oauth-authorization-server` | RFC 8414 metadata |
//! | `GET /.well-known/openid-configuration` | OIDC discovery |
//! | `GET /.well-known/jwks.json` | the signing key |
//! | `GET /v1/jwks` | the signing key; this and all of `/v1` need the secret key as a bearer |
//! | `GET /v1/organizations/{id}/memberships` | `user_id`, `role`, `limit`, `offset` |
//! | `POST /v1/organizations/{id}/memberships` | adds a member: `{"user_id", "role"}` |
//! | `DELETE /v1/organizations/{id}/memberships/{user_id}` | removes a member |
//! | `GET /v1/users`, `GET /v1/users/{id}` | people |
//! | `GET /v1/users/{id}/organization_memberships` | the organizations of one person |
//! | `POST /dev/tokens` | `{"token"}` for a [`TokenRequest`] |
//! | `GET /dev/token?user=ada&org=acme` | the token as text |
//!
//! # Security
//!
//! Whoever reaches a running emulator can be anyone. So it binds loopback addresses only; refuses a
//! request with a foreign `Host` or `Origin`, or that came through a proxy; makes its keys afresh at
//! every start unless a file to keep them in is named; marks its key id with `ins_emulator_`, for a verifier to
//! refuse it elsewhere; and logs a warning every minute.

mod clock;
mod directory;
mod error;
mod faults;
mod guard;
mod instance;
mod key_file;
mod keys;
mod mint;
mod permission;
mod request;
mod routes;
mod server;

pub use directory::Directory;
pub use directory::DirectoryError;
pub use directory::Membership;
pub use directory::Organization;
pub use directory::User;
pub use error::Error;
pub use error::MintError;
pub use instance::Instance;
pub use keys::SecretKey;
pub use request::Audience;
pub use request::TokenKind;
pub use request::TokenRequest;
pub use server::Emulator;
pub use server::EmulatorOptions;
