//! What a server is told: in code, and for the rest by the environment.

mod clerk;
mod connections;
mod limits;
mod organizations;
mod proxies;
mod schemas;
mod scopes;
mod serving;
mod tokens;

use std::fmt;
#[cfg(feature = "emulator")]
use std::path::PathBuf;
use std::time::Duration;

#[cfg(feature = "emulator")]
use clerk_emulator::Directory;

use crate::identity::{ApiKeyScopes, AuthorizedParties, DEFAULT_CACHE_BYTES, OrganizationSources};
use crate::protocol::AnonymousAccess;
use crate::tool::{Rate, States, ToolInfo};

use super::check::{self, CheckReport};
#[cfg(feature = "emulator")]
use super::emulator::People;
use super::environment::Environment;
use super::error::{Error, Result};
use super::load::LoadSettings;
use super::private_url::{Resolve, system};
use super::selection::Selection;
use super::start::{self, Server};

pub(super) use connections::descriptors;
pub(super) use proxies::trusted_proxies;
pub use tokens::AudiencePolicy;

use connections::Connections;

/// Configures a server. Made by [`server!`](crate::server); code wins over the environment.
///
/// The strictest policy is the default. Each method that loosens a check says so in a `Security`
/// section. What a method is given is checked by [`build`](Self::build), [`serve`](Self::serve) and
/// [`start`](Self::start), which name what is wrong; an empty variable counts as unset.
///
/// For production, with everything said in code:
///
/// ```
/// # /// Greet.
/// # #[mcp_auth::mcp_tool]
/// # async fn greet() -> String { "Hello".to_owned() }
/// # struct Documents;
/// # let secret_key = "sk_live_1";
/// let builder = mcp_auth::server!(state = Documents)
///     .name("documents")
///     .version("2.1.0")
///     .title("Acme Documents")
///     .instructions("List the documents before you read one.")
///     .publishable_key("pk_live_Y2xlcmsuZXhhbXBsZS5jb20k")
///     .secret_key(secret_key)
///     .url("https://mcp.example.com")
///     .host("0.0.0.0")
///     .port(8080)
///     .allowed_origins(["https://app.example.com"])
///     .require_scope("documents:read")
///     .resource_documentation("https://example.com/developers");
/// # #[cfg(feature = "testing")]
/// # let _ = mcp_auth::testing::TestServer::of(builder.tools_of(module_path!()));
/// ```
///
/// One of several servers in a process, behind a proxy, on a machine that cannot reach Clerk: the
/// tools are those of a module, and the key is given.
///
/// ```
/// # let (pem, ledger) = ("-----BEGIN PUBLIC KEY-----", 7_u32);
/// let billing = mcp_auth::server!()
///     .tools_of("my_app::billing")
///     .state(ledger)
///     .frontend_api_url("clerk.example.com")
///     .jwt_key(pem)
///     .allow_unsatisfiable_guards()
///     .url("https://example.com/billing/mcp")
///     .path("/billing/mcp")
///     .allowed_hosts(["example.com", "10.0.0.7:3000"])
///     .audience("https://example.com/billing")
///     .scopes_supported(["profile", "billing:read"])
///     .resource_name("Billing")
///     .without_legacy_discovery();
/// # let _ = billing;
/// ```
///
/// The limits, here at half of their defaults:
///
/// ```
/// use std::time::Duration;
///
/// use mcp_auth::Rate;
///
/// let builder = mcp_auth::server!()
///     .calls_in_flight(32)
///     .calls_in_flight_per_user(128)
///     .anonymous_calls_in_flight(32)
///     .anonymous_calls_in_flight_per_network(8)
///     .tool_threads(32)
///     .body_bytes_in_flight(32 * 1024 * 1024)
///     .body_bytes_in_flight_per_user(8 * 1024 * 1024)
///     .rates([Rate::new("3000/min per user")])
///     .failed_authentications_per_minute(500)
///     .body_limit(2 * 1024 * 1024)
///     .body_deadline(Duration::from_secs(15))
///     .timeout(Duration::from_secs(30));
/// # let _ = builder;
/// ```
#[must_use = "a builder does nothing until it is built or served"]
pub struct ServerBuilder {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) title: Option<String>,
    pub(super) instructions: Option<String>,
    pub(super) selection: Selection,
    pub(super) states: States,
    pub(super) duplicate_state: Option<&'static str>,
    pub(super) publishable_key: Option<String>,
    pub(super) frontend_api_url: Option<String>,
    pub(super) secret_key: Option<String>,
    pub(super) machine_id: Option<String>,
    pub(super) machine_secret_key: Option<String>,
    pub(super) api_url: Option<String>,
    pub(super) jwt_key: Option<String>,
    pub(super) url: Option<String>,
    pub(super) dangerous_http_url: bool,
    pub(super) resolve: Resolve,
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) path: String,
    pub(super) audience: Option<String>,
    pub(super) audience_policy: Option<AudiencePolicy>,
    pub(super) ignore_audience: bool,
    pub(super) allowed_clients: Option<Vec<String>>,
    pub(super) allowed_hosts: Option<Vec<String>>,
    pub(super) allowed_origins: Option<Vec<String>>,
    pub(super) oauth_tokens: bool,
    pub(super) sessions: Option<AuthorizedParties>,
    pub(super) m2m_tokens: bool,
    pub(super) api_keys: Option<ApiKeyScopes>,
    pub(super) check_users: bool,
    pub(super) token_cache_age: Option<Duration>,
    pub(super) token_cache_bytes: usize,
    pub(super) required_scopes: Vec<String>,
    pub(super) scope_implications: Vec<(String, Vec<String>)>,
    pub(super) scopes_supported: Option<Vec<String>>,
    pub(super) resource_name: Option<String>,
    pub(super) resource_documentation: Option<String>,
    pub(super) trust_token_org: bool,
    pub(super) organization_sources: OrganizationSources,
    pub(super) allow_unsatisfiable_guards: bool,
    pub(super) anonymous: AnonymousAccess,
    pub(super) security_schemes: bool,
    pub(super) lenient_arguments: bool,
    pub(super) closed_schemas: bool,
    pub(super) scope_denials_as_results: bool,
    pub(super) organization_step_up: bool,
    pub(super) legacy_discovery: bool,
    pub(super) rates: Vec<Rate>,
    pub(super) load: LoadSettings,
    pub(super) new_opaque_tokens: Option<usize>,
    pub(super) membership_look_ups: Option<usize>,
    pub(super) trusted_proxies: Option<Vec<String>>,
    pub(super) connections: Connections,
    pub(super) failures_per_minute: u32,
    pub(super) body_limit: usize,
    pub(super) body_deadline: Duration,
    pub(super) timeout: Duration,
    pub(super) emulator: bool,
    #[cfg(feature = "emulator")]
    pub(super) emulator_people: People,
    /// Whether the local Clerk may keep its state in a file.
    #[cfg(feature = "emulator")]
    pub(super) emulator_state: bool,
    /// The settings that keep the local Clerk off, if it was asked for: those of a Clerk instance.
    pub(super) emulator_kept_off_by: Vec<&'static str>,
    #[cfg(feature = "testing")]
    pub(super) clock: Option<crate::testing::TestClock>,
}

