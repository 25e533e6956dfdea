//! A local Clerk for development and tests: an authorization server that people and clients sign in at, token
//! minting, and the Backend API calls that a resource server makes.
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
//! plans = ["team"]              # what session tokens say of its plans, and
//! features = ["reports"]        # of the features that these give
//!
//! [organizations.globex]
//! name = "Globex"
//! members = { margaret = "admin" }
//!
//! [machines.billing]            # its id is `mch_billing`
//! scoped_machines = ["mcp"]     # those that it may talk to
//!
//! [machines.mcp]
//! "#)?;
//! assert_eq!(directory, clerk_emulator::Directory::default());
//! # Ok::<(), clerk_emulator::DirectoryError>(())
//! ```
//!
//! `name`, `email`, `members`, `plans`, `features` and `scoped_machines` may be left out. A user can also have
//! `plans` and `features`, `email_verified` (true if not said), `image_url`, `banned`, `locked`, and the tables `public_metadata`, `private_metadata`
//! and `unsafe_metadata`. `scopes = ["documents:write"]`, before all tables, adds scopes to Clerk's own for
//! OAuth clients to ask for. Unknown keys, a member that is no user, a role or machine that is not declared and a
//! permission that is not `org:<feature>:<action>` are errors that name the place.
//!
//! # HTTP
//!
//! | route | answers |
//! |---|---|
//! | `GET /` | a page for a browser: people, organizations, how to get a token, these routes |
//! | `GET /.well-known/oauth-authorization-server` | RFC 8414 metadata |
//! | `GET /.well-known/openid-configuration` | OIDC discovery |
//! | `GET /.well-known/jwks.json` | the signing key |
//! | `GET`, `POST /oauth/authorize` | the sign-in page, see below |
//! | `POST /oauth/token` | tokens for a code or a refresh token |
//! | `POST /oauth/register` | registers a client (RFC 7591) |
//! | `GET`, `POST /oauth/userinfo` | of the person behind an access token, what its scopes cover |
//! | `POST /oauth/token_info` | what a token is, for a client with a secret (RFC 7662) |
//! | `POST /oauth/token/revoke` | revokes an opaque access token, or a refresh token with its grant (RFC 7009) |
//! | `GET /v1/jwks` | the signing key; this and all down to `/dev` need the secret key as a bearer |
//! | `GET /v1/organizations/{id}/memberships` | `user_id`, `role`, `limit`, `offset` |
//! | `POST /v1/organizations/{id}/memberships` | adds a member: `{"user_id", "role"}` |
//! | `DELETE /v1/organizations/{id}/memberships/{user_id}` | removes a member |
//! | `GET /v1/users`, `GET`, `DELETE /v1/users/{id}` | people |
//! | `POST /v1/users/{id}/ban`, `unban`, `lock`, `unlock` | the person, changed |
//! | `GET /v1/users/{id}/organization_memberships` | the organizations of one person |
//! | `GET /v1/organization_roles` | roles with their permissions |
//! | `GET /v1/machines/{id}` | a machine, with those that it may talk to |
//! | `GET /v1/machines/{id}/secret_key` | the key of a machine, good for verifying M2M tokens that are for it |
//! | `POST /oauth_applications/access_tokens/verify` | what is known of an OAuth access token; this and the next also under `/v1` |
//! | `POST /m2m_tokens/verify`, `POST /api_keys/verify` | what is known of a token |
//! | `POST /m2m_tokens/{id}/revoke`, `POST /api_keys/{id}/revoke` | the token, revoked |
//! | `GET`, `PATCH /v1/instance/oauth_application_settings` | Clerk's members of [`Settings`] |
//! | `POST /dev/tokens` | `{"token"}` for a [`TokenRequest`] |
//! | `GET /dev/token?user=ada&org=acme` | the token as text; `format=opaque`, `kind=session&user=ada&features=org:export`, `kind=m2m&machine=billing`, `kind=api_key&user=ada` |
//! | `POST /dev/revoke` | revokes `{"token"}`, an opaque access token, M2M token or API key |
//! | `POST /dev/ban`, `unban`, `lock`, `unlock` | bans `{"user": "ada"}` or a user with this id; no key is needed |
//! | `GET`, `PATCH /dev/settings` | all [`Settings`] |
//! | `POST /dev/mcp-servers` | registers the MCP server `{"url"}`, and answers with all settings; no key is needed |
//! | `GET`, `POST`, `DELETE /dev/faults` | what is wrong on purpose, see below |
//!
//! # Signing in
//!
//! A client that has no token gets one as it would at Clerk: metadata, registration or a client-id document,
//! `/oauth/authorize`, where somebody chooses who to be and allows or refuses, `/oauth/token`. What is checked:
//!
//! - Redirect URIs are compared byte for byte; on this machine (`127.0.0.1`, `[::1]`, `localhost`) the port may
//!   be another (RFC 8252 §7.3). An error before that is a page, afterwards it goes to the client.
//! - PKCE with `S256`, which only a client that has a secret may leave out. A `state` has 8 characters or more.
//! - `resource` (RFC 8707) becomes `aud` if it is the URL of a registered MCP server, see below. A token
//!   request may name fewer of the resources of the authorization request, and no other.
//! - A code is good once, for ten minutes. Whoever uses one twice, or a refresh token twice, ends the grant.
//!   Every answer of the token endpoint has a new refresh token.
//! - Scopes are Clerk's and those of the directory; others are `invalid_scope`. `org_id` is in a token only if
//!   `user:org:read` was asked for and an organization chosen.
//! - A client that registered itself may ask for the scopes that it registered with. If it registered without
//!   scopes, it may ask for the *Default scopes for dynamic clients*: [`Settings::default_scopes`]. A client with
//!   a metadata document may ask for [`Settings::client_document_scopes`]. Anything else is `invalid_scope`
//!   before any page, with a description that names the list.
//! - A client-id document is fetched over `https` from public addresses only, without following redirects, up
//!   to 64 KiB and for 5 seconds; [`Settings::loopback_client_documents`] adds this machine, for tests.
//! - Pages of this machine may call the endpoints that clients call (CORS); other origins may call nothing.
//!
//! [`Settings`] switches registration (*Publish DCR support*), documents (*Publish CIMD support*), JWT or opaque
//! access tokens, their lifetime, `iss` in the answer (RFC 9207) and the audience. For clients without a browser [`Settings::approve_as`] allows at once, so that
//! `curl -sL` does for one:
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
//! The same by the command line, `clerk-emulator --approve-as ada/acme`, and while it runs, inside a server too, by
//! `PATCH /dev/settings` with `{"approve_as": "ada/acme"}`. With [`EmulatorOptions::state_file`] the port, clients and
//! all tokens outlive a restart.
//!
//! # Registered MCP servers
//!
//! In Clerk's dashboard, *Agents → MCP servers → Add MCP server* registers the URL of an endpoint. Clerk then
//! issues access tokens with this URL as `aud` to clients that ask for it by `resource`. Here
//! [`Instance::register_mcp_server`], [`EmulatorOptions::mcp_server`], `clerk-emulator --mcp-server URL` and
//! `POST /dev/mcp-servers` do the same:
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
//! An instance at which nobody has registered a server issues tokens without `aud`. The first registered server
//! switches on the audience claim and *Publish CIMD support*; later ones change no setting. A grant from before
//! the registration gives tokens without `aud`, also when it is refreshed, so the client must be connected again.
//! [`Settings::audience_claim`] has the details. [`Instance::mint`] and `/dev/token` take `aud` from the request
//! alone.
//!
//! # What is missing
//!
//! What Clerk has and this has not: `response_mode=form_post`, the device grant, and a session: everybody
//! chooses anew, so `prompt=none` is answered with `login_required`.
//!
//! # Faults
//!
//! For tests of what a server does on bad days. In process they are methods of [`Instance`] and [`Emulator`];
//! `POST /dev/faults` takes one of these, and `GET` and `DELETE` show and remove them:
//!
//! | body | from then on |
//! |---|---|
//! | `{"kind": "status", "status": 503, "path": "/v1/organizations"}` | such requests are answered so; with `retry_after` too |
//! | `{"kind": "latency", "ms": 300}` | answers come so much later; without `path`, those for keys and of the Backend API |
//! | `{"kind": "refuse", "ms": 2000}` | connections are refused for so long, on the same port |
//! | `{"kind": "clock", "offset": -30}` | tokens, what has expired, and the header `Date` go by a clock that is wrong |
//! | `{"kind": "rotate_key", "rotation": "overlapping"}` | another key signs; `new_kid` (if not said) and `same_kid` withdraw the old one |
//! | `{"kind": "withdraw_key", "kid": "ins_emulator_…"}` | the key is not in the JWKS |
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
//! # What is kept
//!
//! An emulator and its state file are bounded. When there are too many of one kind, the emulator drops the oldest that
//! nobody used:
//!
//! | what | at most |
//! |---|---|
//! | opaque access tokens | 10 000 |
//! | M2M tokens and API keys together | 10 000 |
//! | grants: what people allowed clients | 10 000; the one is dropped whose last refresh token is the oldest |
//! | refresh tokens | 20 000; used ones are dropped first |
//! | clients, registered or with a document | 1 000; those with grants are not dropped, and a client for which there is no room is refused |
//! | authorization requests that wait for a decision, and codes | 1 000 of each, for ten minutes |
//! | published keys, faults, counted paths | 16, 100, 10 000 |
//!
//! A request for a token has at most 8 KiB, one for an authorization 16 KiB.
//!
//! # Security
//!
//! Whoever reaches a running emulator can be anyone. So it binds loopback addresses only; refuses a
//! request with a foreign `Host` or `Origin`, or that came through a proxy; makes its keys afresh at
//! every start unless a file to keep them in is named; keeps of secrets that it gave away only digests; marks its key id with `ins_emulator_`, for a verifier to
//! refuse it elsewhere; and logs a warning every minute.

#[cfg(feature = "_fuzz")]
#[doc(hidden)]
pub use oauth::fuzz as __fuzz;

mod clock;
mod directory;
mod error;
mod faults;
mod instance;
mod keys;
mod local_only;
mod mcp_server;
mod mint;
mod oauth;
mod opaque;
mod permission;
mod request;
mod routes;
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
