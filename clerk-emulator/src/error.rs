//! The errors of starting an emulator, registering an MCP server and minting a token.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error;

use crate::request::TokenKind;

/// The reason why an instance or an emulator could not be created.
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
    /// The emulator cannot listen on the address.
    #[error("cannot listen on {address}")]
    Bind {
        /// The requested address.
        address: SocketAddr,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
    /// The system has no randomness, or no memory for a key.
    #[error("cannot generate a key")]
    KeyGeneration,
    /// An MCP server cannot be registered.
    #[error(transparent)]
    McpServer(#[from] McpServerError),
    /// The address is not a loopback address. Anybody who can connect to an emulator can sign in as any user, so other
    /// machines must not be able to connect.
    #[error("{address} is not a loopback address; the emulator listens on loopback addresses only")]
    NotLoopback {
        /// The requested address.
        address: SocketAddr,
    },
    /// The state file cannot be read or written.
    #[error("cannot keep state in {}", path.display())]
    StateFile {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
    /// The state file exists, and its content is not the state of an emulator.
    #[error("{} does not contain the state of an emulator; remove the file, so that a new file is created", path.display())]
    StateFileContent {
        /// The file.
        path: PathBuf,
    },
    /// Another process, or another emulator of this process, uses the state file.
    #[error("{} is in use by another emulator", path.display())]
    StateFileInUse {
        /// The file.
        path: PathBuf,
    },
    /// Other users can read the state file. Only Unix has this check.
    #[error("{} can be read by others; set its mode to 0600, or remove the file, so that a new file is created", path.display())]
    StateFileMode {
        /// The file.
        path: PathBuf,
    },
    /// The server's thread could not be started, or it ended before it served a request.
    #[error("cannot start the emulator's server")]
    Start {
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
}

/// The reason why an MCP server was not registered.
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
    /// The instance has the maximal number of registered MCP servers.
    #[error("{max} MCP servers are registered, which is the maximum; restart the local Clerk")]
    TooMany {
        /// The maximal number of registered servers.
        max: usize,
    },
    /// Clerk would not accept the URL.
    #[error("`{url}` cannot be registered as an MCP server: {problem}")]
    Url {
        /// The URL.
        url: String,
        /// The reason why the URL cannot be registered.
        problem: &'static str,
    },
}

/// The reason why a token was not minted.
///
/// ```
/// use clerk_emulator::{Directory, Instance, MintError, TokenRequest};
///
/// let clerk = Instance::new("http://127.0.0.1:4400", Directory::default())?;
/// let mint = |request| clerk.mint(&request, 1_750_000_000).unwrap_err();
///
/// let error = mint(TokenRequest::oauth("linus").org("acme"));
/// assert_eq!(error.to_string(), "`linus` is not a member of `acme` (organizations of `linus`: none)");
/// let error = mint(TokenRequest::session("ada").scopes(["email"]));
/// assert!(matches!(error, MintError::Inapplicable { field: "scopes", .. }));
/// # Ok::<(), clerk_emulator::Error>(())
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MintError {
    /// A feature or plan has no slug, or its owner is neither `org` nor `user`.
    #[error(
        "`{slug}` is not a {what}; write `org:NAME`, `user:NAME` or only `NAME`; NAME consists of letters, digits, `_` and `-`"
    )]
    Slug {
        /// `feature` or `plan`.
        what: &'static str,
        /// The slug as requested.
        slug: String,
    },
    /// A claim that an OAuth access token must have is missing or has the wrong type.
    #[error("these claims are not valid for an OAuth access token")]
    Claims,
    /// The request has a field that tokens of this kind do not have.
    #[error("`{field}` does not apply to a token of kind `{kind}`")]
    Inapplicable {
        /// The field.
        field: &'static str,
        /// The requested kind.
        kind: TokenKind,
    },
    /// The request does not name the user, organization or machine of the token.
    #[error("a token of kind `{kind}` needs {field}")]
    Incomplete {
        /// The missing field, for example `` `user` ``.
        field: &'static str,
        /// The requested kind.
        kind: TokenKind,
    },
    /// An opaque token has no header and no claims.
    #[error("a token of kind `{kind}` is opaque: it has neither header nor claims")]
    Opaque {
        /// The requested kind.
        kind: TokenKind,
    },
    /// The person is not a member of the organization, so Clerk would not issue the token.
    #[error("`{user}` is not a member of `{organization}` (organizations of `{user}`: {known})")]
    NotAMember {
        /// The person.
        user: String,
        /// The organization.
        organization: String,
        /// The slugs of the person's organizations.
        known: String,
    },
    /// The header or the claims are not a JSON object.
    #[error("the {part} of a token must be a JSON object")]
    NotAnObject {
        /// `header` or `claims`.
        part: &'static str,
    },
    /// The machine may not talk to the other machine, so Clerk would not issue the token.
    #[error("`{machine}` may not talk to `{other}` (it may talk to: {known})")]
    NotScoped {
        /// The machine.
        machine: String,
        /// The other machine, as requested.
        other: String,
        /// The ids of the machines that `machine` may talk to.
        known: String,
    },
    /// A member has a permission that a session token cannot contain.
    #[error(
        "a session token cannot contain the permission `{permission}`, because the permission does not have the form `org:<feature>:<action>`"
    )]
    Permission {
        /// The permission.
        permission: String,
    },
    /// The system has no randomness for an id.
    #[error("cannot generate an id")]
    Random,
    /// A scope is empty or has white space in it.
    #[error("`{scope}` is not a scope: it is empty or has white space in it")]
    Scope {
        /// The scope as requested.
        scope: String,
    },
    /// The key could not sign.
    #[error("cannot sign the token")]
    Signing,
    /// There is no such machine.
    #[error("there is no machine `{machine}` (machines: {known})")]
    UnknownMachine {
        /// The machine as requested.
        machine: String,
        /// The names of the known machines.
        known: String,
    },
    /// There is no such organization.
    #[error("there is no organization `{organization}` (organizations: {known})")]
    UnknownOrganization {
        /// The organization as requested.
        organization: String,
        /// The slugs of the known organizations.
        known: String,
    },
    /// There is no such person.
    #[error("there is no user `{user}` (users: {known})")]
    UnknownUser {
        /// The user as requested.
        user: String,
        /// The usernames of the known people.
        known: String,
    },
}
