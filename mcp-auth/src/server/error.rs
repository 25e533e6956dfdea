//! The error of a server that does not start.

use std::error::Error as StdError;
use std::fmt;
use std::panic::Location;

use thiserror::Error;

use crate::clerk::{ConnectError, FrontendUrlError, PublishableKeyError, SecretKeyError};
use crate::http::CanonicalError;
use crate::tool::RegistryError;

/// The result of starting a server, and of the `main` that starts one.
///
/// ```no_run
/// #[actix_web::main]
/// async fn main() -> mcp_auth::Result<()> {
///     let greeting = std::fs::read_to_string("greeting.txt")?;
///     mcp_auth::serve!(state = greeting).await
/// }
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a server did not start, or what ended it.
///
/// `main` prints the `Debug` of its error, so this type's `Debug` is one line for people. Any other
/// error converts into it with `?`; for that reason it is no [`std::error::Error`] itself.
///
/// Neither `Display` nor `Debug` shows a key or a token; of an error that was converted they show
/// what its own `Display` says, and that of its sources.
///
/// ```
/// fn port() -> mcp_auth::Result<u16> {
///     Ok("80b".parse()?)
/// }
///
/// let error = port().unwrap_err();
/// assert_eq!(error.to_string(), "invalid digit found in string");
/// // What the shell shows, after `Error: `:
/// assert_eq!(format!("{error:?}"), error.to_string());
/// ```
pub struct Error(Repr);

enum Repr {
    Start(StartError),
    Other(Box<dyn StdError + Send + Sync>),
}

impl<E: Into<Box<dyn StdError + Send + Sync>>> From<E> for Error {
    fn from(error: E) -> Self {
        Self(Repr::Other(error.into()))
    }
}

impl Error {
    pub(super) fn start(error: impl Into<StartError>) -> Self {
        Self(Repr::Start(error.into()))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut next: &dyn StdError = match &self.0 {
            Repr::Start(error) => error,
            Repr::Other(error) => &**error,
        };
        write!(f, "{next}")?;
        while let Some(source) = next.source() {
            write!(f, ": {source}")?;
            next = source;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What is wrong with a server's configuration or declarations. Each text names the fix.
#[derive(Debug, Error)]
pub(crate) enum StartError {
    #[error(
        "no Clerk instance is configured: set CLERK_PUBLISHABLE_KEY (or CLERK_FRONTEND_API_URL); for development, `serve!(emulator)` brings a local one"
    )]
    NoInstance,
    #[error("CLERK_PUBLISHABLE_KEY")]
    PublishableKey(#[from] PublishableKeyError),
    #[error("{name}")]
    FrontendUrl {
        name: &'static str,
        #[source]
        source: FrontendUrlError,
    },
    #[error("CLERK_SECRET_KEY")]
    SecretKey(#[from] SecretKeyError),
    #[error("CLERK_API_URL is not a URL")]
    ApiUrl(#[source] url::ParseError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("Clerk refuses CLERK_SECRET_KEY; take it anew from the dashboard's API keys")]
    SecretKeyRefused,
    #[error(
        "CLERK_SECRET_KEY belongs to another instance than the one that issues the tokens; take both keys from one instance"
    )]
    SecretKeyOfOtherInstance,
    #[error("{first} and {second} name two Clerk instances; unset one of them")]
    Disagree {
        first: &'static str,
        second: &'static str,
    },
    #[error(
        "CLERK_PUBLISHABLE_KEY is of a {publishable} instance and CLERK_SECRET_KEY of a {secret} one; take both from one instance"
    )]
    KeysOfTwoInstances {
        publishable: &'static str,
        secret: &'static str,
    },
    #[error("the issuer at {expected} calls itself {found}; set CLERK_FRONTEND_API_URL to that")]
    IssuerDiffers { expected: String, found: String },
    #[error("MCP_URL")]
    Canonical(#[from] CanonicalError),
    #[error(
        "MCP_URL is not set, and {host} is not loopback: set it to the public URL of the endpoint, like https://mcp.example.com"
    )]
    NoCanonical { host: String },
    #[error("{name} is `{value}`: {expected}")]
    BadValue {
        name: &'static str,
        value: String,
        expected: &'static str,
    },
    #[error(
        "tokens without an audience would be accepted at {url}: add `allowed_clients` or `require_scope`, or leave the audience policy at `Require`"
    )]
    OpenAudience { url: String },
    #[error(
        "no caller can ever pass the guard of {}: no accepted token carries roles or permissions; set CLERK_SECRET_KEY so that they are looked up, or accept session tokens",
        listed(.tools)
    )]
    Unresolvable {
        tools: Vec<(&'static str, &'static Location<'static>)>,
    },
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("no tools are declared in package `{package}`; annotate one with #[mcp_tool]")]
    NoTools { package: &'static str },
    #[error(
        "no tools are declared in `{path}`; of what is linked these modules declare some: {}",
        .modules.join(", ")
    )]
    NoToolsIn {
        path: String,
        modules: Vec<&'static str>,
    },
    #[error("no tool is left: the condition of `serve_tools_if` holds for none")]
    NoToolLeft,
    #[error("two values of type {0} were given as state; wrap one in a type of its own")]
    DuplicateState(&'static str),
    #[error(
        "`{scope}` is not a scope: one token of printable ASCII without space, quote and backslash"
    )]
    BadScope { scope: String },
    #[error(
        "the scopes {} contain themselves; drop one of these `scope_implies`",
        .scopes.join(" > ")
    )]
    ScopeCycle { scopes: Vec<String> },
    #[error("cannot listen on {address} (set PORT to another one, or stop what uses it)")]
    Bind {
        address: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the I/O thread cannot be started")]
    Io(#[source] std::io::Error),
    #[cfg(feature = "testing")]
    #[error("the key of the test cannot be read")]
    TestKey(#[source] crate::identity::PemError),
    #[cfg(feature = "emulator")]
    #[error(
        "the emulator runs in debug builds only: set CLERK_PUBLISHABLE_KEY, or MCP_AUTH_EMULATOR=1 if this is a development machine"
    )]
    EmulatorInRelease,
    #[cfg(feature = "emulator")]
    #[error(
        "the emulator runs on loopback only, and {what} is not: set CLERK_PUBLISHABLE_KEY to serve others"
    )]
    EmulatorExposed { what: String },
    #[cfg(feature = "emulator")]
    #[error("the emulator did not start")]
    Emulator(#[from] clerk_emulator::Error),
}

/// Tools with their places in the source.
fn listed(tools: &[(&'static str, &'static Location<'static>)]) -> String {
    let tools = tools
        .iter()
        .map(|(name, location)| format!("`{name}` ({location})"));
    tools.collect::<Vec<_>>().join(", ")
}
