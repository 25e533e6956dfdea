//! The error of a server that does not start.

use std::error::Error as StdError;
use std::fmt;
use std::net::IpAddr;

#[cfg(feature = "emulator")]
use clerk_emulator::DirectoryFileError;
use thiserror::Error;

use crate::clerk::{
    ConnectError, FrontendUrlError, MachineKeyError, PublishableKeyError, SecretKeyError,
};
use crate::http::{BadEntry, CanonicalError};
use crate::identity::PemError;
use crate::limits::NotANetwork;
use crate::tool::RegistryError;

use super::satisfiable::Unsatisfiable;
use super::settings::Names;

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
        let error: &dyn StdError = match &self.0 {
            Repr::Start(error) => error,
            Repr::Other(error) => &**error,
        };
        write_chain(f, error)?;
        match &self.0 {
            Repr::Start(error) => error
                .remedy()
                .map_or(Ok(()), |remedy| write!(f, "; {remedy}")),
            Repr::Other(_) => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What is wrong with a server's configuration or declarations. A text says what;
/// [`remedy`](StartError::remedy) says what to do, where the text does not.
///
/// A setting is named as it was made: by the variable, or by the builder's method.
#[derive(Debug, Error)]
pub(crate) enum StartError {
    #[error("no Clerk instance is configured")]
    NoInstance {
        /// The settings that keep a local Clerk off because they are those of an instance.
        emulator_kept_off_by: Vec<&'static str>,
    },
    #[error("{name}")]
    PublishableKey {
        name: &'static str,
        #[source]
        source: PublishableKeyError,
    },
    #[error("{name}")]
    FrontendUrl {
        name: &'static str,
        #[source]
        source: FrontendUrlError,
    },
    #[error("{name}")]
    SecretKey {
        name: &'static str,
        #[source]
        source: SecretKeyError,
    },
    #[error("{name}")]
    MachineKey {
        name: &'static str,
        #[source]
        source: MachineKeyError,
    },
    #[error("{name} is not a machine's id, which begins `mch_`")]
    MachineId { name: &'static str },
    #[error("`m2m_tokens` does not know which machine this server is")]
    NoMachine,
    #[error("`session_tokens(AuthorizedParties::only([]))` names no origin")]
    NoParty,
    #[error("`{value}` in {name} {}", .bad.problem)]
    BadEntry {
        /// The setting of the list.
        name: &'static str,
        value: String,
        bad: BadEntry,
    },
    #[error("{name}")]
    TrustedProxies {
        name: &'static str,
        #[source]
        source: NotANetwork,
    },
    #[error("{name} trusts every address")]
    EverybodyTrusted { name: &'static str },
    #[error("`api_keys(ApiKeyScopes::all_of([]))` names no scope")]
    NoKeyScope,
    #[error("`{setting}` asks Clerk's Backend API, and there is no secret key")]
    NeedsSecretKey { setting: &'static str },
    #[error("no kind of token is accepted")]
    NoKind,
    #[error("{name} is not a URL")]
    ApiUrl {
        name: &'static str,
        #[source]
        source: url::ParseError,
    },
    #[error("{name} must be https (http is for loopback only)")]
    UnsafeApiUrl { name: &'static str },
    #[error("{name} can't be used")]
    JwtKey {
        name: &'static str,
        #[source]
        source: PemError,
    },
    #[error(transparent)]
    Connect(ConnectError),
    #[error("Clerk refuses {name}")]
    SecretKeyRefused { name: &'static str },
    #[error("Clerk refuses {name}")]
    MachineKeyRefused { name: &'static str },
    #[error("{name} belongs to another instance than {than}")]
    SecretKeyOfOtherInstance {
        name: &'static str,
        /// The issuer of the tokens, or the setting of the key that verifies them.
        than: &'static str,
    },
    #[error("{first} and {second} name two Clerk instances")]
    Disagree {
        first: &'static str,
        second: &'static str,
    },
    #[error("{publishable} is of a {publishable_of} instance and {secret} of a {secret_of} one")]
    KeysOfTwoInstances {
        publishable: &'static str,
        publishable_of: &'static str,
        secret: &'static str,
        secret_of: &'static str,
    },
    #[error("the issuer at {expected} calls itself {}", .found.as_deref().unwrap_or("nothing"))]
    IssuerDiffers {
        /// The setting that names it.
        name: &'static str,
        expected: String,
        found: Option<String>,
    },
    #[error("{name}")]
    Canonical {
        name: &'static str,
        #[source]
        source: CanonicalError,
    },
    #[error("{name} is plain http, and its host {host} does not resolve")]
    UnresolvedUrl {
        name: &'static str,
        host: String,
        #[source]
        source: std::io::Error,
    },
    #[error(
        "{name} is plain http, and its host {host} has the address {address}, which is not private"
    )]
    PublicUrl {
        name: &'static str,
        host: String,
        address: IpAddr,
    },
    #[error("MCP_URL is not set, and {host} is not loopback")]
    NoCanonical { host: String },
    #[error("{name} is `{value}`: {expected}")]
    BadValue {
        name: &'static str,
        value: String,
        expected: &'static str,
    },
    /// The process may not have the descriptors for so many connections.
    #[error(
        "`connections` is {connections}, and with {descriptors} descriptors there is room for {possible}"
    )]
    Descriptors {
        connections: usize,
        possible: usize,
        descriptors: u64,
    },
    #[error("`connections_per_network` is {per_network}, more than `connections`, {connections}")]
    PerNetwork {
        per_network: usize,
        connections: usize,
    },
    #[error("`{name}` is 0")]
    ZeroLimit { name: &'static str },
    #[error("tokens without an audience would be accepted at {url}")]
    OpenAudience { url: String },
    /// A local Clerk is believed by a server that other machines reach.
    #[error("the server listens on {host}, and its Clerk is the local {issuer}")]
    LocalClerkExposed { host: String, issuer: String },
    #[error(
        "no caller can ever pass the guard of {}",
        .tools.iter().map(Unsatisfiable::to_string).collect::<Vec<_>>().join("; and of ")
    )]
    Unsatisfiable { tools: Vec<Unsatisfiable> },
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("no tools of package `{package}` are in this program")]
    NoTools { package: &'static str },
    #[error(
        "no tools are declared in `{path}`; {}",
        match .modules.as_slice() {
            [] => "nothing that is linked declares any".to_owned(),
            some => format!("of what is linked these modules declare some: {}", some.join(", ")),
        }
    )]
    NoToolsIn {
        path: String,
        modules: Vec<&'static str>,
    },
    #[error("no tool is left: the condition of `serve_tools_if` holds for none")]
    NoToolLeft,
    #[error("two values of type {0} were given as state")]
    DuplicateState(&'static str),
    #[error(
        "`{scope}` is not a scope: one token of printable ASCII without space, quote and backslash"
    )]
    BadScope { scope: String },
    #[error("the scopes {} contain themselves", .scopes.join(" > "))]
    ScopeCycle { scopes: Vec<String> },
    #[error("cannot listen on {address}")]
    Bind {
        /// The setting of the port.
        name: &'static str,
        address: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the I/O thread cannot be started")]
    Io(#[source] std::io::Error),
    #[error("the check found {}", counted(*.errors, "error"))]
    Checked { errors: usize },
    #[cfg(feature = "testing")]
    #[error("the key of the test cannot be read")]
    TestKey(#[source] PemError),
    #[cfg(feature = "emulator")]
    #[error("the emulator runs in debug builds only")]
    EmulatorInRelease,
    #[cfg(feature = "emulator")]
    #[error("the emulator runs on loopback only, and {what} is not")]
    EmulatorExposed { what: String },
    #[cfg(feature = "emulator")]
    #[error("the emulator did not start")]
    Emulator(#[from] clerk_emulator::Error),
    #[cfg(feature = "emulator")]
    #[error("the people and roles of the local Clerk")]
    EmulatorPeople(#[from] DirectoryFileError),
}

impl StartError {
    /// What Clerk's settings can't be used for, by the names they were made with.
    pub(super) fn connect(error: ConnectError, names: Names) -> Self {
        match error {
            ConnectError::ApiUrl => Self::UnsafeApiUrl {
                name: names.api_url,
            },
            ConnectError::JwtKey(source) => Self::JwtKey {
                name: names.jwt_key,
                source,
            },
            error => Self::Connect(error),
        }
    }

    /// Why it matters.
    pub(super) fn why(&self) -> &'static str {
        match self {
            Self::NoInstance { .. } => "only tokens of an instance are believed",
            Self::Disagree { .. } => "only one issuer's tokens are believed",
            Self::PublishableKey { .. } | Self::FrontendUrl { .. } => {
                "it says whose tokens are believed"
            }
            Self::IssuerDiffers { .. } => {
                "the issuer in a token is compared byte for byte: none would be accepted"
            }
            Self::SecretKey { .. } => {
                "it is sent to Clerk with every look-up, and no other secret may be"
            }
            Self::ApiUrl { .. } | Self::UnsafeApiUrl { .. } => "the secret key is sent there",
            Self::MachineKey { .. } | Self::MachineKeyRefused { .. } => {
                "Clerk is asked with it about every opaque machine's token"
            }
            Self::MachineId { .. } => "machines' tokens are accepted if they are meant for it",
            Self::NoParty => "every session token would be refused",
            Self::BadEntry { .. } => {
                "no browser and no client writes it like that: no request would match it"
            }
            Self::TrustedProxies { .. } | Self::EverybodyTrusted { .. } => {
                "a trusted proxy is believed about the address that its clients are limited by"
            }
            Self::NoMachine => {
                "any machine's token of the instance would be a credential here, whomever it is for"
            }
            Self::NoKeyScope => "every API key of the instance would be a credential here",
            Self::NeedsSecretKey { .. } => "without an answer nobody could be let in",
            Self::NoKind => "everybody would be refused",
            Self::SecretKeyRefused { .. } => {
                "without it no role and no permission can be looked up"
            }
            Self::SecretKeyOfOtherInstance { .. } | Self::KeysOfTwoInstances { .. } => {
                "memberships would be looked up among strangers"
            }
            Self::JwtKey { .. } => "it is to verify every token",
            Self::Canonical { .. } | Self::NoCanonical { .. } => {
                "clients ask for tokens for that URL, and tokens for another one are refused"
            }
            Self::UnresolvedUrl { .. } | Self::PublicUrl { .. } => {
                "access tokens would cross a network in the clear, and `dangerous_http_url` permits that in a \
                 private network only"
            }
            Self::OpenAudience { .. } => {
                "Clerk issues the same kind of token to every OAuth application of an instance"
            }
            Self::LocalClerkExposed { .. } => {
                "a local Clerk gives everybody a token as anybody, so only this machine may reach a server that believes it"
            }
            Self::Unsatisfiable { .. } => "a tool that denies everybody is a mistake",
            _ => "the server does not start",
        }
    }

    /// What to do, unless the text says that itself.
    pub(super) fn remedy(&self) -> Option<String> {
        let remedy = match self {
            Self::NoInstance {
                emulator_kept_off_by: settings,
            } if !settings.is_empty() => {
                return Some(format!(
                    "set CLERK_PUBLISHABLE_KEY (or CLERK_FRONTEND_API_URL); or, for the local Clerk, take \
                     away {}",
                    settings.join(", ")
                ));
            }
            Self::NoInstance { .. } => {
                "set CLERK_PUBLISHABLE_KEY (or CLERK_FRONTEND_API_URL); for development, \
                 `serve!(emulator)` brings a local one"
            }
            Self::PublishableKey { .. } | Self::SecretKey { .. } => {
                "copy it from the dashboard's API keys"
            }
            Self::Descriptors { .. } => "raise `ulimit -n`, or set fewer connections",
            Self::PerNetwork { .. } => "set at most as many for a network as in all",
            Self::ZeroLimit { .. } => "set more, or take the setting away for its default",
            Self::NoParty => "name the origins of your pages, or say `AuthorizedParties::any()`",
            Self::BadEntry { bad, .. } => return Some(bad.remedy.clone()),
            Self::MachineId { .. } | Self::MachineKey { .. } | Self::MachineKeyRefused { .. } => {
                "copy it from the machine's page in the dashboard"
            }
            Self::TrustedProxies { .. } => {
                "list addresses and prefixes, separated by commas; names of hosts are not resolved"
            }
            Self::EverybodyTrusted { .. } => "list the addresses of the proxies only",
            Self::NoMachine => {
                "set CLERK_MACHINE_ID (`mch_…`) or CLERK_MACHINE_SECRET_KEY, as the dashboard's page \
                 of this server's machine has them"
            }
            Self::NoKeyScope => {
                "name the scopes that every key must have, or say `ApiKeyScopes::any_key()`"
            }
            Self::NeedsSecretKey { .. } => "set CLERK_SECRET_KEY",
            Self::NoKind => {
                "drop `without_oauth_tokens`, or add `session_tokens`, `m2m_tokens` or `api_keys`"
            }
            Self::JwtKey { .. } => "copy the public key (PEM) from the dashboard's API keys",
            Self::FrontendUrl { .. } => "copy the Frontend API URL from the dashboard's API keys",
            Self::ApiUrl { .. } | Self::UnsafeApiUrl { .. } => {
                "unset it, unless the Backend API is somewhere else than Clerk's"
            }
            Self::Canonical { .. } => "set it like https://mcp.example.com/mcp",
            Self::UnresolvedUrl { .. } => {
                "start the server in the network that knows the name, or set it to an https URL"
            }
            Self::PublicUrl { .. } => {
                "set it to an https URL, or to a name that has private addresses alone"
            }
            Self::SecretKeyRefused { .. } => "take it anew from the dashboard's API keys",
            Self::SecretKeyOfOtherInstance { .. } => "take both keys from one instance",
            Self::KeysOfTwoInstances { .. } => "take both from one instance",
            Self::Disagree { .. } => "unset one of them",
            Self::IssuerDiffers {
                name,
                found: Some(_),
                ..
            } => return Some(format!("have {name} name that one")),
            Self::IssuerDiffers { name, .. } => {
                return Some(format!("have {name} name a Clerk instance"));
            }
            Self::NoCanonical { .. } => {
                "set it to the public URL of the endpoint, like https://mcp.example.com"
            }
            Self::LocalClerkExposed { .. } => {
                "set HOST to 127.0.0.1, or CLERK_PUBLISHABLE_KEY to the key of an instance"
            }
            Self::OpenAudience { .. } => {
                "add `allowed_clients` or `require_scope`, or leave the audience policy at `Require`"
            }
            Self::NoTools { package } => {
                let name = package.replace('-', "_");
                return Some(format!(
                    "annotate a function with #[mcp_tool]; if there are some, in src/lib.rs or in another \
                     crate, name that crate, since a crate that nothing names is not linked: \
                     `use {name} as _;` in main.rs, or `serve!(tools = [{name}])`"
                ));
            }
            Self::DuplicateState(_) => "wrap one in a type of its own",
            Self::ScopeCycle { .. } => "drop one of these `scope_implies`",
            Self::Bind { name, .. } => {
                return Some(format!("set {name} to another one, or stop what uses it"));
            }
            #[cfg(feature = "emulator")]
            Self::EmulatorInRelease => {
                "set CLERK_PUBLISHABLE_KEY, or MCP_AUTH_EMULATOR=1 if this is a development machine"
            }
            #[cfg(feature = "emulator")]
            Self::EmulatorPeople(DirectoryFileError::Unreadable { .. }) => {
                "in `serve!(emulator = \"…\")` a path is relative to the package's Cargo.toml"
            }
            #[cfg(feature = "emulator")]
            Self::EmulatorExposed { .. } => "set CLERK_PUBLISHABLE_KEY to serve others",
            _ => return None,
        };
        Some(remedy.to_owned())
    }
}

/// An error and its sources, in one line.
pub(super) fn write_chain(f: &mut impl fmt::Write, error: &dyn StdError) -> fmt::Result {
    write!(f, "{error}")?;
    error.source().map_or(Ok(()), |source| {
        f.write_str(": ")?;
        write_chain(f, source)
    })
}

/// A number of things: `1 error`, `2 errors`.
pub(super) fn counted(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}