impl ServerBuilder {
    /// What `server!` calls, with the calling package's name and version.
    #[doc(hidden)]
    pub fn of_package(package: &'static str, version: &'static str) -> Self {
        Self {
            name: package.to_owned(),
            version: version.to_owned(),
            title: None,
            instructions: None,
            selection: Selection::of_package(package),
            states: States::default(),
            duplicate_state: None,
            publishable_key: None,
            frontend_api_url: None,
            secret_key: None,
            machine_id: None,
            machine_secret_key: None,
            api_url: None,
            jwt_key: None,
            url: None,
            dangerous_http_url: false,
            resolve: system,
            host: None,
            port: None,
            path: "/mcp".to_owned(),
            audience: None,
            audience_policy: None,
            ignore_audience: false,
            allowed_clients: None,
            allowed_hosts: None,
            allowed_origins: None,
            oauth_tokens: true,
            sessions: None,
            m2m_tokens: false,
            api_keys: None,
            check_users: false,
            token_cache_age: None,
            token_cache_bytes: DEFAULT_CACHE_BYTES,
            required_scopes: Vec::new(),
            scope_implications: Vec::new(),
            scopes_supported: None,
            resource_name: None,
            resource_documentation: None,
            trust_token_org: false,
            organization_sources: OrganizationSources::default(),
            allow_unsatisfiable_guards: false,
            anonymous: AnonymousAccess::None,
            security_schemes: true,
            lenient_arguments: false,
            closed_schemas: true,
            scope_denials_as_results: false,
            organization_step_up: false,
            legacy_discovery: true,
            rates: vec![limits::DEFAULT_RATE],
            load: LoadSettings::default(),
            new_opaque_tokens: None,
            membership_look_ups: None,
            trusted_proxies: None,
            connections: Connections::default(),
            failures_per_minute: 1000,
            body_limit: 4 * 1024 * 1024,
            body_deadline: Duration::from_secs(30),
            timeout: Duration::from_secs(60),
            emulator: false,
            #[cfg(feature = "emulator")]
            emulator_people: People::default(),
            #[cfg(feature = "emulator")]
            emulator_state: true,
            emulator_kept_off_by: Vec::new(),
            #[cfg(feature = "testing")]
            clock: None,
        }
    }

