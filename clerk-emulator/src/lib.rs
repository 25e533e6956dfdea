//! A local Clerk for development and tests: an authorization server with a sign-in page, token
//! minting, and the calls of the Backend API that a resource server makes.
//!
//! An [`Instance`] is a Clerk instance without a network. It holds keys, people and organizations,
//! and [`Instance::mint`] issues tokens. Tests use it inside their process. An [`Emulator`] serves
//! an [`Instance`] over HTTP on a loopback address; the binary `clerk-emulator` runs an emulator.
//! To write an MCP server, use `mcp-auth`: its feature `emulator` starts an emulator inside the
//! server, and its feature `testing` has servers for tests.
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
//! People and organizations come from [`Directory::default`] or from TOML. This TOML is the default
//! directory:
//!
//! ```
//! let directory = clerk_emulator::Directory::parse(r#"
//! [roles.admin]                 # of every organization; Clerk calls it `org:admin`
//! permissions = ["org:documents:read", "org:documents:write", "org:documents:delete"]
//!
//! [roles.member]
//! permissions = ["org:documents:read"]
//!
//! [users.ada]                   # the id is `user_ada`
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
//! [organizations.acme]          # the id is `org_acme`
//! name = "Acme"
//! members = { ada = "admin", grace = "member" }
//! plans = ["team"]              # session tokens carry the plans
//! features = ["reports"]        # and the features of the plans
//!
//! [organizations.globex]
//! name = "Globex"
//! members = { margaret = "admin" }
//!
//! [machines.billing]            # the id is `mch_billing`
//! scoped_machines = ["mcp"]     # the machines that it may talk to
//!
//! [machines.mcp]
//! "#)?;
//! assert_eq!(directory, clerk_emulator::Directory::default());
//! # Ok::<(), clerk_emulator::DirectoryError>(())
//! ```
//!
//! `name`, `email`, `members`, `plans`, `features` and `scoped_machines` are optional. A user can
//! also have `plans` and `features`, `email_verified` (default: true), `image_url`, `banned`,
//! `locked`, and the tables `public_metadata`, `private_metadata` and `unsafe_metadata`.
//!
//! The line `scopes = ["documents:write"]`, before all tables, adds scopes to Clerk's own scopes.
//! OAuth clients can request the added scopes too.
//!
//! The following mistakes are errors with line and column: an unknown key, a member who is not a
//! user, a role or machine that is not declared, and a permission that is not
//! `org:<feature>:<action>`.
//!
//! # HTTP
//!
//! | route | content or effect |
//! |---|---|
//! | `GET /` | the home page: people, organizations, how to get a token, and this list of routes |
//! | `GET /.well-known/oauth-authorization-server` | RFC 8414 metadata |
//! | `GET /.well-known/openid-configuration` | OIDC discovery |
//! | `GET /.well-known/jwks.json` | the signing key |
//! | `GET`, `POST /oauth/authorize` | the sign-in page; see [Signing in](#signing-in) |
//! | `POST /oauth/token` | tokens for a code or a refresh token |
//! | `POST /oauth/register` | registers a client (RFC 7591) |
//! | `GET`, `POST /oauth/userinfo` | claims about the user of an access token, limited by its scopes |
//! | `POST /oauth/token_info` | token introspection, for a client with a secret (RFC 7662) |
//! | `POST /oauth/token/revoke` | revokes an opaque access token, or a refresh token with its grant (RFC 7009) |
//! | `GET /v1/jwks` | the signing key. This route and the following routes up to `/dev` need the secret key as bearer token |
//! | `GET /v1/organizations/{id}/memberships` | the members of an organization; parameters `user_id`, `role`, `limit`, `offset` |
//! | `POST /v1/organizations/{id}/memberships` | adds a member: `{"user_id", "role"}` |
//! | `DELETE /v1/organizations/{id}/memberships/{user_id}` | removes a member |
//! | `GET /v1/users`, `GET`, `DELETE /v1/users/{id}` | lists, returns or deletes people |
//! | `POST /v1/users/{id}/ban`, `unban`, `lock`, `unlock` | bans, unbans, locks or unlocks a person; returns the changed person |
//! | `GET /v1/users/{id}/organization_memberships` | the organizations of one person |
//! | `GET /v1/organization_roles` | roles with their permissions |
//! | `GET /v1/machines/{id}` | a machine, with the machines that it may talk to |
//! | `GET /v1/machines/{id}/secret_key` | the secret key of a machine, which verifies M2M tokens for that machine |
//! | `POST /oauth_applications/access_tokens/verify` | verifies an OAuth access token. This route and the four token routes in the next two rows also exist under `/v1` |
//! | `POST /m2m_tokens/verify`, `POST /api_keys/verify` | verifies a token |
//! | `POST /m2m_tokens/{id}/revoke`, `POST /api_keys/{id}/revoke` | revokes a token |
//! | `GET`, `PATCH /v1/instance/oauth_application_settings` | the [`Settings`] that Clerk also has |
//! | `POST /dev/tokens` | `{"token"}` for a [`TokenRequest`] |
//! | `GET /dev/token?user=ada&org=acme` | the token as text. Other queries: `format=opaque`, `kind=session&user=ada&features=org:export`, `kind=m2m&machine=billing`, `kind=api_key&user=ada` |
//! | `POST /dev/revoke` | revokes `{"token"}`, an opaque access token, M2M token or API key |
//! | `POST /dev/ban`, `unban`, `lock`, `unlock` | bans, unbans, locks or unlocks the user in `{"user": "ada"}`, given by name or id. Needs no key |
//! | `GET`, `PATCH /dev/settings` | all [`Settings`] |
//! | `POST /dev/mcp-servers` | registers the MCP server `{"url"}` and returns all settings. Needs no key |
//! | `GET`, `POST`, `DELETE /dev/faults` | injected faults; see [Faults](#faults) |
//!
//! # Signing in
//!
//! A client gets a token in the same steps as at Clerk. It reads the metadata, registers or names
//! its metadata document, and opens `/oauth/authorize` in a browser. On that page a person chooses
//! a user, and allows or refuses the client. The client then exchanges the code at `/oauth/token`.
//! The rules:
//!
//! - Redirect URIs are compared byte for byte. For an address of this machine (`127.0.0.1`,
//!   `[::1]`, `localhost`) the port may differ (RFC 8252 §7.3). Until the redirect URI is checked,
//!   the emulator shows errors as a page. It sends later errors to the client.
//! - PKCE with `S256` is required, except for a client with a secret. A `state` must have at least
//!   8 characters.
//! - A `resource` (RFC 8707) becomes `aud` if it is the URL of a [registered MCP
//!   server](#registered-mcp-servers). A token request may name only resources of the authorization
//!   request.
//! - A code can be used once, within ten minutes. If a code or a refresh token is used twice, the
//!   grant is revoked. Every response of the token endpoint has a new refresh token.
//! - The known scopes are Clerk's own scopes and the scopes of the directory. A request for any
//!   other scope gets `invalid_scope`. A token has `org_id` only if the client requested
//!   `user:org:read` and the person chose an organization.
//! - A client that registered itself may request the scopes that it registered with. If it
//!   registered without scopes, it may request the *Default scopes for dynamic clients*:
//!   [`Settings::default_scopes`]. A client with a metadata document may request
//!   [`Settings::client_document_scopes`]. If a client requests any other scope, it gets
//!   `invalid_scope` before a page is shown. The description of the error names the allowed scopes.
//! - The emulator fetches a client's metadata document only over `https` and from public addresses.
//!   It follows no redirects, and reads at most 64 KiB in 5 seconds. For tests,
//!   [`Settings::loopback_client_documents`] also allows documents on this machine.
//! - Pages of this machine may call the endpoints that clients call (CORS). Pages of other origins
//!   may not call any endpoint.
//!
//! [`Settings`] controls registration (*Publish DCR support*), metadata documents (*Publish CIMD
//! support*), the format and lifetime of access tokens, `iss` in the authorization response (RFC
//! 9207) and the audience. With [`Settings::approve_as`] the emulator approves every client of this
//! machine without showing a page, so that even `curl -sL` can sign in:
//!
//! ```
//! # #[actix_web::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use clerk_emulator::{Emulator, EmulatorOptions};
//!
//! let emulator = Emulator::start(EmulatorOptions::default()).await?;
//! emulator.instance().add_scopes(&["documents:write"]);
//! emulator.instance().change_settings(|settings| {
//!     settings.approve_as = Some(String::from("ada/acme"));
//!     settings.access_token_lifetime = 60;
//! });
//! # Ok(())
//! # }
//! ```
//!
//! On the command line, use `clerk-emulator --approve-as ada/acme`. To change a running emulator,
//! also inside a server, send `PATCH /dev/settings` with `{"approve_as": "ada/acme"}`. With
//! [`EmulatorOptions::state_file`] the port, the clients and all tokens survive a restart.
//!
//! # Registered MCP servers
//!
//! In Clerk's dashboard, *Agents → MCP servers → Add MCP server* registers the URL of an endpoint.
//! If a client then sends this URL as `resource`, Clerk issues an access token with the URL as
//! `aud`. In the emulator, [`Instance::register_mcp_server`], [`EmulatorOptions::mcp_server`],
//! `clerk-emulator --mcp-server URL` and `POST /dev/mcp-servers` register a URL:
//!
//! ```
//! use clerk_emulator::{Directory, Instance};
//!
//! let clerk = Instance::new("http://127.0.0.1:4400", Directory::default())?;
//! clerk.register_mcp_server("http://127.0.0.1:3000/mcp")?;
//! assert!(clerk.settings().audience_claim);
//! # Ok::<(), clerk_emulator::Error>(())
//! ```
//!
//! An instance without registered servers issues tokens without `aud`. The first registered server
//! switches on the audience claim and *Publish CIMD support*; later servers change no setting. The
//! tokens of a grant from before the registration have no `aud`, even after a refresh, so the
//! client must be connected again. [`Settings::audience_claim`] has the details. [`Instance::mint`]
//! and `/dev/token` take `aud` only from the request.
//!
//! # Differences from Clerk
//!
//! The emulator lacks `response_mode=form_post`, the device grant, and sessions. Because it has no
//! sessions, a person chooses a user at every sign-in, and a request with `prompt=none` gets
//! `login_required`.
//!
//! # Faults
//!
//! With injected faults a test shows how a server handles failures of Clerk. Inside the process,
//! methods of [`Instance`] and [`Emulator`] inject them. Over HTTP, `POST /dev/faults` adds a fault
//! from the table, `GET /dev/faults` shows the faults, and `DELETE /dev/faults` removes them:
//!
//! | body | effect |
//! |---|---|
//! | `{"kind": "status", "status": 503, "path": "/v1/organizations"}` | requests to this path get this status; `retry_after` adds the header |
//! | `{"kind": "latency", "ms": 300}` | responses are delayed. Without `path` the fault applies to the JWKS and the Backend API |
//! | `{"kind": "refuse", "ms": 2000}` | connections are refused for this time. Afterwards the emulator listens on the same port again |
//! | `{"kind": "clock", "offset": -30}` | new tokens, expiry and the header `Date` use a clock with this offset |
//! | `{"kind": "rotate_key", "rotation": "overlapping"}` | a new key signs, and the old key stays valid. `new_kid` (the default) and `same_kid` withdraw the old key |
//! | `{"kind": "withdraw_key", "kid": "ins_emulator_…"}` | the key is removed from the JWKS |
//!
//! ```
//! # #[actix_web::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use clerk_emulator::{Emulator, EmulatorOptions, Fault};
//!
//! let emulator = Emulator::start(EmulatorOptions::default()).await?;
//! emulator.instance().add_fault(Fault::status(503).at("/.well-known/jwks.json"));
//! let keys = format!("{}/.well-known/jwks.json", emulator.url());
//! assert_eq!(reqwest::get(&keys).await?.status(), 503);
//! # Ok(())
//! # }
//! ```
//!
//! # Limits
//!
//! The memory of an emulator and its state file are bounded. When a limit is reached, the emulator
//! drops the oldest unused entry:
//!
//! | entries | limit |
//! |---|---|
//! | opaque access tokens | 10 000 |
//! | M2M tokens and API keys together | 10 000 |
//! | grants | 10 000. The grant whose last refresh token is the oldest is dropped |
//! | refresh tokens | 20 000. Used refresh tokens are dropped first |
//! | clients, registered or with a document | 1 000. Clients with grants are not dropped. If every client has a grant, a new client is refused |
//! | authorization requests that wait for a decision, and codes | 1 000 of each, for ten minutes |
//! | published keys, faults, counted paths | 16, 100, 10 000 |
//!
//! A request for a token can have at most 8 KiB, and an authorization request at most 16 KiB.
//!
//! # Security
//!
//! Anybody who reaches a running emulator can sign in as any user. Therefore the emulator:
//!
//! - binds loopback addresses only;
//! - refuses a request with a foreign `Host` or `Origin`, and a request through a proxy;
//! - generates new keys at every start, unless a state file is configured;
//! - stores only digests of the secrets that it issued;
//! - marks its key id with `ins_emulator_`, so that a verifier in production can refuse the key;
//! - logs a warning every minute.

#[cfg(feature = "_fuzz")]
#[doc(hidden)]
#[path = "fuzz.rs"]
pub mod __fuzz;
mod clock;
mod control;
mod digest;
mod directory;
mod error;
mod faults;
mod instance;
mod keys;
mod mcp_server;
mod mint;
mod oauth;
mod opaque;
mod permission;
mod request;
mod routes;
mod scope;
mod server;
mod settings;
mod state_file;

pub use directory::{
    Directory, DirectoryError, DirectoryFileError, DirectoryProblem, Machine, Membership,
    Organization, User,
};
pub use error::{Error, McpServerError, MintError};
pub use faults::Fault;
pub use instance::Instance;
pub use keys::SecretKey;
pub use request::{Audience, TokenFormat, TokenKind, TokenRequest};
pub use server::{Emulator, EmulatorOptions};
pub use settings::Settings;
