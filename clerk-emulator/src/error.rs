//! What can go wrong: starting an emulator, registering an MCP server, and minting a token.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error;

use crate::request::TokenKind;

/// Why an instance or an emulator could not be made.
///
/// ```
/// use clerk_emulator::{Emulator, EmulatorOptions, Error};
///
/// # actix_rt::System::new().block_on(async {
/// let everywhere = EmulatorOptions::default().address("0.0.0.0:0".parse().unwrap());
/// let error = Emulator::start(everywhere).await.unwrap_err();
/// assert!(matches!(error, Error::NotLoopback { .. }));
/// # });
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The address can't be listened on.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
    /// The system has no randomness, or no memory for a key.
    #[error("cannot make a key")]
    KeyGeneration,
    /// An MCP server can't be registered.
    #[error(transparent)]
    McpServer(#[from] McpServerError),
    /// The address is reachable from elsewhere. An emulator signs in anybody as anyone.
    #[error("{address} is not a loopback address, and the emulator listens on nothing else")]
    NotLoopback {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The state file can't be read or written.
    #[error("cannot keep state in {}", path.display())]
    StateFile {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
    /// The state file exists and holds no state of an emulator.
    #[error("{} holds no emulator state; remove it to have a new one made", path.display())]
    StateFileContent {
        /// The file.
        path: PathBuf,
    },
    /// Another process uses the state file, or another emulator of this process.
    #[error("{} is in use by another emulator", path.display())]
    StateFileInUse {
        /// The file.
        path: PathBuf,
    },
    /// The state file can be read by others; on Unix only.
    #[error("{} can be read by others; make it 0600, or remove it to have a new one made", path.display())]
    StateFileMode {
        /// The file.
        path: PathBuf,
    },
    /// The server's thread could not be started, or ended before it served.
    #[error("cannot start the emulator's server")]
    Start {
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
}

/// Why an MCP server was not registered.
///
/// ```
/// use clerk_emulator::{Directory, Instance, McpServerError};
///
/// let clerk = Instance::new("http://127.0.0.1:4400", Directory::default())?;
/// let error = clerk.register_mcp_server("http://127.0.0.1:3000/mcp/").unwrap_err();
/// assert!(matches!(error, McpServerError::Url { .. }));
/// assert_eq!(
///     error.to_string(),
///     "`http://127.0.0.1:3000/mcp/` cannot be registered as an MCP server: it has a trailing slash"
/// );
/// # Ok::<(), clerk_emulator::Error>(())
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum McpServerError {
    /// The instance has as many registered MCP servers as it can have.
    #[error("{max} MCP servers are registered, and no more can be; restart the local Clerk")]
    TooMany {
        /// How many servers can be registered.
        max: usize,
    },
    /// The URL is not one that Clerk takes.
    #[error("`{url}` cannot be registered as an MCP server: {problem}")]
    Url {
        /// The URL.
        url: String,
        /// The reason why the URL cannot be registered.
        problem: &'static str,
    },
}

/// Why a token was not minted.
///
/// ```
/// use clerk_emulator::{Directory, Instance, MintError, TokenRequest};
///
/// let clerk = Instance::new("http://127.0.0.1:4400", Directory::default())?;
/// let mint = |request| clerk.mint(&request, 1_750_000_000).unwrap_err();
///
/// let error = mint(TokenRequest::oauth("linus").org("acme"));
/// assert_eq!(error.to_string(), "`linus` is no member of `acme` (organizations of `linus`: none)");
/// let error = mint(TokenRequest::session("ada").scopes(["email"]));
/// assert!(matches!(error, MintError::Inapplicable { field: "scopes", .. }));
/// # Ok::<(), clerk_emulator::Error>(())
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MintError {
    /// A feature or plan has no slug, or says in another way whose it is.
    #[error(
        "`{slug}` is no {what}: write `org:slug`, `user:slug`, or `slug` alone, of letters, digits, `_` and `-`"
    )]
    Slug {
        /// `feature` or `plan`.
        what: &'static str,
        /// As asked for.
        slug: String,
    },
    /// The claims are not those of an OAuth access token.
    #[error("the claims are not those of an OAuth access token")]
    Claims,
    /// The request has a field that tokens of this kind do not have.
    #[error("`{field}` does not go with a token of kind `{kind}`")]
    Inapplicable {
        /// The field.
        field: &'static str,
        /// The kind asked for.
        kind: TokenKind,
    },
    /// The request does not say whose token it is to be.
    #[error("a token of kind `{kind}` needs {field}")]
    Incomplete {
        /// What is missing, `` `user` `` for one.
        field: &'static str,
        /// The kind asked for.
        kind: TokenKind,
    },
    /// An opaque token has no header and no claims.
    #[error("a token of kind `{kind}` is opaque: it has neither header nor claims")]
    Opaque {
        /// The kind asked for.
        kind: TokenKind,
    },
    /// The person is no member of the organization, so Clerk would not issue such a token.
    #[error("`{user}` is no member of `{organization}` (organizations of `{user}`: {known})")]
    NotAMember {
        /// The person.
        user: String,
        /// The organization.
        organization: String,
        /// The slugs of the person's organizations.
        known: String,
    },
    /// Header or claims are not a JSON object.
    #[error("the {part} of a token is a JSON object")]
    NotAnObject {
        /// `header` or `claims`.
        part: &'static str,
    },
    /// The machine may not talk to the other one, so Clerk would not issue such a token.
    #[error("`{machine}` may not talk to `{other}` (it may talk to: {known})")]
    NotScoped {
        /// The machine.
        machine: String,
        /// The other one, as asked for.
        other: String,
        /// The ids of those that it may talk to.
        known: String,
    },
    /// A member has a permission that a session token can't carry.
    #[error(
        "a session token cannot carry `{permission}`: it is not of the form `org:<feature>:<action>`"
    )]
    Permission {
        /// The permission.
        permission: String,
    },
    /// There was no randomness for an id.
    #[error("cannot make an id")]
    Random,
    /// A scope is empty or has white space in it.
    #[error("`{scope}` is no scope: it is empty or has white space in it")]
    Scope {
        /// The scope as asked for.
        scope: String,
    },
    /// The key could not sign.
    #[error("cannot sign the token")]
    Signing,
    /// There is no such machine.
    #[error("there is no machine `{machine}` (machines: {known})")]
    UnknownMachine {
        /// The machine as asked for.
        machine: String,
        /// The names there are.
        known: String,
    },
    /// There is no such organization.
    #[error("there is no organization `{organization}` (organizations: {known})")]
    UnknownOrganization {
        /// The organization as asked for.
        organization: String,
        /// The slugs there are.
        known: String,
    },
    /// There is no such person.
    #[error("there is no user `{user}` (users: {known})")]
    UnknownUser {
        /// The user as asked for.
        user: String,
        /// The usernames there are.
        known: String,
    },
}
