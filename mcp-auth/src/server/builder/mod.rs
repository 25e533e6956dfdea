//! The settings of a server. Each file is about one topic. It has the fields, the builder methods and the environment
//! variables of the topic, and resolves their values.

pub(super) mod audience;
mod audit;
pub(super) mod clerk;
mod connections;
mod limits;
mod local_clerk;
mod monitoring;
mod organizations;
mod proxies;
mod revocations;
mod schemas;
pub(super) mod scopes;
mod serving;
mod sessions;
mod state_keys;
pub(super) mod stdio;
mod tasks;
mod tls;
pub(super) mod tokens;

use std::fmt;
use std::sync::Arc;

use crate::audit::Recent;
use crate::identity::OrganizationSources;
use crate::primitive::{Notifier, PrimitiveInfo, States};
use crate::tools::{self, ServedTools};

use super::environment::Variable;
use super::selection::Selection;

pub use audience::AudiencePolicy;
pub(super) use audit::AuditSettings;
pub(super) use clerk::ClerkSettings;
pub(super) use connections::descriptors;
pub(super) use limits::Load;
pub(super) use local_clerk::LocalClerkChoice;
#[cfg(feature = "emulator")]
pub(super) use local_clerk::People;
pub(super) use monitoring::Monitoring;
pub(super) use scopes::OFFLINE_ACCESS;
pub(super) use serving::{Address, Allowed};
pub(super) use state_keys::StateKeys;
#[cfg(feature = "tls")]
pub(super) use tls::Tls;

use audience::AudienceOptions;
use audit::AuditOptions;
use clerk::ClerkOptions;
use connections::ConnectionOptions;
use limits::LimitOptions;
use local_clerk::LocalClerkOptions;
use monitoring::MonitoringOptions;
use proxies::ProxyOptions;
use revocations::RevocationOptions;
use schemas::SchemaOptions;
use scopes::ScopeOptions;
use serving::ServingOptions;
use sessions::SessionOptions;
use state_keys::StateKeyOptions;
#[cfg(feature = "stdio")]
use stdio::StdioOptions;
use tasks::TaskOptions;
use tls::TlsOptions;
use tokens::TokenOptions;

/// The environment variables that all topics read.
pub(super) fn variables() -> impl Iterator<Item = &'static Variable> {
    let topics = [
        audience::VARIABLES,
        audit::VARIABLES,
        clerk::VARIABLES,
        local_clerk::VARIABLES,
        monitoring::VARIABLES,
        proxies::VARIABLES,
        revocations::VARIABLES,
        serving::VARIABLES,
        state_keys::VARIABLES,
        sessions::VARIABLES,
        stdio::VARIABLES,
        tls::VARIABLES,
    ];
    topics.into_iter().flatten()
}

/// Configures a server. [`server!`](crate::server) makes a builder. A setting in code overrides the
/// environment variable of the same setting.
///
/// The defaults are the strictest settings. Each method that loosens a check has a `Security` section, and most of
/// these methods begin with `dangerous_`. A method that begins with `without_` turns off a default.
/// [`build`](Self::build), [`serve`](Self::serve) and [`start`](Self::start) check all settings. If a setting is wrong,
/// the error names the setting. An empty environment variable counts as unset.
///
/// A server for production, with all settings in code:
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
/// One of several servers in a process. It serves the tools of one module behind a proxy. Its
/// machine cannot reach Clerk, so the public key is configured:
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
    pub(super) clerk: ClerkOptions,
    pub(super) audience: AudienceOptions,
    pub(super) tokens: TokenOptions,
    pub(super) scopes: ScopeOptions,
    pub(super) organizations: OrganizationSources,
    pub(super) serving: ServingOptions,
    pub(super) sessions: SessionOptions,
    pub(super) connections: ConnectionOptions,
    pub(super) proxies: ProxyOptions,
    pub(super) revocations: RevocationOptions,
    pub(super) limits: LimitOptions,
    pub(super) state_keys: StateKeyOptions,
    pub(super) tasks: TaskOptions,
    pub(super) tls: TlsOptions,
    pub(super) audit: AuditOptions,
    pub(super) schemas: SchemaOptions,
    #[cfg(feature = "stdio")]
    pub(super) stdio: StdioOptions,
    pub(super) local_clerk: LocalClerkOptions,
    pub(super) monitoring: MonitoringOptions,
    /// The last log lines, for the explorer. `None` if the server does not write the log.
    pub(super) lines: Option<Arc<Recent>>,
    #[cfg(feature = "testing")]
    pub(crate) clock: Option<Arc<crate::clock::ManualClock>>,
}