    /// Gives the tools a value to take as [`&State<T>`](crate::State); one value a type, so a second
    /// one of the same type is a start-up error.
    pub fn state<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        if !self.states.insert(value) {
            self.duplicate_state = Some(std::any::type_name::<T>());
        }
        self
    }

    /// Names a module, as `module_path!()` spells it, whose tools are served with those of the
    /// modules below it; may be called several times.
    ///
    /// A module of the calling package narrows: of that package only what is named is served. A
    /// crate, or a module of one, adds its tools to those of the calling package. `tools = […]` of
    /// [`server!`](crate::server) does the same with paths that the compiler checks, and has them
    /// linked. A module without a tool is a start-up error.
    ///
    /// ```
    /// let billing = mcp_auth::server!().tools_of("my_app::billing").path("/billing");
    /// # let _ = billing;
    /// ```
    pub fn tools_of(mut self, module: impl Into<String>) -> Self {
        self.selection.name(module.into());
        self
    }

    /// What `tools = […]` calls, with the path as it was written in `module`.
    #[doc(hidden)]
    pub fn tools_in(mut self, module: &str, path: &str) -> Self {
        self.selection.name_in(module, path);
        self
    }

    /// Serves, of the tools that would be served, those for which the condition holds; with several
    /// conditions all have to hold. If that leaves none, it is a start-up error.
    ///
    /// ```
    /// let reading = mcp_auth::server!().serve_tools_if(|tool| tool.is_read_only());
    /// # let _ = reading;
    /// ```
    pub fn serve_tools_if(
        mut self,
        condition: impl Fn(&ToolInfo) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.selection.only_if(condition);
        self
    }

    /// Names the server to clients (`serverInfo.name`); the default is the package's name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Names the server's version (`serverInfo.version`); the default is the package's.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// Names the server to people (`serverInfo.title`); nothing by default.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Tells the model how to use the server: `instructions` of `server/discover` and `initialize`;
    /// nothing by default.
    ///
    /// Everybody who may ask reads the same text, whatever they may call.
    pub fn instructions(mut self, instructions: impl Into<String>) -> Self {
        self.instructions = Some(instructions.into());
        self
    }

    /// Runs a local Clerk inside the process if nothing of Clerk's is configured: no instance, key or Backend API
    /// in code, and none of the variables that the README lists under *The local Clerk*.
    ///
    /// Its people are made to fit the served tools:
    ///
    /// - `ada`, admin of `acme`, and `margaret`, admin of `globex`, have every permission that the tools ask for.
    ///   Both organizations have every feature and plan, and both admins those of a `user:`.
    /// - `grace`, member of `acme`, has the permissions whose action is `read`, `list` or `view`.
    /// - `linus` is in no organization.
    ///
    /// [`emulator_file`](Self::emulator_file) and [`emulator_directory`](Self::emulator_directory) replace them.
    ///
    /// The server is registered there as an MCP server under its canonical URL and its other names on loopback, so
    /// the tokens that clients fetch name it as their audience. The default scopes are the advertised ones, `openid`
    /// and `offline_access`. A client that registers itself may ask for the scopes that it registered with, or for
    /// the default scopes if it named none, as at Clerk: its step-up to the scope of a single tool is
    /// `invalid_scope`, unless [`scopes_supported`](Self::scopes_supported) advertises that scope.
    ///
    /// Clients stay signed in over a restart: the local Clerk keeps its port, keys, clients and tokens in
    /// `target/mcp-auth/<program>.json`, which only its owner can read. People, roles, scopes and the registered
    /// server are those of the code, at each start. To start afresh, delete the file. A program that is in no target
    /// directory of cargo keeps no state, and says so in the log. The variable `MCP_AUTH_EMULATOR_STATE` names
    /// another file, or is `off`. Tests keep no state.
    ///
    /// ```no_run
    /// # async fn example() -> mcp_auth::Result<()> {
    /// let running = mcp_auth::server!().emulator().port(0).start().await?;
    /// println!("{}/dev/token?user=ada&org=acme", running.issuer());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Security
    ///
    /// It signs tokens for whoever asks on loopback. It refuses to start in a release build without
    /// `MCP_AUTH_EMULATOR=1`, and beside any address that is not loopback.
    #[cfg(feature = "emulator")]
    pub fn emulator(mut self) -> Self {
        self.emulator = true;
        self
    }

    /// Runs a local Clerk, as [`emulator`](Self::emulator) does, with the people and roles of a TOML file. The path
    /// is relative to the working directory; `emulator = "clerk.toml"` of [`serve!`](crate::serve) and
    /// [`server!`](crate::server) names a file beside the package's `Cargo.toml`.
    ///
    /// The file is read at each start. People have exactly the permissions, features and plans that it gives them,
    /// admins too. The log warns of permissions and roles that tools ask for and the file does not have. The form is
    /// in the README, under *The local Clerk*.
    ///
    /// ```no_run
    /// # async fn serve() -> mcp_auth::Result<()> {
    /// mcp_auth::server!().emulator_file("people/clerk.toml").serve().await
    /// # }
    /// ```
    ///
    /// A file that is missing, or that holds something else, is a start-up error with its path, line and column.
    ///
    /// # Security
    ///
    /// See [`emulator`](Self::emulator).
    #[cfg(feature = "emulator")]
    pub fn emulator_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.emulator_people = People::File(path.into());
        self.emulator()
    }

    /// Runs a local Clerk, as [`emulator`](Self::emulator) does, with exactly these people and roles.
    ///
    /// ```
    /// use mcp_auth::Directory;
    ///
    /// # fn main() -> mcp_auth::Result<()> {
    /// let people = Directory::parse(r#"
    ///     [roles.bookkeeper]
    ///     permissions = ["org:invoices:pay"]
    ///     [users.kay]
    ///     [organizations.parc]
    ///     members = { kay = "bookkeeper" }
    /// "#)?;
    /// let server = mcp_auth::server!().emulator_directory(people);
    /// # let _ = server;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Security
    ///
    /// See [`emulator`](Self::emulator).
    #[cfg(feature = "emulator")]
    pub fn emulator_directory(mut self, directory: Directory) -> Self {
        self.emulator_people = People::Directory(Box::new(directory));
        self.emulator()
    }

    /// Looks for everything that is wrong, or not as it should be: in the configuration, at the
    /// instance, and of both against what the tools ask for. Serves nothing and listens nowhere.
    ///
    /// [`serve`](Self::serve) does that with `MCP_AUTH=check`. It takes as long as the slowest answer of
    /// Clerk, at most about 5 s. The address is judged as of a server that listens itself.
    ///
    /// ```no_run
    /// # async fn example() {
    /// let report = mcp_auth::server!().check().await;
    /// for finding in report.findings() {
    ///     eprintln!("{}: {}", finding.severity(), finding.what());
    /// }
    /// # }
    /// ```
    ///
    /// What is looked at: that the issuer answers and calls itself what is configured; that its keys, or
    /// the one that was given, can verify tokens; that the secret key is of that instance; whether
    /// OAuth access tokens are JWTs; whether clients can register; the clock; the canonical URL against
    /// the address; a development instance in public; and that the instance has the scopes, roles and
    /// permissions that tools ask for.
    pub async fn check(self) -> CheckReport {
        check::check(self, Environment::process()).await
    }

    /// Checks everything and makes a server to mount into an application of your own.
    ///
    /// An issuer or Backend API that cannot be reached is no error: the server answers 503 until it
    /// is there. What is not wrong but not as it should be is logged; [`check`](Self::check) lists it.
    ///
    /// ```no_run
    /// # async fn example() {
    /// if let Err(error) = mcp_auth::server!().build().await {
    ///     // "no Clerk instance is configured; set CLERK_PUBLISHABLE_KEY (or …"
    ///     eprintln!("{error}");
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// What is wrong, in one line that names the fix:
    ///
    /// - A setting is missing, malformed, or contradicts another one.
    /// - A listed host or origin can match no request.
    /// - With [`dangerous_http_url`](Self::dangerous_http_url), the host of an http URL does not resolve, or has
    ///   an address that is not private.
    /// - The issuer calls itself something else, or the secret key is refused or belongs to another
    ///   instance.
    /// - No kind of token is accepted, or one whose settings are incomplete: machines' tokens without a
    ///   machine, API keys without a scope or a secret key, a check of users without a secret key.
    /// - Organizations are to come from another source than the token, and there is no secret key.
    /// - Tokens that name no audience would be accepted from any client: off loopback, or in a transition.
    /// - There is no tool to serve, or two have one name.
    /// - A tool takes state that nobody gave, or two values of one type were given.
    /// - The guard of a tool can be passed by nobody.
    /// - The emulator was asked for in a release build, or beside an address that is not loopback.
    /// - The I/O thread or the emulator cannot be started.
    pub async fn build(self) -> Result<Server> {
        start::build(self, Environment::process(), false)
            .await
            .map_err(Error::start)
    }
}

impl fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder")
            .field("name", &self.name)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