impl ServerBuilder {
    /// `server!` expands to this call, with the name and the version of the calling package.
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
            clerk: ClerkOptions::default(),
            audience: AudienceOptions::default(),
            tokens: TokenOptions::default(),
            scopes: ScopeOptions::default(),
            organizations: OrganizationSources::default(),
            serving: ServingOptions::default(),
            sessions: SessionOptions::default(),
            connections: ConnectionOptions::default(),
            proxies: ProxyOptions::default(),
            revocations: RevocationOptions::default(),
            limits: LimitOptions::default(),
            state_keys: StateKeyOptions::default(),
            tasks: TaskOptions::default(),
            tls: TlsOptions::default(),
            audit: AuditOptions::default(),
            schemas: SchemaOptions::default(),
            #[cfg(feature = "stdio")]
            stdio: StdioOptions::default(),
            local_clerk: LocalClerkOptions::default(),
            monitoring: MonitoringOptions::default(),
            lines: None,
            #[cfg(feature = "testing")]
            clock: None,
        }
    }

    /// Adds a value that tools take as [`&State<T>`](crate::State). A second value of the same type
    /// is a start-up error.
    pub fn state<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        if !self.states.insert(value) {
            self.duplicate_state = Some(std::any::type_name::<T>());
        }
        self
    }

    /// Returns the notifier, with which the application notifies clients that a resource or a list changed. Call this
    /// method before the server starts, and pass the notifier to the code that publishes changes, for example to a
    /// background task. A function takes `&Notifier` instead.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// #[actix_web::main]
    /// async fn main() -> mcp_auth::Result<()> {
    ///     let server = mcp_auth::server!();
    ///     let notifier = server.notifier();
    ///     actix_web::rt::spawn(async move {
    ///         loop {
    ///             actix_web::rt::time::sleep(Duration::from_secs(60)).await;
    ///             notifier.resource_updated("prices://today");
    ///         }
    ///     });
    ///     server.serve().await
    /// }
    /// ```
    #[must_use]
    pub fn notifier(&self) -> Notifier {
        self.states.notifier.clone()
    }

    /// Adds the tool `whoami`, which tells callers what the server knows of them: subject, client, scopes, organization with
    /// role and permissions, and the tools that they may call. Every caller with a token may call it.
    ///
    /// If [`dangerous_trust_token_org`](Self::dangerous_trust_token_org) is set, the role and the permissions are not looked
    /// up for this tool, and the tools that need them are left out.
    ///
    /// ```
    /// # #[cfg(feature = "testing")]
    /// # actix_web::rt::System::new().block_on(async {
    /// use mcp_auth::testing::TestServer;
    /// use serde_json::json;
    ///
    /// /// Delete a document.
    /// #[mcp_auth::mcp_tool(permission = "org:documents:delete")]
    /// async fn delete_document(id: String) {}
    ///
    /// let server = mcp_auth::server!().whoami();
    /// # let server = server.tools_of(module_path!());
    /// let server = TestServer::of(server);
    /// let ada = server.user("ada").org("acme").permission("org:documents:delete");
    /// let answer = ada.call("whoami", json!({})).await;
    /// let known: serde_json::Value = answer.expect_ok().json();
    /// assert_eq!(known["subject"], "user_ada");
    /// assert_eq!(known["organization"]["permissions"], json!(["org:documents:delete"]));
    /// assert_eq!(known["tools"], json!(["delete_document", "whoami"]));
    /// # });
    /// ```
    pub fn whoami(mut self) -> Self {
        self.selection.name(tools::MODULE.to_owned());
        // A second call changes nothing.
        let _ = self.states.insert(ServedTools::default());
        self
    }

    /// Serves the tools, prompts and resources of a module and of the modules below it; may be called several times. Write
    /// the module as `module_path!()` returns it, for example `my_app::billing`.
    ///
    /// If you name a module of the calling package, the server serves only the named modules of the package. If you
    /// name another crate or a module of another crate, the server additionally serves what this crate or module
    /// declares. The argument `tools = […]` of [`server!`](crate::server) has the same effect. In addition, the
    /// compiler then checks the paths and links the crates. A module without a tool is a start-up error.
    ///
    /// ```
    /// let billing = mcp_auth::server!().tools_of("my_app::billing").path("/billing");
    /// # let _ = billing;
    /// ```
    pub fn tools_of(mut self, module: impl Into<String>) -> Self {
        self.selection.name(module.into());
        self
    }

    /// `tools = […]` expands to this call. `path` is the path as written, and `module` is the
    /// module that contains the macro call.
    #[doc(hidden)]
    pub fn tools_in(mut self, module: &str, path: &str) -> Self {
        self.selection.name_in(module, path);
        self
    }

    /// Serves only the tools, prompts and resources for which the condition returns `true`. If this method is called
    /// several times, all conditions must return `true`. If no tool, prompt or resource is left, the server does not
    /// start.
    ///
    /// A prompt and a resource count as read-only.
    ///
    /// ```
    /// let reading = mcp_auth::server!().serve_if(|item| item.is_read_only());
    /// # let _ = reading;
    /// ```
    pub fn serve_if(
        mut self,
        condition: impl Fn(&PrimitiveInfo) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.selection.only_if(condition);
        self
    }

    /// Sets the name that clients see (`serverInfo.name`). The default is the name of the package.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the version (`serverInfo.version`). The default is the version of the package.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// Sets the title that people see (`serverInfo.title`). By default there is no title.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Sets the text that tells the model how to use the server (`instructions` of `server/discover` and `initialize`).
    /// By default there is no text.
    ///
    /// All callers get the same text, even if they may call different tools.
    pub fn instructions(mut self, instructions: impl Into<String>) -> Self {
        self.instructions = Some(instructions.into());
        self
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
